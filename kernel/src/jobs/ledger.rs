//! The SQL of a job's life. Every statement that ends or extends a claim names its attempt.

use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::{PgConnection, PgPool};
use tracing::warn;

use super::{Class, Failure, Stage};
use crate::events::{self, Cause};
use crate::id::{AssetId, JobId};
use crate::index_marks;
use crate::pipeline::{Event, UpdateIndex};
use crate::telemetry;

/// A job this process holds.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub id: JobId,
    pub kind: String,
    pub stage: Stage,
    pub payload: serde_json::Value,
    pub asset_id: Option<AssetId>,
    pub request_id: Option<String>,
    /// Counts claims; the fence.
    pub attempt: i32,
    pub failures: i32,
    pub max_failures: i32,
    /// From when it was due until this claim.
    pub waited: Duration,
}

impl Claimed {
    /// What follows from this job is caused by it, under the request id that caused it.
    pub fn cause(&self) -> Cause {
        Cause { request_id: self.request_id.clone(), account_id: None, job_id: Some(self.id) }
    }
}

/// Takes the next due job of a stage under a lease, or None. Higher priority first, then the one due longest.
pub async fn claim(db: &PgPool, stage: Stage, worker: &str, lease: Duration) -> Result<Option<Claimed>> {
    let row = sqlx::query!(
        "update jobs
            set state = 'running', attempt = attempt + 1, worker = $2, started_at = now(), cancel_wanted = false,
                progress_done = 0, progress_total = 0, lease_until = now() + make_interval(secs => $3)
          where id = (select id from jobs where stage = $1 and state = 'queued' and run_at <= now()
                       order by priority desc, run_at, id limit 1 for update skip locked)
         returning id, kind, payload, asset_id, request_id, attempt, failures, max_failures,
                   greatest(extract(epoch from now() - run_at), 0)::float8 as \"waited!\"",
        stage.as_str(),
        worker,
        lease.as_secs_f64(),
    )
    .fetch_optional(db)
    .await
    .with_context(|| format!("claim a job of stage {stage}"))?;
    Ok(row.map(|row| Claimed {
        id: row.id.into(),
        kind: row.kind,
        stage,
        payload: row.payload,
        asset_id: row.asset_id.map(Into::into),
        request_id: row.request_id,
        attempt: row.attempt,
        failures: row.failures,
        max_failures: row.max_failures,
        waited: Duration::from_secs_f64(row.waited),
    }))
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
    Ok(match wanted {
        Some(false) => Pulse::Held,
        Some(true) => Pulse::CancelWanted,
        None if ended_by_us(db, job).await? => Pulse::Held,
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
pub async fn finish(conn: &mut PgConnection, job: &Claimed) -> Result<bool> {
    let changed = sqlx::query!(
        "update jobs set state = 'done', lease_until = null, ended_at = now(),
                failure_class = null, failure_code = null, failure_reason = null, failure_detail = null
          where id = $1 and attempt = $2 and state = 'running'",
        job.id.0,
        job.attempt,
    )
    .execute(conn)
    .await
    .with_context(|| format!("finish job {}", job.id))?;
    Ok(changed.rows_affected() == 1)
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

/// Records a failed attempt: back to the queue with a pause, or dead, and then its asset fails with it.
pub async fn fail(db: &PgPool, job: &Claimed, failure: &Failure, backoff: Duration) -> Result<Aftermath> {
    let mut tx = db.begin().await.context("begin recording a failure")?;
    let failures = job.failures + 1;
    let dead = failure.class == Class::Poison || failures >= job.max_failures;
    let pause = jittered(backoff, failures, job.id);
    let changed = sqlx::query!(
        "update jobs
            set state = case when $3 then 'dead' else 'queued' end, failures = $4, lease_until = null,
                run_at = now() + make_interval(secs => $5), ended_at = case when $3 then now() end,
                failure_class = $6, failure_code = $7, failure_reason = $8, failure_detail = $9
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
    )
    .execute(&mut *tx)
    .await;
    let changed = match changed {
        Ok(changed) => changed.rows_affected(),
        // A queued twin with the same dedupe key is the same work: this row has nothing left to do.
        Err(sqlx::Error::Database(error)) if error.constraint() == Some("jobs_dedupe") => {
            drop(tx);
            return supersede(db, job).await;
        }
        Err(error) => return Err(error).with_context(|| format!("record the failure of job {}", job.id)),
    };
    if changed == 0 {
        return Ok(Aftermath::NotOurs);
    }
    if dead && let Some(asset_id) = job.asset_id {
        fail_asset(&mut tx, asset_id, job, failure).await?;
    }
    tx.commit().await.context("commit a failure")?;
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

/// An asset that waits for a dead job will never be published: it fails, visibly. One that is published stays.
async fn fail_asset(conn: &mut PgConnection, asset_id: AssetId, job: &Claimed, failure: &Failure) -> Result<()> {
    let changed = sqlx::query!(
        "update assets set state = 'failed', failure_code = $2, failure_reason = $3, failure_stage = $4, failure_attempt = $5
          where id = $1 and state = 'processing'",
        asset_id.0,
        failure.code,
        failure.reason,
        job.stage.as_str(),
        job.attempt,
    )
    .execute(&mut *conn)
    .await
    .with_context(|| format!("fail asset {asset_id}"))?;
    if changed.rows_affected() == 1 {
        index_marks::mark(conn, asset_id).await?;
        events::record(conn, &Event::AssetFailed { asset_id }, &job.cause()).await?;
    }
    Ok(())
}

/// Hands a job back untouched, as a stopping worker does: no failure is counted.
pub async fn release(db: &PgPool, job: &Claimed) -> Result<()> {
    let released = sqlx::query!(
        "update jobs set state = 'queued', lease_until = null, run_at = now() where id = $1 and attempt = $2 and state = 'running'",
        job.id.0,
        job.attempt,
    )
    .execute(db)
    .await;
    match released {
        Err(sqlx::Error::Database(error)) if error.constraint() == Some("jobs_dedupe") => supersede(db, job).await.map(drop),
        other => other.map(drop).with_context(|| format!("release job {}", job.id)),
    }
}

/// What the names of all workers begin with whose processes this one can see: host and PID namespace.
pub fn neighbourhood() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let namespace = std::fs::read_link("/proc/self/ns/pid").map(|link| link.to_string_lossy().into_owned()).unwrap_or_default();
    let namespace: String = namespace.chars().filter(char::is_ascii_digit).collect();
    format!("{}:{namespace}:", host.trim())
}

/// Rescues jobs whose worker was not heard of for the length of a lease, or is a process of this machine that is
/// gone. Returns how many.
pub async fn rescue(db: &PgPool, backoff: Duration) -> Result<usize> {
    let neighbourhood = neighbourhood();
    let mut lost = sqlx::query!(
        "select id, kind, stage, payload, asset_id, request_id, attempt, failures, max_failures, worker,
                lease_until < now() as \"expired!\"
           from jobs where state = 'running' and (lease_until < now() or starts_with(worker, $1)) limit 1000",
        neighbourhood,
    )
    .fetch_all(db)
    .await
    .context("look for expired leases")?;
    lost.retain(|row| row.expired || row.worker.as_deref().is_some_and(|worker| gone(&neighbourhood, worker)));
    let mut rescued = 0;
    for row in lost {
        let Ok(stage) = row.stage.parse::<Stage>() else { continue };
        let job = Claimed {
            id: row.id.into(),
            kind: row.kind,
            stage,
            payload: row.payload,
            asset_id: row.asset_id.map(Into::into),
            request_id: row.request_id,
            attempt: row.attempt,
            failures: row.failures,
            max_failures: row.max_failures,
            waited: Duration::ZERO,
        };
        let failure = Failure {
            class: Class::Lost,
            code: "worker_lost".into(),
            reason: "the worker stopped without an answer, several times; the file may be too demanding for this server".into(),
            detail: Some(format!("{} went silent", row.worker.unwrap_or_default())),
        };
        // A holder that beats its heart just now loses the job all the same; its attempt is fenced off.
        if fail(db, &job, &failure, backoff).await? != Aftermath::NotOurs {
            telemetry::lease_rescued(stage);
            warn!(job.id = %job.id, "rescued {} from a worker that went silent", job.kind);
            rescued += 1;
        }
    }
    Ok(rescued)
}

/// Whether a worker of our neighbourhood has ended. A process id that was given away again only costs the wait for
/// the lease to expire.
fn gone(neighbourhood: &str, worker: &str) -> bool {
    let pid = worker.strip_prefix(neighbourhood).filter(|pid| pid.bytes().all(|b| b.is_ascii_digit()));
    pid.is_some_and(|pid| !std::path::Path::new("/proc").join(pid).exists())
}

/// Stages that have due jobs, for the sweep to ring.
pub async fn due(db: &PgPool) -> Result<Vec<Stage>> {
    let names = sqlx::query_scalar!("select distinct stage from jobs where state = 'queued' and run_at <= now()")
        .fetch_all(db)
        .await
        .context("look for due jobs")?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// What came of a request to cancel or retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    /// The running worker has been told and will stop within a heartbeat.
    Told,
    /// The job is in a state in which this makes no sense.
    WrongState,
    Unknown,
}

/// Cancels a job: at once when it waits, within a heartbeat when it runs. Its asset fails as cancelled.
pub async fn cancel(db: &PgPool, id: JobId) -> Result<Answer> {
    let mut tx = db.begin().await.context("begin to cancel")?;
    let row = sqlx::query!("select state, stage, asset_id, attempt from jobs where id = $1 for update", id.0)
        .fetch_optional(&mut *tx)
        .await
        .context("look up the job to cancel")?;
    let Some(row) = row else { return Ok(Answer::Unknown) };
    let answer = match row.state.as_str() {
        "queued" | "parked" => {
            mark_cancelled(&mut tx, id, row.asset_id.map(Into::into), &row.stage, row.attempt).await?;
            Answer::Done
        }
        "running" => {
            sqlx::query!("update jobs set cancel_wanted = true where id = $1", id.0).execute(&mut *tx).await.context("ask to cancel")?;
            Answer::Told
        }
        _ => Answer::WrongState,
    };
    tx.commit().await.context("commit a cancellation")?;
    Ok(answer)
}

/// Ends a running job that was asked to stop.
pub async fn cancelled(db: &PgPool, job: &Claimed) -> Result<()> {
    let mut tx = db.begin().await.context("begin to cancel")?;
    let held = sqlx::query_scalar!(
        "select 1 as \"one!\" from jobs where id = $1 and attempt = $2 and state = 'running' for update",
        job.id.0,
        job.attempt
    )
    .fetch_optional(&mut *tx)
    .await
    .context("look up the job to cancel")?;
    if held.is_some() {
        mark_cancelled(&mut tx, job.id, job.asset_id, job.stage.as_str(), job.attempt).await?;
    }
    tx.commit().await.context("commit a cancellation")
}

async fn mark_cancelled(conn: &mut PgConnection, id: JobId, asset_id: Option<AssetId>, stage: &str, attempt: i32) -> Result<()> {
    sqlx::query!("update jobs set state = 'cancelled', lease_until = null, ended_at = now() where id = $1", id.0)
        .execute(&mut *conn)
        .await
        .context("mark a job as cancelled")?;
    let Some(asset_id) = asset_id else { return Ok(()) };
    let changed = sqlx::query!(
        "update assets set state = 'failed', failure_code = 'cancelled', failure_reason = 'processing was cancelled; retry to start it again',
                failure_stage = $2, failure_attempt = $3
          where id = $1 and state = 'processing'",
        asset_id.0,
        stage,
        attempt,
    )
    .execute(&mut *conn)
    .await
    .context("fail the asset of a cancelled job")?;
    if changed.rows_affected() == 1 {
        index_marks::mark(conn, asset_id).await?;
        events::record(conn, &Event::AssetFailed { asset_id }, &Cause::default()).await?;
    }
    Ok(())
}

/// Queues a dead or cancelled job again from the start of its count; a failed asset is in processing again.
pub async fn retry(db: &PgPool, id: JobId) -> Result<Answer> {
    let mut tx = db.begin().await.context("begin to retry")?;
    let row = sqlx::query!("select state, stage, asset_id, dedupe_key from jobs where id = $1 for update", id.0)
        .fetch_optional(&mut *tx)
        .await
        .context("look up the job to retry")?;
    let Some(row) = row else { return Ok(Answer::Unknown) };
    if !matches!(row.state.as_str(), "dead" | "cancelled") {
        return Ok(Answer::WrongState);
    }
    if let Some(asset_id) = row.asset_id {
        sqlx::query!(
            "update assets set state = 'processing', failure_code = null, failure_reason = null, failure_stage = null, failure_attempt = null
              where id = $1 and state = 'failed'",
            asset_id,
        )
        .execute(&mut *tx)
        .await
        .context("take the asset up again")?;
        index_marks::mark(&mut tx, asset_id.into()).await?;
        super::enqueue(&mut tx, UpdateIndex {}, &Cause::default()).await?;
    }
    let twin = sqlx::query_scalar!("select 1 as \"one!\" from jobs where dedupe_key = $1 and state = 'queued'", row.dedupe_key)
        .fetch_optional(&mut *tx)
        .await
        .context("look for the same work")?;
    if twin.is_none() {
        sqlx::query!(
            "with again as (
               update jobs set state = 'queued', failures = 0, run_at = now(), ended_at = null where id = $1 returning stage, id)
             select pg_notify('learnhub_jobs', stage || ' ' || id) from again",
            id.0,
        )
        .fetch_all(&mut *tx)
        .await
        .context("queue the job again")?;
    }
    tx.commit().await.context("commit a retry")?;
    Ok(Answer::Done)
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
