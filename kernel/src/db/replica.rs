//! A read-only copy of the database, for questions that are heavy and may be a little behind.
//!
//! How far it is behind is measured, not asked: the copy's position in the log is compared with where the database
//! itself was a while ago. So a copy that has lost its connection is behind, and one with nothing to do is not.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sqlx::postgres::PgConnectOptions;
use sqlx::{PgPool, Postgres, Transaction};
use tracing::{info, warn};

use crate::config;

/// How long a verdict on the copy holds.
const VERDICT_HOLDS: Duration = Duration::from_secs(1);

/// The database and, if there is one, its copy. Cheap to clone.
#[derive(Clone)]
pub struct Replica {
    primary: PgPool,
    copy: Option<PgPool>,
    max_lag: Duration,
    seen: Arc<Mutex<Seen>>,
}

/// A position in the write-ahead log, in bytes.
type Position = i64;

#[derive(Debug, Default)]
struct Seen {
    /// Where the database was, and when; oldest first.
    primary: VecDeque<(Instant, Position)>,
    verdict: Option<(Instant, bool)>,
}

impl Seen {
    fn note(&mut self, now: Instant, position: Position, keep: Duration) {
        self.primary.push_back((now, position));
        while self.primary.len() > 1 && self.primary.get(1).is_some_and(|(at, _)| now.duration_since(*at) > keep) {
            self.primary.pop_front();
        }
    }

    /// How old what the copy shows is at most; None when it is older than everything that was noted.
    fn lag(&self, now: Instant, copy: Position) -> Option<Duration> {
        self.primary.iter().rev().find(|(_, position)| *position <= copy).map(|(at, _)| now.duration_since(*at))
    }
}

impl Replica {
    /// No copy: everything is asked of the database itself.
    pub fn none(primary: PgPool) -> Self {
        Self { primary, copy: None, max_lag: Duration::ZERO, seen: Arc::default() }
    }

    /// A copy at this address. Whether it answers is found out when it is asked.
    pub fn new(primary: PgPool, options: PgConnectOptions, settings: &config::Database) -> Self {
        let mut settings = settings.clone();
        // Whoever searches should not wait for a copy when the database itself is there.
        settings.acquire_timeout_seconds = settings.acquire_timeout_seconds.min(1.0);
        let copy = super::pool(super::with_settings(options, &settings), &settings);
        let max_lag = Duration::from_secs_f64(settings.replica_max_lag_seconds);
        Self { primary, copy: Some(copy), max_lag, seen: Arc::default() }
    }

    /// A transaction for reading: on the copy when it answers and is not too far behind, else on the database itself.
    /// What is read so may be behind: who may see what must be read from the database itself.
    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>> {
        if let Some(copy) = &self.copy
            && self.fresh(copy).await
        {
            match copy.begin().await {
                Ok(tx) => return Ok(tx),
                Err(error) => self.judge(Err(error.into())),
            };
        }
        self.primary.begin().await.context("begin to read")
    }

    async fn fresh(&self, copy: &PgPool) -> bool {
        let last = self.lock().verdict;
        if let Some((at, verdict)) = last
            && at.elapsed() < VERDICT_HOLDS
        {
            return verdict;
        }
        let asked = async {
            let (now, there) = (Instant::now(), position(&self.primary).await?);
            self.lock().note(now, there, self.max_lag + VERDICT_HOLDS * 2);
            let here = position(copy).await?;
            Ok(self.lock().lag(Instant::now(), here))
        };
        let asked = asked.await;
        self.judge(asked)
    }

    /// Takes a verdict, and says so in the log when it is another one than before.
    fn judge(&self, lag: Result<Option<Duration>>) -> bool {
        let fresh = matches!(lag, Ok(Some(lag)) if lag <= self.max_lag);
        let before = self.lock().verdict.replace((Instant::now(), fresh));
        if before.is_none_or(|(_, before)| before != fresh) {
            match lag {
                Ok(_) if fresh => info!("search reads from the replica"),
                Ok(_) => warn!("the replica is more than {:?} behind; search reads from the database itself", self.max_lag),
                Err(error) => {
                    warn!("the replica does not answer, search reads from the database itself; check database.replica_url: {error:#}")
                }
            }
        }
        fresh
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a server is in the log: what it has written, or, as a copy, what it shows of what it was sent.
async fn position(db: &PgPool) -> Result<Position> {
    sqlx::query_scalar(
        "select (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end - '0/0'::pg_lsn)::bigint",
    )
    .fetch_one(db)
    .await
    .context("ask for the position in the log")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestEnv;

    #[test]
    fn lag_is_the_age_of_the_newest_position_that_the_copy_has_reached() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut seen = Seen::default();
        for (second, position) in [(0, 100), (1, 200), (2, 200), (3, 500)] {
            seen.note(at(second), position, Duration::from_secs(60));
        }
        assert_eq!(seen.lag(at(3), 500), Some(Duration::ZERO));
        assert_eq!(seen.lag(at(3), 499), Some(Duration::from_secs(1)), "as the database was at second 2");
        assert_eq!(seen.lag(at(3), 150), Some(Duration::from_secs(3)));
        assert_eq!(seen.lag(at(3), 99), None);
        assert_eq!(seen.lag(at(9), 500), Some(Duration::from_secs(6)), "until the database is asked again");
    }

    #[test]
    fn a_copy_that_stands_still_falls_behind_and_an_idle_database_makes_none_late() {
        let start = Instant::now();
        let (mut busy, mut idle) = (Seen::default(), Seen::default());
        let keep = Duration::from_secs(5);
        for second in 0..100 {
            let now = start + Duration::from_secs(second);
            busy.note(now, 100 + second as i64, keep);
            idle.note(now, 100, keep);
        }
        let now = start + Duration::from_secs(99);
        assert_eq!(busy.lag(now, 100), None, "forgotten positions are long ago");
        assert!(busy.primary.len() < 10);
        assert_eq!(idle.lag(now, 100), Some(Duration::ZERO));
    }

    async fn served_by(replica: &Replica) -> String {
        let mut tx = replica.begin().await.unwrap();
        sqlx::query_scalar("select current_database()::text").fetch_one(&mut *tx).await.unwrap()
    }

    #[tokio::test]
    async fn the_copy_is_asked_while_it_keeps_up_and_the_database_itself_when_it_is_away() {
        // Another database of the same server has the same log, and so is a copy that is never behind.
        let (test, other) = (TestEnv::new().await, TestEnv::new().await);
        let ours: String = sqlx::query_scalar("select current_database()::text").fetch_one(&test.env.db).await.unwrap();
        let theirs: String = sqlx::query_scalar("select current_database()::text").fetch_one(&other.env.db).await.unwrap();
        let settings = &test.env.config.database;
        let copy = std::sync::Arc::unwrap_or_clone(other.env.db.connect_options());
        assert_eq!(served_by(&Replica::new(test.env.db.clone(), copy, settings)).await, theirs);
        let dead = super::super::options("postgres://nobody@127.0.0.1:1/nothing", "database.replica_url").unwrap();
        assert_eq!(served_by(&Replica::new(test.env.db.clone(), dead, settings)).await, ours);
        assert_eq!(served_by(&Replica::none(test.env.db.clone())).await, ours);
    }
}
