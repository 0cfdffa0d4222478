//! `ExtractDocument`: a stored source becomes chunks and one `documents` row; captions also become clean WebVTT.
//!
//! The shell around the core: fetch to scratch, read in a child, put objects, one write. The chunks of an earlier run
//! are replaced in that write, and those whose text is the same keep their id and their vector.

use anyhow::Context;
use kernel::id::AssetId;
use kernel::index_marks;
use kernel::jobs::{Ctx, Done, Failure};
use kernel::pipeline::{Event, ExtractDocument};
use kernel::store::{Key, Prefix};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::child::Reading;
use crate::chunk::Chunk;
use crate::extract::{Body, EXTRACTOR_VERSION, Extracted, captions};
use crate::read_document::{self, SOURCE};
use crate::sniff::Format;

/// Name of a captions asset's clean file under its prefix.
pub const CAPTIONS: &str = "captions.vtt";

pub async fn extract_document(ctx: Ctx, job: ExtractDocument) -> Result<Done, Failure> {
    let asset_id = job.asset_id;
    let found = sqlx::query!("select media_type, source_sha256 from assets where id = $1", asset_id.0).fetch_optional(&ctx.env.db).await?;
    let Some(asset) = found else { return ctx.skip("its asset is gone").await };
    let Some(format) = asset.media_type.as_deref().and_then(Format::of_media_type) else {
        return ctx.skip("its asset is no document").await;
    };
    let dir = ctx.env.scratch("extract")?;
    ctx.env.store.fetch(&Key::source(&asset.source_sha256), &dir.path().join(SOURCE)).await?;
    kernel::crash_point!("extract.fetched");
    let reading = read_document::for_job(&ctx, format, dir.path()).await?;

    let mut prefix = None;
    if let Body::Cues { cues } = &reading.extracted.body {
        let folder = ctx.prefix(asset_id);
        ctx.env.store.put(&Key::in_prefix(&folder, CAPTIONS)?, captions::to_webvtt(cues).into()).await?;
        kernel::crash_point!("extract.object");
        prefix = Some(folder);
    }
    let mut done = ctx.finish().await?;
    // What was read may have been replaced meanwhile: the job that was enqueued with the newer source writes.
    let source =
        sqlx::query_scalar!("select source_sha256 from assets where id = $1 for update", asset_id.0).fetch_optional(done.conn()).await?;
    if source != Some(asset.source_sha256) {
        return done.commit_silent().await;
    }
    write(done.conn(), asset_id, prefix.as_ref(), &reading).await?;
    done.commit(Event::Extracted { asset_id }).await
}

async fn write(conn: &mut PgConnection, asset_id: AssetId, prefix: Option<&Prefix>, reading: &Reading) -> anyhow::Result<()> {
    let extracted = &reading.extracted;
    sqlx::query!(
        "insert into documents (asset_id, prefix, pages, language, notice, outline, made_by)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (asset_id) do update set prefix = excluded.prefix, pages = excluded.pages, language = excluded.language,
           notice = excluded.notice, outline = excluded.outline, made_by = excluded.made_by, made_at = now()",
        asset_id.0,
        prefix.map(Prefix::as_str),
        extracted.body.page_count().and_then(|pages| i32::try_from(pages).ok()),
        extracted.language,
        extracted.notice.map(|notice| notice.code()),
        serde_json::to_value(outline(extracted))?,
        EXTRACTOR_VERSION,
    )
    .execute(&mut *conn)
    .await
    .context("write the document's row")?;
    replace_chunks(conn, asset_id, &reading.chunks).await?;
    index_marks::mark(conn, asset_id).await
}

async fn replace_chunks(conn: &mut PgConnection, asset_id: AssetId, chunks: &[Chunk]) -> anyhow::Result<()> {
    sqlx::query!("delete from chunks where asset_id = $1", asset_id.0).execute(&mut *conn).await.context("delete the old chunks")?;
    let rows: Vec<Row<'_>> = chunks.iter().map(|chunk| Row { id: id(asset_id, chunk), chunk }).collect();
    // One statement for all: a book has thousands.
    sqlx::query!(
        "insert into chunks (id, asset_id, ordinal, text, heading_path, locator, content_hash, tokens)
         select id, $1, ordinal, text, heading_path, locator, decode(content_hash, 'hex'), tokens
           from jsonb_to_recordset($2) as chunk
                (id uuid, ordinal integer, text text, heading_path text[], locator jsonb, content_hash text, tokens integer)",
        asset_id.0,
        serde_json::to_value(rows)?,
    )
    .execute(conn)
    .await
    .context("insert the chunks")?;
    Ok(())
}

#[derive(Serialize)]
struct Row<'c> {
    id: Uuid,
    #[serde(flatten)]
    chunk: &'c Chunk,
}

/// UUIDv5 of asset, ordinal and content: the same chunk keeps its id when a document is read again.
fn id(asset_id: AssetId, chunk: &Chunk) -> Uuid {
    Uuid::new_v5(&asset_id.0, format!("{} {}", chunk.ordinal, chunk.content_hash).as_bytes())
}

/// An entry of `documents.outline`.
#[derive(Debug, PartialEq, Serialize)]
struct Entry<'e> {
    level: u8,
    title: &'e str,
    /// Of a paged document, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<u32>,
    /// Character of the page's or document's text.
    start: u32,
}

fn outline(extracted: &Extracted) -> Vec<Entry<'_>> {
    match &extracted.body {
        Body::Pages { pages } => pages
            .iter()
            .flat_map(|page| page.headings.iter().map(|heading| (Some(page.number), heading)))
            .map(|(page, heading)| Entry { level: heading.level, title: &heading.title, page, start: heading.start })
            .collect(),
        Body::Flow(flow) => flow
            .headings
            .iter()
            .map(|heading| Entry { level: heading.level, title: &heading.title, page: None, start: heading.start })
            .collect(),
        Body::Cues { .. } => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use kernel::locator::Locator;

    use super::*;

    #[test]
    fn ids_are_stable_and_differ_by_place_and_content() {
        let asset = AssetId::new();
        let chunk = |ordinal, hash: &str| Chunk {
            ordinal,
            text: "x".into(),
            heading_path: vec![],
            locator: Locator::Section { start: 0, end: 1 },
            tokens: 1,
            content_hash: hash.into(),
        };
        assert_eq!(id(asset, &chunk(0, "aa")), id(asset, &chunk(0, "aa")));
        assert_ne!(id(asset, &chunk(0, "aa")), id(asset, &chunk(1, "aa")));
        assert_ne!(id(asset, &chunk(0, "aa")), id(asset, &chunk(0, "bb")));
    }
}
