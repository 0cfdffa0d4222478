//! Captions made by a machine: the door to an operator's speech-to-text engine.
//!
//! Core, inside the disposable child: `listen` (the sound as engines want it: `wav`), `webvtt` (what an engine answered, read
//! with suspicion and written clean). Shell: `engine` is the door with its two leaves, `command` and `endpoint`, and
//! `transcribe_speech` the job. It knows no engine by name.

mod command;
mod endpoint;
pub(crate) mod engine;
pub(crate) mod listen;
pub(crate) mod transcribe_speech;
mod wav;
pub(crate) mod webvtt;

/// The sound, in the package folder of the scratch folder.
pub(crate) const SOUND_FILE: &str = "speech.wav";
/// What the engine answered, in the scratch folder.
const ANSWER: &str = "answer.vtt";
/// The captions made of it, in the package folder.
pub(crate) const CAPTIONS_FILE: &str = "speech.vtt";
