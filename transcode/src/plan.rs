//! How a file is made into a package before any of it is decoded: which renditions, where segments begin, and which runs
//! of segments are encoded on their own. Pure.
//!
//! A run is a window on the presentation between two grid points. Whoever encodes it decodes from the entry point before
//! it and gets the same pictures at the same times as one who reads the whole file, so runs can be made in any order and
//! anywhere. A file whose packets do not allow that is one run.

use serde::{Deserialize, Serialize};

use crate::cadence::{Grid, SLACK, VIDEO_TIMESCALE};
use crate::droppable;
use crate::index::{Index, TrackIndex};
use crate::ladder::{self, Rung};
use crate::loudness::Loudness;
use crate::probe::Probe;
use crate::remux::{Copied, NotCopied, Scan};

/// Segments of one run: long enough that the pictures decoded before it hardly count, short enough that a killed worker
/// costs little, and that whoever waits for the first or goes to the last of them does not wait for long.
const RUN: usize = 2;

/// A video is split into at least this many runs where its length allows, so that all cores have work to the end.
const LEAST_RUNS: usize = 8;

/// Segments of one run of sound, which costs little.
const SOUND_RUN: usize = 8;

/// Sound is read from this far before its window: decoders and resamplers need to warm up. In ticks.
const SOUND_LEAD: i64 = VIDEO_TIMESCALE;

/// What will be made of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Largest rung first; empty for sound alone.
    pub ladder: Vec<Rung>,
    /// Distance of grid points in ticks of 1/90000 s.
    pub segment: i64,
    /// Where the presentation starts on the source's clock, in ticks.
    pub origin: i64,
    /// Where it ends, in ticks; `None` where only reading all of it will tell.
    pub end: Option<i64>,
    /// Where the pictures end.
    pub seen: i64,
    /// Where each segment of pictures starts, as the packets say.
    pub cuts: Vec<i64>,
    /// Runs of pictures, in order. One that has no end takes the whole file, its sound included.
    pub pictures: Vec<Window>,
    /// Runs of sound, in order.
    pub sound: Vec<Window>,
    /// Where segments start instead of on the grid: at key pictures of the source, where these are copied.
    #[serde(default)]
    pub points: Vec<i64>,
    /// How the largest rung is copied; or why it is not, where there are pictures.
    #[serde(default)]
    pub copied: Option<Copied>,
    #[serde(default)]
    pub not_copied: Option<NotCopied>,
    /// How loud the sound is and is to be, where that was asked for.
    #[serde(default)]
    pub loudness: Option<Loudness>,
}

/// A stretch of the presentation between grid points, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Number of its first segment, from 1.
    pub first: usize,
    pub from: i64,
    /// The grid point before which it ends; `None`: to the end of the file.
    pub to: Option<i64>,
    /// Decoding time of the packet to start at, as the stream counts; `None`: at the start of the file.
    pub seek: Option<i64>,
    /// It ends with the presentation.
    pub last: bool,
}

impl Window {
    /// The whole file.
    pub const WHOLE: Self = Self { first: 1, from: 0, to: None, seek: None, last: true };

    /// Whether what is shown at this time is part of it.
    pub fn holds(&self, time: i64) -> bool {
        time >= self.from && self.to.is_none_or(|to| time < to)
    }

    /// Its part of `all` frames of a plan.
    pub fn share(&self, plan: &Plan, all: u64) -> u64 {
        let end = plan.end.unwrap_or(i64::MAX).max(1);
        let lasts = self.to.unwrap_or(end).min(end) - self.from;
        (all as f64 * lasts as f64 / end as f64) as u64
    }
}

impl Plan {
    /// Whether everything is made in one go.
    pub fn is_whole(&self) -> bool {
        self.end.is_none()
    }

    /// Whether the rendition of this name is copied.
    pub fn copies(&self, name: &str) -> bool {
        self.copied.is_some() && self.ladder.first().is_some_and(|top| top.name() == name)
    }

    /// Where segments start.
    pub fn grid(&self) -> Grid {
        if self.points.is_empty() { Grid::every(self.segment) } else { Grid::at(&self.points) }
    }
}

/// Plans a package with segments of `segment` ticks; `scan` is what there is to know about copying.
pub fn plan(probe: &Probe, index: &Index, scan: Option<Scan>, segment: i64) -> Plan {
    let ladder = probe.video.as_ref().map_or_else(Vec::new, |video| {
        let decoded = u64::from(video.width) * u64::from(video.height);
        ladder::plan(video.display_width, video.display_height, decoded, video.fps)
    });
    let nominal = probe.video.as_ref().map_or(0, |video| video.nominal());
    let seen = index.video.as_ref().map_or(0, |track| track.extent.end(nominal, None));
    let end = seen.max(index.audio.as_ref().map_or(0, |track| track.end));
    let whole = Plan {
        ladder,
        segment,
        origin: index.origin,
        end: None,
        seen,
        cuts: vec![],
        pictures: if probe.video.is_some() { vec![Window::WHOLE] } else { vec![] },
        sound: if probe.audio.is_some() { vec![Window::WHOLE] } else { vec![] },
        points: vec![],
        copied: None,
        not_copied: scan.as_ref().map(|scan| scan.against().unwrap_or(NotCopied::CannotBeReadInRuns)),
        loudness: None,
    };
    // Which pictures are left out undecoded depends on all before them.
    let drops = probe.video.as_ref().zip(whole.ladder.first()).is_some_and(|(video, top)| droppable::applies(video, top));
    if !index.steady || end <= 0 || drops {
        return whole;
    }
    let copying = match (&probe.video, whole.ladder.first(), &index.video, scan) {
        (Some(video), Some(top), Some(track), Some(scan)) => Some(scan.decide(video, top, &track.times, segment, end)),
        _ => None,
    };
    let not_copied = copying.as_ref().and_then(|copying| copying.as_ref().err().copied());
    let (copied, points) = copying.and_then(Result::ok).unzip();
    let points = points.unwrap_or_default();
    let grid = if points.is_empty() { Grid::every(segment) } else { Grid::at(&points) };
    let cuts = match &index.video {
        Some(track) if copied.is_none() => cuts(&track.times, segment, end),
        _ => points.clone(),
    };
    let total = if cuts.is_empty() { (end as u64).div_ceil(segment as u64) as usize } else { cuts.len() };
    let pictures = match &index.video {
        Some(track) => picture_runs(track, &grid, end, total),
        None => Some(vec![]),
    };
    match pictures {
        Some(pictures) if pictures.len() + total.div_ceil(SOUND_RUN) > 2 => Plan {
            end: Some(end),
            cuts,
            pictures,
            sound: index.audio.as_ref().map_or_else(Vec::new, |track| windows(track, &grid, total, (SOUND_RUN, SOUND_RUN), SOUND_LEAD)),
            points,
            copied,
            not_copied,
            ..whole
        },
        _ => whole,
    }
}

/// Runs whose lead-ins, decoded for nothing, stay about half of the whole (a little more, so that runs of eight seconds fit key frames
/// every ten; to decode costs a twentieth of what it costs to encode); none where entry points are too rare.
fn picture_runs(track: &TrackIndex, grid: &Grid, end: i64, total: usize) -> Option<Vec<Window>> {
    let mut length = total.div_ceil(LEAST_RUNS).clamp(1, RUN);
    while length < total {
        let runs = windows(track, grid, total, (RUN.min(length), length), 0);
        let wasted: i64 = runs.iter().map(|run| run.from - track.key_before(run.from).map_or(0, |key| key.pts)).sum();
        if wasted * 20 <= end * 11 {
            return Some(runs);
        }
        length *= 2;
    }
    None
}

/// Windows of so many segments, the first and all others, each read from the last entry point that lies at least `lead` before it.
fn windows(track: &TrackIndex, grid: &Grid, total: usize, (first, others): (usize, usize), lead: i64) -> Vec<Window> {
    let window = |start: usize| {
        let from = grid.point(start);
        let next = start + if start == 0 { first } else { others };
        let last = next >= total;
        let seek = track.key_before(from - lead).filter(|_| start > 0).map(|key| key.dts);
        Window { first: start + 1, from, to: (!last).then(|| grid.point(next)), seek, last }
    };
    std::iter::once(0).chain((first..total).step_by(others)).map(window).collect()
}

/// Where segments start: at the first picture at or after each grid point, or on the point itself when no picture comes
/// soon. The same rule as `cadence::Cadence`, which works on pictures as they come.
pub fn cuts(times: &[i64], segment: i64, end: i64) -> Vec<i64> {
    let mut cuts = vec![0];
    let mut grid = segment;
    while grid < end {
        let next = times.get(times.partition_point(|&time| time < grid)).copied();
        match next {
            Some(time) if time - SLACK <= grid => cuts.push(time),
            None if grid >= end - SLACK => {}
            _ => cuts.push(grid),
        }
        grid += segment;
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cadence::{Cadence, Slot};
    use crate::index::Key;

    const SEGMENT: i64 = 4 * VIDEO_TIMESCALE;

    fn track(seconds: i64, key_every: i64) -> TrackIndex {
        let keys = (0..seconds).step_by(key_every as usize).map(|s| Key { pts: s * VIDEO_TIMESCALE, dts: s * 1000 }).collect();
        TrackIndex { keys, ..TrackIndex::default() }
    }

    #[test]
    fn runs_cover_everything_once_and_start_at_an_entry_point_before_them() {
        for seconds in [5, 9, 30, 127, 3600] {
            let end = seconds * VIDEO_TIMESCALE;
            let total = (end as u64).div_ceil(SEGMENT as u64) as usize;
            let Some(runs) = picture_runs(&track(seconds, 2), &Grid::every(SEGMENT), end, total) else {
                panic!("{seconds} s are not split")
            };
            assert_eq!((runs[0].from, runs[0].seek, runs.last().unwrap().to), (0, None, None));
            assert!(runs.iter().all(|run| run.last == run.to.is_none()));
            for pair in runs.windows(2) {
                assert_eq!(pair[0].to, Some(pair[1].from));
                assert_eq!((pair[1].first as i64 - 1) * SEGMENT, pair[1].from);
                let seek = pair[1].seek.unwrap();
                assert!(seek * VIDEO_TIMESCALE / 1000 <= pair[1].from);
            }
        }
    }

    #[test]
    fn rare_entry_points_make_longer_runs_and_a_single_one_makes_no_runs() {
        let end = 3600 * VIDEO_TIMESCALE;
        let count = |key_every| picture_runs(&track(3600, key_every), &Grid::every(SEGMENT), end, 900).map(|runs| runs.len());
        assert_eq!(count(2), Some(450));
        let rare = count(200).unwrap();
        assert!(rare < 60, "{rare}");
        assert_eq!(count(3600), None);
    }

    #[test]
    fn planned_cuts_are_those_that_the_pictures_make() {
        let even: Vec<i64> = (0..1000).map(|i| i * 3003).collect();
        let slides = vec![0, 7 * VIDEO_TIMESCALE, 8 * VIDEO_TIMESCALE + 500, 12 * VIDEO_TIMESCALE + 11_000, 13 * VIDEO_TIMESCALE];
        for (times, end) in [(even, 1000 * 3003), (slides.clone(), 19 * VIDEO_TIMESCALE), (slides, 16 * VIDEO_TIMESCALE + 400)] {
            let mut cadence = Cadence::new(Grid::every(SEGMENT), 0);
            let mut made = vec![];
            for &time in &times {
                while let Some((pts, cut)) = cadence.repeat_before(time) {
                    made.extend(cut.then_some(pts));
                }
                if let Slot::Show { pts, cut: true } = cadence.place(time, false) {
                    made.push(pts);
                }
            }
            while let Some((pts, cut)) = cadence.repeat_before(end) {
                made.extend(cut.then_some(pts));
            }
            assert_eq!(cuts(&times, SEGMENT, end), made);
        }
    }
}
