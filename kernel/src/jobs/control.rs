//! What operators may do to jobs: cancel, retry, move to another lane; one by one, or all that a filter matches.

use anyhow::{Context, Result};
use sqlx::{PgConnection, PgPool};

use super::{Lane, Stage};
use crate::events::{self, Cause};
use crate::id::{AccountId, AssetId, CourseId, JobId};
use crate::index_marks;
use crate::pipeline::{Event, UpdateIndex};

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
pub async fn cancelled(db: &PgPool, job: &super::Claimed) -> Result<()> {
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
    let twin =
        sqlx::query_scalar!("select 1 as \"one!\" from jobs where dedupe_key = $1 and state in ('queued', 'parked')", row.dedupe_key)
            .fetch_optional(&mut *tx)
            .await
            .context("look for the same work")?;
    if twin.is_none() {
        sqlx::query!(
            "with again as (
               update jobs set state = 'queued', failures = 0, run_at = now(), ended_at = null, limits_factor = 1,
                      turn = job_turn(stage, lane, owner_id)
                where id = $1 returning stage, id)
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

/// Moves a waiting job to another lane, or to the front of its own: there its turn comes before everybody's.
pub async fn prioritise(db: &PgPool, id: JobId, lane: Option<Lane>, front: bool) -> Result<Answer> {
    let row =
        sqlx::query!("select state, lane from jobs where id = $1", id.0).fetch_optional(db).await.context("look up the job to move")?;
    let Some(row) = row else { return Ok(Answer::Unknown) };
    let lane = lane.map_or(row.lane, |lane| lane.as_str().to_owned());
    let moved = sqlx::query!(
        "with moved as (
           update jobs set lane = $2,
                  turn = case when $3 then coalesce((select min(turn) from jobs j where j.stage = jobs.stage and j.lane = $2 and j.state = 'queued'), turn) - 1
                              when lane = $2 then turn else job_turn(stage, $2, owner_id) end
            where id = $1 and state in ('queued', 'parked') returning stage, id)
         select pg_notify('learnhub_jobs', stage || ' ' || id) from moved",
        id.0,
        lane,
        front,
    )
    .fetch_all(db)
    .await
    .context("move a job to another place")?;
    Ok(if moved.is_empty() { Answer::WrongState } else { Answer::Done })
}

/// Which jobs are meant. What is not set matches everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    pub ids: Option<Vec<JobId>>,
    pub state: Option<String>,
    pub stage: Option<Stage>,
    pub lane: Option<Lane>,
    pub kind: Option<String>,
    pub asset_id: Option<AssetId>,
    pub course_id: Option<CourseId>,
    pub owner_id: Option<AccountId>,
    pub failure_class: Option<String>,
    pub failure_code: Option<String>,
}

/// The jobs that a filter matches, oldest first, at most `limit`.
pub async fn matching(conn: &mut PgConnection, filter: &Filter, limit: i64) -> Result<Vec<JobId>> {
    let ids: Option<Vec<uuid::Uuid>> = filter.ids.as_ref().map(|ids| ids.iter().map(|id| id.0).collect());
    let found = sqlx::query_scalar!(
        "select j.id from jobs j
          where ($1::uuid[] is null or j.id = any($1)) and ($2::text is null or j.state = $2) and ($3::text is null or j.stage = $3)
            and ($4::text is null or j.lane = $4) and ($5::text is null or j.kind = $5) and ($6::uuid is null or j.asset_id = $6)
            and ($7::uuid is null or exists (select 1 from assets a where a.id = j.asset_id and a.course_id = $7))
            and ($8::uuid is null or j.owner_id = $8)
            and ($9::text is null or j.failure_class = $9) and ($10::text is null or j.failure_code = $10)
          order by j.id limit $11",
        ids.as_deref(),
        filter.state,
        filter.stage.map(|stage| stage.as_str()),
        filter.lane.map(|lane| lane.as_str()),
        filter.kind,
        filter.asset_id.map(|id| id.0),
        filter.course_id.map(|id| id.0),
        filter.owner_id.map(|id| id.0),
        filter.failure_class,
        filter.failure_code,
        limit,
    )
    .fetch_all(conn)
    .await
    .context("look up the jobs that are meant")?;
    Ok(found.into_iter().map(JobId).collect())
}
