//! What a handler needs from the world: configuration, database, objects, signatures, the bell and the clock.

use std::sync::Arc;

use anyhow::{Context, Result};
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::breaker::Breakers;
use crate::config::Config;
use crate::db::Replica;
use crate::forecast::Forecaster;
use crate::http::Tokens;
use crate::jobs::Pools;
use crate::queue::Queue;
use crate::store::{Incoming, ObjectStore, SourcesCache, UrlSigner};

/// Cheap to clone; the same for HTTP handlers and jobs.
#[derive(Clone)]
pub struct Env {
    pub config: Arc<Config>,
    /// What is set for each stage, as operators have it now.
    pub pools: Arc<Pools>,
    /// When what is on its way will be ready.
    pub forecaster: Arc<Forecaster>,
    pub db: PgPool,
    /// For heavy questions that may be answered a little behind.
    pub replica: Replica,
    pub store: Arc<dyn ObjectStore>,
    /// Sources that several jobs of this host read.
    pub sources: Arc<SourcesCache>,
    pub signer: Arc<UrlSigner>,
    pub tokens: Arc<Tokens>,
    pub bell: Arc<dyn Queue>,
    pub clock: Clock,
    /// Which services are known to be away.
    pub breakers: Breakers,
}

impl Env {
    /// A new folder for working files, removed when dropped. What a killed process leaves, the janitor sweeps.
    pub fn scratch(&self, name: &str) -> Result<tempfile::TempDir> {
        let root = &self.config.paths.scratch;
        std::fs::create_dir_all(root).with_context(|| format!("create {}", root.display()))?;
        tempfile::Builder::new().prefix(&format!("{name}.")).tempdir_in(root).context("create a scratch folder")
    }

    /// A place for bytes that arrive, hashed as they come.
    pub async fn incoming(&self) -> Result<Incoming> {
        Incoming::new(&self.config.paths.scratch).await
    }
}

/// The time of day. Tests hold it still.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    fixed: Option<OffsetDateTime>,
}

impl Clock {
    /// The machine's clock.
    pub fn real() -> Self {
        Self { fixed: None }
    }

    /// A clock that stands still.
    pub fn fixed(at: OffsetDateTime) -> Self {
        Self { fixed: Some(at) }
    }

    /// Now, in UTC.
    pub fn now(&self) -> OffsetDateTime {
        self.fixed.unwrap_or_else(OffsetDateTime::now_utc)
    }
}
