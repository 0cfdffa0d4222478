//! Turns at the processor for silent children. However many files make their reader loop, all of them together get what one or two
//! would; whoever only takes long gets there, turn by turn.

use std::convert::Infallible;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};

use super::process::Process;

/// As many as there are cores, so that silent ones have the whole machine when nobody else wants it. Who asked first is next.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(1, |cores| cores.get())));
/// How long a turn lasts.
const TURN: Duration = Duration::from_millis(250);
/// How often it is looked whether a child that was paused has had its time, at most.
const LOOK: Duration = Duration::from_millis(50);

/// The turns of one child.
pub(super) struct Turns {
    silent: watch::Sender<bool>,
    pauses: Mutex<Pauses>,
}

#[derive(Default)]
struct Pauses {
    over: Duration,
    since: Option<Instant>,
}

/// A moment in the life of a child.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    at: Instant,
    /// How long it had been paused until then.
    paused: Duration,
}

impl Turns {
    pub fn new() -> Self {
        Self { silent: watch::Sender::new(false), pauses: Mutex::default() }
    }

    /// Says whether the child takes turns with others from now on.
    pub fn set_silent(&self, silent: bool) {
        self.silent.send_if_modified(|was| std::mem::replace(was, silent) != silent);
    }

    pub fn now(&self) -> Moment {
        Moment { at: Instant::now(), paused: self.paused() }
    }

    /// Waits until the child has lived for this long since a moment, pauses not counted.
    pub async fn live(&self, since: Moment, time: Duration) {
        loop {
            let paused = self.paused().saturating_sub(since.paused);
            let left = time.saturating_sub(since.at.elapsed().saturating_sub(paused));
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.max(LOOK.min(time))).await;
        }
    }

    /// Has the child take turns while it is silent.
    pub async fn take(&self, process: &Process) -> Infallible {
        let mut silent = self.silent.subscribe();
        loop {
            let _ = silent.wait_for(|silent| *silent).await;
            let turn = match TURNS.try_acquire() {
                Ok(turn) => Ok(turn),
                Err(_) => {
                    let _pause = Pause::begin(self, process);
                    tokio::select! {
                        turn = TURNS.acquire() => turn,
                        _ = silent.wait_for(|silent| !*silent) => continue,
                    }
                }
            };
            let _ = tokio::time::timeout(TURN, silent.wait_for(|silent| !*silent)).await;
            drop(turn);
        }
    }

    fn paused(&self) -> Duration {
        let pauses = self.lock();
        pauses.over + pauses.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pauses> {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives, the child stands still.
struct Pause<'a> {
    turns: &'a Turns,
    process: &'a Process,
}

impl<'a> Pause<'a> {
    fn begin(turns: &'a Turns, process: &'a Process) -> Self {
        turns.lock().since = Some(Instant::now());
        process.pause();
        Self { turns, process }
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        self.process.resume();
        let mut pauses = self.turns.lock();
        if let Some(since) = pauses.since.take() {
            pauses.over += since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::child::Limits;

    fn is_stopped(process: &Process) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid)).unwrap();
        stat.rsplit(')').next().unwrap().trim().starts_with('T')
    }

    #[tokio::test]
    async fn of_more_silent_children_than_cores_some_stand_still_and_none_that_has_news() {
        let cores = std::thread::available_parallelism().unwrap().get();
        let start = |_| {
            let mut command = Command::new("cat");
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            Process::start(&mut command, &Limits::default()).unwrap()
        };
        let started: Vec<_> = (0..cores + 2).map(start).collect();
        let (children, _pipes): (Vec<_>, Vec<_>) = started.into_iter().map(|(process, pipes)| ((process, Turns::new()), pipes)).unzip();
        let living = futures::future::join_all(children.iter().map(|(process, turns)| turns.take(process)));
        let stopped = || children.iter().filter(|(process, _)| is_stopped(process)).count();
        let checks = async {
            assert_eq!(stopped(), 0);
            children.iter().for_each(|(_, turns)| turns.set_silent(true));
            while stopped() < 2 {
                tokio::task::yield_now().await;
            }
            // Everybody's turn comes, and everybody waits for it: what they missed is no part of their life.
            let begun: Vec<Moment> = children.iter().map(|(_, turns)| turns.now()).collect();
            while children.iter().zip(&begun).any(|((_, turns), begun)| turns.paused() == begun.paused) {
                tokio::task::yield_now().await;
            }
            for ((_, turns), begun) in children.iter().zip(begun) {
                let all = begun.at.elapsed();
                turns.live(begun, all).await;
                assert!(begun.at.elapsed() - (turns.paused() - begun.paused) >= all, "it was given the time in which it stood still");
            }
            children.iter().for_each(|(_, turns)| turns.set_silent(false));
            while stopped() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = living => unreachable!("turns do not end"),
            () = checks => {}
        }
    }

    #[tokio::test]
    async fn a_child_that_stands_still_goes_on_when_nobody_looks_after_its_turns_any_more() {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (mut process, pipes) = Process::start(&mut command, &Limits::default()).unwrap();
        let turns = Turns::new();
        let pause = Pause::begin(&turns, &process);
        while !is_stopped(&process) {
            tokio::task::yield_now().await;
        }
        drop(pause);
        drop(pipes);
        let (status, _) = process.wait().await.unwrap();
        assert!(status.success());
    }
}
