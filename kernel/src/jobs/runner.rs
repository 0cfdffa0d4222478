//! Runs handlers: a pool per stage, a heartbeat per job, and a sweep that lets nothing wait for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, info_span, warn};

use super::ledger::{self, Aftermath, Pulse};
use super::{Claimed, Ctx, Done, Failure, Job, Stage};
use crate::env::Env;
use crate::telemetry::{self, Outcome, trace};

type Handler = Arc<dyn Fn(Ctx, serde_json::Value) -> BoxFuture<'static, Result<Done, Failure>> + Send + Sync>;

/// The handlers of a process and the stages they belong to.
#[derive(Clone)]
pub struct Runner {
    env: Env,
    worker: String,
    handlers: BTreeMap<&'static str, Handler>,
    stages: BTreeSet<Stage>,
}

impl Runner {
    /// A runner without handlers.
    pub fn new(env: Env) -> Self {
        Self { env, worker: worker_name(), handlers: BTreeMap::new(), stages: BTreeSet::new() }
    }

    /// The environment the handlers will get.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// Adds the handler of a kind of job.
    pub fn on<J, F, Fut>(&mut self, handler: F)
    where
        J: Job,
        F: Fn(Ctx, J) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Done, Failure>> + Send + 'static,
    {
        self.stages.insert(J::STAGE);
        let handler = Arc::new(handler);
        self.handlers.insert(
            J::NAME,
            Arc::new(move |ctx, payload| {
                let handler = handler.clone();
                async move {
                    let job: J = serde_json::from_value(payload).map_err(|error| {
                        Failure::transient("payload_unreadable", "this worker is older than the job; a newer one will take it")
                            .with_detail(error.to_string())
                    })?;
                    handler(ctx, job).await
                }
                .boxed()
            }),
        );
    }

    /// Keeps only these stages.
    pub fn only(mut self, stages: &BTreeSet<Stage>) -> Self {
        self.stages.retain(|stage| stages.contains(stage));
        self
    }

    /// The stages that have handlers.
    pub fn stages(&self) -> &BTreeSet<Stage> {
        &self.stages
    }

    /// Works until `stop`; then finishes what runs, and after the drain time hands back what still does.
    pub async fn run(self, stop: CancellationToken) {
        let hurry = CancellationToken::new();
        let mut slots = JoinSet::new();
        for stage in &self.stages {
            for _ in 0..self.env.config.pool(*stage).concurrency {
                slots.spawn(self.clone().slot(*stage, stop.clone(), hurry.clone()));
            }
        }
        let sweep = tokio::spawn(sweep(self.env.clone(), stop.clone()));
        info!("workers run for {}", self.stages.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", "));
        stop.cancelled().await;
        let drain = Duration::from_secs_f64(self.env.config.jobs.drain_seconds);
        let all = async { while slots.join_next().await.is_some() {} };
        tokio::pin!(all);
        if tokio::time::timeout(drain, &mut all).await.is_err() {
            warn!("some jobs still run after {drain:?}; they are handed back");
            hurry.cancel();
            all.await;
        }
        sweep.abort();
    }

    /// Runs due jobs one after the other until none is left, retries included. For tests and one-shot commands.
    pub async fn drain(&self) -> Result<usize> {
        let mut ran = 0;
        loop {
            let before = ran;
            for stage in &self.stages {
                while let Some(job) = ledger::claim(&self.env.db, *stage, &self.worker, self.lease()).await? {
                    self.work(job, &CancellationToken::new()).await;
                    ran += 1;
                }
            }
            if ran == before {
                return Ok(ran);
            }
        }
    }

    async fn slot(self, stage: Stage, stop: CancellationToken, hurry: CancellationToken) {
        while !stop.is_cancelled() {
            match ledger::claim(&self.env.db, stage, &self.worker, self.lease()).await {
                Ok(Some(job)) => {
                    // Notifications with the same payload in one transaction arrive as one: pass the ring on.
                    self.env.bell.ring(stage);
                    self.work(job, &hurry).await;
                }
                Ok(None) => tokio::select! {
                    () = self.env.bell.wait(stage) => {}
                    () = stop.cancelled() => {}
                },
                Err(error) => {
                    warn!("stage {stage} cannot claim and tries again: {error:#}");
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                        () = stop.cancelled() => {}
                    }
                }
            }
        }
    }

    async fn work(&self, job: Claimed, hurry: &CancellationToken) {
        let request_id = job.request_id.clone();
        let span = info_span!("job", otel.kind = "consumer", job.id = %job.id, kind = %job.kind, attempt = job.attempt, request_id);
        trace::join(&span, request_id.as_deref());
        self.attempt(job, hurry).instrument(span).await;
    }

    async fn attempt(&self, job: Claimed, hurry: &CancellationToken) {
        let begun = Instant::now();
        telemetry::job_started(job.stage, job.waited.as_secs_f64());
        let ctx = Ctx::new(self.env.clone(), job.clone());
        let progress = ctx.progress();
        let handler = match self.handlers.get(job.kind.as_str()) {
            Some(handler) => handler(ctx, job.payload.clone()),
            None => async { Err(Failure::transient("kind_unknown", "no worker here knows this kind of job")) }.boxed(),
        };
        let handler = AssertUnwindSafe(handler).catch_unwind();
        let timeout = Duration::from_secs(self.env.config.pool(job.stage).timeout_seconds);
        let outcome = tokio::select! {
            done = handler => done.unwrap_or_else(|panic| Err(Failure::transient("panic", "something went wrong on our side; it is being tried again").with_detail(panic_text(&*panic)))),
            end = self.watch(&job, &progress) => match end {
                Pulse::CancelWanted => {
                    info!("cancelled {}", job.kind);
                    telemetry::job_ended(job.stage, Outcome::Cancelled, None, begun.elapsed().as_secs_f64());
                    return log_error(ledger::cancelled(&self.env.db, &job).await.map(drop));
                }
                Pulse::Lost | Pulse::Held => Err(Failure::lost()),
            },
            () = tokio::time::sleep(timeout) => Err(Failure::resource("timeout", "processing took longer than this server allows")),
            () = hurry.cancelled() => {
                telemetry::job_ended(job.stage, Outcome::Released, None, begun.elapsed().as_secs_f64());
                return log_error(ledger::release(&self.env.db, &job).await);
            }
        };
        let took_ms = begun.elapsed().as_millis() as u64;
        let (outcome, class) = match outcome {
            Ok(Done { .. }) => {
                info!(took_ms, "done: {}", job.kind);
                (Outcome::Done, None)
            }
            Err(failure) if failure.class == super::Class::Lost => {
                warn!("lost the lease of {}; another worker has it", job.kind);
                (Outcome::Lost, Some(failure.class))
            }
            Err(failure) => {
                let class = failure.class;
                (self.record(&job, failure).await, Some(class))
            }
        };
        telemetry::job_ended(job.stage, outcome, class, begun.elapsed().as_secs_f64());
    }

    async fn record(&self, job: &Claimed, failure: Failure) -> Outcome {
        let backoff = Duration::from_secs_f64(self.env.config.jobs.backoff_seconds);
        match ledger::fail(&self.env.db, job, &failure, backoff).await {
            Ok(Aftermath::Retry(pause)) => {
                warn!("{} failed and runs again in {pause:.1?}: {failure}", job.kind);
                Outcome::Retried
            }
            Ok(Aftermath::Dead) if failure.class == super::Class::Poison => {
                info!("{} refused its input: {failure}", job.kind);
                Outcome::Dead
            }
            Ok(Aftermath::Dead) => {
                error!("{} is dead after {} failures: {failure}", job.kind, job.failures + 1);
                Outcome::Dead
            }
            Ok(Aftermath::NotOurs) => Outcome::Lost,
            Err(error) => {
                // The lease runs out and the sweep of any worker takes it from there.
                error!("cannot record that {} failed ({failure}): {error:#}", job.kind);
                Outcome::Unrecorded
            }
        }
    }

    /// Beats the heart until the job is lost or to be cancelled.
    async fn watch(&self, job: &Claimed, progress: &super::ProgressSender) -> Pulse {
        let lease = self.lease();
        let mut heard = Instant::now();
        let mut beats = tokio::time::interval((lease / 5).min(Duration::from_secs(1)));
        let mut last = (u64::MAX, 0);
        loop {
            beats.tick().await;
            let (done, total) = progress.read();
            if (done, total) == last && heard.elapsed() < lease / 4 && heard.elapsed() < Duration::from_secs(2) {
                continue;
            }
            match ledger::heartbeat(&self.env.db, job, lease, done, total).await {
                Ok(Pulse::Held) => {
                    heard = Instant::now();
                    last = (done, total);
                }
                Ok(pulse) => return pulse,
                Err(_) if heard.elapsed() < lease => {}
                Err(error) => {
                    warn!("no heartbeat for {lease:?}, the lease of {} is lost: {error:#}", job.kind);
                    return Pulse::Lost;
                }
            }
        }
    }

    fn lease(&self) -> Duration {
        Duration::from_secs_f64(self.env.config.jobs.lease_seconds)
    }
}

/// Rescues expired leases and rings for whatever is due.
async fn sweep(env: Env, stop: CancellationToken) {
    let backoff = Duration::from_secs_f64(env.config.jobs.backoff_seconds);
    let mut beats = tokio::time::interval(Duration::from_secs_f64(env.config.jobs.sweep_seconds));
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beats.tick() => {}
            () = stop.cancelled() => return,
        }
        let swept: Result<()> = async {
            ledger::rescue(&env.db, backoff).await?;
            for stage in ledger::due(&env.db).await? {
                env.bell.ring(stage);
            }
            Ok(())
        }
        .await;
        if let Err(error) = swept {
            warn!("the sweep failed and tries again: {error:#}");
        }
    }
}

fn log_error(result: Result<()>) {
    if let Err(error) = result {
        error!("cannot end a job; its lease will run out: {error:#}");
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| s.to_string()).or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panic: {}", text.unwrap_or_default())
}

/// Host, PID namespace and process, as the ledger shows them.
pub fn worker_name() -> String {
    format!("{}{}", ledger::neighbourhood(), std::process::id())
}
