//! The first station: reads packets, decodes picture and sound, puts both on one clock from zero, and hands on what is
//! to be encoded of one window. Holds no more than a few pictures at a time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ffmpeg::codec::decoder;
use ffmpeg::format::context::Input;
use ffmpeg::format::stream::Stream;
use ffmpeg::{Packet, Rational, ffi, frame};
use ffmpeg_next as ffmpeg;

use crate::budget::MAX_SECONDS;
use crate::cadence::VIDEO_TIMESCALE;
use crate::clock::{Clock, FAR_BEFORE, rescale, ticks, untick};
use crate::copying::Coded;
use crate::droppable::{self, Dropper, Thinned};
use crate::error::TranscodeError;
use crate::index::{self, Used, extradata};
use crate::ladder::Rung;
use crate::line::{Flow, Station};
use crate::placing::{Placing, Tally};
use crate::plan::{Plan, Window};
use crate::probe::{Probe, VideoInfo};
use crate::sound::{Pcm, RATE, Sound};
use crate::stations::{Item, SoundFrames};
use crate::stills::Stills;
use crate::upright::Upright;
use crate::{decode, open};

/// Damaged places in a row that the demuxer may stumble over before the file counts as ended.
const STUMBLES: u32 = 1000;

/// Where the source hands its items; what goes nowhere is not read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trays {
    pub picture: Option<usize>,
    /// For pictures as they are coded.
    pub copy: Option<usize>,
    pub sound: Option<usize>,
}

/// The reading end of the line.
pub struct Source {
    input: Input,
    window: Window,
    clock: Clock,
    origin: Option<i64>,
    /// End of the presentation, where it is known beforehand.
    end: Option<i64>,
    video: Option<VideoIn>,
    audio: Option<AudioIn>,
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
    /// The last picture before the window, not upright yet.
    lead: Option<frame::Video>,
    out: Placing,
}

struct AudioIn {
    index: usize,
    base: Rational,
    decoder: decoder::Audio,
    sound: Sound,
    frames: SoundFrames,
}

/// How to read; see [`crate::Options`].
pub struct Reading<'a> {
    pub path: &'a Path,
    pub probe: &'a Probe,
    pub plan: &'a Plan,
    pub window: Window,
    /// The largest rung that is made of it.
    pub top: Option<&'a Rung>,
    pub decoder_threads: usize,
    pub hold_repeats: bool,
    /// Where stills go, if they are wanted.
    pub stills: Option<Stills>,
    pub trays: Trays,
    pub done: Arc<AtomicU64>,
}

impl<'a> Reading<'a> {
    /// All sound of a film for one station, the first after the source.
    pub fn sound(path: &'a Path, probe: &'a Probe, plan: &'a Plan, done: &Arc<AtomicU64>) -> Self {
        Self {
            path,
            probe,
            plan,
            window: Window::WHOLE,
            top: None,
            decoder_threads: 1,
            hold_repeats: false,
            stills: None,
            trays: Trays { sound: Some(1), ..Trays::default() },
            done: done.clone(),
        }
    }
}

impl Source {
    /// Opens the file again, at the window, for the streams that the trays want.
    pub fn open(reading: Reading) -> Result<Self, TranscodeError> {
        let Reading { path, probe, plan, window, trays, .. } = reading;
        let used = Used {
            video: trays.picture.or(trays.copy).and(probe.video.as_ref()).map(|info| info.index),
            audio: trays.sound.and(probe.audio.as_ref()).map(|info| info.index),
        };
        let mut input = match window.seek.zip(used.video.or(used.audio)) {
            Some((dts, index)) => open_at(path, &used, index, dts)?,
            None => open::open(path)?,
        };
        used.discard_others(&mut input, |_| false);
        let clock = Clock::new(index::may_restart(&input));
        // What was planned was planned with the origin of all streams; a file read in one go finds its own.
        let origin = if plan.is_whole() { used.start(&input) } else { Some(plan.origin) };
        let done = reading.done.clone();
        let audio = used.audio.map(|index| AudioIn::open(&input, index, &window)).transpose()?;
        let video = match (&probe.video, reading.top) {
            (Some(info), Some(top)) if used.video.is_some() => Some(VideoIn::open(&input, info, top, reading)?),
            _ => None,
        };
        Ok(Self { input, window, clock, origin, end: plan.end, video, audio, trays, tally: Tally::default(), stumbles: 0, done })
    }

    /// The stills, when the line has ended.
    pub fn into_stills(self) -> Option<Stills> {
        self.video.and_then(|video| video.out.stills)
    }

    fn packet(&mut self, packet: &mut Packet, hand_on: &mut Vec<(usize, Item)>) -> Result<(), TranscodeError> {
        let index = packet.stream();
        let Some(base) = self.base_of(index) else { return Ok(()) };
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
            if let (Some(tray), Some(data), Some(pts)) = (self.trays.copy, packet.data(), time.filter(|pts| self.window.holds(*pts))) {
                hand_on.push((tray, Item::Coded(Coded { data: data.to_vec(), pts })));
            }
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
            // What comes before the window is decoded for what refers to it.
            if !time.is_some_and(|time| video.out.is_lead(time)) {
                self.done.fetch_add(1, Ordering::Relaxed);
            }
        } else if self.video.is_none() {
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        self.decode(index, Some(packet), hand_on)
    }

    fn base_of(&self, index: usize) -> Option<Rational> {
        let video = self.video.as_ref().filter(|video| video.index == index).map(|video| video.base);
        video.or(self.audio.as_ref().filter(|audio| audio.index == index).map(|audio| audio.base))
    }

    fn decode(&mut self, index: usize, packet: Option<&Packet>, hand_on: &mut Vec<(usize, Item)>) -> Result<(), TranscodeError> {
        let tally = &mut self.tally;
        if let Some(video) = self.video.as_mut().filter(|video| video.index == index) {
            tally.video_packets += u64::from(packet.is_some());
            let VideoIn { decoder, upright, out, base, lead, .. } = video;
            let tray = self.trays.picture;
            let mut emit = |picture| hand_on.extend(tray.map(|tray| (tray, Item::Picture(picture))));
            let mut concealed = false;
            let damaged = decode::feed(decoder, packet, &mut |frame| {
                concealed |= decode::is_concealed(&frame);
                let picture = out.dated(frame, *base)?;
                if out.is_lead(picture.pts().unwrap_or(0)) {
                    *lead = Some(picture);
                    return Ok(());
                }
                for picture in lead.take().into_iter().chain([picture]) {
                    upright.push(picture, &mut |picture| out.place(picture, tally, &mut emit))?;
                }
                Ok(())
            })?;
            if packet.is_none() {
                if let Some(picture) = lead.take() {
                    upright.push(picture, &mut |picture| out.place(picture, tally, &mut emit))?;
                }
                upright.finish(&mut |picture| out.place(picture, tally, &mut emit))?;
            }
            tally.damaged += u64::from(damaged);
            self.may_copy(concealed || damaged > 0)?;
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

    /// Damaged pictures are mended by decoding and encoding them, not by copying.
    fn may_copy(&self, damaged: bool) -> Result<(), TranscodeError> {
        match self.trays.copy {
            Some(_) if damaged => Err(TranscodeError::CannotCopy { detail: "it is damaged".into() }),
            _ => Ok(()),
        }
    }

    /// The end of the picture track as the container says, if every packet that it lists was read.
    fn track_end(&self, video: &VideoIn) -> Option<i64> {
        let stream = self.input.stream(video.index)?;
        let complete = video.listed > 0 && self.tally.video_packets >= video.listed;
        let known = stream.duration() > 0 && stream.start_time() != ffi::AV_NOPTS_VALUE;
        let end = ticks(stream.start_time().saturating_add(stream.duration()), video.base);
        (complete && known).then(|| end - self.origin.unwrap_or(0))
    }

    /// Whether everything that the window needs has been handed on, before the end of the file.
    fn has_enough(&self) -> bool {
        let picture = self.video.as_ref().is_none_or(|video| video.out.ended().is_some());
        let sound = self.audio.as_ref().is_none_or(|audio| audio.frames.to.is_some() && audio.lacks(None) <= 0);
        !self.window.last && picture && sound
    }

    /// Empties the decoders, then brings picture and sound to the same length.
    fn end(&mut self, hand_on: &mut Vec<(usize, Item)>) -> Result<(), TranscodeError> {
        let indices = [self.video.as_ref().map(|v| v.index), self.audio.as_ref().map(|a| a.index)];
        for index in indices.into_iter().flatten() {
            self.decode(index, None, hand_on)?;
        }
        let sound = self.tally.sound as i64 * VIDEO_TIMESCALE / RATE;
        let picture = self.video.as_ref().map_or(0, |video| video.out.end(self.track_end(video)));
        let end = self.end.unwrap_or(sound.max(picture));
        self.tally.duration = end;
        self.tally.seen = picture;
        if let (Some(video), Some(tray)) = (&mut self.video, self.trays.picture) {
            let ended = video.out.hold_until(end, &mut |picture| hand_on.push((tray, Item::Picture(picture))))?;
            hand_on.extend([Some(tray), self.trays.copy].into_iter().flatten().map(|tray| (tray, Item::End(ended))));
        }
        if let (Some(audio), Some(tray)) = (&self.audio, self.trays.sound) {
            let missing = audio.lacks(Some(end));
            // Sound that never came is left away altogether, not published as silence.
            if missing > 0 && (self.tally.sound > 0 || self.end.is_some()) {
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
                if self.has_enough() {
                    self.end(hand_on)?;
                    return Ok(Flow::Done);
                }
                Ok(Flow::More)
            }
            Err(ffmpeg::Error::InvalidData) if self.stumbles < STUMBLES => {
                self.stumbles += 1;
                self.tally.damaged += 1;
                self.may_copy(true)?;
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
    fn open(input: &Input, info: &VideoInfo, top: &Rung, reading: Reading) -> Result<Self, TranscodeError> {
        let stream = input.stream(info.index).ok_or(TranscodeError::NoMediaStreams)?;
        let Reading { plan, window, decoder_threads, hold_repeats, stills, .. } = reading;
        Ok(Self {
            index: info.index,
            listed: info.listed,
            dropper: dropper(&stream, info, top),
            base: stream.time_base(),
            decoder: decode::open_video(&stream, decoder_threads)?,
            upright: Upright::new(info, top.width, top.height),
            lead: None,
            out: Placing::new(window, top.max_fps, info.nominal(), plan.grid(), hold_repeats, stills),
        })
    }
}

/// Opens the file at a packet that the index found; from its start when libav does not find the way there.
fn open_at(path: &Path, used: &Used, index: usize, dts: i64) -> Result<Input, TranscodeError> {
    let mut input = open::open(path)?;
    used.discard_others(&mut input, |_| false);
    // SAFETY: `input` owns an opened format context and the stream index is one of its own.
    let sought = unsafe { ffi::av_seek_frame(input.as_mut_ptr(), index as i32, dts, ffi::AVSEEK_FLAG_BACKWARD) };
    let mut packet = Packet::empty();
    while sought >= 0 && packet.read(&mut input).is_ok() {
        if packet.stream() != index {
            continue;
        }
        if packet.dts().is_none_or(|found| found > dts) {
            break;
        }
        // Back to it: the packet that was looked at is needed.
        // SAFETY: as above.
        let again = unsafe { ffi::av_seek_frame(input.as_mut_ptr(), index as i32, dts, ffi::AVSEEK_FLAG_BACKWARD) };
        if again >= 0 {
            return Ok(input);
        }
        break;
    }
    open::open(path)
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
    if !droppable::applies(info, top) {
        return None;
    }
    Some(Dropper::new(extradata(stream), info.nominal()))
}

impl AudioIn {
    fn open(input: &Input, index: usize, window: &Window) -> Result<Self, TranscodeError> {
        let stream = input.stream(index).ok_or(TranscodeError::NoMediaStreams)?;
        let frames = SoundFrames::of(window);
        let sound = Sound::from(frames.start());
        Ok(Self { index, base: stream.time_base(), decoder: decode::open_audio(&stream)?, sound, frames })
    }

    /// Samples that are still missing at the end of the window, or else of a presentation that ends at `end` ticks.
    fn lacks(&self, end: Option<i64>) -> i64 {
        let wanted = match (self.frames.to, end) {
            (Some(_), _) => self.frames.stop(),
            (None, Some(end)) => end * RATE / VIDEO_TIMESCALE,
            (None, None) => i64::MAX / 2,
        };
        wanted - self.frames.start() - self.sound.written as i64
    }
}
