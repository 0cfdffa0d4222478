//! What operators may do to jobs: cancel, retry, move to another lane; one by one, or many at once. Which ones a filter
//! means, `view` says; making something anew from a stage is `rerun`.

use anyhow::{Context, Result};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use utoipa::ToSchema;

use super::Lane;
use super::ledger::{AssetFailure, fail_asset};
use super::view::State;
use crate::events::Cause;
use crate::id::{AssetId, JobId};
use crate::index_marks;
use crate::pipeline::UpdateIndex;

/// What came of a request about one job or asset.
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
    let why = AssetFailure { code: "cancelled", reason: "processing was cancelled; retry to start it again", stage, attempt };
    fail_asset(conn, asset_id, why, &Cause::default()).await
}

/// Queues a dead or cancelled job again from the start of its count; a failed asset is in processing again.
pub async fn retry(db: &PgPool, id: JobId) -> Result<Answer> {
    let mut tx = db.begin().await.context("begin to retry")?;
    let answer = retry_in(&mut tx, id, None).await?;
    tx.commit().await.context("commit a retry")?;
    Ok(answer)
}

/// As [`retry`], in the caller's transaction and, if one is given, in another lane.
pub(super) async fn retry_in(conn: &mut PgConnection, id: JobId, lane: Option<Lane>) -> Result<Answer> {
    let row = sqlx::query!("select state, stage, asset_id, dedupe_key from jobs where id = $1 for update", id.0)
        .fetch_optional(&mut *conn)
        .await
        .context("look up the job to retry")?;
    let Some(row) = row else { return Ok(Answer::Unknown) };
    if !matches!(row.state.as_str(), "dead" | "cancelled") {
        return Ok(Answer::WrongState);
    }
    if let Some(asset_id) = row.asset_id {
        take_up(conn, asset_id.into()).await?;
    }
    let twin =
        sqlx::query_scalar!("select 1 as \"one!\" from jobs where dedupe_key = $1 and state in ('queued', 'parked')", row.dedupe_key)
            .fetch_optional(&mut *conn)
            .await
            .context("look for the same work")?;
    if twin.is_none() {
        sqlx::query!(
            "with again as (
               update jobs set state = 'queued', failures = 0, run_at = now(), ended_at = null, limits_factor = 1,
                      lane = coalesce($2, lane), turn = job_turn(stage, coalesce($2, lane), owner_id)
                where id = $1 returning stage, id)
             select pg_notify('learnhub_jobs', stage || ' ' || id) from again",
            id.0,
            lane.map(|lane| lane.as_str()),
        )
        .fetch_all(conn)
        .await
        .context("queue the job again")?;
    }
    Ok(Answer::Done)
}

/// A failed asset is in processing again, and the index is told; one that did not fail stays as it is.
pub(super) async fn take_up(conn: &mut PgConnection, asset_id: AssetId) -> Result<()> {
    sqlx::query!(
        "update assets set state = 'processing', failure_code = null, failure_reason = null, failure_stage = null, failure_attempt = null
          where id = $1 and state = 'failed'",
        asset_id.0,
    )
    .execute(&mut *conn)
    .await
    .context("take the asset up again")?;
    index_marks::mark(conn, asset_id).await?;
    super::enqueue(conn, UpdateIndex {}, &Cause::default()).await
}

/// Moves a waiting job to another lane, or to its front: there its turn comes before everybody's, and it does not wait for a
/// slot either (see `dispatch`). Who is moved there last goes first.
pub async fn prioritise(db: &PgPool, id: JobId, lane: Option<Lane>, front: bool) -> Result<Answer> {
    let row =
        sqlx::query!("select state, lane from jobs where id = $1", id.0).fetch_optional(db).await.context("look up the job to move")?;
    let Some(row) = row else { return Ok(Answer::Unknown) };
    let lane = lane.map_or(row.lane, |lane| lane.as_str().to_owned());
    let moved = sqlx::query!(
        "with moved as (
           update jobs set lane = $2,
                  turn = case when $3 then least((select min(turn) from jobs j where j.stage = jobs.stage and j.lane = $2 and j.state = 'queued'), 0) - 1
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

/// What can be done to many jobs at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Cancel,
    Retry,
    /// To this lane, or to the front of it, or to the front of their own.
    Prioritise {
        lane: Option<Lane>,
        front: bool,
    },
}

impl Action {
    /// What it would come to for a job in this state.
    pub fn would(self, state: State) -> Answer {
        match (self, state) {
            (Self::Cancel, State::Running) => Answer::Told,
            (Self::Cancel | Self::Prioritise { .. }, State::Queued | State::Parked) => Answer::Done,
            (Self::Retry, State::Dead | State::Cancelled) => Answer::Done,
            _ => Answer::WrongState,
        }
    }
}

/// How many came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({"matched": 12, "done": 10, "told": 1, "skipped": 1, "unknown": 0}))]
pub struct Tally {
    pub matched: usize,
    pub done: usize,
    /// They run, and their workers were told to stop.
    pub told: usize,
    /// In a state in which it makes no sense.
    pub skipped: usize,
    /// Gone meanwhile.
    pub unknown: usize,
}

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, answer: Answer) {
        self.matched += 1;
        *match answer {
            Answer::Done => &mut self.done,
            Answer::Told => &mut self.told,
            Answer::WrongState => &mut self.skipped,
            Answer::Unknown => &mut self.unknown,
        } += 1;
    }
}

/// Does it to each of these jobs, given newest first as [`super::view::matching`] does, in the order that keeps theirs:
/// what is queued again queues from the oldest, and what goes to the front goes there from the newest. Each job is a
/// transaction of its own: when it breaks off, what was done stays done, and doing it again does the rest.
///
/// A dry run changes nothing and says what would come of it.
pub async fn act(db: &PgPool, action: Action, mut jobs: Vec<(JobId, State)>, dry_run: bool) -> Result<Vec<(JobId, Answer)>> {
    if !matches!(action, Action::Prioritise { front: true, .. }) {
        jobs.reverse();
    }
    let mut answers = Vec::with_capacity(jobs.len());
    for (id, state) in jobs {
        let answer = match action {
            _ if dry_run => action.would(state),
            Action::Cancel => cancel(db, id).await?,
            Action::Retry => retry(db, id).await?,
            Action::Prioritise { lane, front } => prioritise(db, id, lane, front).await?,
        };
        answers.push((id, answer));
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_tells_what_makes_sense_in_each_state() {
        let front = Action::Prioritise { lane: None, front: true };
        let told = |action: Action| State::ALL.map(|state| action.would(state));
        use Answer::{Done, Told, WrongState as No};
        assert_eq!(told(Action::Cancel), [Done, Done, Told, No, No, No]);
        assert_eq!(told(front), [Done, Done, No, No, No, No]);
        assert_eq!(told(Action::Retry), [No, No, No, No, Done, Done]);
    }
}
