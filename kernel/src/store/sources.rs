//! Stored sources: the object and the row that says it is meant.
//!
//! An object without a row is swept after a while, and the same bytes may arrive just then. Both sides therefore
//! hold the same lock: who inserts the row looks once more that the object is there, who deletes the object looks
//! once more that there is no row.

use anyhow::{Context, Result};
use sqlx::{PgConnection, PgPool};

use super::{Key, ObjectStore, Received};

/// Writes the row of bytes that were stored by [`Received::store`], in the caller's transaction.
pub async fn record(conn: &mut PgConnection, store: &dyn ObjectStore, received: &Received) -> Result<()> {
    lock(conn, &received.sha256).await?;
    received.store(store).await?;
    sqlx::query!(
        "insert into sources (sha256, bytes) values ($1, $2) on conflict (sha256) do nothing",
        &received.sha256[..],
        i64::try_from(received.bytes).context("length of the upload")?,
    )
    .execute(conn)
    .await
    .context("record a source")?;
    Ok(())
}

/// Takes the row of a source back if no asset has it any more, in the caller's transaction; its object is swept after that.
pub async fn forget(conn: &mut PgConnection, sha256: &[u8]) -> Result<()> {
    lock(conn, sha256).await?;
    sqlx::query!("delete from sources where sha256 = $1 and not exists (select 1 from assets where source_sha256 = $1)", sha256)
        .execute(conn)
        .await
        .context("forget a source")?;
    Ok(())
}

/// Deletes a source's object unless a row means it by now.
pub async fn sweep(db: &PgPool, store: &dyn ObjectStore, key: &Key) -> Result<()> {
    let sha256 = hex::decode(key.file_name()).with_context(|| format!("{key} is no source"))?;
    let mut tx = db.begin().await.context("begin to sweep a source")?;
    lock(&mut tx, &sha256).await?;
    let meant = sqlx::query_scalar!("select exists (select 1 from sources where sha256 = $1) as \"meant!\"", &sha256[..])
        .fetch_one(&mut *tx)
        .await
        .context("look for the row of a source")?;
    if !meant {
        store.delete(key).await?;
    }
    tx.commit().await.context("end sweeping a source")
}

async fn lock(conn: &mut PgConnection, sha256: &[u8]) -> Result<()> {
    let name = i64::from_be_bytes(sha256.get(..8).and_then(|bytes| bytes.try_into().ok()).context("a SHA-256 has 32 bytes")?);
    sqlx::query!("select pg_advisory_xact_lock($1)", name).execute(conn).await.context("lock a source")?;
    Ok(())
}
