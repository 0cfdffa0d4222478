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
    let found = sqlx::query!(
        r#"select media_type, source_sha256, coalesce(version_of, id) as "home!", version from assets where id = $1"#,
        asset_id.0
    );
    let Some(asset) = found.fetch_optional(&ctx.env.db).await? else { return ctx.skip("its asset is gone").await };
    let Some(format) = asset.media_type.as_deref().and_then(Format::of_media_type) else {
        return ctx.skip("its asset is no document").await;
    };
    let dir = ctx.env.scratch("extract")?;
    ctx.env.store.fetch(&Key::source(&asset.source_sha256), &dir.path().join(SOURCE)).await?;
    kernel::crash_point!("extract.fetched");
    let reading = read_document::for_job(&ctx, format, dir.path()).await?;

    let mut prefix = None;
    if let Body::Cues { cues } = &reading.extracted.body {
        let folder = ctx.prefix(asset.home.into());
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
    let space = Space { home: asset.home.into(), version: asset.version };
    write(done.conn(), asset_id, space, prefix.as_ref(), &reading).await?;
    done.commit(Event::Extracted { asset_id }).await
}

async fn write(conn: &mut PgConnection, asset_id: AssetId, space: Space, prefix: Option<&Prefix>, reading: &Reading) -> anyhow::Result<()> {
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
    replace_chunks(conn, asset_id, space, &reading.chunks).await?;
    index_marks::mark(conn, asset_id).await
}

async fn replace_chunks(conn: &mut PgConnection, asset_id: AssetId, space: Space, chunks: &[Chunk]) -> anyhow::Result<()> {
    sqlx::query!("delete from chunks where asset_id = $1", asset_id.0).execute(&mut *conn).await.context("delete the old chunks")?;
    let rows: Vec<Row<'_>> = chunks.iter().map(|chunk| Row { id: space.id(chunk), chunk }).collect();
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

/// Whose chunks they are: versions of one asset may say the same in the same place, and their rows are there at once.
#[derive(Clone, Copy)]
struct Space {
    /// The asset that learners know.
    home: AssetId,
    version: i32,
}

impl Space {
    /// UUIDv5 of asset, version, ordinal and content: the same chunk keeps its id when a document is read again, and takes it
    /// along when its version is shown or kept.
    fn id(self, chunk: &Chunk) -> Uuid {
        let place = format!("{} {}", chunk.ordinal, chunk.content_hash);
        let name = if self.version == 1 { place } else { format!("version {} {place}", self.version) };
        Uuid::new_v5(&self.home.0, name.as_bytes())
    }
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
        let (one, two) = {
            let home = AssetId::new();
            (Space { home, version: 1 }, Space { home, version: 2 })
        };
        let chunk = |ordinal, hash: &str| Chunk {
            ordinal,
            text: "x".into(),
            heading_path: vec![],
            locator: Locator::Section { start: 0, end: 1 },
            tokens: 1,
            content_hash: hash.into(),
        };
        assert_eq!(one.id(&chunk(0, "aa")), one.id(&chunk(0, "aa")));
        assert_ne!(one.id(&chunk(0, "aa")), one.id(&chunk(1, "aa")));
        assert_ne!(one.id(&chunk(0, "aa")), one.id(&chunk(0, "bb")));
        assert_ne!(one.id(&chunk(0, "aa")), two.id(&chunk(0, "aa")), "each version has its own");
    }
}
