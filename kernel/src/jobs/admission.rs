//! How many more jobs of a stage fit: by its pool's count, and by memory and cores, as such jobs really used them.
//!
//! The first job of a stage always fits, whatever is set or learned: so no budget can be so small, and no estimate so
//! large, that a stage never runs. What that overdraws is at most one job per stage.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::watch;

use super::Stage;
use crate::config::{Pool, Workers};

/// What this process's jobs may use together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    pub memory_bytes: u64,
    pub cpus: f64,
}

/// What a job of a stage is expected to use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    pub memory_bytes: u64,
    /// Cores, on average over its run.
    pub cpus: f64,
}

/// What keeps a stage from taking more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    Concurrency,
    Memory,
    Cpus,
}

/// How many more jobs fit, and what bounds that number.
pub fn room(pool: &Pool, estimate: Estimate, budget: Budget, running: usize, reserved_bytes: u64) -> (usize, Bound) {
    let (slots, bound) = slots(pool, estimate, budget);
    let by_memory = by_memory(estimate, budget, reserved_bytes).max(usize::from(running == 0));
    match slots.saturating_sub(running) {
        room if by_memory < room => (by_memory, Bound::Memory),
        room => (room, bound),
    }
}

/// Jobs that run beyond a stage's slots when they were called to the front: the pictures and the sound of one place in a film.
const BEYOND: usize = 2;

/// How many of those that were called to the front fit besides, while there is memory.
pub fn room_beyond(pool: &Pool, estimate: Estimate, budget: Budget, running: usize, reserved_bytes: u64) -> usize {
    match slots(pool, estimate, budget).0 {
        0 => 0,
        slots => (slots + BEYOND).saturating_sub(running).min(by_memory(estimate, budget, reserved_bytes)),
    }
}

/// How many jobs may run at a time for their number and for the cores, and which of these bounds it.
fn slots(pool: &Pool, estimate: Estimate, budget: Budget) -> (usize, Bound) {
    // Less than a twentieth of a core is not worth counting.
    let by_cpus = match estimate.cpus {
        cpus if cpus < 0.05 => usize::MAX,
        cpus => ((budget.cpus / cpus + 0.1) as usize).max(1),
    };
    if by_cpus < pool.concurrency { (by_cpus, Bound::Cpus) } else { (pool.concurrency, Bound::Concurrency) }
}

fn by_memory(estimate: Estimate, budget: Budget, reserved_bytes: u64) -> usize {
    let free = budget.memory_bytes.saturating_sub(reserved_bytes);
    usize::try_from(free.checked_div(estimate.memory_bytes).unwrap_or(u64::MAX)).unwrap_or(usize::MAX)
}

/// What runs in this process and what that has set aside.
pub struct Admission {
    pub budget: Budget,
    inner: Mutex<Inner>,
    /// Told whenever something ends: room for others.
    freed: watch::Sender<()>,
}

#[derive(Default)]
struct Inner {
    running: BTreeMap<Stage, usize>,
    reserved_bytes: u64,
    /// Jobs that gave their slot up, see [`Reserved::step_aside`].
    aside: usize,
    learned: BTreeMap<Stage, Estimate>,
    /// Run time that nine of ten jobs stay below, seconds.
    mostly: BTreeMap<Stage, f64>,
}

impl Admission {
    pub fn new(workers: &Workers) -> Self {
        Self { budget: budget(workers), inner: Mutex::default(), freed: watch::Sender::new(()) }
    }

    /// How many more jobs of the stage fit now.
    pub fn room(&self, stage: Stage, pool: &Pool) -> (usize, Bound) {
        let inner = self.lock();
        room(pool, inner.estimate(stage, pool), self.budget, inner.running(stage), inner.reserved_bytes)
    }

    /// How many of those fit that were called to the front, where there is no room for others.
    pub fn room_beyond(&self, stage: Stage, pool: &Pool) -> usize {
        let inner = self.lock();
        room_beyond(pool, inner.estimate(stage, pool), self.budget, inner.running(stage), inner.reserved_bytes)
    }

    /// Sets aside what a job needs, until the returned guard is dropped.
    pub fn reserve(self: &std::sync::Arc<Self>, stage: Stage, pool: &Pool, factor: f32) -> Reserved {
        let mut inner = self.lock();
        let bytes = (inner.estimate(stage, pool).memory_bytes as f64 * f64::from(factor)) as u64;
        *inner.running.entry(stage).or_default() += 1;
        inner.reserved_bytes += bytes;
        Reserved { of: self.clone(), stage, bytes, aside: AtomicBool::new(false) }
    }

    /// How many run, and what one more is expected to use.
    pub fn show(&self, stage: Stage, pool: &Pool) -> (usize, Estimate) {
        let inner = self.lock();
        (inner.running(stage), inner.estimate(stage, pool))
    }

    /// A job of the stage that shows no progress for this long is suspect: nine of ten take no longer in all.
    pub fn suspect_after(&self, stage: Stage) -> Duration {
        let mostly = self.lock().mostly.get(&stage).copied().unwrap_or(10.0);
        Duration::from_secs_f64(mostly.clamp(0.1, 600.0))
    }

    /// Hears when something ends.
    pub fn freed(&self) -> watch::Receiver<()> {
        self.freed.subscribe()
    }

    /// Learns from the last jobs of each stage, on whatever host they ran.
    pub async fn learn(&self, db: &PgPool) -> Result<()> {
        let stages: Vec<String> = Stage::ALL.iter().map(|stage| stage.as_str().to_owned()).collect();
        let rows = sqlx::query!(
            r#"select wanted.stage as "stage!", percentile_cont(0.9) within group (order by used_memory_bytes::float8) as memory,
                      percentile_cont(0.5) within group (order by used_cpu_seconds / greatest(seconds, 0.001)) as cpus,
                      percentile_cont(0.9) within group (order by seconds) as "mostly!"
                 from unnest($1::text[]) as wanted(stage), lateral (
                   select used_memory_bytes, used_cpu_seconds, extract(epoch from ended_at - started_at)::float8 as seconds from jobs j
                    where j.stage = wanted.stage and j.state in ('done', 'dead') order by ended_at desc limit 50) last
                group by wanted.stage having count(*) >= 5"#,
            &stages,
        )
        .fetch_all(db)
        .await
        .context("learn what jobs use")?;
        let mut inner = self.lock();
        for row in rows {
            let Ok(stage) = row.stage.parse() else { continue };
            inner.mostly.insert(stage, row.mostly);
            if let (Some(memory), Some(cpus)) = (row.memory, row.cpus) {
                // A quarter more: the next one is a little larger than nine of ten were.
                inner.learned.insert(stage, Estimate { memory_bytes: (memory * 1.25) as u64, cpus });
            }
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn running(&self, stage: Stage) -> usize {
        self.running.get(&stage).copied().unwrap_or(0)
    }

    fn leave(&mut self, stage: Stage) {
        if let Some(running) = self.running.get_mut(&stage) {
            *running -= 1;
        }
    }

    /// As learned, within the limit of the pool; as configured until something is known.
    fn estimate(&self, stage: Stage, pool: &Pool) -> Estimate {
        let limit = pool.memory_mb << 20;
        match self.learned.get(&stage) {
            Some(learned) => Estimate { memory_bytes: learned.memory_bytes.min(limit), cpus: learned.cpus.min(pool.cpus) },
            None => Estimate { memory_bytes: limit, cpus: pool.cpus },
        }
    }
}

/// What one running job has set aside.
pub struct Reserved {
    of: std::sync::Arc<Admission>,
    stage: Stage,
    bytes: u64,
    aside: AtomicBool,
}

/// Most jobs of a process that may run without a slot. Memory is set aside for each.
const MOST_ASIDE: usize = 64;

impl Reserved {
    /// Gives the slot to another job while this one goes on: a file that hangs its reader must not keep its
    /// neighbours waiting. Its memory stays set aside. Does nothing when too many have stepped aside already.
    pub fn step_aside(&self) -> bool {
        let mut inner = self.of.lock();
        if self.aside.load(Ordering::Relaxed) || inner.aside >= MOST_ASIDE {
            return false;
        }
        self.aside.store(true, Ordering::Relaxed);
        inner.aside += 1;
        inner.leave(self.stage);
        drop(inner);
        self.of.freed.send_replace(());
        true
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut inner = self.of.lock();
        match self.aside.load(Ordering::Relaxed) {
            true => inner.aside -= 1,
            false => inner.leave(self.stage),
        }
        inner.reserved_bytes -= self.bytes;
        drop(inner);
        self.of.freed.send_replace(());
    }
}

/// As configured, or three quarters of what the machine or the container has.
fn budget(workers: &Workers) -> Budget {
    let memory_bytes = match workers.memory_mb {
        0 => memory_of_this_machine() / 4 * 3,
        mb => mb << 20,
    };
    let cpus = match workers.cpus {
        cpus if cpus > 0.0 => cpus,
        _ => std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64),
    };
    Budget { memory_bytes, cpus }
}

/// The smaller of the machine's memory and the control group's limit, in bytes.
fn memory_of_this_machine() -> u64 {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
    });
    let group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok())
        .min();
    machine.unwrap_or(4 << 30).min(group.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Lane;

    fn pool(concurrency: usize) -> Pool {
        Pool {
            concurrency,
            cluster_concurrency: 0,
            lanes: Lane::ALL.to_vec(),
            memory_mb: 1000,
            cpus: 1.0,
            attempts: 0,
            backoff_seconds: 1.0,
            lease_seconds: 15.0,
            timeout_seconds: 60,
            stalled_seconds: 60,
        }
    }

    const GIB: u64 = 1 << 30;
    const BUDGET: Budget = Budget { memory_bytes: 8 * GIB, cpus: 4.0 };

    #[test]
    fn the_scarcest_of_count_memory_and_cores_bounds() {
        let light = Estimate { memory_bytes: GIB, cpus: 0.0 };
        assert_eq!(room(&pool(3), light, BUDGET, 1, GIB), (2, Bound::Concurrency));
        assert_eq!(room(&pool(30), light, BUDGET, 1, 5 * GIB), (3, Bound::Memory));
        assert_eq!(room(&pool(30), Estimate { cpus: 2.0, ..light }, BUDGET, 1, GIB), (1, Bound::Cpus));
    }

    #[test]
    fn the_first_job_of_a_stage_always_fits_and_a_second_does_not_overdraw() {
        let huge = Estimate { memory_bytes: 100 * GIB, cpus: 64.0 };
        assert_eq!(room(&pool(2), huge, BUDGET, 0, 8 * GIB).0, 1);
        assert_eq!(room(&pool(2), huge, BUDGET, 1, 100 * GIB).0, 0);
        assert_eq!(room(&pool(0), huge, BUDGET, 0, 0).0, 0, "unless the stage is switched off");
    }

    #[test]
    fn one_that_was_called_to_the_front_fits_beside_a_full_pool() {
        let light = Estimate { memory_bytes: GIB, cpus: 0.0 };
        let beyond = |running, reserved| room_beyond(&pool(3), light, BUDGET, running, reserved);
        assert_eq!((beyond(3, 3 * GIB), beyond(4, 4 * GIB), beyond(5, 5 * GIB)), (2, 1, 0), "two, and not a third");
        assert_eq!(beyond(3, 8 * GIB), 0, "not without memory");
        assert_eq!(room_beyond(&pool(0), light, BUDGET, 0, 0), 0, "and not where the stage is switched off");
        assert_eq!(room_beyond(&pool(30), Estimate { cpus: 2.0, ..light }, BUDGET, 2, 0), 2, "cores are shared");
    }

    #[test]
    fn what_is_set_aside_comes_back_and_others_hear_of_it() {
        let workers = Workers { host: String::new(), memory_mb: 3000, cpus: 8.0 };
        let admission = std::sync::Arc::new(Admission::new(&workers));
        let freed = admission.freed();
        let first = admission.reserve(Stage::Extract, &pool(9), 2.0);
        assert_eq!(admission.room(Stage::Extract, &pool(9)), (1, Bound::Memory), "twice its usual memory is set aside");
        assert!(first.step_aside() && !first.step_aside());
        assert_eq!(admission.show(Stage::Extract, &pool(9)).0, 0, "one that stepped aside holds no slot");
        assert_eq!(admission.room(Stage::Extract, &pool(9)), (1, Bound::Memory), "but its memory");
        drop(first);
        assert!(freed.has_changed().unwrap());
        assert_eq!(admission.room(Stage::Extract, &pool(9)), (3, Bound::Memory));
    }
}
