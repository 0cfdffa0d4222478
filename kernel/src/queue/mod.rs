//! The doorbell: says that a stage has something to claim. It carries no work, so nothing can be lost with it; a
//! sweep rings again for whatever is due.

mod postgres;
pub mod rabbitmq;

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use sqlx::PgPool;

pub use postgres::PostgresBell;
pub use rabbitmq::RabbitBell;

use crate::jobs::Stage;

/// A doorbell per stage.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Begins to hear what other processes ring, until the pool is closed; reconnects by itself.
    ///
    /// Fails, with the key to correct, when what carries the rings cannot be used as it is configured.
    async fn listen(self: Arc<Self>, db: PgPool) -> Result<()>;
    /// Whether rings of other processes arrive at present. While they do not, the sweep still rings.
    fn connected(&self) -> bool;
    /// Wakes one waiter of the stage in this process, or the next one to come.
    fn ring(&self, stage: Stage);
    /// Returns when the stage's bell has rung since the last call.
    async fn wait(&self, stage: Stage);
    /// The ledger was asked since the last [`Queue::wait`] and gave `claimed` jobs: so many rings are answered, all
    /// of them when there was nothing. A broker's messages are acknowledged here, after the claim and before the work.
    async fn answered(&self, _stage: Stage, _claimed: usize) {}
}
