//! I-frame playlists.

use super::seconds;
use crate::check::init::Init;
use crate::check::load::{Package, Track, Trick};
use crate::check::report::Findings;
use crate::check::rules;

pub fn judge(package: &Package, findings: &mut Findings) {
    if package.has_video() {
        if package.trick.is_empty() {
            findings.add(&rules::IFRAME_PLAYLISTS, &package.file, "no EXT-X-I-FRAME-STREAM-INF", "one");
        }
        dense(package, findings);
    }
    for trick in &package.trick {
        judge_announcement(package, trick, findings);
    }
    let mut tracks: Vec<usize> = package.trick.iter().filter_map(|trick| trick.track).collect();
    tracks.sort_unstable();
    tracks.dedup();
    for track in tracks.iter().filter_map(|number| package.tracks.get(*number)) {
        judge_track(track, findings);
    }
}

/// So many seconds per picture are dense still.
const DENSE: f64 = 1.1;

fn dense(package: &Package, findings: &mut Findings) {
    let per_picture = |track: &Track| track.length() / track.playlist.entries.len().max(1) as f64;
    let densest = package.trick.iter().filter_map(|trick| package.track(trick.track)).map(per_picture).min_by(f64::total_cmp);
    if let Some(densest) = densest.filter(|densest| *densest > DENSE) {
        findings.add(&rules::DENSE_IFRAMES, &package.file, format!("a picture every {}", seconds(densest)), "every second");
    }
}

fn judge_announcement(package: &Package, trick: &Trick, findings: &mut Findings) {
    let (file, attributes) = (&package.file, &trick.attributes);
    let name = format!("I-frame playlist {}", attributes.text("URI").and_then(|uri| uri.split('?').next()).unwrap_or("without URI"));
    for needed in ["BANDWIDTH", "URI"] {
        if !attributes.has(needed) {
            findings.add(&rules::IFRAME_STREAM_INF, file, format!("{name} has no {needed}"), needed);
        }
    }
    for strange in ["FRAME-RATE", "AUDIO", "SUBTITLES", "CLOSED-CAPTIONS"] {
        if attributes.has(strange) {
            findings.add(&rules::IFRAME_STREAM_INF, file, format!("{name} has {strange}"), "none");
        }
    }
    let init = package.track(trick.track).and_then(Track::init);
    match (attributes.text("CODECS"), init) {
        (None, _) => findings.add(&rules::IFRAME_CODECS, file, format!("{name} has none"), "CODECS"),
        (Some(said), Some(init)) if init.codec().contains('.') && !said.eq_ignore_ascii_case(&init.codec()) => {
            findings.add(&rules::CODEC_STRING, file, format!("{name} says {said}"), init.codec());
        }
        _ => {}
    }
    match (attributes.size("RESOLUTION"), init.and_then(Init::shown)) {
        (None, _) => findings.add(&rules::IFRAME_RESOLUTION, file, format!("{name} has none"), "RESOLUTION"),
        (Some(said), Some(shown)) if said != shown => {
            findings.add(&rules::IFRAME_RESOLUTION, file, format!("{name} says {}x{}", said.0, said.1), format!("{}x{}", shown.0, shown.1));
        }
        _ => {}
    }
}

fn judge_track(track: &Track, findings: &mut Findings) {
    let file = &track.file;
    if !track.playlist.iframes_only {
        return findings.add(&rules::IFRAMES_ONLY, file, "no EXT-X-I-FRAMES-ONLY", "one");
    }
    for (number, (piece, fragment, _)) in track.fragments().enumerate() {
        let [sample] = fragment.samples[..] else {
            let measured = format!("I-frame {} of {} holds {} whole samples", number + 1, piece.file, fragment.samples.len());
            findings.add(&rules::IFRAME_RANGE, file, measured, "one");
            continue;
        };
        if !sample.sync || !sample.idr {
            findings.add(&rules::IFRAME_RANGE, file, format!("I-frame {} of {} is none", number + 1, piece.file), "a sync sample");
        }
    }
    times(track, findings);
}

/// So many seconds EXTINF and the pictures' own times may differ: half a picture at 24 per second.
const ROUNDING: f64 = 0.021;

fn times(track: &Track, findings: &mut Findings) {
    if !track.is_whole() {
        return;
    }
    let mut said = 0.0;
    let mut first = None;
    for ((piece, fragment, init), entry) in track.fragments().zip(&track.playlist.entries) {
        let Some(time) = fragment.samples.first().map(|sample| init.seconds(sample.pts)) else { return };
        let real = time - *first.get_or_insert(time);
        if f64::abs(real - said) > ROUNDING {
            findings.add(&rules::IFRAME_TIMES, &track.file, format!("{} before {}", seconds(said), piece.file), seconds(real));
            return;
        }
        said += entry.duration;
    }
}
