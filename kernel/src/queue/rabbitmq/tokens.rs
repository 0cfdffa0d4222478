//! One stage's messages in this process: delivered, not acknowledged yet. Each is a token that says "ask the ledger".

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use lapin::Acker;
use lapin::options::BasicAckOptions;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::broker::in_time;

/// The tokens of a stage, and who waits for them.
#[derive(Default)]
pub struct Tokens {
    state: Mutex<State>,
    /// A token came, or this process itself rang.
    came: Notify,
    /// Somebody began to wait.
    wanted: Notify,
}

#[derive(Default)]
struct State {
    /// Oldest first, all of one channel.
    held: VecDeque<Held>,
    /// How many of them, from the oldest on, the last wait returned for and nobody has answered. What came later may
    /// stand for a job that was not there yet when the ledger was asked.
    offered: usize,
    rung: bool,
    waiting: usize,
}

struct Held {
    acker: Acker,
    since: Instant,
}

impl Tokens {
    /// Wakes a waiter without a token.
    pub fn ring(&self) {
        self.lock().rung = true;
        self.came.notify_one();
    }

    /// Returns when there is a token that was not offered yet, or this process rang.
    pub async fn wait(&self) {
        let _waiting = Waiting::begin(self);
        loop {
            {
                let mut state = self.lock();
                if state.rung || state.held.len() > state.offered {
                    state.rung = false;
                    state.offered = state.held.len();
                    return;
                }
            }
            self.came.notified().await;
        }
    }

    /// Acknowledges as many of the offered tokens as gave a job, and all of them when none did. The others count as
    /// not offered, so that the next wait returns for them.
    pub async fn answered(&self, claimed: usize) {
        let last = {
            let mut state = self.lock();
            let count = if claimed == 0 { state.offered } else { claimed.min(state.offered) };
            state.offered = 0;
            state.held.drain(..count).next_back()
        };
        if let Some(last) = last {
            // A channel that was lost meanwhile delivers them again, which costs an empty claim. A broker that dies just now may never
            // let this end, and a stage must not stand still for that.
            let _ = in_time("ack", last.acker.ack(BasicAckOptions { multiple: true })).await;
        }
    }

    /// A token was delivered.
    pub fn hold(&self, acker: Acker) {
        self.lock().held.push_back(Held { acker, since: Instant::now() });
        self.came.notify_one();
    }

    /// The channel is gone, and with it the right to acknowledge: the broker delivers them again, here or elsewhere.
    pub fn forget(&self) {
        let mut state = self.lock();
        state.held.clear();
        state.offered = 0;
    }

    /// Returns when somebody waits.
    pub async fn wanted(&self) {
        while self.lock().waiting == 0 {
            self.wanted.notified().await;
        }
    }

    /// Returns when the oldest token has been held so long, while nobody waits or whoever took it does not answer.
    /// Never without a token: ask again when one came.
    pub async fn stale(&self, limit: Duration) {
        while let Some(since) = self.oldest() {
            tokio::time::sleep_until(since + limit).await;
            if self.oldest() != Some(since) {
                continue;
            }
            {
                let state = self.lock();
                if state.waiting == 0 || state.offered > 0 {
                    return;
                }
            }
            // Somebody waits for it and is about to be woken.
            tokio::time::sleep(limit).await;
        }
        std::future::pending().await
    }

    fn oldest(&self) -> Option<Instant> {
        self.lock().held.front().map(|held| held.since)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Counts a waiter, also one that is dropped while it waits.
struct Waiting<'a>(&'a Tokens);

impl<'a> Waiting<'a> {
    fn begin(tokens: &'a Tokens) -> Self {
        tokens.lock().waiting += 1;
        tokens.wanted.notify_one();
        Self(tokens)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting -= 1;
    }
}
