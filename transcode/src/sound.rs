//! Sound as it comes out of the decoder, made uniform: 48 kHz, stereo, without gaps, aligned with the presentation's
//! clock. Owns libswresample. Encoding is aac.rs.

use ffmpeg::util::frame::Frame;
use ffmpeg::{Error, ffi};
use ffmpeg_next as ffmpeg;

use crate::error::{Doing, TranscodeError};

/// Samples per second of everything that is published.
pub const RATE: i64 = 48_000;

/// How far sound may stray from its timestamps before silence is put in or samples are left out: 40 ms, the point
/// from which lips and voice are noticed to be apart.
const DRIFT: i64 = RATE / 25;

/// Decoded sound may be above full scale by so much, as sound that was coded loud is; a gain below one saves it.
const LOUDEST: f32 = 4.0;

/// A piece of the sound track, one after the other without a gap.
pub enum Pcm {
    /// Left and right.
    Samples(Vec<f32>, Vec<f32>),
    /// So many samples of nothing.
    Silence(u64),
}

impl Pcm {
    pub fn len(&self) -> u64 {
        match self {
            Self::Samples(left, _) => left.len() as u64,
            Self::Silence(samples) => *samples,
        }
    }

    /// Multiplies every sample; what is then beyond full scale is cut off.
    pub fn amplify(&mut self, factor: f32) {
        if let Self::Samples(left, right) = self {
            for sample in left.iter_mut().chain(right) {
                *sample = (*sample * factor).clamp(-1.0, 1.0);
            }
        }
    }

    /// Takes samples off the beginning, at most all.
    fn skip(&mut self, samples: u64) {
        match self {
            Self::Samples(left, right) => {
                left.drain(..samples as usize);
                right.drain(..samples as usize);
            }
            Self::Silence(all) => *all -= samples,
        }
    }
}

/// Resamples frames and keeps them on the clock.
#[derive(Default)]
pub struct Sound {
    resampler: Option<Resampler>,
    /// Where the next input frame is expected, in samples from the start of the presentation. A fraction, as 1024
    /// samples at 44.1 kHz are no whole number of samples at 48 kHz and the difference would add up.
    expected: Option<f64>,
    /// The first sample that is wanted; what comes before it only warms up decoder and resampler.
    start: i64,
    /// The next sample that comes out of the resampler.
    position: i64,
    /// Samples handed on.
    pub written: u64,
}

impl Sound {
    /// For the sound from the sample `start` on.
    pub fn from(start: i64) -> Self {
        Self { start, ..Self::default() }
    }

    /// Takes a decoded frame that starts at `at` (samples from the start of the presentation; `None` when unknown).
    pub fn push(&mut self, frame: &Frame, at: Option<i64>, each: &mut dyn FnMut(Pcm)) -> Result<(), TranscodeError> {
        let format = Format::of(frame);
        if format.rate <= 0 || format.channels <= 0 || format.samples <= 0 {
            return Ok(());
        }
        if self.resampler.as_ref().is_none_or(|r| !r.takes(&format)) {
            let tail = self.resampler.take().map(|mut old| old.flush()).transpose()?;
            if let Some(tail) = tail {
                self.hand_on(tail, each);
            }
            self.resampler = Some(Resampler::new(frame, &format)?);
        }
        let Some(resampler) = &mut self.resampler else { return Ok(()) };
        let (mut left, mut right) = resampler.convert(frame)?;
        let lasts = f64::from(format.samples) * RATE as f64 / f64::from(format.rate);
        if let (None, Some(at), 1..) = (self.expected, at, self.start) {
            // Reading begins before the start, or late: then the gap is filled from the start on.
            self.position = at.min(self.start);
            self.expected = Some(self.position as f64);
        }
        let expected = self.expected.unwrap_or(0.0);
        self.expected = Some(match align(self.expected.map(|e| e.round() as i64), at) {
            Align::Keep => expected + lasts,
            Align::Silence { samples, then } => {
                self.hand_on(Pcm::Silence(samples), each);
                then as f64 + lasts
            }
            Align::Drop { samples, then } => {
                let drop = (samples as usize).min(left.len());
                left.drain(..drop);
                right.drain(..drop);
                expected.max(then as f64 + lasts)
            }
        });
        self.hand_on(Pcm::Samples(left, right), each);
        Ok(())
    }

    /// Hands on what the resampler still holds.
    pub fn finish(&mut self, each: &mut dyn FnMut(Pcm)) -> Result<(), TranscodeError> {
        if let Some(mut resampler) = self.resampler.take() {
            let tail = resampler.flush()?;
            self.hand_on(tail, each);
        }
        Ok(())
    }

    fn hand_on(&mut self, mut pcm: Pcm, each: &mut dyn FnMut(Pcm)) {
        let early = (self.start - self.position).clamp(0, pcm.len() as i64);
        self.position += pcm.len() as i64;
        pcm.skip(early as u64);
        if pcm.len() > 0 {
            self.written += pcm.len();
            each(pcm);
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Align {
    /// In place.
    Keep,
    /// It starts `samples` too late, at `then`.
    Silence { samples: u64, then: i64 },
    /// It starts `samples` too early, at `then`.
    Drop { samples: u64, then: i64 },
}

/// Compares where a frame is expected with where its timestamp puts it.
fn align(expected: Option<i64>, at: Option<i64>) -> Align {
    let (Some(at), tolerance) = (at, if expected.is_some() { DRIFT } else { 0 }) else {
        return Align::Keep;
    };
    let expected = expected.unwrap_or(0);
    match at.saturating_sub(expected) {
        gap if gap > tolerance => Align::Silence { samples: gap as u64, then: at },
        gap if gap < -tolerance => Align::Drop { samples: gap.unsigned_abs(), then: at },
        _ => Align::Keep,
    }
}

/// What a decoder hands over.
#[derive(PartialEq, Eq, Clone)]
struct Format {
    sample_format: i32,
    channels: i32,
    mask: u64,
    rate: i32,
    samples: i32,
}

impl Format {
    fn of(frame: &Frame) -> Self {
        // SAFETY: reads plain fields of an allocated frame; the mask is only meaningful for native order.
        unsafe {
            let frame = &*frame.as_ptr();
            let native = frame.ch_layout.order == ffi::AVChannelOrder::AV_CHANNEL_ORDER_NATIVE;
            Self {
                sample_format: frame.format,
                channels: frame.ch_layout.nb_channels,
                mask: if native { frame.ch_layout.u.mask } else { 0 },
                rate: frame.sample_rate,
                samples: frame.nb_samples,
            }
        }
    }
}

/// The bindings' name of a sample format number; `None` for a number that this build does not know.
fn known_sample_format(number: i32) -> Option<ffi::AVSampleFormat> {
    let known = (0..ffi::AVSampleFormat::AV_SAMPLE_FMT_NB as i32).contains(&number);
    // SAFETY: the enum has a variant for every number from 0 up to its end marker, which was checked.
    known.then(|| unsafe { std::mem::transmute::<i32, ffi::AVSampleFormat>(number) })
}

struct Resampler {
    context: *mut ffi::SwrContext,
    format: Format,
}

// SAFETY: the context is owned by this value alone and libswresample keeps no state tied to a thread.
unsafe impl Send for Resampler {}

impl Resampler {
    fn new(frame: &Frame, format: &Format) -> Result<Self, TranscodeError> {
        let refused = || TranscodeError::CodecUnsupported { codec: format!("{} sound channels", format.channels) };
        let sample_format = known_sample_format(format.sample_format).ok_or_else(refused)?;
        let mut context = std::ptr::null_mut();
        // SAFETY: layouts are initialised before use (zero is their documented empty state); a layout without an order
        // gets the default one for its count; the context is checked and freed on failure.
        let ready = unsafe {
            let mut stereo: ffi::AVChannelLayout = std::mem::zeroed();
            ffi::av_channel_layout_default(&mut stereo, 2);
            let mut layout: ffi::AVChannelLayout = std::mem::zeroed();
            let raw = &*frame.as_ptr();
            if raw.ch_layout.order == ffi::AVChannelOrder::AV_CHANNEL_ORDER_UNSPEC {
                ffi::av_channel_layout_default(&mut layout, raw.ch_layout.nb_channels);
            } else {
                ffi::av_channel_layout_copy(&mut layout, &raw.ch_layout);
            }
            let made = ffi::swr_alloc_set_opts2(
                &mut context,
                &mut stereo,
                ffi::AVSampleFormat::AV_SAMPLE_FMT_FLTP,
                RATE as i32,
                &mut layout,
                sample_format,
                format.rate,
                0,
                std::ptr::null_mut(),
            );
            ffi::av_channel_layout_uninit(&mut layout);
            made >= 0 && ffi::swr_init(context) >= 0
        };
        let resampler = Self { context, format: format.clone() };
        if ready { Ok(resampler) } else { Err(refused()) }
    }

    fn takes(&self, format: &Format) -> bool {
        let Format { sample_format, channels, mask, rate, samples: _ } = format;
        (self.format.sample_format, self.format.channels, self.format.mask, self.format.rate) == (*sample_format, *channels, *mask, *rate)
    }

    fn convert(&mut self, frame: &Frame) -> Result<(Vec<f32>, Vec<f32>), TranscodeError> {
        // SAFETY: extended_data holds the planes of `nb_samples` samples each.
        unsafe {
            let raw = &*frame.as_ptr();
            self.run(raw.extended_data.cast(), raw.nb_samples)
        }
    }

    fn flush(&mut self) -> Result<Pcm, TranscodeError> {
        // SAFETY: no input means: hand over the rest.
        let (left, right) = unsafe { self.run(std::ptr::null_mut(), 0)? };
        Ok(Pcm::Samples(left, right))
    }

    /// # Safety
    /// `input` is null or holds planes of `samples` samples in the format this was opened with.
    unsafe fn run(&mut self, input: *mut *const u8, samples: i32) -> Result<(Vec<f32>, Vec<f32>), TranscodeError> {
        // SAFETY: the output vectors hold `room` samples each, as swr_convert is told.
        unsafe {
            let room = ffi::swr_get_out_samples(self.context, samples).max(0);
            let (mut left, mut right) = (vec![0f32; room as usize], vec![0f32; room as usize]);
            let mut planes = [left.as_mut_ptr().cast::<u8>(), right.as_mut_ptr().cast::<u8>()];
            let got = ffi::swr_convert(self.context, planes.as_mut_ptr(), room, input, samples);
            if got < 0 {
                return Err(Error::from(got)).doing("resample sound");
            }
            left.truncate(got as usize);
            right.truncate(got as usize);
            // Damaged float sound may hold anything; the encoder refuses what is no number.
            for sample in left.iter_mut().chain(&mut right) {
                *sample = if sample.is_finite() { sample.clamp(-LOUDEST, LOUDEST) } else { 0.0 };
            }
            Ok((left, right))
        }
    }
}

impl Drop for Resampler {
    fn drop(&mut self) {
        // SAFETY: owned here; null is allowed.
        unsafe { ffi::swr_free(&mut self.context) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_frame_is_placed_exactly_and_later_ones_only_when_lips_would_notice() {
        assert_eq!(align(None, Some(100)), Align::Silence { samples: 100, then: 100 });
        assert_eq!(align(None, Some(-100)), Align::Drop { samples: 100, then: -100 });
        assert_eq!(align(Some(1000), Some(1000 + DRIFT)), Align::Keep);
        assert_eq!(align(Some(1000), Some(1001 + DRIFT)), Align::Silence { samples: DRIFT as u64 + 1, then: 1001 + DRIFT });
        assert_eq!(align(Some(5000), Some(0)), Align::Drop { samples: 5000, then: 0 });
        assert_eq!(align(Some(1000), None), Align::Keep);
    }
}
