//! Logs: a sentence and fields, to stderr, as text for people or JSON for machines.

use std::io::IsTerminal;

use kernel::config::Config;
use tracing_subscriber::EnvFilter;

use crate::cli::Global;

/// What a command wants in its log when nobody says otherwise.
#[derive(Clone, Copy, PartialEq)]
pub enum Default {
    /// A server's milestones, by the configuration.
    Server,
    /// A command's own output is enough.
    Quiet,
}

/// Starts logging. RUST_LOG goes over everything.
pub fn start(config: &Config, global: &Global, default: Default) {
    let level = match (global.quiet, global.verbose, default) {
        (true, ..) => "warn".into(),
        (false, 0, Default::Quiet) => "warn".into(),
        (false, 0, Default::Server) => config.log.level.clone(),
        (false, 1, _) => "info".into(),
        (false, ..) => "debug".into(),
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // Another subscriber is only there in tests.
    let _ = match config.log.format.as_str() {
        "json" => builder.json().flatten_event(true).try_init(),
        _ => builder.with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()).try_init(),
    };
}
