//! Metrics in Prometheus' text format. Logs are set up by the binary.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Collects metrics from now on. Calling it again changes nothing.
pub fn collect_metrics() -> &'static PrometheusHandle {
    HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // Somebody else's recorder is only possible in tests, where nobody reads these.
        let _ = metrics::set_global_recorder(recorder);
        handle
    })
}

/// What `/metrics` answers.
pub fn render_metrics() -> String {
    collect_metrics().render()
}
