//! The inside of a disposable process: which room's parser runs under which name.

use std::process::ExitCode;

/// Runs the named parser on the request at stdin; see `kernel::child` for the protocol.
pub fn serve(name: &str) -> ExitCode {
    match name {
        "transcode" => kernel::child::serve(transcode::child::run),
        "extract" => kernel::child::serve(ingest::child::run),
        // For `doctor`: it only says what holds it.
        "probe" => kernel::child::serve(|_, _| Ok(serde_json::Value::Null)),
        #[cfg(feature = "chaos")]
        "mock" => kernel::child::mock::serve(),
        _ => {
            eprintln!("learnhub child: nothing is called {name}");
            ExitCode::from(2)
        }
    }
}
