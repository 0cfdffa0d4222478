//! What a handler holds while it works, and the one way to finish.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{PgConnection, PgTransaction};
use tracing::{Instrument, debug, info, info_span, warn};

use super::{Claimed, Class, Failure, Job, enqueue, ledger};
use crate::child::{self, Limits, Usage, outside};
use crate::env::Env;
use crate::events;
use crate::id::AssetId;
use crate::pipeline::Event;
use crate::store::Prefix;
use crate::telemetry;

/// A claimed job and the world around it.
#[derive(Clone)]
pub struct Ctx {
    pub env: Env,
    pub job: Claimed,
    patience: Duration,
    progress: ProgressSender,
    used: UsageMeter,
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
        used.peak_rss_bytes = used.peak_rss_bytes.max(more.peak_rss_bytes);
        used.cpu_seconds += more.cpu_seconds;
        used.wall += more.wall;
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
    /// `patience`: after what silence a child of the job is to let others go first.
    pub(super) fn new(env: Env, job: Claimed, patience: Duration) -> Self {
        Self { env, job, patience, progress: ProgressSender::default(), used: UsageMeter::default() }
    }

    /// Where to report progress.
    pub fn progress(&self) -> ProgressSender {
        self.progress.clone()
    }

    pub(super) fn used(&self) -> UsageMeter {
        self.used.clone()
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
        let span = info_span!("child", child = name, request_id = self.job.request_id.as_deref());
        let program = &self.env.config.paths.program;
        let request = serde_json::to_value(request)?;
        let limits = Limits { give_way: limits.give_way.min(self.patience), ..limits.times(self.job.limits_factor) };
        let ended = async {
            let ended = child::run(program, name, &request, &limits, dir, self.job.request_id.as_deref(), report).await;
            match &ended.outcome {
                Ok(_) => debug!("the child is done"),
                // A refused input is the child's work done, not its death.
                Err(failure) if failure.class == Class::Poison => info!("the child refused its input: {}", failure.code),
                Err(failure) => {
                    telemetry::child_died(name, &failure.code);
                    warn!("the child died: {failure}");
                }
            }
            ended
        };
        let ended = ended.instrument(span).await;
        self.used.add(ended.usage);
        crate::crash_point!("child.after");
        Ok(serde_json::from_value(ended.outcome?)?)
    }

    /// Runs a program of the operator's in a scratch folder; see [`child::outside`].
    pub async fn outside(&self, program: &outside::Program<'_>, limits: Limits, dir: &Path) -> Result<Vec<u8>, outside::Trouble> {
        let limits = limits.times(self.job.limits_factor);
        let (outcome, usage) = outside::run(program, &limits, dir).await;
        self.used.add(usage);
        outcome
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

    /// Ends a job whose work left nothing to write: one statement instead of a transaction.
    pub async fn done(&self) -> Result<Done, Failure> {
        let mut conn = self.env.db.acquire().await?;
        if !ledger::finish(&mut conn, &self.job, self.used.read()).await? {
            return Err(Failure::lost());
        }
        Ok(Done(()))
    }

    /// Ends the job with nothing done, for instance because what it was about is gone.
    pub async fn skip(&self, why: &str) -> Result<Done, Failure> {
        info!(job.id = %self.job.id, "nothing to do for {}: {why}", self.job.kind);
        self.done().await
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
