//! Worker processes as they report themselves: who is there, what each may take, and why it takes nothing.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sqlx::{PgExecutor, PgPool};
use time::OffsetDateTime;

use super::Stage;

/// One stage's pool in one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PoolReport {
    pub stage: Stage,
    pub concurrency: usize,
    pub running: usize,
    /// What one more job is expected to use.
    pub memory_bytes: u64,
    pub cpus: f64,
    /// Why it takes nothing more now; null when it does.
    #[schema(example = "memory")]
    pub closed: Option<Closed>,
}

/// Why a pool takes no more jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    /// As many run as are allowed to.
    Concurrency,
    /// Another one would need more memory than is left.
    Memory,
    /// Another one would need more cores than there are.
    Cpus,
    Paused,
    /// A service that the stage needs is away.
    Dependency,
    /// The process stops.
    Stopping,
}

/// A process that works, as last reported.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Worker {
    /// Host, PID namespace and process.
    pub name: String,
    pub host: String,
    /// Of the program.
    pub version: String,
    pub pools: Vec<PoolReport>,
    /// What its jobs may use together.
    pub memory_bytes: i64,
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub seen_at: OffsetDateTime,
}

/// Writes this process's report; forgets processes that were not heard of for a day.
pub async fn report(db: &PgPool, worker: &Worker, breakers: &serde_json::Value) -> Result<()> {
    let pools = serde_json::to_value(&worker.pools).context("a report becomes json")?;
    sqlx::query!(
        "with gone as (delete from workers where seen_at < now() - interval '1 day')
         insert into workers (name, host, version, pools, memory_bytes, breakers, started_at) values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (name) do update set pools = excluded.pools, breakers = excluded.breakers, seen_at = now()",
        worker.name,
        worker.host,
        worker.version,
        pools,
        worker.memory_bytes,
        breakers,
        worker.started_at,
    )
    .execute(db)
    .await
    .context("report what this worker does")?;
    Ok(())
}

/// Takes this process off the list.
pub async fn leave(db: &PgPool, name: &str) -> Result<()> {
    sqlx::query!("delete from workers where name = $1", name).execute(db).await.context("leave the list of workers")?;
    Ok(())
}

/// Processes that reported within the last half minute.
pub async fn present(db: impl PgExecutor<'_>) -> Result<Vec<Worker>> {
    let rows = sqlx::query!(
        "select name, host, version, pools, memory_bytes, started_at, seen_at from workers
          where seen_at > now() - interval '30 seconds' order by host, name"
    )
    .fetch_all(db)
    .await
    .context("read who works")?;
    let workers = rows.into_iter().map(|row| Worker {
        name: row.name,
        host: row.host,
        version: row.version,
        // A newer version may report what this one cannot read.
        pools: serde_json::from_value(row.pools).unwrap_or_default(),
        memory_bytes: row.memory_bytes,
        started_at: row.started_at,
        seen_at: row.seen_at,
    });
    Ok(workers.collect())
}
