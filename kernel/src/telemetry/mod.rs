//! Metrics in Prometheus' text format: the catalogue, and the one function per thing that is counted.
//!
//! Whoever does something worth counting calls a function here and names no metric itself, so that names, labels and
//! their values stay those of the [`CATALOGUE`]. No id, address or file name ever becomes a label.

mod catalogue;
mod process;
mod snapshot;
pub mod trace;

use std::sync::OnceLock;

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

pub use catalogue::{CATALOGUE, Kind, Metric};
pub use snapshot::{LAST_BACKUP, snapshot};

use crate::dependency::Dependency;
use crate::jobs::{Class, Stage};

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// From a store's answer within a millisecond to a lecture that is encoded for four hours.
const JOB_BUCKETS: [f64; 14] = [0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 7200.0, 14400.0];
const CALL_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// How a disposable process can end badly.
const CHILD_CODES: [&str; 10] = [
    "timeout",
    "stalled",
    "out_of_memory",
    "output_too_large",
    "child_not_started",
    "child_nonsense",
    "child_killed",
    "child_crashed",
    "child_without_result",
    "sandbox_violation",
];

/// Collects metrics from now on, every one of the catalogue beginning at zero. Calling it again changes nothing.
pub fn collect_metrics() -> &'static PrometheusHandle {
    HANDLE.get_or_init(|| {
        let jobs = |name: &str| Matcher::Full(name.into());
        let recorder = PrometheusBuilder::new()
            .set_buckets(&CALL_BUCKETS)
            .and_then(|builder| builder.set_buckets_for_metric(jobs("learnhub_job_wait_seconds"), &JOB_BUCKETS))
            .and_then(|builder| builder.set_buckets_for_metric(jobs("learnhub_job_run_seconds"), &JOB_BUCKETS))
            .expect("the buckets are not empty")
            .build_recorder();
        let handle = recorder.handle();
        // Somebody else's recorder is only possible in tests, where nobody reads these.
        let _ = metrics::set_global_recorder(recorder);
        catalogue::describe();
        begin();
        handle
    })
}

/// What `/metrics` answers.
pub fn render_metrics() -> String {
    let handle = collect_metrics();
    process::measure();
    handle.run_upkeep();
    handle.render()
}

/// A counter that does not exist yet cannot be told from one that stands still: all begin at zero.
fn begin() {
    gauge!("learnhub_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    for stage in Stage::ALL {
        counter!("learnhub_job_attempts_total", "stage" => stage.as_str(), "outcome" => "done", "class" => "none").increment(0);
        counter!("learnhub_job_lease_rescues_total", "stage" => stage.as_str()).increment(0);
        gauge!("learnhub_worker_slots", "stage" => stage.as_str()).set(0.0);
        let _ = histogram!("learnhub_job_wait_seconds", "stage" => stage.as_str());
        let _ = histogram!("learnhub_job_run_seconds", "stage" => stage.as_str());
    }
    for name in ["transcode", "extract"] {
        counter!("learnhub_child_deaths_total", "child" => name, "code" => "child_killed").increment(0);
    }
    for dependency in Dependency::ALL {
        breaker(dependency.as_str(), Breaker::Closed);
    }
    let _ = histogram!("learnhub_store_call_seconds", "backend" => "directory", "op" => "get", "outcome" => "ok");
    let _ = histogram!("learnhub_broker_call_seconds", "op" => "publish", "outcome" => "ok");
    let _ = histogram!("learnhub_http_request_seconds", "method" => "GET", "route" => "/livez", "status" => "200");
}

/// This process works for a stage with so many jobs at a time.
pub fn worker_slots(stage: Stage, slots: usize) {
    gauge!("learnhub_worker_slots", "stage" => stage.as_str()).set(slots as f64);
}

/// A job was claimed `seconds` after it was due.
pub fn job_started(stage: Stage, seconds: f64) {
    histogram!("learnhub_job_wait_seconds", "stage" => stage.as_str()).record(seconds.max(0.0));
}

/// How an attempt came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// It failed and runs again.
    Retried,
    /// It failed and does not run again.
    Dead,
    /// Somebody else has the job by now.
    Lost,
    Cancelled,
    /// Handed back by a stopping worker.
    Released,
    /// Put aside while a dependency is away.
    Parked,
    /// Its end could not be written down; the lease will run out.
    Unrecorded,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retried => "retried",
            Self::Dead => "dead",
            Self::Lost => "lost",
            Self::Cancelled => "cancelled",
            Self::Released => "released",
            Self::Parked => "parked",
            Self::Unrecorded => "unrecorded",
        }
    }
}

/// An attempt ended after `seconds` of work; `class` says how it failed, if it did.
pub fn job_ended(stage: Stage, outcome: Outcome, class: Option<Class>, seconds: f64) {
    histogram!("learnhub_job_run_seconds", "stage" => stage.as_str()).record(seconds);
    let class = class.map_or("none", Class::as_str);
    counter!("learnhub_job_attempts_total", "stage" => stage.as_str(), "outcome" => outcome.as_str(), "class" => class).increment(1);
}

/// A job was taken from a worker that went silent.
pub fn lease_rescued(stage: Stage) {
    counter!("learnhub_job_lease_rescues_total", "stage" => stage.as_str()).increment(1);
}

/// A disposable process ended badly. `code` is the failure's code, as [`crate::child`] gives it.
pub fn child_died(name: &'static str, code: &str) {
    // A child that was taken over says what it likes: what is not in the list is not worth a series of its own.
    let code = CHILD_CODES.into_iter().find(|known| *known == code).unwrap_or("other");
    counter!("learnhub_child_deaths_total", "child" => name, "code" => code).increment(1);
}

/// A call of the object store ended.
pub fn store_call(backend: &'static str, op: &'static str, ok: bool, seconds: f64) {
    histogram!("learnhub_store_call_seconds", "backend" => backend, "op" => op, "outcome" => outcome(ok)).record(seconds);
}

/// A call of the message broker ended. `op` is a word such as publish, confirm, consume, connect.
pub fn broker_call(op: &'static str, ok: bool, seconds: f64) {
    histogram!("learnhub_broker_call_seconds", "op" => op, "outcome" => outcome(ok)).record(seconds);
}

/// A request was answered. `route` is the route's pattern, never the address, since addresses hold ids.
pub fn http_request(method: &str, route: &str, status: u16, seconds: f64) {
    const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    // A client may invent methods: each would be a series of its own.
    let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("other");
    histogram!("learnhub_http_request_seconds", "method" => method, "route" => route.to_owned(), "status" => status.to_string())
        .record(seconds);
}

/// Whether calls of a dependency are let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    Closed,
    HalfOpen,
    Open,
}

/// The state of the breaker before this dependency, from now on.
pub fn breaker(dependency: &'static str, state: Breaker) {
    let value = match state {
        Breaker::Closed => 0.0,
        Breaker::HalfOpen => 1.0,
        Breaker::Open => 2.0,
    };
    gauge!("learnhub_breaker_state", "dependency" => dependency).set(value);
}

fn outcome(ok: bool) -> &'static str {
    if ok { "ok" } else { "error" }
}
