//! The door: whichever engine the operator has set up is asked, and what goes wrong gets its class and its sentence.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use kernel::config::Speech;
use kernel::dependency::Dependency;
use kernel::jobs::{Ctx, Failure, Stage};

use super::webvtt::{NONSENSE, NONSENSE_SENTENCE};
use super::{command, endpoint};

/// Most that an answer may have, bytes: what is said in a day is a tenth of it.
pub const ANSWER_BYTES: u64 = 8 << 20;
/// What the engine may take of an attempt's time; the rest is for the sound before and the captions after.
const SHARE: f64 = 0.8;

/// What an engine is asked.
pub struct Question<'a> {
    /// WAV, 16 kHz, one channel.
    pub sound: &'a Path,
    /// BCP 47; None: the engine is to find out.
    pub language: Option<&'a str>,
    /// The scratch folder.
    pub dir: &'a Path,
}

/// How long an engine may take, and how long it may give no sign of life.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub wall: Duration,
    pub stall: Duration,
}

/// What the engine says of the sound, unread.
pub async fn ask(ctx: &Ctx, question: &Question<'_>) -> Result<Vec<u8>, Failure> {
    let pool = ctx.env.pools.get(Stage::Transcribe);
    let wall = pool.timeout().mul_f64(SHARE * f64::from(ctx.job.limits_factor));
    let patience = Patience { wall, stall: pool.stalled().min(wall) };
    let speech = &ctx.env.config.speech;
    match speech.url.as_str() {
        "" => command::ask(ctx, question, patience).await,
        _ => endpoint::ask(speech, question, patience, &format!("learnhub-{}", ctx.job.id)).await,
    }
}

/// Whether the engine is there, for `learnhub doctor`: what it is. None: no engine is set up.
///
/// # Errors
/// What is wrong with it.
pub async fn look(speech: &Speech) -> Option<Result<String, String>> {
    if !speech.url.is_empty() {
        return Some(endpoint::look(speech).await);
    }
    let program = speech.command.first()?;
    let runs = std::fs::metadata(program).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    Some(if runs { Ok(program.clone()) } else { Err(format!("{program} is no program that can be run")) })
}

/// It cannot be reached, or refuses everybody: its jobs wait, and none of their attempts is used.
pub fn away(detail: impl Into<String>) -> Failure {
    Failure::dependency(Dependency::Speech).with_detail(detail)
}

/// It tried, and something went wrong: once more, a few times.
pub fn failed(detail: impl Into<String>) -> Failure {
    let sentence = "the speech-to-text engine could not work on this recording; the recording stays as it is, without automatic captions";
    Failure::transient("speech_failed", sentence).with_detail(detail)
}

/// It wants nothing of this recording.
pub fn refused(detail: impl Into<String>) -> Failure {
    let sentence = "the speech-to-text engine does not take this recording; the recording stays as it is, without automatic captions";
    Failure::poison("speech_refused", sentence).with_detail(detail)
}

/// It met a limit; the next attempt has more.
pub fn too_much(detail: impl Into<String>) -> Failure {
    let sentence = "the speech-to-text engine needs more time or memory for this recording than it has; the recording stays as it is, without automatic captions";
    Failure::resource("speech_too_demanding", sentence).with_detail(detail)
}

/// Its answer cannot be captions.
pub fn nonsense(detail: impl Into<String>) -> Failure {
    Failure::poison(NONSENSE, NONSENSE_SENTENCE).with_detail(detail)
}
