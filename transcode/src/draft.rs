//! What can be watched of a stream while most of it is still being made: playlists of all that is planned, with the lengths
//! that the packets promise. Pure.
//!
//! They lie in a folder of their own, which is looked into when the finished playlists are not there yet. A player that has
//! read them can go on with them to the end: segments have the same names and the same times in both.

use crate::cadence::{self, VIDEO_TIMESCALE};
use crate::language;
use crate::manifest::{MADE_BY, Manifest, PictureSize, Rendition};
use crate::package::Planned;
use crate::plan::Plan;
use crate::playlist::{self, AudioEntry, Rates, VideoEntry};
use crate::run::Made;
use crate::stations::{self, SOUND};
use crate::track::{Part, Segment};

/// Where a playlist's draft lies, relative to the folder of the package.
pub fn path(playlist: &str) -> String {
    format!("{FOLDER}/{playlist}")
}

/// Folder of all drafts.
pub const FOLDER: &str = "draft";

/// A stream that can be watched from its beginning.
pub struct Draft {
    pub manifest: Manifest,
    /// Paths relative to the folder of the package, and texts.
    pub playlists: Vec<(String, String)>,
    /// A picture that the first run has kept, relative to the folder of the package.
    pub poster: Option<String>,
}

/// The draft of a stream of which at least the first runs are made; None when the beginning is not all there, or when only
/// reading the whole file tells how long its segments are.
pub fn draft(planned: &Planned, made: &[Made]) -> Option<Draft> {
    let Planned { probe, plan, captions } = planned;
    let end = plan.end?;
    let beginning: Vec<&Part> = made.iter().filter(|made| made.first == 1).flat_map(|made| &made.parts).collect();
    let find = |name: &str| beginning.iter().copied().find(|part| part.name == name);
    let sound = match plan.sound.is_empty() {
        true => None,
        false => Some(find(SOUND)?),
    };
    let fps = probe.video.as_ref().map_or(0.0, |video| video.fps);
    let mut entries = vec![];
    for rung in &plan.ladder {
        let part = find(&rung.name())?;
        entries.push(VideoEntry {
            name: rung.name(),
            codec: part.codec.clone(),
            width: rung.width,
            height: rung.height,
            frame_rate: cadence::thinned_rate(fps, rung.max_fps),
            rates: announced(part, rung.max_bitrate.into()),
            iframe_rates: None,
        });
    }
    let audio = sound.map(|sound| AudioEntry {
        name: SOUND.to_owned(),
        codec: sound.codec.clone(),
        language: language::tag(probe.audio.as_ref().and_then(|audio| audio.language.as_deref())),
        rates: announced(sound, 0),
    });

    let pictures = lengths(&plan.cuts, end);
    let heard = lengths(&sound_cuts(plan, end), end * i64::from(SOUND_TIMESCALE) / VIDEO_TIMESCALE);
    let tracks = [(&pictures[..], VIDEO_TIMESCALE as u32), (&heard[..], SOUND_TIMESCALE)];
    let target = playlist::target_duration(tracks);
    let media = |name: &str, (segments, timescale): (&[Segment], u32)| {
        (path(&format!("{name}/{}", playlist::MEDIA)), playlist::media(segments, timescale, target))
    };
    let mut playlists: Vec<_> = entries.iter().map(|entry| media(&entry.name, tracks[0])).collect();
    playlists.extend(audio.iter().map(|audio| media(&audio.name, tracks[1])));
    playlists.push((path(playlist::MASTER), playlist::master(&entries, audio.as_ref())));

    let duration_ms = (end * 1000 / VIDEO_TIMESCALE) as u64;
    let rendition = |name: &str, codec: &str, picture: Option<PictureSize>, rates: Rates, segments: usize| Rendition {
        name: name.to_owned(),
        codec: codec.to_owned(),
        picture,
        frames: 0,
        segments,
        duration_ms,
        peak_bandwidth: rates.peak,
        average_bandwidth: rates.average,
        bytes: 0,
        copied: plan.copies(name),
    };
    let size = |entry: &VideoEntry| PictureSize { width: entry.width, height: entry.height, frame_rate: entry.frame_rate };
    let mut renditions: Vec<_> =
        entries.iter().map(|entry| rendition(&entry.name, &entry.codec, Some(size(entry)), entry.rates, pictures.len())).collect();
    renditions.extend(audio.iter().map(|audio| rendition(&audio.name, &audio.codec, None, audio.rates, heard.len())));
    let stills = made.iter().filter(|made| made.first == 1).flat_map(|made| made.stills.poster_file());
    let manifest = Manifest {
        made_by: MADE_BY,
        complete: false,
        duration_ms,
        width: plan.ladder.first().map(|rung| rung.width),
        height: plan.ladder.first().map(|rung| rung.height),
        renditions,
        poster: None,
        posters: vec![],
        storyboard: None,
        chapters: probe.chapters.clone(),
        captions: captions.clone(),
        notices: vec![],
        loudness: plan.loudness,
        not_copied: plan.not_copied,
        pictures: 0,
        pictures_held: 0,
        damaged: 0,
        bytes: 0,
        source: probe.clone(),
    };
    Some(Draft { manifest, playlists, poster: stills.last() })
}

/// Ticks per second of the sound rendition.
const SOUND_TIMESCALE: u32 = crate::sound::RATE as u32;

/// What is said of a rendition's rates while only its beginning is known: the cap that the encoder keeps to, or what was
/// measured so far where that is more.
fn announced(part: &Part, cap: u64) -> Rates {
    let target = playlist::target_duration([(&part.segments[..], part.timescale)]);
    let measured = Rates::of(&part.segments, part.timescale, target, |segment| segment.bytes);
    Rates { peak: measured.peak.max(cap), average: measured.average }
}

/// Segments that start at these ticks, the last one until `end`.
fn lengths(starts: &[i64], end: i64) -> Vec<Segment> {
    let ends = starts.iter().skip(1).copied().chain([end]);
    starts.iter().zip(ends).map(|(start, end)| Segment { duration: end - start, bytes: 0, first_picture: 0 }).collect()
}

/// Where segments of sound start, in samples.
fn sound_cuts(plan: &Plan, end: i64) -> Vec<i64> {
    plan.grid().before(end).map(stations::sound_cut).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::assemble::assemble;
    use crate::package::{self, Options};
    use crate::run;

    #[test]
    fn a_draft_promises_what_the_finished_playlists_say() {
        let dir = tempfile::tempdir().unwrap();
        let input = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/runs.mp4");
        let options = Options::default();
        let planned = package::prepare(&input, dir.path(), &options, &mut |_| {}).unwrap();
        let count = run::runs(&planned.plan).len();
        let encode = |number| package::encode(&input, dir.path(), &planned, number, &options, &mut |_| {}).unwrap();
        let first = encode(0);
        assert!(draft(&planned, std::slice::from_ref(&first)).is_none(), "the sound is there, the pictures are not");
        let beginning = [first, encode(1)];
        let Draft { manifest, playlists, poster } = draft(&planned, &beginning).unwrap();
        assert!(dir.path().join(poster.unwrap()).is_file());

        let made = beginning.into_iter().chain((2..count).map(encode)).collect();
        let whole = assemble(dir.path(), &planned, made).unwrap();
        assert_eq!((manifest.complete, manifest.duration_ms), (false, whole.duration_ms));
        let names =
            |manifest: &Manifest| manifest.renditions.iter().map(|r| (r.name.clone(), r.codec.clone(), r.segments)).collect::<Vec<_>>();
        assert_eq!(names(&manifest), names(&whole));
        for (name, text) in playlists {
            let finished = fs::read_to_string(dir.path().join(name.strip_prefix("draft/").unwrap())).unwrap();
            let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
            let (promised, finished) = (lines(&text), lines(&finished));
            if name == path(playlist::MASTER) {
                let variants = |lines: &[String]| {
                    lines.iter().filter(|line| !line.starts_with('#')).cloned().collect::<std::collections::BTreeSet<_>>()
                };
                assert_eq!(variants(&promised), variants(&finished));
            } else {
                // The last piece of sound ends with a whole frame of the coder.
                assert_eq!(promised[..promised.len() - 3], finished[..finished.len() - 3], "{name}");
            }
        }
    }
}
