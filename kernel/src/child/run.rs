//! The parent's side: starts a child, talks with it, ends it when it must, and says what it used.

use std::convert::Infallible;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Once, OnceLock};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tracing::warn;

use super::ending::{self, Cut, End, Heard, code, judge};
use super::process::{Pipes, Process};
use super::sandbox::Confined;
use super::turns::Turns;
use super::{Ended, Limits, Line, Order, Usage, watch};
use crate::jobs::Failure;
use crate::telemetry::trace;

/// How much of its stderr is kept for operators, bytes.
const STDERR_TAIL: usize = 4096;
/// What a child may print on stderr in all, bytes: a decoder may complain about every frame of a long lecture.
const STDERR_BYTES: u64 = 64 << 20;
/// What the lines besides the result may come to, bytes: ten a second for the longest life, many times over.
const TALK_BYTES: u64 = 64 << 20;
/// How long a child may take to end after its last word.
const GRACE: Duration = Duration::from_secs(10);

/// Runs the named child in `dir` and returns its result, and what it used either way.
///
/// Fails as poison when the child refuses its input, as a resource when it met a limit, and as transient when it
/// crashed or was killed; see [`ending::code`]. Dropping the future kills the child. Must not be called on a thread
/// that ends before the child does.
pub async fn run(
    program: &Path,
    name: &'static str,
    request: &Value,
    limits: &Limits,
    dir: &Path,
    request_id: Option<&str>,
    progress: impl Fn(u64, u64),
) -> Ended {
    let begun = Instant::now();
    let mut command = Command::new(program);
    command.args(["child", name]).current_dir(dir).env_clear().env("TMPDIR", dir).env("LANG", "C.UTF-8");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(id) = request_id {
        command.env("LEARNHUB_REQUEST_ID", id);
    }
    if let Some(parent) = trace::traceparent(&tracing::Span::current()) {
        command.env("TRACEPARENT", parent);
    }
    let (weight, oom_kills) = (watch::weigh_apart(dir.to_owned(), None).await, watch::kernel_oom_kills());
    let (mut process, pipes) = match Process::start(&mut command, limits) {
        Ok(started) => started,
        Err(error) => {
            let failure = ending::failure(code::NOT_STARTED).with_detail(format!("{}: {error}", program.display()));
            return Ended { outcome: Err(failure), usage: Usage { wall: begun.elapsed(), ..Usage::default() }, confined: None };
        }
    };
    let Pipes { stdin, stdout, mut stderr } = pipes;
    let order = Order { reads: limits.reads.clone(), writes: limits.writes.clone(), request };
    let (peak, confined, mut tail, turns) = (AtomicU64::new(0), OnceLock::new(), Vec::new(), Turns::new());
    let mut heard = {
        let be_nice = |nice: i32| process.be_nice(nice.max(limits.nice));
        let computed = || process.computed();
        let mut ear = Ear { limits, progress, peak: &peak, confined: &confined, turns: &turns, be_nice, computed };
        tokio::select! {
            heard = ear.listen(stdout) => heard,
            cut = overhear(&mut stderr, &mut tail) => Heard::Cut(cut),
            cut = watch::watch(process.pid, dir, weight, limits, &peak) => Heard::Cut(cut),
            () = outlive(&turns, limits.wall, || process.computed()) => Heard::Cut(Cut::Wall),
            never = turns.take(&process) => match never {},
            never = tell(stdin, &order) => match never {},
        }
    };
    if matches!(heard, Heard::Nonsense | Heard::Cut(_)) {
        process.kill();
    }
    let (status, cpu_seconds) = finish(&mut process, &mut stderr, &mut tail).await;
    // What it wrote since the last look counts as well.
    if matches!(heard, Heard::Result(_)) && watch::weigh_apart(dir.to_owned(), None).await.saturating_sub(weight) > limits.scratch_bytes {
        heard = Heard::Cut(Cut::Scratch);
    }
    let confined = confined.into_inner();
    if let Some(confined) = &confined {
        tell_of_gaps(confined);
    }
    let stderr = String::from_utf8_lossy(&tail);
    let kernel_oom = watch::kernel_oom_kills() > oom_kills;
    let outcome = judge(End { heard, status, cpu_seconds, kernel_oom, stderr: stderr.trim() }, limits);
    Ended { outcome, usage: Usage { peak_rss_bytes: peak.into_inner(), cpu_seconds, wall: begun.elapsed() }, confined }
}

/// What would hold a child on this machine, as one that tried says.
///
/// # Errors
/// When the child cannot be run.
pub async fn probe(program: &Path) -> Result<Confined, Failure> {
    let dir = tempfile::tempdir()?;
    let ended = run(program, "probe", &Value::Null, &Limits::default(), dir.path(), None, |_, _| {}).await;
    ended.outcome?;
    ended.confined.ok_or_else(|| ending::failure(code::WITHOUT_RESULT))
}

/// Writes the order; never returns, since a child that dies before it has read everything is reported by how it ended.
async fn tell(mut stdin: ChildStdin, order: &Order<&Value>) -> Infallible {
    let text = to_bytes(order);
    let _ = stdin.write_all(&text).await;
    drop(stdin);
    std::future::pending().await
}

fn to_bytes(order: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(order).expect("an order of paths and a JSON value becomes json")
}

/// Keeps the end of its stderr; returns only when that is too much.
async fn overhear(stderr: &mut ChildStderr, tail: &mut Vec<u8>) -> Cut {
    let (mut buffer, mut all) = ([0; 4096], 0_u64);
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        tail.extend_from_slice(&buffer[..read]);
        tail.drain(..tail.len().saturating_sub(STDERR_TAIL));
        all += read as u64;
        if all > STDERR_BYTES {
            return Cut::Flood;
        }
    }
    std::future::pending().await
}

/// Waits for the end, listening to stderr lest the child wait for us; kills a child that does not end by itself.
async fn finish(process: &mut Process, stderr: &mut ChildStderr, tail: &mut Vec<u8>) -> (Option<ExitStatus>, f64) {
    let ended = tokio::select! {
        ended = process.wait() => Some(ended),
        _ = overhear(stderr, tail) => None,
        () = tokio::time::sleep(GRACE) => None,
    };
    let (status, by_itself) = match ended {
        Some(status) => (status, true),
        None => {
            process.kill();
            (process.wait().await, false)
        }
    };
    // What is left in the pipe; all who could write to it are gone.
    let _ = tokio::time::timeout(Duration::from_millis(100), overhear_rest(stderr, tail)).await;
    match status {
        Ok((status, cpu_seconds)) => (by_itself.then_some(status), cpu_seconds),
        Err(error) => {
            warn!("cannot wait for a child: {error}");
            (None, 0.0)
        }
    }
}

async fn overhear_rest(stderr: &mut ChildStderr, tail: &mut Vec<u8>) {
    let mut rest = Vec::new();
    let _ = stderr.take(STDERR_BYTES).read_to_end(&mut rest).await;
    tail.extend_from_slice(&rest);
    tail.drain(..tail.len().saturating_sub(STDERR_TAIL));
}

/// As nice as that, it gets a tenth of the processor beside one that is not: slow but honest work goes on.
const GIVES_WAY: i32 = 10;
/// And so a thirtieth, while it has its turn: hardly more than what nobody else wants.
const LEAST: i32 = 15;

/// Whether a child that should have done something in this time only did not get its turns at the processor: it computed for less
/// than half of it, though it would have liked to. One that waits for something does not compute at all.
fn is_kept_waiting(time: Duration, computed: Duration) -> bool {
    (time / 100..time / 2).contains(&computed)
}

/// Returns when a child has lived for too long; one that others keep waiting lives up to ten times as long.
async fn outlive(turns: &Turns, wall: Duration, computed: impl Fn() -> Duration) {
    for _ in 0..10 {
        turns.live(turns.now(), wall).await;
        if !is_kept_waiting(wall, computed()) {
            return;
        }
    }
}

/// Who listens to a child's stdout.
struct Ear<'a, P, N, C> {
    limits: &'a Limits,
    progress: P,
    peak: &'a AtomicU64,
    confined: &'a OnceLock<Confined>,
    turns: &'a Turns,
    be_nice: N,
    computed: C,
}

impl<P: Fn(u64, u64), N: Fn(i32), C: Fn() -> Duration> Ear<'_, P, N, C> {
    /// Listens for the outcome.
    async fn listen(&mut self, stdout: ChildStdout) -> Heard {
        let mut lines = BufReader::with_capacity(64 << 10, stdout);
        let (mut line, mut talk) = (Vec::new(), 0_u64);
        let (mut last, mut news, mut computed) = ((0, 0), self.turns.now(), Duration::ZERO);
        let mut longest = self.limits.stall;
        // After what silence it gets how nice, in order; the last step is to take turns with others that are silent.
        let Limits { give_way, suspect, stall, .. } = *self.limits;
        let steps = [(give_way.min(suspect), GIVES_WAY), (suspect, LEAST)];
        let (mut step, mut nicest) = (0, 0);
        loop {
            line.clear();
            let mut limited = (&mut lines).take(self.limits.answer_bytes.saturating_add(1));
            let reading = limited.read_until(b'\n', &mut line);
            tokio::pin!(reading);
            let read = loop {
                let next = steps.get(step).filter(|(after, _)| *after < stall);
                tokio::select! {
                    read = &mut reading => break read,
                    () = self.turns.live(news, next.map_or(longest, |(after, _)| *after)) => match next {
                        Some((_, nice)) => {
                            step += 1;
                            // Not everybody may take that back.
                            nicest = nicest.max(*nice);
                            (self.be_nice)(nicest);
                            self.turns.set_silent(step == steps.len());
                        }
                        None if is_kept_waiting(stall, (self.computed)().saturating_sub(computed)) => longest += stall,
                        None => return Heard::Cut(Cut::Silence),
                    },
                }
            };
            match read {
                Ok(0) | Err(_) => return Heard::Nothing,
                Ok(_) if line.len() as u64 > self.limits.answer_bytes => return Heard::Cut(Cut::Flood),
                Ok(read) => talk += read as u64,
            }
            match serde_json::from_slice(&line) {
                Ok(Line::Confined(confined)) => drop(self.confined.set(confined)),
                Ok(Line::Progress(done, total)) => {
                    if (done, total) != last {
                        self.turns.set_silent(false);
                        (last, news, computed, longest, step) = ((done, total), self.turns.now(), (self.computed)(), stall, 0);
                    }
                    (self.progress)(done, total);
                }
                // Its own word never lowers what was seen from outside, and cannot be more than it was allowed.
                Ok(Line::Peak(bytes)) => drop(self.peak.fetch_max(bytes.min(self.limits.memory_bytes), Ordering::Relaxed)),
                Ok(Line::Result(value)) => return Heard::Result(value),
                Ok(Line::Failure(failure)) => return Heard::Failure(failure),
                Err(_) if !line.ends_with(b"\n") => return Heard::Nothing,
                Err(_) => return Heard::Nonsense,
            }
            if talk > TALK_BYTES {
                return Heard::Cut(Cut::Flood);
            }
            // Endless valid lines must not keep the watchdog from looking.
            tokio::task::consume_budget().await;
        }
    }
}

/// Says once what does not hold on this machine.
fn tell_of_gaps(confined: &Confined) {
    static TOLD: Once = Once::new();
    if !confined.is_whole() {
        TOLD.call_once(|| warn!("files are read in children that are not fully locked in: {confined}"));
    }
}
