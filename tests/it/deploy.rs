//! What is in `deploy/` is accepted by the tools that read it, and a mistake in it is noticed.
//!
//! `deploy/check.py` calls the tools; here each check runs over the folder, and then over a copy with a mistake in it.

use std::path::{Path, PathBuf};
use std::process::Command;

fn deploy(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(folder)
}

/// Whether the check is content with this folder, and what it said.
fn check(name: &str, folder: &Path) -> (bool, String) {
    let cache = std::env::var("LEARNHUB_CACHE").unwrap_or_else(|_| "/var/cache/learnhub".into());
    let output = Command::new("python3")
        .arg(deploy("check.py"))
        .arg(name)
        .arg(folder)
        .env("PYTHONPATH", Path::new(&cache).join("tools/deploy"))
        .output()
        .expect("run python3");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains("ModuleNotFoundError"), "run `make setup`, which installs what deploy/check.py needs: {said}");
    (output.status.success(), said)
}

/// The folder is good, and with `from` replaced by `to` in one of its files it is refused with a word about `complaint`.
fn good_and_not_good_with(name: &str, folder: &str, mistakes: &[(&str, &str, &str, &str)]) {
    let (content, said) = check(name, &deploy(folder));
    assert!(content, "{said}");
    for (file, from, to, complaint) in mistakes {
        let copy = tempfile::tempdir().expect("a folder");
        for entry in std::fs::read_dir(deploy(folder)).expect("the folder").flatten() {
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("copy a file");
        }
        let text = std::fs::read_to_string(copy.path().join(file)).expect("a file of it");
        assert!(text.contains(from), "{file} no longer holds {from:?}");
        std::fs::write(copy.path().join(file), text.replacen(from, to, 1)).expect("make a mistake");
        let (content, said) = check(name, copy.path());
        assert!(!content && said.contains(complaint), "{file} with {to:?} for {from:?} is accepted: {said}");
    }
}

#[test]
fn the_alerts_fire_when_they_should_and_ask_for_metrics_that_exist() {
    good_and_not_good_with(
        "prometheus",
        "prometheus",
        &[
            ("rules.yml", "learnhub_breaker_state", "learnhub_breaker_stat", "is not in docs/metrics.md"),
            ("rules.yml", "== 2", "== 3", "LearnhubBreakerOpen"),
            ("rules.yml", "{state=\"dead\"}", "{status=\"dead\"}", "has no label status"),
            ("rules.test.yml", "alertname: LearnhubBreakerOpen", "alertname: LearnhubBreakerClosed", "LearnhubBreakerOpen has no test"),
        ],
    );
}

#[test]
fn the_dashboard_shows_metrics_that_exist() {
    good_and_not_good_with(
        "grafana",
        "grafana",
        &[
            ("learnhub.json", "learnhub_worker_slots", "learnhub_workers", "is not in docs/metrics.md"),
            ("learnhub.json", "sum by (lane) (", "sum by (lane (", "parse error"),
        ],
    );
}

#[test]
fn the_units_are_known_to_systemd_and_confined() {
    good_and_not_good_with(
        "systemd",
        "systemd",
        &[
            ("learnhub.service", "NoNewPrivileges=yes", "NoNewPrivilege=yes", "NoNewPrivilege"),
            ("learnhub-serve.service", "TimeoutStopSec=60", "TimeoutStopSec=20", "no longer than the drain"),
            ("learnhub.env", "LEARNHUB_HTTP_LISTEN", "LEARNHUB_HTTP_LISTENS", "is no key of workers.toml"),
            ("learnhub-worker@.service", "SystemCallFilter=", "# SystemCallFilter=", "exposed"),
        ],
    );
}

#[test]
fn the_compose_file_holds_together_and_sets_keys_that_exist() {
    good_and_not_good_with(
        "compose",
        "compose",
        &[
            ("compose.yaml", "LEARNHUB_LOG_FORMAT", "LEARNHUB_LOG_FORMS", "is no key of workers.toml"),
            ("compose.yaml", "extract,embed", "extract", "embed"),
            ("compose.yaml", "rabbitmq:3.13", "rabbitmq:latest", "is not pinned"),
        ],
    );
}

#[test]
fn the_manifests_fit_kubernetes_and_scale_every_stage_by_its_own_jobs() {
    good_and_not_good_with(
        "kubernetes",
        "kubernetes/base",
        &[
            ("api.yaml", "replicas: 2", "replicas: two", "api.yaml"),
            ("api.yaml", "containerPort", "containerPorts", "api.yaml"),
            ("worker-embed.yaml", "targetQueryValue: \"1\"", "targetQueryValue: 1", "worker-embed.yaml"),
            ("worker-embed.yaml", "stage = 'embed'", "stage = 'index'", "has no scaler"),
            ("worker-index.yaml", "terminationGracePeriodSeconds: 40", "terminationGracePeriodSeconds: 25", "no longer than the drain"),
            ("common.yaml", "LEARNHUB_JOBS_DRAIN_SECONDS", "LEARNHUB_JOBS_DRAIN_SECOND", "is no key of workers.toml"),
        ],
    );
}
