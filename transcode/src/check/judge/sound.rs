//! Sound: stereo AAC, its rate, its loudness.

use super::kbits;
use super::rates::Measured;
use crate::check::init::{Aac, Coding, Init};
use crate::check::load::{Package, Track};
use crate::check::report::Findings;
use crate::check::rules;

/// bit/s of stereo AAC.
const RATES: std::ops::RangeInclusive<f64> = 32_000.0..=160_000.0;

pub fn judge(package: &Package, findings: &mut Findings) {
    let sounds: Vec<&Track> = package.sounds().collect();
    if sounds.is_empty() {
        return;
    }
    let aac = |track: &Track| match track.init().map(|init| &init.coding) {
        Some(Coding::Aac(aac)) => Some(aac.clone()),
        _ => None,
    };
    let stereo: Vec<(&Track, Aac)> =
        sounds.iter().filter_map(|track| Some((*track, aac(track)?))).filter(|(_, aac)| aac.channels == 2).collect();
    if stereo.is_empty() {
        findings.add(&rules::STEREO_AAC, &package.file, "none", "a stereo AAC rendition");
    }
    for (track, aac) in stereo {
        // Silence takes next to nothing, so what the encoder was set to counts, and the measure only upwards.
        let measured = Measured::of(track).map_or(0.0, |measured| measured.average);
        let nominal = if aac.average > 0 { f64::from(aac.average) } else { measured };
        if !RATES.contains(&nominal) || measured > RATES.end() * 1.1 {
            findings.add(&rules::AAC_RATE, &track.file, format!("{}, measured {}", kbits(nominal), kbits(measured)), "32 to 160 kbit/s");
        }
    }
    for track in sounds {
        if !track.init().is_some_and(|init: &Init| init.loudness) {
            findings.add(&rules::LOUDNESS, &track.file, "no ludt box", "one");
        }
    }
}
