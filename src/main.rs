//! `learnhub`: the one binary, and the only place that puts the rooms together.

mod backup;
mod child;
mod cli;
mod commands;
mod doctor;
mod janitor;
mod log;
mod metrics;
mod notify;
mod pages;
mod reload;
mod server;
mod world;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    // A child parses untrusted bytes: it starts nothing that it does not need, not even a runtime.
    if let cli::Command::Child { name } = &arguments.command {
        return child::serve(name);
    }
    match commands::run(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("learnhub: {error:#}");
            ExitCode::FAILURE
        }
    }
}
