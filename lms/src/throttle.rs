//! How often one account's password may be guessed.
//!
//! Counted per account name, whether or not it exists, in this process's memory: with several API processes the limit is
//! that many times higher. Somebody who guesses can keep the owner from signing in for a while, but not from
//! working on: sessions are renewed without a password. Limits per address belong to the proxy in front.

use std::collections::HashMap;
use std::sync::Mutex;

use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

/// Attempts without success that one account gets per window. NIST SP 800-63B (5.2.2) asks for at most 100 in a row.
const ATTEMPTS: u32 = 10;
const WINDOW: Duration = Duration::minutes(15);
/// From this many accounts on, those whose window is over are forgotten. What stays is bounded by how many passwords can
/// be hashed in a window.
const MANY: usize = 1024;

/// Counts attempts to sign in.
#[derive(Default)]
pub struct Throttle(Mutex<HashMap<[u8; 32], Attempts>>);

struct Attempts {
    since: OffsetDateTime,
    count: u32,
}

impl Throttle {
    /// Counts an attempt; Err with the time to wait when there have been too many. Counted before the password is
    /// looked at, so that a thousand attempts at once are not all let through.
    pub fn attempt(&self, account: &str, now: OffsetDateTime) -> Result<(), Duration> {
        let mut all = self.lock();
        if all.len() >= MANY {
            all.retain(|_, attempts| now - attempts.since < WINDOW);
        }
        let attempts = all.entry(key(account)).or_insert(Attempts { since: now, count: 0 });
        if now - attempts.since >= WINDOW {
            *attempts = Attempts { since: now, count: 0 };
        }
        if attempts.count >= ATTEMPTS {
            return Err(WINDOW - (now - attempts.since));
        }
        attempts.count += 1;
        Ok(())
    }

    /// The password was right: the count starts anew.
    pub fn succeeded(&self, account: &str) {
        self.lock().remove(&key(account));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Attempts>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A name of any length as 32 bytes.
fn key(account: &str) -> [u8; 32] {
    Sha256::digest(account).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_end_and_begin_again_with_the_next_window() {
        let throttle = Throttle::default();
        let now = OffsetDateTime::UNIX_EPOCH;
        for _ in 0..ATTEMPTS {
            assert_eq!(throttle.attempt("ada", now), Ok(()));
        }
        assert_eq!(throttle.attempt("ada", now + Duration::minutes(5)), Err(Duration::minutes(10)));
        assert_eq!(throttle.attempt("eve", now), Ok(()), "others are not concerned");
        assert_eq!(throttle.attempt("ada", now + WINDOW), Ok(()));
    }

    #[test]
    fn success_clears_the_count_and_old_names_are_forgotten() {
        let throttle = Throttle::default();
        let now = OffsetDateTime::UNIX_EPOCH;
        for _ in 0..3 * ATTEMPTS {
            assert_eq!(throttle.attempt("ada", now), Ok(()));
            throttle.succeeded("ada");
        }
        for n in 0..MANY {
            assert_eq!(throttle.attempt(&n.to_string(), now), Ok(()));
        }
        assert_eq!(throttle.attempt("ada", now + WINDOW), Ok(()));
        assert_eq!(throttle.lock().len(), 1);
    }
}
