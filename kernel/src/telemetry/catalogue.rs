//! Every metric there is. `docs/metrics.md` shows the same table, and a test holds the two and `/metrics` together.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// What kind of number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    /// The word of Prometheus' text format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    /// Names of its labels; their values are a closed set each.
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

use Kind::{Counter, Gauge, Histogram};

const fn metric(name: &'static str, kind: Kind, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind, labels, help }
}

/// All metrics, in the order of the documentation.
pub const CATALOGUE: &[Metric] = &[
    metric("learnhub_jobs", Gauge, &["stage", "lane", "state"], "Jobs of the ledger that are not over, and dead ones."),
    metric("learnhub_jobs_oldest_seconds", Gauge, &["stage"], "How long the job that is due longest has waited for a worker."),
    metric("learnhub_job_wait_seconds", Histogram, &["stage"], "From the moment a job was due to its claim."),
    metric("learnhub_job_run_seconds", Histogram, &["stage"], "From the claim of a job to the end of the attempt."),
    metric(
        "learnhub_job_attempts_total",
        Counter,
        &["stage", "outcome", "class"],
        "Attempts that ended, by how, and by the class of the failure.",
    ),
    metric("learnhub_job_lease_rescues_total", Counter, &["stage"], "Jobs taken from workers that went silent."),
    metric("learnhub_worker_slots", Gauge, &["stage"], "Jobs this process works on at a time."),
    metric(
        "learnhub_child_deaths_total",
        Counter,
        &["child", "code"],
        "Disposable processes that ended badly, by the code of the failure.",
    ),
    metric("learnhub_store_call_seconds", Histogram, &["backend", "op", "outcome"], "Calls of the object store."),
    metric("learnhub_broker_call_seconds", Histogram, &["op", "outcome"], "Calls of the message broker."),
    metric("learnhub_http_request_seconds", Histogram, &["method", "route", "status"], "Requests by route, until the answer begins."),
    metric("learnhub_breaker_state", Gauge, &["dependency"], "The breaker before a dependency: 0 closed, 1 half open, 2 open."),
    metric("learnhub_database_connections", Gauge, &["state"], "Connections of this process's pool that are in use or idle."),
    metric("learnhub_database_connections_max", Gauge, &[], "Connections the pool may hold."),
    metric("learnhub_disk_free_bytes", Gauge, &[], "Free space where the data folder lies."),
    metric("learnhub_disk_size_bytes", Gauge, &[], "Size of the file system where the data folder lies."),
    metric("learnhub_backup_last_success_timestamp_seconds", Gauge, &[], "When the last backup ended well; 0 if there never was one."),
    metric("learnhub_build_info", Gauge, &["version"], "Always 1; the version is the label."),
    metric("process_resident_memory_bytes", Gauge, &[], "Resident memory of this process, without its children."),
    metric("process_open_fds", Gauge, &[], "Open file descriptors."),
    metric("process_max_fds", Gauge, &[], "File descriptors it may open."),
    metric("process_threads", Gauge, &[], "Threads of this process."),
    metric("process_start_time_seconds", Gauge, &[], "When the process started."),
];

/// Gives every metric its help text.
pub(super) fn describe() {
    for metric in CATALOGUE {
        match metric.kind {
            Counter => describe_counter!(metric.name, metric.help),
            Gauge => describe_gauge!(metric.name, metric.help),
            Histogram => describe_histogram!(metric.name, metric.help),
        }
    }
}
