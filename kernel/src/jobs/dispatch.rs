//! When a stage takes how many jobs: one dispatcher per stage and process.
//!
//! It asks the ledger whenever something may wait and there is room, and otherwise sleeps until the bell rings, a job
//! ends, or a setting changes. How much room there is, [`super::admission`] says. What was called to the front since somebody
//! waits for it at this moment does not wait for a slot: while all are taken, it is looked for now and then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::admission::{Admission, Bound};
use super::ledger::{self, Ask, Marks};
use super::runner::Runner;
use super::workers::{Closed, PoolReport};
use super::{Claimed, Lane, Stage};
use crate::config::Pool;

/// One claim in so many looks first at what has waited long in the lower lanes.
const AGED_CLAIM: u64 = 8;
/// How often a full stage looks for what was called to the front.
const CALLED: Duration = Duration::from_millis(300);

/// Takes and runs the jobs of a stage until `stop`, then waits for those that run. `hurry` makes them give up.
pub async fn dispatch(runner: Runner, stage: Stage, admission: Arc<Admission>, stop: CancellationToken, hurry: CancellationToken) {
    let (mut settings, mut freed) = (runner.env().pools.subscribe(), admission.freed());
    let mut running = JoinSet::new();
    let mut claims = 0_u64;
    let (mut marks, mut from_start) = (Marks::default(), Instant::now());
    // Whether something may wait that was not looked at yet.
    let mut look = true;
    let mut look_beyond = false;
    while !stop.is_cancelled() {
        while running.try_join_next().is_some() {}
        settings.borrow_and_update();
        freed.borrow_and_update();
        let pool = runner.env().pools.get(stage);
        let start = |job: Claimed, running: &mut JoinSet<()>| {
            let set_aside = admission.reserve(stage, &pool, job.limits_factor);
            let (runner, hurry) = (runner.clone(), hurry.clone());
            let suspect_after = admission.suspect_after(stage);
            running.spawn(async move { runner.work(job, &hurry, Some((set_aside, suspect_after))).await });
        };
        let closed = closed(&runner, stage, &admission, &pool);
        let (room, beyond) = match closed {
            Some(Closed::Concurrency | Closed::Cpus) => (0, admission.room_beyond(stage, &pool)),
            Some(_) => (0, 0),
            None => (admission.room(stage, &pool).0, 0),
        };
        if beyond > 0 && std::mem::take(&mut look_beyond) {
            match ledger::claim(&runner.env().db, &Ask { called: true, ..ask(&runner, stage, &pool, beyond, &lanes(&pool)) }).await {
                Ok(jobs) => jobs.into_iter().for_each(|job| start(job, &mut running)),
                // Whoever claims next will hear of it.
                Err(error) => runner.env().breakers.report(&error),
            }
            continue;
        }
        if room > 0 && look {
            claims += 1;
            if from_start.elapsed() > Marks::FORGET {
                (marks, from_start) = (Marks::default(), Instant::now());
            }
            match claim(&runner, stage, &pool, room, claims, &mut marks).await {
                Ok(jobs) => {
                    if !jobs.is_empty() {
                        crate::crash_point!("claim.taken");
                    }
                    runner.env().bell.answered(stage, jobs.len()).await;
                    // Fewer than there was room for: nothing is left, and the bell will ring for more.
                    look = jobs.len() == room || claims.is_multiple_of(AGED_CLAIM) && !jobs.is_empty();
                    jobs.into_iter().for_each(|job| start(job, &mut running));
                    continue;
                }
                Err(error) => {
                    runner.env().breakers.report(&error);
                    warn!("stage {stage} cannot claim and tries again: {error:#}");
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                        () = stop.cancelled() => {}
                    }
                    continue;
                }
            }
        }
        tokio::select! {
            () = runner.env().bell.wait(stage), if room > 0 => look = true,
            () = tokio::time::sleep(CALLED), if beyond > 0 => look_beyond = true,
            Some(_) = running.join_next() => {}
            () = runner.env().breakers.until_closed(stage), if closed == Some(Closed::Dependency) => {}
            _ = settings.changed() => {}
            _ = freed.changed() => {}
            () = stop.cancelled() => {}
        }
    }
    while running.join_next().await.is_some() {}
}

/// The lanes in their order; now and then the other way round, for what has been due for long at a lane's front.
async fn claim(runner: &Runner, stage: Stage, pool: &Pool, room: usize, claims: u64, marks: &mut Marks) -> anyhow::Result<Vec<Claimed>> {
    let env = runner.env();
    let ordered = lanes(pool);
    let ask = ask(runner, stage, pool, room, &ordered);
    if claims.is_multiple_of(AGED_CLAIM) && ordered.len() > 1 {
        let reversed: Vec<Lane> = ordered.iter().rev().copied().collect();
        let waited = Some(Duration::from_secs(env.config.jobs.ageing_seconds));
        let aged = ledger::claim_from(&env.db, &Ask { most: 1, lanes: &reversed, waited, ..ask.clone() }, marks).await?;
        if !aged.is_empty() {
            return Ok(aged);
        }
    }
    ledger::claim_from(&env.db, &ask, marks).await
}

fn lanes(pool: &Pool) -> Vec<Lane> {
    Lane::ALL.into_iter().filter(|lane| pool.lanes.contains(lane)).collect()
}

fn ask<'a>(runner: &'a Runner, stage: Stage, pool: &Pool, most: usize, lanes: &'a [Lane]) -> Ask<'a> {
    Ask {
        stage,
        worker: runner.name(),
        lease: pool.lease(),
        most,
        lanes,
        kinds: runner.kinds(),
        waited: None,
        called: false,
        attempts: pool.attempts,
        cluster: pool.cluster_concurrency,
    }
}

/// Why the stage takes nothing at all now, if so.
fn closed(runner: &Runner, stage: Stage, admission: &Admission, pool: &Pool) -> Option<Closed> {
    if runner.env().pools.now().paused.contains_key(&stage) {
        return Some(Closed::Paused);
    }
    if runner.env().breakers.open_for(stage).is_some() {
        return Some(Closed::Dependency);
    }
    match admission.room(stage, pool) {
        (0, Bound::Concurrency) => Some(Closed::Concurrency),
        (0, Bound::Memory) => Some(Closed::Memory),
        (0, Bound::Cpus) => Some(Closed::Cpus),
        _ => None,
    }
}

/// What the stage's pool looks like now.
pub fn report(runner: &Runner, stage: Stage, admission: &Admission) -> PoolReport {
    let pool = runner.env().pools.get(stage);
    let (running, estimate) = admission.show(stage, &pool);
    PoolReport {
        stage,
        concurrency: pool.concurrency,
        running,
        memory_bytes: estimate.memory_bytes,
        cpus: estimate.cpus,
        closed: closed(runner, stage, admission, &pool),
    }
}
