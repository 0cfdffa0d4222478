//! How long a picture track lasts, from its packets and pictures. Pure; all times are ticks of 1/90000 s counted from
//! the start of the presentation.

use crate::cadence::VIDEO_TIMESCALE;
use crate::clock::FAR_BEFORE;

/// A container is believed that its last picture stands this long: ten minutes, in ticks.
const LONGEST_PICTURE: i64 = 600 * VIDEO_TIMESCALE;

/// Gathers what says where a track begins and ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// Times of the first and the last picture.
    first: Option<i64>,
    latest: i64,
    /// Decoding time of the first packet, and where the last one ends.
    decoding: Option<(i64, i64)>,
}

impl Extent {
    /// Notes when a packet is to be decoded and how long that lasts.
    pub fn packet(&mut self, dts: i64, duration: i64) {
        let dts = dts.max(-FAR_BEFORE);
        let end = dts.saturating_add(duration.max(0));
        self.decoding = Some(self.decoding.map_or((dts, end), |(first, known)| (first, known.max(end))));
    }

    /// Notes when a picture is shown.
    pub fn picture(&mut self, pts: i64) {
        self.first = Some(self.first.map_or(pts, |first| first.min(pts)));
        self.latest = self.latest.max(pts);
    }

    /// Time of the last picture.
    pub fn latest(&self) -> i64 {
        self.latest
    }

    /// Where the last picture ends: as the track says (`track`, when nothing of it is missing), or its packets, or the
    /// `nominal` duration of a picture. A packet's own duration is that of its place in decoding order, so only the end
    /// of all of them counts; some containers give durations of a millisecond, and some of hours.
    pub fn end(&self, nominal: i64, track: Option<i64>) -> i64 {
        let Some(first) = self.first else { return 0 };
        let decoded = self.decoding.map(|(start, end)| end + (first - start));
        let credible = |end: &i64| (nominal / 2..=LONGEST_PICTURE).contains(&(end - self.latest));
        track.filter(credible).or(decoded.filter(credible)).unwrap_or(self.latest + nominal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_the_tracks_or_the_packets_or_one_picture_later() {
        let mut extent = Extent::default();
        for i in 0..10 {
            extent.packet(i * 3600 - 7200, 3600);
            extent.picture(i * 3600);
        }
        assert_eq!(extent.end(3600, Some(40_000)), 40_000);
        assert_eq!(extent.end(3600, Some(900 * VIDEO_TIMESCALE)), 36_000, "no picture stands for a quarter of an hour");
        assert_eq!(extent.end(3600, None), 36_000);
        assert_eq!(Extent::default().end(3600, None), 0);
        let mut undated = Extent::default();
        undated.picture(3600);
        assert_eq!(undated.end(3000, None), 6600);
    }
}
