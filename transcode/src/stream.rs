//! The `streams` row: what makes a stream real, as a draft or as a whole.

use kernel::id::AssetId;
use kernel::jobs::Failure;
use kernel::store::{Key, Prefix};
use sqlx::PgConnection;

use crate::manifest::{MADE_BY, Manifest};

/// Writes an asset's row, in place of the one that is there.
pub async fn write(
    conn: &mut PgConnection,
    asset_id: AssetId,
    prefix: &Prefix,
    manifest: &Manifest,
    poster: Option<&Key>,
) -> Result<(), Failure> {
    sqlx::query!(
        "insert into streams (asset_id, prefix, duration_ms, width, height, poster, manifest, complete, made_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (asset_id) do update set prefix = excluded.prefix, duration_ms = excluded.duration_ms,
           width = excluded.width, height = excluded.height, poster = excluded.poster, manifest = excluded.manifest,
           complete = excluded.complete, made_by = excluded.made_by, made_at = now()",
        asset_id.0,
        prefix.as_str(),
        manifest.duration_ms as i64,
        manifest.width.map(|pixels| pixels as i32),
        manifest.height.map(|pixels| pixels as i32),
        poster.map(Key::as_str),
        serde_json::to_value(manifest)?,
        manifest.complete,
        MADE_BY,
    )
    .execute(&mut *conn)
    .await?;
    // The first bytes cannot tell a film from a container that holds nothing but sound; now it is known.
    sqlx::query!("update assets set kind = 'audio' where id = $1 and $2", asset_id.0, manifest.width.is_none()).execute(conn).await?;
    Ok(())
}
