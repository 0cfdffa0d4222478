//! Pictures beside the stream: a small one from the start of each segment, for the storyboard on the seek bar, and the
//! most telling one of a run as a candidate for the poster. A run makes them; storyboard.rs puts them together.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame;
use image::codecs::jpeg::JpegEncoder;
use image::{GenericImage, Rgb, RgbImage};
use serde::{Deserialize, Serialize};

use crate::error::{Doing, TranscodeError};
use crate::scale::Scaler;

/// Folder of the stills in a package that is being made.
pub const STILLS: &str = "stills";

/// The box that small pictures fit into, in pixels.
const THUMB: (u32, u32) = (160, 90);
const THUMB_QUALITY: u8 = 60;

/// Widest poster, in pixels.
pub(crate) const POSTER: u32 = 1280;
pub(crate) const POSTER_QUALITY: u8 = 82;

/// The stills of one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StillsMade {
    /// Small pictures, one per segment from the run's first on, and the sheet that holds them row by row.
    pub thumbs: usize,
    pub sheet: Option<String>,
    /// The candidate's file and how telling it is, see [`luma_variance`].
    pub poster: Option<(String, f64)>,
}

impl StillsMade {
    /// The picture that could be the poster, relative to the folder of the package.
    pub fn poster_file(&self) -> Option<String> {
        self.poster.as_ref().map(|(file, _)| format!("{STILLS}/{file}"))
    }

    /// Their files, relative to the folder of the package.
    pub fn files(&self) -> Vec<String> {
        let poster = self.poster.as_ref().map(|(file, _)| file);
        self.sheet.iter().chain(poster).map(|file| format!("{STILLS}/{file}")).collect()
    }
}

/// Small pictures in one row of a sheet.
pub const COLUMNS: usize = 10;

/// Small pictures that a run keeps at most, far more than a storyboard shows.
const MOST: usize = 6000;

/// Takes pictures while a run is made.
pub struct Stills {
    dir: PathBuf,
    first: usize,
    taken: Vec<RgbImage>,
    small: Scaler,
    poster: (u32, u32),
    best: Option<(f64, Arc<frame::Video>)>,
}

impl Stills {
    /// For pictures shown at `width` × `height`; `first` is the number of the run's first segment.
    pub fn new(out: &Path, first: usize, width: u32, height: u32) -> Result<Self, TranscodeError> {
        let dir = out.join(STILLS);
        fs::create_dir_all(&dir).doing("make the folder of stills")?;
        let (small_width, small_height) = thumb_size(width, height);
        let small = Scaler::new(small_width, small_height, Pixel::RGB24);
        Ok(Self { dir, first, taken: vec![], small, poster: shrunk(width, height, POSTER, POSTER), best: None })
    }

    /// Takes the picture that starts the next segment.
    pub fn take(&mut self, picture: &Arc<frame::Video>) -> Result<(), TranscodeError> {
        let small = self.small.scale(picture)?;
        let telling = luma_variance(&small);
        if self.taken.len() < MOST {
            self.taken.push(rgb(&small));
        }
        if self.best.as_ref().is_none_or(|(best, _)| telling > *best) {
            self.best = Some((telling, picture.clone()));
        }
        Ok(())
    }

    /// Writes the sheet of small pictures and the candidate for the poster.
    pub fn finish(self) -> Result<StillsMade, TranscodeError> {
        let sheet = match sheet(&self.taken).doing("lay out a sheet of stills")? {
            None => None,
            Some(sheet) => {
                let name = format!("thumbs-{:05}.jpg", self.first);
                write_jpeg(&self.dir.join(&name), &sheet, THUMB_QUALITY)?;
                Some(name)
            }
        };
        let poster = match self.best {
            None => None,
            Some((telling, picture)) => {
                let name = format!("poster-{:05}.jpg", self.first);
                let (width, height) = self.poster;
                let picture = Scaler::new(width, height, Pixel::RGB24).scale(&picture)?;
                write_jpeg(&self.dir.join(&name), &rgb(&picture), POSTER_QUALITY)?;
                Some((name, telling))
            }
        };
        Ok(StillsMade { thumbs: self.taken.len(), sheet, poster })
    }
}

/// The size of small pictures of a film shown at `width` × `height`.
pub fn thumb_size(width: u32, height: u32) -> (u32, u32) {
    shrunk(width, height, THUMB.0, THUMB.1)
}

/// Shrinks (never enlarges) into a box.
pub(crate) fn shrunk(width: u32, height: u32, box_width: u32, box_height: u32) -> (u32, u32) {
    let scale = (f64::from(box_width) / f64::from(width)).min(f64::from(box_height) / f64::from(height)).min(1.0);
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    (side(width), side(height))
}

/// The pixels of an RGB picture, without the padding of its rows.
fn rgb(picture: &frame::Video) -> RgbImage {
    let (stride, data) = (picture.stride(0), picture.data(0));
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let at = y as usize * stride + x as usize * 3;
        Rgb([data[at], data[at + 1], data[at + 2]])
    })
}

/// Pictures of one size, row by row; none when there are none.
pub fn sheet(pictures: &[RgbImage]) -> io::Result<Option<RgbImage>> {
    let Some((width, height)) = pictures.first().map(RgbImage::dimensions) else { return Ok(None) };
    let rows = pictures.len().div_ceil(COLUMNS) as u32;
    let mut sheet = RgbImage::new(pictures.len().min(COLUMNS) as u32 * width, rows * height);
    for (place, picture) in pictures.iter().enumerate() {
        let (x, y) = place_of(place, width, height);
        if picture.dimensions() == (width, height) {
            sheet.copy_from(picture, x, y).map_err(io::Error::other)?;
        }
    }
    Ok(Some(sheet))
}

/// Where a picture stands on its sheet, in pixels.
pub fn place_of(place: usize, width: u32, height: u32) -> (u32, u32) {
    ((place % COLUMNS) as u32 * width, (place / COLUMNS) as u32 * height)
}

/// Writes a picture as JPEG.
pub fn write_jpeg(path: &Path, picture: &RgbImage, quality: u8) -> Result<(), TranscodeError> {
    let mut jpeg = vec![];
    JpegEncoder::new_with_quality(&mut jpeg, quality).encode_image(picture).map_err(io::Error::other).doing("write a still")?;
    fs::write(path, jpeg).doing("write a still")
}

/// Variance of brightness over a grid of some thousand pixels of an RGB picture: a dim room has several hundred, a black
/// frame below ten.
pub fn luma_variance(picture: &frame::Video) -> f64 {
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

    /// A picture with a checkerboard of the given contrast on it.
    fn checkered(contrast: u8) -> Arc<frame::Video> {
        let mut picture = frame::Video::new(Pixel::YUV420P, 320, 180);
        for plane in 1..3 {
            picture.data_mut(plane).fill(128);
        }
        let stride = picture.stride(0);
        for (i, pixel) in picture.data_mut(0).iter_mut().enumerate() {
            let dark = (i / stride / 16 + i % stride / 16).is_multiple_of(2);
            *pixel = if dark { 16 } else { 16 + contrast };
        }
        Arc::new(picture)
    }

    #[test]
    fn each_segment_has_its_small_picture_and_the_most_telling_one_is_the_candidate() {
        let dir = tempfile::tempdir().unwrap();
        let mut stills = Stills::new(dir.path(), 9, 320, 180).unwrap();
        for contrast in [0, 200, 20] {
            stills.take(&checkered(contrast)).unwrap();
        }
        let made = stills.finish().unwrap();
        assert_eq!(made.thumbs, 3);
        let read = |name: &str| image::open(dir.path().join(STILLS).join(name)).unwrap().to_luma8();
        assert_eq!(read(&made.sheet.unwrap()).dimensions(), (3 * 160, 90));
        let poster = read(&made.poster.unwrap().0);
        assert_eq!(poster.dimensions(), (320, 180));
        assert!(poster.pixels().any(|p| p.0[0] > 150));
    }

    #[test]
    fn nothing_is_enlarged_and_shapes_are_kept() {
        assert_eq!((thumb_size(1920, 1080), thumb_size(1080, 1920), thumb_size(64, 36)), ((160, 90), (51, 90), (64, 36)));
        assert_eq!(shrunk(1920, 800, POSTER, POSTER), (1280, 533));
    }
}
