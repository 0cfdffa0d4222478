//! Media playlists and their segments: durations, boundaries, decode times.

use super::{frame, seconds};
use crate::check::load::{Content, Package, Track};
use crate::check::report::Findings;
use crate::check::rules;

pub fn judge(package: &Package, findings: &mut Findings) {
    for track in &package.tracks {
        judge_text(track, findings);
        if !track.playlist.iframes_only {
            judge_times(track, findings);
        }
    }
    same_target(package, findings);
    same_length(package, findings);
    aligned(package, findings);
}

/// What the text of a playlist says.
fn judge_text(track: &Track, findings: &mut Findings) {
    let (file, playlist) = (&track.file, &track.playlist);
    if playlist.kind.as_deref() != Some("VOD") {
        let measured = playlist.kind.clone().unwrap_or_else(|| "no EXT-X-PLAYLIST-TYPE".into());
        findings.add(&rules::VOD, file, measured, "VOD");
    }
    if !playlist.end {
        findings.add(&rules::ENDLIST, file, "no EXT-X-ENDLIST", "one");
    }
    if let Some(target) = playlist.target {
        for (entry, piece) in playlist.entries.iter().zip(&track.pieces) {
            if entry.duration.round() > target as f64 {
                findings.add(
                    &rules::TARGET_DURATION,
                    file,
                    format!("{} of {}", seconds(entry.duration), piece.file),
                    format!("{target} s, rounded"),
                );
            }
        }
        // What is shorter than that as a whole has nothing to divide.
        if !playlist.iframes_only && target != SIX && track.length() > SIX as f64 {
            findings.add(&rules::SIX_SECONDS, file, format!("{target} s"), format!("{SIX} s"));
        }
    }
    if let Some(piece) = track.pieces.iter().find(|piece| matches!(piece.content, Content::Unmapped)) {
        findings.add(&rules::MAP, file, format!("none before {}", piece.file), "EXT-X-MAP");
    }
}

const SIX: u64 = 6;

/// What the segments themselves say of their times.
fn judge_times(track: &Track, findings: &mut Findings) {
    let mut next: Option<(i64, u32)> = None;
    let frame = frame(track).unwrap_or(0.0);
    let (mut said, mut real, mut worst) = (0.0, 0.0, 0.0f64);
    for (piece, entry) in track.pieces.iter().zip(&track.playlist.entries) {
        let (Content::Fragment(fragment), Some(Some(init))) = (&piece.content, entry.map.and_then(|map| track.inits.get(map))) else {
            next = None;
            continue;
        };
        if entry.discontinuity {
            next = None;
        }
        let duration = init.seconds(fragment.duration());
        if let Some((expected, timescale)) = next
            && timescale == init.timescale
            && fragment.start != expected
        {
            let measured = format!("starts at {} ticks", fragment.start);
            findings.add(&rules::TFDT, &piece.file, measured, format!("{expected}, where the one before ends"));
        }
        next = Some((fragment.start + fragment.duration(), init.timescale));
        if let Some(target) = track.playlist.target
            && duration > target as f64 + 0.5
        {
            findings.add(&rules::LONGEST_SEGMENT, &piece.file, seconds(duration), format!("{target}.5 s at most"));
        }
        said += entry.duration;
        real += duration;
        if f64::abs(said - real) > f64::abs(worst) {
            worst = said - real;
        }
    }
    // EXTINF has its own rounding.
    if worst.abs() > frame + 0.001 {
        let measured = format!("{} apart", seconds(worst.abs()));
        findings.add(&rules::EXTINF_SUM, &track.file, measured, format!("{} at most", seconds(frame)));
    }
}

fn same_target(package: &Package, findings: &mut Findings) {
    let first = package.pictures().chain(package.sounds()).next();
    let Some((first, target)) = first.and_then(|track| Some((track, track.playlist.target?))) else { return };
    for track in package.pictures().chain(package.sounds()) {
        if let Some(other) = track.playlist.target.filter(|other| *other != target) {
            findings.add(&rules::SAME_TARGET, &track.file, format!("{other} s"), format!("{target} s, as {}", first.file));
        }
    }
}

/// Length and start of every rendition against those of the first.
fn same_length(package: &Package, findings: &mut Findings) {
    let mut tracks = package.pictures().chain(package.sounds()).filter(|track| track.is_whole());
    let Some(first) = tracks.next() else { return };
    let (length, first_frame) = (first.length(), frame(first).unwrap_or(0.0));
    for track in tracks {
        let tolerance = first_frame + frame(track).unwrap_or(0.0) + 0.001;
        if (track.length() - length).abs() > tolerance {
            findings.add(&rules::SAME_LENGTH, &track.file, seconds(track.length()), format!("{}, as {}", seconds(length), first.file));
        }
        if let (Some(start), Some(other)) = (begins(first), begins(track))
            && (start - other).abs() > tolerance
        {
            findings.add(
                &rules::SAME_START,
                &track.file,
                format!("starts at {}", seconds(other)),
                format!("{}, as {}", seconds(start), first.file),
            );
        }
    }
}

/// Presentation time of the first sample, edit list applied.
fn begins(track: &Track) -> Option<f64> {
    let (_, fragment, init) = track.fragments().next()?;
    Some(init.seconds(fragment.first_pts()? - init.begins))
}

fn aligned(package: &Package, findings: &mut Findings) {
    let starts = |track: &Track| -> Vec<f64> { track.fragments().map(|(_, fragment, init)| init.seconds(fragment.start)).collect() };
    let mut pictures = package.pictures().filter(|track| track.is_whole());
    let Some(first) = pictures.next() else { return };
    let expected = starts(first);
    for track in pictures {
        let found = starts(track);
        if found.len() != expected.len() {
            findings.add(
                &rules::ALIGNED,
                &track.file,
                format!("{} segments", found.len()),
                format!("{}, as {}", expected.len(), first.file),
            );
            continue;
        }
        let tolerance = frame(first).unwrap_or(0.0).min(frame(track).unwrap_or(0.0)) / 2.0;
        let apart = found.iter().zip(&expected).enumerate().find(|(_, (found, expected))| (**found - **expected).abs() > tolerance);
        if let Some((number, (found, expected))) = apart {
            let measured = format!("segment {} starts at {}", number + 1, seconds(*found));
            findings.add(&rules::ALIGNED, &track.file, measured, format!("{}, as in {}", seconds(*expected), first.file));
        }
    }
}
