//! Caption tracks that are embedded as text, as WebVTT files beside the stream. Pictures of text (DVD, Blu-ray) are
//! left alone.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use ffmpeg::codec::{self, decoder};
use ffmpeg::format::context::Input;
use ffmpeg::{Packet, Rational, Rescale, Subtitle};
use ffmpeg_next as ffmpeg;

use crate::budget::{MAX_CAPTION_BYTES, MAX_SECONDS};
use crate::cadence::VIDEO_TIMESCALE;
use crate::error::{Doing, TranscodeError};
use crate::language;
use crate::manifest::CaptionFile;
use crate::probe::CaptionInfo;

/// The caption tracks of one source while it is read.
pub struct Captions {
    tracks: Vec<Reading>,
}

struct Reading {
    index: usize,
    base: Rational,
    decoder: decoder::Subtitle,
    /// As it will be listed, but for the file's name.
    listed: CaptionFile,
    cues: Vec<Cue>,
    bytes: usize,
}

/// Times in ms from the start of the presentation; text with line breaks, not yet escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cue {
    start: i64,
    end: i64,
    text: String,
}

impl Captions {
    /// Opens the decoders; a track that cannot be opened is left out, as the video matters more.
    pub fn open(input: &Input, tracks: &[CaptionInfo]) -> Self {
        let open = |info: &CaptionInfo| {
            let stream = input.stream(info.index)?;
            let mut decoder = codec::Context::from_parameters(stream.parameters()).ok()?.decoder();
            decoder.set_packet_time_base(stream.time_base());
            let listed = CaptionFile {
                file: String::new(),
                language: language::tag(info.language.as_deref()),
                title: info.title.clone(),
                sdh: info.sdh,
                forced: info.forced,
                default: info.default,
            };
            Some(Reading { index: info.index, base: stream.time_base(), decoder: decoder.subtitle().ok()?, listed, cues: vec![], bytes: 0 })
        };
        Self { tracks: tracks.iter().filter_map(open).collect() }
    }

    pub fn wants(&self, index: usize) -> bool {
        self.tracks.iter().any(|track| track.index == index)
    }

    /// Takes a packet of any stream; `shift` (1/90000 s) brings its time onto the presentation's clock.
    pub fn take(&mut self, packet: &Packet, shift: i64) {
        let Some(track) = self.tracks.iter_mut().find(|track| track.index == packet.stream()) else { return };
        let mut decoded = Decoded(Subtitle::new());
        let Some(pts) = packet.pts() else { return };
        if track.decoder.decode(packet, &mut decoded.0) != Ok(true) || track.bytes > MAX_CAPTION_BYTES {
            return;
        }
        let shift = shift.saturating_mul(1000) / VIDEO_TIMESCALE;
        let start = pts.rescale(track.base, (1, 1000)).saturating_add(shift).saturating_add(decoded.0.start().into());
        let lasts: i64 = match (packet.duration(), decoded.0.end()) {
            (duration, _) if duration > 0 => duration.rescale(track.base, (1, 1000)),
            // The largest number means: until the next one.
            (_, end @ 1..=3_600_000) => i64::from(end),
            _ => 4000,
        };
        let text = decoded.text();
        let (start, end) = (start.max(0), start.saturating_add(lasts));
        if !text.is_empty() && end > start && start <= MAX_SECONDS * 1000 {
            track.bytes += text.len();
            track.cues.push(Cue { start, end, text });
        }
    }

    /// Writes one file per track that holds anything.
    pub fn write(self, out: &Path) -> Result<Vec<CaptionFile>, TranscodeError> {
        let mut names = BTreeSet::new();
        let mut files = vec![];
        for mut track in self.tracks.into_iter().filter(|track| !track.cues.is_empty()) {
            track.cues.sort_by_key(|cue| (cue.start, cue.end));
            let stem = file_stem(&track.listed);
            let mut file = format!("{stem}.vtt");
            let mut copy = 2;
            while !names.insert(file.clone()) {
                file = format!("{stem}-{copy}.vtt");
                copy += 1;
            }
            fs::write(out.join(&file), vtt(&track.cues)).doing("write captions")?;
            files.push(CaptionFile { file, ..track.listed });
        }
        Ok(files)
    }
}

/// `captions-pt-br-sdh`: the name of the file, and of the track's folder in addresses.
fn file_stem(track: &CaptionFile) -> String {
    let mut stem = format!("captions-{}", track.language.to_ascii_lowercase());
    for (holds, word) in [(track.sdh, "-sdh"), (track.forced, "-forced")] {
        if holds {
            stem.push_str(word);
        }
    }
    stem
}

/// Frees what libav allocated for it.
struct Decoded(Subtitle);

impl Decoded {
    fn text(&self) -> String {
        let mut text = String::new();
        // SAFETY: after a successful decode `rects` holds `num_rects` rectangles; their text is a C string or null.
        unsafe {
            let raw = &*self.0.as_ptr();
            for i in 0..raw.num_rects as usize {
                let rect = &**raw.rects.add(i);
                let part = match (rect.ass.is_null(), rect.text.is_null()) {
                    (false, _) => plain(&CStr::from_ptr(rect.ass).to_string_lossy()),
                    (true, false) => CStr::from_ptr(rect.text).to_string_lossy().into_owned(),
                    (true, true) => continue,
                };
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(&part);
            }
        }
        // A blank line would end the cue.
        text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Decoded {
    fn drop(&mut self) {
        // SAFETY: the subtitle is zeroed or filled by the decoder; freeing either is allowed.
        unsafe { ffmpeg::ffi::avsubtitle_free(self.0.as_mut_ptr()) };
    }
}

/// The words of an ASS event as libav hands them over (eight fields, then the text): no styling, real line breaks.
fn plain(event: &str) -> String {
    let text = event.splitn(9, ',').nth(8).unwrap_or(event);
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        let Some(close) = rest[open..].find('}') else {
            rest = &rest[open..];
            break;
        };
        rest = &rest[open + close + 1..];
    }
    out.push_str(rest);
    out.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
}

fn vtt(cues: &[Cue]) -> String {
    let time = |ms: i64| format!("{:02}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
    let mut text = String::from("WEBVTT\n");
    for cue in cues {
        let escaped = cue.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = write!(text, "\n{} --> {}\n{escaped}\n", time(cue.start), time(cue.end));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styling_goes_and_line_breaks_stay() {
        assert_eq!(plain(r"0,0,Default,,0,0,0,,{\i1}Hello{\i0}, world\Nsecond, line"), "Hello, world\nsecond, line");
        assert_eq!(plain("0,0,Default,,0,0,0,,open { brace"), "open { brace");
        assert_eq!(plain("no fields"), "no fields");
    }

    #[test]
    fn a_file_is_called_by_language_and_purpose() {
        let track = CaptionFile { file: String::new(), language: "pt-BR".into(), title: None, sdh: true, forced: false, default: false };
        assert_eq!(file_stem(&track), "captions-pt-br-sdh");
        assert_eq!(file_stem(&CaptionFile { sdh: false, forced: true, ..track }), "captions-pt-br-forced");
    }

    #[test]
    fn cue_text_cannot_become_markup_or_end_the_cue() {
        let cues = [Cue { start: 3_723_004, end: 3_724_000, text: "a <b> & c --> d".into() }];
        assert_eq!(vtt(&cues), "WEBVTT\n\n01:02:03.004 --> 01:02:04.000\na &lt;b&gt; &amp; c --&gt; d\n");
    }
}
