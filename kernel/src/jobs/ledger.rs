//! The SQL of a job's life. Every statement that ends or extends a claim names its attempt.

use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::{PgConnection, PgPool};

use super::failure::Sort;
use super::{Class, Failure, Lane, Stage};
use crate::chaos::{self, Protection};
use crate::child::Usage;
use crate::events::{self, Cause};
use crate::id::{AccountId, AssetId, JobId};
use crate::index_marks;
use crate::pipeline::Event;

/// A job this process holds.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub id: JobId,
    pub kind: String,
    pub stage: Stage,
    pub lane: Lane,
    pub payload: serde_json::Value,
    pub asset_id: Option<AssetId>,
    pub owner_id: Option<AccountId>,
    pub request_id: Option<String>,
    /// Counts claims; the fence.
    pub attempt: i32,
    pub failures: i32,
    pub max_failures: i32,
    /// How many times the usual memory and time this attempt gets: more than 1 after one that met a limit.
    pub limits_factor: f32,
    /// It was moved to the front: somebody waits for it at this moment.
    pub called: bool,
    /// From when it was due until this claim.
    pub waited: Duration,
}

impl Claimed {
    /// What follows from this job is caused by it, under the request id that caused it, and in its lane.
    pub fn cause(&self) -> Cause {
        Cause { request_id: self.request_id.clone(), account_id: self.owner_id, job_id: Some(self.id), lane: self.lane }
    }
}

/// What a worker asks the ledger for.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    pub stage: Stage,
    pub worker: &'a str,
    pub lease: Duration,
    /// At most so many jobs.
    pub most: usize,
    /// From these lanes, those of the first before those of the second.
    pub lanes: &'a [Lane],
    /// Kinds it knows, as `kind/version`; others are left to newer workers.
    pub kinds: &'a [String],
    /// Only a lane's first job, and only if it has been due for this long.
    pub waited: Option<Duration>,
    /// Only what was moved to the front.
    pub called: bool,
    /// Failures after which a job is dead; 0: as its kind has it.
    pub attempts: i32,
    /// Most jobs of the stage that may run in all processes together; 0: no limit.
    pub cluster: usize,
}

/// Turns before which nothing waits, as far as one process knows: what is before them has been claimed.
///
/// While somebody keeps an old transaction open, PostgreSQL keeps every version of every row, and the front of the index
/// fills with jobs that ended long ago; who begins behind them does not step over them at each claim. New jobs get a turn
/// of now or later, so a mark stays a little behind now. What comes back to an old turn (a retry, a transaction that took
/// long) is found by the next look from the start, every [`Marks::FORGET`]. No mark passes over what was moved to the front.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks([i64; Lane::ALL.len()]);

impl Marks {
    /// How often to look from the start.
    pub const FORGET: Duration = Duration::from_secs(5);
    /// How far marks stay behind now, in microseconds.
    const BEHIND: i64 = 10_000_000;

    fn of(&self, lane: Lane) -> i64 {
        self.0[lane as usize]
    }

    /// A job with this turn was claimed, at this time (microseconds since 1970, as turns count).
    fn claimed(&mut self, lane: Lane, turn: i64, now: i64) {
        let mark = &mut self.0[lane as usize];
        *mark = (*mark).max(turn.min(now - Self::BEHIND));
    }
}

/// Takes jobs under a lease: lane by lane, in each by turn. See migration 0004 for how turns share fairly.
///
/// The cost does not depend on how many wait: each lane is read from its front in the index `jobs_claim`, past no more
/// rows than others hold at this moment, and past what ended while somebody keeps an old transaction open: see [`Marks`].
pub async fn claim(db: &PgPool, ask: &Ask<'_>) -> Result<Vec<Claimed>> {
    claim_from(db, ask, &mut Marks::default()).await
}

/// As [`claim`], beginning at `marks`, which are moved on.
pub async fn claim_from(db: &PgPool, ask: &Ask<'_>, marks: &mut Marks) -> Result<Vec<Claimed>> {
    crate::crash_point!("claim.before");
    let what = || format!("claim jobs of stage {}", ask.stage);
    if ask.cluster == 0 {
        return take(&mut *db.acquire().await.with_context(what)?, ask, ask.most, marks).await.with_context(what);
    }
    // Two processes that count at the same time would both find room: one after the other.
    let mut tx = db.begin().await.with_context(what)?;
    sqlx::query!("select pg_advisory_xact_lock(hashtext('claim ' || $1))", ask.stage.as_str())
        .fetch_one(&mut *tx)
        .await
        .with_context(what)?;
    let running = sqlx::query_scalar!("select count(*) as \"count!\" from jobs where stage = $1 and state = 'running'", ask.stage.as_str())
        .fetch_one(&mut *tx)
        .await
        .with_context(what)?;
    let room = (ask.cluster + usize::from(ask.called)).saturating_sub(usize::try_from(running).unwrap_or(0));
    let claimed = take(&mut tx, ask, ask.most.min(room), marks).await.with_context(what)?;
    tx.commit().await.with_context(what)?;
    Ok(claimed)
}

async fn take(conn: &mut PgConnection, ask: &Ask<'_>, most: usize, marks: &mut Marks) -> sqlx::Result<Vec<Claimed>> {
    if most == 0 {
        return Ok(Vec::new());
    }
    // Turns count from 0; what was moved to a lane's front is before that.
    let called = |lane: Lane| (lane, i64::MIN, 0);
    let others = |lane: Lane| (!ask.called).then(|| (lane, marks.of(lane), i64::MAX));
    let ranges: Vec<(Lane, i64, i64)> = ask.lanes.iter().flat_map(|&lane| [Some(called(lane)), others(lane)]).flatten().collect();
    let lanes: Vec<String> = ranges.iter().map(|(lane, ..)| lane.as_str().to_owned()).collect();
    let (begin, end): (Vec<i64>, Vec<i64>) = ranges.iter().map(|(_, begin, end)| (begin, end)).unzip();
    let rows = sqlx::query!(
        "with picked as (
           select front.id from unnest($2::text[], $9::bigint[], $10::bigint[]) lane(name, turn_from, turn_to), lateral (
             select id, run_at from jobs
              where stage = $1 and lane = lane.name and turn >= lane.turn_from and turn < lane.turn_to and state = 'queued'
                and kind || '/' || version = any($3)
              order by turn, id limit case when $4::float8 is null then $5::bigint else 1 end for update skip locked) front
            where $4 is null or front.run_at <= now() - make_interval(secs => $4)
            limit $5)
         update jobs
            set state = 'running', attempt = attempt + 1, worker = $6, started_at = now(), cancel_wanted = false,
                progress_done = 0, progress_total = 0, lease_until = now() + make_interval(secs => $7),
                max_failures = case when $8 > 0 then $8 else max_failures end
           from picked where jobs.id = picked.id
         returning jobs.id, kind, lane, payload, asset_id, owner_id, request_id, attempt, failures, max_failures, limits_factor, turn,
                   greatest(extract(epoch from now() - jobs.run_at), 0)::float8 as \"waited!\",
                   (extract(epoch from clock_timestamp()) * 1000000)::bigint as \"now!\"",
        ask.stage.as_str(),
        &lanes,
        ask.kinds,
        ask.waited.map(|waited| waited.as_secs_f64()),
        i64::try_from(most).unwrap_or(i64::MAX),
        ask.worker,
        ask.lease.as_secs_f64(),
        ask.attempts,
        &begin,
        &end,
    )
    .fetch_all(conn)
    .await?;
    let mut claimed: Vec<_> = rows
        .into_iter()
        .map(|row| {
            let job = Claimed {
                id: row.id.into(),
                kind: row.kind,
                stage: ask.stage,
                lane: row.lane.parse().unwrap_or_default(),
                payload: row.payload,
                asset_id: row.asset_id.map(Into::into),
                owner_id: row.owner_id.map(Into::into),
                request_id: row.request_id,
                attempt: row.attempt,
                failures: row.failures,
                max_failures: row.max_failures,
                limits_factor: row.limits_factor,
                called: row.turn < 0,
                waited: Duration::from_secs_f64(row.waited),
            };
            marks.claimed(job.lane, row.turn, row.now);
            (ask.lanes.iter().position(|lane| *lane == job.lane), row.turn, job)
        })
        .collect();
    // An update returns its rows in no order.
    claimed.sort_by_key(|(lane, turn, job)| (*lane, *turn, job.id));
    Ok(claimed.into_iter().map(|(_, _, job)| job).collect())
}

/// What a heartbeat learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulse {
    Held,
    CancelWanted,
    Lost,
}

/// Extends the lease and notes the progress.
pub async fn heartbeat(db: &PgPool, job: &Claimed, lease: Duration, done: u64, total: u64) -> Result<Pulse> {
    crate::crash_point!("heartbeat.before");
    let wanted = sqlx::query_scalar!(
        "update jobs set lease_until = now() + make_interval(secs => $3), progress_done = $4, progress_total = $5
          where id = $1 and attempt = $2 and state = 'running' returning cancel_wanted",
        job.id.0,
        job.attempt,
        lease.as_secs_f64(),
        i64::try_from(done).unwrap_or(i64::MAX),
        i64::try_from(total).unwrap_or(i64::MAX),
    )
    .fetch_optional(db)
    .await
    .with_context(|| format!("heartbeat of job {}", job.id))?;
    crate::crash_point!("heartbeat.done");
    Ok(match wanted {
        Some(false) => Pulse::Held,
        Some(true) => Pulse::CancelWanted,
        None if chaos::without(Protection::Fencing) || ended_by_us(db, job).await? => Pulse::Held,
        None => Pulse::Lost,
    })
}

/// A heartbeat may come while the handler's own finishing transaction commits: then nothing is lost.
async fn ended_by_us(db: &PgPool, job: &Claimed) -> Result<bool> {
    sqlx::query_scalar!(
        "select exists (select 1 from jobs where id = $1 and attempt = $2 and state = 'done') as \"done!\"",
        job.id.0,
        job.attempt,
    )
    .fetch_one(db)
    .await
    .with_context(|| format!("look how job {} ended", job.id))
}

/// Ends the job as done in the caller's transaction; false when the claim is no longer ours.
pub async fn finish(conn: &mut PgConnection, job: &Claimed, used: Usage) -> Result<bool> {
    let changed = sqlx::query!(
        "update jobs set state = 'done', lease_until = null, ended_at = now(),
                failure_class = null, failure_code = null, failure_reason = null, failure_detail = null,
                used_memory_bytes = $3, used_cpu_seconds = $4
          where id = $1 and attempt = $2 and state = 'running'",
        job.id.0,
        job.attempt,
        memory_bytes(used),
        cpu_seconds(used),
    )
    .execute(conn)
    .await
    .with_context(|| format!("finish job {}", job.id))?;
    Ok(changed.rows_affected() == 1 || chaos::without(Protection::Fencing))
}

/// Peak memory as stored: null when there was no child.
fn memory_bytes(used: Usage) -> Option<i64> {
    (used.peak_rss_bytes > 0).then(|| i64::try_from(used.peak_rss_bytes).unwrap_or(i64::MAX))
}

/// Processor time as stored: null when there was no child.
fn cpu_seconds(used: Usage) -> Option<f32> {
    (used.cpu_seconds > 0.0).then_some(used.cpu_seconds as f32)
}

/// How a failed attempt left its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aftermath {
    /// It will run again after this pause.
    Retry(Duration),
    /// It will not run again by itself.
    Dead,
    /// The claim was no longer ours; nothing was written.
    NotOurs,
}

/// The pause before another look at a service that is away.
const DEPENDENCY_PAUSE: Duration = Duration::from_secs(4);
/// Memory and time grow no further than this.
const LARGEST_FACTOR: f32 = 4.0;

/// Records a failed attempt: parked for a pause, or dead, and then its asset fails with it.
///
/// A service that is away costs the job none of its attempts. An attempt that met a limit gets twice of it next time.
/// What is sooner given up than other failures must have happened so often in a row: a lost worker in between says
/// nothing of the input. A job that lost its worker has had its turn, and does not wait for that of others again.
pub async fn fail(db: &PgPool, job: &Claimed, failure: &Failure, backoff: Duration, used: Usage) -> Result<Aftermath> {
    let mut tx = db.begin().await.context("begin recording a failure")?;
    let away = failure.class == Class::Dependency;
    let failures = job.failures + i32::from(!away);
    let last = sqlx::query!(
        "select failure_class, failure_code, failures_alike from jobs where id = $1 and attempt = $2 and state = 'running' for update",
        job.id.0,
        job.attempt,
    )
    .fetch_optional(&mut *tx)
    .await
    .context("look at the last failure")?;
    // What `retry` has forgiven does not count.
    let before = last.filter(|_| job.failures > 0).map_or(0, |last| {
        let sort = Sort::of(last.failure_class.as_deref().unwrap_or_default(), last.failure_code.as_deref().unwrap_or_default());
        if sort == failure.sort() { last.failures_alike } else { 0 }
    });
    let alike = before + i32::from(!away);
    let dead = !away && (failures >= job.max_failures || failure.sort().most().is_some_and(|most| alike >= most));
    let pause = if away { jittered(DEPENDENCY_PAUSE, 1, job.id) } else { jittered(backoff, failures, job.id) };
    let factor = if failure.class == Class::Resource { (job.limits_factor * 2.0).min(LARGEST_FACTOR) } else { job.limits_factor };
    let changed = sqlx::query!(
        "update jobs
            set state = case when $3 then 'dead' else 'parked' end, failures = $4, lease_until = null,
                run_at = now() + make_interval(secs => $5), ended_at = case when $3 then now() end,
                failure_class = $6, failure_code = $7, failure_reason = $8, failure_detail = $9, limits_factor = $10,
                used_memory_bytes = $11, used_cpu_seconds = $12, failures_alike = $13,
                lane = case when $14 then 'interactive' else lane end
          where id = $1 and attempt = $2 and state = 'running'",
        job.id.0,
        job.attempt,
        dead,
        failures,
        pause.as_secs_f64(),
        failure.class.as_str(),
        failure.code,
        failure.reason,
        failure.detail,
        factor,
        memory_bytes(used),
        cpu_seconds(used),
        alike,
        failure.class == Class::Lost,
    )
    .execute(&mut *tx)
    .await;
    let changed = match changed {
        Ok(changed) => changed.rows_affected(),
        // A waiting twin with the same dedupe key is the same work: this row has nothing left to do.
        Err(sqlx::Error::Database(error)) if error.constraint() == Some("jobs_dedupe") => {
            drop(tx);
            return supersede(db, job).await;
        }
        Err(error) => return Err(error).with_context(|| format!("record the failure of job {}", job.id)),
    };
    if changed == 0 && !chaos::without(Protection::Fencing) {
        return Ok(Aftermath::NotOurs);
    }
    if dead && let Some(asset_id) = job.asset_id {
        let why = AssetFailure { code: &failure.code, reason: &failure.reason, stage: job.stage.as_str(), attempt: job.attempt };
        fail_asset(&mut tx, asset_id, why, &job.cause()).await?;
    }
    crate::crash_point!("fail.before_commit");
    tx.commit().await.context("commit a failure")?;
    crate::crash_point!("fail.committed");
    Ok(if dead { Aftermath::Dead } else { Aftermath::Retry(pause) })
}

async fn supersede(db: &PgPool, job: &Claimed) -> Result<Aftermath> {
    sqlx::query!(
        "update jobs set state = 'cancelled', lease_until = null, ended_at = now(), failure_class = 'transient',
                failure_code = 'superseded', failure_reason = 'the same work was queued again meanwhile'
          where id = $1 and attempt = $2 and state = 'running'",
        job.id.0,
        job.attempt,
    )
    .execute(db)
    .await
    .with_context(|| format!("supersede job {}", job.id))?;
    Ok(Aftermath::NotOurs)
}

/// An asset that waits for a job that will not be done will never be published: it fails, visibly. One that is published
/// stays, unless there is no more than the draft of a stream.
pub(super) async fn fail_asset(conn: &mut PgConnection, asset_id: AssetId, why: AssetFailure<'_>, cause: &Cause) -> Result<()> {
    // Captions by a machine are an extra: nothing waits for them, and nothing fails with them.
    if why.stage == Stage::Transcribe.as_str() {
        return Ok(());
    }
    let draft = sqlx::query!("delete from streams where asset_id = $1 and not complete", asset_id.0)
        .execute(&mut *conn)
        .await
        .with_context(|| format!("forget the draft of asset {asset_id}"))?;
    let changed = sqlx::query!(
        "update assets set state = 'failed', failure_code = $2, failure_reason = $3, failure_stage = $4, failure_attempt = $5
          where id = $1 and (state = 'processing' or state = 'published' and $6)",
        asset_id.0,
        why.code,
        why.reason,
        why.stage,
        why.attempt,
        draft.rows_affected() > 0,
    )
    .execute(&mut *conn)
    .await
    .with_context(|| format!("fail asset {asset_id}"))?;
    if changed.rows_affected() == 1 {
        index_marks::mark(conn, asset_id).await?;
        events::record(conn, &Event::AssetFailed { asset_id }, cause).await?;
    }
    Ok(())
}

/// Why an asset fails.
pub(super) struct AssetFailure<'a> {
    pub code: &'a str,
    pub reason: &'a str,
    pub stage: &'a str,
    pub attempt: i32,
}

/// Hands a job back untouched, as a stopping worker does: no failure is counted.
pub async fn release(db: &PgPool, job: &Claimed) -> Result<()> {
    crate::crash_point!("release.before");
    let released = sqlx::query!(
        "update jobs set state = 'queued', lease_until = null, run_at = now() where id = $1 and attempt = $2 and state = 'running'",
        job.id.0,
        job.attempt,
    )
    .execute(db)
    .await;
    crate::crash_point!("release.done");
    match released {
        Err(sqlx::Error::Database(error)) if error.constraint() == Some("jobs_dedupe") => supersede(db, job).await.map(drop),
        other => other.map(drop).with_context(|| format!("release job {}", job.id)),
    }
}

/// Queues parked jobs whose time has come. Returns their stages, and how long it is until the next one is due, if
/// that is soon.
pub async fn ripen(db: &PgPool) -> Result<(Vec<Stage>, Option<Duration>)> {
    let ripe = sqlx::query_scalar!(
        "with ripe as (
           update jobs set state = 'queued'
            where id in (select id from jobs where state = 'parked' and run_at <= now() order by run_at limit 1000 for update skip locked)
           returning stage, id),
         rung as (select pg_notify('learnhub_jobs', stage || ' ' || id) from ripe)
         select stage from ripe where (select count(*) from rung) >= 0",
    )
    .fetch_all(db)
    .await
    .context("queue what is due again")?;
    if !ripe.is_empty() {
        crate::crash_point!("ripen.done");
    }
    let next = sqlx::query_scalar!(
        "select extract(epoch from min(run_at) - now())::float8 from jobs where state = 'parked' and run_at < now() + interval '1 hour'"
    )
    .fetch_one(db)
    .await
    .context("look when the next job is due")?;
    let mut stages: Vec<Stage> = ripe.iter().filter_map(|stage| stage.parse().ok()).collect();
    stages.sort();
    stages.dedup();
    Ok((stages, next.map(|seconds| Duration::from_secs_f64(seconds.max(0.0)))))
}

/// Stages in which jobs wait for a worker, for the sweep to ring.
pub async fn due(db: &PgPool) -> Result<Vec<Stage>> {
    let stages: Vec<String> = Stage::ALL.iter().map(|stage| stage.as_str().to_owned()).collect();
    let names = sqlx::query_scalar!(
        "select name as \"name!\" from unnest($1::text[]) name where exists (select 1 from jobs where stage = name and state = 'queued')",
        &stages,
    )
    .fetch_all(db)
    .await
    .context("look for due jobs")?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// `base · 2^(failures-1)`, at most five minutes, spread by ± half of it. The spread comes from the job's id, so that
/// jobs that failed together do not come back together.
fn jittered(base: Duration, failures: i32, id: JobId) -> Duration {
    let doubled = base.as_secs_f64() * 2f64.powi((failures - 1).clamp(0, 20));
    let spread = f64::from(id.0.as_bytes()[15]) / 255.0 + 0.5;
    Duration::from_secs_f64((doubled * spread).min(300.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_with_each_failure_spread_and_stay_below_five_minutes() {
        let low = JobId(uuid::Uuid::from_bytes([0; 16]));
        let high = JobId(uuid::Uuid::from_bytes([255; 16]));
        let base = Duration::from_secs(2);
        assert_eq!(jittered(base, 1, low), Duration::from_secs(1));
        assert_eq!(jittered(base, 1, high), Duration::from_secs(3));
        assert_eq!(jittered(base, 3, low), Duration::from_secs(4));
        assert_eq!(jittered(base, 99, high), Duration::from_secs(300));
    }
}
