//! The H.264 encoder of one rendition. Owns its settings; knows nothing of segments but where an IDR must stand.

use ffmpeg::codec::{self, encoder};
use ffmpeg::format::Pixel;
use ffmpeg::{Dictionary, Packet, Rational, ffi, frame, picture};
use ffmpeg_next as ffmpeg;

use crate::avc::Parameters;
use crate::cadence::VIDEO_TIMESCALE;
use crate::error::{Doing, TranscodeError};
use crate::ladder::Rung;
use crate::picture::another_handle;
use crate::scale::Colour;
use crate::steady::steady_memory;

/// Frames between IDRs at most; reached only if a segment were far too long.
const LONGEST_GOP: u32 = 600;

/// Constant quality; the cap of the rung only bites on pictures that are hard to code.
const QUALITY: &str = "23";

/// Of a coarse rung: about half the bits.
const COARSE_QUALITY: &str = "29";

/// One running encoder.
pub struct Encoder {
    inner: encoder::video::Encoder,
    pub parameters: Parameters,
}

impl Encoder {
    /// `fps` is the nominal rate, which the rate control starts from; true times come with each picture.
    pub fn open(rung: &Rung, fps: f64, colour: Colour) -> Result<Self, TranscodeError> {
        steady_memory();
        let codec = encoder::find_by_name("libx264").ok_or(ffmpeg::Error::EncoderNotFound).doing("find the encoder libx264")?;
        let mut video = codec::Context::new_with_codec(codec).encoder().video().doing("open the encoder")?;
        video.set_width(rung.width);
        video.set_height(rung.height);
        video.set_format(Pixel::YUV420P);
        video.set_time_base(Rational::new(1, VIDEO_TIMESCALE as i32));
        video.set_frame_rate(Some(Rational::new((fps * 1000.0).round() as i32, 1000)));
        video.set_aspect_ratio(Rational::new(1, 1));
        video.set_gop(LONGEST_GOP);
        video.set_flags(codec::Flags::GLOBAL_HEADER | codec::Flags::CLOSED_GOP);
        video.set_max_bit_rate(rung.max_bitrate as usize);
        video.set_color_range(ffmpeg::color::Range::MPEG);
        // SAFETY: the context is allocated and not yet opened, when its public fields may be set. The colour numbers
        // come from frames of the same library, or are constants of the standard that the enums contain.
        unsafe {
            let context = &mut *video.as_mut_ptr();
            context.rc_buffer_size = rung.max_bitrate.saturating_mul(2).min(i32::MAX as u32) as i32;
            // One thread: the rungs run side by side, which costs less than threads within one encoder.
            context.thread_count = 1;
            context.colorspace = std::mem::transmute::<u32, ffi::AVColorSpace>(colour.matrix.into());
            context.color_primaries = std::mem::transmute::<u32, ffi::AVColorPrimaries>(colour.primaries.into());
            context.color_trc = std::mem::transmute::<u32, ffi::AVColorTransferCharacteristic>(colour.transfer.into());
        }
        let mut options = Dictionary::new();
        options.set("preset", "veryfast");
        options.set("profile", "high");
        options.set("crf", if rung.coarse { COARSE_QUALITY } else { QUALITY });
        options.set("forced-idr", "1");
        // Rates are kept over the time a picture is shown, not per picture.
        options.set("x264-params", "force-cfr=0");
        let inner = video.open_with(options).doing("open the encoder")?;
        // SAFETY: an opened encoder with a global header holds `extradata_size` bytes of it.
        let header = unsafe {
            let context = &*inner.as_ptr();
            if context.extradata.is_null() {
                &[]
            } else {
                std::slice::from_raw_parts(context.extradata, context.extradata_size.max(0) as usize)
            }
        };
        let parameters = Parameters::from_header(header).ok_or(ffmpeg::Error::InvalidData).doing("read the encoder's parameter sets")?;
        Ok(Self { inner, parameters })
    }

    /// Encodes one picture; whatever is ready goes to `each`.
    pub fn encode(
        &mut self,
        picture: &frame::Video,
        pts: i64,
        idr: bool,
        each: &mut dyn FnMut(&Packet) -> Result<(), TranscodeError>,
    ) -> Result<(), TranscodeError> {
        let mut handle = another_handle(picture).doing("hand a picture to the encoder")?;
        handle.set_pts(Some(pts));
        handle.set_kind(if idr { picture::Type::I } else { picture::Type::None });
        self.inner.send_frame(&handle).doing("encode a picture")?;
        self.drain(each)
    }

    /// Encodes what is still waiting.
    pub fn finish(&mut self, each: &mut dyn FnMut(&Packet) -> Result<(), TranscodeError>) -> Result<(), TranscodeError> {
        self.inner.send_eof().doing("finish the encoder")?;
        self.drain(each)
    }

    fn drain(&mut self, each: &mut dyn FnMut(&Packet) -> Result<(), TranscodeError>) -> Result<(), TranscodeError> {
        loop {
            let mut packet = Packet::empty();
            match self.inner.receive_packet(&mut packet) {
                Ok(()) => each(&packet)?,
                Err(ffmpeg::Error::Eof | ffmpeg::Error::Other { errno: ffmpeg::error::EAGAIN }) => return Ok(()),
                Err(error) => return Err(error).doing("encode a picture"),
            }
        }
    }
}
