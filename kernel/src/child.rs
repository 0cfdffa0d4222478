//! Disposable processes: untrusted bytes are parsed only in a child of our own binary, under limits.
//!
//! The parent runs `learnhub child NAME` in a scratch folder, writes one JSON request to its stdin and reads JSON
//! lines from its stdout: `{"progress":[done,total]}` any number of times, then `{"result":…}` or `{"failure":…}`
//! once. A child that ends without that line has failed, whatever its exit code says. The child sees no environment
//! variables, no database and no network credentials.

use std::io::{BufRead, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::jobs::{Class, Failure};

/// What a child may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Address space, bytes.
    pub memory_bytes: u64,
    /// Processor time, seconds.
    pub cpu_seconds: u64,
    /// Largest file it may write, bytes.
    pub file_bytes: u64,
    /// Longest life.
    pub wall: Duration,
    /// Longest silence: neither progress nor result.
    pub stall: Duration,
}

impl Limits {
    /// So many times the memory and the time.
    pub fn times(&self, factor: f32) -> Self {
        let more = |amount: u64| (amount as f64 * f64::from(factor)) as u64;
        Self { memory_bytes: more(self.memory_bytes), cpu_seconds: more(self.cpu_seconds), wall: self.wall.mul_f32(factor), ..self.clone() }
    }
}

/// Longest line a child may print: its result holds at most the text of one document.
const LONGEST_LINE: u64 = 256 << 20;
/// How much of its stderr is kept for operators.
const STDERR_TAIL: usize = 4096;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Progress(u64, u64),
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

/// The child's side: reads the request, runs `work` with a progress callback, prints the outcome.
pub fn serve(work: impl FnOnce(Value, &mut dyn FnMut(u64, u64)) -> Result<Value, ChildFailure>) -> ExitCode {
    let mut request = String::new();
    if std::io::stdin().read_to_string(&mut request).is_err() {
        return ExitCode::from(2);
    }
    let Ok(request) = serde_json::from_str(&request) else { return ExitCode::from(2) };
    let mut last = std::time::Instant::now() - Duration::from_secs(1);
    let mut progress = |done, total| {
        // Ten lines a second are enough for any eye.
        if last.elapsed() >= Duration::from_millis(100) {
            last = std::time::Instant::now();
            say(&Line::Progress(done, total));
        }
    };
    match work(request, &mut progress) {
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

/// The parent's side: runs the named child in `dir` and returns its result.
///
/// Fails as poison when the child refuses its input, as a resource when it met a limit, and as transient when it
/// crashed or was killed. Dropping the future kills the child.
pub async fn run(
    program: &Path,
    name: &'static str,
    request: &Value,
    limits: &Limits,
    dir: &Path,
    request_id: Option<&str>,
    progress: impl Fn(u64, u64),
) -> Result<Value, Failure> {
    let mut command = tokio::process::Command::new(program);
    command.args(["child", name]).current_dir(dir).env_clear().env("TMPDIR", dir).env("LANG", "C.UTF-8");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    if let Some(id) = request_id {
        command.env("LEARNHUB_REQUEST_ID", id);
    }
    let caps = limits.clone();
    // SAFETY: the closure runs between fork and exec and only calls async-signal-safe system calls.
    unsafe {
        command.pre_exec(move || confine(&caps));
    }
    let mut child = command.spawn().map_err(|error| {
        Failure::transient("child_not_started", "something went wrong on our side; it is being tried again").with_detail(error.to_string())
    })?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let stdout = child.stdout.take().expect("stdout is piped");
    let mut stderr = child.stderr.take().expect("stderr is piped");
    let request = serde_json::to_vec(request)?;
    let tell = async move {
        // A child that dies before it has read everything is reported by how it ended.
        let _ = stdin.write_all(&request).await;
    };
    let overhear = async move {
        let mut tail = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
            tail.extend_from_slice(&buffer[..read]);
            tail.drain(..tail.len().saturating_sub(STDERR_TAIL));
        }
        String::from_utf8_lossy(&tail).trim().to_owned()
    };
    let hear = async {
        let heard = listen(stdout, limits, progress).await;
        if matches!(heard, Heard::Nonsense | Heard::Silence) {
            // Its stderr ends only when it does.
            let _ = child.start_kill();
        }
        heard
    };
    let talk = async { tokio::join!(tell, overhear, hear) };
    let (stderr, heard) = match tokio::time::timeout(limits.wall, talk).await {
        Ok(((), stderr, heard)) => (stderr, heard),
        Err(_) => (String::new(), Heard::TooLong),
    };
    if matches!(heard, Heard::TooLong) {
        let _ = child.start_kill();
    }
    let status = child.wait().await?;
    judge(heard, status, stderr)
}

enum Heard {
    Result(Value),
    Failure(ChildFailure),
    /// It closed its stdout without an outcome.
    Nothing,
    /// It said something that is not of the protocol.
    Nonsense,
    /// No word for the length of `stall`.
    Silence,
    /// Longer than `wall`.
    TooLong,
}

async fn listen(stdout: tokio::process::ChildStdout, limits: &Limits, progress: impl Fn(u64, u64)) -> Heard {
    let mut lines = BufReader::new(stdout.take(LONGEST_LINE));
    let mut line = Vec::new();
    loop {
        line.clear();
        match tokio::time::timeout(limits.stall, lines.read_until(b'\n', &mut line)).await {
            Err(_) => return Heard::Silence,
            Ok(Err(_)) | Ok(Ok(0)) => return Heard::Nothing,
            Ok(Ok(_)) => {}
        }
        match serde_json::from_slice(&line) {
            Ok(Line::Progress(done, total)) => progress(done, total),
            Ok(Line::Result(value)) => return Heard::Result(value),
            Ok(Line::Failure(failure)) => return Heard::Failure(failure),
            Err(_) => return Heard::Nonsense,
        }
    }
}

/// What the end of a child means.
fn judge(heard: Heard, status: ExitStatus, stderr: String) -> Result<Value, Failure> {
    let demanding = "processing this file needs more than this server allows; try a smaller or simpler one";
    let crashed = "this file makes our reader fail; save it again from the program that made it and upload that";
    let failure = match heard {
        Heard::Result(value) if status.success() => return Ok(value),
        Heard::Failure(ChildFailure { class, code, reason, detail }) => return Err(Failure { class, code, reason, detail }),
        Heard::TooLong => Failure::resource("timeout", demanding),
        Heard::Silence => Failure::resource("stalled", demanding),
        Heard::Nonsense => Failure::transient("child_nonsense", crashed),
        Heard::Nothing | Heard::Result(_) => match status.signal() {
            Some(libc::SIGXCPU) => Failure::resource("timeout", demanding),
            Some(libc::SIGXFSZ) => Failure::resource("output_too_large", demanding),
            Some(libc::SIGKILL) => Failure::transient("child_killed", "processing was interrupted; it is being tried again"),
            Some(libc::SIGABRT) if stderr.contains("memory allocation of") => Failure::resource("out_of_memory", demanding),
            Some(_) => Failure::transient("child_crashed", crashed),
            None => Failure::transient("child_without_result", crashed),
        },
    };
    Err(failure.with_detail(format!("{status}; {stderr}")))
}

/// Limits of the calling process and all it does from here on.
fn confine(limits: &Limits) -> std::io::Result<()> {
    let set = |what, soft: u64, hard: u64| {
        let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
        // SAFETY: `limit` is a valid rlimit for the length of the call.
        if unsafe { libc::setrlimit(what, &limit) } == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    set(libc::RLIMIT_AS, limits.memory_bytes, limits.memory_bytes)?;
    set(libc::RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 5)?;
    set(libc::RLIMIT_FSIZE, limits.file_bytes, limits.file_bytes)?;
    set(libc::RLIMIT_CORE, 0, 0)?;
    set(libc::RLIMIT_NOFILE, 256, 256)?;
    // SAFETY: prctl with these options takes plain numbers.
    unsafe {
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        // The parent may have died before the line above.
        if libc::getppid() == 1 {
            libc::_exit(1);
        }
    }
    Ok(())
}

/// Reads one JSON value per line; for tests and tools that look at a child's output.
pub fn lines(reader: impl BufRead) -> impl Iterator<Item = Value> {
    reader.lines().map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            memory_bytes: 1 << 30,
            cpu_seconds: 10,
            file_bytes: 1 << 20,
            wall: Duration::from_secs(20),
            stall: Duration::from_secs(10),
        }
    }

    /// Runs a shell script in place of our binary: `sh child test` runs the file `child` of the folder.
    async fn script(text: &str, limits: Limits) -> Result<Value, Failure> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("child"), text).unwrap();
        run(Path::new("/bin/sh"), "test", &Value::Null, &limits, dir.path(), None, |_, _| {}).await
    }

    #[tokio::test]
    async fn a_result_is_handed_on_and_a_refusal_is_poison() {
        assert_eq!(script("cat >/dev/null; echo '{\"progress\":[1,2]}'; echo '{\"result\":7}'", limits()).await.unwrap(), Value::from(7));
        let refusal = r#"echo '{"failure":{"class":"poison","code":"pdf_encrypted","reason":"no","detail":null}}'"#;
        let failure = script(refusal, limits()).await.unwrap_err();
        assert_eq!((failure.class, failure.code.as_str()), (Class::Poison, "pdf_encrypted"));
    }

    #[tokio::test]
    async fn every_bad_end_has_its_own_code() {
        for (text, code) in [
            ("exit 0", "child_without_result"),
            ("exit 3", "child_without_result"),
            ("echo hello", "child_nonsense"),
            ("kill -SEGV $$", "child_crashed"),
            ("kill -KILL $$", "child_killed"),
            ("echo '{\"result\":1}'; exit 1", "child_without_result"),
            ("head -c 2000000 /dev/zero > big; echo done", "child_nonsense"),
        ] {
            assert_eq!(script(text, limits()).await.unwrap_err().code, code, "{text}");
        }
    }

    #[tokio::test]
    async fn a_child_that_runs_too_long_or_says_nothing_is_ended() {
        let short = Limits { wall: Duration::from_millis(300), ..limits() };
        assert_eq!(script("exec sleep 60", short).await.unwrap_err().code, "timeout");
        let quiet = Limits { stall: Duration::from_millis(300), ..limits() };
        assert_eq!(script("exec sleep 60", quiet).await.unwrap_err().code, "stalled");
        let busy = Limits { cpu_seconds: 1, ..limits() };
        assert_eq!(script("while :; do :; done", busy).await.unwrap_err().code, "timeout");
    }

    #[tokio::test]
    async fn a_child_sees_no_environment_of_ours() {
        let seen = script(r#"printf '{"result":"%s"}\n' "$HOME$PATH_EXTRA$DATABASE_URL""#, limits()).await.unwrap();
        assert_eq!(seen, Value::from(""));
    }
}
