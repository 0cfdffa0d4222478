//! Runs handlers: a dispatcher per stage, a heartbeat per job, and a sweep that lets nothing wait for ever.

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

use super::admission::{Admission, Reserved};
use super::ledger::{self, Aftermath, Ask, Pulse};
use super::rescue::{self, worker_name};
use super::workers::{self, Worker};
use super::{Claimed, Ctx, Done, Failure, Job, Lane, Stage, Usage, control, dispatch};
use crate::breaker::State;
use crate::chaos::{self, Protection};
use crate::dependency::needed_by;
use crate::env::Env;
use crate::telemetry::{self, Outcome, trace};

type Handler = Arc<dyn Fn(Ctx, serde_json::Value) -> BoxFuture<'static, Result<Done, Failure>> + Send + Sync>;

/// The handlers of a process and the stages they belong to.
#[derive(Clone)]
pub struct Runner {
    env: Env,
    worker: Arc<str>,
    handlers: BTreeMap<&'static str, Handler>,
    /// Kinds with their versions, as the ledger asks for them.
    kinds: Vec<String>,
    stages: BTreeSet<Stage>,
}

impl Runner {
    /// A runner without handlers.
    pub fn new(env: Env) -> Self {
        Self { env, worker: worker_name().into(), handlers: BTreeMap::new(), kinds: Vec::new(), stages: BTreeSet::new() }
    }

    /// The environment the handlers will get.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// The name under which this process claims.
    pub fn name(&self) -> &str {
        &self.worker
    }

    pub(super) fn kinds(&self) -> &[String] {
        &self.kinds
    }

    /// Adds the handler of a kind of job.
    pub fn on<J, F, Fut>(&mut self, handler: F)
    where
        J: Job,
        F: Fn(Ctx, J) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Done, Failure>> + Send + 'static,
    {
        self.stages.insert(J::STAGE);
        self.kinds.extend((1..=J::VERSION).map(|version| format!("{}/{version}", J::NAME)));
        let handler = Arc::new(handler);
        self.handlers.insert(
            J::NAME,
            Arc::new(move |ctx, payload| {
                let handler = handler.clone();
                async move {
                    let job: J = serde_json::from_value(payload).map_err(|error| {
                        Failure::transient("payload_unreadable", "something went wrong on our side; it is being tried again")
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
        let admission = Arc::new(Admission::new(&self.env.config.workers));
        if let Err(error) = self.env.pools.refresh(&self.env.db).await {
            warn!("cannot read what operators set; starting with the configuration file: {error:#}");
        }
        let mut dispatchers = JoinSet::new();
        for stage in &self.stages {
            dispatchers.spawn(dispatch::dispatch(self.clone(), *stage, admission.clone(), stop.clone(), hurry.clone()));
        }
        let sweep = tokio::spawn(sweep(self.clone(), admission, stop.clone()));
        info!("workers run for {}", self.stages.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", "));
        stop.cancelled().await;
        let drain = Duration::from_secs_f64(self.env.config.jobs.drain_seconds);
        let all = async { while dispatchers.join_next().await.is_some() {} };
        tokio::pin!(all);
        if tokio::time::timeout(drain, &mut all).await.is_err() {
            warn!("some jobs still run after {drain:?}; they are handed back");
            hurry.cancel();
            all.await;
        }
        sweep.abort();
        log_error(workers::leave(&self.env.db, &self.worker).await);
    }

    /// Runs what is due one after the other until nothing is; what fails meanwhile waits for the next call. For tests
    /// and one-shot commands.
    pub async fn drain(&self) -> Result<usize> {
        ledger::ripen(&self.env.db).await?;
        let mut ran = 0;
        loop {
            let before = ran;
            for stage in &self.stages {
                while let Some(job) = self.next(*stage).await? {
                    self.work(job, &CancellationToken::new(), None).await;
                    ran += 1;
                }
            }
            if ran == before {
                return Ok(ran);
            }
        }
    }

    /// Claims the next job of a stage, whatever its lane.
    async fn next(&self, stage: Stage) -> Result<Option<Claimed>> {
        let pool = self.env.pools.get(stage);
        let ask = Ask {
            stage,
            worker: &self.worker,
            lease: pool.lease(),
            most: 1,
            lanes: &Lane::ALL,
            kinds: &self.kinds,
            waited: None,
            called: false,
            attempts: pool.attempts,
            cluster: 0,
        };
        Ok(ledger::claim(&self.env.db, &ask).await?.pop())
    }

    /// Runs a job to its end, whatever that is. `slot` is what it holds, and after what silence it gives that up.
    pub(super) async fn work(&self, job: Claimed, hurry: &CancellationToken, slot: Option<(Reserved, Duration)>) {
        let span = info_span!("job", job.id = %job.id, kind = %job.kind, attempt = job.attempt, request_id = job.request_id.as_deref());
        trace::join(&span, job.request_id.as_deref());
        self.attempt(job, hurry, slot.as_ref()).instrument(span).await;
    }

    async fn attempt(&self, job: Claimed, hurry: &CancellationToken, slot: Option<&(Reserved, Duration)>) {
        crate::crash_point!("handler.begin");
        let begun = Instant::now();
        telemetry::job_started(job.stage, job.waited.as_secs_f64());
        let patience = slot.map_or(Duration::MAX, |(_, suspect_after)| *suspect_after);
        let ctx = Ctx::new(self.env.clone(), job.clone(), patience);
        let (progress, used) = (ctx.progress(), ctx.used());
        let pool = self.env.pools.get(job.stage);
        let handler = match self.handlers.get(job.kind.as_str()) {
            Some(handler) => handler(ctx, job.payload.clone()),
            None => async { Err(Failure::transient("kind_unknown", "no worker here knows this kind of job")) }.boxed(),
        };
        let handler = AssertUnwindSafe(handler).catch_unwind();
        let timeout = pool.timeout().mul_f32(job.limits_factor);
        let outcome = tokio::select! {
            done = handler => done.unwrap_or_else(|panic| Err(Failure::transient("panic", "something went wrong on our side; it is being tried again").with_detail(panic_text(&*panic)))),
            end = self.watch(&job, &progress, pool.lease(), slot) => match end {
                Pulse::CancelWanted => {
                    info!("cancelled {}", job.kind);
                    telemetry::job_ended(job.stage, Outcome::Cancelled, None, begun.elapsed().as_secs_f64());
                    return log_error(control::cancelled(&self.env.db, &job).await.map(drop));
                }
                Pulse::Lost | Pulse::Held => Err(Failure::lost()),
            },
            () = tokio::time::sleep(timeout) => Err(Failure::resource("timeout", "processing took longer than this server allows")),
            () = hurry.cancelled() => {
                telemetry::job_ended(job.stage, Outcome::Released, None, begun.elapsed().as_secs_f64());
                return log_error(ledger::release(&self.env.db, &job).await);
            }
        };
        crate::crash_point!("handler.end");
        let took_ms = begun.elapsed().as_millis() as u64;
        let (outcome, class) = match outcome {
            Ok(Done { .. }) => {
                info!(took_ms, "done: {}", job.kind);
                for dependency in needed_by(job.stage) {
                    self.env.breakers.report_up(*dependency);
                }
                (Outcome::Done, None)
            }
            Err(failure) if failure.class == super::Class::Lost => {
                warn!("lost the lease of {}; another worker has it", job.kind);
                (Outcome::Lost, Some(failure.class))
            }
            Err(failure) => {
                let class = failure.class;
                (self.record(&job, failure, pool.backoff(), used.read()).await, Some(class))
            }
        };
        telemetry::job_ended(job.stage, outcome, class, begun.elapsed().as_secs_f64());
    }

    async fn record(&self, job: &Claimed, failure: Failure, backoff: Duration, used: Usage) -> Outcome {
        if let Some(dependency) = failure.dependency_down() {
            self.env.breakers.report_down(dependency, failure.to_string());
        }
        match ledger::fail(&self.env.db, job, &failure, backoff, used).await {
            Ok(Aftermath::Retry(_)) if failure.class == super::Class::Dependency => {
                warn!("{} waits: {failure}", job.kind);
                Outcome::Parked
            }
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
    async fn watch(&self, job: &Claimed, progress: &super::ProgressSender, lease: Duration, slot: Option<&(Reserved, Duration)>) -> Pulse {
        let mut heard = Instant::now();
        let beat = (lease / 5).min(Duration::from_secs(1));
        let look = slot.map_or(beat, |(_, suspect_after)| beat.min(*suspect_after));
        // Most jobs end before the first beat.
        let mut looks = tokio::time::interval_at(tokio::time::Instant::now() + look, look);
        let mut last = (u64::MAX, 0);
        let mut moved = (Instant::now(), (0, 0));
        // What hung once gives way at once.
        if let Some((slot, _)) = slot
            && job.limits_factor > 1.0
        {
            slot.step_aside();
        }
        loop {
            looks.tick().await;
            let (done, total) = progress.read();
            if moved.1 != (done, total) {
                moved = (Instant::now(), (done, total));
            }
            if let Some((slot, suspect_after)) = slot
                && moved.0.elapsed() > *suspect_after
                && slot.step_aside()
            {
                info!("{} is silent for long and leaves its slot to others", job.kind);
            }
            let recently = if (done, total) == last { (lease / 4).min(Duration::from_secs(2)) } else { beat };
            if heard.elapsed() < recently {
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
}

/// Rescues expired leases, queues what is due again, rings for whatever waits, takes changed settings, and reports.
async fn sweep(runner: Runner, admission: Arc<Admission>, stop: CancellationToken) {
    let env = runner.env.clone();
    let every = Duration::from_secs_f64(env.config.jobs.sweep_seconds);
    let started_at = env.clock.now();
    let mut stumbled = false;
    if chaos::without(Protection::Sweep) {
        return;
    }
    for round in 0_u64.. {
        let swept: Result<Option<Duration>> = async {
            rescue::rescue(&env.db, |stage| env.pools.get(stage).backoff()).await?;
            let (_, soon) = ledger::ripen(&env.db).await?;
            for stage in ledger::due(&env.db).await? {
                env.bell.ring(stage);
            }
            env.pools.refresh(&env.db).await?;
            if round % 15 == 0 {
                admission.learn(&env.db).await?;
            }
            let worker = Worker {
                name: runner.worker.to_string(),
                host: env.pools.host().to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pools: runner.stages.iter().map(|stage| dispatch::report(&runner, *stage, &admission)).collect(),
                memory_bytes: i64::try_from(admission.budget.memory_bytes).unwrap_or(i64::MAX),
                started_at,
                seen_at: env.clock.now(),
            };
            let away: Vec<_> = env.breakers.snapshot().into_iter().filter(|standing| standing.state != State::Closed).collect();
            workers::report(&env.db, &worker, &serde_json::to_value(away)?).await?;
            Ok(soon)
        }
        .await;
        let pause = match swept {
            Ok(soon) => {
                stumbled = false;
                soon.map_or(every, |soon| soon.clamp(Duration::from_millis(100).min(every), every))
            }
            Err(error) => {
                if !std::mem::replace(&mut stumbled, true) {
                    warn!("the sweep failed and tries again: {error:#}");
                }
                every
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
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
