//! What the disposable process does: one step, or all, of the way from a file in its own folder to a package.
//!
//! The parents are the jobs' files and [`crate::cli`]. This side knows no database and no store, and may
//! die at any moment without harm.

use std::path::{Path, PathBuf};

use kernel::child::ChildFailure;
use kernel::child::outputs::{self, Output};
use kernel::dependency::Dependency;
use kernel::jobs::{Class, Failure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::assemble::assemble;
use crate::own_poster;
use crate::package::{self, Planned};
use crate::run;
use crate::{Options, Progress, TranscodeError, speech};

/// The name under which the binary runs [`run()`].
pub const CHILD: &str = "transcode";

/// What to do with a file, and where to.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// The source; relative to the child's folder, or absolute.
    pub input: PathBuf,
    /// Folder for the package; made when missing. The only one that the child may write to.
    pub out: PathBuf,
    #[serde(default)]
    pub options: Options,
    pub task: Task,
}

/// A step; each is answered with [`Done`] of what it names.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// All of it: a [`crate::Manifest`].
    Everything,
    /// What is to be encoded: [`Planned`].
    Plan,
    /// The same anew for a film whose pictures turned out not to be what can be copied: [`Planned`].
    PlanWithoutCopying { planned: Box<Planned> },
    /// One run of the plan, by its place in [`run::runs`]: [`run::Made`].
    Encode { planned: Box<Planned>, number: usize },
    /// What is put together of runs that were made, with their stills in the output folder: a [`crate::Manifest`].
    Package { planned: Box<Planned>, made: Vec<run::Made> },
    /// The sound for a speech recogniser: `speech::listen::Sound`.
    Listen,
    /// What a speech recogniser made of sound of this length, as captions: `speech::webvtt::Heard`.
    ReadSpeech { duration_ms: u64 },
    /// The input is a picture that is to be a poster: its width and height.
    Poster,
}

/// What was made.
#[derive(Debug, Serialize, Deserialize)]
pub struct Done<T> {
    pub made: T,
    /// The files that it comes in, relative to the output folder; what the package shows first comes last.
    pub files: Vec<Output>,
}

/// Answers a [`Request`] with [`Done`]. Progress counts frames of the source.
///
/// # Errors
/// Poison with the code of a [`TranscodeError`]; a full disk is a service away, the rest of our own troubles transient.
pub fn run(request: Value, progress: &mut dyn FnMut(u64, u64)) -> Result<Value, ChildFailure> {
    let request: Request = serde_json::from_value(request).map_err(|error| ours(Class::Transient, "internal", error.to_string()))?;
    let mut report = |Progress { frames_done, frames_total }| progress(frames_done, frames_total);
    let Request { input, out, options, task } = request;
    match task {
        Task::Everything => {
            let manifest = package::transcode(&input, &out, &options, &mut report).map_err(failure)?;
            done(&out, manifest.files(), manifest)
        }
        Task::Plan => {
            let planned = package::prepare(&input, &out, &options, &mut report).map_err(failure)?;
            done(&out, planned.captions.iter().map(|captions| captions.file.clone()).collect(), planned)
        }
        Task::PlanWithoutCopying { planned } => {
            let planned = package::prepare_without_copying(&input, &out, &planned, &options).map_err(failure)?;
            done(&out, planned.captions.iter().map(|captions| captions.file.clone()).collect(), planned)
        }
        Task::Encode { planned, number } => {
            let made = package::encode(&input, &out, &planned, number, &options, &mut report).map_err(failure)?;
            done(&out, made.files(), made)
        }
        Task::Listen => {
            let sound = speech::listen::listen(&input, &out, &mut report).map_err(failure)?;
            done(&out, vec![], sound)
        }
        Task::ReadSpeech { duration_ms } => {
            let internal = |error: std::io::Error| ours(Class::Transient, "internal", error.to_string());
            let answer = std::fs::read(&input).map_err(internal)?;
            let (heard, file) = speech::webvtt::read(&answer, duration_ms as i64).map_err(|nonsense| ChildFailure {
                detail: Some(nonsense.to_string()),
                ..ChildFailure::poison(speech::webvtt::NONSENSE, speech::webvtt::NONSENSE_SENTENCE)
            })?;
            std::fs::write(out.join(speech::CAPTIONS_FILE), file).map_err(internal)?;
            done(&out, vec![], heard)
        }
        Task::Package { planned, made } => {
            let manifest = assemble(&out, &planned, made).map_err(failure)?;
            // Segments and captions lie in the store.
            let files = manifest.files().into_iter().filter(|file| out.join(file).is_file()).collect();
            done(&out, files, manifest)
        }
        Task::Poster => {
            let size = own_poster::make(&input, &out)?;
            done(&out, vec![own_poster::FILE.to_owned()], size)
        }
    }
}

fn done<T: Serialize>(out: &Path, files: Vec<String>, made: T) -> Result<Value, ChildFailure> {
    let internal = |error: String| ours(Class::Transient, "internal", error);
    let files = outputs::list(out, files).map_err(|error| internal(error.to_string()))?;
    serde_json::to_value(Done { made, files }).map_err(|error| internal(error.to_string()))
}

pub(crate) fn failure(error: TranscodeError) -> ChildFailure {
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
        let request =
            |name: &str| serde_json::json!({ "input": dir.path().join(name), "out": dir.path().join("out"), "task": "everything" });
        let missing = run(request("missing"), &mut |_, _| {}).unwrap_err();
        assert_eq!((missing.class, missing.code.as_str()), (Class::Transient, "scratch_failed"));
        std::fs::write(dir.path().join("words"), "only words").unwrap();
        let words = run(request("words"), &mut |_, _| {}).unwrap_err();
        assert_eq!((words.class, words.code.as_str()), (Class::Poison, "unsupported_container"));
        assert!(!dir.path().join("out").exists());
    }
}
