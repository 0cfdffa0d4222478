//! What a file really holds: container, streams, and the first picture as decoded, since headers lie. Decides which
//! streams are used. Does not decide what is made of them (ladder.rs) and decodes no more than one picture.

use std::ffi::{CStr, c_int};
use std::path::Path;

use ffmpeg::format::context::Input;
use ffmpeg::format::stream::{Disposition, Stream};
use ffmpeg::util::frame;
use ffmpeg::{Discard, Packet, ffi, media};
use ffmpeg_next as ffmpeg;
use serde::{Deserialize, Serialize};

use crate::cadence::VIDEO_TIMESCALE;
use crate::clock::rescale;
use crate::error::TranscodeError;
use crate::manifest::Chapter;
use crate::scale::Colour;
use crate::turn::Turn;
use crate::{decode, ladder, open};

/// Chapters that are kept of a file.
const MOST_CHAPTERS: usize = 100;

/// Facts about a source.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Probe {
    /// libav's name of the container, such as `mov,mp4,m4a,3gp,3g2,mj2`.
    pub container: String,
    /// What the header claims, in ms; never relied upon.
    pub claimed_ms: Option<u64>,
    pub video: Option<VideoInfo>,
    pub audio: Option<AudioInfo>,
    /// Embedded text captions that can be made WebVTT.
    pub captions: Vec<CaptionInfo>,
    /// Named parts of the film, as the file has them.
    #[serde(default)]
    pub chapters: Vec<Chapter>,
    /// How many tracks of captions are pictures of text, which stay out.
    #[serde(default)]
    pub picture_captions: usize,
    /// True when there is sound, but in a codec that cannot be decoded.
    pub audio_unsupported: bool,
}

/// The picture stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VideoInfo {
    pub index: usize,
    pub codec: String,
    /// As decoded, before squaring and turning.
    pub width: u32,
    pub height: u32,
    /// As shown: square pixels, upright.
    pub display_width: u32,
    pub display_height: u32,
    /// Sample aspect ratio, numerator and denominator.
    pub sample_aspect: (i32, i32),
    #[serde(default)]
    pub(crate) turn: Turn,
    /// Nominal frames per second, a guess within 1 to 120.
    pub fps: f64,
    pub variable_rate: bool,
    pub interlaced: bool,
    /// Coded for a high-dynamic-range display (PQ or HLG).
    pub hdr: bool,
    pub pixel_format: String,
    #[serde(default)]
    pub(crate) colour: Colour,
    /// Packets that the container's index lists; 0 where there is no such index.
    pub listed: u64,
}

impl Probe {
    /// Pixels as shown: square and upright; nothing for sound alone.
    pub fn size(&self) -> (u32, u32) {
        self.video.as_ref().map_or((0, 0), |video| (video.display_width, video.display_height))
    }
}

impl VideoInfo {
    /// Duration of a picture when nothing else says it, in ticks of 1/90000 s.
    pub fn nominal(&self) -> i64 {
        (VIDEO_TIMESCALE as f64 / self.fps) as i64
    }
}

/// The sound stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AudioInfo {
    pub index: usize,
    pub codec: String,
    pub channels: u32,
    pub sample_rate: u32,
    /// ISO 639-2 as the container says, such as `eng`.
    pub language: Option<String>,
    pub listed: u64,
}

/// A text caption track.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CaptionInfo {
    pub index: usize,
    pub codec: String,
    pub language: Option<String>,
    /// What the source calls the track.
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub sdh: bool,
    #[serde(default)]
    pub forced: bool,
    #[serde(default)]
    pub default: bool,
}

/// Opens a file and says what is in it.
///
/// # Errors
/// `empty_file`, `unsupported_container`, `encrypted_media`, `too_many_streams`, `no_media_streams`, `codec_unsupported`, `video_too_large`, `media_unreadable`.
pub fn probe(path: &Path) -> Result<Probe, TranscodeError> {
    let mut input = open::open(path)?;
    let sees = |kind: media::Type| move |stream: &Stream| stream.parameters().medium() == kind && !is_cover(stream);
    let pictures: Vec<usize> = ranked(&input, sees(media::Type::Video));
    let sounds: Vec<usize> = ranked(&input, sees(media::Type::Audio));
    if pictures.is_empty() && sounds.is_empty() {
        return Err(TranscodeError::NoMediaStreams);
    }
    let at = |index: usize| input.stream(index).ok_or(TranscodeError::NoMediaStreams);
    let audio = sounds.iter().copied().find(|&index| at(index).is_ok_and(|stream| decode::decodable(&stream)));
    let audio_unsupported = audio.is_none() && !sounds.is_empty();
    let audio = audio.map(|index| at(index).map(|stream| audio_info(&stream))).transpose()?;
    if pictures.is_empty() && audio_unsupported {
        return Err(TranscodeError::CodecUnsupported { codec: decode::codec_name(&at(sounds[0])?) });
    }
    let subtitles = || input.streams().filter(|stream| stream.parameters().medium() == media::Type::Subtitle);
    let captions = subtitles().filter(is_text).map(|stream| caption_info(&stream)).collect();
    let picture_captions = subtitles().filter(is_pictures).count();
    let container = input.format().name().to_owned();
    let claimed_ms = u64::try_from(input.duration()).ok().map(|micros| micros / 1000);
    let video = match pictures.first() {
        None => None,
        Some(&index) => match first_picture(&mut input, index)? {
            First::Picture(picture) => Some(video_info(&at_index(&input, index)?, &picture)?),
            // A track without a single packet is no reason to refuse a lecture that can be heard.
            First::Nothing if audio.is_some() => None,
            First::Nothing => return Err(TranscodeError::unreadable("the picture track is empty")),
            First::Unreadable => return Err(TranscodeError::unreadable("no picture could be decoded")),
        },
    };
    let chapters = chapters(&input);
    Ok(Probe { container, claimed_ms, video, audio, captions, picture_captions, chapters, audio_unsupported })
}

enum First {
    Picture(frame::Video),
    /// No packet at all.
    Nothing,
    /// Packets, but no picture came out of them.
    Unreadable,
}

/// Decodes until the first picture appears.
fn first_picture(input: &mut Input, index: usize) -> Result<First, TranscodeError> {
    let mut decoder = decode::open_video(&at_index(input, index)?, 1)?;
    for mut stream in input.streams_mut() {
        if stream.index() != index {
            // SAFETY: the stream belongs to `input`; libav reads the field before each packet.
            unsafe { (*stream.as_mut_ptr()).discard = Discard::All.into() };
        }
    }
    let mut packets = 0u64;
    let mut damaged = 0;
    loop {
        let mut found = None;
        let mut take = |frame: frame::Frame| {
            found.get_or_insert(frame::Video::from(frame));
            Ok(())
        };
        let mut packet = Packet::empty();
        let mut ended = false;
        match packet.read(input) {
            Ok(()) if packet.stream() == index => {
                packets += 1;
                decode::feed(&mut decoder, Some(&packet), &mut take)?;
            }
            Ok(()) => {}
            Err(ffmpeg::Error::InvalidData) if damaged < 1000 => damaged += 1,
            Err(_) => {
                ended = true;
                decode::feed(&mut decoder, None, &mut take)?;
            }
        }
        match found {
            Some(picture) => return Ok(First::Picture(picture)),
            None if ended => return Ok(if packets == 0 { First::Nothing } else { First::Unreadable }),
            None => {}
        }
    }
}

fn at_index(input: &Input, index: usize) -> Result<Stream<'_>, TranscodeError> {
    input.stream(index).ok_or(TranscodeError::NoMediaStreams)
}

fn video_info(stream: &Stream, picture: &frame::Video) -> Result<VideoInfo, TranscodeError> {
    let (width, height) = (picture.width(), picture.height());
    decode::check_size(width, height)?;
    // SAFETY: picture and stream are alive; the guess only reads both. The frame pointer is declared mutable but is not
    // written to.
    let sar = unsafe { ffi::av_guess_sample_aspect_ratio(std::ptr::null_mut(), stream.as_ptr().cast_mut(), picture.as_ptr().cast_mut()) };
    let turn = display_matrix(stream).map(|matrix| Turn::from_matrix(&matrix)).unwrap_or_default();
    let (display_width, display_height) = ladder::display_size(width, height, (sar.num, sar.den), turn.transpose);
    // SAFETY: reads plain fields of the stream's parameters, which live as long as the stream.
    let field_order = unsafe { (*(*stream.as_ptr()).codecpar).field_order } as u32;
    let hdr = {
        use ffmpeg::util::color::TransferCharacteristic::{ARIB_STD_B67, SMPTE2084};
        matches!(picture.color_transfer_characteristic(), SMPTE2084 | ARIB_STD_B67)
    };
    let rates = [stream.avg_frame_rate(), stream.rate()].map(|rate| f64::from(rate.numerator()) / f64::from(rate.denominator().max(1)));
    let sane = |rate: &f64| (1.0..=120.0).contains(rate);
    Ok(VideoInfo {
        index: stream.index(),
        codec: decode::codec_name(stream),
        width,
        height,
        display_width,
        display_height,
        sample_aspect: (sar.num, sar.den),
        turn,
        fps: rates.iter().copied().find(sane).unwrap_or(30.0),
        variable_rate: (rates[0] - rates[1]).abs() > rates[0].max(rates[1]) / 100.0,
        // 0 is unknown, 1 progressive, the rest are the four orders of fields.
        interlaced: field_order > 1 || picture.is_interlaced(),
        hdr,
        pixel_format: pixel_format_name(picture),
        colour: Colour::of(picture),
        listed: listed(stream),
    })
}

fn audio_info(stream: &Stream) -> AudioInfo {
    // SAFETY: reads plain fields of the stream's parameters, which live as long as the stream.
    let (channels, sample_rate) = unsafe {
        let parameters = &*(*stream.as_ptr()).codecpar;
        (parameters.ch_layout.nb_channels.max(0) as u32, parameters.sample_rate.max(0) as u32)
    };
    AudioInfo {
        index: stream.index(),
        codec: decode::codec_name(stream),
        channels,
        sample_rate,
        language: language(stream),
        listed: listed(stream),
    }
}

/// Streams of a kind, the most fitting first: marked as default, with packets, in the order of the file.
fn ranked(input: &Input, wanted: impl Fn(&Stream) -> bool) -> Vec<usize> {
    let mut streams: Vec<_> = input
        .streams()
        .filter(wanted)
        .map(|stream| {
            let empty = stream.duration() == 0 && stream.frames() == 0 && listed(&stream) == 0;
            let known = decode::decodable(&stream);
            let default = stream.disposition().contains(Disposition::DEFAULT);
            (empty, !known, !default, stream.index())
        })
        .collect();
    streams.sort_unstable();
    streams.into_iter().map(|(.., index)| index).collect()
}

/// A cover picture is no video.
fn is_cover(stream: &Stream) -> bool {
    stream.disposition().contains(Disposition::ATTACHED_PIC)
}

/// Longest title of a track that is taken over, in characters.
const TITLE: usize = 60;

fn caption_info(stream: &Stream) -> CaptionInfo {
    let disposition = stream.disposition();
    let title = stream.metadata().get("title").map(|title| title.trim().chars().filter(|c| !c.is_control()).take(TITLE).collect());
    let title = title.filter(|title: &String| !title.is_empty());
    // Not every container has a mark for it; then the title says so.
    let words = || title.iter().flat_map(|title| title.split(|c: char| !c.is_alphanumeric()));
    let named = words().any(|word| matches!(word, "SDH" | "CC" | "HI"));
    CaptionInfo {
        index: stream.index(),
        codec: decode::codec_name(stream),
        language: language(stream),
        sdh: disposition.contains(Disposition::HEARING_IMPAIRED) || named,
        forced: disposition.contains(Disposition::FORCED),
        default: disposition.contains(Disposition::DEFAULT),
        title,
    }
}

/// Captions that are text and can be decoded.
fn is_text(stream: &Stream) -> bool {
    has_property(stream, ffi::AV_CODEC_PROP_TEXT_SUB) && decode::decodable(stream)
}

/// Captions that are pictures of text.
fn is_pictures(stream: &Stream) -> bool {
    has_property(stream, ffi::AV_CODEC_PROP_BITMAP_SUB)
}

fn has_property(stream: &Stream, property: c_int) -> bool {
    // SAFETY: reads the stream's parameters; a missing descriptor is checked for.
    unsafe {
        let descriptor = ffi::avcodec_descriptor_get((*(*stream.as_ptr()).codecpar).codec_id);
        !descriptor.is_null() && (*descriptor).props & property != 0
    }
}

/// Chapters with a title, in order; at most a hundred, as hostile files have millions.
fn chapters(input: &Input) -> Vec<Chapter> {
    let ms = |time: i64, base: ffmpeg::Rational| u64::try_from(rescale(time, base, 1000)).unwrap_or(0);
    let mut chapters: Vec<Chapter> = input
        .chapters()
        .filter_map(|chapter| {
            let title: String = chapter.metadata().get("title")?.trim().chars().take(200).collect();
            let (start_ms, end_ms) = (ms(chapter.start(), chapter.time_base()), ms(chapter.end(), chapter.time_base()));
            (!title.is_empty() && end_ms > start_ms).then_some(Chapter { start_ms, end_ms, title })
        })
        .take(MOST_CHAPTERS)
        .collect();
    chapters.sort_by_key(|chapter| chapter.start_ms);
    chapters
}

/// Packets the container's index lists for a stream.
fn listed(stream: &Stream) -> u64 {
    // SAFETY: reads the index of a stream that is alive.
    unsafe { ffi::avformat_index_get_entries_count(stream.as_ptr()) }.max(0) as u64
}

fn language(stream: &Stream) -> Option<String> {
    stream.metadata().get("language").filter(|tag| *tag != "und" && tag.len() <= 35).map(str::to_owned)
}

fn display_matrix(stream: &Stream) -> Option<[i32; 9]> {
    let mut size = 0usize;
    // SAFETY: the side data belongs to the stream and holds `size` bytes; nine 32-bit numbers are copied out of it.
    unsafe {
        let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX;
        let data = ffi::av_stream_get_side_data(stream.as_ptr(), kind, &mut size);
        (!data.is_null() && size >= 36).then(|| data.cast::<[i32; 9]>().read_unaligned())
    }
}

fn pixel_format_name(picture: &frame::Video) -> String {
    let Some(format) = crate::picture::known_format(crate::picture::pixel_format(picture)) else { return "unknown".into() };
    // SAFETY: av_get_pix_fmt_name returns a constant string, or null, which is checked.
    unsafe {
        let name = ffi::av_get_pix_fmt_name(format);
        if name.is_null() { "unknown".into() } else { CStr::from_ptr(name).to_string_lossy().into_owned() }
    }
}
