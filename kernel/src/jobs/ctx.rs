//! What a handler holds while it works, and the one way to finish.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{PgConnection, PgTransaction};
use tracing::info;

use super::{Claimed, Failure, Job, enqueue, ledger};
use crate::child::{self, Limits};
use crate::env::Env;
use crate::events;
use crate::id::AssetId;
use crate::pipeline::Event;
use crate::store::Prefix;

/// A claimed job and the world around it.
#[derive(Clone)]
pub struct Ctx {
    pub env: Env,
    pub job: Claimed,
    progress: ProgressSender,
    used: UsageMeter,
}

/// What the children of one attempt used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Largest resident memory of any of them, bytes.
    pub peak_memory_bytes: u64,
    /// Processor time of all of them.
    pub cpu: std::time::Duration,
}

impl Usage {
    /// As stored: null when there was no child.
    pub(super) fn peak_memory_bytes(self) -> Option<i64> {
        (self.peak_memory_bytes > 0).then(|| i64::try_from(self.peak_memory_bytes).unwrap_or(i64::MAX))
    }

    /// As stored: null when there was no child.
    pub(super) fn cpu_seconds(self) -> Option<f32> {
        (!self.cpu.is_zero()).then_some(self.cpu.as_secs_f32())
    }
}

/// Adds up [`Usage`]; shared by an attempt's handler and the runner, which records it also when the handler fails.
#[derive(Clone, Default)]
pub(super) struct UsageMeter(Arc<Mutex<Usage>>);

impl UsageMeter {
    pub fn read(&self) -> Usage {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, more: Usage) {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.peak_memory_bytes = used.peak_memory_bytes.max(more.peak_memory_bytes);
        used.cpu += more.cpu;
    }
}

/// Proof that a handler has finished: made only by a committed finishing transaction.
#[derive(Debug)]
pub struct Done(());

/// Where a handler says how far it is. Cheap; the heartbeat carries it to the database.
#[derive(Clone, Default)]
pub struct ProgressSender(Arc<(AtomicU64, AtomicU64)>);

impl ProgressSender {
    /// `done` of `total`, in units of the job's own (frames, pages, chunks).
    pub fn report(&self, done: u64, total: u64) {
        self.0.0.store(done, Ordering::Relaxed);
        self.0.1.store(total, Ordering::Relaxed);
    }

    /// The last report: done and total.
    pub fn read(&self) -> (u64, u64) {
        (self.0.0.load(Ordering::Relaxed), self.0.1.load(Ordering::Relaxed))
    }
}

impl Ctx {
    pub(super) fn new(env: Env, job: Claimed) -> Self {
        Self { env, job, progress: ProgressSender::default(), used: UsageMeter::default() }
    }

    /// Where to report progress.
    pub fn progress(&self) -> ProgressSender {
        self.progress.clone()
    }

    pub(super) fn used(&self) -> UsageMeter {
        self.used.clone()
    }

    /// Notes what a child used.
    pub fn note_usage(&self, used: Usage) {
        self.used.add(used);
    }

    /// The fresh folder for this attempt's objects.
    pub fn prefix(&self, asset: AssetId) -> Prefix {
        Prefix::attempt(asset, self.job.id, self.job.attempt)
    }

    /// Runs a part of this program in a disposable process; see [`crate::child`].
    pub async fn child<Q: Serialize, A: DeserializeOwned>(
        &self,
        name: &'static str,
        request: &Q,
        limits: Limits,
        dir: &Path,
    ) -> Result<A, Failure> {
        crate::crash_point!("child.before");
        let progress = self.progress();
        let report = move |done, total| progress.report(done, total);
        let answer = child::run(
            &self.env.config.paths.program,
            name,
            &serde_json::to_value(request)?,
            &limits.times(self.job.limits_factor),
            dir,
            self.job.request_id.as_deref(),
            report,
        )
        .await?;
        crate::crash_point!("child.after");
        Ok(serde_json::from_value(answer)?)
    }

    /// Begins the one transaction that ends this job. Fails as lost when another worker has taken over.
    pub async fn finish(&self) -> Result<Finishing, Failure> {
        crate::crash_point!("finish.begin");
        let mut tx = self.env.db.begin().await?;
        if !ledger::finish(&mut tx, &self.job, self.used.read()).await? {
            return Err(Failure::lost());
        }
        crate::crash_point!("finish.fenced");
        Ok(Finishing { tx, job: self.job.clone() })
    }

    /// Ends the job with nothing done, for instance because what it was about is gone.
    pub async fn skip(&self, why: &str) -> Result<Done, Failure> {
        info!(job.id = %self.job.id, "nothing to do for {}: {why}", self.job.kind);
        self.finish().await?.commit_silent().await
    }
}

/// The finishing transaction: the job has ended in it, and whatever is written through it becomes real with that.
pub struct Finishing {
    tx: PgTransaction<'static>,
    job: Claimed,
}

impl Finishing {
    /// The connection for the output rows.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// Enqueues further work that is no consequence of an event.
    pub async fn enqueue(&mut self, job: impl Job) -> Result<(), Failure> {
        Ok(enqueue(&mut self.tx, job, &self.job.cause()).await?)
    }

    /// Records the event and what follows from it, and commits.
    pub async fn commit(self, event: Event) -> Result<Done, Failure> {
        self.commit_all(vec![event]).await
    }

    /// As [`Finishing::commit`], for several events.
    pub async fn commit_all(mut self, events: Vec<Event>) -> Result<Done, Failure> {
        for event in &events {
            events::record(&mut self.tx, event, &self.job.cause()).await?;
        }
        self.commit_silent().await
    }

    /// Commits without an event.
    pub async fn commit_silent(self) -> Result<Done, Failure> {
        crate::crash_point!("finish.before_commit");
        self.tx.commit().await?;
        crate::crash_point!("finish.committed");
        Ok(Done(()))
    }
}
