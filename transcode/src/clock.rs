//! One continuous clock out of a container's timestamps. Pure; all times are ticks of 1/90000 s.
//!
//! Transport streams restart their clock when recordings are joined, and hostile or broken files jump by hours. A jump
//! beyond what the container may honestly do is closed: what follows is shifted to where the media had got to.

use ffmpeg_next::Rational;

use crate::cadence::VIDEO_TIMESCALE;

/// A jump in a transport stream that counts as a break: the customary ten seconds.
const BREAK: i64 = 10 * VIDEO_TIMESCALE;

/// The same where timestamps are meant to be continuous. Generous, as a screen recorder writes no frame while
/// nothing changes.
const BREAK_ELSEWHERE: i64 = 30 * 60 * VIDEO_TIMESCALE;

/// Shifts packet times so that no jump remains.
#[derive(Debug)]
pub struct Clock {
    threshold: i64,
    shift: i64,
    end: Option<i64>,
}

impl Clock {
    /// `restarts` when the container is of a kind whose clock may restart.
    pub fn new(restarts: bool) -> Self {
        Self { threshold: if restarts { BREAK } else { BREAK_ELSEWHERE }, shift: 0, end: None }
    }

    /// What to add to the times of the packet that starts at `start` (unshifted) and lasts `duration`.
    pub fn shift_at(&mut self, start: i64, duration: i64) -> i64 {
        let mut at = start.saturating_add(self.shift);
        if let Some(end) = self.end
            && at.saturating_sub(end).unsigned_abs() > self.threshold as u64
        {
            self.shift = self.shift.saturating_add(end.saturating_sub(at));
            at = end;
        }
        let end = at.saturating_add(duration.clamp(0, self.threshold));
        self.end = Some(self.end.map_or(end, |known| known.max(end)));
        self.shift
    }
}

/// What lies this far before the start, in ticks or samples, counts as lying there.
pub const FAR_BEFORE: i64 = 3600 * VIDEO_TIMESCALE;

/// Beyond this (some hundred thousand years of ticks) times are nonsense; sums of two stay within 64 bits.
const FAR: i128 = 1 << 60;

/// Stream time to 1/90000 s.
pub fn ticks(time: i64, base: Rational) -> i64 {
    rescale(time, base, VIDEO_TIMESCALE)
}

/// Stream time to `rate` units a second, rounded to the nearest.
pub fn rescale(time: i64, base: Rational, rate: i64) -> i64 {
    let scaled = i128::from(time) * i128::from(base.numerator()) * i128::from(rate);
    let divisor = i128::from(base.denominator().max(1));
    (scaled + divisor / 2).div_euclid(divisor).clamp(-FAR, FAR) as i64
}

/// 1/90000 s to stream time.
pub fn untick(ticks: i64, base: Rational) -> i64 {
    let scaled = i128::from(ticks) * i128::from(base.denominator());
    let divisor = i128::from(VIDEO_TIMESCALE) * i128::from(base.numerator().max(1));
    (scaled + divisor / 2).div_euclid(divisor).clamp(-FAR, FAR) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restarted_transport_stream_goes_on_where_it_was() {
        let mut clock = Clock::new(true);
        let frame = 3600;
        for i in 0..100 {
            assert_eq!(clock.shift_at(1_000_000 + i * frame, frame), 0);
        }
        let end = 1_000_000 + 100 * frame;
        assert_eq!(50 + clock.shift_at(50, frame), end, "backwards");
        assert_eq!(90_000_000 + clock.shift_at(90_000_000, frame), end + frame, "forwards");
    }

    #[test]
    fn a_pause_of_minutes_is_kept_outside_transport_streams_and_hours_are_not() {
        let mut clock = Clock::new(false);
        clock.shift_at(0, 3000);
        assert_eq!(clock.shift_at(5 * 60 * VIDEO_TIMESCALE, 3000), 0);
        let claimed = 39 * 3600 * VIDEO_TIMESCALE;
        assert_eq!(claimed + clock.shift_at(claimed, 3000), 5 * 60 * VIDEO_TIMESCALE + 3000);
    }

    #[test]
    fn stream_times_become_ticks_and_back_without_drift() {
        let base = Rational::new(1001, 30_000);
        assert_eq!((ticks(1_000_000, base), untick(3_003_000_000, base)), (3_003_000_000, 1_000_000));
        assert_eq!(rescale(1, Rational::new(1, 44_100), 48_000), 1);
        assert_eq!(ticks(i64::MAX, Rational::new(1000, 1)), 1 << 60);
        assert_eq!(ticks(5, Rational::new(1, 0)), 5 * VIDEO_TIMESCALE, "a container without a time base");
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        let mut clock = Clock::new(false);
        for time in [i64::MAX, i64::MIN, 0, i64::MAX - 1, i64::MIN + 1] {
            clock.shift_at(time, i64::MAX);
        }
    }
}
