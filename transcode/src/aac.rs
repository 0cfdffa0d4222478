//! The AAC encoder: 48 kHz stereo in blocks of any length, coded frames out.
//!
//! An AAC encoder starts with a frame of priming that decodes to nothing. It is left out, so that the coded frame k
//! holds exactly the samples from 1024·k on and no edit list is needed, which players of segments treat differently.
//! The price is that the first 21 ms fade in.

use ffmpeg::codec::{self, encoder};
use ffmpeg::format::sample::{Sample, Type};
use ffmpeg::{ChannelLayout, Packet, Rational, ffi, frame};
use ffmpeg_next as ffmpeg;

use crate::error::{Doing, TranscodeError};
use crate::sound::{Pcm, RATE};

/// Samples per coded frame (AAC-LC).
pub const FRAME: i64 = 1024;

/// bit/s; what the field uses for stereo speech and music.
pub const BITRATE: u32 = 128_000;

/// The codec string of AAC-LC (RFC 6381).
pub const CODEC: &str = "mp4a.40.2";

/// Takes coded frames with their presentation time in samples.
type Each<'a> = &'a mut dyn FnMut(i64, &[u8]) -> Result<(), TranscodeError>;

/// One running encoder.
pub struct Encoder {
    inner: encoder::audio::Encoder,
    /// The AudioSpecificConfig.
    pub config: Vec<u8>,
    left: Vec<f32>,
    right: Vec<f32>,
    next_pts: i64,
}

impl Encoder {
    /// An encoder whose first sample is the presentation's sample `start`.
    pub fn open(start: i64) -> Result<Self, TranscodeError> {
        let codec = encoder::find_by_name("aac").ok_or(ffmpeg::Error::EncoderNotFound).doing("find the encoder aac")?;
        let mut audio = codec::Context::new_with_codec(codec).encoder().audio().doing("open the sound encoder")?;
        audio.set_rate(RATE as i32);
        audio.set_format(Sample::F32(Type::Planar));
        audio.set_time_base(Rational::new(1, RATE as i32));
        audio.set_bit_rate(BITRATE as usize);
        audio.set_flags(codec::Flags::GLOBAL_HEADER);
        // SAFETY: the context is allocated and not yet opened, when its public fields may be set.
        unsafe { ffi::av_channel_layout_default(&mut (*audio.as_mut_ptr()).ch_layout, 2) };
        let inner = audio.open().doing("open the sound encoder")?;
        // SAFETY: an opened encoder with a global header holds `extradata_size` bytes of it.
        let config = unsafe {
            let context = &*inner.as_ptr();
            match context.extradata.is_null() {
                true => Vec::new(),
                // Two bytes say everything about AAC-LC; what follows only says that nothing else is used.
                false => std::slice::from_raw_parts(context.extradata, context.extradata_size.clamp(0, 2) as usize).to_vec(),
            }
        };
        Ok(Self { inner, config, left: Vec::new(), right: Vec::new(), next_pts: start })
    }

    /// Takes a block; coded frames go to `each`.
    pub fn push(&mut self, pcm: Pcm, each: Each<'_>) -> Result<(), TranscodeError> {
        match pcm {
            Pcm::Samples(left, right) => {
                self.left.extend(left);
                self.right.extend(right);
                self.encode_whole_frames(each)
            }
            Pcm::Silence(mut samples) => {
                while samples > 0 {
                    let some = samples.min(FRAME as u64);
                    self.left.resize(self.left.len() + some as usize, 0.0);
                    self.right.resize(self.right.len() + some as usize, 0.0);
                    self.encode_whole_frames(each)?;
                    samples -= some;
                }
                Ok(())
            }
        }
    }

    /// Fills the last frame with silence and encodes what is still waiting.
    pub fn finish(&mut self, each: Each<'_>) -> Result<(), TranscodeError> {
        let missing = (FRAME as usize - self.left.len() % FRAME as usize) % FRAME as usize;
        self.push(Pcm::Silence(missing as u64), each)?;
        self.inner.send_eof().doing("finish the sound encoder")?;
        self.drain(each)
    }

    fn encode_whole_frames(&mut self, each: Each<'_>) -> Result<(), TranscodeError> {
        let frame_len = FRAME as usize;
        let whole = self.left.len() / frame_len;
        for i in 0..whole {
            let part = i * frame_len..(i + 1) * frame_len;
            let mut frame = frame::Audio::new(Sample::F32(Type::Planar), frame_len, ChannelLayout::STEREO);
            frame.set_rate(RATE as u32);
            frame.set_pts(Some(self.next_pts));
            frame.plane_mut::<f32>(0).copy_from_slice(&self.left[part.clone()]);
            frame.plane_mut::<f32>(1).copy_from_slice(&self.right[part]);
            self.next_pts += FRAME;
            self.inner.send_frame(&frame).doing("encode sound")?;
            self.drain(each)?;
        }
        self.left.drain(..whole * frame_len);
        self.right.drain(..whole * frame_len);
        Ok(())
    }

    fn drain(&mut self, each: Each<'_>) -> Result<(), TranscodeError> {
        loop {
            let mut packet = Packet::empty();
            match self.inner.receive_packet(&mut packet) {
                Ok(()) => match (packet.pts(), packet.data()) {
                    // The encoder's delay is one frame; frames of before the start hold priming.
                    (Some(pts), Some(data)) if (0..self.next_pts).contains(&pts) => each(pts, data)?,
                    _ => {}
                },
                Err(ffmpeg::Error::Eof | ffmpeg::Error::Other { errno: ffmpeg::error::EAGAIN }) => return Ok(()),
                Err(error) => return Err(error).doing("encode sound"),
            }
        }
    }
}
