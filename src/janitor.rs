//! Sweeps what nothing refers to: objects of attempts that lost, files of processes that were killed.
//!
//! An attempt's folder is named after its job and attempt, so that an orphan is told from work in progress by the
//! ledger, not by its age. Sources are the exception: their object is stored before their row, hence a grace period.
//! A package that was replaced is named by a row for a while (`replaced_streams`), as somebody may be playing it.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use kernel::chaos;
use kernel::env::Env;
use kernel::leases;
use kernel::store::{Key, sources};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long an object or a scratch file without a row may be somebody's who has not written the row yet.
const GRACE: Duration = Duration::from_secs(10 * 60);

/// A janitor that was killed at work keeps the next one waiting no longer than this. Should a sweep take longer, two
/// of them do no harm: what is deleted twice is gone once.
const LEASE: Duration = Duration::from_secs(30);

/// Sweeps now and then until `stop`; one process at a time.
pub async fn run(env: Env, stop: CancellationToken) {
    let every = Duration::from_secs_f64(env.config.jobs.janitor_seconds);
    let mut beats = tokio::time::interval(every);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let holder = format!("janitor {}", std::process::id());
    loop {
        tokio::select! {
            _ = beats.tick() => {}
            () = stop.cancelled() => return,
        }
        let swept = async {
            let swept = sweep(&env, &holder).await?;
            if let Some(Swept { objects, uploads, scratch, vectors, tokens }) = swept.filter(|swept| *swept != Swept::default()) {
                info!("swept {objects} orphaned objects, {uploads} interrupted uploads, {scratch} scratch files, {vectors} vectors, {tokens} expired refresh tokens");
            }
            anyhow::Ok(())
        }
        .await;
        if let Err(error) = swept {
            warn!("the janitor stumbled and tries again: {error:#}");
        }
    }
}

/// How much a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    pub objects: usize,
    pub uploads: usize,
    pub scratch: usize,
    pub vectors: u64,
    pub tokens: u64,
}

/// Sweeps once, unless somebody else does so just now: then None.
pub async fn sweep(env: &Env, holder: &str) -> Result<Option<Swept>> {
    let mut conn = env.db.acquire().await.context("reach the database")?;
    let Some(lease) = leases::acquire(&mut conn, "janitor", holder, LEASE).await? else { return Ok(None) };
    drop(conn);
    let grace = replaced_grace(env);
    sqlx::query!("delete from replaced_streams where replaced_at < now() - make_interval(secs => $1)", grace)
        .execute(&env.db)
        .await
        .context("forget packages that were replaced long ago")?;
    sqlx::query!("delete from posters where not stored and made_at < now() - make_interval(secs => $1)", chaos::grace(GRACE).as_secs_f64())
        .execute(&env.db)
        .await
        .context("forget pictures whose upload broke off")?;
    let objects = orphans(env).await?;
    kernel::crash_point!("janitor.listed");
    for key in &objects {
        match key.as_str().starts_with("sources/") {
            true => sources::sweep(&env.db, env.store.as_ref(), key).await?,
            false => env.store.delete(key).await?,
        }
        kernel::crash_point!("janitor.deleted");
    }
    let uploads = env.store.abort_stale_uploads(chaos::grace(GRACE)).await?;
    let scratch = sweep_scratch(&env.config.paths.scratch)?;
    let tokens =
        sqlx::query!("delete from refresh_tokens where expires_at < now() - interval '1 day'").execute(&env.db).await?.rows_affected();
    let mut conn = env.db.acquire().await.context("reach the database")?;
    let vectors = match embedder::schema::present(&mut conn).await? {
        true => embedder::vectors::sweep(&mut conn).await?,
        false => 0,
    };
    leases::release(&mut conn, &lease).await?;
    Ok(Some(Swept { objects: objects.len(), uploads, scratch, vectors, tokens }))
}

/// Objects that no row refers to and no running attempt owns.
pub async fn orphans(env: &Env) -> Result<Vec<Key>> {
    // List first: what is written after that is not in the list, and whatever got its row meanwhile is found below.
    let mut listed = env.store.list("assets").await?;
    listed.extend(env.store.list("certificates").await?);
    let sources = env.store.list("sources").await?;
    let probes = env.store.list("probes").await?;
    // What runs before what rows refer to: an attempt that ends in between has its row by then. The other way round, one that
    // ends in between is in neither, and what it made is swept although it is real.
    let running =
        sqlx::query!("select id, attempt from jobs where state = 'running'").fetch_all(&env.db).await.context("read what runs")?;
    let mut live: HashSet<String> = sqlx::query_scalar!(
        "select prefix as \"prefix!\" from streams
         union all select prefix from encodings
         union all select prefix from replaced_streams where replaced_at >= now() - make_interval(secs => $1)
         union all select prefix from documents where prefix is not null
         union all select prefix from posters where stored or made_at >= now() - make_interval(secs => $2)
         union all select object_key from certificates where object_key is not null
         union all select 'sources/' || encode(sha256, 'hex') from sources",
        replaced_grace(env),
        chaos::grace(GRACE).as_secs_f64(),
    )
    .fetch_all(&env.db)
    .await
    .context("read what objects rows refer to")?
    .into_iter()
    .collect();
    live.extend(running.into_iter().map(|job| format!("{}.{}", job.id, job.attempt)));
    let owned = |key: &Key| {
        let attempt = key.as_str().split('/').nth(2).unwrap_or_default();
        live.contains(key.as_str()) || live.contains(key.scope()) || live.contains(attempt)
    };
    // What a stream is made of is swept with the last word on it, which whoever made it may not have come to.
    let encoding: HashSet<String> = sqlx::query_scalar!("select prefix from encodings")
        .fetch_all(&env.db)
        .await
        .context("read what is being encoded")?
        .into_iter()
        .collect();
    let left_over = |key: &Key| {
        let folder = key.as_str().split('/').nth(3).unwrap_or_default();
        transcode::MAKINGS.contains(&folder) && !encoding.contains(key.scope())
    };
    let now = time::OffsetDateTime::now_utc();
    let aged = |modified: time::OffsetDateTime| now - modified > chaos::grace(GRACE);
    let derived = listed.into_iter().filter(|(key, _)| !owned(key) || left_over(key)).map(|(key, _)| key);
    let stored = sources.into_iter().filter(|(key, meta)| !owned(key) && aged(meta.modified)).map(|(key, _)| key);
    let probes = probes.into_iter().filter(|(_, meta)| aged(meta.modified)).map(|(key, _)| key);
    Ok(derived.chain(stored).chain(probes).collect())
}

/// For how long a package that was replaced is kept, in seconds.
fn replaced_grace(env: &Env) -> f64 {
    chaos::grace(env.config.delivery.replaced_grace()).as_secs_f64()
}

/// Removes scratch entries that nobody has touched for a while and whose process is gone.
fn sweep_scratch(scratch: &Path) -> Result<usize> {
    let mut removed = 0;
    for path in stale_scratch(scratch)? {
        let gone = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        match gone {
            Ok(()) => removed += 1,
            Err(error) => warn!("cannot remove {}: {error}", path.display()),
        }
    }
    Ok(removed)
}

/// Scratch entries older than the grace period in which nothing has been written since.
pub fn stale_scratch(scratch: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries = match std::fs::read_dir(scratch) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context("list the scratch folder"),
    };
    let mut stale = Vec::new();
    for entry in entries {
        let path = entry.context("list the scratch folder")?.path();
        if newest(&path).is_some_and(|touched| touched.elapsed().is_ok_and(|age| age > chaos::grace(GRACE))) {
            stale.push(path);
        }
    }
    Ok(stale)
}

fn newest(path: &Path) -> Option<SystemTime> {
    let mut latest = std::fs::metadata(path).ok()?.modified().ok()?;
    if path.is_dir() {
        for entry in std::fs::read_dir(path).ok()?.flatten() {
            latest = latest.max(newest(&entry.path())?);
        }
    }
    Some(latest)
}
