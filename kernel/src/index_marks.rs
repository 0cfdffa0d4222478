//! Marks which assets the full-text index must read again. The indexer drains the marks; see its writer.

use anyhow::{Context, Result};
use sqlx::PgConnection;

use crate::id::AssetId;

/// Marks the asset as changed, in the caller's transaction. A mark made while the writer works has a higher number
/// than the one it saw, and stays.
pub async fn mark(conn: &mut PgConnection, asset_id: AssetId) -> Result<()> {
    sqlx::query!(
        "insert into index_dirty (asset_id) values ($1)
         on conflict (asset_id) do update set mark = nextval('index_marks')",
        asset_id.0,
    )
    .execute(conn)
    .await
    .context("mark asset for the index")?;
    Ok(())
}
