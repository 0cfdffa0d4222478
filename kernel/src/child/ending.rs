//! What the end of a child means: the one place that turns signals, silence and limits into a code, a class and a
//! sentence for the teacher.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use serde_json::Value;

use super::{ChildFailure, Limits};
use crate::jobs::Failure;

/// The codes of failures that a child did not choose itself.
pub mod code {
    /// It died of a signal: the memory of our reader was corrupt, or an assertion failed.
    pub const CRASHED: &str = "child_crashed";
    /// It tried something that the sandbox forbids.
    pub const SANDBOX_VIOLATION: &str = "sandbox_violation";
    pub const OUT_OF_MEMORY: &str = "out_of_memory";
    /// Too much wall clock or processor time.
    pub const TIMEOUT: &str = "timeout";
    /// No progress for too long.
    pub const STALLED: &str = "stalled";
    /// A file, the scratch folder, or what it printed grew too large.
    pub const OUTPUT_TOO_LARGE: &str = "output_too_large";
    /// It ended as if all were well, without a result.
    pub const WITHOUT_RESULT: &str = "child_without_result";
    /// It printed something that is not of the protocol.
    pub const NONSENSE: &str = "child_nonsense";
    /// Somebody outside killed it.
    pub const KILLED: &str = "child_killed";
    /// It could not be started.
    pub const NOT_STARTED: &str = "child_not_started";
    /// Its result names files that are not there as it says.
    pub const OUTPUT_INCOMPLETE: &str = "output_incomplete";

    /// Ends that the input may have caused by breaking the reader: the same bytes will mostly do it again.
    pub const CRASHES: [&str; 4] = [CRASHED, SANDBOX_VIOLATION, WITHOUT_RESULT, NONSENSE];
}

/// Why the parent ended a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Longer than `wall`.
    Wall,
    /// Nothing new for the length of `stall`.
    Silence,
    /// More resident memory than `memory_bytes`.
    Memory,
    /// More on disk than `scratch_bytes`.
    Scratch,
    /// A line longer than `answer_bytes`, or far too many of them.
    Flood,
}

/// What the parent heard from a child.
#[derive(Debug)]
pub(super) enum Heard {
    Result(Value),
    Failure(ChildFailure),
    /// It closed its stdout without an outcome.
    Nothing,
    /// Something that is not of the protocol.
    Nonsense,
    /// The parent would not listen any longer.
    Cut(Cut),
}

/// How it went, when it is over.
pub(super) struct End<'a> {
    pub heard: Heard,
    /// `None`: it had to be killed after it had said its last word.
    pub status: Option<ExitStatus>,
    pub cpu_seconds: f64,
    /// The kernel ran out of memory meanwhile and killed somebody.
    pub kernel_oom: bool,
    pub stderr: &'a str,
}

/// What the end of a child means.
pub(super) fn judge(end: End<'_>, limits: &Limits) -> Result<Value, Failure> {
    let End { heard, status, cpu_seconds, kernel_oom, stderr } = end;
    let signal = status.and_then(|status| status.signal());
    let code = match heard {
        Heard::Result(value) if status.is_some_and(|status| status.success()) => return Ok(value),
        Heard::Failure(ChildFailure { class, code, reason, detail }) => return Err(Failure { class, code, reason, detail }),
        Heard::Cut(Cut::Wall) => code::TIMEOUT,
        Heard::Cut(Cut::Silence) => code::STALLED,
        Heard::Cut(Cut::Memory) => code::OUT_OF_MEMORY,
        Heard::Cut(Cut::Scratch | Cut::Flood) => code::OUTPUT_TOO_LARGE,
        Heard::Nonsense => code::NONSENSE,
        Heard::Nothing | Heard::Result(_) => match signal {
            Some(libc::SIGXCPU) => code::TIMEOUT,
            Some(libc::SIGXFSZ) => code::OUTPUT_TOO_LARGE,
            Some(libc::SIGSYS) => code::SANDBOX_VIOLATION,
            // Beyond the soft limit the kernel sends SIGXCPU, beyond the hard one SIGKILL.
            Some(libc::SIGKILL) if cpu_seconds >= limits.cpu_seconds as f64 => code::TIMEOUT,
            Some(libc::SIGKILL) if kernel_oom => code::OUT_OF_MEMORY,
            Some(libc::SIGKILL) => code::KILLED,
            // Rust says so before it aborts, C++ when nobody catches it.
            Some(libc::SIGABRT) if stderr.contains("memory allocation of") || stderr.contains("std::bad_alloc") => code::OUT_OF_MEMORY,
            Some(_) => code::CRASHED,
            None => code::WITHOUT_RESULT,
        },
    };
    let status = status.map_or_else(|| "ended by us".to_owned(), |status| status.to_string());
    Err(failure(code).with_detail(format!("{status}; {stderr}")))
}

/// The failure of a code: its class, and a sentence that a teacher understands.
pub(super) fn failure(code: &'static str) -> Failure {
    match code {
        code::TIMEOUT => {
            Failure::resource(code, "reading this file takes longer than this server allows; upload it in shorter or simpler parts")
        }
        code::STALLED => {
            Failure::resource(code, "our reader got stuck in this file; save it again from the program that made it and upload that")
        }
        code::OUT_OF_MEMORY => {
            Failure::resource(code, "reading this file takes more memory than this server allows; upload it in smaller parts")
        }
        code::OUTPUT_TOO_LARGE => {
            Failure::resource(code, "this file unpacks to far more than this server allows; upload a smaller or simpler one")
        }
        code::KILLED => Failure::transient(code, "processing was interrupted; it is being tried again"),
        code::NOT_STARTED | code::OUTPUT_INCOMPLETE => {
            Failure::transient(code, "something went wrong on our side; it is being tried again")
        }
        code::SANDBOX_VIOLATION => Failure::transient(
            code,
            "this file makes our reader try something that it must never do; save it again from the program that made it and upload that",
        ),
        code::WITHOUT_RESULT => Failure::transient(
            code,
            "our reader stopped in the middle of this file; save it again from the program that made it and upload that",
        ),
        _ => Failure::transient(code, "this file makes our reader fail; save it again from the program that made it and upload that"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Class;

    fn judged(heard: Heard, raw: i32, stderr: &str, kernel_oom: bool, cpu_seconds: f64) -> (Class, String) {
        let end = End { heard, status: Some(ExitStatus::from_raw(raw)), cpu_seconds, kernel_oom, stderr };
        let failure = judge(end, &Limits { cpu_seconds: 10, ..Limits::default() }).unwrap_err();
        (failure.class, failure.code)
    }

    #[test]
    fn every_signal_has_its_meaning() {
        for (signal, stderr, wanted) in [
            (libc::SIGSEGV, "", (Class::Transient, code::CRASHED)),
            (libc::SIGBUS, "", (Class::Transient, code::CRASHED)),
            (libc::SIGILL, "", (Class::Transient, code::CRASHED)),
            (libc::SIGABRT, "assertion failed", (Class::Transient, code::CRASHED)),
            (libc::SIGABRT, "memory allocation of 9 bytes failed", (Class::Resource, code::OUT_OF_MEMORY)),
            (libc::SIGABRT, "terminate called after throwing an instance of 'std::bad_alloc'", (Class::Resource, code::OUT_OF_MEMORY)),
            (libc::SIGSYS, "", (Class::Transient, code::SANDBOX_VIOLATION)),
            (libc::SIGXCPU, "", (Class::Resource, code::TIMEOUT)),
            (libc::SIGXFSZ, "", (Class::Resource, code::OUTPUT_TOO_LARGE)),
            (libc::SIGKILL, "", (Class::Transient, code::KILLED)),
        ] {
            let (class, code) = judged(Heard::Nothing, signal, stderr, false, 1.0);
            assert_eq!((class, code.as_str()), wanted, "signal {signal}, {stderr}");
        }
    }

    #[test]
    fn a_kill_of_the_kernel_is_told_from_one_by_hand() {
        assert_eq!(judged(Heard::Nothing, libc::SIGKILL, "", true, 1.0), (Class::Resource, code::OUT_OF_MEMORY.into()));
        assert_eq!(judged(Heard::Nothing, libc::SIGKILL, "", false, 10.2), (Class::Resource, code::TIMEOUT.into()));
    }

    #[test]
    fn a_result_counts_only_with_a_good_end() {
        let end = |raw| End {
            heard: Heard::Result(Value::from(7)),
            status: Some(ExitStatus::from_raw(raw)),
            cpu_seconds: 0.0,
            kernel_oom: false,
            stderr: "",
        };
        assert_eq!(judge(end(0), &Limits::default()).unwrap(), Value::from(7));
        assert_eq!(judge(end(256), &Limits::default()).unwrap_err().code, code::WITHOUT_RESULT);
        assert_eq!(judge(end(libc::SIGSEGV), &Limits::default()).unwrap_err().code, code::CRASHED);
    }
}
