//! The append-only record of what happened, and the one place where recording leads to following up.

use anyhow::{Context, Result};
use sqlx::PgConnection;

use crate::id::{AccountId, JobId};
use crate::jobs::{self, Lane};
use crate::pipeline::{self, Event};

/// Who or what caused a change: carried from an HTTP request or a command to every job that follows from it.
#[derive(Clone, Debug, Default)]
pub struct Cause {
    /// The request id that logs, jobs and children share.
    pub request_id: Option<String>,
    /// The account on whose behalf it happens.
    pub account_id: Option<AccountId>,
    /// The job in whose finishing transaction it happens.
    pub job_id: Option<JobId>,
    /// Who waits for what follows.
    pub lane: Lane,
}

/// Writes the event and enqueues what follows from it, both in the caller's transaction.
pub async fn record(conn: &mut PgConnection, event: &Event, cause: &Cause) -> Result<()> {
    let payload = serde_json::to_value(event).context("event to json")?;
    sqlx::query!(
        "insert into events (kind, asset_id, job_id, request_id, payload) values ($1, $2, $3, $4, $5)",
        event.kind(),
        event.asset_id().map(|id| id.0),
        cause.job_id.map(|id| id.0),
        cause.request_id,
        payload,
    )
    .execute(&mut *conn)
    .await
    .with_context(|| format!("record event {}", event.kind()))?;
    for job in pipeline::next(event) {
        jobs::enqueue(conn, job, cause).await?;
    }
    Ok(())
}
