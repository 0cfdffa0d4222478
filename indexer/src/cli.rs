//! `learnhub index rebuild` and `learnhub index status`. What to print is the caller's business.

use std::collections::HashMap;

use anyhow::Result;
use kernel::env::Env;
use kernel::events::Cause;
use kernel::id::AssetId;

use crate::reader::{Reader, Status};
pub use crate::rebuild::Rebuilt;
use crate::writer::Writer;

/// Makes the whole index anew and swaps it in. Works beside a running server: it waits until the server's writer is
/// idle, searches go on in the old index until the swap, and the server's writer follows.
pub async fn rebuild(env: &Env, mut report: impl FnMut(u64, u64) + Send) -> Result<Rebuilt> {
    let writer = Writer::new(&env.config.paths.index);
    let mut exclusive = writer.exclusive(env).await?;
    let rebuilt = crate::rebuild::rebuild(env, &mut exclusive, &Cause::default(), &mut report).await?;
    exclusive.release().await?;
    Ok(rebuilt)
}

/// Whether the index can be read, checked against its checksums, and the chunks it holds per asset (the doctor
/// compares them with the rows).
pub async fn status(env: &Env) -> Result<(Status, HashMap<AssetId, u64>)> {
    let reader = Reader::new(&env.config.paths.index);
    tokio::task::spawn_blocking(move || Ok((reader.status()?, reader.counts()?))).await?
}
