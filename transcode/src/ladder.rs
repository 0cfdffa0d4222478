//! Which renditions a picture gets: sizes, rate caps and frame-rate caps. Pure arithmetic; the encoder obeys.
//!
//! Rules: never upscale; keep the aspect ratio; even sizes (4:2:0 needs them); the largest rung is the source itself
//! or what of it fits 1920 × 1080; a lower standard rung is added when it has at most three quarters of the pixels
//! of the rung above, so that no two rungs cost the encoder twice for the same picture. A picture too small for a second
//! standard rung gets one of half its sides, and one too small for that a second of its own size, coded more coarsely: HLS
//! asks for several bit rates (Apple's 9.9).

use serde::{Deserialize, Serialize};

/// One rendition to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// Pixels, even, square.
    pub width: u32,
    pub height: u32,
    /// Cap of the video rate in bit/s (the decoder buffer is two seconds of it).
    pub max_bitrate: u32,
    /// Frames per second above which frames are left out.
    pub max_fps: u32,
    /// Coded more coarsely than all others: the second of two of the same size.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub coarse: bool,
}

impl Rung {
    /// Folder of the rendition and its name in the manifest, such as `1280x720`: unique within a ladder.
    pub fn name(&self) -> String {
        format!("{}x{}{}", self.width, self.height, if self.coarse { "-coarse" } else { "" })
    }

    fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// Landscape boxes of the standard rungs with the rate cap of a full box at up to 30 frames per second. The caps are
/// those the measurements against ffmpeg use (docs/decisions), so that rates can be compared.
const BOXES: [(u32, u32, u32); 4] = [(1920, 1080, 5_000_000), (1280, 720, 2_800_000), (854, 480, 1_400_000), (640, 360, 800_000)];

/// Above this many decoded pixels per frame every rung is capped at 30 frames per second: decoding 4K at 60 alone
/// costs more than encoding the whole ladder.
const HIGH_RATE_PIXELS: u64 = 1920 * 1088;

/// Rungs of at least three quarters of 1280 × 720 keep 50 and 60 frames per second, smaller ones run at half.
const SMOOTH_PIXELS: u64 = 1280 * 720 * 3 / 4;

/// The ladder for a picture of `width` × `height` square, upright pixels, largest rung first, never empty.
///
/// `decoded` is the number of pixels of a frame as the decoder hands it over, `fps` the nominal rate.
pub fn plan(width: u32, height: u32, decoded: u64, fps: f64) -> Vec<Rung> {
    let mut rungs: Vec<Rung> = Vec::new();
    for &(box_width, box_height, _) in &BOXES {
        let (width, height) = fit(width, height, box_width, box_height);
        let max_fps = match rungs.is_empty() || u64::from(width) * u64::from(height) >= SMOOTH_PIXELS {
            true if decoded <= HIGH_RATE_PIXELS => 60,
            _ => 30,
        };
        let rung = Rung { width, height, max_bitrate: cap(width, height, fps.min(max_fps.into())), max_fps, coarse: false };
        if rungs.last().is_none_or(|above| rung.pixels() * 4 <= above.pixels() * 3) {
            rungs.push(rung);
        }
    }
    rungs.extend(second(&rungs, fps));
    rungs
}

/// Shorter sides are no picture any more.
const SMALLEST_SIDE: u32 = 16;

/// The second rung of a ladder that has but one.
fn second(rungs: &[Rung], fps: f64) -> Option<Rung> {
    let [only] = rungs else { return None };
    let side = |side: u32| (side + 2) / 4 * 2;
    let (width, height) = (side(only.width), side(only.height));
    if width.min(height) < SMALLEST_SIDE {
        return Some(Rung { max_bitrate: only.max_bitrate / 2, coarse: true, ..only.clone() });
    }
    let max_fps = only.max_fps.min(30);
    Some(Rung { width, height, max_bitrate: cap(width, height, fps.min(max_fps.into())), max_fps, coarse: false })
}

/// The size at which a coded picture is shown: pixels made square, then turned.
///
/// `sar` is the sample aspect ratio as numerator and denominator; nonsense (zero, negative, beyond 1:16) counts as 1:1.
pub fn display_size(width: u32, height: u32, sar: (i32, i32), quarter_turned: bool) -> (u32, u32) {
    let ratio = match sar {
        (n, d) if n > 0 && d > 0 => f64::from(n) / f64::from(d),
        _ => 1.0,
    };
    let ratio = if (1.0 / 16.0..=16.0).contains(&ratio) { ratio } else { 1.0 };
    let shown = ((f64::from(width) * ratio).round() as u32).max(1);
    if quarter_turned { (height, shown) } else { (shown, height) }
}

/// Shrinks (never enlarges) into a box, which lies on its side for portrait pictures; both sides become even.
fn fit(width: u32, height: u32, box_width: u32, box_height: u32) -> (u32, u32) {
    let (bw, bh) = if height > width { (box_height, box_width) } else { (box_width, box_height) };
    let scale = (f64::from(bw) / f64::from(width)).min(f64::from(bh) / f64::from(height));
    if scale >= 1.0 {
        return ((width & !1).max(2), (height & !1).max(2));
    }
    let even = |side: u32, limit: u32| (((f64::from(side) * scale / 2.0).round() as u32) * 2).clamp(2, limit);
    (even(width, bw), even(height, bh))
}

/// Rate cap for a size: the standard caps, interpolated on a log-log line between them (bits grow more slowly than
/// pixels), proportional below the smallest, half as much again above 30 frames per second.
fn cap(width: u32, height: u32, fps: f64) -> u32 {
    let pixels = f64::from(width) * f64::from(height);
    let point = |i: usize| (f64::from(BOXES[i].0 * BOXES[i].1), f64::from(BOXES[i].2));
    let (smallest, least) = point(3);
    let rate = if pixels <= smallest {
        (least * pixels / smallest).max(120_000.0)
    } else {
        let above = (0..3).rev().find(|&i| point(i).0 >= pixels).unwrap_or(0);
        let ((x0, y0), (x1, y1)) = (point(above + 1), point(above));
        (y0.ln() + (y1 / y0).ln() * ((pixels / x0).ln() / (x1 / x0).ln())).exp()
    };
    let rate = if fps > 31.0 { rate * 1.5 } else { rate };
    (rate / 1000.0).round() as u32 * 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(width: u32, height: u32) -> Vec<(u32, u32)> {
        plan(width, height, u64::from(width) * u64::from(height), 30.0).iter().map(|r| (r.width, r.height)).collect()
    }

    #[test]
    fn full_hd_and_4k_get_the_four_standard_rungs() {
        let standard = vec![(1920, 1080), (1280, 720), (854, 480), (640, 360)];
        assert_eq!(sizes(1920, 1080), standard);
        assert_eq!(sizes(3840, 2160), standard);
        let caps: Vec<_> = plan(1920, 1080, 0, 30.0).iter().map(|r| r.max_bitrate / 1000).collect();
        assert_eq!(caps, [5000, 2800, 1400, 800]);
    }

    #[test]
    fn nothing_is_enlarged_and_sizes_between_rungs_keep_their_own() {
        assert_eq!(sizes(1600, 900), [(1600, 900), (1280, 720), (854, 480), (640, 360)]);
        assert_eq!(sizes(768, 432), [(768, 432), (640, 360)]);
        assert_eq!(sizes(700, 394), [(700, 394), (350, 198)]);
    }

    #[test]
    fn a_source_below_360_lines_gets_a_rung_of_its_own_even_size_and_one_of_half_its_sides() {
        assert_eq!(sizes(161, 121), [(160, 120), (80, 60)]);
        assert_eq!(sizes(320, 240), [(320, 240), (160, 120)]);
        assert_eq!(sizes(30, 100), [(30, 100), (16, 50)]);
    }

    #[test]
    fn a_picture_too_small_to_be_halved_gets_a_second_rung_of_its_size_at_a_lower_rate() {
        for (width, height) in [(10, 12), (26, 100), (1, 1)] {
            let ladder = plan(width, height, 120, 25.0);
            let [fine, coarse] = &ladder[..] else { panic!("{ladder:?}") };
            assert_eq!((fine.width, fine.height, fine.max_fps), (coarse.width, coarse.height, coarse.max_fps));
            assert!(coarse.coarse && !fine.coarse && coarse.max_bitrate < fine.max_bitrate && coarse.name() != fine.name());
        }
    }

    #[test]
    fn portrait_and_odd_shapes_keep_their_aspect() {
        assert_eq!(sizes(1080, 1920), [(1080, 1920), (720, 1280), (480, 854), (360, 640)]);
        assert_eq!(sizes(1440, 1080), [(1440, 1080), (960, 720), (640, 480), (480, 360)]);
        assert_eq!(sizes(642, 642), [(642, 642), (480, 480), (360, 360)]);
        assert_eq!(sizes(1920, 800), [(1920, 800), (1280, 534), (854, 356), (640, 266)]);
    }

    #[test]
    fn every_ladder_is_even_within_the_box_strictly_falling_and_never_larger_than_its_source() {
        for width in (1..4200).step_by(37) {
            for height in (1..2400).step_by(41) {
                let ladder = plan(width, height, 1, 25.0);
                assert!(ladder.len() > 1);
                for rung in &ladder {
                    assert!(rung.width % 2 == 0 && rung.height % 2 == 0);
                    assert!(rung.width <= width.max(2) && rung.height <= height.max(2), "{width}x{height} {rung:?}");
                    assert!(rung.width.max(rung.height) <= 1920 && rung.width.min(rung.height) <= 1080);
                }
                let falls = |w: &[Rung]| w[0].max_bitrate > w[1].max_bitrate || w[0].pixels() > w[1].pixels();
                assert!(ladder.windows(2).all(|w| falls(w) && w[0].pixels() >= w[1].pixels() && w[0].max_bitrate >= w[1].max_bitrate));
            }
        }
    }

    #[test]
    fn fifty_and_sixty_frames_are_kept_for_large_rungs_only_and_never_above_full_hd() {
        let fps = |w, h| plan(w, h, u64::from(w) * u64::from(h), 60.0).iter().map(|r| r.max_fps).collect::<Vec<_>>();
        assert_eq!(fps(1920, 1080), [60, 60, 30, 30]);
        assert_eq!(fps(3840, 2160), [30, 30, 30, 30]);
        assert_eq!(fps(320, 240), [60, 30]);
    }

    #[test]
    fn anamorphic_pixels_are_squared_and_quarter_turns_swap_the_sides() {
        assert_eq!(display_size(720, 576, (64, 45), false), (1024, 576));
        assert_eq!(display_size(1920, 1080, (1, 1), true), (1080, 1920));
        assert_eq!(display_size(640, 480, (0, 1), false), (640, 480));
        assert_eq!(display_size(640, 480, (1000, 1), false), (640, 480));
    }
}
