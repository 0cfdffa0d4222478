//! The doorbell: says that a stage has something to claim. It carries no work, so nothing can be lost with it; a
//! sweep rings again for whatever is due.

mod postgres;

use async_trait::async_trait;

pub use postgres::PostgresBell;

use crate::jobs::Stage;

/// A doorbell per stage.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Wakes one waiter of the stage in this process, or the next one to come.
    fn ring(&self, stage: Stage);
    /// Returns when the stage's bell has rung since the last call.
    async fn wait(&self, stage: Stage);
    /// The ledger was asked since the last [`Queue::wait`] and gave `claimed` jobs: so many rings are answered, all
    /// of them when there was nothing. A broker's messages are acknowledged here, after the claim and before the work.
    async fn answered(&self, _stage: Stage, _claimed: usize) {}
}
