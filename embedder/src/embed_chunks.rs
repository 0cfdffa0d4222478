//! The job that gives an asset's chunks their vectors.
//!
//! It looks for what is lacking, a page at a time, and stores each page before it makes the next: memory does not
//! grow with the asset, a killed worker costs one page, and a second run finds nothing left to do.

use anyhow::Context;
use kernel::dependency::Dependency;
use kernel::jobs::{Ctx, Done, Failure, Runner};
use kernel::pipeline::{EmbedChunks, Event};

use crate::handle::Handle;
use crate::runtime::Unavailable;
use crate::{schema, vectors};

/// Texts that are read, embedded and stored together: some seconds of work.
const PAGE: i64 = 64;

pub(crate) fn register(runner: &mut Runner, embedder: Handle) {
    runner.on(move |ctx, job: EmbedChunks| embed(ctx, job, embedder.clone()));
}

async fn embed(ctx: Ctx, job: EmbedChunks, embedder: Handle) -> Result<Done, Failure> {
    let db = &ctx.env.db;
    if !ctx.env.config.embedder.enabled {
        return ctx.skip("embedding is switched off").await;
    }
    if !schema::present(&mut *db.acquire().await?).await? {
        return ctx.skip("the database has no table for vectors").await;
    }
    let embedder = embedder.open().await.map_err(gone)?;

    let total = vectors::count_missing(&mut *db.acquire().await?, job.asset_id).await? as u64;
    let progress = ctx.progress();
    progress.report(0, total);
    let mut made = 0;
    loop {
        let page = vectors::missing(&mut *db.acquire().await?, job.asset_id, PAGE).await?;
        if page.is_empty() {
            break;
        }
        let embedder = embedder.clone();
        let rows = tokio::task::spawn_blocking(move || {
            let texts: Vec<&str> = page.iter().map(|missing| missing.text.as_str()).collect();
            let vectors = embedder.documents(&texts)?;
            anyhow::Ok(page.into_iter().map(|missing| missing.content_hash).zip(vectors).collect::<Vec<_>>())
        })
        .await
        .context("embed a page of chunks")?
        // Sessions for documents are made of the model's files, which may be gone by now.
        .map_err(|error| error.downcast::<Unavailable>().map_or_else(Failure::from, gone))?;
        vectors::store(&mut *db.acquire().await?, &rows).await?;
        kernel::crash_point!("embed.page");
        made += rows.len() as u64;
        progress.report(made, total.max(made));
    }
    ctx.finish().await?.commit(Event::Embedded { asset_id: job.asset_id }).await
}

/// The model is nobody's mistake: the job keeps its attempts and waits.
fn gone(unavailable: Unavailable) -> Failure {
    Failure::dependency(Dependency::Model).with_detail(unavailable.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use kernel::config::Config;
    use kernel::events::Cause;
    use kernel::http::Role;
    use kernel::id::AssetId;
    use kernel::jobs;
    use kernel::testing::TestEnv;
    use uuid::Uuid;

    use super::*;

    async fn world(vectors: bool) -> (TestEnv, AssetId) {
        let test = TestEnv::new().await;
        if vectors {
            schema::ensure(&mut test.owner().await).await.unwrap().expect("pgvector");
        }
        let owner = test.account(Role::Instructor).await;
        let course = test.course(&owner, "draft").await;
        let asset = test.asset(&owner, course, "notes.md", b"notes").await;
        for (ordinal, text) in ["alpha", "beta", "alpha", "gamma rays"].into_iter().enumerate() {
            insert(&test, asset, ordinal as i32, text).await;
        }
        (test, asset)
    }

    async fn insert(test: &TestEnv, asset: AssetId, ordinal: i32, text: &str) {
        let mut hash = [0; 32];
        hash[..text.len()].copy_from_slice(text.as_bytes());
        sqlx::query("insert into chunks (id, asset_id, ordinal, text, locator, content_hash, tokens) values ($1, $2, $3, $4, '{}', $5, 3)")
            .bind(Uuid::new_v4())
            .bind(asset.0)
            .bind(ordinal)
            .bind(text)
            .bind(hash.as_slice())
            .execute(&test.env.db)
            .await
            .unwrap();
    }

    fn model() -> Handle {
        Handle::new(Arc::new(Config::load(None).unwrap()))
    }

    /// The way to a model in this folder, which may be empty.
    fn model_in(folder: &Path) -> Handle {
        let mut config = Config::load(None).unwrap();
        config.paths.model = folder.to_owned();
        Handle::new(Arc::new(config))
    }

    /// Runs the job once and returns its state, and how it failed if it did.
    async fn run(test: &TestEnv, asset: AssetId, embedder: Handle) -> (String, Option<String>) {
        let mut conn = test.env.db.acquire().await.unwrap();
        jobs::enqueue(&mut conn, EmbedChunks { asset_id: asset }, &Cause::default()).await.unwrap();
        let mut runner = Runner::new(test.env.clone());
        register(&mut runner, embedder);
        runner.drain().await.unwrap();
        sqlx::query_as("select state, failure_code from jobs where kind = 'EmbedChunks' order by id desc limit 1")
            .fetch_one(&mut *conn)
            .await
            .unwrap()
    }

    async fn count(test: &TestEnv, what: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select count(*) from {what}"))).fetch_one(&test.env.db).await.unwrap()
    }

    #[tokio::test]
    async fn every_text_gets_one_vector_and_an_unchanged_one_no_second() {
        let (test, asset) = world(true).await;
        let model = model();
        assert_eq!(run(&test, asset, model.clone()).await, ("done".into(), None));
        assert_eq!(count(&test, "embeddings").await, 3, "equal texts share a vector");
        assert_eq!(count(&test, "events where kind = 'Embedded'").await, 1);
        let mut conn = test.env.db.acquire().await.unwrap();
        assert_eq!(vectors::counts(&mut conn).await.unwrap(), [(asset, 4)]);
        assert_eq!(vectors::count_missing(&mut conn, asset).await.unwrap(), 0);

        let before: Vec<(Vec<u8>, time::OffsetDateTime)> =
            sqlx::query_as("select content_hash, made_at from embeddings order by 1").fetch_all(&mut *conn).await.unwrap();
        insert(&test, asset, 4, "delta").await;
        run(&test, asset, model).await;
        let after: Vec<(Vec<u8>, time::OffsetDateTime)> =
            sqlx::query_as("select content_hash, made_at from embeddings order by 1").fetch_all(&mut *conn).await.unwrap();
        assert_eq!(after.len(), 4);
        assert!(before.iter().all(|row| after.contains(row)), "what was there is not made again");
    }

    #[tokio::test]
    async fn a_second_start_finds_the_table_as_it_is() {
        let (test, _) = world(true).await;
        schema::ensure(&mut test.owner().await).await.unwrap().expect("pgvector");
        assert!(schema::present(&mut test.env.db.acquire().await.unwrap()).await.unwrap());
    }

    #[tokio::test]
    async fn without_a_table_nothing_is_embedded_and_nothing_fails() {
        let (test, asset) = world(false).await;
        assert_eq!(run(&test, asset, model()).await, ("done".into(), None));
        assert_eq!(count(&test, "events").await, 0);
    }

    #[tokio::test]
    async fn a_job_outlives_the_absence_of_the_model_and_runs_when_it_is_back() {
        let (test, asset) = world(true).await;
        let folder = tempfile::tempdir().unwrap();
        let handle = model_in(folder.path());
        assert_eq!(run(&test, asset, handle.clone()).await, ("parked".into(), Some("model_down".into())));

        for file in std::fs::read_dir(Config::load(None).unwrap().paths.model).unwrap() {
            let file = file.unwrap().path();
            std::os::unix::fs::symlink(&file, folder.path().join(file.file_name().unwrap())).unwrap();
        }
        assert!(handle.ready().is_none(), "nobody has asked for it since");
        assert_eq!(count(&test, "jobs where failures = 0").await, 1, "it cost no attempt");
        sqlx::query("update jobs set run_at = now()").execute(&test.env.db).await.unwrap();
        let mut runner = Runner::new(test.env.clone());
        register(&mut runner, handle.clone());
        runner.drain().await.unwrap();
        assert!(handle.ready().is_some(), "opened without a restart");
        assert_eq!(count(&test, "jobs where state = 'done'").await, 1);
        assert_eq!(count(&test, "embeddings").await, 3);
    }

    #[tokio::test]
    async fn vectors_that_belong_to_no_chunk_are_swept_when_they_are_old() {
        let (test, asset) = world(true).await;
        run(&test, asset, model()).await;
        let mut conn = test.env.db.acquire().await.unwrap();
        sqlx::query("delete from chunks where text = 'beta'").execute(&mut *conn).await.unwrap();
        assert_eq!(vectors::sweep(&mut conn).await.unwrap(), 0, "young ones are spared");
        sqlx::query("update embeddings set made_at = now() - interval '1 hour'").execute(&mut *conn).await.unwrap();
        assert_eq!(vectors::sweep(&mut conn).await.unwrap(), 1);
    }
}
