//! What the disposable process does: transcode one file of its own folder.
//!
//! The parents are [`crate::transcode_media`] and [`crate::cli`]. This side knows no database and no store, and may
//! die at any moment without harm.

use std::path::PathBuf;

use kernel::child::ChildFailure;
use kernel::child::outputs::{self, Output};
use kernel::dependency::Dependency;
use kernel::jobs::{Class, Failure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Manifest, Options, Progress, TranscodeError};

/// The name under which the binary runs [`run`].
pub const CHILD: &str = "transcode";

/// What to transcode, and where to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// The source; relative to the child's folder, or absolute.
    pub input: PathBuf,
    /// Folder for the package; made when missing. The only one that the child may write to.
    pub out: PathBuf,
    #[serde(default)]
    pub options: Options,
}

/// What was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Made {
    pub manifest: Manifest,
    /// Every file of the package, relative to its folder, in the order of [`Manifest::files`].
    pub files: Vec<Output>,
}

/// Answers a [`Request`] with what was [`Made`]. Progress counts frames of the source.
///
/// # Errors
/// Poison with the code of a [`TranscodeError`]; a full disk is a service away, the rest of our own troubles transient.
pub fn run(request: Value, progress: &mut dyn FnMut(u64, u64)) -> Result<Value, ChildFailure> {
    let request: Request = serde_json::from_value(request).map_err(|error| ours(Class::Transient, "internal", error.to_string()))?;
    let mut report = |Progress { frames_done, frames_total }| progress(frames_done, frames_total);
    let manifest = crate::transcode(&request.input, &request.out, &request.options, &mut report).map_err(failure)?;
    let files = outputs::list(&request.out, manifest.files()).map_err(|error| ours(Class::Transient, "internal", error.to_string()))?;
    serde_json::to_value(Made { manifest, files }).map_err(|error| ours(Class::Transient, "internal", error.to_string()))
}

fn failure(error: TranscodeError) -> ChildFailure {
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let detail = Some(format!("{error}{cause}"));
    if error.disk_full() {
        // Nothing is wrong with the film: it waits until there is space.
        let Failure { class, code, reason, .. } = Failure::dependency(Dependency::Scratch);
        return ChildFailure { class, code, reason, detail };
    }
    let class = if error.hopeless() { Class::Poison } else { Class::Transient };
    ChildFailure { class, code: error.code().into(), reason: error.sentence(), detail }
}

fn ours(class: Class, code: &str, detail: String) -> ChildFailure {
    ChildFailure {
        class,
        code: code.into(),
        reason: "something went wrong on our side; it is being tried again".into(),
        detail: Some(detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_nothing_against_the_film() {
        let full = failure(TranscodeError::Io { doing: "write a segment", source: std::io::ErrorKind::StorageFull.into() });
        assert_eq!((full.class, full.code.as_str()), (Class::Dependency, "scratch_down"));
        let gone = failure(TranscodeError::Io { doing: "write a segment", source: std::io::ErrorKind::NotFound.into() });
        assert_eq!((gone.class, gone.code.as_str()), (Class::Transient, "scratch_failed"));
    }

    #[test]
    fn a_file_that_is_not_there_is_our_trouble_and_a_file_of_words_is_the_teachers() {
        let dir = tempfile::tempdir().unwrap();
        let request = |name: &str| serde_json::json!({ "input": dir.path().join(name), "out": dir.path().join("out") });
        let missing = run(request("missing"), &mut |_, _| {}).unwrap_err();
        assert_eq!((missing.class, missing.code.as_str()), (Class::Transient, "scratch_failed"));
        std::fs::write(dir.path().join("words"), "only words").unwrap();
        let words = run(request("words"), &mut |_, _| {}).unwrap_err();
        assert_eq!((words.class, words.code.as_str()), (Class::Poison, "unsupported_container"));
        assert!(!dir.path().join("out").exists());
    }
}
