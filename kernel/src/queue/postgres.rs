//! The doorbell of the embedded mode: `NOTIFY` in the enqueuing transaction, which PostgreSQL delivers on commit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

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
}

impl PostgresBell {
    /// Without the listener only the sweep and this process itself ring; enough for a program that runs no workers.
    pub fn silent() -> Arc<Self> {
        Arc::new(Self { stages: Stage::ALL.iter().map(|stage| (*stage, Notify::new())).collect() })
    }

    /// Listens until the pool is closed; reconnects by itself and then rings every bell once, since
    /// notifications that came meanwhile are gone.
    pub fn listen(self: &Arc<Self>, db: PgPool) -> tokio::task::JoinHandle<()> {
        let bell = self.clone();
        tokio::spawn(async move {
            while !db.is_closed() {
                if let Err(error) = bell.relay(&db).await
                    && !db.is_closed()
                {
                    warn!("the doorbell lost its connection and tries again: {error:#}");
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        })
    }

    async fn relay(&self, db: &PgPool) -> sqlx::Result<()> {
        let mut listener = PgListener::connect_with(db).await?;
        listener.listen(CHANNEL).await?;
        info!("the doorbell listens");
        for stage in Stage::ALL {
            self.ring(stage);
        }
        // None means that the connection was lost.
        while let Some(note) = listener.try_recv().await? {
            match note.payload().split(' ').next().unwrap_or_default().parse::<Stage>() {
                Ok(stage) => self.ring(stage),
                Err(_) => warn!("a notification for an unknown stage: {:?}", note.payload()),
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Queue for PostgresBell {
    fn ring(&self, stage: Stage) {
        self.stages[&stage].notify_one();
    }

    async fn wait(&self, stage: Stage) {
        self.stages[&stage].notified().await;
    }
}
