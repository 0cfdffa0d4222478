//! A program that an operator has set up, such as an engine that makes text of speech. It knows nothing of our protocol: it is
//! given arguments, and what it prints is its result.
//!
//! It is trusted more than our own children, who parse what strangers upload, since it gets what one of those has made. Like
//! them it has a session of its own that is ended as a whole, limits of memory, time and disk, an environment without our
//! settings, and it dies with its parent. Where the kernel has Landlock it writes nowhere but in its scratch folder (and to
//! devices) and reaches no TCP port. Unlike them it may read what its user may and run other programs: no seccomp.

use std::convert::Infallible;
use std::fs;
use std::io::Error;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::ChildStderr;

use super::process::{Pipes, Process};
use super::{Limits, Usage, sandbox, watch};

/// How much of its stderr is kept for operators, bytes.
const STDERR_TAIL: usize = 4096;
/// What is left in a pipe whose writers are gone is there at once.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// Where it finds other programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What to run.
pub struct Program<'a> {
    pub path: &'a Path,
    pub arguments: &'a [String],
}

/// Why nothing came of it.
#[derive(Debug)]
pub enum Trouble {
    /// It could not be started.
    NotStarted(Error),
    /// It ended badly; with the end of what it said on stderr.
    Ended { status: ExitStatus, stderr: String },
    /// Longer than `wall`.
    Late,
    /// For the length of `stall` it neither said anything nor used a processor.
    Silent,
    /// More resident memory than `memory_bytes`, or more on disk than `scratch_bytes`.
    Greedy,
    /// It printed more than `answer_bytes`.
    Talkative,
}

/// Runs it in `dir` and returns what it printed, and what it used either way. Dropping the future ends it and all that it
/// started. Must not be called on a thread that ends before the program does.
pub async fn run(program: &Program<'_>, limits: &Limits, dir: &Path) -> (Result<Vec<u8>, Trouble>, Usage) {
    let begun = Instant::now();
    let mut command = Command::new(program.path);
    command.args(program.arguments).current_dir(dir).env_clear();
    command.env("PATH", PATH).env("HOME", dir).env("TMPDIR", dir).env("LANG", "C.UTF-8");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    lock_in(&mut command, dir);
    let weight = watch::weigh_apart(dir.to_owned(), None).await;
    let (mut process, Pipes { stdin, stdout, mut stderr }) = match Process::start(&mut command, limits) {
        Ok(started) => started,
        Err(error) => return (Err(Trouble::NotStarted(error)), Usage { wall: begun.elapsed(), ..Usage::default() }),
    };
    drop(stdin);
    let (peak, signs) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut tail = Tail::default();
    let mut heard = tokio::select! {
        heard = hear(stdout, limits.answer_bytes, &signs) => heard,
        never = tail.follow(&mut stderr, &signs) => match never {},
        _ = watch::watch(process.pid, dir, weight, limits, &peak) => Err(Trouble::Greedy),
        () = life(process.pid, limits, &signs) => Err(Trouble::Silent),
        () = tokio::time::sleep(limits.wall) => Err(Trouble::Late),
    };
    if heard.is_err() {
        process.kill();
    }
    let left = limits.wall.saturating_sub(begun.elapsed());
    let ending = async {
        tokio::select! {
            ended = process.wait() => ended,
            never = tail.follow(&mut stderr, &signs) => match never {},
        }
    };
    let ended = match tokio::time::timeout(left, ending).await {
        Ok(ended) => ended,
        // It closed its stdout and goes on.
        Err(_) => {
            process.kill();
            heard = heard.and(Err(Trouble::Late));
            process.wait().await
        }
    };
    // Its last words are in the pipe; all who could write more are gone.
    let _ = tokio::time::timeout(LAST_WORDS, tail.rest(&mut stderr)).await;
    let cpu_seconds = ended.as_ref().map_or(0.0, |(_, seconds)| *seconds);
    let outcome = match (heard, ended) {
        (Err(trouble), _) => Err(trouble),
        (Ok(said), Ok((status, _))) if status.success() => Ok(said),
        (Ok(_), Ok((status, _))) => Err(Trouble::Ended { status, stderr: tail.text() }),
        (Ok(_), Err(error)) => Err(Trouble::NotStarted(error)),
    };
    (outcome, Usage { peak_rss_bytes: peak.into_inner(), cpu_seconds, wall: begun.elapsed() })
}

/// Has the program lock itself in between fork and exec, as far as the kernel can.
fn lock_in(command: &mut Command, dir: &Path) {
    let Some(rules) = sandbox::rules_for_outsiders(dir) else { return };
    // SAFETY: the closure runs between fork and exec and makes only system calls; the descriptor lives as long as the command.
    unsafe {
        command.pre_exec(move || restrict(&rules));
    }
}

/// Async-signal-safe: system calls only.
fn restrict(rules: &OwnedFd) -> std::io::Result<()> {
    const SYS_LANDLOCK_RESTRICT_SELF: libc::c_long = 446;
    // SAFETY: plain numbers and an open descriptor.
    let answer = unsafe {
        match libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) {
            0 => libc::syscall(SYS_LANDLOCK_RESTRICT_SELF, rules.as_raw_fd(), 0),
            _ => -1,
        }
    };
    if answer < 0 { Err(Error::last_os_error()) } else { Ok(()) }
}

/// All that it prints, until it closes its stdout.
async fn hear(mut stdout: impl AsyncRead + Unpin, most: u64, signs: &AtomicU64) -> Result<Vec<u8>, Trouble> {
    let (mut said, mut buffer) = (Vec::new(), [0; 16 << 10]);
    while let Ok(read @ 1..) = stdout.read(&mut buffer).await {
        signs.fetch_add(1, Ordering::Relaxed);
        said.extend_from_slice(&buffer[..read]);
        if said.len() as u64 > most {
            return Err(Trouble::Talkative);
        }
    }
    Ok(said)
}

/// The end of what it says on stderr.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    async fn follow(&mut self, stderr: &mut ChildStderr, signs: &AtomicU64) -> Infallible {
        while self.listen(stderr).await {
            signs.fetch_add(1, Ordering::Relaxed);
        }
        std::future::pending().await
    }

    async fn rest(&mut self, stderr: &mut ChildStderr) {
        while self.listen(stderr).await {}
    }

    /// Whether there was more.
    async fn listen(&mut self, stderr: &mut ChildStderr) -> bool {
        let mut buffer = [0; 4096];
        let Ok(read @ 1..) = stderr.read(&mut buffer).await else { return false };
        self.0.extend_from_slice(&buffer[..read]);
        self.0.drain(..self.0.len().saturating_sub(STDERR_TAIL));
        true
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).trim().to_owned()
    }
}

/// Returns when for the length of `stall` it has said nothing and used no processor.
async fn life(pid: i32, limits: &Limits, signs: &AtomicU64) {
    let mut beats = tokio::time::interval(watch::BEAT.min(limits.stall));
    let (mut last, mut since) = ((0, 0), Instant::now());
    loop {
        beats.tick().await;
        let now = (signs.load(Ordering::Relaxed), ticks_of_session(pid));
        if now != last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() >= limits.stall {
            return;
        }
    }
}

/// Processor time of all processes of a session and of those that they have waited for, in the kernel's ticks.
fn ticks_of_session(session: i32) -> u64 {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok()).filter_map(|stat| ticks(&stat, session)).sum()
}

/// What a line of `/proc/PID/stat` adds to that.
fn ticks(stat: &str, session: i32) -> Option<u64> {
    // The name is in brackets and may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    (number(3)? == u64::try_from(session).ok()?).then(|| (11..15).filter_map(number).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sh(script: &str, limits: Limits) -> (Result<Vec<u8>, Trouble>, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let arguments = ["-c".to_owned(), script.to_owned()];
        let (outcome, _) = run(&Program { path: Path::new("/bin/sh"), arguments: &arguments }, &limits, dir.path()).await;
        (outcome, dir.keep())
    }

    #[tokio::test]
    async fn what_it_prints_is_its_result_and_a_bad_end_is_told_with_its_last_words() {
        let (said, _) = sh("printf 'one\\ntwo'; echo talk >&2", Limits::default()).await;
        assert_eq!(said.unwrap(), b"one\ntwo");
        let (ended, _) = sh("echo half; echo no model >&2; exit 3", Limits::default()).await;
        assert!(matches!(&ended, Err(Trouble::Ended { status, stderr }) if status.code() == Some(3) && stderr == "no model"), "{ended:?}");
        let missing = Program { path: Path::new("/nowhere/engine"), arguments: &[] };
        assert!(matches!(run(&missing, &Limits::default(), Path::new("/tmp")).await.0, Err(Trouble::NotStarted(_))));
    }

    #[tokio::test]
    async fn it_sees_none_of_our_settings_and_may_run_other_programs() {
        let (said, _) = sh("env | sort | sed 's/=.*//' | tr '\\n' ' '; read line || echo nothing", Limits::default()).await;
        let said = String::from_utf8(said.unwrap()).unwrap();
        assert!(said.contains("HOME") && said.contains("PATH") && said.ends_with("nothing\n"), "{said}");
        assert!(!said.contains("LEARNHUB") && !said.contains("CARGO"), "{said}");
    }

    #[tokio::test]
    async fn too_much_output_silence_and_too_long_a_life_end_it_and_what_it_started() {
        let (said, _) = sh("yes", Limits { answer_bytes: 1 << 20, ..Limits::default() }).await;
        assert!(matches!(said, Err(Trouble::Talkative)), "{said:?}");
        let (hung, _) = sh("sleep 1000 & wait", Limits { stall: Duration::from_millis(600), ..Limits::default() }).await;
        assert!(matches!(hung, Err(Trouble::Silent)), "{hung:?}");
        // It computes, which is a sign of life.
        let busy = Limits { stall: Duration::from_millis(600), wall: Duration::from_secs(2), ..Limits::default() };
        let (late, _) = sh("while :; do :; done", busy).await;
        assert!(matches!(late, Err(Trouble::Late)), "{late:?}");
    }

    #[tokio::test]
    async fn it_writes_nowhere_but_in_its_folder_where_the_kernel_can_hold_it() {
        if sandbox::rules_for_outsiders(Path::new("/tmp")).is_none() {
            return; // an old kernel: `learnhub doctor` says so
        }
        let outside = tempfile::tempdir().unwrap();
        let script = format!("echo x > here; echo x 2>/dev/null > {}/there || echo held >/dev/stderr; cat here", outside.path().display());
        let (said, dir) = sh(&script, Limits::default()).await;
        assert_eq!(said.unwrap(), b"x\n");
        assert!(dir.join("here").exists() && !outside.path().join("there").exists());
    }

    #[test]
    fn processor_time_is_read_behind_any_name() {
        let stat = "7 (a ) b) S 1 9 9 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 5";
        assert_eq!((ticks(stat, 9), ticks(stat, 8)), (Some(100), None));
    }
}
