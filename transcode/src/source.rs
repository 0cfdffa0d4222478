//! The first station: reads packets, decodes picture and sound, puts both on one clock from zero, and hands on what is
//! to be encoded. Holds no more than a few pictures at a time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ffmpeg::codec::decoder;
use ffmpeg::format::context::Input;
use ffmpeg::format::stream::Stream;
use ffmpeg::{Discard, Packet, Rational, ffi};
use ffmpeg_next as ffmpeg;

use crate::budget::MAX_SECONDS;
use crate::cadence::VIDEO_TIMESCALE;
use crate::captions::Captions;
use crate::clock::{Clock, FAR_BEFORE, rescale, ticks, untick};
use crate::droppable::{Dropper, Thinned};
use crate::error::TranscodeError;
use crate::ladder::Rung;
use crate::line::{Flow, Station};
use crate::placing::{Placing, Tally};
use crate::poster::Picker;
use crate::probe::{Probe, VideoInfo};
use crate::sound::{Pcm, RATE, Sound};
use crate::stations::Item;
use crate::upright::Upright;
use crate::{decode, open};

/// Damaged places in a row that the demuxer may stumble over before the file counts as ended.
const STUMBLES: u32 = 1000;

/// Where the source hands its items.
#[derive(Debug, Clone, Copy)]
pub struct Trays {
    pub picture: Option<usize>,
    pub sound: Option<usize>,
}

/// The reading end of the line.
pub struct Source {
    input: Input,
    clock: Clock,
    origin: Option<i64>,
    video: Option<VideoIn>,
    audio: Option<AudioIn>,
    captions: Captions,
    trays: Trays,
    /// Final when the source is done.
    pub tally: Tally,
    stumbles: u32,
    /// Frames decoded so far, for whoever shows progress.
    done: Arc<AtomicU64>,
}

struct VideoIn {
    index: usize,
    /// Leaves pictures out undecoded, where there are far more than will be shown.
    dropper: Option<Dropper>,
    listed: u64,
    base: Rational,
    decoder: decoder::Video,
    upright: Upright,
    out: Placing,
}

struct AudioIn {
    index: usize,
    base: Rational,
    decoder: decoder::Audio,
    sound: Sound,
}

/// How to read; see [`crate::Options`].
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    pub segment: i64,
    pub decoder_threads: usize,
    pub hold_repeats: bool,
}

impl Source {
    /// Opens the file again, from its start, for the streams that the probe chose.
    pub fn open(
        path: &Path,
        probe: &Probe,
        top: Option<&Rung>,
        reading: Reading,
        trays: Trays,
        done: Arc<AtomicU64>,
    ) -> Result<Self, TranscodeError> {
        let mut input = open::open(path)?;
        // SAFETY: reads a constant field of the demuxer.
        let restarts = unsafe { (*(*input.as_ptr()).iformat).flags & ffi::AVFMT_TS_DISCONT != 0 };
        let video = match (&probe.video, top) {
            (Some(info), Some(top)) => Some(VideoIn::open(&input, info, top, reading, probe.claimed_ms)?),
            _ => None,
        };
        let audio = probe.audio.as_ref().map(|info| AudioIn::open(&input, info.index)).transpose()?;
        let captions = Captions::open(&input, &probe.captions);
        let used = [video.as_ref().map(|v| v.index), audio.as_ref().map(|a| a.index)];
        let mut origin: Option<i64> = None;
        for mut stream in input.streams_mut() {
            if used.contains(&Some(stream.index())) {
                let start = ticks(stream.start_time(), stream.time_base());
                if stream.start_time() != ffi::AV_NOPTS_VALUE {
                    origin = Some(origin.map_or(start, |known| known.min(start)));
                }
            } else if !captions.wants(stream.index()) {
                // SAFETY: the stream belongs to `input`; libav reads the field before each packet.
                unsafe { (*stream.as_mut_ptr()).discard = Discard::All.into() };
            }
        }
        Ok(Self { input, clock: Clock::new(restarts), origin, video, audio, captions, trays, tally: Tally::default(), stumbles: 0, done })
    }

    /// What remains when the line has ended: the poster's picker and the captions.
    pub fn into_rest(self) -> (Option<Picker>, Captions) {
        (self.video.map(|video| video.out.poster), self.captions)
    }

    fn packet(&mut self, packet: &mut Packet, hand_on: &mut Vec<(usize, Item)>) -> Result<(), TranscodeError> {
        let index = packet.stream();
        let Some(base) = self.base_of(index) else {
            let origin = self.origin.unwrap_or(0);
            self.captions.take(packet, -origin);
            return Ok(());
        };
        let start = packet.dts().or(packet.pts());
        if let Some(start) = start.map(|start| ticks(start, base)) {
            let shift = self.clock.shift_at(start, ticks(packet.duration(), base));
            let origin = *self.origin.get_or_insert(start);
            let shift = untick(shift.saturating_sub(origin), base);
            packet.set_pts(packet.pts().map(|pts| pts.saturating_add(shift)));
            packet.set_dts(packet.dts().map(|dts| dts.saturating_add(shift)));
        }
        if let Some(video) = self.video.as_mut().filter(|video| video.index == index) {
            if let Some(dts) = packet.dts() {
                video.out.packet(ticks(dts, base), ticks(packet.duration(), base));
            }
            let time = packet.pts().map(|pts| ticks(pts, base));
            if let (Some(dropper), Some(data), Some(pts)) = (&mut video.dropper, packet.data(), time) {
                match dropper.thin(data, pts) {
                    Thinned::Whole => {}
                    Thinned::Part(rest) => *packet = with_data(packet, &rest),
                    Thinned::Nothing => {
                        self.tally.video_packets += 1;
                        return Ok(());
                    }
                }
            }
        }
        self.decode(index, Some(packet), hand_on)?;
        let frames = if self.video.is_some() { self.tally.video_packets } else { self.tally.audio_packets };
        self.done.store(frames, Ordering::Relaxed);
        Ok(())
    }

    fn base_of(&self, index: usize) -> Option<Rational> {
        let video = self.video.as_ref().filter(|video| video.index == index).map(|video| video.base);
        video.or(self.audio.as_ref().filter(|audio| audio.index == index).map(|audio| audio.base))
    }

    fn decode(&mut self, index: usize, packet: Option<&Packet>, hand_on: &mut Vec<(usize, Item)>) -> Result<(), TranscodeError> {
        let tally = &mut self.tally;
        if let Some(video) = self.video.as_mut().filter(|video| video.index == index) {
            tally.video_packets += u64::from(packet.is_some());
            let VideoIn { decoder, upright, out, base, .. } = video;
            let tray = self.trays.picture;
            let mut emit = |picture| hand_on.extend(tray.map(|tray| (tray, Item::Picture(picture))));
            let damaged = decode::feed(decoder, packet, &mut |frame| {
                tally.pictures += 1;
                let picture = out.dated(frame, *base)?;
                upright.push(picture, &mut |picture| out.place(picture, tally, &mut emit))
            })?;
            if packet.is_none() {
                upright.finish(&mut |picture| out.place(picture, tally, &mut emit))?;
            }
            tally.damaged += u64::from(damaged);
        } else if let Some(audio) = self.audio.as_mut().filter(|audio| audio.index == index) {
            tally.audio_packets += u64::from(packet.is_some());
            let AudioIn { decoder, sound, base, .. } = audio;
            let tray = self.trays.sound;
            let mut emit = |pcm| hand_on.extend(tray.map(|tray| (tray, Item::Sound(pcm))));
            let damaged = decode::feed(decoder, packet, &mut |frame| {
                let at = frame.timestamp().or(frame.pts()).map(|pts| rescale(pts, *base, RATE).max(-FAR_BEFORE));
                if at.is_some_and(|at| at > MAX_SECONDS * RATE) || sound.written as i64 > MAX_SECONDS * RATE {
                    return Err(TranscodeError::TooLong);
                }
                sound.push(&frame, at, &mut emit)
            })?;
            if packet.is_none() {
                sound.finish(&mut emit)?;
            }
            tally.damaged += u64::from(damaged);
            tally.sound = sound.written;
        }
        Ok(())
    }

    /// The end of the picture track as the container says, if every packet that it lists was read.
    fn track_end(&self, video: &VideoIn) -> Option<i64> {
        let stream = self.input.stream(video.index)?;
        let complete = video.listed > 0 && self.tally.video_packets >= video.listed;
        let known = stream.duration() > 0 && stream.start_time() != ffi::AV_NOPTS_VALUE;
        let end = ticks(stream.start_time().saturating_add(stream.duration()), video.base);
        (complete && known).then(|| end - self.origin.unwrap_or(0))
    }

    /// Empties the decoders, then brings picture and sound to the same length.
    fn end(&mut self, hand_on: &mut Vec<(usize, Item)>) -> Result<(), TranscodeError> {
        let indices = [self.video.as_ref().map(|v| v.index), self.audio.as_ref().map(|a| a.index)];
        for index in indices.into_iter().flatten() {
            self.decode(index, None, hand_on)?;
        }
        let sound = self.tally.sound as i64 * VIDEO_TIMESCALE / RATE;
        let picture = self.video.as_ref().map_or(0, |video| video.out.end(self.track_end(video)));
        let end = sound.max(picture);
        self.tally.duration = end;
        self.tally.seen = picture;
        if let (Some(video), Some(tray)) = (&mut self.video, self.trays.picture) {
            video.out.hold_until(end, &mut |picture| hand_on.push((tray, Item::Picture(picture))));
            hand_on.push((tray, Item::End(end)));
        }
        if let Some(tray) = self.trays.sound {
            let missing = (end * RATE / VIDEO_TIMESCALE).saturating_sub(self.tally.sound as i64);
            // Sound that never came is left away altogether, not published as silence.
            if missing > 0 && self.tally.sound > 0 {
                hand_on.push((tray, Item::Sound(Pcm::Silence(missing as u64))));
            }
            hand_on.push((tray, Item::End(end)));
        }
        Ok(())
    }
}

impl Station<Item, TranscodeError> for &mut Source {
    fn work(&mut self, _: Option<Item>, hand_on: &mut Vec<(usize, Item)>) -> Result<Flow, TranscodeError> {
        let mut packet = Packet::empty();
        match packet.read(&mut self.input) {
            Ok(()) => {
                self.stumbles = 0;
                self.packet(&mut packet, hand_on)?;
                Ok(Flow::More)
            }
            Err(ffmpeg::Error::InvalidData) if self.stumbles < STUMBLES => {
                self.stumbles += 1;
                self.tally.damaged += 1;
                Ok(Flow::More)
            }
            Err(_) => {
                self.end(hand_on)?;
                Ok(Flow::Done)
            }
        }
    }
}

impl VideoIn {
    fn open(input: &Input, info: &VideoInfo, top: &Rung, reading: Reading, claimed_ms: Option<u64>) -> Result<Self, TranscodeError> {
        let stream = input.stream(info.index).ok_or(TranscodeError::NoMediaStreams)?;
        let claimed = claimed_ms.map(|ms| (ms.min(MAX_SECONDS as u64 * 1000) as i64) * VIDEO_TIMESCALE / 1000);
        Ok(Self {
            index: info.index,
            listed: info.listed,
            dropper: dropper(&stream, info, top),
            base: stream.time_base(),
            decoder: decode::open_video(&stream, reading.decoder_threads)?,
            upright: Upright::new(info, top.width, top.height),
            out: Placing::new(info, top, reading.segment, reading.hold_repeats, claimed),
        })
    }
}

/// The same packet with other bytes.
fn with_data(packet: &Packet, data: &[u8]) -> Packet {
    let mut other = Packet::copy(data);
    other.set_stream(packet.stream());
    other.set_pts(packet.pts());
    other.set_dts(packet.dts());
    other.set_duration(packet.duration());
    other.set_flags(packet.flags());
    other
}

/// Half the pictures of AV1 above the frame-rate cap need not be decoded.
fn dropper(stream: &Stream, info: &VideoInfo, top: &Rung) -> Option<Dropper> {
    if info.codec != "av1" || info.fps < f64::from(top.max_fps) * 1.5 {
        return None;
    }
    // SAFETY: the stream's parameters hold `extradata_size` bytes of extradata, or none.
    let config = unsafe {
        let parameters = &*(*stream.as_ptr()).codecpar;
        match parameters.extradata.is_null() {
            true => &[],
            false => std::slice::from_raw_parts(parameters.extradata, parameters.extradata_size.max(0) as usize),
        }
    };
    Some(Dropper::new(config, (VIDEO_TIMESCALE as f64 / info.fps) as i64))
}

impl AudioIn {
    fn open(input: &Input, index: usize) -> Result<Self, TranscodeError> {
        let stream = input.stream(index).ok_or(TranscodeError::NoMediaStreams)?;
        Ok(Self { index, base: stream.time_base(), decoder: decode::open_audio(&stream)?, sound: Sound::default() })
    }
}
