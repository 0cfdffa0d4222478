//! Whether the largest rung can be had by copying the source's packets instead of encoding them, and where it can be cut.
//! Pure: looks at packets as the index passes them and decides at the end. What copies is copying.rs.
//!
//! A source is copied when it is what the rung would be, only made by somebody else: H.264 of High profile, of the rung's
//! size, within its rate and frame rate, with closed groups at whose IDRs segments of the usual length can be cut.
//! All renditions are then cut there. One reason against it is enough, and is told.

use serde::{Deserialize, Serialize};

use crate::avc::{self, Parameters};
use crate::cadence::{HOLD, SLACK, Thinner, VIDEO_TIMESCALE};
use crate::cmaf;
use crate::ladder::Rung;
use crate::probe::VideoInfo;
use crate::sps::Sps;

/// How the largest rung is copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// The only parameter sets there are.
    pub parameters: Parameters,
    /// Bytes of a unit's length in the source.
    pub length_size: usize,
    /// By how much composition times are written late, see [`cmaf::delay`].
    pub delay: i64,
}

/// Why the largest rung is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotCopied {
    SwitchedOff,
    NotH264,
    NotHighProfileLevel42,
    NotTheRungsPicture,
    SeveralParameterSets,
    DamagedOrUnusualStream,
    CannotBeReadInRuns,
    FrameRate,
    KeyPicturesTooFarApart,
    OpenGroups,
    BitRate,
}

impl NotCopied {
    /// A few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::SwitchedOff => "copying is switched off",
            Self::NotH264 => "it is no H.264 in MP4 or Matroska",
            Self::NotHighProfileLevel42 => "it is not of High profile, or of a level above 4.2",
            Self::NotTheRungsPicture => "its pictures must be scaled, turned or converted",
            Self::SeveralParameterSets => "its parameter sets change on the way",
            Self::DamagedOrUnusualStream => "its stream is damaged or unusual",
            Self::CannotBeReadInRuns => "it is too short or cannot be read in runs",
            Self::FrameRate => "its pictures come too often, too seldom or out of turn",
            Self::KeyPicturesTooFarApart => "its key pictures do not allow segments of the usual length",
            Self::OpenGroups => "its groups of pictures are not closed",
            Self::BitRate => "its bit rate is above the cap",
        }
    }
}

/// What the index tells of a packet of pictures.
pub struct Seen<'a> {
    pub data: &'a [u8],
    /// When it is shown, in ticks from the start of the presentation.
    pub at: i64,
    /// It is damaged, not to be shown, or comes with other parameter sets.
    pub odd: bool,
}

/// Gathers what is to be known of all packets.
#[derive(Debug)]
pub struct Scan {
    found: Result<Found, NotCopied>,
}

#[derive(Debug)]
struct Found {
    parameters: Parameters,
    length_size: usize,
    groups: Vec<Group>,
    /// Times of the group that is being read, in the order of decoding.
    times: Vec<i64>,
    /// The largest time by which a picture is decoded before its turn.
    early: i64,
}

/// An IDR and what follows up to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Group {
    at: i64,
    /// The last time of its pictures.
    latest: i64,
    /// As it is written.
    bytes: u64,
}

impl Scan {
    /// For a track with this decoder configuration.
    pub fn new(wanted: bool, codec: &str, config: &[u8]) -> Self {
        let found = match (wanted, codec) {
            (false, _) => Err(NotCopied::SwitchedOff),
            (true, "h264") => avc::configuration(config).ok_or(NotCopied::NotH264).map(|(parameters, length_size)| Found {
                parameters,
                length_size,
                groups: vec![],
                times: vec![],
                early: 0,
            }),
            _ => Err(NotCopied::NotH264),
        };
        Self { found }
    }

    /// Takes the packets in the order of decoding. Costs next to nothing once there is a reason against copying.
    pub fn packet(&mut self, seen: &Seen) {
        if let Ok(found) = &mut self.found
            && let Err(why) = found.packet(seen)
        {
            self.found = Err(why);
        }
    }

    /// Takes a reason that lies outside of the packets.
    pub fn refuse(&mut self, why: NotCopied) {
        if self.found.is_ok() {
            self.found = Err(why);
        }
    }

    /// What is against copying so far.
    pub fn against(&self) -> Option<NotCopied> {
        self.found.as_ref().err().copied()
    }

    /// Decides for a presentation whose pictures are shown at `times` and which ends at `end`, in segments of `segment`
    /// ticks; answers where these start.
    pub fn decide(mut self, video: &VideoInfo, top: &Rung, times: &[i64], segment: i64, end: i64) -> Result<(Copied, Vec<i64>), NotCopied> {
        let found = self.found.as_mut().map_err(|why| *why)?;
        found.close_group();
        let sps = Sps::parse(&found.parameters.sps).ok_or(NotCopied::DamagedOrUnusualStream)?;
        if !sps.high_42 {
            return Err(NotCopied::NotHighProfileLevel42);
        }
        if !(sps.plain_samples && sps.progressive && sps.square && is_upright(video) && (sps.width, sps.height) == (top.width, top.height))
        {
            return Err(NotCopied::NotTheRungsPicture);
        }
        if !paced(times, top.max_fps) {
            return Err(NotCopied::FrameRate);
        }
        if !closed(&found.groups) {
            return Err(NotCopied::OpenGroups);
        }
        let keys: Vec<i64> = found.groups.iter().map(|group| group.at).collect();
        let cuts = cuts(&keys, segment, end).ok_or(NotCopied::KeyPicturesTooFarApart)?;
        if !within_cap(&found.groups, &cuts, end, top.max_bitrate) {
            return Err(NotCopied::BitRate);
        }
        let delay = found.early.min(cmaf::most_delay(VIDEO_TIMESCALE as u32));
        Ok((Copied { parameters: found.parameters.clone(), length_size: found.length_size, delay }, cuts))
    }
}

impl Found {
    fn packet(&mut self, seen: &Seen) -> Result<(), NotCopied> {
        if seen.odd {
            return Err(NotCopied::DamagedOrUnusualStream);
        }
        let picture = avc::picture(seen.data, self.length_size).ok_or(NotCopied::DamagedOrUnusualStream)?;
        if !picture.repeats(&self.parameters) {
            return Err(NotCopied::SeveralParameterSets);
        }
        if picture.idr {
            self.close_group();
            self.groups.push(Group { at: seen.at, latest: seen.at, bytes: 0 });
        }
        let Some(group) = self.groups.last_mut() else { return Err(NotCopied::OpenGroups) };
        if seen.at < group.at {
            return Err(NotCopied::OpenGroups);
        }
        group.latest = group.latest.max(seen.at);
        group.bytes += picture.bytes;
        self.times.push(seen.at);
        Ok(())
    }

    /// Notes how early the pictures of a group are decoded, if they are at an even pace.
    fn close_group(&mut self) {
        let mut shown = self.times.clone();
        shown.sort_unstable();
        self.early = shown.iter().zip(&self.times).map(|(decoded, shown)| decoded - shown).fold(self.early, i64::max);
        self.times.clear();
    }
}

/// Shown as they are coded.
fn is_upright(video: &VideoInfo) -> bool {
    let square = match video.sample_aspect {
        (n, d) if n > 0 && d > 0 => n == d,
        _ => true,
    };
    square
        && video.turn.is_upright()
        && !video.interlaced
        && !video.hdr
        && video.pixel_format == "yuv420p"
        && (video.width, video.height) == (video.display_width, video.display_height)
}

/// Pictures start with the presentation, all have their own time, none would be left out, and none is held for so long that
/// it would be shown again.
fn paced(times: &[i64], max_fps: u32) -> bool {
    let mut thinner = Thinner::new(max_fps);
    times.first().is_some_and(|first| (0..=HOLD).contains(first))
        && times.windows(2).all(|pair| pair[1] > pair[0] && pair[1] - pair[0] <= HOLD + SLACK)
        && times.iter().all(|&time| thinner.keeps(time, false))
}

/// Nothing of a group is shown after the next one has begun.
fn closed(groups: &[Group]) -> bool {
    groups.windows(2).all(|pair| pair[0].latest < pair[1].at)
}

/// Of segments that start at some of these key pictures, the starts; `None` when some would be longer than the playlists say.
/// They come as near to `segment` as can be.
fn cuts(keys: &[i64], segment: i64, end: i64) -> Option<Vec<i64>> {
    let target = (segment + VIDEO_TIMESCALE / 2) / VIDEO_TIMESCALE * VIDEO_TIMESCALE;
    // What is rounded to the target: players are told that no segment is longer.
    let longest = target + VIDEO_TIMESCALE / 2 - 1;
    let shortest = segment / 4;
    let mut cuts = vec![0];
    let mut from = 0;
    while end - from > segment + SLACK {
        // None so near to the end that hardly a picture would be left.
        let (first, last) = (from + shortest, (from + longest).min(end - SLACK));
        let mut fitting = keys.iter().copied().skip(keys.partition_point(|&key| key < first)).take_while(|&key| key <= last).peekable();
        let soonest = fitting.peek().copied();
        match fitting.take_while(|&key| key <= from + segment + SLACK).last().or(soonest) {
            Some(key) => {
                cuts.push(key);
                from = key;
            }
            None if end - from <= longest => break,
            None => return None,
        }
    }
    Some(cuts)
}

/// Whether the film as a whole is within the cap, and each segment within what the encoder's buffer of two seconds lets pass.
fn within_cap(groups: &[Group], cuts: &[i64], end: i64, cap: u32) -> bool {
    let before = |time: i64| groups.partition_point(|group| group.at < time);
    let bits = |from: i64, to: i64| groups[before(from)..before(to)].iter().map(|group| group.bytes * 8).sum::<u64>();
    let allowed = |ticks: i64| (ticks as f64 / VIDEO_TIMESCALE as f64) * f64::from(cap);
    let ends = cuts.iter().skip(1).copied().chain([end]);
    bits(0, i64::MAX) as f64 <= allowed(end)
        && cuts.iter().zip(ends).all(|(&from, to)| bits(from, to) as f64 <= allowed(to - from) + allowed(BUFFER))
}

/// Of the encoder, see x264.rs.
const BUFFER: i64 = 2 * VIDEO_TIMESCALE;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = VIDEO_TIMESCALE;
    const SEGMENT: i64 = 4 * SECOND;

    fn every(ticks: i64, end: i64) -> Vec<i64> {
        (0..end).step_by(ticks as usize).collect()
    }

    #[test]
    fn segments_start_at_key_pictures_as_near_to_the_usual_length_as_can_be() {
        let cuts = |key_every: i64, end: i64| cuts(&every(key_every, end), SEGMENT, end);
        assert_eq!(cuts(2 * SECOND, 26 * SECOND), Some(every(4 * SECOND, 26 * SECOND)));
        assert_eq!(cuts(60 * 3003, 300 * 3003).unwrap()[..3], [0, 120 * 3003, 240 * 3003], "a little more than four seconds");
        assert_eq!(cuts(3 * SECOND, 12 * SECOND), Some(every(3 * SECOND, 12 * SECOND)));
        assert_eq!(cuts(10 * SECOND, 60 * SECOND), None);
        assert_eq!(cuts(10 * SECOND, 4 * SECOND), Some(vec![0]));
        // Key pictures at cuts of the film, close together and uneven.
        let keys = [0, SECOND / 10, 3 * SECOND, 3 * SECOND + 3000, 7 * SECOND + 30_000, 11 * SECOND, 14 * SECOND];
        let end = 16 * SECOND;
        let found = super::cuts(&keys, SEGMENT, end).unwrap();
        assert!(found.iter().all(|cut| keys.contains(cut)));
        let ends = found.iter().skip(1).chain([&end]);
        assert!(found.iter().zip(ends).all(|(from, to)| (SECOND..SEGMENT + SECOND / 2).contains(&(to - from))), "{found:?}");
    }

    #[test]
    fn no_cut_leaves_hardly_a_picture_at_the_end() {
        let end = 8 * SECOND + 3000;
        assert_eq!(cuts(&every(4 * SECOND, end), SEGMENT, end), Some(vec![0, 4 * SECOND]));
    }

    #[test]
    fn pictures_in_turn_within_the_frame_rate_and_never_held_are_paced() {
        let times = every(3600, 10 * SECOND);
        assert!(paced(&times, 60) && paced(&times, 25) && !paced(&times, 15));
        assert!(!paced(&[], 60) && !paced(&[0, 3600, 3600], 60) && !paced(&[0, 3600, 5 * SECOND], 60));
        assert!(!paced(&[-3600, 0, 3600], 60) && !paced(&[2 * SECOND, 2 * SECOND + 3600], 60));
    }

    const SPS: [u8; 5] = [0x67, 100, 0, 30, 1];

    /// A scan of pictures, each `(time, IDR)`.
    fn scanned(pictures: &[(i64, bool)]) -> Result<(Vec<Group>, i64), NotCopied> {
        let config = [&[1, 100, 0, 30, 0xFF, 0xE1, 0, 5][..], &SPS, &[1, 0, 2, 0x68, 1]].concat();
        let mut scan = Scan::new(true, "h264", &config);
        for &(at, idr) in pictures {
            let data = [0, 0, 0, 2, if idr { 0x65 } else { 0x41 }, 9];
            scan.packet(&Seen { data: &data, at, odd: false });
        }
        scan.found.map(|mut found| {
            found.close_group();
            (found.groups, found.early)
        })
    }

    #[test]
    fn groups_are_counted_and_so_is_how_early_pictures_are_decoded() {
        // Shown as I B B P, coded as I P B B, twice.
        let order = [(0, true), (9000, false), (3000, false), (6000, false)];
        let twice: Vec<_> = order.iter().copied().chain(order.map(|(at, idr)| (at + 12_000, idr))).collect();
        let (groups, early) = scanned(&twice).unwrap();
        assert_eq!(early, 3000);
        assert_eq!(groups, [Group { at: 0, latest: 9000, bytes: 24 }, Group { at: 12_000, latest: 21_000, bytes: 24 }]);
        assert!(closed(&groups));
    }

    #[test]
    fn pictures_that_lead_across_a_key_picture_and_films_that_begin_with_none_are_not_copied() {
        assert_eq!(scanned(&[(0, true), (9000, true), (6000, false)]), Err(NotCopied::OpenGroups));
        assert_eq!(scanned(&[(0, false)]), Err(NotCopied::OpenGroups));
        let (groups, _) = scanned(&[(0, true), (12_000, false), (9000, true)]).unwrap();
        assert!(!closed(&groups));
    }

    #[test]
    fn other_parameter_sets_on_the_way_and_odd_packets_are_reasons() {
        let config = [&[1, 100, 0, 30, 0xFF, 0xE1, 0, 5][..], &SPS, &[1, 0, 2, 0x68, 1]].concat();
        let after = |data: &[u8], odd| {
            let mut scan = Scan::new(true, "h264", &config);
            scan.packet(&Seen { data, at: 0, odd });
            scan.against()
        };
        let with_set = |last: u8| [&[0, 0, 0, 5][..], &SPS[..4], &[last, 0, 0, 0, 2, 0x65, 9]].concat();
        assert_eq!(after(&with_set(1), false), None, "the same again");
        assert_eq!(after(&with_set(2), false), Some(NotCopied::SeveralParameterSets));
        assert_eq!(after(&with_set(1), true), Some(NotCopied::DamagedOrUnusualStream));
        assert_eq!(after(&[0, 0, 0, 9, 0x65], false), Some(NotCopied::DamagedOrUnusualStream), "a length beyond the end");
        assert_eq!(after(&[0, 0, 0, 2, 0x74, 9], false), Some(NotCopied::DamagedOrUnusualStream), "a layer");
        assert_eq!(Scan::new(true, "hevc", &config).against(), Some(NotCopied::NotH264));
        assert_eq!(Scan::new(false, "h264", &config).against(), Some(NotCopied::SwitchedOff));
        assert_eq!(Scan::new(true, "h264", b"\0\0\0\x01\x67").against(), Some(NotCopied::NotH264), "a byte stream");
    }

    #[test]
    fn the_cap_holds_for_the_film_and_nearly_for_each_segment() {
        let group = |at: i64, bytes: u64| Group { at, latest: at, bytes };
        let cuts = [0, SEGMENT];
        // 1 Mbit/s are 125,000 bytes a second: 500,000 a segment, and 250,000 more once.
        assert!(within_cap(&[group(0, 700_000), group(SEGMENT, 200_000)], &cuts, 2 * SEGMENT, 1_000_000));
        assert!(!within_cap(&[group(0, 800_000), group(SEGMENT, 100_000)], &cuts, 2 * SEGMENT, 1_000_000));
        assert!(!within_cap(&[group(0, 600_000), group(SEGMENT, 600_000)], &cuts, 2 * SEGMENT, 1_000_000));
    }
}
