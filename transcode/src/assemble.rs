//! Puts together what the runs made: judges whether it is enough, writes the playlists from measured sizes, the poster and
//! the storyboard, and describes it all in the manifest. Decodes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::cadence::{self, VIDEO_TIMESCALE};
use crate::error::{Doing, TranscodeError};
use crate::ladder::Rung;
use crate::manifest::{MADE_BY, Manifest, Notice, PictureSize, Rendition, Storyboard};
use crate::package::Planned;
use crate::placing::Tally;
use crate::plan::Plan;
use crate::playlist::{self, AudioEntry, Rates, VideoEntry};
use crate::probe::Probe;
use crate::run::Made;
use crate::stations::SOUND;
use crate::stills::STILLS;
use crate::track::Part;
use crate::{language, storyboard};

/// Name of the poster in the output folder.
pub const POSTER: &str = "poster.jpg";

/// Candidates for the poster that are kept.
const CANDIDATES: usize = 6;

/// Variance of brightness above which a picture shows something.
const TELLING: f64 = 120.0;

/// Writes everything of a package that is no segment into `out`, where the segments and stills of `made` are; answers the
/// manifest. Stills that are not needed any more are removed.
///
/// # Errors
/// When too little could be read for a stream that deserves the name, and when a file cannot be written.
pub fn assemble(out: &Path, planned: &Planned, mut made: Vec<Made>) -> Result<Manifest, TranscodeError> {
    let Planned { probe, plan, captions } = planned;
    made.sort_by_key(|made| made.first);
    let mut tally = Tally::default();
    for made in &made {
        tally.add(&made.tally);
    }
    if let Some(end) = plan.end {
        (tally.duration, tally.seen) = (end, plan.seen);
    }
    judge(probe, &tally)?;
    let candidates = posters(out, &made)?;
    let ladder = &plan.ladder;
    let (videos, sound) = joined(ladder, &made);
    let mut starts = vec![];
    let mut at = 0;
    for segment in videos.first().map_or(&[][..], |part| &part.segments) {
        starts.push(at);
        at += segment.duration;
    }
    let sheets = storyboard::write(out, &made, probe.size(), &starts, at)?;
    fs::remove_dir_all(out.join(STILLS)).or_else(ignore_missing).doing("remove the stills")?;
    let mut renditions = write_playlists(out, probe, ladder, &videos, sound.as_ref(), &tally)?;
    for rendition in &mut renditions {
        rendition.copied = plan.copies(&rendition.name);
    }
    Ok(Manifest {
        made_by: MADE_BY,
        complete: true,
        duration_ms: (tally.duration * 1000 / VIDEO_TIMESCALE) as u64,
        width: ladder.first().map(|rung| rung.width),
        height: ladder.first().map(|rung| rung.height),
        bytes: renditions.iter().map(|rendition| rendition.bytes).sum(),
        renditions,
        poster: (!candidates.is_empty()).then(|| POSTER.to_owned()),
        posters: candidates,
        storyboard: (!sheets.is_empty()).then(|| Storyboard { file: storyboard::FILE.into(), sheets }),
        chapters: probe.chapters.clone(),
        captions: captions.clone(),
        notices: notices(probe, plan, &tally),
        loudness: plan.loudness,
        not_copied: plan.not_copied,
        pictures: tally.pictures,
        pictures_held: tally.held,
        damaged: tally.damaged,
        source: probe.clone(),
    })
}

/// Nothing is wrong when what is to be removed is not there.
pub fn ignore_missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// The parts of each rendition as one: pictures by the ladder, and the sound, unless it never came.
fn joined(ladder: &[Rung], made: &[Made]) -> (Vec<Part>, Option<Part>) {
    let heard = made.iter().any(|made| made.tally.sound > 0);
    let mut whole: BTreeMap<String, Part> = BTreeMap::new();
    for part in made.iter().flat_map(|made| &made.parts) {
        match whole.get_mut(&part.name) {
            Some(before) => before.append(part),
            None => drop(whole.insert(part.name.clone(), part.clone())),
        }
    }
    let videos = ladder.iter().filter_map(|rung| whole.remove(&rung.name())).collect();
    (videos, whole.remove(SOUND).filter(|_| heard))
}

/// Names the most telling candidates `poster-1.jpg` and so on, in the order of the film, and copies the one that is shown
/// unless somebody chooses another: the first telling one from a tenth of the film on.
fn posters(out: &Path, made: &[Made]) -> Result<Vec<String>, TranscodeError> {
    let mut found: Vec<(usize, &str, f64)> =
        made.iter().filter_map(|made| made.stills.poster.as_ref().map(|(file, telling)| (made.first, file.as_str(), *telling))).collect();
    let last = found.iter().map(|(first, ..)| *first).max().unwrap_or(0);
    found.sort_by(|a, b| b.2.total_cmp(&a.2));
    found.truncate(CANDIDATES);
    found.sort_by_key(|(first, ..)| *first);
    let tenth = |first: usize| first * 10 >= last;
    let shown = found.iter().position(|(first, _, telling)| tenth(*first) && *telling >= TELLING);
    let best = || (0..found.len()).max_by(|&a, &b| found[a].2.total_cmp(&found[b].2));
    let shown = shown.or_else(best);
    let mut names = vec![];
    for (number, (_, file, _)) in found.iter().enumerate() {
        let name = format!("poster-{}.jpg", number + 1);
        // Read and written: copying would also set permissions, which the sandbox has no need of.
        let picture = fs::read(out.join(STILLS).join(file)).doing("read a still")?;
        fs::write(out.join(&name), &picture).doing("write a poster")?;
        if Some(number) == shown {
            fs::write(out.join(POSTER), &picture).doing("write the poster")?;
        }
        names.push(name);
    }
    Ok(names)
}

/// Whether enough of the file could be read for a stream that deserves the name.
fn judge(probe: &Probe, tally: &Tally) -> Result<(), TranscodeError> {
    if probe.video.is_some() && tally.pictures == 0 {
        return Err(TranscodeError::unreadable("no picture could be decoded"));
    }
    if probe.video.is_none() && tally.sound == 0 {
        return Err(TranscodeError::unreadable("no sound could be decoded"));
    }
    match read_of_listed(probe, tally) {
        // What is missing up to a tenth is told as a notice.
        Some((read, listed)) if read * 10 < listed * 9 => Err(TranscodeError::MediaTruncated { read, listed }),
        // More noise than content is most often another codec, taken for one that it is not.
        _ if tally.damaged * 2 > tally.video_packets + tally.audio_packets => {
            Err(TranscodeError::unreadable(format!("{} damaged places", tally.damaged)))
        }
        _ => Ok(()),
    }
}

/// Packets that were read and that the index lists, of containers that list every packet.
fn read_of_listed(probe: &Probe, tally: &Tally) -> Option<(u64, u64)> {
    let video = probe.video.as_ref().map(|video| (tally.video_packets, video.listed));
    let listed = video.or(probe.audio.as_ref().map(|audio| (tally.audio_packets, audio.listed)));
    listed.filter(|_| ["mp4", "avi"].iter().any(|name| probe.container.contains(name)))
}

fn notices(probe: &Probe, plan: &Plan, tally: &Tally) -> Vec<Notice> {
    let packets = tally.video_packets + tally.audio_packets;
    let actual_ms = (tally.duration * 1000 / VIDEO_TIMESCALE) as u64;
    let early = match read_of_listed(probe, tally) {
        // What could be planned was there to the last packet.
        _ if !plan.is_whole() => false,
        Some((read, listed)) => read * 100 < listed * 99,
        // Headers claim anything; a tenth and five seconds are beyond rounding.
        None => probe.claimed_ms.is_some_and(|claimed| actual_ms + 5000 < claimed && actual_ms * 10 < claimed * 9),
    };
    [
        (Notice::SoundUnsupported, probe.audio_unsupported || (probe.audio.is_some() && tally.sound == 0)),
        // A recording cut out of a broadcast begins and ends within a packet; that is no damage.
        (Notice::PartlyDamaged, tally.damaged > 2 && tally.damaged * 100 > packets),
        (Notice::EndsEarly, early),
        (Notice::CaptionsArePictures, probe.picture_captions > 0),
    ]
    .into_iter()
    .filter_map(|(notice, holds)| holds.then_some(notice))
    .collect()
}

/// Writes all playlists, the multivariant one last, and describes the renditions.
fn write_playlists(
    out: &Path,
    probe: &Probe,
    ladder: &[Rung],
    videos: &[Part],
    sound: Option<&Part>,
    tally: &Tally,
) -> Result<Vec<Rendition>, TranscodeError> {
    let parts: Vec<&Part> = videos.iter().chain(sound).collect();
    let target = playlist::target_duration(parts.iter().map(|part| (&part.segments[..], part.timescale)));
    let rates = |part: &Part| Rates::of(&part.segments, part.timescale, target, |segment| segment.bytes);
    for part in &parts {
        let text = playlist::media(&part.segments, part.timescale, target);
        // Its segments may have been stored already, and be nowhere near.
        fs::create_dir_all(out.join(&part.name)).doing("make a rendition's folder")?;
        fs::write(out.join(&part.name).join(playlist::MEDIA), text).doing("write a playlist")?;
    }
    let source_rate = cadence::frame_rate(tally.within_cap, tally.seen, tally.busiest);
    let mut entries = vec![];
    let mut renditions = vec![];
    for part in videos {
        let Some(rung) = ladder.iter().find(|rung| rung.name() == part.name) else { continue };
        let text = playlist::iframes(&part.segments, part.timescale, target);
        fs::write(out.join(&part.name).join(playlist::IFRAMES), text).doing("write a playlist")?;
        let entry = VideoEntry {
            name: part.name.clone(),
            codec: part.codec.clone(),
            width: rung.width,
            height: rung.height,
            frame_rate: cadence::thinned_rate(source_rate, rung.max_fps),
            rates: rates(part),
            iframe_rates: Some(Rates::of(&part.segments, part.timescale, target, |segment| segment.first_picture)),
        };
        let picture = Some(PictureSize { width: rung.width, height: rung.height, frame_rate: entry.frame_rate });
        renditions.push(rendition(part, picture, entry.rates));
        entries.push(entry);
    }
    let audio = sound.map(|sound| AudioEntry {
        name: SOUND.to_owned(),
        codec: sound.codec.clone(),
        language: language::tag(probe.audio.as_ref().and_then(|audio| audio.language.as_deref())),
        rates: rates(sound),
    });
    renditions.extend(sound.map(|sound| rendition(sound, None, rates(sound))));
    fs::write(out.join(playlist::MASTER), playlist::master(&entries, audio.as_ref())).doing("write a playlist")?;
    Ok(renditions)
}

fn rendition(part: &Part, picture: Option<PictureSize>, rates: Rates) -> Rendition {
    Rendition {
        name: part.name.clone(),
        codec: part.codec.clone(),
        picture,
        frames: part.frames,
        segments: part.segments.len(),
        duration_ms: (part.duration() * 1000 / i64::from(part.timescale)) as u64,
        peak_bandwidth: rates.peak,
        average_bandwidth: rates.average,
        bytes: part.bytes(),
        copied: false,
    }
}
