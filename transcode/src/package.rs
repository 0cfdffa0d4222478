//! Puts the parts together: probe, ladder, the line of stations, and what is written when it has run.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cadence::{self, VIDEO_TIMESCALE};
use crate::error::{Doing, TranscodeError};
use crate::ladder::{self, Rung};
use crate::line::{self, Post};
use crate::manifest::{MADE_BY, Manifest, Notice, PictureSize, Rendition};
use crate::placing::Tally;
use crate::playlist::{self, AudioEntry, Rates, VideoEntry};
use crate::probe::{self, Probe};
use crate::source::{Reading, Source, Trays};
use crate::stations::{RungStation, SOUND, SoundStation};
use crate::track::Track;
use crate::upright::Upright;
use crate::{aac, language, poster, scale};

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
}

impl Default for Options {
    fn default() -> Self {
        Self { threads: 2, segment_ms: 4000, hold_repeats: true }
    }
}

/// How far a transcode is. Frames of the source: pictures, or blocks of sound where there is no picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub frames_done: u64,
    /// An estimate until the end, never below `frames_done`.
    pub frames_total: u64,
}

/// Trays between stations: enough that no station waits for a short delay of another, few enough to stay small.
const PICTURES_WAITING: usize = 4;
const SOUND_WAITING: usize = 128;

/// Makes an HLS package of `input` in the folder `out`.
///
/// # Errors
/// See [`TranscodeError`]. Files may be left in `out`; without a manifest they mean nothing.
pub fn transcode(input: &Path, out: &Path, options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Manifest, TranscodeError> {
    let probe = probe::probe(input)?;
    fs::create_dir_all(out).doing("make the output folder")?;
    let segment = i64::from(options.segment_ms.clamp(1000, 10_000)) * VIDEO_TIMESCALE / 1000;
    let ladder = probe.video.as_ref().map_or_else(Vec::new, |video| {
        let decoded = u64::from(video.width) * u64::from(video.height);
        ladder::plan(video.display_width, video.display_height, decoded, video.fps)
    });
    let done = Arc::new(AtomicU64::new(0));
    let mut rungs = rungs(&probe, &ladder, out);
    let mut sound = probe.audio.as_ref().map(|_| SoundStation::new(out, segment)).transpose()?;
    let trays = Trays { picture: (!rungs.is_empty()).then_some(1), sound: sound.is_some().then_some(1 + rungs.len()) };
    let reading = Reading { segment, decoder_threads: decoder_threads(&probe, options.threads), hold_repeats: options.hold_repeats };
    let mut source = Source::open(input, &probe, ladder.first(), reading, trays, done.clone())?;

    let mut posts = vec![Post { station: Box::new(&mut source) as Box<_>, source: true, feeds: vec![], room: 0 }];
    let count = rungs.len();
    for (i, rung) in rungs.iter_mut().enumerate() {
        let feeds = if i + 1 < count { vec![i + 2] } else { vec![] };
        posts.push(Post { station: Box::new(rung), source: false, feeds, room: PICTURES_WAITING });
    }
    if let Some(sound) = &mut sound {
        posts.push(Post { station: Box::new(sound), source: false, feeds: vec![], room: SOUND_WAITING });
    }
    posts[0].feeds = trays.picture.into_iter().chain(trays.sound).collect();
    // The largest rung is the dearest and must never wait; then whatever keeps it fed.
    let mut order: Vec<usize> = (0..posts.len()).collect();
    order.sort_by_key(|&number| (number != 1, number));
    let expected = expected_frames(&probe);
    line::run(posts, order, options.threads, &mut || {
        let frames_done = done.load(Ordering::Relaxed);
        progress(Progress { frames_done, frames_total: expected.max(frames_done) });
    })?;

    let tally = source.tally;
    judge(&probe, &tally)?;
    let (picker, captions) = source.into_rest();
    let sound = sound.filter(|sound| sound.frames > 0);
    if sound.is_none() && probe.audio.is_some() {
        fs::remove_dir_all(out.join(SOUND)).doing("remove an empty rendition")?;
    }
    let poster = match picker {
        Some(picker) => picker.write(out)?.then(|| poster::NAME.to_owned()),
        None => None,
    };
    let renditions = write_playlists(out, &probe, &ladder, &rungs, sound.as_ref(), &tally)?;
    let manifest = Manifest {
        made_by: MADE_BY,
        duration_ms: (tally.duration * 1000 / VIDEO_TIMESCALE) as u64,
        width: ladder.first().map(|rung| rung.width),
        height: ladder.first().map(|rung| rung.height),
        bytes: renditions.iter().map(|rendition| rendition.bytes).sum(),
        renditions,
        poster,
        captions: captions.write(out)?,
        notices: notices(&probe, &tally),
        pictures: tally.pictures,
        pictures_held: tally.held,
        damaged: tally.damaged,
        source: probe,
    };
    let frames = if manifest.width.is_some() { tally.video_packets } else { tally.audio_packets };
    progress(Progress { frames_done: frames, frames_total: frames });
    Ok(manifest)
}

fn rungs(probe: &Probe, ladder: &[Rung], out: &Path) -> Vec<RungStation> {
    let Some(video) = &probe.video else { return vec![] };
    let colour = match ladder.first() {
        Some(top) if Upright::new(video, top.width, top.height).tone_maps() => scale::Colour::BT709,
        _ => video.colour,
    };
    let station = |(i, rung)| {
        let below = (i + 1 < ladder.len()).then_some(i + 2);
        RungStation::new(rung, video.fps, colour, out, below)
    };
    ladder.iter().enumerate().map(station).collect()
}

/// Decoding is one station among several; only pictures above full HD are decoded by more than one thread.
fn decoder_threads(probe: &Probe, threads: usize) -> usize {
    let large = probe.video.as_ref().is_some_and(|video| u64::from(video.width) * u64::from(video.height) > 1920 * 1088);
    if large { threads.max(1) } else { 1 }
}

fn expected_frames(probe: &Probe) -> u64 {
    let seconds = probe.claimed_ms.unwrap_or(0) as f64 / 1000.0;
    match (&probe.video, &probe.audio) {
        (Some(video), _) if video.listed > 0 => video.listed,
        (Some(video), _) => (seconds * video.fps) as u64,
        (None, Some(audio)) => audio.listed,
        (None, None) => 0,
    }
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

fn notices(probe: &Probe, tally: &Tally) -> Vec<Notice> {
    let packets = tally.video_packets + tally.audio_packets;
    let actual_ms = (tally.duration * 1000 / VIDEO_TIMESCALE) as u64;
    let early = match read_of_listed(probe, tally) {
        Some((read, listed)) => read * 100 < listed * 99,
        // Headers claim anything; a tenth and five seconds are beyond rounding.
        None => probe.claimed_ms.is_some_and(|claimed| actual_ms + 5000 < claimed && actual_ms * 10 < claimed * 9),
    };
    [
        (Notice::SoundUnsupported, probe.audio_unsupported || (probe.audio.is_some() && tally.sound == 0)),
        // A recording cut out of a broadcast begins and ends within a packet; that is no damage.
        (Notice::PartlyDamaged, tally.damaged > 2 && tally.damaged * 100 > packets),
        (Notice::EndsEarly, early),
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
    rungs: &[RungStation],
    sound: Option<&SoundStation>,
    tally: &Tally,
) -> Result<Vec<Rendition>, TranscodeError> {
    let tracks: Vec<&Track> = rungs.iter().filter_map(|rung| rung.track.as_ref()).chain(sound.map(|sound| &sound.track)).collect();
    let target = playlist::target_duration(tracks.iter().map(|track| (&track.segments[..], track.timescale)));
    let rates = |track: &Track| Rates::of(&track.segments, track.timescale, target, |segment| segment.bytes);
    for track in &tracks {
        let text = playlist::media(&track.segments, track.timescale, target);
        fs::write(out.join(&track.name).join(playlist::MEDIA), text).doing("write a playlist")?;
    }
    let source_rate = cadence::frame_rate(tally.within_cap, tally.seen, tally.busiest);
    let mut videos = vec![];
    let mut renditions = vec![];
    for (rung, station) in ladder.iter().zip(rungs) {
        let Some(track) = &station.track else { continue };
        let text = playlist::iframes(&track.segments, track.timescale, target);
        fs::write(out.join(&track.name).join(playlist::IFRAMES), text).doing("write a playlist")?;
        let entry = VideoEntry {
            name: track.name.clone(),
            codec: station.codec.clone(),
            width: rung.width,
            height: rung.height,
            frame_rate: cadence::thinned_rate(source_rate, rung.max_fps),
            rates: rates(track),
            iframe_rates: Rates::of(&track.segments, track.timescale, target, |segment| segment.first_picture),
        };
        let picture = Some(PictureSize { width: rung.width, height: rung.height, frame_rate: entry.frame_rate });
        renditions.push(rendition(track, &station.codec, picture, station.frames, entry.rates));
        videos.push(entry);
    }
    let audio = sound.map(|sound| AudioEntry {
        name: SOUND.to_owned(),
        codec: aac::CODEC.to_owned(),
        language: language::tag(probe.audio.as_ref().and_then(|audio| audio.language.as_deref())),
        rates: rates(&sound.track),
    });
    renditions.extend(sound.map(|sound| rendition(&sound.track, aac::CODEC, None, sound.frames, rates(&sound.track))));
    fs::write(out.join(playlist::MASTER), playlist::master(&videos, audio.as_ref())).doing("write a playlist")?;
    Ok(renditions)
}

fn rendition(track: &Track, codec: &str, picture: Option<PictureSize>, frames: u64, rates: Rates) -> Rendition {
    Rendition {
        name: track.name.clone(),
        codec: codec.to_owned(),
        picture,
        frames,
        segments: track.segments.len(),
        duration_ms: (track.duration() * 1000 / i64::from(track.timescale)) as u64,
        peak_bandwidth: rates.peak,
        average_bandwidth: rates.average,
        bytes: track.bytes(),
    }
}

#[cfg(test)]
mod tests {
    use ffmpeg_next::format::Pixel;
    use ffmpeg_next::frame;

    use super::*;
    use crate::avc;
    use crate::cmaf::Coding;
    use crate::x264;

    /// Writes a fragmented MP4 of grey pictures, one per `(time in ticks, brightness)`, that lasts until `end`.
    fn write_greys(dir: &Path, pictures: &[(i64, u8)], end: i64) -> std::path::PathBuf {
        let rung = Rung { width: 64, height: 64, max_bitrate: 1_000_000, max_fps: 60 };
        let mut encoder = x264::Encoder::open(&rung, 25.0, scale::Colour::BT709).unwrap();
        let coding = Coding::Avc { width: 64, height: 64, record: encoder.parameters.record(), colour: scale::Colour::BT709 };
        let mut track = Track::create(dir, "source", coding, VIDEO_TIMESCALE as u32).unwrap();
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
