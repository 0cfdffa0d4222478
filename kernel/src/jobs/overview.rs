//! Every stage at a glance: what waits in which lane, what runs where, how it is set, and who paused it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use super::pools::{self, Pause, Pools, Setting};
use super::workers::{self, Closed, Worker};
use super::{Lane, Stage};

/// One stage at a glance.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({"stage": "transcode", "lanes": [{"lane": "interactive", "queued": 0, "parked": 0}, {"lane": "default", "queued": 3, "parked": 1},
    {"lane": "backfill", "queued": 120, "parked": 0}], "queued": 123, "parked": 1, "running": 1, "dead": 0, "oldest_queued_seconds": 12,
    "concurrency": 1, "cluster_concurrency": 0, "settings": [], "pauses": [],
    "hosts": [{"host": "encoder-1", "processes": 1, "concurrency": 1, "running": 1, "closed": "concurrency"}]}))]
pub struct StageView {
    pub stage: Stage,
    /// In their order, also those in which nothing waits.
    pub lanes: Vec<LaneDepth>,
    pub queued: i64,
    pub parked: i64,
    pub running: i64,
    pub dead: i64,
    /// Age of the job that has been due longest; null when none waits.
    pub oldest_queued_seconds: Option<i64>,
    /// Jobs at the same time in one process, as set for every host.
    pub concurrency: usize,
    /// In all processes together; 0: no limit.
    pub cluster_concurrency: usize,
    /// What operators set over `workers.toml` for this stage.
    pub settings: Vec<Setting>,
    /// What keeps it, or a host of it, from taking new jobs.
    pub pauses: Vec<Pause>,
    /// Where workers take its jobs now.
    pub hosts: Vec<StageHost>,
}

/// What waits in a lane of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct LaneDepth {
    pub lane: Lane,
    pub queued: i64,
    pub parked: i64,
}

/// A stage on a host.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct StageHost {
    pub host: String,
    pub processes: usize,
    /// Of all its processes together.
    pub concurrency: usize,
    pub running: usize,
    /// Why none of its processes takes more; null when one does.
    pub closed: Option<Closed>,
}

/// All stages, in the order in which an upload meets them.
pub async fn stages(db: &PgPool, pools: &Pools) -> Result<Vec<StageView>> {
    let rows = sqlx::query!(
        // One branch per state, so that each reads its own partial index and none the many that are done.
        "select stage as \"stage!\", lane as \"lane!\", state as \"state!\", count as \"count!\", oldest from (
           select stage, lane, 'queued' as state, count(*), extract(epoch from now() - min(run_at))::bigint as oldest
             from jobs where state = 'queued' group by stage, lane
           union all select stage, lane, 'parked', count(*), null from jobs where state = 'parked' group by stage, lane
           union all select stage, lane, 'running', count(*), null from jobs where state = 'running' group by stage, lane
           union all select stage, lane, 'dead', count(*), null from jobs where state = 'dead' group by stage, lane) counted",
    )
    .fetch_all(db)
    .await
    .context("count what waits and runs")?;
    let settings = pools::settings(db).await?;
    let pauses = pools::pauses(db).await?;
    let present = workers::present(db).await?;
    let base = pools.base();
    let everywhere: Vec<_> = settings.iter().filter(|set| set.host.is_none()).map(|set| (set.key.clone(), set.value.clone())).collect();
    // One that a newer version made may not fit; then the file's are better than nothing.
    let set = base.pools_with(&everywhere).unwrap_or_else(|_| base.stages.clone());
    let views = Stage::ALL.into_iter().map(|stage| {
        let mine = |state: &'static str| rows.iter().filter(move |row| row.stage == stage.as_str() && row.state == state);
        let count = |state, lane: Option<Lane>| -> i64 {
            mine(state).filter(|row| lane.is_none_or(|lane| row.lane == lane.as_str())).map(|row| row.count).sum()
        };
        let lane = |lane| LaneDepth { lane, queued: count("queued", Some(lane)), parked: count("parked", Some(lane)) };
        StageView {
            stage,
            lanes: Lane::ALL.map(lane).to_vec(),
            queued: count("queued", None),
            parked: count("parked", None),
            running: count("running", None),
            dead: count("dead", None),
            oldest_queued_seconds: mine("queued").filter_map(|row| row.oldest).max().map(|seconds| seconds.max(0)),
            concurrency: set[&stage].concurrency,
            cluster_concurrency: set[&stage].cluster_concurrency,
            settings: settings.iter().filter(|set| set.key.starts_with(&format!("stages.{stage}."))).cloned().collect(),
            pauses: pauses.iter().filter(|pause| pause.stage.is_none_or(|paused| paused == stage)).cloned().collect(),
            hosts: hosts(stage, &present),
        }
    });
    Ok(views.collect())
}

fn hosts(stage: Stage, present: &[Worker]) -> Vec<StageHost> {
    let mut hosts: BTreeMap<&str, StageHost> = BTreeMap::new();
    for worker in present {
        for pool in worker.pools.iter().filter(|pool| pool.stage == stage) {
            let new = || StageHost { host: worker.host.clone(), processes: 0, concurrency: 0, running: 0, closed: pool.closed };
            let host = hosts.entry(&worker.host).or_insert_with(new);
            host.processes += 1;
            host.concurrency += pool.concurrency;
            host.running += pool.running;
            host.closed = host.closed.and(pool.closed);
        }
    }
    hosts.into_values().collect()
}

/// How many jobs run on a host, by the ledger: zero when it is drained.
pub async fn running_on(db: &PgPool, host: &str) -> Result<i64> {
    sqlx::query_scalar!(
        "select count(*) as \"count!\" from jobs j left join workers w on w.name = j.worker
          where j.state = 'running' and coalesce(w.host, split_part(j.worker, ':', 1)) = $1",
        host,
    )
    .fetch_one(db)
    .await
    .context("count what runs on a host")
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::super::workers::PoolReport;
    use super::*;

    fn worker(host: &str, running: usize, closed: Option<Closed>) -> Worker {
        let pool = PoolReport { stage: Stage::Embed, concurrency: 2, running, memory_bytes: 0, cpus: 0.0, closed };
        let at = OffsetDateTime::UNIX_EPOCH;
        Worker {
            name: String::new(),
            host: host.into(),
            version: String::new(),
            pools: vec![pool],
            memory_bytes: 0,
            started_at: at,
            seen_at: at,
        }
    }

    #[test]
    fn a_host_is_closed_only_when_all_of_its_processes_are() {
        let present = [worker("a", 2, Some(Closed::Concurrency)), worker("a", 1, None), worker("b", 0, Some(Closed::Paused))];
        let found = hosts(Stage::Embed, &present);
        let seen: Vec<_> = found.iter().map(|h| (h.host.as_str(), h.processes, h.concurrency, h.running, h.closed)).collect();
        assert_eq!(seen, [("a", 2, 4, 3, None), ("b", 1, 2, 0, Some(Closed::Paused))]);
        assert!(hosts(Stage::Index, &present).is_empty());
    }
}
