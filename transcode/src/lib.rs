//! The transcode room: a video or audio file becomes an HLS package that every browser plays.
//!
//! Core, synchronous, without database or environment, in the order of the work: `open` (whitelists) → `probe` (what
//! is it really) → `index` (all its packets) → `plan` with `ladder` (which renditions, which cuts, which runs) → `run`,
//! each a `line` from the `source` (decode, one clock) over `stations` (scale from the next larger, x264 and AAC; `copying`
//! for the largest rung where `remux` has found that the source is it already) to `cmaf` and `track` (segments) →
//! `assemble` with `playlist` and `storyboard`. All of it is [`transcode`]. libav is used here and nowhere else, and only
//! inside a disposable child: [`child`] is that child's side. The worker's is a job per step
//! (`transcode_media` plans, `encode_run` encodes one run, `package_stream` puts together, `shell` is what they share; `speech`
//! has captions made by an engine of the operator's), and
//! [`cli`] the command line's. `upload_poster` takes pictures of the instructors' own, which `own_poster` makes anew in the
//! child. [`check`] stands apart: it holds any HLS package against the authoring rules
//! and shares no parser with the rest.
//!
//! It does not know lessons, accounts or search, and it does not decide when something is published.

mod aac;
mod assemble;
mod avc;
mod budget;
mod cadence;
mod captions;
pub mod check;
pub mod child;
pub mod cli;
mod clock;
mod cmaf;
mod copying;
mod decode;
mod draft;
mod droppable;
mod encode_run;
mod encoders;
mod error;
mod extent;
mod index;
pub mod ladder;
pub(crate) use kernel::language;
mod line;
mod loudness;
mod manifest;
mod open;
mod own_poster;
mod package;
mod package_stream;
mod picture;
mod placing;
pub mod plan;
mod playlist;
mod probe;
mod remux;
pub mod run;
mod scale;
mod shell;
mod sniff;
mod sound;
mod source;
mod speech;
mod sps;
mod stations;
mod steady;
mod stills;
mod storyboard;
mod stream;
mod track;
mod transcode_media;
mod turn;
mod upload_poster;
mod upright;
mod x264;

pub use encoders::missing_encoders;
pub use error::TranscodeError;
pub use loudness::{Level, Loudness};
pub use manifest::{CaptionFile, Chapter, MADE_BY, Manifest, Notice, PictureSize, Rendition, Storyboard};
pub use package::{Options, Planned, Progress, transcode};
pub use probe::{AudioInfo, CaptionInfo, Probe, VideoInfo, probe};
pub use remux::NotCopied;
pub use shell::register;
pub use speech::engine::look as look_at_speech_engine;
pub use upload_poster::router;

/// Folders of a stream that only serve its making: what is in them means nothing once the stream is complete.
pub const MAKINGS: [&str; 2] = [stills::STILLS, draft::FOLDER];
