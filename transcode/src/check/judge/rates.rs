//! Bit rates: measured as RFC 8216 4.3.4.2 defines them, against what is announced.

use super::kbits;
use crate::check::attributes::Attributes;
use crate::check::load::{Package, Track, Variant};
use crate::check::report::Findings;
use crate::check::rules;

/// What a playlist's segments come to, in bit/s.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measured {
    pub average: f64,
    /// Over every run of segments that lasts between half and one and a half target durations; the two differ by runs
    /// that are at those borders as near as EXTINF is rounded.
    pub peak: f64,
    pub peak_at_least: f64,
}

impl Measured {
    /// `None` when segments are missing.
    pub fn of(track: &Track) -> Option<Self> {
        let target = track.playlist.target? as f64;
        let parts =
            track.playlist.entries.iter().zip(&track.pieces).map(|(entry, piece)| Some((entry.duration, piece.bytes? as f64 * 8.0)));
        let parts: Vec<(f64, f64)> = parts.collect::<Option<_>>()?;
        let (seconds, bits) = parts.iter().fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        (seconds > 0.0).then(|| {
            let average = bits / seconds;
            let peak = |slack: f64| peak(&parts, target, slack).max(average);
            Self { average, peak: peak(SLACK), peak_at_least: peak(-SLACK) }
        })
    }

    fn plus(self, other: Self) -> Self {
        Self {
            average: self.average + other.average,
            peak: self.peak + other.peak,
            peak_at_least: self.peak_at_least + other.peak_at_least,
        }
    }

    fn or_more(self, other: Self) -> Self {
        Self {
            average: self.average.max(other.average),
            peak: self.peak.max(other.peak),
            peak_at_least: self.peak_at_least.max(other.peak_at_least),
        }
    }
}

/// Seconds by which a sum of rounded durations may be off.
const SLACK: f64 = 0.01;

fn peak(parts: &[(f64, f64)], target: f64, slack: f64) -> f64 {
    let mut peak: f64 = 0.0;
    for start in 0..parts.len() {
        let (mut seconds, mut bits) = (0.0, 0.0);
        for part in &parts[start..] {
            seconds += part.0;
            bits += part.1;
            if seconds > target * 1.5 + slack {
                break;
            }
            if seconds >= target * 0.5 - slack && seconds > 0.0 {
                peak = peak.max(bits / seconds);
            }
        }
    }
    peak
}

pub fn judge(package: &Package, findings: &mut Findings) {
    for variant in &package.variants {
        let name = variant.name(package);
        if let Some(measured) = together(package, variant) {
            judge_announced(&package.file, &name, &variant.attributes, measured, true, findings);
            if measured.peak > measured.average * 2.0 {
                let measured = format!("{name}: {} over {}", kbits(measured.peak), kbits(measured.average));
                findings.add(&rules::PEAK_TO_AVERAGE, &package.file, measured, "200 % at most");
            }
        }
    }
    for trick in &package.trick {
        let Some((track, measured)) = package.track(trick.track).and_then(|track| Some((track, Measured::of(track)?))) else { continue };
        judge_announced(&package.file, &track.file, &trick.attributes, measured, false, findings);
    }
}

/// The dearest that can play together: the variant's own playlist, and the dearest of each group that it names.
fn together(package: &Package, variant: &Variant) -> Option<Measured> {
    let own = package.track(variant.track)?;
    let mut sum = Measured::default();
    let mut own_is_in_group = false;
    for kind in ["AUDIO", "VIDEO", "SUBTITLES"] {
        let mut dearest = Measured::default();
        for track in package.group(variant, kind).filter_map(|rendition| rendition.track) {
            own_is_in_group |= Some(track) == variant.track;
            dearest = dearest.or_more(Measured::of(&package.tracks[track])?);
        }
        sum = sum.plus(dearest);
    }
    Some(if own_is_in_group { sum } else { sum.plus(Measured::of(own)?) })
}

fn judge_announced(file: &str, name: &str, attributes: &Attributes, measured: Measured, sum: bool, findings: &mut Findings) {
    if let Some(said) = attributes.number("AVERAGE-BANDWIDTH").map(|said| said as f64)
        && !within(said, measured.average, measured.average)
    {
        findings.add(&rules::AVERAGE_RATE, file, format!("{name} says {}", kbits(said)), kbits(measured.average));
    }
    if let Some(said) = attributes.number("BANDWIDTH").map(|said| said as f64) {
        if !within(said, measured.peak_at_least, measured.peak) {
            findings.add(&rules::PEAK_RATE, file, format!("{name} says {}", kbits(said)), kbits(measured.peak));
        }
        if sum && said < measured.peak_at_least * 0.9 {
            findings.add(
                &rules::LARGEST_SUM,
                file,
                format!("{name} says {}", kbits(said)),
                format!("{} or more", kbits(measured.peak_at_least)),
            );
        }
    }
}

/// Within 10 % of what was measured.
fn within(said: f64, least: f64, most: f64) -> bool {
    (least * 0.9..=most * 1.1).contains(&said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_of_runs_that_last_about_a_target_duration() {
        let parts = [(4.0, 4e6), (4.0, 8e6), (0.1, 8e5)];
        assert!((peak(&parts, 4.0, 0.0) - 8.8e6 / 4.1).abs() < 1.0);
        // Two of three seconds are one and a half target durations just so.
        assert_eq!(peak(&[(3.0, 3.0), (3.0, 3.0)], 4.0, -SLACK), 1.0);
    }
}
