//! `PublishAsset`: the one write that makes an asset visible, when all of its parts are there.
//!
//! Every part rings once it is written, so the last one finds all others in place. Before that this job does nothing,
//! and after it nothing more: a published asset stays what it is while parts are made again. A stream counts as there from
//! its beginning on.
//!
//! A version of another asset is not published but takes that one's place (`switch`), with all captions that belong to it.

use anyhow::Context;
use kernel::env::Env;
use kernel::events::{self, Cause};
use kernel::id::AssetId;
use kernel::index_marks;
use kernel::jobs::{Ctx, Done, Failure, Finishing};
use kernel::pipeline::{Event, PublishAsset, UpdateIndex};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::switch::{self, Switched};

pub async fn publish_asset(ctx: Ctx, job: PublishAsset) -> Result<Done, Failure> {
    let asset_id = job.asset_id;
    let now = ctx.env.clock.now();
    let mut done = ctx.finish().await?;
    let found = sqlx::query_scalar!("select version_of from assets where id = $1", asset_id.0).fetch_optional(done.conn()).await?;
    let Some(version_of) = found else { return done.commit_silent().await };
    let shown = version_of.map(AssetId);
    if let Some(shown) = shown {
        switch::hold(done.conn(), shown, asset_id).await?;
    }
    if !is_whole(&ctx, done.conn(), asset_id).await? || waits_for_its_version(&mut done, asset_id).await? {
        return done.commit_silent().await;
    }
    let (events, cause) = match shown {
        // The job goes with its version some day; what is recorded of the asset stays.
        Some(shown) => {
            let cause = Cause { job_id: None, ..ctx.job.cause() };
            (replace(&mut done, &ctx.env, shown, asset_id, &cause).await?, cause)
        }
        None => (publish(&mut done, asset_id, now).await?, ctx.job.cause()),
    };
    kernel::crash_point!("publish.switched");
    for event in &events {
        events::record(done.conn(), event, &cause).await?;
    }
    done.commit_silent().await
}

/// Whether these are captions of a version that is not shown: then they are kept with it, or shown when it is.
async fn waits_for_its_version(done: &mut Finishing, asset_id: AssetId) -> Result<bool, Failure> {
    // Asked once the asset is held: before that it may still change hands.
    let version = sqlx::query!(
        "select p.id, p.state from assets a join assets p on p.id = a.parent_id where a.id = $1 and p.version_of is not null",
        asset_id.0,
    )
    .fetch_optional(done.conn())
    .await?;
    let Some(version) = version else { return Ok(false) };
    if version.state == "kept" {
        sqlx::query!("update assets set state = 'kept' where id = $1", asset_id.0).execute(done.conn()).await?;
        index_marks::mark(done.conn(), asset_id).await?;
        done.enqueue(UpdateIndex {}).await?;
    } else {
        done.enqueue(PublishAsset { asset_id: version.id.into() }).await?;
    }
    Ok(true)
}

/// Shows an asset, and what is to be recorded of that: a stream that could be watched before it was complete may fail after all,
/// and be taken up again.
async fn publish(done: &mut Finishing, asset_id: AssetId, now: OffsetDateTime) -> Result<Vec<Event>, Failure> {
    let published = sqlx::query!(
        r#"update assets set state = 'published', published_at = coalesce(published_at, $2)
            where id = $1 and state = 'processing' returning published_at = $2 as "first!""#,
        asset_id.0,
        now
    )
    .fetch_optional(done.conn())
    .await
    .context("publish an asset")?;
    if published.is_some() {
        replace_automatic(done, asset_id).await?;
    }
    Ok(published.filter(|published| published.first).map(|_| Event::Published { asset_id }).into_iter().collect())
}

/// Captions that somebody uploaded take the place of those that a machine has made for the same recording in that language.
/// Where a language is not known, the person's word counts. Captions that only translate what is foreign replace nothing.
async fn replace_automatic(done: &mut Finishing, asset_id: AssetId) -> Result<(), Failure> {
    // Whoever brings captions by a machine holds the recording, too: one of both comes second and sees the other.
    sqlx::query!(
        "select 1 as one from assets
          where id = (select parent_id from assets where id = $1 and kind = 'captions' and not auto) for no key update",
        asset_id.0
    )
    .fetch_optional(done.conn())
    .await?;
    let replaced = sqlx::query_scalar!(
        "delete from assets old
          using assets new left join documents said on said.asset_id = new.id
          where new.id = $1 and new.kind = 'captions' and not new.auto and not new.forced
            and old.parent_id = new.parent_id and old.auto and old.id <> new.id
            and coalesce(split_part(coalesce(new.language, said.language), '-', 1)
                       = split_part(coalesce(old.language, (select language from documents where asset_id = old.id)), '-', 1), true)
         returning old.id",
        asset_id.0,
    )
    .fetch_all(done.conn())
    .await?;
    for old in &replaced {
        index_marks::mark(done.conn(), AssetId(*old)).await?;
    }
    if !replaced.is_empty() {
        done.enqueue(UpdateIndex {}).await?;
    }
    Ok(())
}

/// Shows a version in place of what is shown, unless another one is wanted by now.
async fn replace(done: &mut Finishing, env: &Env, shown: AssetId, version: AssetId, cause: &Cause) -> Result<Vec<Event>, Failure> {
    match switch::switch(done.conn(), env, shown, version, cause).await? {
        Switched::Shown { first: true } => Ok(vec![Event::Published { asset_id: shown }, Event::Replaced { asset_id: shown }]),
        Switched::Shown { first: false } => Ok(vec![Event::Replaced { asset_id: shown }]),
        Switched::Kept => {
            done.enqueue(UpdateIndex {}).await?;
            Ok(vec![])
        }
    }
}

/// Whether nothing of it is missing any more.
async fn is_whole(ctx: &Ctx, conn: &mut PgConnection, asset_id: AssetId) -> anyhow::Result<bool> {
    Ok(is_complete(conn, asset_id).await? && (!ctx.env.config.embedder.enabled || has_vectors(conn, asset_id).await?))
}

/// Whether the stream or the document is there, and the full-text index holds exactly what the database does.
async fn is_complete(conn: &mut PgConnection, asset_id: AssetId) -> anyhow::Result<bool> {
    let row = sqlx::query!(
        "select case when a.kind in ('video', 'audio') then exists (select 1 from streams s where s.asset_id = a.id and (s.complete or a.version_of is null))
                     when a.kind in ('document', 'captions') then exists (select 1 from documents d where d.asset_id = a.id)
                     else false end as \"made!\",
                exists (select 1 from index_state i where i.asset_id = a.id
                           and i.chunks = (select count(*) from chunks c where c.asset_id = a.id))
                and not exists (select 1 from index_dirty d where d.asset_id = a.id)
                and (a.version_of is null or not exists (
                       select 1 from assets c join index_dirty d on d.asset_id = c.id where c.parent_id = a.id)) as \"indexed!\"
           from assets a where a.id = $1 and a.state = 'processing' for update of a",
        asset_id.0,
    )
    .fetch_optional(conn)
    .await
    .context("look whether an asset is complete")?;
    Ok(row.is_some_and(|row| row.made && row.indexed))
}

/// Whether every chunk has its vector. True where the database has no table for vectors: then nobody makes any.
///
/// The last word on "of the current model" is the `Embedded` event, which is recorded when none is lacking: it must
/// be younger than the chunks.
async fn has_vectors(conn: &mut PgConnection, asset_id: AssetId) -> anyhow::Result<bool> {
    let has_table: bool = sqlx::query_scalar("select to_regclass('embeddings') is not null")
        .fetch_one(&mut *conn)
        .await
        .context("look for the vectors' table")?;
    let chunks = sqlx::query_scalar!("select count(*) as \"count!\" from chunks where asset_id = $1", asset_id.0)
        .fetch_one(&mut *conn)
        .await
        .context("count an asset's chunks")?;
    if !has_table || chunks == 0 {
        return Ok(true);
    }
    // Unchecked at compile time: the table is made at run time, and not everywhere.
    sqlx::query_scalar(
        "select not exists (select 1 from chunks c where c.asset_id = $1
                               and not exists (select 1 from embeddings e where e.content_hash = c.content_hash))
            and coalesce((select max(id) from events where asset_id = $1 and kind = 'Embedded'), 0)
              > coalesce((select max(id) from events where asset_id = $1 and kind = 'Extracted'), 0)",
    )
    .bind(asset_id.0)
    .fetch_one(conn)
    .await
    .context("look for chunks without vectors")
}
