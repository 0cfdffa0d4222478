//! `PublishAsset`: the one write that makes an asset visible, when all of its parts are there.
//!
//! Every part rings once it is written, so the last one finds all others in place. Before that this job does nothing,
//! and after it nothing more: a published asset stays what it is while parts are made again. A stream counts as there from
//! its beginning on.

use anyhow::Context;
use kernel::id::AssetId;
use kernel::index_marks;
use kernel::jobs::{Ctx, Done, Failure, Finishing};
use kernel::pipeline::{Event, PublishAsset, UpdateIndex};
use sqlx::PgConnection;

pub async fn publish_asset(ctx: Ctx, job: PublishAsset) -> Result<Done, Failure> {
    let asset_id = job.asset_id;
    let wants_vectors = ctx.env.config.embedder.enabled;
    let now = ctx.env.clock.now();
    let mut done = ctx.finish().await?;
    if !is_complete(done.conn(), asset_id).await? || wants_vectors && !has_vectors(done.conn(), asset_id).await? {
        return done.commit_silent().await;
    }
    let published = sqlx::query!(
        r#"update assets set state = 'published', published_at = coalesce(published_at, $2)
            where id = $1 and state = 'processing' returning published_at = $2 as "first!""#,
        asset_id.0,
        now
    )
    .fetch_optional(done.conn())
    .await?;
    if published.is_some() {
        replace_automatic(&mut done, asset_id).await?;
    }
    kernel::crash_point!("publish.switched");
    match published {
        Some(published) if published.first => done.commit(Event::Published { asset_id }).await,
        // A stream that could be watched before it was complete may fail after all, and be taken up again.
        _ => done.commit_silent().await,
    }
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

/// Whether the stream or the document is there, and the full-text index holds exactly what the database does.
async fn is_complete(conn: &mut PgConnection, asset_id: AssetId) -> anyhow::Result<bool> {
    let row = sqlx::query!(
        "select case when a.kind in ('video', 'audio') then exists (select 1 from streams s where s.asset_id = a.id)
                     when a.kind in ('document', 'captions') then exists (select 1 from documents d where d.asset_id = a.id)
                     else false end as \"made!\",
                exists (select 1 from index_state i where i.asset_id = a.id
                           and i.chunks = (select count(*) from chunks c where c.asset_id = a.id))
                and not exists (select 1 from index_dirty d where d.asset_id = a.id) as \"indexed!\"
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
