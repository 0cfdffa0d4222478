//! The room's child as a program of its own: what `learnhub child transcode` does, for tests of the worker's side.

use std::process::ExitCode;

fn main() -> ExitCode {
    kernel::child::serve(transcode::child::run)
}
