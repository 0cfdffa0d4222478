//! How loud the sound of a film is, as EBU R128 measures it, and the one gain that brings it to a target. The same gain holds
//! from the first sample to the last, so nothing pumps, and it is part of the plan, so every run of sound uses the same.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ebur128::{EbuR128, Mode};
use serde::{Deserialize, Serialize};

use crate::error::TranscodeError;
use crate::line::{self, Flow, Post, Station};
use crate::run::Film;
use crate::sound::{Pcm, RATE};
use crate::source::{Reading, Source};
use crate::stations::Item;

/// The gain never lifts a true peak above this, in dBTP: as R128 has it; coding adds a little to peaks.
const CEILING: f64 = -1.0;

/// The gain is never more than this, in dB: whatever is quieter is noise rather than speech.
const MOST_GAIN: f64 = 30.0;

/// Blocks of sound that may wait for being measured.
const SOUND_WAITING: usize = 128;

/// What was measured and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Loudness {
    /// What was asked for, in LUFS.
    pub target_lufs: f64,
    /// That of the source; `None` for silence and for what is shorter than the 0.4 s that a measure takes.
    pub measured: Option<Level>,
    /// What is added everywhere, in dB.
    pub gain_db: f64,
}

/// Loudness of a whole film, gated, and its highest peak between samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Level {
    pub lufs: f64,
    pub true_peak_dbtp: f64,
}

impl Loudness {
    fn of(target_lufs: f64, measured: Option<Level>) -> Self {
        Self { target_lufs, measured, gain_db: measured.map_or(0.0, |level| gain(target_lufs, level)) }
    }

    /// What samples are multiplied by. From whole hundredths of a decibel, so that a plan that went through text says the same.
    pub fn factor(&self) -> f32 {
        10f64.powf((self.gain_db * 100.0).round() / 2000.0) as f32
    }

    /// What the gain makes of it.
    pub fn reached(&self) -> Option<Level> {
        let raised = |db: f64| hundredths(db + self.gain_db);
        self.measured.map(|level| Level { lufs: raised(level.lufs), true_peak_dbtp: raised(level.true_peak_dbtp) })
    }
}

/// As far to the target as the ceiling allows, in whole hundredths of a decibel.
fn gain(target_lufs: f64, level: Level) -> f64 {
    let wanted = (target_lufs - level.lufs).min(CEILING - level.true_peak_dbtp).min(MOST_GAIN);
    (wanted * 100.0 + 1e-6).floor() / 100.0
}

fn hundredths(db: f64) -> f64 {
    (db * 100.0).round() / 100.0
}

/// Decodes all of a film's sound once and measures it as it will be encoded: 48 kHz, stereo, on the presentation's clock.
/// `done` and `tick` are as in [`crate::run::encode`].
///
/// # Errors
/// See [`TranscodeError`]; damaged sound is none, silence neither.
pub fn measure(
    film: Film,
    target_lufs: f64,
    threads: usize,
    done: &Arc<AtomicU64>,
    tick: &mut dyn FnMut(),
) -> Result<Loudness, TranscodeError> {
    let Film { input: path, probe, plan, .. } = film;
    let mut source = Source::open(Reading::sound(path, probe, plan, done))?;
    let mut meter = Meter::new()?;
    let posts = vec![
        Post { station: Box::new(&mut source) as Box<_>, source: true, feeds: vec![1], room: 0 },
        Post { station: Box::new(&mut meter), source: false, feeds: vec![], room: SOUND_WAITING },
    ];
    line::run(posts, vec![1, 0], threads, tick)?;
    Ok(Loudness::of(target_lufs, meter.level()?))
}

/// Measures what passes.
struct Meter(EbuR128);

/// Samples of silence that are measured at a time.
const SILENCE: usize = 4096;

impl Meter {
    fn new() -> Result<Self, TranscodeError> {
        EbuR128::new(2, RATE as u32, Mode::I | Mode::TRUE_PEAK).map(Self).map_err(refused)
    }

    fn push(&mut self, pcm: &Pcm) -> Result<(), TranscodeError> {
        match pcm {
            Pcm::Samples(left, right) => self.0.add_frames_planar_f32(&[left, right]).map_err(refused),
            Pcm::Silence(samples) => {
                let mut left = *samples;
                while left > 0 {
                    let some = left.min(SILENCE as u64);
                    let nothing = &[0.0; SILENCE][..some as usize];
                    self.0.add_frames_planar_f32(&[nothing, nothing]).map_err(refused)?;
                    left -= some;
                }
                Ok(())
            }
        }
    }

    /// `None` when nothing was loud and long enough.
    fn level(&self) -> Result<Option<Level>, TranscodeError> {
        let lufs = self.0.loudness_global().map_err(refused)?;
        let peak = self.0.true_peak(0).map_err(refused)?.max(self.0.true_peak(1).map_err(refused)?);
        let level = Level { lufs: hundredths(lufs), true_peak_dbtp: hundredths(20.0 * peak.log10()) };
        Ok((level.lufs.is_finite() && level.true_peak_dbtp.is_finite()).then_some(level))
    }
}

fn refused(error: ebur128::Error) -> TranscodeError {
    TranscodeError::unreadable(format!("measure the loudness: {error}"))
}

impl Station<Item, TranscodeError> for &mut Meter {
    fn work(&mut self, item: Option<Item>, _: &mut Vec<(usize, Item)>) -> Result<Flow, TranscodeError> {
        match item {
            Some(Item::Sound(pcm)) => self.push(&pcm).map(|()| Flow::More),
            Some(Item::End(_)) => Ok(Flow::Done),
            Some(Item::Picture(_) | Item::Coded(_)) | None => Ok(Flow::More),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(seconds: f64, amplitude: f64) -> Pcm {
        let samples: Vec<f32> = (0..(seconds * RATE as f64) as i64)
            .map(|i| (amplitude * (i as f64 * 997.0 * std::f64::consts::TAU / RATE as f64).sin()) as f32)
            .collect();
        Pcm::Samples(samples.clone(), samples)
    }

    fn level(blocks: &[Pcm]) -> Option<Level> {
        let mut meter = Meter::new().unwrap();
        for block in blocks {
            meter.push(block).unwrap();
        }
        meter.level().unwrap()
    }

    #[test]
    fn a_sine_on_both_channels_measures_as_the_standard_says() {
        // EBU Tech 3341, test 1: 1 kHz at -23 dBFS in both channels is -23 LUFS.
        let level = level(&[sine(20.0, 10f64.powf(-23.0 / 20.0))]).unwrap();
        assert!((level.lufs + 23.0).abs() <= 0.1 && (level.true_peak_dbtp + 23.0).abs() <= 0.2, "{level:?}");
    }

    #[test]
    fn silence_and_what_is_shorter_than_a_block_have_no_loudness_and_no_gain() {
        assert_eq!(level(&[]), None);
        assert_eq!(level(&[Pcm::Silence(10 * RATE as u64)]), None);
        assert_eq!(level(&[sine(0.3, 0.5)]), None);
        assert_eq!((Loudness::of(-16.0, None).gain_db, Loudness::of(-16.0, None).factor()), (0.0, 1.0));
        // A pause is gated: it makes nothing quieter.
        let (with, without) = (level(&[sine(5.0, 0.1), Pcm::Silence(30 * RATE as u64)]), level(&[sine(5.0, 0.1)]));
        assert!((with.unwrap().lufs - without.unwrap().lufs).abs() < 0.5);
    }

    #[test]
    fn the_gain_leads_to_the_target_but_never_above_the_ceiling() {
        let gain = |lufs, true_peak_dbtp| Loudness::of(-16.0, Some(Level { lufs, true_peak_dbtp })).gain_db;
        assert_eq!(gain(-26.0, -20.0), 10.0);
        assert_eq!(gain(-8.0, 0.5), -8.0);
        assert_eq!(gain(-26.0, -4.0), 3.0, "three decibels below the ceiling");
        assert_eq!(gain(-69.0, -60.0), MOST_GAIN);
        let raised = Loudness::of(-16.0, Some(Level { lufs: -26.0, true_peak_dbtp: -4.0 }));
        assert_eq!(raised.reached(), Some(Level { lufs: -23.0, true_peak_dbtp: CEILING }));
        let told: Loudness = serde_json::from_str(&serde_json::to_string(&raised).unwrap()).unwrap();
        assert_eq!(told.factor().to_bits(), raised.factor().to_bits());
    }
}
