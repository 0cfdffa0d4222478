//! The storyboard: small pictures on a few sheets, and a WebVTT file that says which part of which sheet shows what time.
//! Made of the stills that the runs left behind.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use image::{GenericImageView, RgbImage};

use crate::cadence::VIDEO_TIMESCALE;
use crate::error::{Doing, TranscodeError};
use crate::run::Made;
use crate::stills::{COLUMNS, STILLS, place_of, sheet, thumb_size, write_jpeg};

/// Name of the list of small pictures.
pub const FILE: &str = "storyboard.vtt";

/// Rows of a sheet.
const ROWS: usize = 10;
/// Small pictures at most; of longer videos only every so many segments have one.
const MOST: usize = 600;
const QUALITY: u8 = 60;

/// Writes the sheets and the list of a film shown at `size`, whose segments start at `cuts` and that ends at `end` (ticks),
/// of the stills of its runs. Answers the sheets' names; none when there is nothing to show.
pub fn write(out: &Path, made: &[Made], size: (u32, u32), cuts: &[i64], end: i64) -> Result<Vec<String>, TranscodeError> {
    let step = cuts.len().div_ceil(MOST).max(1);
    let (width, height) = thumb_size(size.0, size.1);
    let mut shown: Vec<(usize, RgbImage)> = vec![];
    for made in made {
        // Made by ourselves a moment ago; what is not there is not shown.
        let Some(sheet) =
            made.stills.sheet.as_ref().and_then(|name| image::open(out.join(STILLS).join(name)).ok().map(|sheet| sheet.to_rgb8()))
        else {
            continue;
        };
        for place in 0..made.stills.thumbs {
            let (number, (x, y)) = (made.first - 1 + place, place_of(place, width, height));
            if number.is_multiple_of(step) && number < cuts.len() && x + width <= sheet.width() && y + height <= sheet.height() {
                shown.push((number, sheet.view(x, y, width, height).to_image()));
            }
        }
    }
    let mut list = String::from("WEBVTT\n");
    let mut names = vec![];
    for (page, on_page) in shown.chunks(COLUMNS * ROWS).enumerate() {
        let name = format!("storyboard-{}.jpg", page + 1);
        for (place, (number, _)) in on_page.iter().enumerate() {
            let (x, y) = place_of(place, width, height);
            let until = cuts.get(number + step).copied().unwrap_or(end);
            let _ = write!(list, "\n{} --> {}\n{name}#xywh={x},{y},{width},{height}\n", time(cuts[*number]), time(until));
        }
        let pictures: Vec<RgbImage> = on_page.iter().map(|(_, picture)| picture.clone()).collect();
        if let Some(whole) = sheet(&pictures).doing("lay out the storyboard")? {
            write_jpeg(&out.join(&name), &whole, QUALITY)?;
            names.push(name);
        }
    }
    if !names.is_empty() {
        fs::write(out.join(FILE), list).doing("write the storyboard")?;
    }
    Ok(names)
}

/// Ticks as WebVTT writes them.
fn time(ticks: i64) -> String {
    let ms = ticks * 1000 / VIDEO_TIMESCALE;
    format!("{:02}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placing::Tally;
    use crate::stills::StillsMade;

    /// Runs of eight segments with a sheet each.
    fn runs(dir: &Path, segments: usize) -> Vec<Made> {
        fs::create_dir(dir.join(STILLS)).unwrap();
        let run = |first: usize| {
            let thumbs = (segments + 1 - first).min(8);
            let pictures: Vec<_> = (0..thumbs).map(|i| RgbImage::from_pixel(160, 90, image::Rgb([(first + i) as u8, 0, 0]))).collect();
            let name = format!("thumbs-{first}.png");
            sheet(&pictures).unwrap().unwrap().save(dir.join(STILLS).join(&name)).unwrap();
            Made { first, parts: vec![], tally: Tally::default(), stills: StillsMade { thumbs, sheet: Some(name), poster: None } }
        };
        (1..=segments).step_by(8).map(run).collect()
    }

    #[test]
    fn every_segment_has_its_place_and_the_last_one_lasts_to_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let made = runs(dir.path(), 101);
        let cuts: Vec<i64> = (0..101).map(|i| i * 4 * VIDEO_TIMESCALE).collect();
        let sheets = write(dir.path(), &made, (1920, 1080), &cuts, 402 * VIDEO_TIMESCALE).unwrap();
        assert_eq!(sheets, ["storyboard-1.jpg", "storyboard-2.jpg"]);
        let list = fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert!(list.contains("\n00:00:44.000 --> 00:00:48.000\nstoryboard-1.jpg#xywh=160,90,160,90\n"), "{list}");
        assert!(list.ends_with("\n00:06:40.000 --> 00:06:42.000\nstoryboard-2.jpg#xywh=0,0,160,90\n"), "{list}");
        let first = image::open(dir.path().join("storyboard-1.jpg")).unwrap().to_rgb8();
        assert_eq!(first.dimensions(), (1600, 900));
        assert!(first.get_pixel(200, 120).0[0].abs_diff(12) < 6, "the twelfth picture is in the second row");
    }

    #[test]
    fn long_videos_have_fewer_pictures_and_sound_alone_none() {
        let dir = tempfile::tempdir().unwrap();
        let made = runs(dir.path(), 8);
        let cuts: Vec<i64> = (0..1201).map(|i| i * 4 * VIDEO_TIMESCALE).collect();
        write(dir.path(), &made, (1920, 1080), &cuts, 5000 * VIDEO_TIMESCALE).unwrap();
        assert!(fs::read_to_string(dir.path().join(FILE)).unwrap().contains("00:00:00.000 --> 00:00:12.000"));
        assert!(write(dir.path(), &[], (0, 0), &[], 0).unwrap().is_empty());
    }
}
