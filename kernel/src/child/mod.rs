//! Disposable processes: untrusted bytes are parsed only in a child of our own binary, confined and under limits.
//!
//! The parent ([`run`]) starts `learnhub child NAME` in a scratch folder and writes one JSON request to its stdin.
//! The child ([`serve`]) reads it, locks itself in ([`sandbox`]), and only then opens what the request names. It
//! prints JSON lines: `{"confined":…}` once, `{"progress":[done,total]}` any number of times, `{"peak":bytes}`, then
//! `{"result":…}` or `{"failure":…}` once. A child that ends without that last line has failed, whatever its exit
//! code says. It sees no environment variables, no database and no network credentials.
//!
//! A program of the operator's own, which is no child of this kind, is started by [`outside`].
//!
//! What is forbidden never depends on what the input says. [`ending`] alone decides what an end means; `watch` looks at what the child uses while it lives.

mod confine;
pub mod ending;
#[cfg(feature = "chaos")]
pub mod mock;
pub mod outputs;
pub mod outside;
mod process;
mod run;
pub mod sandbox;
mod syscalls;
mod turns;
mod watch;

use std::fs::File;
use std::io::{BufRead, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use run::{probe, run};
pub use sandbox::Confined;

use crate::jobs::{Class, Failure};

/// What a child may use and reach.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Memory, bytes: of its heap and stacks at once, of what is resident as often as it is looked at.
    pub memory_bytes: u64,
    /// Processor time, seconds.
    pub cpu_seconds: u64,
    /// Largest file it may write, bytes.
    pub file_bytes: u64,
    /// What it may add to its scratch folder, bytes; each entry counts as at least one disk block.
    pub scratch_bytes: u64,
    /// Longest line it may print, bytes: its result.
    pub answer_bytes: u64,
    /// Longest life, unless others keep it waiting for the processor.
    pub wall: Duration,
    /// Longest silence: neither progress nor result. The same progress again is silence; while others have its turns at the processor,
    /// it may be longer.
    pub stall: Duration,
    /// Silent for this long, it lets others go first at the processor.
    pub give_way: Duration,
    /// Silent for this long, it gets hardly more of the processor than nobody else wants, and that in turns with others that are silent.
    pub suspect: Duration,
    /// How far others go first at the processor, as nice(2) counts: 0 to 19.
    pub nice: i32,
    /// Files and folders that it may read besides its scratch folder.
    pub reads: Vec<PathBuf>,
    /// Folders that it may write to, relative to its scratch folder; they must be there. The rest is read-only.
    pub writes: Vec<PathBuf>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 512 << 20,
            cpu_seconds: 60,
            file_bytes: 64 << 20,
            scratch_bytes: DOCUMENT_SCRATCH,
            answer_bytes: 64 << 20,
            wall: Duration::from_secs(60),
            stall: Duration::from_secs(30),
            give_way: Duration::from_secs(5),
            suspect: Duration::from_secs(5),
            nice: 0,
            reads: Vec::new(),
            writes: Vec::new(),
        }
    }
}

/// What reading the smallest document may need on disk, bytes.
const DOCUMENT_SCRATCH: u64 = 256 << 20;

impl Limits {
    /// So many times the memory and the time.
    pub fn times(&self, factor: f32) -> Self {
        let more = |amount: u64| (amount as f64 * f64::from(factor)) as u64;
        Self { memory_bytes: more(self.memory_bytes), cpu_seconds: more(self.cpu_seconds), wall: self.wall.mul_f32(factor), ..self.clone() }
    }

    /// The scratch budget of a document of this many bytes.
    pub fn document_scratch(input_bytes: u64) -> u64 {
        input_bytes.saturating_mul(4).saturating_add(DOCUMENT_SCRATCH)
    }
}

/// Processor time of the calling thread until now: what a child measures its own patience with, since time on the wall says nothing
/// on a machine that others use.
pub fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec for the length of the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// What a child has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Most memory that was resident at a time, bytes; up to a quarter second may be missing of a child that died.
    pub peak_rss_bytes: u64,
    /// Processor time of all its threads, seconds.
    pub cpu_seconds: f64,
    pub wall: Duration,
}

/// How a child ended, and what it used until then.
#[derive(Debug)]
pub struct Ended {
    pub outcome: Result<Value, Failure>,
    pub usage: Usage,
    /// What held it, as it said itself; `None` when it died before.
    pub confined: Option<Confined>,
}

/// What the parent writes to the child's stdin.
#[derive(Serialize, Deserialize)]
struct Order<R> {
    reads: Vec<PathBuf>,
    writes: Vec<PathBuf>,
    request: R,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Confined(Confined),
    Progress(u64, u64),
    Peak(u64),
    Result(Value),
    Failure(ChildFailure),
}

/// A refusal that a child reports: the input is at fault, unless the class says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChildFailure {
    pub class: Class,
    pub code: String,
    pub reason: String,
    pub detail: Option<String>,
}

impl ChildFailure {
    /// The input can never work.
    pub fn poison(code: &str, reason: impl Into<String>) -> Self {
        Self { class: Class::Poison, code: code.into(), reason: reason.into(), detail: None }
    }
}

/// The child's side: reads the order, locks itself in, runs `work` with a progress callback, prints the outcome.
pub fn serve(work: impl FnOnce(Value, &mut dyn FnMut(u64, u64)) -> Result<Value, ChildFailure>) -> ExitCode {
    serve_as(true, work)
}

fn serve_as(confine: bool, work: impl FnOnce(Value, &mut dyn FnMut(u64, u64)) -> Result<Value, ChildFailure>) -> ExitCode {
    let mut order = String::new();
    if std::io::stdin().read_to_string(&mut order).is_err() {
        return ExitCode::from(2);
    }
    let Ok(Order { reads, writes, request }) = serde_json::from_str::<Order<Value>>(&order) else { return ExitCode::from(2) };
    drop(order);
    // Opened before the door is shut.
    let status = File::open("/proc/self/status").ok();
    if confine {
        say(&Line::Confined(sandbox::enter(&reads, &writes)));
    }
    let mut last = Instant::now() - Duration::from_secs(1);
    let mut progress = |done, total| {
        // Ten lines a second are enough for any eye.
        if last.elapsed() >= Duration::from_millis(100) {
            last = Instant::now();
            say(&Line::Progress(done, total));
        }
    };
    let outcome = work(request, &mut progress);
    if let Some(peak) = status.and_then(watch::read_status).map(|memory| memory.peak) {
        say(&Line::Peak(peak));
    }
    match outcome {
        Ok(result) => say(&Line::Result(result)),
        Err(failure) => say(&Line::Failure(failure)),
    }
    ExitCode::SUCCESS
}

fn say(line: &Line) {
    let mut text = serde_json::to_vec(line).expect("lines of the child's protocol become json");
    text.push(b'\n');
    // A parent that went away takes this process along (PR_SET_PDEATHSIG): nothing to do about a broken pipe.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(&text).and_then(|()| out.flush());
}

/// Reads one JSON value per line; for tests and tools that look at a child's output.
pub fn lines(reader: impl BufRead) -> impl Iterator<Item = Value> {
    reader.lines().map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok())
}
