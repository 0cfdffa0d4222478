//! Pictures: codec, size, frame rate, where the IDRs stand.

use super::seconds;
use crate::check::fragment::Fragment;
use crate::check::init::{Avc, Coding, Init};
use crate::check::load::{Package, Track, Variant};
use crate::check::report::Findings;
use crate::check::rules;

pub fn judge(package: &Package, findings: &mut Findings) {
    for track in package.pictures() {
        for init in track.inits.iter().flatten() {
            judge_init(track, init, findings);
        }
        idrs(track, findings);
    }
    for variant in package.variants.iter().filter(|variant| variant.is_video(package)) {
        judge_variant(package, variant, findings);
    }
}

/// High profile's number, level 4.2.
const HIGH: u8 = 100;
const HIGHEST_LEVEL: u8 = 42;

fn judge_init(track: &Track, init: &Init, findings: &mut Findings) {
    let file = &track.file;
    let avc = match &init.coding {
        Coding::Avc(avc) => avc,
        Coding::Video(name) if matches!(name.as_str(), "hvc1" | "hev1" | "dvh1" | "dvhe") => return,
        other => return findings.add(&rules::VIDEO_CODEC, file, format!("{other:?}"), "avc1 or hvc1"),
    };
    let [profile, _, level] = avc.record;
    if !matches!(profile, 66 | 77 | HIGH) || level > HIGHEST_LEVEL {
        findings.add(&rules::AVC_PROFILE, file, format!("profile {profile}, level {level}"), "profile 100, level 42 at most");
    } else if profile != HIGH {
        findings.add(&rules::AVC_HIGH, file, format!("profile {profile}"), "profile 100");
    }
    judge_record(track, init, avc, findings);
}

/// The decoder configuration and the headers against the parameter set.
fn judge_record(track: &Track, init: &Init, avc: &Avc, findings: &mut Findings) {
    let Some(sps) = avc.sps else { return };
    if avc.record != [sps.profile, sps.constraints, sps.level] {
        let expected = format!("{:?}", [sps.profile, sps.constraints, sps.level]);
        findings.add(&rules::AVC_RECORD, &track.file, format!("{:?}", avc.record), expected);
    }
    if avc.size != (sps.width, sps.height) || init.header_size != sps.shown() {
        let measured = format!("sample entry {:?}, track header {:?}", avc.size, init.header_size);
        findings.add(&rules::TRACK_SIZE, &track.file, measured, format!("{:?}", sps.shown()));
    }
}

fn idrs(track: &Track, findings: &mut Findings) {
    let mut times: Vec<f64> = vec![];
    let mut end = None;
    for (piece, fragment, init) in track.fragments() {
        if !fragment.samples.first().is_some_and(|sample| sample.idr && sample.sync) {
            findings.add(&rules::IDR_FIRST, &piece.file, "another picture first", "an IDR, marked as a sync sample");
        }
        times.extend(fragment.samples.iter().filter(|sample| sample.idr).map(|sample| init.seconds(sample.pts - init.begins)));
        end = Some(init.seconds(fragment.start + fragment.duration()));
    }
    times.extend(end);
    let longest = times.windows(2).map(|w| w[1] - w[0]).fold(0.0, f64::max);
    let tolerance = super::frame(track).unwrap_or(0.0);
    if longest > 2.0 + tolerance {
        findings.add(&rules::IDR_EVERY_TWO_SECONDS, &track.file, format!("{} between two", seconds(longest)), "2 s");
    }
}

fn judge_variant(package: &Package, variant: &Variant, findings: &mut Findings) {
    let Some(track) = package.track(variant.track) else { return };
    let (file, name) = (&package.file, variant.name(package));
    let shown = track.init().and_then(Init::shown);
    match (variant.attributes.size("RESOLUTION"), shown) {
        (None, _) => findings.add(&rules::RESOLUTION, file, format!("{name} has none"), "RESOLUTION"),
        (Some(said), Some(shown)) if said != shown => {
            findings.add(&rules::RESOLUTION, file, format!("{name} says {}x{}", said.0, said.1), format!("{}x{}", shown.0, shown.1));
        }
        _ => {}
    }
    match variant.attributes.float("FRAME-RATE") {
        None => findings.add(&rules::FRAME_RATE, file, format!("{name} has none"), "FRAME-RATE"),
        Some(said) => judge_rate(track, said, &mut |measured, expected| {
            findings.add(&rules::FRAME_RATE, file, format!("{name} says {said}, {measured}"), expected);
        }),
    }
}

/// Times between pictures in the order in which they are shown, in ticks.
pub fn gaps(fragment: &Fragment) -> impl Iterator<Item = i64> {
    let mut times: Vec<i64> = fragment.samples.iter().map(|sample| sample.pts).collect();
    times.sort_unstable();
    times.into_iter().scan(None, |before, time| Some(before.replace(time).map(|before| time - before))).flatten().filter(|gap| *gap > 0)
}

/// A picture that stands so many seconds is held, which says nothing of the pace.
const HELD: f64 = 0.5;

/// FRAME-RATE is the largest rate there is. Pictures may be fewer, when they come unevenly or are held: then the rate is
/// that of the busiest second, or what the parameter set or the shortest gap says.
fn judge_rate(track: &Track, said: f64, broken: &mut dyn FnMut(String, String)) {
    let mut times: Vec<f64> = vec![];
    let mut fastest: f64 = 0.0;
    for (_, fragment, init) in track.fragments() {
        times.extend(fragment.samples.iter().map(|sample| init.seconds(sample.pts)));
        let pace = gaps(fragment).map(|gap| init.seconds(gap)).filter(|gap| *gap < HELD).min_by(f64::total_cmp);
        fastest = fastest.max(pace.map_or(0.0, |gap| 1.0 / gap));
        if let Coding::Avc(Avc { sps: Some(sps), .. }) = &init.coding {
            fastest = fastest.max(sps.rate.unwrap_or(0.0));
        }
    }
    if times.is_empty() {
        return;
    }
    times.sort_unstable_by(f64::total_cmp);
    let (mut busiest, mut first) = (0, 0);
    for (i, time) in times.iter().enumerate() {
        while time - times[first] >= 0.9995 {
            first += 1;
        }
        busiest = busiest.max(i - first + 1);
    }
    // One picture more can fall into a second by rounding.
    if busiest as f64 > said.ceil() + 1.0 {
        broken(format!("{busiest} pictures in a second"), format!("{busiest}"));
    } else if fastest > 0.0 && said > fastest * 1.01 + 0.001 && said > busiest as f64 + 1.0 {
        broken(format!("and no pictures follow faster than {fastest:.3}"), format!("{fastest:.3}"));
    }
}
