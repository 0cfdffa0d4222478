//! Decoded pictures as they travel between decoder, scalers and encoders: shared, never copied, never written to.

use std::sync::Arc;

use ffmpeg::{ffi, frame};
use ffmpeg_next as ffmpeg;

/// A picture that several renditions read at the same time.
#[derive(Clone)]
pub struct Picture {
    pub frame: Arc<frame::Video>,
    /// Equal numbers mean equal content: a rendition need not scale the same picture twice.
    pub content: u64,
    /// 1/90000 s from the start of the presentation.
    pub pts: i64,
    /// It starts a segment, so it becomes an IDR.
    pub cut: bool,
}

/// Another handle on the same pixels, with timestamps and type of its own.
pub fn another_handle(frame: &frame::Video) -> Result<frame::Video, ffmpeg::Error> {
    let mut handle = frame::Video::empty();
    // SAFETY: both frames are allocated; `handle` is empty, as av_frame_ref requires.
    match unsafe { ffi::av_frame_ref(handle.as_mut_ptr(), frame.as_ptr()) } {
        0 => Ok(handle),
        error => Err(error.into()),
    }
}

/// The pixel format as libav's number; the enum of the bindings need not know it.
pub fn pixel_format(frame: &frame::Video) -> i32 {
    // SAFETY: the frame is allocated.
    unsafe { (*frame.as_ptr()).format }
}

/// True when two pictures show exactly the same. Ends at the first difference, so it costs most when it saves most.
pub fn same_pixels(a: &frame::Video, b: &frame::Video) -> bool {
    // SAFETY: both frames are allocated.
    let (a, b) = unsafe { (&*a.as_ptr(), &*b.as_ptr()) };
    if (a.format, a.width, a.height) != (b.format, b.width, b.height) {
        return false;
    }
    if known_format(a.format).is_none() {
        return false;
    }
    (0..4).take_while(|&plane| !a.data[plane].is_null() && !b.data[plane].is_null()).all(|plane| {
        if a.data[plane] == b.data[plane] {
            return true;
        }
        let (bytes, rows) = plane_extent(a, plane);
        if bytes > a.linesize[plane].unsigned_abs() as usize || bytes > b.linesize[plane].unsigned_abs() as usize {
            return false;
        }
        (0..rows).all(|row| {
            // SAFETY: the plane holds `rows` rows of at least `bytes` bytes, `linesize` apart (checked above).
            unsafe {
                let left = a.data[plane].offset(row as isize * a.linesize[plane] as isize);
                let right = b.data[plane].offset(row as isize * b.linesize[plane] as isize);
                std::slice::from_raw_parts(left, bytes) == std::slice::from_raw_parts(right, bytes)
            }
        })
    })
}

/// The bindings' name of a pixel format number; `None` for a number that this build does not know.
pub fn known_format(number: i32) -> Option<ffi::AVPixelFormat> {
    let known = (0..ffi::AVPixelFormat::AV_PIX_FMT_NB as i32).contains(&number);
    // SAFETY: the enum has a variant for every number from 0 up to its end marker, which was checked.
    known.then(|| unsafe { std::mem::transmute::<i32, ffi::AVPixelFormat>(number) })
}

/// Bytes of picture per row of a plane (without padding), and rows; nothing for an unknown format.
fn plane_extent(frame: &ffi::AVFrame, plane: usize) -> (usize, usize) {
    let Some(format) = known_format(frame.format) else { return (0, 0) };
    // SAFETY: asks for constant tables; a missing descriptor is checked for.
    unsafe {
        let descriptor = ffi::av_pix_fmt_desc_get(format);
        if descriptor.is_null() {
            return (0, 0);
        }
        let shift = if plane == 1 || plane == 2 { u32::from((*descriptor).log2_chroma_h) } else { 0 };
        let bytes = ffi::av_image_get_linesize(format, frame.width, plane as i32).max(0);
        // A palette is 256 entries of four bytes, whatever the picture's size.
        if (*descriptor).flags & u64::from(ffi::AV_PIX_FMT_FLAG_PAL as u32) != 0 && plane == 1 {
            return (1024, 1);
        }
        (bytes as usize, ((frame.height + (1 << shift) - 1) >> shift) as usize)
    }
}

#[cfg(test)]
mod tests {
    use ffmpeg::format::Pixel;

    use super::*;

    fn grey(value: u8) -> frame::Video {
        let mut frame = frame::Video::new(Pixel::YUV420P, 33, 17);
        for plane in 0..3 {
            frame.data_mut(plane).fill(value);
        }
        frame
    }

    #[test]
    fn one_changed_chroma_byte_makes_pictures_differ_and_padding_does_not() {
        let (a, mut b) = (grey(80), grey(80));
        assert!(same_pixels(&a, &b));
        let stride = b.stride(0);
        b.data_mut(0)[stride - 1] = 1; // beyond the 33rd pixel
        assert!(same_pixels(&a, &b));
        let stride = b.stride(2);
        b.data_mut(2)[8 * stride + 16] = 1; // the last pixel of the last chroma row
        assert!(!same_pixels(&a, &b));
    }

    #[test]
    fn another_handle_shares_the_pixels() {
        let frame = grey(7);
        let handle = another_handle(&frame).unwrap();
        assert_eq!(frame.data(0).as_ptr(), handle.data(0).as_ptr());
    }
}
