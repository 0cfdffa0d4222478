//! The places of work on the line: one per video rendition, one for the sound. Each scales, encodes and writes.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame;

use crate::avc;
use crate::cadence::{Grid, Thinner, VIDEO_TIMESCALE};
use crate::cmaf::{self, Coding};
use crate::copying::Coded;
use crate::error::TranscodeError;
use crate::ladder::Rung;
use crate::line::{Flow, Station};
use crate::loudness::Loudness;
use crate::picture::Picture;
use crate::plan::Window;
use crate::scale::{Colour, Scaler};
use crate::sound::{Pcm, RATE};
use crate::track::Track;
use crate::{aac, x264};

/// What travels on the line.
pub enum Item {
    Picture(Picture),
    Sound(Pcm),
    Coded(Coded),
    /// The presentation ends here: ticks of 1/90000 s.
    End(i64),
}

/// A video rendition at work.
pub struct RungStation {
    rung: Rung,
    fps: f64,
    colour: Colour,
    below: Option<usize>,
    thinner: Thinner,
    scaler: Scaler,
    scaled: Option<(u64, Arc<frame::Video>)>,
    encoder: Option<x264::Encoder>,
    cuts: VecDeque<i64>,
    pub track: Option<Track>,
    pub codec: String,
    pub frames: u64,
    out: PathBuf,
    /// Number of the first segment.
    first: usize,
}

impl RungStation {
    /// `below` is the tray of the next smaller rung, `first` the number of the first segment.
    pub fn new(rung: &Rung, fps: f64, colour: Colour, out: &Path, first: usize, below: Option<usize>) -> Self {
        Self {
            thinner: Thinner::new(rung.max_fps),
            scaler: Scaler::new(rung.width, rung.height, Pixel::YUV420P),
            rung: rung.clone(),
            fps: fps.min(rung.max_fps.into()),
            colour,
            below,
            scaled: None,
            encoder: None,
            cuts: VecDeque::new(),
            track: None,
            codec: String::new(),
            frames: 0,
            out: out.to_owned(),
            first,
        }
    }

    fn show(&mut self, picture: Picture, hand_on: &mut Vec<(usize, Item)>) -> Result<(), TranscodeError> {
        if !self.thinner.keeps(picture.pts, picture.cut) {
            return Ok(());
        }
        let scaled = match &self.scaled {
            Some((content, scaled)) if *content == picture.content => scaled.clone(),
            _ if self.scaler.passes(&picture.frame) => picture.frame.clone(),
            _ => Arc::new(self.scaler.scale(&picture.frame)?),
        };
        self.scaled = Some((picture.content, scaled.clone()));
        if let Some(below) = self.below {
            hand_on.push((below, Item::Picture(Picture { frame: scaled.clone(), ..picture })));
        }
        self.start()?;
        if picture.cut {
            self.cuts.push_back(picture.pts);
        }
        self.frames += 1;
        let (Some(encoder), Some(track)) = (&mut self.encoder, &mut self.track) else { return Ok(()) };
        encoder.encode(&scaled, picture.pts, picture.cut, &mut |packet| write(track, &mut self.cuts, packet))
    }

    /// Opens the encoder and the track with the first picture.
    fn start(&mut self) -> Result<(), TranscodeError> {
        if self.encoder.is_some() {
            return Ok(());
        }
        let encoder = x264::Encoder::open(&self.rung, self.fps, self.colour)?;
        self.codec = encoder.parameters.codec();
        let coding =
            Coding::Avc { width: self.rung.width, height: self.rung.height, record: encoder.parameters.record(), colour: self.colour };
        let delay = cmaf::delay(self.fps, VIDEO_TIMESCALE as u32);
        self.track = Some(Track::create(&self.out, &self.rung.name(), coding, VIDEO_TIMESCALE as u32, delay, self.first)?);
        self.encoder = Some(encoder);
        Ok(())
    }

    fn end(&mut self, at: i64) -> Result<(), TranscodeError> {
        if let (Some(encoder), Some(track)) = (&mut self.encoder, &mut self.track) {
            encoder.finish(&mut |packet| write(track, &mut self.cuts, packet))?;
            track.close(at)?;
        }
        Ok(())
    }
}

/// Adds one coded picture to the track; the IDR of a cut starts a segment.
fn write(track: &mut Track, cuts: &mut VecDeque<i64>, packet: &ffmpeg_next::Packet) -> Result<(), TranscodeError> {
    let (Some(pts), Some(data)) = (packet.pts(), packet.data()) else { return Ok(()) };
    if cuts.front() == Some(&pts) {
        cuts.pop_front();
        track.cut(pts)?;
    }
    track.add(pts, packet.is_key(), |out| avc::append_sample(data, out));
    Ok(())
}

impl Station<Item, TranscodeError> for &mut RungStation {
    fn work(&mut self, item: Option<Item>, hand_on: &mut Vec<(usize, Item)>) -> Result<Flow, TranscodeError> {
        match item {
            Some(Item::Picture(picture)) => {
                self.show(picture, hand_on)?;
                Ok(Flow::More)
            }
            Some(Item::End(at)) => {
                hand_on.extend(self.below.map(|below| (below, Item::End(at))));
                self.end(at)?;
                Ok(Flow::Done)
            }
            Some(Item::Sound(_) | Item::Coded(_)) | None => Ok(Flow::More),
        }
    }
}

/// The sample at which the segment of a grid point starts: that of the first frame at or after it.
pub fn sound_cut(grid: i64) -> i64 {
    (grid * RATE / VIDEO_TIMESCALE + aac::FRAME - 1) / aac::FRAME * aac::FRAME
}

/// Coded frames of sound of one window, by their numbers in the presentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoundFrames {
    pub from: i64,
    pub to: Option<i64>,
}

impl SoundFrames {
    /// Frames encoded before the window and thrown away: by then the encoder's windows and rates are what they would be
    /// had it begun long ago.
    const WARM_UP: i64 = 8;
    /// Samples that the encoder wants to see behind a frame, in frames.
    const AHEAD: i64 = 3;

    pub fn of(window: &Window) -> Self {
        let frame = |grid: i64| sound_cut(grid) / aac::FRAME;
        Self { from: frame(window.from), to: window.to.map(frame) }
    }

    /// The first sample to encode.
    pub fn start(&self) -> i64 {
        (self.from - Self::WARM_UP).max(0) * aac::FRAME
    }

    /// The sample at which to stop, for a window that has an end.
    pub fn stop(&self) -> i64 {
        (self.to.unwrap_or(0) + Self::AHEAD) * aac::FRAME
    }

    /// Whether the frame that starts at this sample belongs to the window.
    fn holds(&self, pts: i64) -> bool {
        pts >= self.from * aac::FRAME && self.to.is_none_or(|to| pts < to * aac::FRAME)
    }
}

/// The sound rendition at work.
pub struct SoundStation {
    encoder: aac::Encoder,
    /// What every sample is multiplied by.
    factor: f32,
    wanted: SoundFrames,
    pub track: Track,
    pub frames: u64,
    grid: Grid,
    /// The point of the grid at which the next segment starts.
    next_cut: i64,
}

/// Name and folder of the sound rendition.
pub const SOUND: &str = "audio";

impl SoundStation {
    /// `grid` is where segments start.
    pub fn new(out: &Path, grid: Grid, window: &Window, loudness: Option<&Loudness>) -> Result<Self, TranscodeError> {
        let wanted = SoundFrames::of(window);
        let encoder = aac::Encoder::open(wanted.start())?;
        let coding = Coding::Aac {
            config: encoder.config.clone(),
            sample_rate: RATE as u32,
            channels: 2,
            bitrate: aac::BITRATE,
            level: loudness.and_then(Loudness::reached),
        };
        let track = Track::create(out, SOUND, coding, RATE as u32, 0, window.first)?;
        Ok(Self { encoder, factor: loudness.map_or(1.0, Loudness::factor), wanted, track, frames: 0, grid, next_cut: window.from })
    }
}

impl Station<Item, TranscodeError> for &mut SoundStation {
    fn work(&mut self, item: Option<Item>, _: &mut Vec<(usize, Item)>) -> Result<Flow, TranscodeError> {
        let SoundStation { encoder, factor, wanted, track, frames, grid, next_cut } = &mut **self;
        let mut end = (wanted.from + *frames as i64) * aac::FRAME;
        let mut each = |pts: i64, data: &[u8]| {
            if !wanted.holds(pts) {
                return Ok(());
            }
            if pts >= sound_cut(*next_cut) {
                track.cut(pts)?;
                *next_cut = grid.after(*next_cut);
            }
            track.add(pts, true, |out| out.extend(data));
            *frames += 1;
            end = pts + aac::FRAME;
            Ok(())
        };
        match item {
            Some(Item::Sound(mut pcm)) => {
                pcm.amplify(*factor);
                encoder.push(pcm, &mut each)?;
                Ok(Flow::More)
            }
            Some(Item::End(_)) => {
                encoder.finish(&mut each)?;
                track.close(end)?;
                Ok(Flow::Done)
            }
            Some(Item::Picture(_) | Item::Coded(_)) | None => Ok(Flow::More),
        }
    }
}
