//! Takes jobs from workers that went silent.

use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::PgPool;
use tracing::warn;

use super::ledger::{self, Aftermath};
use super::{Claimed, Class, Failure, Stage, Usage};
use crate::telemetry;

/// What the names of all workers begin with whose processes this one can see: host and PID namespace.
pub fn neighbourhood() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let namespace = std::fs::read_link("/proc/self/ns/pid").map(|link| link.to_string_lossy().into_owned()).unwrap_or_default();
    let namespace: String = namespace.chars().filter(char::is_ascii_digit).collect();
    format!("{}:{namespace}:", host.trim())
}

/// Rescues jobs whose worker was not heard of for the length of a lease, or is a process of this machine that is
/// gone. Returns how many.
pub async fn rescue(db: &PgPool, backoff: impl Fn(Stage) -> Duration) -> Result<usize> {
    let neighbourhood = neighbourhood();
    let mut lost = sqlx::query!(
        "select id, kind, stage, lane, payload, asset_id, owner_id, request_id, attempt, failures, max_failures, limits_factor, worker,
                lease_until < now() as \"expired!\"
           from jobs where state = 'running' and (lease_until < now() or starts_with(worker, $1)) limit 1000",
        neighbourhood,
    )
    .fetch_all(db)
    .await
    .context("look for expired leases")?;
    lost.retain(|row| row.expired || row.worker.as_deref().is_some_and(|worker| gone(&neighbourhood, worker)));
    if !lost.is_empty() {
        crate::crash_point!("rescue.found");
    }
    let mut rescued = 0;
    for row in lost {
        let Ok(stage) = row.stage.parse::<Stage>() else { continue };
        let job = Claimed {
            id: row.id.into(),
            kind: row.kind,
            stage,
            lane: row.lane.parse().unwrap_or_default(),
            payload: row.payload,
            asset_id: row.asset_id.map(Into::into),
            owner_id: row.owner_id.map(Into::into),
            request_id: row.request_id,
            attempt: row.attempt,
            failures: row.failures,
            max_failures: row.max_failures,
            limits_factor: row.limits_factor,
            called: false,
            waited: Duration::ZERO,
        };
        let failure = Failure {
            class: Class::Lost,
            code: "worker_lost".into(),
            reason: "the worker stopped without an answer, several times; the file may be too demanding for this server".into(),
            detail: Some(format!("{} went silent", row.worker.unwrap_or_default())),
        };
        // A holder that beats its heart just now loses the job all the same; its attempt is fenced off.
        if ledger::fail(db, &job, &failure, backoff(stage), Usage::default()).await? != Aftermath::NotOurs {
            telemetry::lease_rescued(stage);
            warn!(job.id = %job.id, "rescued {} from a worker that went silent", job.kind);
            rescued += 1;
            crate::crash_point!("rescue.recorded");
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

/// This host's name and PID namespace, and this process: unique among all workers, and telling to operators.
pub fn worker_name() -> String {
    format!("{}{}", neighbourhood(), std::process::id())
}
