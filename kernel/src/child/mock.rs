//! A child that does what the parser of a hostile file might do, when told so. For tests of the sandbox, the
//! classification and the job machinery; compiled only with the feature `chaos`.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ChildFailure, Limits, Line};

/// The name under which a program that has it runs [`serve`].
pub const CHILD: &str = "mock";
/// As [`CHILD`], without the sandbox: what is refused there must succeed here, or a test proves nothing.
pub const UNCONFINED: &str = "mock-unconfined";
/// The code of a refusal of the kernel that the child lives to tell.
pub const DENIED: &str = "denied";
/// The code of [`Mock::Refuse`].
pub const REFUSED: &str = "mock_refused";

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mock {
    /// Nothing, well.
    Ok,
    /// Compute for so long, with progress, and end well.
    Work {
        milliseconds: u64,
    },
    /// Refuse the input.
    Refuse,
    Segv,
    Abort,
    /// Wait for ever, silently.
    Hang,
    /// Wait for ever, saying the same again and again.
    HangTalking,
    /// Compute for ever.
    Loop,
    /// Compute for ever, deaf to every signal that can be ignored.
    LoopDeaf,
    /// End as if all were well.
    ExitEarly,
    /// Print a result and end badly.
    ExitBadly,
    /// Print without an end of line.
    FloodStdout,
    /// Print words.
    Nonsense,
    FloodStderr,
    /// Use so much memory of its heap.
    EatMemory {
        bytes: u64,
    },
    /// Use so much memory that is shared, and so no matter of the heap's limit.
    EatSharedMemory {
        bytes: u64,
    },
    /// Write a file of so many bytes in its folder.
    WriteFile {
        bytes: u64,
    },
    /// Write so many files of so many bytes.
    WriteFiles {
        count: u64,
        bytes: u64,
    },
    /// Read a file wherever it is; its text is the result.
    Read {
        path: PathBuf,
    },
    /// Write a file wherever it is.
    WriteTo {
        path: PathBuf,
    },
    OpenSocket,
    Listen,
    /// Connect to this port of this machine.
    Connect {
        port: u16,
    },
    Exec,
    /// Fork this often without waiting; each child sleeps a minute.
    Fork {
        times: u32,
    },
    /// Start a thread and wait for it, as decoders do.
    Thread,
    /// Kill another process.
    Kill {
        pid: i32,
    },
    /// Raise its own limits of open files.
    RaiseLimit,
    /// Link to a file elsewhere, for a parent that would follow it.
    Link {
        path: PathBuf,
    },
}

/// Obeys, locked in as every child.
pub fn serve() -> ExitCode {
    super::serve(run)
}

/// Obeys, with nothing but limits.
pub fn serve_unconfined() -> ExitCode {
    super::serve_as(false, run)
}

/// Runs one silent child in the current folder, prints its process number, and waits for it: to be killed meanwhile.
pub fn supervise() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let program = std::env::current_exe().expect("a path");
    let dir = std::env::current_dir().expect("a folder");
    let long = Duration::from_secs(600);
    let limits = Limits { wall: long, stall: long, cpu_seconds: 600, ..Limits::default() };
    let request = json!(Mock::LoopDeaf);
    let running = super::run(&program, CHILD, &request, &limits, &dir, None, |done, _| {
        println!("{done}");
    });
    runtime.block_on(running);
    ExitCode::SUCCESS
}

fn run(request: Value, progress: &mut dyn FnMut(u64, u64)) -> Result<Value, ChildFailure> {
    let mock: Mock = serde_json::from_value(request).map_err(|error| ChildFailure::poison("mock_unknown", error.to_string()))?;
    match mock {
        Mock::Ok => {}
        Mock::Work { milliseconds } => work(milliseconds, progress),
        Mock::Refuse => return Err(ChildFailure::poison(REFUSED, "this file is refused for the sake of a test")),
        // SAFETY: that it is not safe is the point.
        Mock::Segv => unsafe { std::ptr::null_mut::<u8>().add(8).write_volatile(1) },
        Mock::Abort => std::process::abort(),
        Mock::Hang => hang(),
        Mock::HangTalking => loop {
            super::say(&Line::Progress(1, 2));
            std::thread::sleep(Duration::from_millis(20));
        },
        Mock::Loop => compute(),
        Mock::LoopDeaf => {
            for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGXCPU] {
                // SAFETY: ignoring a signal needs no handler.
                unsafe { libc::signal(signal, libc::SIG_IGN) };
            }
            progress(u64::from(std::process::id()), u64::from(u32::MAX));
            compute()
        }
        Mock::ExitEarly => std::process::exit(0),
        Mock::ExitBadly => {
            super::say(&Line::Result(Value::Null));
            std::process::exit(1)
        }
        Mock::FloodStdout => flood(std::io::stdout().lock()),
        Mock::Nonsense => println!("Segmentation fault (core dumped)"),
        Mock::FloodStderr => flood(std::io::stderr().lock()),
        Mock::EatMemory { bytes } => drop(std::hint::black_box(vec![1_u8; bytes as usize])),
        Mock::EatSharedMemory { bytes } => eat_shared(bytes as usize)?,
        Mock::WriteFile { bytes } => write("file", bytes)?,
        Mock::WriteFiles { count, bytes } => (0..count).try_for_each(|number| write(&format!("file{number}"), bytes))?,
        Mock::Read { path } => return fs::read_to_string(path).map(Value::from).map_err(denied),
        Mock::WriteTo { path } => fs::write(path, "written").map_err(denied)?,
        // SAFETY: plain numbers.
        Mock::OpenSocket => check(unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0) })?,
        Mock::Listen => drop(TcpListener::bind("127.0.0.1:0").map_err(denied)?),
        Mock::Connect { port } => {
            TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| stream.write_all(b"hello")).map_err(denied)?
        }
        Mock::Exec => {
            // Returns only when it fails.
            let error = Command::new("/bin/sh").args(["-c", r#"echo '{"result":"executed"}'"#]).exec();
            return Err(denied(error));
        }
        Mock::Fork { times } => (0..times).try_for_each(|_| fork())?,
        Mock::Thread => std::thread::spawn(|| {}).join().map_err(|_| ChildFailure::poison(DENIED, "the thread panicked"))?,
        // SAFETY: plain numbers.
        Mock::Kill { pid } => check(unsafe { libc::kill(pid, libc::SIGKILL) })?,
        Mock::RaiseLimit => {
            let more = libc::rlimit { rlim_cur: 512, rlim_max: 512 };
            // SAFETY: `more` lives for the length of the call.
            check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &more) })?;
        }
        Mock::Link { path } => std::os::unix::fs::symlink(path, "link").map_err(denied)?,
    }
    Ok(Value::Null)
}

fn denied(error: std::io::Error) -> ChildFailure {
    ChildFailure { detail: Some(error.to_string()), ..ChildFailure::poison(DENIED, "the kernel refused") }
}

fn check(answer: libc::c_int) -> Result<(), ChildFailure> {
    if answer < 0 { Err(denied(std::io::Error::last_os_error())) } else { Ok(()) }
}

fn hang() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

fn compute() -> ! {
    let mut number = 1_u64;
    loop {
        number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

fn work(milliseconds: u64, progress: &mut dyn FnMut(u64, u64)) {
    let begun = Instant::now();
    let mut number = 1_u64;
    while begun.elapsed() < Duration::from_millis(milliseconds) {
        for _ in 0..1_000_000 {
            number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
        progress(begun.elapsed().as_millis() as u64, milliseconds);
    }
}

fn flood(mut out: impl Write) -> ! {
    let block = [b'x'; 64 << 10];
    loop {
        let _ = out.write_all(&block);
    }
}

fn write(name: &str, bytes: u64) -> Result<(), ChildFailure> {
    let mut file = fs::File::create(name).map_err(denied)?;
    std::io::copy(&mut std::io::repeat(7).take(bytes), &mut file).map(drop).map_err(denied)
}

fn eat_shared(bytes: usize) -> Result<(), ChildFailure> {
    // SAFETY: an anonymous mapping anywhere, used only within its length.
    unsafe {
        let memory =
            libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1, 0);
        if memory == libc::MAP_FAILED {
            return Err(denied(std::io::Error::last_os_error()));
        }
        std::ptr::write_bytes(memory.cast::<u8>(), 1, bytes);
    }
    // Long enough to be seen.
    std::thread::sleep(super::watch::BEAT * 4);
    Ok(())
}

fn fork() -> Result<(), ChildFailure> {
    // SAFETY: the child makes only async-signal-safe calls.
    match unsafe { libc::fork() } {
        // SAFETY: plain numbers.
        0 => unsafe {
            libc::sleep(60);
            libc::_exit(0)
        },
        number => check(number),
    }
}
