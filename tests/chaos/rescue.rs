//! How long a job stood still whose worker was killed: from the death to the start of its next attempt.

use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::PgPool;
use uuid::Uuid;

/// Job, attempt, state, and when the attempt began.
type Row = (Uuid, i32, String, Option<f64>);

struct Open {
    job: Uuid,
    attempt: i32,
    /// Seconds since 1970, the clock of this machine and so of the database.
    died: f64,
}

/// Jobs that wait to be taken up again, and how long others had to.
#[derive(Default)]
pub struct Rescues {
    open: Mutex<Vec<Open>>,
    seconds: Mutex<Vec<f64>>,
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

impl Rescues {
    /// A worker has died: whatever it held is waiting from now on.
    pub async fn died(&self, db: &PgPool, pid: i32) {
        let died = now();
        for _ in 0..40 {
            let held: sqlx::Result<Vec<(Uuid, i32)>> =
                sqlx::query_as("select id, attempt from jobs where state = 'running' and split_part(worker, ':', 3) = $1::text")
                    .bind(pid.to_string())
                    .fetch_all(db)
                    .await;
            if let Ok(held) = held {
                self.open.lock().expect("rescues").extend(held.into_iter().map(|(job, attempt)| Open { job, attempt, died }));
                return;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Looks until the end of the run who was taken up again.
    pub async fn watch(&self, db: &PgPool) {
        loop {
            tokio::time::sleep(Duration::from_millis(150)).await;
            let ids: Vec<Uuid> = self.open.lock().expect("rescues").iter().map(|open| open.job).collect();
            if ids.is_empty() {
                continue;
            }
            let rows: sqlx::Result<Vec<Row>> =
                sqlx::query_as("select id, attempt, state, extract(epoch from started_at)::float8 from jobs where id = any($1)")
                    .bind(&ids)
                    .fetch_all(db)
                    .await;
            let Ok(rows) = rows else { continue };
            let mut seconds = self.seconds.lock().expect("rescues");
            self.open.lock().expect("rescues").retain(|open| {
                let Some((_, attempt, state, started)) = rows.iter().find(|row| row.0 == open.job) else { return false };
                if *attempt > open.attempt {
                    let started = started.filter(|_| *attempt == open.attempt + 1).unwrap_or_else(now);
                    seconds.push((started - open.died).max(0.0));
                    return false;
                }
                // Ended by the dead worker's last commit, or superseded by a twin: there is nothing to wait for.
                !matches!(state.as_str(), "done" | "dead" | "cancelled")
            });
        }
    }

    /// How many were taken up again, and the median and 99th percentile of seconds. What still waits counts until now.
    pub fn summary(&self) -> (usize, f64, f64) {
        let mut all = self.seconds.lock().expect("rescues").clone();
        all.extend(self.open.lock().expect("rescues").iter().map(|open| now() - open.died));
        all.sort_by(f64::total_cmp);
        let at = |share: f64| all.get(((all.len() as f64 * share).ceil() as usize).saturating_sub(1)).copied().unwrap_or(0.0);
        (all.len(), at(0.5), at(0.99))
    }
}
