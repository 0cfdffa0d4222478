//! Logs: a sentence and fields, to stderr, as text for people or JSON for machines. And traces, the same spans sent to
//! a collector where one is configured.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Context, Result};
use kernel::config::Config;
use kernel::telemetry::trace;
use opentelemetry::trace::{SpanId, TraceId, TracerProvider};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SdkTracerProvider};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::cli::Global;

/// What a command wants in its log when nobody says otherwise.
#[derive(Clone, Copy, PartialEq)]
pub enum Default {
    /// A server's milestones, by the configuration.
    Server,
    /// A command's own output is enough.
    Quiet,
}

/// Keeps what is to be sent; dropped, it sends the rest. Not to be dropped inside the runtime: sending blocks.
pub struct Started {
    traces: Option<SdkTracerProvider>,
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(traces) = &self.traces {
            // A collector that is away is no reason to end otherwise than well.
            let _ = traces.shutdown_with_timeout(Duration::from_secs(3));
        }
    }
}

/// Starts logging, and tracing for servers. RUST_LOG goes over every level of the log; the traces have their own.
pub fn start(config: &Config, global: &Global, default: Default) -> Result<Started> {
    let level = match (global.quiet, global.verbose, default) {
        (true, ..) => "warn".into(),
        (false, 0, Default::Quiet) => "warn".into(),
        (false, 0, Default::Server) => config.log.level.clone(),
        (false, 1, _) => "info".into(),
        (false, ..) => "debug".into(),
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let lines = match config.log.format.as_str() {
        "json" => lines.json().flatten_event(true).with_filter(filter).boxed(),
        _ => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            lines.with_ansi(colours).with_filter(filter).boxed()
        }
    };
    let traces = match config.telemetry.otlp_endpoint.as_str() {
        "" => None,
        _ if default == Default::Quiet => None,
        endpoint => Some(exporting(endpoint).context("telemetry.otlp_endpoint")?),
    };
    let spans = traces.as_ref().map(|traces| {
        let layer = tracing_opentelemetry::layer().with_tracer(traces.tracer("learnhub")).with_location(false).with_threads(false);
        layer.with_filter(LevelFilter::INFO)
    });
    // Another subscriber is only there in tests.
    let _ = tracing_subscriber::registry().with(spans).with(lines).try_init();
    Ok(Started { traces })
}

/// Sends spans, some at a time and from a thread of its own, to the collector's OTLP/HTTP address.
fn exporting(endpoint: &str) -> Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(Duration::from_secs(5))
        .build()?;
    let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_service_name("learnhub").with_attribute(version).build();
    Ok(SdkTracerProvider::builder()
        .with_id_generator(Ids(RandomIdGenerator::default()))
        .with_resource(resource)
        .with_batch_exporter(exporter)
        .build())
}

/// Random ids, but for the first span of a trace that begins with a request: see [`trace::begin`].
#[derive(Debug)]
struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        trace::begun_root().map_or_else(|| self.0.new_trace_id(), |(trace_id, _)| trace_id)
    }

    fn new_span_id(&self) -> SpanId {
        trace::begun_root().map_or_else(|| self.0.new_span_id(), |(_, span_id)| span_id)
    }
}
