//! Reading a document in a disposable child: the parent's side, with a server or without.
//!
//! Owns the child's limits and what its death means. A child that crashes over a PDF gets one more chance without
//! the structure reader, since text is worth more than an outline.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kernel::child::ending::code;
use kernel::child::{self, Limits};
use kernel::config::{Config, Pool};
use kernel::jobs::{Class, Ctx, Failure, Stage};
use tracing::warn;

use crate::child::{Reading, Request};
use crate::extract::Budget;
use crate::refusal::Refusal;
use crate::sniff::Format;

/// Name of the file in the scratch folder: the name that was uploaded never becomes a path.
pub const SOURCE: &str = "source";
/// The name under which the binary runs [`crate::child::run`].
pub const CHILD: &str = "extract";
/// Where the loader finds what PDFium needs: it is opened in the child, and not every program has all of that already.
const LIBRARIES: [&str; 4] = ["/etc/ld.so.cache", "/lib", "/lib64", "/usr/lib"];
/// A page that takes longer than this is not read.
const STALL: Duration = Duration::from_secs(30);

/// Reads `dir`/[`SOURCE`] for a job.
///
/// # Errors
/// Poison when the document is refused or makes the reader fail twice; dependency when a library is missing.
pub async fn for_job(ctx: &Ctx, format: Format, dir: &Path) -> Result<Reading, Failure> {
    let config = &ctx.env.config;
    let limits = limits(config, &ctx.env.pools.get(Stage::Extract), &dir.join(SOURCE))?;
    let first = request(config, format, &limits);
    match ctx.child(CHILD, &first, limits.clone(), dir).await {
        Err(failure) if is_death(&failure) && format == Format::Pdf => {
            warn!(job.id = %ctx.job.id, "reading a PDF again without its structure, since its reader died: {failure}");
            ctx.child(CHILD, &without_structure(first), limits, dir).await.map_err(final_word)
        }
        outcome => outcome.map_err(|failure| if ctx.job.failures > 0 { final_word(failure) } else { failure }),
    }
}

/// Reads any file of this machine without a server: copied to a folder of its own, read in a child. `report` gets
/// pages done and pages in all.
///
/// # Errors
/// As [`for_job`]; also when the file cannot be copied.
pub async fn from_path(config: &Config, path: &Path, format: Format, report: impl Fn(u64, u64)) -> Result<Reading, Failure> {
    let dir = tempfile::tempdir()?;
    fs::copy(path, dir.path().join(SOURCE))?;
    let limits = limits(config, config.pool(Stage::Extract), &dir.path().join(SOURCE))?;
    let first = request(config, format, &limits);
    let run = async |request: &Request| -> Result<Reading, Failure> {
        let request = serde_json::to_value(request)?;
        let answer = child::run(&config.paths.program, CHILD, &request, &limits, dir.path(), None, &report).await.outcome?;
        Ok(serde_json::from_value(answer)?)
    };
    match run(&first).await {
        Err(failure) if is_death(&failure) && format == Format::Pdf => run(&without_structure(first)).await.map_err(final_word),
        outcome => outcome.map_err(final_word),
    }
}

fn request(config: &Config, format: Format, limits: &Limits) -> Request {
    Request {
        path: SOURCE.into(),
        format,
        pdfium: config.paths.pdfium.clone(),
        tokenizer: config.paths.model.join("tokenizer.json"),
        // The reader gives up by itself, with the better sentence, before it is ended.
        budget: Budget { max_seconds: limits.wall.as_secs_f64() * 0.8, ..Budget::default() },
    }
}

fn without_structure(request: Request) -> Request {
    Request { budget: Budget { structure: false, ..request.budget }, ..request }
}

/// What the child may use and reach: it writes nothing, and reads the document, its library and its tokenizer.
fn limits(config: &Config, pool: &Pool, source: &Path) -> Result<Limits, Failure> {
    let libraries = LIBRARIES.iter().map(PathBuf::from);
    let reads = libraries.chain([config.paths.pdfium.clone(), config.paths.model.join("tokenizer.json")]).collect();
    let scratch_bytes = Limits::document_scratch(fs::metadata(source)?.len());
    Ok(Limits { reads, scratch_bytes, ..shares(pool) })
}

/// What is begun goes behind what is finished: embedding, in this program itself, gets on while others are read.
const NICE: i32 = 3;

/// Two children must fit into the time of one attempt.
fn shares(pool: &Pool) -> Limits {
    let wall = Duration::from_secs_f64(pool.timeout_seconds as f64 * 0.48);
    Limits {
        memory_bytes: pool.memory_mb << 20,
        cpu_seconds: wall.as_secs().max(1),
        wall,
        stall: STALL.min(wall),
        nice: NICE,
        ..Limits::default()
    }
}

/// Whether the child died of this document: by its own fault, or for want of memory.
fn is_death(failure: &Failure) -> bool {
    matches!(failure.code.as_str(), code::CRASHED | code::WITHOUT_RESULT | code::OUT_OF_MEMORY)
}

/// The same document gives the same death: what would be retried for ever becomes a reason.
fn final_word(failure: Failure) -> Failure {
    let is_limit = matches!(failure.code.as_str(), code::TIMEOUT | code::STALLED | code::OUTPUT_TOO_LARGE);
    if !is_limit && !is_death(&failure) {
        return failure;
    }
    let refusal =
        Refusal::TooComplex(if is_limit { "it takes too long" } else { "our reader fails on it; export it again in another way" });
    Failure { class: Class::Poison, code: refusal.code().into(), reason: refusal.to_string(), detail: Some(failure.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn death_becomes_a_reason_and_other_failures_stay() {
        let crash = final_word(Failure::transient("child_crashed", "x"));
        assert_eq!((crash.class, crash.code.as_str()), (Class::Poison, "too_complex"));
        let slow = final_word(Failure::resource("stalled", "x"));
        assert!(slow.reason.contains("too long"), "{slow}");
        for failure in [Failure::transient("child_killed", "x"), Failure::poison("pdf_encrypted", "x")] {
            assert_eq!(final_word(failure.clone()), failure);
        }
    }

    #[test]
    fn two_children_fit_into_one_attempt() {
        let config = Config::from_parts(None, &[("HOME".to_owned(), "/".to_owned())].into()).unwrap();
        let limits = shares(&Pool { timeout_seconds: 100, memory_mb: 512, ..config.pool(Stage::Extract).clone() });
        assert!(limits.wall * 2 < Duration::from_secs(100));
        assert_eq!(limits.memory_bytes, 512 << 20);
    }
}
