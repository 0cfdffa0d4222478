//! When a decoded picture is shown: dated, thinned, compared with its predecessor, placed on the cadence. Also counts,
//! for the playlists and for the teacher, what came along.

use std::sync::Arc;

use ffmpeg::util::frame::Frame;
use ffmpeg::{Rational, frame};
use ffmpeg_next as ffmpeg;

use crate::budget::MAX_SECONDS;
use crate::cadence::{Cadence, Slot, Thinner, VIDEO_TIMESCALE};
use crate::clock::{FAR_BEFORE, ticks};
use crate::decode;
use crate::error::TranscodeError;
use crate::ladder::Rung;
use crate::picture::{Picture, same_pixels};
use crate::poster::Picker;
use crate::probe::VideoInfo;

/// A container is believed that its last picture stands this long: ten minutes, in ticks.
const LONGEST_PICTURE: i64 = 600 * VIDEO_TIMESCALE;

/// What was found while reading; final when the source is done.
#[derive(Debug, Clone, Copy, Default)]
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

/// Everything that decides when an upright picture is shown.
pub struct Placing {
    thinner: Thinner,
    cadence: Cadence,
    hold_repeats: bool,
    last: Option<(u64, Arc<frame::Video>)>,
    /// Times of the first and the last picture.
    first: Option<i64>,
    latest: i64,
    /// Decoding time of the first packet, and where the last one ends.
    decoding: Option<(i64, i64)>,
    /// The second that is being counted, and its pictures so far.
    second: (i64, u64),
    /// Duration of a picture when nothing says it: of the nominal rate.
    nominal: i64,
    pub poster: Picker,
}

impl Placing {
    /// `segment` is the distance of the grid points where segments start; `claimed` the length that the header claims.
    /// Both in ticks.
    pub fn new(info: &VideoInfo, top: &Rung, segment: i64, hold_repeats: bool, claimed: Option<i64>) -> Self {
        Self {
            thinner: Thinner::new(top.max_fps),
            cadence: Cadence::new(segment),
            hold_repeats,
            last: None,
            first: None,
            latest: 0,
            decoding: None,
            second: (0, 0),
            nominal: (VIDEO_TIMESCALE as f64 / info.fps) as i64,
            poster: Picker::new(info.display_width, info.display_height, claimed),
        }
    }

    /// Gives a decoded picture its time in ticks, and refuses what is beyond the budget.
    pub fn dated(&mut self, frame: Frame, base: Rational) -> Result<frame::Video, TranscodeError> {
        let pts = frame.timestamp().or(frame.pts()).map_or(self.latest + self.nominal, |pts| ticks(pts, base)).max(-FAR_BEFORE);
        if pts > MAX_SECONDS * VIDEO_TIMESCALE {
            return Err(TranscodeError::TooLong);
        }
        self.first = Some(self.first.map_or(pts, |first| first.min(pts)));
        self.latest = self.latest.max(pts);
        let mut picture = frame::Video::from(frame);
        decode::check_size(picture.width(), picture.height())?;
        picture.set_pts(Some(pts));
        Ok(picture)
    }

    /// Notes when a packet is to be decoded and how long that lasts.
    pub fn packet(&mut self, dts: i64, duration: i64) {
        let dts = dts.max(-FAR_BEFORE);
        let end = dts.saturating_add(duration.max(0));
        self.decoding = Some(self.decoding.map_or((dts, end), |(first, known)| (first, known.max(end))));
    }

    /// Where the last picture ends: as the track says (`track`, when nothing of it is missing), or its packets, or the
    /// nominal rate. A packet's own duration is that of its place in decoding order, so only the end of all of them
    /// counts; some containers give durations of a millisecond, and some of hours.
    pub fn end(&self, track: Option<i64>) -> i64 {
        let Some(first) = self.first else { return 0 };
        let decoded = self.decoding.map(|(start, end)| end + (first - start));
        let credible = |end: &i64| (self.nominal / 2..=LONGEST_PICTURE).contains(&(end - self.latest));
        track.filter(credible).or(decoded.filter(credible)).unwrap_or(self.latest + self.nominal)
    }

    /// Decides whether and when an upright picture is shown.
    pub fn place(&mut self, picture: frame::Video, tally: &mut Tally, emit: &mut dyn FnMut(Picture)) -> Result<(), TranscodeError> {
        let pts = picture.pts().unwrap_or(self.latest);
        if !self.thinner.keeps(pts, false) {
            return Ok(());
        }
        tally.within_cap += 1;
        self.count(pts, tally);
        let repeats = self.hold_repeats && self.last.as_ref().is_some_and(|(_, last)| same_pixels(last, &picture));
        self.repeat_before(pts, emit);
        if self.poster.wants(pts) && !repeats {
            self.poster.offer(pts, &picture)?;
        }
        // The slot is decided before the picture replaces its predecessor, whose content it may share.
        match self.cadence.place(pts, repeats) {
            Slot::Skip => tally.held += u64::from(repeats),
            Slot::Show { pts, cut } => {
                if !repeats {
                    let content = self.last.as_ref().map_or(0, |(content, _)| content + 1);
                    self.last = Some((content, Arc::new(picture)));
                }
                self.show(pts, cut, emit);
            }
        }
        Ok(())
    }

    fn count(&mut self, pts: i64, tally: &mut Tally) {
        let second = pts.div_euclid(VIDEO_TIMESCALE);
        self.second = (second, if self.second.0 == second { self.second.1 + 1 } else { 1 });
        tally.busiest = tally.busiest.max(self.second.1);
    }

    fn repeat_before(&mut self, pts: i64, emit: &mut dyn FnMut(Picture)) {
        while let Some((pts, cut)) = self.cadence.repeat_before(pts) {
            self.show(pts, cut, emit);
        }
    }

    /// Shows the last picture until `end`, as often as it must be.
    pub fn hold_until(&mut self, end: i64, emit: &mut dyn FnMut(Picture)) {
        self.repeat_before(end, emit);
    }

    fn show(&self, pts: i64, cut: bool, emit: &mut dyn FnMut(Picture)) {
        if let Some((content, frame)) = &self.last {
            emit(Picture { frame: frame.clone(), content: *content, pts, cut });
        }
    }
}
