//! `learnhub extract` alone: the room without the rest of the program, for trying it on a folder of documents.
//!
//! `cargo run -p ingest --example extract -- FILE [--json]`

use std::process::ExitCode;

use clap::Parser;
use kernel::config::Config;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    extract: ingest::cli::Args,
}

fn main() -> ExitCode {
    // The same binary is its own disposable child, as the real program is.
    if std::env::args().skip(1).eq(["child".to_owned(), "extract".to_owned()]) {
        return kernel::child::serve(ingest::child::run);
    }
    let program = Program::parse();
    let run = async { ingest::cli::run(&Config::load(None)?, &program.extract).await };
    let outcome = tokio::runtime::Runtime::new().map_err(Into::into).and_then(|runtime| runtime.block_on(run));
    outcome.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}
