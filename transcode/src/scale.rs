//! Scaling and conversion to what the encoder takes: 8-bit 4:2:0, limited range, the rung's size. Owns libswscale.

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
}

// SAFETY: the context is owned by this value alone and libswscale keeps no state tied to a thread.
unsafe impl Send for Scaler {}

impl Scaler {
    pub fn new(width: u32, height: u32, format: Pixel) -> Self {
        Self { context: std::ptr::null_mut(), input: (0, 0, 0, 0), width, height, format }
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
