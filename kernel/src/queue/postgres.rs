//! The doorbell of the embedded mode: `NOTIFY` in the enqueuing transaction, which PostgreSQL delivers on commit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tracing::{info, warn};

use super::Queue;
use crate::jobs::Stage;

/// The channel; the payload is the stage's name and the job's id. Equal payloads of one transaction arrive as one.
pub const CHANNEL: &str = "learnhub_jobs";

/// Bells of this process, rung by a listener on the database.
pub struct PostgresBell {
    stages: BTreeMap<Stage, Notify>,
    connected: AtomicBool,
}

impl PostgresBell {
    /// Until it listens, only the sweep and this process itself ring; enough for a program that runs no workers.
    pub fn silent() -> Arc<Self> {
        let stages = Stage::ALL.iter().map(|stage| (*stage, Notify::new())).collect();
        Arc::new(Self { stages, connected: AtomicBool::new(false) })
    }

    /// Rings for notifications until the connection is lost. Those that came before are gone: every bell rings once.
    async fn relay(&self, db: &PgPool) -> sqlx::Result<()> {
        let mut listener = PgListener::connect_with(db).await?;
        listener.listen(CHANNEL).await?;
        for stage in Stage::ALL {
            self.ring(stage);
        }
        self.connected.store(true, Ordering::Relaxed);
        info!("the doorbell listens");
        // None means that the connection was lost.
        while let Some(note) = listener.try_recv().await? {
            match stage(note.payload()) {
                Some(stage) => self.ring(stage),
                None => warn!("a notification for an unknown stage: {:?}", note.payload()),
            }
        }
        Ok(())
    }
}

/// The stage that a notification is about.
pub fn stage(payload: &str) -> Option<Stage> {
    payload.split(' ').next().and_then(|name| name.parse().ok())
}

#[async_trait]
impl Queue for PostgresBell {
    async fn listen(self: Arc<Self>, db: PgPool) -> Result<()> {
        tokio::spawn(async move {
            while !db.is_closed() {
                let ended = self.relay(&db).await;
                self.connected.store(false, Ordering::Relaxed);
                if let Err(error) = ended
                    && !db.is_closed()
                {
                    warn!("the doorbell lost its connection and tries again: {error:#}");
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
        Ok(())
    }

    fn connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    fn ring(&self, stage: Stage) {
        self.stages[&stage].notify_one();
    }

    async fn wait(&self, stage: Stage) {
        self.stages[&stage].notified().await;
    }
}
