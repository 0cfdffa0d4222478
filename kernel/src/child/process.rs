//! One running child: started in a session of its own, waited for with what it used, and never left behind.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use super::{Limits, confine};

/// A child that has not been waited for. Dropping it kills it and all that it started.
pub(super) struct Process {
    pub pid: i32,
    exited: AsyncFd<OwnedFd>,
    reaped: bool,
}

/// Its three pipes.
pub(super) struct Pipes {
    pub stdin: ChildStdin,
    pub stdout: ChildStdout,
    pub stderr: ChildStderr,
}

impl Process {
    /// Starts the command under these limits; its three streams must be pipes.
    ///
    /// The calling thread must live as long as the child: the kernel ends the child with the thread that forked it.
    pub fn start(command: &mut Command, limits: &Limits) -> Result<(Self, Pipes)> {
        let (caps, parent) = (limits.clone(), std::process::id() as i32);
        // SAFETY: the closure runs between fork and exec and makes only async-signal-safe system calls.
        unsafe {
            command.pre_exec(move || confine::confine(&caps, parent));
        }
        let mut child = command.spawn()?;
        let pid = child.id() as i32;
        // SAFETY: the child has not been waited for, so that the number is still its own.
        let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let exited = if raw < 0 {
            Err(Error::last_os_error())
        } else {
            // SAFETY: the descriptor is new and nobody else's, and an OwnedFd keeps it until it is dropped.
            unsafe { AsyncFd::register_with_interest(OwnedFd::from_raw_fd(raw as i32), Interest::READABLE) }.map_err(Error::from)
        };
        let exited = exited.inspect_err(|_| {
            let _ = child.kill().and_then(|()| child.wait());
        })?;
        let process = Self { pid, exited, reaped: false };
        if limits.nice > 0 {
            process.be_nice(limits.nice);
        }
        let missing = || Error::other("a stream of the child is no pipe");
        let pipes = Pipes {
            stdin: ChildStdin::from_std(child.stdin.take().ok_or_else(missing)?)?,
            stdout: ChildStdout::from_std(child.stdout.take().ok_or_else(missing)?)?,
            stderr: ChildStderr::from_std(child.stderr.take().ok_or_else(missing)?)?,
        };
        Ok((process, pipes))
    }

    /// Ends it, and whatever is in its session with it.
    pub fn kill(&self) {
        self.signal(libc::SIGKILL);
    }

    /// Has it, and whatever is in its session, stand still until [`Self::resume`].
    pub fn pause(&self) {
        self.signal(libc::SIGSTOP);
    }

    /// Has it go on.
    pub fn resume(&self) {
        self.signal(libc::SIGCONT);
    }

    fn signal(&self, signal: i32) {
        if !self.reaped {
            // SAFETY: plain numbers. Nobody else waits for the child, so that the number is still its own.
            unsafe { libc::kill(-self.pid, signal) };
        }
    }

    /// Lets others go first at the processor: 0 not at all, 19 always.
    ///
    /// Where the kernel shares the processor out among sessions first (`sched_autogroup_enabled`, sched(7)), the child's own
    /// session is what has to be nice; elsewhere its threads.
    pub fn be_nice(&self, nice: i32) {
        if self.reaped {
            return;
        }
        // SAFETY: as above; the group is the child's own, all threads included.
        unsafe { libc::setpriority(libc::PRIO_PGRP, self.pid as libc::id_t, nice) };
        // A kernel without it has nothing to share out. The open file stands for this child, whoever gets its number later.
        if let Ok(session) = OpenOptions::new().write(true).open(format!("/proc/{}/autogroup", self.pid)) {
            tokio::spawn(write_in_turn(session, nice.to_string()));
        }
    }

    /// Processor time of all its threads until now; nothing when that cannot be read.
    pub fn computed(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let numbers = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        let ticks: u64 = numbers.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        // SAFETY: a plain number.
        let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as u64;
        Duration::from_millis(ticks * 1000 / per_second)
    }

    /// Waits for its end: how, and the processor seconds that it used.
    pub async fn wait(&mut self) -> Result<(ExitStatus, f64)> {
        loop {
            let mut guard = self.exited.readable().await?;
            if has_ended(self.pid)? {
                // Whatever it started would outlive it otherwise; until it is reaped, the group's number is its own.
                self.kill();
                let end = reap(self.pid)?;
                self.reaped = true;
                return Ok(end);
            }
            guard.clear_ready();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        self.kill();
        let pid = self.pid;
        // A killed process may take a moment to give back its memory; nobody should have to wait for that.
        std::thread::spawn(move || reap(pid));
    }
}

/// The kernel lets ordinary users do this ten times a second, all of them together.
async fn write_in_turn(mut session: File, nice: String) {
    for _ in 0..50 {
        match session.write(nice.as_bytes()) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => tokio::time::sleep(Duration::from_millis(110)).await,
            _ => return,
        }
    }
}

/// Whether it has ended, without reaping it.
fn has_ended(pid: i32) -> Result<bool> {
    // SAFETY: an all-zero siginfo is valid and lives for the length of the call; with WNOHANG its pid stays 0 while
    // the process runs.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        match libc::waitid(libc::P_PID, pid as libc::id_t, &mut info, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT) {
            0 => Ok(info.si_pid() != 0),
            _ => Err(Error::last_os_error()),
        }
    }
}

/// Waits for its end.
fn reap(pid: i32) -> Result<(ExitStatus, f64)> {
    let mut status = 0;
    // SAFETY: an all-zero rusage is valid, and both out-pointers live for the length of the call.
    let (answer, used) = unsafe {
        let mut used: libc::rusage = std::mem::zeroed();
        (libc::wait4(pid, &mut status, 0, &mut used), used)
    };
    if answer < 0 {
        return Err(Error::last_os_error());
    }
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Ok((ExitStatus::from_raw(status), seconds(used.ru_utime) + seconds(used.ru_stime)))
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    /// What the kernel says of a process: the nice value of its first thread, and that of its session if sessions have one.
    fn nice(pid: i32) -> (i32, Option<i32>) {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
        let stat = read("stat").unwrap();
        let thread = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(16)).and_then(|nice| nice.parse().ok());
        let session = read("autogroup").ok().and_then(|text| text.rsplit(' ').next()?.trim().parse().ok());
        (thread.unwrap(), session)
    }

    async fn until(pid: i32, wanted: i32) {
        while nice(pid) != (wanted, nice(pid).1.map(|_| wanted)) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_child_is_as_nice_as_it_is_told() {
        let start = |nice| {
            let mut command = Command::new("cat");
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            Process::start(&mut command, &Limits { nice, ..Limits::default() }).unwrap()
        };
        let (mut usual, pipes) = start(0);
        assert_eq!(nice(usual.pid).1.unwrap_or(0), 0, "a session of its own begins so");
        usual.be_nice(19);
        until(usual.pid, 19).await;
        assert!(usual.computed() < Duration::from_secs(60));
        drop(pipes);
        usual.wait().await.unwrap();
        let (nicer, _pipes) = start(7);
        until(nicer.pid, 7).await;
    }
}
