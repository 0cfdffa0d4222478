//! A picture that an instructor has made: decoded, turned upright, shrunk, and written anew as JPEG. What else is in the file
//! (where it was taken, by whom, with what) does not come along.

use std::io::Cursor;
use std::path::Path;

use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, Rgb, RgbImage};
use kernel::child::ChildFailure;

use crate::error::{Doing, TranscodeError};
use crate::stills::{POSTER, POSTER_QUALITY, shrunk, write_jpeg};

/// Name of the picture in its folder.
pub const FILE: &str = "uploaded.jpg";

/// Longest side that is looked at, in pixels, and the most pixels of a picture.
const LONGEST: u32 = 16_384;
const MOST_PIXELS: u64 = 33_000_000;
/// Less than this on the shorter side is an icon, in pixels.
const LEAST: u32 = 90;
/// What decoding may allocate, in bytes: a picture of the most pixels, twice.
const ALLOC: u64 = 2 * 4 * MOST_PIXELS;

/// Reads the picture at `input` and writes [`FILE`] into `out`; answers its width and height.
///
/// # Errors
/// Poison with a sentence when it cannot be used; what the disk refuses as in [`crate::child::run`].
pub fn make(input: &Path, out: &Path) -> Result<(u32, u32), ChildFailure> {
    std::fs::create_dir_all(out).doing("make the folder of a picture").map_err(crate::child::failure)?;
    let bytes = std::fs::read(input).doing("read a picture").map_err(crate::child::failure)?;
    let picture = flat(&read(&bytes)?);
    write_jpeg(&out.join(FILE), &picture, POSTER_QUALITY).map_err(crate::child::failure)?;
    Ok(picture.dimensions())
}

/// The picture upright and not larger than a poster.
fn read(bytes: &[u8]) -> Result<DynamicImage, ChildFailure> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().doing("read a picture").map_err(crate::child::failure)?;
    if !matches!(reader.format(), Some(ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) {
        return Err(ChildFailure::poison("picture_unsupported", "this is not a JPEG, PNG or WebP picture; please save it as one of these"));
    }
    if reader.format() == Some(ImageFormat::Jpeg) && !jpeg_ends(bytes) {
        return Err(damaged());
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(ALLOC);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let (width, height) = decoder.dimensions();
    if width.max(height) > LONGEST || u64::from(width) * u64::from(height) > MOST_PIXELS {
        let sentence = format!("this picture is {width} × {height} pixels, larger than can be used here; please save it smaller");
        return Err(ChildFailure::poison("picture_too_large", sentence));
    }
    if width.min(height) < LEAST {
        let sentence = format!("this picture is only {width} × {height} pixels; please use one of at least 640 × 360");
        return Err(ChildFailure::poison("picture_too_small", sentence));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(refused)?;
    let (width, height) = shrunk(width, height, POSTER, POSTER);
    if (width, height) != (picture.width(), picture.height()) {
        picture = picture.resize_exact(width, height, FilterType::Triangle);
    }
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn refused(error: ImageError) -> ChildFailure {
    if let ImageError::Limits(_) = error {
        let sentence = "this picture is larger than can be used here; please save it with fewer pixels";
        return ChildFailure::poison("picture_too_large", sentence);
    }
    if let ImageError::IoError(source) = error {
        // A file that ends too early ends reading as well.
        if source.kind() != std::io::ErrorKind::UnexpectedEof {
            return crate::child::failure(TranscodeError::Io { doing: "read a picture", source });
        }
    }
    damaged()
}

fn damaged() -> ChildFailure {
    ChildFailure::poison("picture_damaged", "this picture is damaged or incomplete; please save it again and upload the new file")
}

/// Whether a JPEG has an end after its last scan. The decoder makes grey of what is missing, and nobody would be told.
fn jpeg_ends(bytes: &[u8]) -> bool {
    let last = |marker: u8| bytes.windows(2).rposition(|pair| pair == [0xff, marker]);
    let (scan, end) = (last(0xda), last(0xd9));
    end.is_some() && end > scan
}

/// Without transparency: JPEG has none, and what shines through a poster is the black of the player.
fn flat(picture: &DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.to_rgb8();
    }
    let pixels = picture.to_rgba8();
    let on_black = |value: u8, alpha: u8| ((u16::from(value) * u16::from(alpha) + 127) / 255) as u8;
    RgbImage::from_fn(pixels.width(), pixels.height(), |x, y| {
        let [r, g, b, a] = pixels.get_pixel(x, y).0;
        Rgb([on_black(r, a), on_black(g, a), on_black(b, a)])
    })
}

#[cfg(test)]
mod tests {
    use image::codecs::jpeg::JpegEncoder;
    use image::{ImageEncoder, Rgba, RgbaImage};

    use super::*;

    /// Red on its left half, blue on its right one.
    fn halves(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, _| if x < width / 2 { Rgb([220, 10, 10]) } else { Rgb([10, 10, 220]) })
    }

    fn encoded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(vec![]);
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// The made picture, and the bytes that are stored.
    fn made(bytes: &[u8]) -> Result<(RgbImage, Vec<u8>), ChildFailure> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("source"), bytes).unwrap();
        let size = make(&dir.path().join("source"), &dir.path().join("out"))?;
        let stored = std::fs::read(dir.path().join("out").join(FILE)).unwrap();
        let picture = image::load_from_memory_with_format(&stored, ImageFormat::Jpeg).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), size);
        Ok((picture, stored))
    }

    #[test]
    fn all_three_formats_become_jpeg_of_at_most_a_posters_size() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
            let (picture, _) = made(&encoded(&halves(1920, 1080), format)).unwrap();
            assert_eq!(picture.dimensions(), (1280, 720), "{format:?}");
            let (left, right) = (picture.get_pixel(100, 360).0, picture.get_pixel(1180, 360).0);
            assert!(left[0] > 180 && left[2] < 60 && right[2] > 180 && right[0] < 60, "{format:?}: {left:?} {right:?}");
        }
        assert_eq!(made(&encoded(&halves(640, 360), ImageFormat::Png)).unwrap().0.dimensions(), (640, 360), "nothing is enlarged");
    }

    #[test]
    fn a_turned_photograph_stands_upright_and_says_nothing_of_where_it_was_taken() {
        // Exif in its smallest form: orientation 6 (turn right), and a maker that would tell.
        let mut exif = b"MM\0*\0\0\0\x08\0\x02\x01\x0f\0\x02\0\0\0\x0a\0\0\0\x26\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
        exif.extend(b"SecretCam\0");
        let mut bytes = vec![];
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 90);
        encoder.set_exif_metadata(exif).unwrap();
        encoder.encode_image(&halves(640, 360)).unwrap();
        assert!(bytes.windows(9).any(|window| window == b"SecretCam"), "the source has it");
        let (picture, stored) = made(&bytes).unwrap();
        assert_eq!(picture.dimensions(), (360, 640));
        assert!(picture.get_pixel(180, 40).0[0] > 180, "what was left is above");
        assert!(!stored.windows(9).any(|window| window == b"SecretCam") && !stored.windows(4).any(|window| window == b"Exif"));
    }

    #[test]
    fn what_is_transparent_becomes_black() {
        let mut bytes = Cursor::new(vec![]);
        RgbaImage::from_pixel(320, 180, Rgba([255, 255, 255, 0])).write_to(&mut bytes, ImageFormat::Png).unwrap();
        assert_eq!(made(&bytes.into_inner()).unwrap().0.get_pixel(9, 9).0, [0, 0, 0]);
    }

    #[test]
    fn what_cannot_be_used_gets_a_code_and_a_sentence() {
        let (whole, jpeg) = (encoded(&halves(640, 360), ImageFormat::Png), encoded(&halves(640, 360), ImageFormat::Jpeg));
        let mut huge = encoded(&halves(640, 360), ImageFormat::Png);
        huge[16..24].copy_from_slice(&[0, 0, 0x40, 0, 0, 0, 0x20, 0]);
        let crc = {
            // PNG's checksum of the header that claims 16384 × 8192 pixels.
            let mut crc = u32::MAX;
            for byte in &huge[12..29] {
                crc ^= u32::from(*byte);
                for _ in 0..8 {
                    crc = if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 };
                }
            }
            !crc
        };
        huge[29..33].copy_from_slice(&crc.to_be_bytes());
        for (bytes, code) in [
            (&b"%PDF-1.7 no picture"[..], "picture_unsupported"),
            (b"GIF89a\x01\0\x01\0\0\0\0", "picture_unsupported"),
            (&whole[..whole.len() / 2], "picture_damaged"),
            (&jpeg[..jpeg.len() / 2], "picture_damaged"),
            (&encoded(&halves(64, 64), ImageFormat::Png), "picture_too_small"),
            (&huge, "picture_too_large"),
        ] {
            let failure = made(bytes).unwrap_err();
            assert_eq!((failure.class, failure.code.as_str()), (kernel::jobs::Class::Poison, code));
            assert!(failure.reason.starts_with("this "), "{}", failure.reason);
        }
    }
}
