//! The full-text index: what it holds, the one writer that keeps it up to date, and the reader that asks it.
//!
//! The index is derived state: a function of the rows in Postgres, thrown away and made again whenever it is missing,
//! damaged or of another version. `index_dirty` says which assets changed; the writer commits the index first and only
//! then forgets the marks, so that being killed in between costs a repetition and never a document.
//!
//! It does not know who may see what, nor that vectors exist: the caller brings the visible courses as a filter that
//! is applied inside the query (see [`Scope`]), and fuses and renders what is found.

mod cli;
mod entry;
mod folder;
mod marks;
mod question;
mod reader;
mod rebuild;
mod schema;
mod search;
#[cfg(test)]
mod tests;
mod update_index;
mod visible;
mod words;
mod writer;

use std::sync::Arc;

use anyhow::Result;
use kernel::env::Env;
use kernel::events::Cause;
use kernel::jobs::{self, Runner};
use kernel::pipeline::UpdateIndex;

pub use cli::{Rebuilt, rebuild, status};
pub use question::{MAX_WORDS, Question, TooLong, Unfinished};
pub use reader::{Reader, Status, Trouble};
pub use schema::VERSION;
pub use search::{Found, LexicalHit, Scope};
pub use words::{Word, words};
pub use writer::Writer;

/// Adds the `UpdateIndex` job, with a writer that lives as long as the process.
pub fn register(runner: &mut Runner) {
    let writer = Arc::new(Writer::new(&runner.env().config.paths.index));
    update_index::register(runner, writer);
}

/// At the start of a server: asks for the index to be made or made again when it is missing, of another version, or
/// distrusted. Cheap when it is well.
pub async fn start(env: &Env) -> Result<()> {
    if folder::Root::new(&env.config.paths.index).needs_rebuild() {
        ask_for_update(env).await?;
    }
    Ok(())
}

/// Asks for the index to be made again, because reading it failed. The job finds out what it needs.
pub async fn repair(env: &Env) -> Result<()> {
    folder::Root::new(&env.config.paths.index).distrust()?;
    ask_for_update(env).await
}

async fn ask_for_update(env: &Env) -> Result<()> {
    let mut conn = env.db.acquire().await?;
    jobs::enqueue(&mut conn, UpdateIndex {}, &Cause::default()).await
}
