//! A program whose children misbehave as they are told; only tests and `bench/hostile` build it.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["child", "mock"] => kernel::child::mock::serve(),
        ["child", "mock-unconfined"] => kernel::child::mock::serve_unconfined(),
        ["child", "probe"] => kernel::child::serve(|_, _| Ok(serde_json::Value::Null)),
        // A supervisor to be killed: runs one child and says its number.
        ["supervise"] => kernel::child::mock::supervise(),
        _ => {
            eprintln!("mock-child child mock|mock-unconfined, or mock-child supervise");
            ExitCode::from(2)
        }
    }
}
