//! The sound of a recording as a file for speech recognisers, on the clock of its stream: second 12 of the file is what a
//! viewer hears at second 12.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::SOUND_FILE;
use super::wav::{Downsampler, SPEECH_RATE, Wav};
use crate::error::{Doing, TranscodeError};
use crate::line::{self, Flow, Post, Station};
use crate::package::{self, Options, Planned, Progress};
use crate::plan::Plan;
use crate::sound::{Pcm, RATE};
use crate::source::{Reading, Source};
use crate::stations::Item;

/// Below this no speech is to be found: 60 dB under the loudest that a file can hold.
const SILENCE: f32 = 0.001;

/// Samples of a minute.
const MINUTE: usize = 60 * RATE as usize;

/// Sound that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sound {
    pub duration_ms: u64,
    /// Nothing is to be heard.
    pub silent: bool,
}

/// Writes the sound of `input` into the folder `out`.
///
/// # Errors
/// See [`TranscodeError`]; `no_media_streams` when there is no sound.
pub fn listen(input: &Path, out: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Sound, TranscodeError> {
    let Planned { probe, plan, .. } = package::prepare(input, out, &Options::default(), &mut |_| {})?;
    let audio = probe.audio.as_ref().ok_or(TranscodeError::NoMediaStreams)?;
    // Planned with all its streams, read with one: the origin is the plan's, and nothing is filled up at the end.
    let plan = Plan { end: plan.end.or(Some(0)), ..plan };
    let done = Arc::new(AtomicU64::new(0));
    let mut listener = Listener { down: Downsampler::default(), wav: Wav::create(&out.join(SOUND_FILE)).doing("write sound")? };
    let mut source = Source::open(Reading::sound(input, &probe, &plan, &done))?;
    let posts = vec![
        Post { station: Box::new(&mut source) as Box<_>, source: true, feeds: vec![1], room: 0 },
        Post { station: Box::new(&mut listener), source: false, feeds: vec![], room: 16 },
    ];
    line::run(posts, vec![1, 0], 1, &mut || {
        let frames_done = done.load(Ordering::Relaxed);
        progress(Progress { frames_done, frames_total: audio.listed.max(frames_done) });
    })?;
    let Listener { mut down, mut wav } = listener;
    let mut rest = vec![];
    down.finish(&mut rest);
    wav.write(&rest).doing("write sound")?;
    let sound = Sound { duration_ms: wav.samples * 1000 / SPEECH_RATE as u64, silent: wav.peak < SILENCE };
    wav.finish().doing("write sound")?;
    Ok(sound)
}

struct Listener {
    down: Downsampler,
    wav: Wav,
}

impl Listener {
    fn write(&mut self, pcm: &Pcm) -> Result<(), TranscodeError> {
        let mut samples = vec![];
        self.down.push(pcm, &mut samples);
        self.wav.write(&samples).doing("write sound")
    }
}

impl Station<Item, TranscodeError> for &mut Listener {
    fn work(&mut self, item: Option<Item>, _: &mut Vec<(usize, Item)>) -> Result<Flow, TranscodeError> {
        match item {
            Some(Item::Sound(Pcm::Silence(samples))) => {
                // A day of it would fill the memory.
                for from in (0..samples).step_by(MINUTE) {
                    self.write(&Pcm::Silence((samples - from).min(MINUTE as u64)))?;
                }
                Ok(Flow::More)
            }
            Some(Item::Sound(pcm)) => self.write(&pcm).map(|()| Flow::More),
            Some(Item::End(_)) => Ok(Flow::Done),
            Some(Item::Picture(_) | Item::Coded(_)) | None => Ok(Flow::More),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name)
    }

    #[test]
    fn the_sound_of_a_film_is_as_long_as_its_stream_and_a_silent_film_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let mut calls = 0;
        let sound = listen(&fixture("runs.mp4"), dir.path(), &mut |_| calls += 1).unwrap();
        assert!(sound.duration_ms.abs_diff(26_000) < 100 && !sound.silent && calls > 0, "{sound:?}");
        let bytes = std::fs::metadata(dir.path().join(SOUND_FILE)).unwrap().len();
        assert!(bytes.abs_diff(44 + sound.duration_ms * 32) < 40, "{bytes}");
        let refused = listen(&fixture("silent.mp4"), dir.path(), &mut |_| {}).unwrap_err();
        assert_eq!(refused.code(), "no_media_streams");
    }
}
