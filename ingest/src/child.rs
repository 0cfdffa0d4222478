//! What the disposable process does: read one document and cut it into chunks.
//!
//! The parent's side is `read_document`. This side gets a request with paths and limits, knows no database and no
//! store, and may die at any moment without harm.

use std::path::PathBuf;

use kernel::child::ChildFailure;
use kernel::jobs::Class;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chunk::{self, Chunk, tokens::Tokens};
use crate::extract::{self, Budget, ExtractError, Extracted};
use crate::sniff::Format;

/// What to read, and with what.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// The document; relative to the child's folder.
    pub path: PathBuf,
    pub format: Format,
    /// `libpdfium.so`.
    pub pdfium: PathBuf,
    /// The embedding model's `tokenizer.json`.
    pub tokenizer: PathBuf,
    pub budget: Budget,
}

/// What was read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reading {
    #[serde(flatten)]
    pub extracted: Extracted,
    pub chunks: Vec<Chunk>,
}

/// Answers a [`Request`] with a [`Reading`]. Progress counts pages.
///
/// # Errors
/// Poison with the code of a [`crate::refusal::Refusal`]; a missing library or tokenizer is a failed dependency.
pub fn run(request: Value, progress: &mut dyn FnMut(u64, u64)) -> Result<Value, ChildFailure> {
    let request: Request = serde_json::from_value(request).map_err(|error| ours(Class::Transient, &error))?;
    let tokens = Tokens::load(&request.tokenizer).map_err(|error| ours(Class::Dependency, &error))?;
    let extracted = extract::extract(&request.path, request.format, &request.pdfium, request.budget, progress).map_err(failure)?;
    let chunks = chunk::chunk(&extracted, &tokens);
    serde_json::to_value(Reading { extracted, chunks }).map_err(|error| ours(Class::Transient, &error))
}

fn failure(error: ExtractError) -> ChildFailure {
    match error {
        ExtractError::Refused(refusal) => ChildFailure::poison(refusal.code(), refusal.to_string()),
        ExtractError::Io(error) => ours(Class::Transient, &error),
        ExtractError::Pdfium(missing) => ours(Class::Dependency, &missing),
    }
}

/// A failure that is not the document's fault.
fn ours(class: Class, error: &dyn std::error::Error) -> ChildFailure {
    ChildFailure {
        class,
        code: if class == Class::Dependency { "reader_unavailable".into() } else { "internal".into() },
        reason: "something went wrong on our side; it is being tried again".into(),
        detail: Some(error.to_string()),
    }
}
