//! `learnhub backup`: the rows of one moment and every object they refer to.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::StreamExt;
use kernel::env::Env;
use kernel::leases::{self, Lease};
use kernel::store::Key;
use kernel::telemetry::LAST_BACKUP;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::io::AsyncWriteExt;

use super::{FORMAT, FileHash, Manifest, Object, Repository, SECRET, hex, tables, write_durably, write_manifest};

/// While this lease is held no janitor sweeps, so that what the rows refer to stays until it is copied.
const JANITOR: &str = "janitor";
const HOLD: Duration = Duration::from_secs(60);
/// How long a janitor at work is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a backup did.
#[derive(Debug, Serialize)]
pub struct Made {
    pub snapshot: PathBuf,
    #[serde(with = "time::serde::rfc3339")]
    pub taken_at: OffsetDateTime,
    pub rows: u64,
    pub objects: usize,
    /// Of those, how many were not there already.
    pub copied: usize,
    pub copied_bytes: u64,
}

/// Adds a snapshot to the repository in `root`.
pub async fn make(env: &Env, root: &Path) -> Result<Made> {
    let repository = Repository::new(root);
    std::fs::create_dir_all(repository.snapshots()).with_context(|| format!("create {}", repository.snapshots().display()))?;
    let holder = format!("backup {}", std::process::id());
    let lease = hold_janitor(env, &holder).await?;
    let made = guarded(env, &repository, &lease).await;
    let mut conn = env.db.acquire().await.context("reach the database")?;
    leases::release(&mut conn, &lease).await?;
    let made = made?;
    leases::acquire(&mut conn, LAST_BACKUP, &holder, Duration::ZERO).await?;
    Ok(made)
}

async fn hold_janitor(env: &Env, holder: &str) -> Result<Lease> {
    let asking = async {
        loop {
            let mut conn = env.db.acquire().await.context("reach the database")?;
            if let Some(lease) = leases::acquire(&mut conn, JANITOR, holder, HOLD).await? {
                return anyhow::Ok(lease);
            }
            drop(conn);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.context("the janitor, or another backup, is at work: try again later")?
}

/// Makes the snapshot and renews the lease meanwhile; fails when the lease is lost, since something may be missing then.
async fn guarded(env: &Env, repository: &Repository, lease: &Lease) -> Result<Made> {
    let guard = async {
        let mut beats = tokio::time::interval(HOLD / 4);
        loop {
            beats.tick().await;
            let renewed = async { leases::renew(&mut *env.db.acquire().await?, lease, HOLD).await }.await;
            if !renewed? {
                bail!("the lease that keeps the janitor away was lost: run the backup again");
            }
        }
    };
    tokio::select! {
        made = snapshot(env, repository) => made,
        lost = guard => lost,
    }
}

async fn snapshot(env: &Env, repository: &Repository) -> Result<Made> {
    let before = repository.newest(None)?.map(|(_, manifest)| manifest.objects).unwrap_or_default();
    let partial = tempfile::Builder::new().prefix(".partial-").tempdir_in(repository.snapshots()).context("begin a snapshot")?;

    // One moment for all tables: everything below reads what was committed when this transaction first looked.
    let mut tx = env.db.begin().await.context("begin to read")?;
    sqlx::query("set transaction isolation level repeatable read, read only").execute(&mut *tx).await?;
    let taken_at: OffsetDateTime = sqlx::query_scalar("select now()").fetch_one(&mut *tx).await?;
    let migration: i64 = sqlx::query_scalar("select max(version) from _sqlx_migrations where success").fetch_one(&mut *tx).await?;
    let mut dumped = Vec::new();
    for table in tables::list(&mut tx).await? {
        let path = partial.path().join(format!("{}.copy", table.0));
        dumped.push(tables::dump(&mut tx, table, &path).await?);
    }
    let sequences = tables::sequences(&mut tx).await?;
    let wanted = referred(&mut tx, env).await?;
    tx.commit().await.context("end reading")?;

    let known: HashMap<&str, &Object> = before.iter().map(|object| (object.key.as_str(), object)).collect();
    let mut objects = Vec::new();
    let (mut copied, mut copied_bytes) = (0, 0);
    for key in &wanted {
        let there = known
            .get(key.as_str())
            .filter(|object| std::fs::metadata(repository.object(key.as_str())).is_ok_and(|file| file.len() == object.bytes));
        let object = match there {
            Some(object) => (*object).clone(),
            None => {
                let object = copy(env, repository, key).await?;
                copied += 1;
                copied_bytes += object.bytes;
                object
            }
        };
        objects.push(object);
    }
    let secret = keep_secret(env, partial.path())?;
    let rows = dumped.iter().map(|table| table.rows).sum();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let manifest = Manifest { format: FORMAT, version, taken_at, migration, tables: dumped, sequences, objects, secret };
    write_manifest(partial.path(), &manifest)?;

    let name = taken_at.format(format_description!("[year][month][day]T[hour][minute][second].[subsecond digits:6]Z"))?;
    let folder = repository.snapshots().join(name);
    std::fs::rename(partial.keep(), &folder).with_context(|| format!("finish {}", folder.display()))?;
    std::fs::File::open(repository.snapshots()).and_then(|dir| dir.sync_all()).context("make the snapshot durable")?;
    Ok(Made { snapshot: folder, taken_at, rows, objects: manifest.objects.len(), copied, copied_bytes })
}

/// Every object that the rows of this transaction refer to.
async fn referred(conn: &mut PgConnection, env: &Env) -> Result<Vec<Key>> {
    let named = sqlx::query_scalar!(
        "select 'sources/' || encode(sha256, 'hex') as \"key!\" from sources
         union all select object_key from certificates where object_key is not null"
    )
    .fetch_all(&mut *conn)
    .await
    .context("read what objects rows refer to")?;
    let prefixes = sqlx::query_scalar!(
        "select prefix as \"prefix!\" from streams union select prefix from documents where prefix is not null
                         union select prefix from posters where stored"
    )
    .fetch_all(&mut *conn)
    .await
    .context("read what folders rows refer to")?;
    let mut keys = named.iter().map(|key| Key::parse(key)).collect::<Result<Vec<_>>>()?;
    for prefix in prefixes {
        let listed = env.store.list(&prefix).await?;
        ensure!(!listed.is_empty(), "there are no objects under {prefix}, which a row refers to: `learnhub doctor --check` says more");
        keys.extend(listed.into_iter().map(|(key, _)| key));
    }
    // Of what is still being encoded there may be nothing yet.
    let begun = sqlx::query_scalar!("select prefix from encodings").fetch_all(conn).await.context("read what is being encoded")?;
    for prefix in begun {
        keys.extend(env.store.list(&prefix).await?.into_iter().map(|(key, _)| key));
    }
    keys.sort();
    keys.dedup();
    Ok(keys)
}

/// Copies an object, hashed as it comes; whole or not at all.
async fn copy(env: &Env, repository: &Repository, key: &Key) -> Result<Object> {
    let to = repository.object(key.as_str());
    let folder = to.parent().context("an object key has a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let (file, path) = tempfile::Builder::new().prefix(".partial-").tempfile_in(folder).context("begin to copy an object")?.into_parts();
    let mut file = tokio::fs::File::from_std(file);
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut stream = env.store.open(key, None).await?;
    while let Some(part) = stream.next().await {
        let part = part.with_context(|| format!("read {key}"))?;
        hash.update(&part);
        bytes += part.len() as u64;
        file.write_all(&part).await.with_context(|| format!("write {}", to.display()))?;
    }
    file.sync_all().await.with_context(|| format!("write {}", to.display()))?;
    let sha256 = hex(&hash.finalize());
    if let Some(acknowledged) = key.as_str().strip_prefix("sources/") {
        ensure!(sha256 == acknowledged, "{key} has other contents than were acknowledged: `learnhub doctor --check` says more");
    }
    path.persist(&to).with_context(|| format!("rename to {}", to.display()))?;
    Ok(Object { key: key.to_string(), bytes, sha256 })
}

/// The secret lies in the data folder only when the configuration has none.
fn keep_secret(env: &Env, folder: &Path) -> Result<Option<FileHash>> {
    if !env.config.security.secret.is_empty() {
        return Ok(None);
    }
    let secret = std::fs::read(env.config.paths.data.join(SECRET)).context("read the data folder's secret")?;
    let path = folder.join(SECRET);
    write_durably(&path, &secret)?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).context("close the secret to others")?;
    Ok(Some(FileHash { bytes: secret.len() as u64, sha256: hex(&Sha256::digest(&secret)) }))
}
