//! What the index is to hold of an asset, read from Postgres.

use anyhow::{Context, Result};
use kernel::id::{AssetId, CourseId};
use sqlx::PgConnection;
use uuid::Uuid;

/// An asset as it is to be found.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub asset_id: AssetId,
    pub course_id: CourseId,
    /// `kernel::media::Kind` as a word; empty until the bytes have been looked at.
    pub kind: String,
    pub title: String,
    /// Whether the asset waits for its parts to be ready: then somebody waits for the index.
    pub processing: bool,
    pub chunks: Vec<Chunk>,
}

/// A chunk as it is to be found.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub id: Uuid,
    pub heading_path: Vec<String>,
    pub text: String,
    pub locator: serde_json::Value,
}

/// Reads an asset; None when it is gone or failed, and the index is to hold nothing of it.
pub(crate) async fn read(conn: &mut PgConnection, asset: AssetId) -> Result<Option<Entry>> {
    let row = sqlx::query!(
        "select course_id, coalesce(kind, '') as \"kind!\", title, state from assets
          where id = $1 and state in ('processing', 'published')",
        asset.0,
    )
    .fetch_optional(&mut *conn)
    .await
    .context("read asset for the index")?;
    let Some(row) = row else { return Ok(None) };
    let chunks =
        sqlx::query_as!(Chunk, "select id, heading_path, text, locator from chunks where asset_id = $1 order by ordinal", asset.0,)
            .fetch_all(conn)
            .await
            .context("read chunks for the index")?;
    Ok(Some(Entry {
        asset_id: asset,
        course_id: CourseId(row.course_id),
        kind: row.kind,
        title: row.title,
        processing: row.state == "processing",
        chunks,
    }))
}

/// The next assets that the index is to hold, in the order of ids, after `after`.
pub(crate) async fn page(conn: &mut PgConnection, after: Option<AssetId>, limit: i64) -> Result<Vec<AssetId>> {
    let ids = sqlx::query_scalar!(
        "select id from assets
          where state in ('processing', 'published') and ($1::uuid is null or id > $1) order by id limit $2",
        after.map(|id| id.0),
        limit,
    )
    .fetch_all(conn)
    .await
    .context("list assets for the index")?;
    Ok(ids.into_iter().map(AssetId).collect())
}

/// How many assets the index is to hold.
pub(crate) async fn count(conn: &mut PgConnection) -> Result<u64> {
    let count = sqlx::query_scalar!("select count(*) as \"count!\" from assets where state in ('processing', 'published')")
        .fetch_one(conn)
        .await
        .context("count assets for the index")?;
    Ok(count as u64)
}
