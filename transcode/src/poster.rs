//! The still picture shown before a video plays: not black, not blank, from about a tenth into the video.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::cadence::VIDEO_TIMESCALE;
use crate::error::{Doing, TranscodeError};
use crate::ladder;
use crate::scale::Scaler;

/// Name of the poster in the output folder.
pub const NAME: &str = "poster.jpg";

/// Widest poster, in pixels.
const WIDTH: u32 = 1280;

const QUALITY: u8 = 82;

/// Variance of luma above which a picture shows something: a dim room has several hundred, a black frame below ten.
const TELLING: f64 = 120.0;

/// Chooses while the video is decoded.
pub struct Picker {
    wanted_at: i64,
    next_look: i64,
    best: Option<(f64, frame::Video)>,
    settled: bool,
    scaler: Scaler,
    width: u32,
    height: u32,
}

impl Picker {
    /// For pictures shown at `width` × `height`; `claimed` is the length the header claims, in ticks, if any.
    pub fn new(width: u32, height: u32, claimed: Option<i64>) -> Self {
        let (width, height) = poster_size(width, height);
        Self {
            wanted_at: claimed.unwrap_or(0).max(0) / 10,
            next_look: 0,
            best: None,
            settled: false,
            scaler: Scaler::new(width, height, Pixel::RGB24),
            width,
            height,
        }
    }

    /// Whether this picture should be offered: looks are few, at doubling distances, until the wanted place is
    /// reached, and then twice a second until a telling picture is found.
    pub fn wants(&self, pts: i64) -> bool {
        !self.settled && pts >= self.next_look
    }

    /// Looks at a picture.
    pub fn offer(&mut self, pts: i64, picture: &frame::Video) -> Result<(), TranscodeError> {
        let small = self.scaler.scale(picture)?;
        let variance = luma_variance(&small);
        if self.best.as_ref().is_none_or(|(best, _)| variance > *best) || (pts >= self.wanted_at && variance >= TELLING) {
            self.best = Some((variance, small));
        }
        self.settled = pts >= self.wanted_at && variance >= TELLING;
        let step = if pts < self.wanted_at { pts.max(VIDEO_TIMESCALE / 2) } else { VIDEO_TIMESCALE / 2 };
        self.next_look = if pts < self.wanted_at { (pts + step).min(self.wanted_at) } else { pts + step };
        // A long dark beginning must not cost a look every half second for hours.
        self.settled |= pts > self.wanted_at + 120 * VIDEO_TIMESCALE && self.best.is_some();
        Ok(())
    }

    /// Writes the poster into `out`; false when there was no picture.
    pub fn write(self, out: &Path) -> Result<bool, TranscodeError> {
        let Some((_, picture)) = self.best else { return Ok(false) };
        let (width, height) = (self.width as usize, self.height as usize);
        let stride = picture.stride(0);
        let mut pixels = Vec::with_capacity(width * height * 3);
        for row in picture.data(0).chunks(stride).take(height) {
            pixels.extend(&row[..width * 3]);
        }
        let file = File::create(out.join(NAME)).doing("write the poster")?;
        JpegEncoder::new_with_quality(BufWriter::new(file), QUALITY)
            .write_image(&pixels, self.width, self.height, ExtendedColorType::Rgb8)
            .map_err(std::io::Error::other)
            .doing("write the poster")?;
        Ok(true)
    }
}

fn poster_size(width: u32, height: u32) -> (u32, u32) {
    let top = &ladder::plan(width, height, 0, 30.0)[0];
    let scale = (f64::from(WIDTH) / f64::from(top.width.max(top.height))).min(1.0);
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    (side(top.width), side(top.height))
}

/// Variance of brightness over a grid of some thousand pixels of an RGB picture.
fn luma_variance(picture: &frame::Video) -> f64 {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (stride, data) = (picture.stride(0), picture.data(0));
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for y in (0..height).step_by((height / 64).max(1)) {
        for x in (0..width).step_by((width / 64).max(1)) {
            let at = y * stride + x * 3;
            let luma = 0.299 * f64::from(data[at]) + 0.587 * f64::from(data[at + 1]) + 0.114 * f64::from(data[at + 2]);
            count += 1.0;
            sum += luma;
            squares += luma * luma;
        }
    }
    squares / count - (sum / count).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of one grey, with a checkerboard of the given contrast on it.
    fn checkered(contrast: u8) -> frame::Video {
        let mut picture = frame::Video::new(Pixel::YUV420P, 320, 180);
        for plane in 1..3 {
            picture.data_mut(plane).fill(128);
        }
        let stride = picture.stride(0);
        for (i, pixel) in picture.data_mut(0).iter_mut().enumerate() {
            let dark = (i / stride / 16 + i % stride / 16).is_multiple_of(2);
            *pixel = if dark { 16 } else { 16 + contrast };
        }
        picture
    }

    #[test]
    fn black_pictures_are_passed_over_for_the_first_telling_one_after_a_tenth() {
        let mut picker = Picker::new(320, 180, Some(100 * VIDEO_TIMESCALE));
        for second in 0..100 {
            let pts = second * VIDEO_TIMESCALE;
            if picker.wants(pts) {
                picker.offer(pts, &checkered(if second < 13 { 0 } else { 200 })).unwrap();
            }
        }
        assert!(picker.settled);
        let dir = tempfile::tempdir().unwrap();
        assert!(picker.write(dir.path()).unwrap());
        let poster = image::open(dir.path().join(NAME)).unwrap().to_luma8();
        assert_eq!(poster.dimensions(), (320, 180));
        assert!(poster.pixels().any(|p| p.0[0] > 150));
    }

    #[test]
    fn a_black_video_still_gets_a_poster_and_few_looks_are_taken() {
        let mut picker = Picker::new(320, 180, None);
        let mut looks = 0;
        for second in 0..3600 {
            if picker.wants(second * VIDEO_TIMESCALE) {
                picker.offer(second * VIDEO_TIMESCALE, &checkered(0)).unwrap();
                looks += 1;
            }
        }
        assert!(looks <= 125 && picker.best.is_some());
    }

    #[test]
    fn posters_are_at_most_1280_wide_and_never_enlarged() {
        assert_eq!(poster_size(1920, 1080), (1280, 720));
        assert_eq!(poster_size(1080, 1920), (720, 1280));
        assert_eq!(poster_size(200, 100), (200, 100));
    }
}
