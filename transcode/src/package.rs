//! Makes a package in one process: probe, index, plan, all runs, and what is put together from them.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use crate::assemble::{assemble, ignore_missing};
use crate::cadence::VIDEO_TIMESCALE;
use crate::error::{Doing, TranscodeError};
use crate::index;
use crate::ladder::Rung;
use crate::loudness;
use crate::manifest::{CaptionFile, Manifest};
use crate::plan::{Plan, plan};
use crate::probe::{self, Probe};
use crate::remux::NotCopied;
use crate::run::{self, Film, Made, Run, Work};
use crate::stations::SOUND;
use crate::stills::STILLS;

/// How to transcode.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Options {
    /// Processor cores to keep busy.
    pub threads: usize,
    /// Length of segments in ms.
    pub segment_ms: u32,
    /// Hold a picture that does not change instead of encoding it again (at least once a second it is). Screen
    /// recordings are mostly this; a benchmark that counts frames switches it off.
    pub hold_repeats: bool,
    /// Bring the sound to this loudness, in LUFS, as EBU R128 measures it; `None`: leave it as it is.
    #[serde(default)]
    pub loudness_lufs: Option<f64>,
    /// Copy the source's own pictures where they are what the largest rung would be, instead of encoding them.
    #[serde(default = "yes")]
    pub remux: bool,
}

fn yes() -> bool {
    true
}

impl Default for Options {
    fn default() -> Self {
        Self { threads: 2, segment_ms: 4000, hold_repeats: true, loudness_lufs: None, remux: true }
    }
}

impl Options {
    /// Distance of grid points in ticks.
    pub fn segment(&self) -> i64 {
        i64::from(self.segment_ms.clamp(1000, 10_000)) * VIDEO_TIMESCALE / 1000
    }
}

/// How far a transcode is. Frames of the source: pictures, or blocks of sound where there is no picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub frames_done: u64,
    /// An estimate until the end, never below `frames_done`.
    pub frames_total: u64,
}

/// What is known of a source before any of it is encoded.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Planned {
    pub probe: Probe,
    pub plan: Plan,
    /// Embedded captions, already written.
    pub captions: Vec<CaptionFile>,
}

/// Reads every packet of `input` once, writes its embedded captions into the folder `out`, and plans the rest. Where the
/// sound is to be brought to a loudness it is decoded once and measured; `progress` counts its blocks.
///
/// # Errors
/// See [`TranscodeError`].
pub fn prepare(input: &Path, out: &Path, options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Planned, TranscodeError> {
    let probe = probe::probe(input)?;
    let mut index = index::read(input, &probe, options.remux)?;
    let scan = index.scan.take();
    let mut plan = plan(&probe, &index, scan, options.segment());
    fs::create_dir_all(out).doing("make the output folder")?;
    if let (Some(target), Some(audio)) = (options.loudness_lufs, &probe.audio) {
        let done = Arc::new(AtomicU64::new(0));
        let film = Film { input, out, probe: &probe, plan: &plan };
        plan.loudness = Some(loudness::measure(film, target, options.threads, &done, &mut || {
            let frames_done = done.load(Ordering::Relaxed);
            progress(Progress { frames_done, frames_total: audio.listed.max(frames_done) });
        })?);
    }
    Ok(Planned { captions: index.captions.write(out)?, probe, plan })
}

/// Makes an HLS package of `input` in the folder `out`.
///
/// # Errors
/// See [`TranscodeError`]. Files may be left in `out`; without a manifest they mean nothing.
pub fn transcode(input: &Path, out: &Path, options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Manifest, TranscodeError> {
    let planned = prepare(input, out, options, progress)?;
    match encode_all(input, out, &planned, options, progress) {
        Err(TranscodeError::CannotCopy { .. }) => {
            for folder in planned.plan.ladder.iter().map(Rung::name).chain([SOUND.to_owned(), STILLS.to_owned()]) {
                fs::remove_dir_all(out.join(folder)).or_else(ignore_missing).doing("remove what cannot be copied")?;
            }
            let planned = prepare_without_copying(input, out, &planned, options)?;
            encode_all(input, out, &planned, options, progress)
        }
        manifest => manifest,
    }
}

/// Plans anew what could not be copied although it seemed so.
///
/// # Errors
/// See [`TranscodeError`].
pub fn prepare_without_copying(input: &Path, out: &Path, planned: &Planned, options: &Options) -> Result<Planned, TranscodeError> {
    let options = Options { remux: false, loudness_lufs: None, ..options.clone() };
    let mut anew = prepare(input, out, &options, &mut |_| {})?;
    anew.plan.loudness = planned.plan.loudness;
    anew.plan.not_copied = Some(NotCopied::DamagedOrUnusualStream);
    Ok(anew)
}

/// Encodes all runs and puts them together.
fn encode_all(
    input: &Path,
    out: &Path,
    planned: &Planned,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Manifest, TranscodeError> {
    let Planned { probe, plan, .. } = planned;
    let done = Arc::new(AtomicU64::new(0));
    let expected = expected_frames(probe, plan);
    let mut tick = || {
        let frames_done = done.load(Ordering::Relaxed);
        progress(Progress { frames_done, frames_total: expected.max(frames_done) });
    };
    let film = Film { input, out, probe, plan };
    let runs = run::runs(plan);
    let made = match runs.as_slice() {
        [only] => {
            let work = Work { threads: options.threads, hold_repeats: options.hold_repeats };
            vec![run::encode(film, only, work, &done, &mut tick)?]
        }
        _ => side_by_side(film, runs, options, &done, &mut tick)?,
    };
    let manifest = assemble(out, planned, made)?;
    let frames = done.load(Ordering::Relaxed);
    progress(Progress { frames_done: frames, frames_total: frames });
    Ok(manifest)
}

/// Encodes the run of this `number` in [`run::runs`] into the folder `out`.
///
/// # Errors
/// See [`TranscodeError`].
pub fn encode(
    input: &Path,
    out: &Path,
    planned: &Planned,
    number: usize,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Made, TranscodeError> {
    let Planned { probe, plan, .. } = planned;
    let runs = run::runs(plan);
    let run = runs.get(number).ok_or_else(|| TranscodeError::unreadable(format!("there is no run {number}")))?;
    let expected = match run {
        Run::Whole => expected_frames(probe, plan),
        Run::Pictures { window, .. } | Run::Sound { window } => window.share(plan, expected_frames(probe, plan)),
    };
    let done = Arc::new(AtomicU64::new(0));
    let work = Work { threads: options.threads, hold_repeats: options.hold_repeats };
    run::encode(Film { input, out, probe, plan }, run, work, &done, &mut || {
        let frames_done = done.load(Ordering::Relaxed);
        progress(Progress { frames_done, frames_total: expected.max(frames_done) });
    })
}

/// Works on as many runs at a time as there are threads, one thread each: nothing waits for anything within a run.
fn side_by_side(
    film: Film,
    runs: Vec<Run>,
    options: &Options,
    done: &Arc<AtomicU64>,
    tick: &mut dyn FnMut(),
) -> Result<Vec<Made>, TranscodeError> {
    let work = Work { threads: 1, hold_repeats: options.hold_repeats };
    let count = runs.len();
    let waiting = Mutex::new(VecDeque::from(runs));
    let broken = AtomicBool::new(false);
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..options.threads.clamp(1, count) {
            let (tell, waiting, broken) = (tell.clone(), &waiting, &broken);
            scope.spawn(move || {
                while !broken.load(Ordering::Relaxed) {
                    let Some(run) = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else { return };
                    let made = run::encode(film, &run, work, done, &mut || {
                        // Progress only; nobody may be listening any more.
                        let _ = tell.send(None);
                    });
                    broken.fetch_or(made.is_err(), Ordering::Relaxed);
                    let _ = tell.send(Some(made));
                }
            });
        }
        drop(tell);
        let mut all = Vec::with_capacity(count);
        for message in told {
            match message {
                None => tick(),
                Some(made) => all.push(made?),
            }
        }
        Ok(all)
    })
}

fn expected_frames(probe: &Probe, plan: &Plan) -> u64 {
    let seconds = plan.end.map_or(probe.claimed_ms.unwrap_or(0) as f64 / 1000.0, |end| end as f64 / VIDEO_TIMESCALE as f64);
    match (&probe.video, &probe.audio) {
        (Some(video), _) if video.listed > 0 => video.listed,
        (Some(video), _) => (seconds * video.fps) as u64,
        (None, Some(audio)) => audio.listed,
        (None, None) => 0,
    }
}

#[cfg(test)]
mod tests {
    use ffmpeg_next::format::Pixel;
    use ffmpeg_next::frame;

    use super::*;
    use crate::avc;
    use crate::cmaf::Coding;
    use crate::scale;
    use crate::track::Track;
    use crate::x264;

    /// Writes a fragmented MP4 of grey pictures, one per `(time in ticks, brightness)`, that lasts until `end`.
    fn write_greys(dir: &Path, pictures: &[(i64, u8)], end: i64) -> std::path::PathBuf {
        let rung = Rung { width: 64, height: 64, max_bitrate: 1_000_000, max_fps: 60, coarse: false };
        let mut encoder = x264::Encoder::open(&rung, 25.0, scale::Colour::BT709).unwrap();
        let coding = Coding::Avc { width: 64, height: 64, record: encoder.parameters.record(), colour: scale::Colour::BT709 };
        let mut track = Track::create(dir, "source", coding, VIDEO_TIMESCALE as u32, 7200, 1).unwrap();
        track.cut(0).unwrap();
        let mut add = |packet: &ffmpeg_next::Packet| {
            track.add(packet.pts().unwrap(), packet.is_key(), |out| avc::append_sample(packet.data().unwrap(), out));
            Ok(())
        };
        for &(pts, brightness) in pictures {
            let mut picture = frame::Video::new(Pixel::YUV420P, 64, 64);
            picture.data_mut(0).fill(brightness);
            picture.data_mut(1).fill(128);
            picture.data_mut(2).fill(128);
            encoder.encode(&picture, pts, pts == 0, &mut add).unwrap();
        }
        encoder.finish(&mut add).unwrap();
        track.close(end).unwrap();
        let file = dir.join("source.mp4");
        let parts = ["init.mp4", "seg-00001.m4s"].map(|name| fs::read(dir.join("source").join(name)).unwrap());
        fs::write(&file, parts.concat()).unwrap();
        file
    }

    fn make(input: &Path, out: &Path, hold_repeats: bool) -> Manifest {
        transcode(input, out, &Options { hold_repeats, ..Options::default() }, &mut |_| {}).unwrap()
    }

    #[test]
    fn a_picture_that_does_not_change_is_held_and_shown_again_once_a_second() {
        let dir = tempfile::tempdir().unwrap();
        let still: Vec<_> = (0..250).map(|i| (i * 3600, 90)).collect();
        let input = write_greys(dir.path(), &still, 250 * 3600);
        let held = make(&input, &dir.path().join("held"), true);
        assert_eq!((held.pictures, held.renditions[0].frames, held.renditions[0].segments), (250, 10, 3));
        assert_eq!((held.duration_ms, held.pictures_held), (10_000, 240));
        let every = make(&input, &dir.path().join("every"), false);
        assert_eq!((every.renditions[0].frames, every.pictures_held, every.duration_ms), (250, 0, 10_000));
        assert!((held.renditions[0].picture.unwrap().frame_rate - 25.0).abs() < 1e-9);
    }

    #[test]
    fn a_recording_of_few_slides_is_cut_on_the_grid_and_keeps_its_length() {
        let dir = tempfile::tempdir().unwrap();
        let second = VIDEO_TIMESCALE;
        let input = write_greys(dir.path(), &[(0, 40), (7 * second, 200), (8 * second, 90)], 19 * second);
        let manifest = make(&input, &dir.path().join("out"), true);
        assert_eq!(manifest.duration_ms, 19_000);
        let playlist = fs::read_to_string(dir.path().join("out/64x64/index.m3u8")).unwrap();
        assert!(playlist.contains("#EXTINF:4.000000,\nseg-00001.m4s\n#EXTINF:4.000000,\nseg-00002.m4s"), "{playlist}");
    }
}
