//! The inside of a disposable process: which room's parser runs under which name.

use std::process::ExitCode;

/// Runs the named parser on the request at stdin; see `kernel::child` for the protocol.
pub fn serve(name: &str) -> ExitCode {
    name_the_request_in_panics();
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

/// What a child prints as it dies goes into the log and the ledger: it carries the id of the request behind it.
fn name_the_request_in_panics() {
    let Ok(id) = std::env::var("LEARNHUB_REQUEST_ID") else { return };
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        eprintln!("request_id={id}");
        usual(panic);
    }));
}
