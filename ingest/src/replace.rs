//! Other versions of an asset: a new source for it, an earlier one again, one that is not wanted any more.
//!
//! What is shown stays as it is; `next_version` says which version takes its place as soon as it is whole, and the last
//! one that was asked for counts. Showing it is `switch`'s business.

use anyhow::{Context, Result};
use kernel::env::Env;
use kernel::events::{self, Cause};
use kernel::id::{AccountId, AssetId};
use kernel::index_marks;
use kernel::jobs::enqueue;
use kernel::pipeline::{EmbedChunks, Event, PublishAsset, UpdateIndex};
use kernel::store::{Received, sources};
use sqlx::PgConnection;

use crate::upload::UploadError;

/// A file that is to take an asset's place.
#[derive(Debug, Clone, PartialEq)]
pub struct Replacement {
    /// The asset that learners know.
    pub asset_id: AssetId,
    /// Who brings it.
    pub owner_id: AccountId,
    /// As the client sent it: kept word for word, shown, never a path.
    pub file_name: String,
}

/// A version that was stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accepted {
    /// Which version it is.
    pub number: i32,
    /// The asset that is made of it; the one that learners know, where they see it already.
    pub asset_id: AssetId,
}

/// Why a version cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    #[error("there is no such version")]
    Unknown,
    #[error("this version is the one that is shown; restore another one first")]
    Shown,
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

impl From<sqlx::Error> for VersionError {
    fn from(error: sqlx::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// Stores what was received as another version. The same bytes are the same version, however often they
/// are sent: those of an earlier one restore it, and those of the one that is shown call off what was to replace it.
pub async fn accept(env: &Env, replacement: &Replacement, received: Received, cause: &Cause) -> Result<Accepted, UploadError> {
    crate::upload::check_name(&replacement.file_name)?;
    // Gigabytes are copied and synced before the transaction, not in it.
    received.store(env.store.as_ref()).await.map_err(UploadError::from_storage)?;
    Ok(record(env, replacement, &received, cause).await?)
}

async fn record(env: &Env, replacement: &Replacement, received: &Received, cause: &Cause) -> Result<Accepted> {
    let shown = replacement.asset_id;
    let mut tx = env.db.begin().await.context("begin a version")?;
    sources::record(&mut tx, env.store.as_ref(), received).await?;
    hold(&mut tx, shown).await?;
    let same = sqlx::query!(
        "select id, version from assets where (id = $1 or version_of = $1) and source_sha256 = $2 order by id = $1 desc, version desc limit 1",
        shown.0,
        &received.sha256[..],
    )
    .fetch_optional(&mut *tx)
    .await
    .context("look for the same source")?;
    let accepted = match same {
        Some(same) => {
            want(&mut tx, shown, AssetId(same.id), cause).await?;
            Accepted { number: same.version, asset_id: AssetId(same.id) }
        }
        None => {
            let id = AssetId::new();
            let number = sqlx::query_scalar!(
                "insert into assets (id, course_id, owner_id, file_name, title, source_sha256, created_at, version_of, version_at, version)
                 select $2, a.course_id, $3, $4, a.title, $5, $6, a.id, $6,
                        (select max(v.version) + 1 from assets v where v.id = $1 or v.version_of = $1)
                   from assets a where a.id = $1
                 returning version",
                shown.0,
                id.0,
                replacement.owner_id.0,
                replacement.file_name,
                &received.sha256[..],
                env.clock.now(),
            )
            .fetch_one(&mut *tx)
            .await
            .context("insert a version")?;
            events::record(&mut tx, &Event::Uploaded { asset_id: id }, cause).await?;
            want(&mut tx, shown, id, cause).await?;
            Accepted { number, asset_id: id }
        }
    };
    tx.commit().await.context("commit a version")?;
    Ok(accepted)
}

/// Shows a version again as soon as it is found; answers at once.
pub async fn restore(env: &Env, shown: AssetId, number: i32, cause: &Cause) -> Result<(), VersionError> {
    let mut tx = env.db.begin().await?;
    hold(&mut tx, shown).await?;
    let version = find(&mut tx, shown, number).await?;
    want(&mut tx, shown, version, cause).await?;
    Ok(tx.commit().await?)
}

/// Deletes a version that is not shown, with the captions that belong to it. Work on it ends.
pub async fn discard(env: &Env, shown: AssetId, number: i32, cause: &Cause) -> Result<(), VersionError> {
    let mut tx = env.db.begin().await?;
    let version = find(&mut tx, shown, number).await?;
    // Jobs before assets, as everywhere, so that no two wait for one another.
    sqlx::query!("select id from jobs where asset_id = $1 for update", version.0).fetch_all(&mut *tx).await?;
    hold(&mut tx, shown).await?;
    if find(&mut tx, shown, number).await? == shown {
        return Err(VersionError::Shown);
    }
    delete(&mut tx, version).await?;
    enqueue(&mut tx, UpdateIndex {}, cause).await?;
    Ok(tx.commit().await?)
}

/// Deletes the oldest of those that could be shown again, as long as there are more than `most`.
pub async fn prune(conn: &mut PgConnection, shown: AssetId, most: u16) -> Result<()> {
    let old = sqlx::query_scalar!(
        "select id from assets where version_of = $1 and state in ('kept', 'failed') order by version desc offset $2",
        shown.0,
        i64::from(most),
    )
    .fetch_all(&mut *conn)
    .await
    .context("look for versions beyond those that are kept")?;
    for version in old {
        delete(conn, AssetId(version)).await?;
    }
    Ok(())
}

/// The version that is to be shown from the moment on at which all of it is there. What was asked for before waits as a version.
async fn want(conn: &mut PgConnection, shown: AssetId, version: AssetId, cause: &Cause) -> Result<()> {
    let next = Some(version.0).filter(|id| *id != shown.0);
    sqlx::query!("update assets set next_version = $2 where id = $1", shown.0, next)
        .execute(&mut *conn)
        .await
        .context("say which version is wanted")?;
    if next.is_none() {
        return Ok(());
    }
    let state = sqlx::query_scalar!("select state from assets where id = $1 for update", version.0).fetch_one(&mut *conn).await?;
    match state.as_str() {
        "kept" => take_up(conn, version, cause).await,
        "failed" => {
            sqlx::query!(
                "update assets set state = 'processing', failure_code = null, failure_reason = null, failure_stage = null,
                        failure_attempt = null where id = $1",
                version.0,
            )
            .execute(&mut *conn)
            .await
            .context("take a version up again")?;
            index_marks::mark(conn, version).await?;
            events::record(conn, &Event::Uploaded { asset_id: version }, cause).await
        }
        _ => Ok(()),
    }
}

/// A kept version is whole but for the index, which holds nothing of it, and perhaps for vectors of a newer model.
async fn take_up(conn: &mut PgConnection, version: AssetId, cause: &Cause) -> Result<()> {
    let taken = sqlx::query!(
        r#"update assets a set state = 'processing' where (id = $1 or parent_id = $1) and state = 'kept'
           returning id, exists (select 1 from chunks c where c.asset_id = a.id) as "chunks!""#,
        version.0,
    )
    .fetch_all(&mut *conn)
    .await
    .context("take a kept version up")?;
    for asset in taken {
        index_marks::mark(conn, AssetId(asset.id)).await?;
        if asset.chunks {
            enqueue(conn, EmbedChunks { asset_id: AssetId(asset.id) }, cause).await?;
        }
    }
    enqueue(conn, UpdateIndex {}, cause).await?;
    enqueue(conn, PublishAsset { asset_id: version }, cause).await
}

/// Whoever changes the versions of an asset takes turns on its row.
async fn hold(conn: &mut PgConnection, shown: AssetId) -> Result<()> {
    sqlx::query!("select id from assets where id = $1 for update", shown.0).fetch_optional(conn).await.context("hold an asset")?;
    Ok(())
}

async fn find(conn: &mut PgConnection, shown: AssetId, number: i32) -> Result<AssetId, VersionError> {
    let found = sqlx::query_scalar!("select id from assets where (id = $1 or version_of = $1) and version = $2", shown.0, number)
        .fetch_optional(conn)
        .await?;
    found.map(AssetId).ok_or(VersionError::Unknown)
}

/// Its objects are orphans from now on, and its source too, if nobody else has it.
async fn delete(conn: &mut PgConnection, version: AssetId) -> Result<()> {
    let gone = sqlx::query!("delete from assets where id = $1 or parent_id = $1 returning id, source_sha256", version.0)
        .fetch_all(&mut *conn)
        .await
        .context("delete a version")?;
    for asset in gone {
        index_marks::mark(conn, AssetId(asset.id)).await?;
        sources::forget(conn, &asset.source_sha256).await?;
    }
    Ok(())
}
