//! Decoders: opening them under limits and feeding them packet by packet. Damaged packets are counted, not fatal.

use ffmpeg::codec::{self, decoder, threading};
use ffmpeg::format::stream::Stream;
use ffmpeg::util::frame::Frame;
use ffmpeg::{Packet, ffi};
use ffmpeg_next as ffmpeg;

use crate::budget::MAX_PIXELS;
use crate::error::TranscodeError;

/// Errors in a row from one decoder after one packet, after which the packet is given up.
const PATIENCE: u32 = 32;

/// Opens the video decoder of a stream. `threads` is what it may use beside the caller.
///
/// # Errors
/// `codec_unsupported` or `video_too_large`.
pub fn open_video(stream: &Stream, threads: usize) -> Result<decoder::Video, TranscodeError> {
    let unsupported = || TranscodeError::CodecUnsupported { codec: codec_name(stream) };
    // SAFETY: the stream's parameters live as long as the stream.
    let (width, height) = unsafe {
        let parameters = &*(*stream.as_ptr()).codecpar;
        (parameters.width.max(0) as u32, parameters.height.max(0) as u32)
    };
    check_size(width, height)?;
    let mut context = codec::Context::from_parameters(stream.parameters()).map_err(|_| unsupported())?;
    context.set_threading(threading::Config { count: threads, ..threading::Config::kind(threading::Type::Frame) });
    // SAFETY: the context is allocated and not yet opened, when its public fields may be set.
    unsafe { (*context.as_mut_ptr()).max_pixels = MAX_PIXELS as i64 };
    let mut decoder = context.decoder();
    decoder.set_packet_time_base(stream.time_base());
    decoder.video().map_err(|_| unsupported())
}

/// Opens the audio decoder of a stream.
///
/// # Errors
/// `codec_unsupported`.
pub fn open_audio(stream: &Stream) -> Result<decoder::Audio, TranscodeError> {
    let unsupported = || TranscodeError::CodecUnsupported { codec: codec_name(stream) };
    let context = codec::Context::from_parameters(stream.parameters()).map_err(|_| unsupported())?;
    let mut decoder = context.decoder();
    decoder.set_packet_time_base(stream.time_base());
    decoder.audio().map_err(|_| unsupported())
}

/// Refuses a picture beyond the budget.
pub fn check_size(width: u32, height: u32) -> Result<(), TranscodeError> {
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(TranscodeError::VideoTooLarge { width, height });
    }
    Ok(())
}

/// libav's short name of a stream's codec, or its four characters where libav has no name.
pub fn codec_name(stream: &Stream) -> String {
    // SAFETY: the parameters live as long as the stream; avcodec_get_name returns a constant string.
    unsafe {
        let parameters = &*(*stream.as_ptr()).codecpar;
        if parameters.codec_id != ffi::AVCodecID::AV_CODEC_ID_NONE {
            return std::ffi::CStr::from_ptr(ffi::avcodec_get_name(parameters.codec_id)).to_string_lossy().into_owned();
        }
        let tag: String = parameters.codec_tag.to_le_bytes().iter().filter(|b| b.is_ascii_graphic()).map(|&b| b as char).collect();
        if tag.is_empty() { "unknown".into() } else { tag }
    }
}

/// Whether this build can decode a stream's codec.
pub fn decodable(stream: &Stream) -> bool {
    // SAFETY: reads the stream's parameters; an unknown id gives a null decoder.
    unsafe { !ffi::avcodec_find_decoder((*(*stream.as_ptr()).codecpar).codec_id).is_null() }
}

/// Whether the decoder has made up parts of a picture.
pub fn is_concealed(frame: &Frame) -> bool {
    // SAFETY: reads a plain field of an allocated frame.
    unsafe { (*frame.as_ptr()).decode_error_flags != 0 }
}

/// Sends one packet (or the end, as `None`) and hands every frame that comes out to `each`.
/// Answers how many times the decoder complained.
pub fn feed(
    decoder: &mut decoder::Opened,
    packet: Option<&Packet>,
    each: &mut dyn FnMut(Frame) -> Result<(), TranscodeError>,
) -> Result<u32, TranscodeError> {
    let mut complaints = 0;
    loop {
        let sent = match packet {
            Some(packet) => decoder.send_packet(packet),
            None => decoder.send_eof(),
        };
        let full = sent == Err(AGAIN);
        if sent.is_err() && !full && packet.is_some() {
            complaints += 1;
        }
        let mut taken = false;
        let mut in_a_row = 0;
        while in_a_row < PATIENCE {
            // SAFETY: allocates an empty frame, which the decoder fills.
            let mut frame = unsafe { Frame::empty() };
            match decoder.receive_frame(&mut frame) {
                Ok(()) => {
                    (taken, in_a_row) = (true, 0);
                    each(frame)?;
                }
                Err(AGAIN | ffmpeg::Error::Eof) => break,
                Err(_) => {
                    complaints += 1;
                    in_a_row += 1;
                }
            }
        }
        if !(full && taken) {
            return Ok(complaints);
        }
    }
}

const AGAIN: ffmpeg::Error = ffmpeg::Error::Other { errno: ffmpeg::error::EAGAIN };
