//! A breaker per dependency: what to do with work while a service is away.
//!
//! A failure that [`crate::dependency::blamed`] attributes to a service opens its breaker, for the whole process.
//! While it is open nobody needs to find out again that the service is away: its stages' jobs wait without using up
//! attempts. After a pause, which grows and is never the same for two processes, one probe asks the service; its
//! answer closes the breaker, or opens it for a longer pause. Who reports and who waits is not decided here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::dependency::{Dependency, needed_by};
use crate::jobs::Stage;
use crate::telemetry;

/// The first pause, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A probe that takes longer has failed.
const PROBE_PATIENCE: Duration = Duration::from_secs(10);

/// What is known of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It answers, as far as anybody knows.
    Closed,
    /// It is away; nobody is to ask before the pause is over.
    Open,
    /// The pause is over and it is being asked.
    HalfOpen,
}

/// One breaker. Pure: the clock and the dice are handed in.
#[derive(Clone, Debug)]
struct Breaker {
    state: State,
    since: Instant,
    /// Of the current outage, or of the last one.
    pause: Duration,
    /// End of the pause, while open.
    until: Instant,
    error: Option<String>,
    /// Somebody probes it. Where nobody does, the first job after the pause is the probe.
    probed: bool,
}

impl Breaker {
    fn new(now: Instant) -> Self {
        Self { state: State::Closed, since: now, pause: Duration::ZERO, until: now, error: None, probed: false }
    }

    /// A failure. `dice` is from 0 to 1. True when this opened it.
    ///
    /// Many who were at work when the service went report it one after the other: that is one failure. But one soon
    /// after it seemed to be back makes the pause longer, as a failed probe does.
    fn failed(&mut self, now: Instant, detail: String, dice: f64) -> bool {
        self.error = Some(detail);
        if self.state == State::Open && now < self.until {
            return false;
        }
        let was_closed = self.state == State::Closed;
        let recovered = was_closed && now.duration_since(self.since) >= LONGEST_PAUSE;
        let doubled = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.pause = if recovered || self.pause.is_zero() { FIRST_PAUSE } else { doubled };
        self.until = now + self.pause.mul_f64(1.0 - dice / 2.0);
        if was_closed {
            self.since = now;
        }
        self.state = State::Open;
        was_closed
    }

    /// An answer. True when this closed it.
    fn answered(&mut self, now: Instant) -> bool {
        let was_away = self.state != State::Closed;
        if was_away {
            (self.state, self.since) = (State::Closed, now);
        }
        was_away
    }

    /// Time goes by: an open breaker whose pause is over is half-open.
    fn at(&mut self, now: Instant) -> State {
        if self.state == State::Open && now >= self.until {
            self.state = State::HalfOpen;
        }
        self.state
    }

    /// Whether work that needs the service is to wait.
    fn holds_back(&mut self, now: Instant) -> bool {
        match self.at(now) {
            State::Closed => false,
            State::Open => true,
            State::HalfOpen => self.probed,
        }
    }
}

/// What is known of a service, for operators.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Standing {
    pub dependency: Dependency,
    pub state: State,
    /// Since when it answers, or is away.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// The last thing that went wrong with it, also when that is over.
    pub error: Option<String>,
    /// Seconds until it is asked again, while it is away.
    pub retry_after: Option<u32>,
}

/// All breakers of a process. Cheap to clone; clones are the same breakers.
#[derive(Clone, Debug)]
pub struct Breakers {
    all: Arc<Mutex<BTreeMap<Dependency, Breaker>>>,
    changed: Arc<watch::Sender<()>>,
}

impl Default for Breakers {
    fn default() -> Self {
        Self::new()
    }
}

impl Breakers {
    /// All closed.
    pub fn new() -> Self {
        let now = Instant::now();
        for dependency in Dependency::ALL {
            telemetry::breaker(dependency.as_str(), telemetry::Breaker::Closed);
        }
        let all = Dependency::ALL.into_iter().map(|dependency| (dependency, Breaker::new(now))).collect();
        Self { all: Arc::new(Mutex::new(all)), changed: Arc::new(watch::Sender::new(())) }
    }

    fn with<T>(&self, dependency: Dependency, act: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut all = self.lock();
        act(all.entry(dependency).or_insert_with(|| Breaker::new(Instant::now())))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Dependency, Breaker>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The service did not answer.
    pub fn report_down(&self, dependency: Dependency, detail: impl Into<String>) {
        let detail = detail.into();
        let dice = rand::random_range(0.0..1.0);
        if self.with(dependency, |breaker| breaker.failed(Instant::now(), detail.clone(), dice)) {
            warn!("{dependency} {}; what needs it waits: {detail}", dependency.trouble());
            telemetry::breaker(dependency.as_str(), telemetry::Breaker::Open);
        }
        self.changed.send_replace(());
    }

    /// The service answered.
    pub fn report_up(&self, dependency: Dependency) {
        if self.with(dependency, |breaker| breaker.answered(Instant::now())) {
            info!("{dependency} answers again");
            telemetry::breaker(dependency.as_str(), telemetry::Breaker::Closed);
            self.changed.send_replace(());
        }
    }

    /// Reports whatever service is to blame for the error, if one is.
    pub fn report(&self, error: &anyhow::Error) {
        if let Some(dependency) = crate::dependency::blamed(error) {
            self.report_down(dependency, format!("{error:#}"));
        }
    }

    pub fn state(&self, dependency: Dependency) -> State {
        self.with(dependency, |breaker| breaker.at(Instant::now()))
    }

    /// Seconds until the service is asked again, at least one.
    pub fn retry_after(&self, dependency: Dependency) -> u32 {
        let left = self.with(dependency, |breaker| breaker.until.saturating_duration_since(Instant::now()));
        (left.as_secs_f64().ceil() as u32).max(1)
    }

    /// All services, in the order of [`Dependency::ALL`].
    pub fn snapshot(&self) -> Vec<Standing> {
        let now = Instant::now();
        let standing = |(dependency, breaker): (&Dependency, &mut Breaker)| {
            let state = breaker.at(now);
            let left = breaker.until.saturating_duration_since(now).as_secs_f64().ceil();
            Standing {
                dependency: *dependency,
                state,
                since: OffsetDateTime::now_utc() - now.duration_since(breaker.since),
                error: breaker.error.clone(),
                retry_after: (state != State::Closed).then_some(left as u32),
            }
        };
        self.lock().iter_mut().map(standing).collect()
    }

    /// The service for which this stage's jobs are to wait, and since when it is away.
    pub fn open_for(&self, stage: Stage) -> Option<(Dependency, OffsetDateTime)> {
        let now = Instant::now();
        needed_by(stage).iter().copied().find_map(|dependency| {
            self.with(dependency, |breaker| {
                breaker.holds_back(now).then(|| (dependency, OffsetDateTime::now_utc() - now.duration_since(breaker.since)))
            })
        })
    }

    /// Waits until nothing holds this stage's jobs back.
    pub async fn until_closed(&self, stage: Stage) {
        let mut changed = self.changed.subscribe();
        while let Some((dependency, _)) = self.open_for(stage) {
            let (until, probed) = self.with(dependency, |breaker| (breaker.until, breaker.probed));
            tokio::select! {
                _ = changed.changed() => {}
                () = tokio::time::sleep_until(until), if !probed => {}
            }
        }
    }

    /// Probes a service whenever its breaker's pause is over, until `stop`. To be spawned, once per service.
    pub async fn probe<F, Fut>(self, dependency: Dependency, stop: CancellationToken, ask: F)
    where
        F: Fn() -> Fut + Send,
        Fut: Future<Output = Result<()>> + Send,
    {
        self.with(dependency, |breaker| breaker.probed = true);
        let mut changed = self.changed.subscribe();
        let probing = async {
            loop {
                let (state, until) = self.with(dependency, |breaker| (breaker.at(Instant::now()), breaker.until));
                match state {
                    // The sender lives as long as `self` does.
                    State::Closed => drop(changed.changed().await),
                    State::Open => tokio::time::sleep_until(until).await,
                    State::HalfOpen => match tokio::time::timeout(PROBE_PATIENCE, ask()).await {
                        Ok(Ok(())) => self.report_up(dependency),
                        Ok(Err(error)) => self.report_down(dependency, format!("{error:#}")),
                        Err(_) => self.report_down(dependency, format!("no answer within {PROBE_PATIENCE:?}")),
                    },
                }
            }
        };
        tokio::select! {
            () = probing => {}
            () = stop.cancelled() => {}
        }
        // Without anybody who asks, the first job after a pause is the one that finds out.
        self.with(dependency, |breaker| breaker.probed = false);
        self.changed.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn secs(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn it_opens_at_a_failure_is_half_open_after_the_pause_and_closes_at_an_answer() {
        let start = Instant::now();
        let mut breaker = Breaker::new(start);
        assert!(!breaker.holds_back(start));
        assert!(breaker.failed(start, "refused".into(), 0.0));
        breaker.probed = true;
        assert_eq!(breaker.at(start + secs(0.9)), State::Open);
        assert!(breaker.holds_back(start + secs(0.9)));
        assert_eq!(breaker.at(start + secs(1.0)), State::HalfOpen);
        assert!(breaker.holds_back(start + secs(1.0)), "the probe asks, the jobs wait");
        assert!(breaker.answered(start + secs(1.1)));
        assert!(!breaker.holds_back(start + secs(1.1)));
        assert_eq!(breaker.error.as_deref(), Some("refused"), "what went wrong is still told");
    }

    #[test]
    fn the_pause_doubles_up_to_half_a_minute_with_each_failed_probe() {
        let mut now = Instant::now();
        let mut breaker = Breaker::new(now);
        let mut pauses = Vec::new();
        for _ in 0..7 {
            breaker.failed(now, "x".into(), 0.0);
            pauses.push(breaker.until.duration_since(now).as_secs());
            now = breaker.until;
            assert_eq!(breaker.at(now), State::HalfOpen);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn dice_shorten_a_pause_by_up_to_a_half() {
        let now = Instant::now();
        let pause = |dice| {
            let mut breaker = Breaker::new(now);
            breaker.failed(now, "x".into(), dice);
            breaker.until.duration_since(now)
        };
        assert_eq!(pause(0.0), secs(1.0));
        assert_eq!(pause(0.5), secs(0.75));
        assert_eq!(pause(1.0), secs(0.5));
    }

    #[test]
    fn a_crowd_that_reports_one_failure_makes_no_longer_pause() {
        let now = Instant::now();
        let mut breaker = Breaker::new(now);
        assert!(breaker.failed(now, "first".into(), 0.0));
        for late in [0.1, 0.5, 0.9] {
            assert!(!breaker.failed(now + secs(late), "again".into(), 0.0), "it was open already");
        }
        assert_eq!(breaker.until, now + secs(1.0));
    }

    #[test]
    fn a_service_that_comes_and_goes_is_asked_less_and_less_and_a_recovered_one_as_at_first() {
        let now = Instant::now();
        let mut breaker = Breaker::new(now);
        breaker.failed(now, "x".into(), 0.0);
        breaker.answered(now + secs(1.0));
        breaker.failed(now + secs(2.0), "x".into(), 0.0);
        assert_eq!(breaker.pause, secs(2.0));
        breaker.answered(now + secs(4.0));
        breaker.failed(now + secs(600.0), "x".into(), 0.0);
        assert_eq!(breaker.pause, secs(1.0));
    }

    #[tokio::test]
    async fn a_stage_waits_for_what_it_needs_and_not_for_what_others_need() {
        let breakers = Breakers::new();
        breakers.report_down(Dependency::Model, "gone");
        assert_eq!(breakers.open_for(Stage::Embed).map(|(dependency, _)| dependency), Some(Dependency::Model));
        assert_eq!(breakers.open_for(Stage::Transcode), None);
        breakers.report_up(Dependency::Model);
        breakers.until_closed(Stage::Embed).await;
        breakers.report_down(Dependency::Database, "gone");
        assert!(Stage::ALL.into_iter().all(|stage| breakers.open_for(stage).is_some()));
        let standing = breakers.snapshot();
        assert_eq!(standing.iter().filter(|one| one.state == State::Closed).count(), Dependency::ALL.len() - 1);
        assert_eq!(standing[0].error.as_deref(), Some("gone"));
    }

    #[tokio::test]
    async fn a_probe_is_sent_after_each_pause_and_its_answer_lets_the_stage_go_on() {
        let (breakers, stop) = (Breakers::new(), CancellationToken::new());
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let probing = tokio::spawn(breakers.clone().probe(Dependency::Objects, stop.clone(), move || {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            async move { if number == 0 { anyhow::bail!("still away") } else { Ok(()) } }
        }));
        tokio::task::yield_now().await;
        breakers.report_down(Dependency::Objects, "refused");
        let waiting = breakers.clone();
        tokio::time::timeout(Duration::from_secs(60), waiting.until_closed(Stage::Transcode)).await.expect("the probe closes it");
        assert_eq!(asked.load(Ordering::SeqCst), 2, "one failed, one answered");
        assert_eq!(breakers.state(Dependency::Objects), State::Closed);
        stop.cancel();
        probing.await.unwrap();
    }
}
