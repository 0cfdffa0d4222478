//! What is read at the moment of the scrape: the ledger, the pool and the disk.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result};
use metrics::gauge;

use crate::env::Env;
use crate::jobs::Stage;
use crate::leases;

const LANES: [&str; 3] = ["interactive", "default", "backfill"];
const STATES: [&str; 4] = ["queued", "running", "dead", "parked"];

/// Sets the gauges that are questions. Every process of an installation gives the same answer about the ledger: over
/// several, take the maximum and not the sum. Fails when the database does not answer; the rest is set all the same.
pub async fn snapshot(env: &Env) -> Result<()> {
    let (size, idle) = (env.db.size() as f64, env.db.num_idle() as f64);
    gauge!("learnhub_database_connections", "state" => "used").set((size - idle).max(0.0));
    gauge!("learnhub_database_connections", "state" => "idle").set(idle);
    gauge!("learnhub_database_connections_max").set(f64::from(env.config.database.max_connections));
    if let Some((free, size)) = disk(&env.config.paths.data) {
        gauge!("learnhub_disk_free_bytes").set(free as f64);
        gauge!("learnhub_disk_size_bytes").set(size as f64);
    }
    let depths = sqlx::query!(
        "select stage, lane, state, count(*) as \"count!\" from jobs
          where state in ('queued', 'running', 'dead', 'parked') group by stage, lane, state"
    )
    .fetch_all(&env.db)
    .await
    .context("count jobs")?;
    let oldest = sqlx::query!(
        "select stage, extract(epoch from now() - min(run_at))::float8 as \"seconds!\" from jobs
          where state = 'queued' and run_at <= now() group by stage"
    )
    .fetch_all(&env.db)
    .await
    .context("look for the oldest jobs")?;
    let backup = leases::last_held(&env.db, LAST_BACKUP).await?;
    for stage in Stage::ALL.map(Stage::as_str) {
        for lane in LANES {
            for state in STATES {
                let found = depths.iter().find(|row| row.stage == stage && row.lane == lane && row.state == state);
                gauge!("learnhub_jobs", "stage" => stage, "lane" => lane, "state" => state).set(found.map_or(0.0, |row| row.count as f64));
            }
        }
        let seconds = oldest.iter().find(|row| row.stage == stage).map_or(0.0, |row| row.seconds);
        gauge!("learnhub_jobs_oldest_seconds", "stage" => stage).set(seconds);
    }
    gauge!("learnhub_backup_last_success_timestamp_seconds").set(backup.map_or(0.0, |at| at.unix_timestamp() as f64));
    Ok(())
}

/// The lease whose last change says when a backup ended well: the database is what all processes share.
pub const LAST_BACKUP: &str = "last backup";

/// Free and total bytes of the file system that holds `path`.
fn disk(path: &Path) -> Option<(u64, u64)> {
    let name = CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: statvfs is plain data, and both pointers are valid for the length of the call.
    let stat = unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        if libc::statvfs(name.as_ptr(), &mut stat) != 0 {
            return None;
        }
        stat
    };
    let block = stat.f_frsize as u64;
    Some((stat.f_bavail as u64 * block, stat.f_blocks as u64 * block))
}
