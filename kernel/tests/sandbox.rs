//! What holds a disposable child, and how its end is told: a mock that misbehaves, and the same one without the
//! sandbox, so that every refusal here is the sandbox's and not the mock's clumsiness.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use kernel::child::ending::code;
use kernel::child::mock::{CHILD, DENIED, Mock, REFUSED, UNCONFINED};
use kernel::child::{self, Ended, Limits};
use kernel::jobs::Class;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mock-child");
const MB: u64 = 1 << 20;

/// Small limits, of which only the one under test should be met.
fn limits() -> Limits {
    Limits {
        memory_bytes: 256 * MB,
        cpu_seconds: 20,
        file_bytes: 16 * MB,
        scratch_bytes: 32 * MB,
        answer_bytes: MB,
        wall: Duration::from_secs(60),
        stall: Duration::from_secs(30),
        give_way: Duration::MAX,
        suspect: Duration::MAX,
        writes: vec![".".into()],
        ..Limits::default()
    }
}

async fn run_in(dir: &Path, name: &'static str, mock: &Mock, limits: &Limits) -> Ended {
    child::run(Path::new(PROGRAM), name, &json!(mock), limits, dir, None, |_, _| {}).await
}

async fn run_as(name: &'static str, mock: &Mock, limits: &Limits) -> Ended {
    let dir = tempfile::tempdir().unwrap();
    run_in(dir.path(), name, mock, limits).await
}

/// The class and code of a failure.
async fn failed(mock: Mock, limits: &Limits) -> (Class, String) {
    match run_as(CHILD, &mock, limits).await.outcome {
        Ok(value) => panic!("{mock:?} succeeded: {value}"),
        Err(failure) => (failure.class, failure.code),
    }
}

/// The result without the sandbox.
async fn unconfined(mock: Mock) -> Value {
    run_as(UNCONFINED, &mock, &limits()).await.outcome.unwrap_or_else(|failure| panic!("{mock:?} without the sandbox: {failure}"))
}

#[tokio::test]
async fn what_is_well_ends_well_and_says_what_it_used() {
    for mock in [Mock::Ok, Mock::Thread, Mock::Work { milliseconds: 300 }] {
        let ended = run_as(CHILD, &mock, &limits()).await;
        ended.outcome.unwrap_or_else(|failure| panic!("{mock:?}: {failure}"));
    }
    let worked = run_as(CHILD, &Mock::Work { milliseconds: 300 }, &limits()).await.usage;
    assert!(worked.cpu_seconds > 0.0 && worked.cpu_seconds <= worked.wall.as_secs_f64() + 1.0, "{worked:?}");
    let (small, large) = (8 * MB, 128 * MB);
    let little = run_as(CHILD, &Mock::EatMemory { bytes: small }, &limits()).await.usage.peak_rss_bytes;
    let much = run_as(CHILD, &Mock::EatMemory { bytes: large }, &limits()).await.usage.peak_rss_bytes;
    assert!(little >= small && little < large, "{little}");
    assert!(much >= large && much < 2 * large, "the peak is the child's own, whatever its parent had resident: {much}");
}

#[tokio::test]
async fn every_bad_end_has_exactly_its_class_and_code() {
    let quick_cpu = Limits { cpu_seconds: 1, ..limits() };
    let quick_wall = Limits { wall: Duration::from_millis(500), ..limits() };
    let quick_stall = Limits { stall: Duration::from_millis(500), ..limits() };
    let large = 400 * MB;
    for (mock, limits, class, code) in [
        (Mock::Refuse, limits(), Class::Poison, REFUSED),
        (Mock::Segv, limits(), Class::Transient, code::CRASHED),
        (Mock::Abort, limits(), Class::Transient, code::CRASHED),
        (Mock::ExitEarly, limits(), Class::Transient, code::WITHOUT_RESULT),
        (Mock::ExitBadly, limits(), Class::Transient, code::WITHOUT_RESULT),
        (Mock::Nonsense, limits(), Class::Transient, code::NONSENSE),
        (Mock::Hang, quick_stall.clone(), Class::Resource, code::STALLED),
        (Mock::HangTalking, quick_stall, Class::Resource, code::STALLED),
        (Mock::Hang, quick_wall.clone(), Class::Resource, code::TIMEOUT),
        (Mock::Loop, quick_cpu, Class::Resource, code::TIMEOUT),
        (Mock::LoopDeaf, quick_wall, Class::Resource, code::TIMEOUT),
        (Mock::FloodStdout, limits(), Class::Resource, code::OUTPUT_TOO_LARGE),
        (Mock::FloodStderr, limits(), Class::Resource, code::OUTPUT_TOO_LARGE),
        (Mock::EatMemory { bytes: large }, limits(), Class::Resource, code::OUT_OF_MEMORY),
        (Mock::EatSharedMemory { bytes: large }, limits(), Class::Resource, code::OUT_OF_MEMORY),
        (Mock::WriteFile { bytes: 20 * MB }, limits(), Class::Resource, code::OUTPUT_TOO_LARGE),
        (Mock::WriteFiles { count: 5, bytes: 10 * MB }, limits(), Class::Resource, code::OUTPUT_TOO_LARGE),
        (Mock::WriteFiles { count: 20_000, bytes: 0 }, limits(), Class::Resource, code::OUTPUT_TOO_LARGE),
    ] {
        assert_eq!(failed(mock.clone(), &limits).await, (class, code.to_owned()), "{mock:?}");
    }
}

#[tokio::test]
async fn what_stays_below_the_limits_is_let_through() {
    let generous = Limits { memory_bytes: 1024 * MB, ..limits() };
    for mock in [
        Mock::EatMemory { bytes: 400 * MB },
        Mock::EatSharedMemory { bytes: 400 * MB },
        Mock::WriteFile { bytes: 15 * MB },
        Mock::WriteFiles { count: 3, bytes: 9 * MB },
        Mock::WriteFiles { count: 2_000, bytes: 0 },
    ] {
        let ended = run_as(CHILD, &mock, &generous).await;
        ended.outcome.unwrap_or_else(|failure| panic!("{mock:?}: {failure}"));
    }
}

#[tokio::test]
async fn a_child_deaf_to_signals_is_ended_at_its_hard_limit_of_processor_time() {
    let limits = Limits { cpu_seconds: 1, ..limits() };
    assert_eq!(failed(Mock::LoopDeaf, &limits).await, (Class::Resource, code::TIMEOUT.into()));
}

#[tokio::test]
async fn other_programs_processes_and_sockets_are_fatal_and_only_the_sandbox_makes_them_so() {
    for (mock, said) in [
        (Mock::OpenSocket, Value::Null),
        (Mock::Listen, Value::Null),
        (Mock::Exec, json!("executed")),
        (Mock::Fork { times: 3 }, Value::Null),
    ] {
        assert_eq!(failed(mock.clone(), &limits()).await, (Class::Transient, code::SANDBOX_VIOLATION.into()), "{mock:?}");
        assert_eq!(unconfined(mock).await, said);
    }
}

#[tokio::test]
async fn a_canary_outside_the_scratch_folder_is_neither_read_nor_written() {
    let dir = tempfile::tempdir().unwrap();
    let canary = dir.path().join("canary");
    std::fs::write(&canary, "canary 4711").unwrap();
    let read = || Mock::Read { path: canary.clone() };
    for mock in [read(), Mock::Read { path: "/etc/passwd".into() }, Mock::Read { path: "/proc/1/environ".into() }] {
        assert_eq!(failed(mock.clone(), &limits()).await, (Class::Poison, DENIED.into()), "{mock:?}");
    }
    assert_eq!(unconfined(read()).await, json!("canary 4711"));
    assert_eq!(failed(Mock::WriteTo { path: canary.clone() }, &limits()).await.1, DENIED);
    assert_eq!(std::fs::read_to_string(&canary).unwrap(), "canary 4711");
    unconfined(Mock::WriteTo { path: canary.clone() }).await;
    assert_eq!(std::fs::read_to_string(&canary).unwrap(), "written");
}

#[tokio::test]
async fn the_scratch_folder_is_read_only_but_for_what_is_named_and_named_files_outside_are_readable() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let library = outside.path().join("library");
    std::fs::write(&library, "words").unwrap();
    std::fs::create_dir(dir.path().join("out")).unwrap();
    let limits = Limits { reads: vec![library.clone()], writes: vec!["out".into()], ..limits() };
    let to = |path: &str| Mock::WriteTo { path: path.into() };
    assert_eq!(run_in(dir.path(), CHILD, &Mock::Read { path: library.clone() }, &limits).await.outcome.unwrap(), json!("words"));
    assert_eq!(run_in(dir.path(), CHILD, &Mock::WriteTo { path: library }, &limits).await.outcome.unwrap_err().code, DENIED);
    run_in(dir.path(), CHILD, &to("out/file"), &limits).await.outcome.unwrap();
    assert_eq!(run_in(dir.path(), CHILD, &to("source"), &limits).await.outcome.unwrap_err().code, DENIED);
    run_in(dir.path(), UNCONFINED, &to("source"), &limits).await.outcome.unwrap();
}

#[tokio::test]
async fn no_connection_reaches_a_listener_of_this_machine() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let connect = Mock::Connect { port: listener.local_addr().unwrap().port() };
    assert_eq!(failed(connect.clone(), &limits()).await.1, code::SANDBOX_VIOLATION);
    assert!(listener.accept().is_err(), "nobody came");
    unconfined(connect).await;
    assert!(listener.accept().is_ok(), "without the sandbox somebody comes");
}

#[tokio::test]
async fn no_link_is_left_for_the_parent_to_follow() {
    let link = Mock::Link { path: PathBuf::from("/etc/passwd") };
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run_in(dir.path(), CHILD, &link, &limits()).await.outcome.unwrap_err().code, code::SANDBOX_VIOLATION);
    assert!(!dir.path().join("link").is_symlink());
    run_in(dir.path(), UNCONFINED, &link, &limits()).await.outcome.unwrap();
    assert!(dir.path().join("link").is_symlink());
}

#[tokio::test]
async fn other_processes_are_out_of_reach() {
    let bystander = || Command::new("/bin/sleep").arg("600").spawn().unwrap();
    let mut spared = bystander();
    let pid = spared.id() as i32;
    assert_eq!(failed(Mock::Kill { pid }, &limits()).await.1, code::SANDBOX_VIOLATION);
    assert!(spared.try_wait().unwrap().is_none(), "it lives");
    unconfined(Mock::Kill { pid }).await;
    assert!(!spared.wait().unwrap().success());
    assert_eq!(failed(Mock::RaiseLimit, &limits()).await.1, DENIED);
}

#[tokio::test]
async fn what_a_child_started_ends_with_it() {
    let dir = tempfile::tempdir().unwrap();
    run_in(dir.path(), UNCONFINED, &Mock::Fork { times: 3 }, &limits()).await.outcome.unwrap();
    wait_until("all that it forked are gone", || processes_in(dir.path()).is_empty());
}

#[tokio::test]
async fn dropping_the_future_ends_the_child() {
    let dir = tempfile::tempdir().unwrap();
    let started = tokio::sync::Notify::new();
    let limits = limits();
    let request = json!(Mock::LoopDeaf);
    let mut running = Box::pin(child::run(Path::new(PROGRAM), CHILD, &request, &limits, dir.path(), None, |_, _| started.notify_one()));
    tokio::select! {
        // By reference: what is given to the macro is dropped before the chosen branch begins.
        ended = &mut running => panic!("it should run for ever: {ended:?}"),
        () = started.notified() => assert_eq!(processes_in(dir.path()).len(), 1),
    }
    drop(running);
    wait_until("the child is gone", || processes_in(dir.path()).is_empty());
}

#[tokio::test]
async fn a_silent_child_lets_others_go_first() {
    let never = limits();
    for (limits, wanted) in [
        (never.clone(), nice(std::process::id() as i32).unwrap()),
        (Limits { give_way: Duration::from_millis(1), ..never.clone() }, 10),
        (Limits { suspect: Duration::from_millis(1), ..never }, 15),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let request = json!(Mock::Hang);
        let mut running = Box::pin(child::run(Path::new(PROGRAM), CHILD, &request, &limits, dir.path(), None, |_, _| {}));
        let nice = async {
            while !processes_in(dir.path()).iter().any(|pid| nice(*pid) == Some(wanted)) {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            ended = &mut running => panic!("it should be silent for ever: {ended:?}"),
            () = nice => {}
        }
    }
}

/// The nice value of a process that is there.
fn nice(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(16)?.parse().ok()
}

#[test]
fn a_killed_supervisor_leaves_no_child() {
    let dir = tempfile::tempdir().unwrap();
    let mut supervisor = Command::new(PROGRAM).arg("supervise").current_dir(dir.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(supervisor.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let child: i32 = line.trim().parse().unwrap();
    assert!(is_alive(child), "it says its number while it runs");
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    wait_until("the child is gone with it", || !is_alive(child));
}

#[tokio::test]
async fn a_child_says_what_holds_it() {
    let confined = child::probe(Path::new(PROGRAM)).await.unwrap();
    assert!(confined.is_whole() && confined.landlock_abi > 0, "on a kernel that offers all of it: {confined}");
    assert!(run_as(UNCONFINED, &Mock::Ok, &limits()).await.confined.is_none());
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::yield_now();
    }
}

/// Neither gone nor a zombie that nobody has collected yet.
fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().starts_with(" Z"))
}

/// Living processes that run in this folder.
fn processes_in(dir: &Path) -> Vec<i32> {
    let numbers = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|pid: &i32| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == dir) && is_alive(*pid)).collect()
}
