//! The job that gives an asset's chunks their vectors.
//!
//! It looks for what is lacking, a page at a time, and stores each page before it makes the next: memory does not
//! grow with the asset, a killed worker costs one page, and a second run finds nothing left to do.

use std::sync::Arc;

use anyhow::Context;
use kernel::jobs::{Class, Ctx, Done, Failure, Runner};
use kernel::pipeline::{EmbedChunks, Event};

use crate::model::Embedder;
use crate::runtime::Unavailable;
use crate::{schema, vectors};

/// Texts that are read, embedded and stored together: some seconds of work.
const PAGE: i64 = 64;

pub(crate) fn register(runner: &mut Runner, embedder: Result<Arc<Embedder>, Unavailable>) {
    runner.on(move |ctx, job: EmbedChunks| embed(ctx, job, embedder.clone()));
}

async fn embed(ctx: Ctx, job: EmbedChunks, embedder: Result<Arc<Embedder>, Unavailable>) -> Result<Done, Failure> {
    let db = &ctx.env.db;
    if !ctx.env.config.embedder.enabled {
        return ctx.skip("embedding is switched off").await;
    }
    if !schema::present(&mut *db.acquire().await?).await? {
        return ctx.skip("the database has no table for vectors").await;
    }
    let embedder = embedder.map_err(|unavailable| Failure {
        class: Class::Dependency,
        code: "embedder_unavailable".into(),
        reason: "the embedding model is not available on this server".into(),
        detail: Some(unavailable.to_string()),
    })?;

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
        .context("embed a page of chunks")??;
        vectors::store(&mut *db.acquire().await?, &rows).await?;
        made += rows.len() as u64;
        progress.report(made, total.max(made));
    }
    ctx.finish().await?.commit(Event::Embedded { asset_id: job.asset_id }).await
}
