//! Captions and subtitles.

use super::seconds;
use crate::check::load::{Content, Package, Rendition, Track};
use crate::check::report::Findings;
use crate::check::rules;

const DIALOG: &str = "public.accessibility.transcribes-spoken-dialog";
const SOUNDS: &str = "public.accessibility.describes-music-and-sound";

pub fn judge(package: &Package, findings: &mut Findings) {
    let captions = package.of_type("SUBTITLES").chain(package.of_type("CLOSED-CAPTIONS"));
    if package.has_video() && captions.count() == 0 {
        findings.add(&rules::CAPTIONS, &package.file, "none", "a SUBTITLES or CLOSED-CAPTIONS rendition");
    }
    for rendition in package.of_type("SUBTITLES") {
        characteristics(package, rendition, findings);
    }
    for track in package.tracks.iter().filter(|track| package.is_captions(track)) {
        judge_track(package, track, findings);
    }
}

fn characteristics(package: &Package, rendition: &Rendition, findings: &mut Findings) {
    let list = rendition.attributes.text("CHARACTERISTICS").unwrap_or_default();
    let has = |name: &str| list.split(',').any(|one| one.trim() == name);
    let name = rendition.attributes.text("NAME").unwrap_or_default();
    if has(DIALOG) != has(SOUNDS) {
        findings.add(&rules::SDH_CHARACTERISTICS, &package.file, format!("{name:?} has {list}"), format!("{DIALOG},{SOUNDS}"));
    }
    if (has(DIALOG) || has(SOUNDS)) && !rendition.attributes.yes("AUTOSELECT") {
        findings.add(&rules::SDH_AUTOSELECT, &package.file, format!("{name:?} is not"), "AUTOSELECT=YES");
    }
}

/// Cues may reach a little over the border of their segment by rounding.
const ROUNDING: f64 = 0.01;

fn judge_track(package: &Package, track: &Track, findings: &mut Findings) {
    let mut start = 0.0;
    for (piece, entry) in track.pieces.iter().zip(&track.playlist.entries) {
        let end = start + entry.duration;
        match &piece.content {
            Content::Captions(captions) if captions.is_vtt => {
                if captions.offset.is_none() {
                    findings.add(&rules::TIMESTAMP_MAP, &piece.file, "none", "X-TIMESTAMP-MAP=MPEGTS:…,LOCAL:…");
                }
                for fault in &captions.faults {
                    findings.add(&rules::VTT_SEGMENT, &piece.file, fault.clone(), "WebVTT");
                }
                let outside = captions.cues.iter().find(|(from, to)| *to < start - ROUNDING || *from > end + ROUNDING);
                if let Some((from, to)) = outside {
                    let measured = format!("a cue from {} to {}", seconds(*from), seconds(*to));
                    findings.add(
                        &rules::VTT_SEGMENT,
                        &piece.file,
                        measured,
                        format!("cues between {} and {}", seconds(start), seconds(end)),
                    );
                }
            }
            Content::Captions(_) => findings.add(&rules::WEBVTT, &piece.file, "another first line", "WEBVTT"),
            // Text in MP4 is IMSC1.
            Content::Fragment(_) | Content::Unmapped | Content::Unknown => {}
        }
        start = end;
    }
    let longest = package.pictures().chain(package.sounds()).map(Track::length).fold(0.0, f64::max);
    if longest > 0.0 && (start - longest).abs() > COVERAGE {
        findings.add(&rules::SUBTITLES_COVER, &track.file, seconds(start), seconds(longest));
    }
}

/// So much, in seconds, the length of captions may differ from that of the media: no cue is lost.
const COVERAGE: f64 = 0.5;
