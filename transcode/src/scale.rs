//! Scaling and conversion to what the encoder takes: 8-bit 4:2:0, limited range, the rung's size. Owns libswscale, and
//! the faster way for pictures that only have to become smaller.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use ffmpeg::format::Pixel;
use ffmpeg::{ffi, frame};
use ffmpeg_next as ffmpeg;

use crate::error::{Doing, TranscodeError};
use crate::picture::{known_format, pixel_format};

/// How the colours of the encoded pictures are to be read: numbers of ISO/IEC 23091-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Colour {
    pub matrix: u8,
    pub primaries: u8,
    pub transfer: u8,
}

const BT709: u8 = 1;
const BT601_625: u8 = 5;
const UNKNOWN: u8 = 2;

impl Colour {
    /// High definition, standard range.
    pub const BT709: Self = Self { matrix: BT709, primaries: BT709, transfer: BT709 };

    /// What a source says of itself, or what players assume of a source that says nothing: BT.709 from 720 lines
    /// upwards, BT.601 below. Written out, because all rungs share the source's colours whatever their height.
    pub fn of(picture: &frame::Video) -> Self {
        // SAFETY: reads plain fields of an allocated frame.
        let (matrix, primaries, transfer) = unsafe {
            let frame = &*picture.as_ptr();
            (frame.colorspace as u8, frame.color_primaries as u8, frame.color_trc as u8)
        };
        let assumed = if picture.height() >= 720 || matrix == 0 { BT709 } else { BT601_625 };
        let or = |value: u8, other: u8| if value == UNKNOWN || value == 0 { other } else { value };
        // Transfer 6 (BT.601) is the same curve as BT.709's and the only one with a name for standard definition.
        Self {
            matrix: or(matrix, assumed),
            primaries: or(primaries, assumed),
            transfer: or(transfer, if assumed == BT709 { BT709 } else { 6 }),
        }
    }
}

/// Scales pictures to one size; follows when the pictures that come in change their size or format.
pub struct Scaler {
    context: *mut ffi::SwsContext,
    input: (i32, i32, i32, i32),
    width: u32,
    height: u32,
    format: Pixel,
    planes: Resizer,
}

// SAFETY: the context is owned by this value alone and libswscale keeps no state tied to a thread.
unsafe impl Send for Scaler {}

impl Scaler {
    pub fn new(width: u32, height: u32, format: Pixel) -> Self {
        Self { context: std::ptr::null_mut(), input: (0, 0, 0, 0), width, height, format, planes: Resizer::new() }
    }

    /// True when a picture already is what [`Scaler::scale`] would make of it.
    pub fn passes(&self, picture: &frame::Video) -> bool {
        picture.format() == self.format
            && (picture.width(), picture.height()) == (self.width, self.height)
            && picture.color_range() != ffmpeg::color::Range::JPEG
    }

    /// # Errors
    /// `codec_unsupported` for a pixel format that cannot be converted.
    pub fn scale(&mut self, picture: &frame::Video) -> Result<frame::Video, TranscodeError> {
        if self.only_shrinks(picture) {
            return self.shrink(picture);
        }
        let full_range = picture.color_range() == ffmpeg::color::Range::JPEG;
        let input = (picture.width() as i32, picture.height() as i32, pixel_format(picture), i32::from(full_range));
        if self.context.is_null() || self.input != input {
            self.reopen(picture, full_range)?;
            self.input = input;
        }
        let mut scaled = frame::Video::new(self.format, self.width, self.height);
        // SAFETY: `scaled` gets its buffer from `new` (checked next); the context was made for this input and output.
        let rows = unsafe {
            if scaled.is_empty() {
                return Err(ffmpeg::Error::Other { errno: ffmpeg::error::ENOMEM }).doing("allocate a picture");
            }
            ffi::sws_scale(
                self.context,
                (*picture.as_ptr()).data.as_ptr().cast(),
                (*picture.as_ptr()).linesize.as_ptr(),
                0,
                picture.height() as i32,
                (*scaled.as_mut_ptr()).data.as_ptr(),
                (*scaled.as_mut_ptr()).linesize.as_ptr(),
            )
        };
        if rows != self.height as i32 {
            return Err(ffmpeg::Error::InvalidData).doing("scale a picture");
        }
        scaled.set_color_range(ffmpeg::color::Range::MPEG);
        Ok(scaled)
    }

    fn only_shrinks(&self, picture: &frame::Video) -> bool {
        let smaller = self.width <= picture.width() && self.height <= picture.height();
        smaller && self.format == Pixel::YUV420P && picture.format() == Pixel::YUV420P && picture.color_range() != ffmpeg::color::Range::JPEG
    }

    /// Resizes plane by plane with a cubic filter, which costs a third of what libswscale takes for the same.
    fn shrink(&mut self, picture: &frame::Video) -> Result<frame::Video, TranscodeError> {
        let mut scaled = frame::Video::empty();
        scaled.set_format(self.format);
        scaled.set_width(self.width);
        scaled.set_height(self.height);
        // SAFETY: the frame has a format and a size and no buffer yet. Rows without padding are what the resizer writes.
        let allocated = unsafe { ffi::av_frame_get_buffer(scaled.as_mut_ptr(), 1) };
        if allocated < 0 {
            return Err(ffmpeg::Error::from(allocated)).doing("allocate a picture");
        }
        for plane in 0..3 {
            let half = |side: u32| if plane == 0 { side } else { side.div_ceil(2) };
            let (width, height) = (half(self.width), half(self.height));
            let (from_width, from_height, stride) = (half(picture.width()), half(picture.height()), picture.stride(plane) as u32);
            // Rows of the source have padding, which is cropped away.
            let options = ResizeOptions::new()
                .resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom))
                .crop(0.0, 0.0, from_width.into(), from_height.into());
            let resized = ImageRef::new(stride, from_height, picture.data(plane), PixelType::U8).ok().and_then(|from| {
                let bytes = scaled.data_mut(plane).get_mut(..width as usize * height as usize)?;
                let mut to = Image::from_slice_u8(width, height, bytes, PixelType::U8).ok()?;
                self.planes.resize(&from, &mut to, &options).ok()
            });
            resized.ok_or(ffmpeg::Error::InvalidData).doing("scale a picture")?;
        }
        scaled.set_color_range(ffmpeg::color::Range::MPEG);
        Ok(scaled)
    }

    fn reopen(&mut self, picture: &frame::Video, full_range: bool) -> Result<(), TranscodeError> {
        let unsupported = || TranscodeError::CodecUnsupported { codec: format!("pixel format {}", pixel_format(picture)) };
        let from = known_format(pixel_format(picture)).ok_or_else(unsupported)?;
        // SAFETY: the old context is owned here and not used again; a null context is allowed and the new one checked.
        unsafe {
            ffi::sws_freeContext(self.context);
            self.context = std::ptr::null_mut();
            if ffi::sws_isSupportedInput(from) == 0 {
                return Err(unsupported());
            }
            self.context = ffi::sws_getContext(
                picture.width() as i32,
                picture.height() as i32,
                from,
                self.width as i32,
                self.height as i32,
                self.format.into(),
                ffi::SWS_BICUBIC,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                std::ptr::null(),
            );
            if self.context.is_null() {
                return Err(unsupported());
            }
            // The same matrix on both sides keeps the colours; for RGB it is the one the result is tagged with.
            // sws numbers its matrices as ISO/IEC 23091-2 does and falls back to BT.601 for what it does not know.
            let matrix = ffi::sws_getCoefficients(i32::from(Colour::of(picture).matrix));
            let already_full = is_full_range_by_name(picture);
            ffi::sws_setColorspaceDetails(self.context, matrix, i32::from(full_range || already_full), matrix, 0, 0, 1 << 16, 1 << 16);
        }
        Ok(())
    }
}

impl Drop for Scaler {
    fn drop(&mut self) {
        // SAFETY: owned here; null is allowed.
        unsafe { ffi::sws_freeContext(self.context) };
    }
}

/// The old formats whose name says that they use the full range.
fn is_full_range_by_name(picture: &frame::Video) -> bool {
    matches!(picture.format(), Pixel::YUVJ420P | Pixel::YUVJ422P | Pixel::YUVJ444P | Pixel::YUVJ440P | Pixel::YUVJ411P)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture whose brightness rises to the right and whose colours rise downwards.
    fn slope(width: u32, height: u32) -> frame::Video {
        let mut picture = frame::Video::new(Pixel::YUV420P, width, height);
        for plane in 0..3 {
            let stride = picture.stride(plane);
            for (i, pixel) in picture.data_mut(plane).iter_mut().enumerate() {
                *pixel = if plane == 0 { (i % stride).min(219) as u8 + 16 } else { (i / stride).min(200) as u8 + 16 };
            }
        }
        picture
    }

    #[test]
    fn both_ways_of_making_a_picture_smaller_agree() {
        let from = slope(200, 150);
        let fast = Scaler::new(100, 74, Pixel::YUV420P).scale(&from).unwrap();
        let slow = {
            let mut wide = slope(200, 150);
            wide.set_color_range(ffmpeg::color::Range::JPEG);
            // The full range goes the other way, so the same values are read as that and compared after mapping back.
            Scaler::new(100, 74, Pixel::YUV420P).scale(&wide).unwrap()
        };
        assert_eq!((fast.width(), fast.height(), slow.width()), (100, 74, 100));
        for (x, y) in [(10, 10), (50, 40), (90, 70)] {
            let brightness = f64::from(fast.data(0)[y * fast.stride(0) + x]);
            let mapped = f64::from(slow.data(0)[y * slow.stride(0) + x]);
            assert!((brightness - (2 * x + 16) as f64 - 0.5).abs() <= 1.5, "{brightness} at {x}");
            assert!((mapped - (16.0 + brightness * 219.0 / 255.0)).abs() <= 2.0, "{mapped} against {brightness}");
            let colour = f64::from(fast.data(1)[y / 2 * fast.stride(1) + x / 2]);
            assert!((colour - (y as f64 + 16.0)).abs() <= 2.0, "{colour} at {y}");
        }
    }

    #[test]
    fn odd_sizes_and_enlargements_come_out_whole() {
        for (from, to) in [((321, 181), (160, 90)), ((64, 36), (128, 72)), ((100, 100), (100, 50))] {
            let scaled = Scaler::new(to.0, to.1, Pixel::YUV420P).scale(&slope(from.0, from.1)).unwrap();
            assert_eq!((scaled.width(), scaled.height()), to);
            assert!(scaled.data(0).iter().take(to.0 as usize).all(|&value| value >= 14));
        }
    }
}
