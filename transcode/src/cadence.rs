//! Where pictures stand on the output timeline: which are left out, which are shown again, where a segment starts.
//! Pure; all times are ticks of 1/90000 s counted from the start of the presentation.
//!
//! Segments start on a grid (every 4 s by default, or at the source's own key pictures where these are copied): the first
//! picture at or after a grid point becomes the first of a segment, and when the next picture is far away (slides recorded
//! at a variable rate), the previous one is shown again exactly on the grid point. So every rendition is cut at the same places, whatever the source's frame rate.

use std::sync::Arc;

/// Ticks per second of video timestamps: divides the common frame rates, and is what broadcasting uses.
pub const VIDEO_TIMESCALE: i64 = 90_000;

/// An unchanged picture is shown again at least this often, so that no player takes a long slide for a stall.
pub const HOLD: i64 = VIDEO_TIMESCALE;

/// A picture that comes this soon after a grid point becomes the start of the segment itself.
pub const SLACK: i64 = VIDEO_TIMESCALE / 8;

/// What to do with a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Encode it at this time; `cut` when it starts a segment.
    Show { pts: i64, cut: bool },
    /// Leave it out: too soon after its predecessor, or equal to it.
    Skip,
}

/// The points at or after which segments start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    every: i64,
    /// All of them, where they are not even.
    at: Arc<[i64]>,
}

/// No time of a presentation is as late, in ticks.
const NEVER: i64 = 1 << 40;

impl Grid {
    /// Points that are `ticks` apart, from zero on.
    pub fn every(ticks: i64) -> Self {
        Self { every: ticks, at: [].into() }
    }

    /// These points, which ascend from zero.
    pub fn at(points: &[i64]) -> Self {
        Self { every: NEVER, at: points.into() }
    }

    /// The point of this number, counted from zero.
    pub fn point(&self, number: usize) -> i64 {
        if self.at.is_empty() { number as i64 * self.every } else { self.at.get(number).copied().unwrap_or(NEVER) }
    }

    /// The first point after a time.
    pub fn after(&self, time: i64) -> i64 {
        match self.at.is_empty() {
            true => (time.div_euclid(self.every) + 1) * self.every,
            false => self.point(self.at.partition_point(|&point| point <= time)),
        }
    }

    /// All points before `end`.
    pub fn before(&self, end: i64) -> impl Iterator<Item = i64> {
        (0..).map(|number| self.point(number)).take_while(move |&point| point < end)
    }
}

/// Decides for a whole presentation.
#[derive(Debug)]
pub struct Cadence {
    grid: Grid,
    next_cut: i64,
    last: Option<i64>,
}

impl Cadence {
    /// `from` is the point of the grid to start at.
    pub fn new(grid: Grid, from: i64) -> Self {
        Self { grid, next_cut: from, last: None }
    }

    /// A picture from before the start is known: it can be shown from there on.
    pub fn lead(&mut self) {
        self.last = Some(self.next_cut - 1);
    }

    /// Whether a picture at `pts` starts a segment.
    pub fn would_cut(&self, pts: i64) -> bool {
        pts >= self.next_cut
    }

    /// The next time before `pts` at which the previous picture must be shown again, and whether that cuts.
    /// Call until it answers `None`, then [`Cadence::place`] the new picture.
    pub fn repeat_before(&mut self, pts: i64) -> Option<(i64, bool)> {
        let due = self.next_cut.min(self.last? + HOLD);
        (due < pts - SLACK).then(|| self.show(due))
    }

    /// Places a picture at `pts`; `repeats` when it equals the one before.
    pub fn place(&mut self, pts: i64, repeats: bool) -> Slot {
        // The first picture covers everything from the start, which is a grid point; whatever does not move forward is
        // left out. One that comes soon after the point where a run resumes is where the run before it ends.
        let start = self.next_cut;
        let pts = match self.last {
            None if start == 0 || pts > start + SLACK => start,
            _ => pts,
        };
        let soon = self.last.is_some_and(|last| pts <= last || (repeats && pts < last + HOLD && pts < self.next_cut));
        if soon {
            return Slot::Skip;
        }
        let (pts, cut) = self.show(pts);
        Slot::Show { pts, cut }
    }

    fn show(&mut self, pts: i64) -> (i64, bool) {
        let cut = pts >= self.next_cut;
        if cut {
            self.next_cut = self.grid.after(pts);
        }
        self.last = Some(pts);
        (pts, cut)
    }
}

/// Leaves frames out so that no more than `max_fps` remain; the start of a segment always stays.
#[derive(Debug)]
pub struct Thinner {
    gap: i64,
    last: Option<i64>,
}

impl Thinner {
    /// A tenth of tolerance: timestamps rounded to milliseconds must not make 60 frames per second look like 61.
    pub fn new(max_fps: u32) -> Self {
        Self { gap: VIDEO_TIMESCALE * 9 / (i64::from(max_fps.max(1)) * 10), last: None }
    }

    pub fn keeps(&mut self, pts: i64, cut: bool) -> bool {
        let keep = cut || self.last.is_none_or(|last| pts - last >= self.gap);
        if keep {
            self.last = Some(pts);
        }
        keep
    }
}

/// The rate to announce for `frames` pictures in `ticks`: snapped to a common rate within one per cent, or else, as
/// the rate varies, that of the `busiest` second.
pub fn frame_rate(frames: u64, ticks: i64, busiest: u64) -> f64 {
    const COMMON: [f64; 12] = [10.0, 12.0, 12.5, 15.0, 24000.0 / 1001.0, 24.0, 25.0, 30000.0 / 1001.0, 30.0, 50.0, 60000.0 / 1001.0, 60.0];
    let measured = frames as f64 * VIDEO_TIMESCALE as f64 / ticks.max(1) as f64;
    let nearest = COMMON.into_iter().min_by(|a, b| (a - measured).abs().total_cmp(&(b - measured).abs()));
    nearest.filter(|rate| (rate - measured).abs() <= rate / 100.0).unwrap_or(measured.max(busiest as f64).clamp(1.0, 60.0))
}

/// The rate that is left of `fps` under a cap, as [`Thinner`] thins: whole pictures are left out, one in two, two in three.
pub fn thinned_rate(fps: f64, max_fps: u32) -> f64 {
    fps / (fps * 0.9 / f64::from(max_fps.max(1))).ceil().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: i64 = 4 * VIDEO_TIMESCALE;

    /// Shown times and cuts of pictures at `times`, all different, then held until `end`.
    fn run(times: impl IntoIterator<Item = i64>, end: i64) -> (Vec<i64>, Vec<i64>) {
        let mut cadence = Cadence::new(Grid::every(SEGMENT), 0);
        let (mut shown, mut cuts) = (vec![], vec![]);
        let mut note = |pts, cut| {
            shown.push(pts);
            if cut {
                cuts.push(pts);
            }
        };
        for time in times {
            while let Some((pts, cut)) = cadence.repeat_before(time) {
                note(pts, cut);
            }
            if let Slot::Show { pts, cut } = cadence.place(time, false) {
                note(pts, cut);
            }
        }
        while let Some((pts, cut)) = cadence.repeat_before(end) {
            note(pts, cut);
        }
        (shown, cuts)
    }

    #[test]
    fn constant_frame_rate_is_cut_at_the_first_frame_on_or_after_each_grid_point() {
        let (shown, cuts) = run((0..300).map(|i| i * 3003), 300 * 3003);
        assert_eq!(shown.len(), 300);
        assert_eq!(cuts, [0, 360_360, 720_720]);
    }

    #[test]
    fn a_slide_shown_for_ten_seconds_is_repeated_every_second_and_on_every_grid_point() {
        let (shown, cuts) = run([0, 10 * VIDEO_TIMESCALE + 50_000], 11 * VIDEO_TIMESCALE);
        assert_eq!(cuts, [0, SEGMENT, 2 * SEGMENT]);
        assert!(shown.windows(2).all(|w| w[1] - w[0] <= HOLD + SLACK && w[1] > w[0]));
    }

    #[test]
    fn equal_pictures_are_left_out_for_at_most_a_second_and_never_across_a_cut() {
        let mut cadence = Cadence::new(Grid::every(SEGMENT), 0);
        let mut shown = vec![];
        for i in 0..600 {
            let pts = i * 1500;
            while let Some((pts, cut)) = cadence.repeat_before(pts) {
                shown.push((pts, cut));
            }
            if let Slot::Show { pts, cut } = cadence.place(pts, i > 0) {
                shown.push((pts, cut));
            }
        }
        assert_eq!(shown.len(), 10);
        assert_eq!(shown.iter().filter(|s| s.1).map(|s| s.0).collect::<Vec<_>>(), [0, SEGMENT, 2 * SEGMENT]);
    }

    #[test]
    fn a_grid_is_even_or_given() {
        for (grid, after) in [(Grid::every(40), [40, 40, 80]), (Grid::at(&[0, 39, 60]), [39, 39, 60])] {
            assert_eq!([0, 38, 40].map(|time| grid.after(time)), after);
            assert_eq!(grid.before(61).collect::<Vec<_>>(), [0, after[0], after[2]].into_iter().filter(|&p| p < 61).collect::<Vec<_>>());
        }
        assert_eq!((Grid::at(&[0, 39]).after(39), Grid::at(&[0, 39]).point(2)), (NEVER, NEVER));
    }

    #[test]
    fn a_late_first_picture_covers_the_start_and_time_never_runs_backwards() {
        let (shown, cuts) = run([45_000, 48_000, 47_000, 51_000], 54_000);
        assert_eq!(shown, [0, 48_000, 51_000]);
        assert_eq!(cuts, [0]);
    }

    #[test]
    fn the_thinner_halves_fifty_and_sixty_and_leaves_thirty_alone() {
        let count = |step: i64, max| {
            let mut thinner = Thinner::new(max);
            (0..600).filter(|i| thinner.keeps(i * step, false)).count()
        };
        assert_eq!((count(1500, 30), count(1800, 30), count(3003, 30), count(1500, 60)), (300, 300, 600, 600));
        assert_eq!(count(750, 60), 300);
    }

    #[test]
    fn announced_rates_snap_to_the_common_ones() {
        assert_eq!(frame_rate(300, 300 * 3003, 30), 30000.0 / 1001.0);
        assert_eq!(frame_rate(300, 300 * 3000, 30), 30.0);
        assert_eq!(frame_rate(100, 10 * VIDEO_TIMESCALE, 24), 10.0);
        assert_eq!([frame_rate(43, 3 * VIDEO_TIMESCALE, 25), frame_rate(2, 40 * VIDEO_TIMESCALE, 1)], [25.0, 1.0]);
        assert_eq!(
            [thinned_rate(60.0, 30), thinned_rate(50.0, 30), thinned_rate(25.0, 30), thinned_rate(60.0, 60)],
            [30.0, 25.0, 25.0, 60.0]
        );
    }
}
