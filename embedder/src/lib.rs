//! Texts to vectors: the model (all-MiniLM-L6-v2 on ONNX Runtime, through fastembed) and the vectors' table (pgvector).
//!
//! Owns the `embeddings` table, which exists only where pgvector does, and the `EmbedChunks` job. It does not decide
//! what is near to what for whom: that is `search-api`, with the filter of who may see what inside the query.
//!
//! Everything else works without this room. Where the model, the runtime library or the extension is missing, the
//! answer is an [`Unavailable`] that says what is missing and how to mend it; nothing panics and nothing is guessed.

mod batches;
mod embed_chunks;
mod handle;
mod model;
mod queries;
mod runtime;
pub mod schema;
pub mod vectors;

use kernel::jobs::Runner;

pub use handle::Handle;
pub use model::{Embedder, MAX_TOKENS, MODEL, VERSION, Vector, WIDTH};
pub use runtime::Unavailable;

/// Adds the `EmbedChunks` job. It ends at once where vectors are switched off, and waits for the model (as a failed
/// dependency) where they are wanted and it is not there.
pub fn register(runner: &mut Runner, embedder: Handle) {
    embed_chunks::register(runner, embedder);
}
