//! When a decoded picture is shown: dated, thinned, compared with its predecessor, placed on the cadence. Also counts,
//! for the playlists and for the teacher, what came along.

use std::sync::Arc;

use ffmpeg::util::frame::Frame;
use ffmpeg::{Rational, frame};
use ffmpeg_next as ffmpeg;
use serde::{Deserialize, Serialize};

use crate::budget::MAX_SECONDS;
use crate::cadence::{Cadence, Grid, Slot, Thinner, VIDEO_TIMESCALE};
use crate::clock::{FAR_BEFORE, ticks};
use crate::decode;
use crate::error::TranscodeError;
use crate::extent::Extent;
use crate::picture::{Picture, same_pixels};
use crate::plan::Window;
use crate::stills::Stills;

/// What was found while reading; final when the source is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub video_packets: u64,
    pub audio_packets: u64,
    /// Pictures that came out of the decoder.
    pub pictures: u64,
    /// Of these, within the frame-rate cap: what would be encoded if nothing were held.
    pub within_cap: u64,
    /// Left out because they equal their predecessor.
    pub held: u64,
    /// Damaged places, as the decoders and the demuxer count them.
    pub damaged: u64,
    /// Length of the presentation in ticks of 1/90000 s.
    pub duration: i64,
    /// The same of the pictures alone.
    pub seen: i64,
    /// Pictures within the cap in the second that has most of them.
    pub busiest: u64,
    /// Samples of sound decoded, before padding.
    pub sound: u64,
}

impl Tally {
    /// Adds what another run found; lengths are the plan's.
    pub fn add(&mut self, other: &Self) {
        self.video_packets += other.video_packets;
        self.audio_packets += other.audio_packets;
        self.pictures += other.pictures;
        self.within_cap += other.within_cap;
        self.held += other.held;
        self.damaged += other.damaged;
        self.sound += other.sound;
        self.busiest = self.busiest.max(other.busiest);
        self.duration = self.duration.max(other.duration);
        self.seen = self.seen.max(other.seen);
    }
}

/// Everything that decides when an upright picture is shown.
pub struct Placing {
    window: Window,
    thinner: Thinner,
    cadence: Cadence,
    hold_repeats: bool,
    last: Option<(u64, Arc<frame::Video>)>,
    extent: Extent,
    /// The second that is being counted, and its pictures so far.
    second: (i64, u64),
    /// Duration of a picture when nothing says it: of the nominal rate.
    nominal: i64,
    /// Where the window ended, once a picture behind it has come.
    ended: Option<i64>,
    /// Taken at the start of each segment, where they are wanted.
    pub stills: Option<Stills>,
}

impl Placing {
    /// `grid` is where segments start, `nominal` the duration of a picture in ticks.
    pub fn new(window: Window, max_fps: u32, nominal: i64, grid: Grid, hold_repeats: bool, stills: Option<Stills>) -> Self {
        Self {
            window,
            thinner: Thinner::new(max_fps),
            cadence: Cadence::new(grid, window.from),
            hold_repeats,
            last: None,
            extent: Extent::default(),
            second: (0, 0),
            nominal,
            ended: None,
            stills,
        }
    }

    /// Gives a decoded picture its time in ticks, and refuses what is beyond the budget.
    pub fn dated(&mut self, frame: Frame, base: Rational) -> Result<frame::Video, TranscodeError> {
        let undated = self.extent.latest() + self.nominal;
        let pts = frame.timestamp().or(frame.pts()).map_or(undated, |pts| ticks(pts, base)).max(-FAR_BEFORE);
        if pts > MAX_SECONDS * VIDEO_TIMESCALE {
            return Err(TranscodeError::TooLong);
        }
        self.extent.picture(pts);
        let mut picture = frame::Video::from(frame);
        decode::check_size(picture.width(), picture.height())?;
        picture.set_pts(Some(pts));
        Ok(picture)
    }

    /// Notes when a packet is to be decoded and how long that lasts.
    pub fn packet(&mut self, dts: i64, duration: i64) {
        self.extent.packet(dts, duration);
    }

    /// Where the last picture ends; `track` is what the container says, if nothing of it is missing.
    pub fn end(&self, track: Option<i64>) -> i64 {
        self.extent.end(self.nominal, track)
    }

    /// Whether a picture at this time comes before the window, where only the last one matters.
    pub fn is_lead(&self, pts: i64) -> bool {
        self.window.first > 1 && pts < self.window.from
    }

    /// Where the window ended, once that is known.
    pub fn ended(&self) -> Option<i64> {
        self.ended
    }

    /// Decides whether and when an upright picture is shown.
    pub fn place(&mut self, picture: frame::Video, tally: &mut Tally, emit: &mut dyn FnMut(Picture)) -> Result<(), TranscodeError> {
        let pts = picture.pts().unwrap_or(self.extent.latest());
        if self.ended.is_some() {
            return Ok(());
        }
        if self.is_lead(pts) {
            self.last = Some((0, Arc::new(picture)));
            self.cadence.lead();
            return Ok(());
        }
        if self.window.to.is_some_and(|to| pts >= to) {
            // The window ends where the next one starts: at its first picture, or on the grid point.
            self.ended = Some(self.repeat_before(pts, emit)?.unwrap_or(pts));
            return Ok(());
        }
        tally.pictures += 1;
        // A picture that starts a segment always stays, so that thinning starts anew wherever a run may.
        if !self.thinner.keeps(pts, self.cadence.would_cut(pts)) {
            return Ok(());
        }
        tally.within_cap += 1;
        self.count(pts, tally);
        let repeats = self.hold_repeats && self.last.as_ref().is_some_and(|(_, last)| same_pixels(last, &picture));
        self.repeat_before(pts, emit)?;
        // The slot is decided before the picture replaces its predecessor, whose content it may share.
        match self.cadence.place(pts, repeats) {
            Slot::Skip => tally.held += u64::from(repeats),
            Slot::Show { pts, cut } => {
                if !repeats {
                    let content = self.last.as_ref().map_or(0, |(content, _)| content + 1);
                    self.last = Some((content, Arc::new(picture)));
                }
                self.show(pts, cut, emit)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, pts: i64, tally: &mut Tally) {
        let second = pts.div_euclid(VIDEO_TIMESCALE);
        self.second = (second, if self.second.0 == second { self.second.1 + 1 } else { 1 });
        tally.busiest = tally.busiest.max(self.second.1);
    }

    /// Shows the last picture again as often as it must be before `pts`; answers where the window ended if it did.
    fn repeat_before(&mut self, pts: i64, emit: &mut dyn FnMut(Picture)) -> Result<Option<i64>, TranscodeError> {
        while let Some((at, cut)) = self.cadence.repeat_before(pts) {
            if cut && self.window.to.is_some_and(|to| at >= to) {
                return Ok(Some(at));
            }
            self.show(at, cut, emit)?;
        }
        Ok(None)
    }

    /// No picture comes any more: shows the last one until the window ends, or until `end`. Answers which it was.
    pub fn hold_until(&mut self, end: i64, emit: &mut dyn FnMut(Picture)) -> Result<i64, TranscodeError> {
        match self.ended {
            Some(ended) => Ok(ended),
            None => Ok(self.repeat_before(end, emit)?.unwrap_or(end)),
        }
    }

    fn show(&mut self, pts: i64, cut: bool, emit: &mut dyn FnMut(Picture)) -> Result<(), TranscodeError> {
        let Some((content, frame)) = &self.last else { return Ok(()) };
        if cut && let Some(stills) = &mut self.stills {
            stills.take(frame)?;
        }
        emit(Picture { frame: frame.clone(), content: *content, pts, cut });
        Ok(())
    }
}
