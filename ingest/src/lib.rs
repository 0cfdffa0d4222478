//! The ingest room: uploads come in, are told apart by their bytes, read and cut into chunks.
//!
//! Core, without database or runtime: [`sniff`] (what is this file), [`extract`] (what does it say, where),
//! [`chunk`] (the pieces that are embedded and indexed). The core's readers run only inside a disposable child
//! process, whose entry is [`child`]. It does not look into recordings, which is `transcode`'s business, and makes
//! neither vectors nor an index.
//!
//! Shell: [`upload`] and [`http`] take files in, `edit_captions` lets captions be corrected, [`replace`] and `versions` give an
//! asset another source, [`register`] adds the jobs that read them and that publish assets (`switch`: in place of others).

pub mod child;
pub mod chunk;
pub mod cli;
mod edit_captions;
pub mod extract;
mod extract_document;
pub mod http;
mod ingest_upload;
mod publish;
mod read_document;
pub mod refusal;
pub mod replace;
pub mod sniff;
mod switch;
#[cfg(test)]
mod tests;
pub mod upload;
mod versions;

use kernel::env::Env;
use kernel::jobs::Runner;
use utoipa_axum::router::OpenApiRouter;

pub use extract_document::CAPTIONS;

/// Every route of this room, relative to `/api/v1`.
pub fn router() -> OpenApiRouter<Env> {
    http::router().merge(edit_captions::router()).merge(versions::router())
}

/// Adds the handlers of `IngestUpload`, `ExtractDocument` and `PublishAsset`.
pub fn register(runner: &mut Runner) {
    runner.on(ingest_upload::ingest_upload);
    runner.on(extract_document::extract_document);
    runner.on(publish::publish_asset);
}
