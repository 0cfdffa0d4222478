//! What can be known of a file without decoding pictures or sound: every packet is read once. Says where a run may begin
//! and how long everything lasts, or that this file must be read from its start; gathers embedded captions on the way.

use std::path::Path;

use ffmpeg::format::context::Input;
use ffmpeg::format::stream::Stream;
use ffmpeg::packet::Ref;
use ffmpeg::{Discard, Packet, ffi};
use ffmpeg_next as ffmpeg;

use crate::budget::MAX_SECONDS;
use crate::cadence::VIDEO_TIMESCALE;
use crate::captions::Captions;
use crate::clock::{Clock, ticks, untick};
use crate::error::TranscodeError;
use crate::extent::Extent;
use crate::open;
use crate::probe::Probe;
use crate::remux::{NotCopied, Scan, Seen};

/// Packets of one track beyond which a file is read from its start: a day of 60 pictures a second has fewer.
const MOST_PACKETS: usize = 6_000_000;

/// Entry points of sound are kept this far apart, in ticks: each of its packets is one.
const SOUND_KEYS: i64 = VIDEO_TIMESCALE;

/// What the packets say.
pub struct Index {
    /// Where the presentation starts on the source's own clock, in ticks.
    pub origin: i64,
    pub video: Option<TrackIndex>,
    pub audio: Option<TrackIndex>,
    /// Embedded text captions, whole.
    pub captions: Captions,
    /// One clock without breaks, every packet dated, readable and listed: reading may begin at any entry point.
    pub steady: bool,
    /// What is to be known of the pictures if they are to be copied.
    pub scan: Option<Scan>,
}

/// The packets of one track. Times are ticks from the start of the presentation.
#[derive(Debug, Default)]
pub struct TrackIndex {
    pub packets: u64,
    /// Presentation times of pictures, ascending.
    pub times: Vec<i64>,
    /// Entry points in the order of the file.
    pub keys: Vec<Key>,
    pub extent: Extent,
    /// Where the last packet ends.
    pub end: i64,
}

/// A packet that can be decoded without those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Ticks from the start of the presentation.
    pub pts: i64,
    /// As the stream counts; what libav seeks by.
    pub dts: i64,
}

/// The streams that are read, and what is left of the others.
pub struct Used {
    pub video: Option<usize>,
    pub audio: Option<usize>,
}

impl Used {
    /// The streams that the probe chose.
    pub fn of(probe: &Probe) -> Self {
        Self { video: probe.video.as_ref().map(|info| info.index), audio: probe.audio.as_ref().map(|info| info.index) }
    }

    /// Tells libav to leave everything out that is neither used nor `also` wanted.
    pub fn discard_others(&self, input: &mut Input, also: impl Fn(usize) -> bool) {
        for mut stream in input.streams_mut() {
            let index = stream.index();
            if self.video != Some(index) && self.audio != Some(index) && !also(index) {
                // SAFETY: the stream belongs to `input`; libav reads the field before each packet.
                unsafe { (*stream.as_mut_ptr()).discard = Discard::All.into() };
            }
        }
    }

    /// The earliest start that the used streams announce, in ticks.
    pub fn start(&self, input: &Input) -> Option<i64> {
        let used = input.streams().filter(|stream| [self.video, self.audio].contains(&Some(stream.index())));
        used.filter(|stream| stream.start_time() != ffi::AV_NOPTS_VALUE).map(|stream| ticks(stream.start_time(), stream.time_base())).min()
    }
}

/// True for containers whose clock may honestly restart.
pub fn may_restart(input: &Input) -> bool {
    // SAFETY: reads a constant field of the demuxer.
    unsafe { (*(*input.as_ptr()).iformat).flags & ffi::AVFMT_TS_DISCONT != 0 }
}

/// Reads every packet of `path` once; looks into those of pictures where these may be copied (`copy`).
///
/// # Errors
/// Those of opening the file; damage in it only makes the index unsteady.
pub fn read(path: &Path, probe: &Probe, copy: bool) -> Result<Index, TranscodeError> {
    let mut input = open::open(path)?;
    let used = Used::of(probe);
    let mut captions = Captions::open(&input, &probe.captions);
    used.discard_others(&mut input, |index| captions.wants(index));
    let mut clock = Clock::new(may_restart(&input));
    let mut origin = used.start(&input);
    let base_of = |index: Option<usize>| index.and_then(|index| input.stream(index)).map(|stream| stream.time_base());
    let (video_base, audio_base) = (base_of(used.video), base_of(used.audio));
    let pictures = probe.video.as_ref().zip(used.video.and_then(|index| input.stream(index)));
    let mut scan = pictures.map(|(info, stream)| Scan::new(copy, &info.codec, extradata(&stream)));
    let mut video = TrackIndex::default();
    let mut audio = TrackIndex::default();
    // Only these seek to what they are asked for; the others are found by reading.
    let mut steady = ["mp4", "matroska"].iter().any(|name| probe.container.contains(name));
    loop {
        let mut packet = Packet::empty();
        match packet.read(&mut input) {
            Ok(()) => {}
            Err(ffmpeg::Error::Eof) => break,
            Err(_) => {
                steady = false;
                break;
            }
        }
        let index = packet.stream();
        let (track, base, picture) = match (video_base, audio_base) {
            (Some(base), _) if used.video == Some(index) => (&mut video, base, true),
            (_, Some(base)) if used.audio == Some(index) => (&mut audio, base, false),
            _ => {
                captions.take(&packet, -origin.unwrap_or(0));
                continue;
            }
        };
        let (Some(pts), Some(dts)) = (packet.pts(), packet.dts()) else {
            steady = false;
            if picture && let Some(scan) = &mut scan {
                scan.refuse(NotCopied::CannotBeReadInRuns);
            }
            continue;
        };
        let duration = ticks(packet.duration(), base);
        steady &= clock.shift_at(ticks(dts, base), duration) == 0;
        let origin = *origin.get_or_insert(ticks(dts, base));
        // As the source will count, to the tick.
        let back = untick(-origin, base);
        let [at, decoded] = [pts, dts].map(|time| ticks(time.saturating_add(back), base));
        steady &= track.note(at, (decoded, dts), duration, picture, packet.is_key());
        if picture && let Some(scan) = &mut scan {
            scan.packet(&Seen { data: packet.data().unwrap_or_default(), at, odd: is_odd(&packet) });
        }
    }
    video.times.sort_unstable();
    let complete = |listed: Option<u64>, track: &TrackIndex| listed.is_none_or(|listed| listed == 0 || track.packets >= listed);
    steady &= complete(probe.video.as_ref().map(|info| info.listed), &video);
    steady &= complete(probe.audio.as_ref().map(|info| info.listed), &audio);
    Ok(Index { origin: origin.unwrap_or(0), video: used.video.map(|_| video), audio: used.audio.map(|_| audio), captions, steady, scan })
}

/// A stream's decoder configuration; empty where it has none.
pub fn extradata<'a>(stream: &'a Stream) -> &'a [u8] {
    // SAFETY: the stream's parameters hold `extradata_size` bytes of extradata, or none, and live as long as the stream.
    unsafe {
        let parameters = &*(*stream.as_ptr()).codecpar;
        match parameters.extradata.is_null() {
            true => &[],
            false => std::slice::from_raw_parts(parameters.extradata, parameters.extradata_size.max(0) as usize),
        }
    }
}

/// Damaged, not to be shown, or with another decoder configuration than those before.
fn is_odd(packet: &Packet) -> bool {
    const ODD: i32 = ffi::AV_PKT_FLAG_CORRUPT | ffi::AV_PKT_FLAG_DISCARD;
    let mut size = 0;
    // SAFETY: reads a plain field and asks for side data of a packet that is alive.
    unsafe {
        let raw = packet.as_ptr();
        let configuration = ffi::av_packet_get_side_data(raw, ffi::AVPacketSideDataType::AV_PKT_DATA_NEW_EXTRADATA, &mut size);
        (*raw).flags & ODD != 0 || !configuration.is_null()
    }
}

impl TrackIndex {
    /// Notes a packet; false when its times make the track one that must be read from its start.
    /// `decoded` is its decoding time in ticks and as the stream counts.
    fn note(&mut self, at: i64, (decoded, dts): (i64, i64), duration: i64, picture: bool, key: bool) -> bool {
        let first = self.packets == 0;
        self.packets += 1;
        self.end = self.end.max(at.saturating_add(duration.max(0)));
        if picture {
            self.extent.packet(decoded, duration);
            self.extent.picture(at);
            if self.times.len() < MOST_PACKETS {
                self.times.push(at);
            }
        }
        let apart = if picture { 0 } else { SOUND_KEYS };
        if key && self.keys.last().is_none_or(|last| at >= last.pts + apart) {
            self.keys.push(Key { pts: at, dts });
        }
        (key || !first) && self.packets as usize <= MOST_PACKETS && at.abs() <= MAX_SECONDS * VIDEO_TIMESCALE
    }

    /// The last entry point at or before `time`.
    pub fn key_before(&self, time: i64) -> Option<Key> {
        // Times of key pictures ascend but for the oddest files, which are looked through.
        self.keys.iter().rev().find(|key| key.pts <= time).copied()
    }
}
