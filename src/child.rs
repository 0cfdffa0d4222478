//! The inside of a disposable process: which room's parser runs under which name.

use std::process::ExitCode;

/// Runs the named parser on the request at stdin; see `kernel::child` for the protocol.
pub fn serve(name: &str) -> ExitCode {
    match name {
        "transcode" => kernel::child::serve(transcode::child::run),
        "extract" => kernel::child::serve(ingest::child::run),
        _ => {
            eprintln!("learnhub child: nothing is called {name}");
            ExitCode::from(2)
        }
    }
}
