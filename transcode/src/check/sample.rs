//! A small package that keeps every rule, made byte by byte, for tests to break. Its pictures are no pictures: nobody
//! decodes them here.

use std::collections::BTreeMap;
use std::fmt::Write;

use url::Url;

use super::boxes::walk;
use super::place::{Answer, Head, Place, Refusal};
use super::playlist::Range;
use crate::avc::Parameters;
use crate::cmaf::{self, Coding, Sample};
use crate::scale::Colour;

/// Where the package lies.
pub const ADDRESS: &str = "memory://package/master.m3u8";

const TICKS: u32 = 90_000;
const RATE: u32 = 48_000;
const BLOCK: i64 = 1024;

/// A sequence parameter set of these numbers.
pub fn sps(profile: u8, level: u8, width: u32, height: u32, rate: u32) -> Vec<u8> {
    let mut bits = String::new();
    let golomb = |bits: &mut String, value: u32| {
        let digits = format!("{:b}", value + 1);
        let _ = write!(bits, "{}{digits}", "0".repeat(digits.len() - 1));
    };
    golomb(&mut bits, 0);
    if profile == 100 {
        for value in [1, 0, 0] {
            golomb(&mut bits, value);
        }
        bits += "00";
    }
    for value in [0, 2, 1] {
        golomb(&mut bits, value);
    }
    bits += "0";
    let (columns, rows) = (width.div_ceil(16), height.div_ceil(16));
    golomb(&mut bits, columns - 1);
    golomb(&mut bits, rows - 1);
    bits += "111";
    for value in [0, (columns * 16 - width) / 2, 0, (rows * 16 - height) / 2] {
        golomb(&mut bits, value);
    }
    // Usability information with nothing but timing.
    let _ = write!(bits, "100001{:032b}{:032b}100001", 1, rate * 2);
    while !bits.len().is_multiple_of(8) {
        bits.push('0');
    }
    let plain: Vec<u8> = bits.as_bytes().chunks(8).map(|byte| byte.iter().fold(0, |value, bit| (value << 1) | (bit - b'0'))).collect();
    let mut unit = vec![0x67, profile, 0, level];
    let mut zeros = 0;
    for byte in plain {
        if zeros == 2 && byte <= 3 {
            unit.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        unit.push(byte);
    }
    unit
}

pub fn video_init(size: (u32, u32), level: u8, rate: u32, delay: i64) -> Vec<u8> {
    video_init_of(100, size, level, rate, delay)
}

fn video_init_of(profile: u8, (width, height): (u32, u32), level: u8, rate: u32, delay: i64) -> Vec<u8> {
    let record = Parameters { sps: sps(profile, level, width, height, rate), pps: vec![0x68, 0xEE, 0x3C] }.record();
    cmaf::init(&Coding::Avc { width, height, record, colour: Colour::BT709 }, TICKS, delay)
}

pub fn sound_init(bitrate: u32) -> Vec<u8> {
    let config = vec![0x11, 0x90];
    with_loudness(&cmaf::init(&Coding::Aac { config, sample_rate: RATE, channels: 2, bitrate, level: None }, RATE, 0))
}

/// The initialisation with an empty loudness box in its track.
fn with_loudness(init: &[u8]) -> Vec<u8> {
    let ludt = boxed(b"udta", &boxed(b"ludt", &[]));
    inside(init, &[b"moov", b"trak"], &ludt)
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}

/// Appends to the box at a path, and mends the sizes above.
pub fn inside(bytes: &[u8], path: &[&[u8; 4]], more: &[u8]) -> Vec<u8> {
    let Some((first, rest)) = path.split_first() else { return [bytes, more].concat() };
    let boxes = walk(bytes, false).unwrap();
    let part = |found: &super::boxes::Mp4Box| if &found.kind == *first { inside(found.body, rest, more) } else { found.body.to_vec() };
    boxes.iter().flat_map(|found| boxed(&found.kind, &part(found))).collect()
}

/// A segment of `count` pictures of `size` bytes, every `group`-th an IDR.
pub fn video_segment(number: u32, start: i64, count: usize, group: usize, ticks: i64, size: usize) -> Vec<u8> {
    let samples: Vec<Sample> =
        (0..count).map(|i| Sample { pts: start + i as i64 * ticks, size: size as u32, sync: i.is_multiple_of(group) }).collect();
    let mut bytes = cmaf::segment_header(number, start, start + count as i64 * ticks, 0, &samples);
    for sample in samples {
        bytes.extend((size as u32 - 4).to_be_bytes());
        bytes.push(if sample.sync { 0x65 } else { 0x41 });
        bytes.extend(vec![0x80; size - 5]);
    }
    bytes
}

/// Bytes up to the end of the first picture.
pub fn first_picture(segment: &[u8], size: usize) -> usize {
    walk(segment, false).unwrap().iter().find(|found| &found.kind == b"mdat").unwrap().body_start + size
}

/// What the package is made of.
#[derive(Debug, Clone)]
pub struct Recipe {
    pub profile: u8,
    pub level: u8,
    /// Pictures between IDRs.
    pub group: usize,
    /// Pictures per segment of the second rendition; the others have [`PICTURES`].
    pub second: [usize; 3],
    pub second_size: (u32, u32),
    pub low_size: (u32, u32),
    /// Bytes of a picture in each segment of the first rendition.
    pub first_bytes: [usize; 3],
    /// Where the sound starts, in samples.
    pub sound_start: i64,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            profile: 100,
            level: 31,
            group: 25,
            second: PICTURES,
            second_size: (1280, 720),
            low_size: (640, 360),
            first_bytes: [1500; 3],
            sound_start: 0,
        }
    }
}

const PICTURES: [usize; 3] = [150; 3];
const FPS: u32 = 25;
const PICTURE: i64 = (TICKS / FPS) as i64;

/// The package: files by their path.
#[derive(Debug, Clone, Default)]
pub struct Package {
    pub files: BTreeMap<String, Vec<u8>>,
    /// How they are served; none, when they lie in a folder.
    pub heads: BTreeMap<String, Head>,
}

/// Seconds and bytes of segments, for rates.
type Measures = Vec<(f64, usize)>;

fn rates(measures: &Measures) -> (u64, u64) {
    let seconds: f64 = measures.iter().map(|m| m.0).sum();
    let bytes: usize = measures.iter().map(|m| m.1).sum();
    // Segments last as long as the target duration, so each is a run of its own.
    let peak = measures.iter().map(|m| (m.1 * 8) as f64 / m.0).fold(0.0, f64::max);
    (peak as u64, ((bytes * 8) as f64 / seconds) as u64)
}

const HEAD: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n";

impl Package {
    /// A package that keeps every rule.
    pub fn good() -> Self {
        Self::of(&Recipe::default())
    }

    pub fn of(recipe: &Recipe) -> Self {
        let mut package = Self::default();
        let high = package.video("high", recipe, ((1280, 720), recipe.level), PICTURES, recipe.first_bytes);
        let second = package.video("second", recipe, (recipe.second_size, 31), recipe.second, [1000; 3]);
        let low = package.video("low", recipe, (recipe.low_size, 30), PICTURES, [300; 3]);
        let sound = rates(&package.sound(recipe.sound_start));
        package.subtitles();
        let dense = package.dense(recipe);

        let mut master = String::from("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n");
        master += "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"Sound\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"audio/index.m3u8\"\n";
        master += "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subs\",NAME=\"English\",LANGUAGE=\"en\",AUTOSELECT=YES,CHARACTERISTICS=\"public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound\",URI=\"subs/index.m3u8\"\n";
        let profile = recipe.profile;
        let mut iframes = String::new();
        for (name, (measures, trick), (width, height), level) in
            [("high", &high, (1280, 720), recipe.level), ("second", &second, recipe.second_size, 31), ("low", &low, recipe.low_size, 30)]
        {
            let (peak, average) = rates(measures);
            let codec = format!("avc1.{profile:02X}00{level:02X}");
            let _ = writeln!(
                master,
                "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{codec},mp4a.40.2\",RESOLUTION={width}x{height},FRAME-RATE=25.000,AUDIO=\"audio\",SUBTITLES=\"subs\"\n{name}/index.m3u8",
                peak + sound.0,
                average + sound.1
            );
            let (peak, average) = rates(trick);
            let _ = writeln!(
                iframes,
                "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{codec}\",RESOLUTION={width}x{height},URI=\"{name}/iframes.m3u8\""
            );
        }
        let (peak, average) = rates(&dense);
        let _ = writeln!(
            iframes,
            "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"avc1.{profile:02X}001E\",RESOLUTION=320x180,URI=\"dense/iframes.m3u8\""
        );
        package.put("master.m3u8", master + &iframes);
        package
    }

    /// Writes a rendition with its I-frame playlist; gives the measures of both.
    fn video(
        &mut self,
        name: &str,
        recipe: &Recipe,
        (size, level): ((u32, u32), u8),
        counts: [usize; 3],
        bytes: [usize; 3],
    ) -> (Measures, Measures) {
        self.files.insert(format!("{name}/init.mp4"), video_init_of(recipe.profile, size, level, FPS, 0));
        let mut text = format!("{HEAD}#EXT-X-MAP:URI=\"init.mp4\"\n");
        let mut trick = format!("{HEAD}#EXT-X-I-FRAMES-ONLY\n#EXT-X-MAP:URI=\"init.mp4\"\n");
        let (mut measures, mut pictures) = (vec![], vec![]);
        let mut start = 0;
        for (i, (count, size)) in counts.into_iter().zip(bytes).enumerate() {
            let segment = video_segment(i as u32 + 1, start, count, recipe.group, PICTURE, size);
            let seconds = count as f64 / f64::from(FPS);
            let first = first_picture(&segment, size);
            let _ = writeln!(text, "#EXTINF:{seconds:.3},\nseg-{}.m4s", i + 1);
            let _ = writeln!(trick, "#EXTINF:{seconds:.3},\n#EXT-X-BYTERANGE:{first}@0\nseg-{}.m4s", i + 1);
            measures.push((seconds, segment.len()));
            pictures.push((seconds, first));
            self.files.insert(format!("{name}/seg-{}.m4s", i + 1), segment);
            start += count as i64 * PICTURE;
        }
        self.put(&format!("{name}/index.m3u8"), text + "#EXT-X-ENDLIST\n");
        self.put(&format!("{name}/iframes.m3u8"), trick + "#EXT-X-ENDLIST\n");
        (measures, pictures)
    }

    /// A rendition of one I-frame a second, all in one file.
    fn dense(&mut self, recipe: &Recipe) -> Measures {
        self.files.insert("dense/init.mp4".into(), video_init_of(recipe.profile, (320, 180), 30, 1, 0));
        let mut text = format!("{HEAD}#EXT-X-I-FRAMES-ONLY\n#EXT-X-MAP:URI=\"init.mp4\"\n");
        let mut file = vec![];
        let mut measures = vec![];
        for second in 0..18 {
            let picture = video_segment(second + 1, i64::from(second) * i64::from(TICKS), 1, 1, i64::from(TICKS), 400);
            let _ = writeln!(text, "#EXTINF:1.000,\n#EXT-X-BYTERANGE:{}@{}\npictures.mp4", picture.len(), file.len());
            measures.push((1.0, picture.len()));
            file.extend(picture);
        }
        self.files.insert("dense/pictures.mp4".into(), file);
        self.put("dense/iframes.m3u8", text + "#EXT-X-ENDLIST\n");
        measures
    }

    fn sound(&mut self, start: i64) -> Measures {
        self.files.insert("audio/init.mp4".into(), sound_init(128_000));
        let mut text = format!("{HEAD}#EXT-X-MAP:URI=\"init.mp4\"\n");
        let mut measures = vec![];
        let mut at = start;
        for (i, blocks) in [282, 281, 281].into_iter().enumerate() {
            let samples: Vec<Sample> = (0..blocks).map(|block| Sample { pts: at + block * BLOCK, size: 60, sync: true }).collect();
            let end = at + blocks * BLOCK;
            let mut segment = cmaf::segment_header(i as u32 + 1, at, end, 0, &samples);
            segment.extend(vec![0x21; 60 * samples.len()]);
            let seconds = (end - at) as f64 / f64::from(RATE);
            let _ = writeln!(text, "#EXTINF:{seconds:.6},\nseg-{}.m4s", i + 1);
            measures.push((seconds, segment.len()));
            self.files.insert(format!("audio/seg-{}.m4s", i + 1), segment);
            at = end;
        }
        self.put("audio/index.m3u8", text + "#EXT-X-ENDLIST\n");
        measures
    }

    fn subtitles(&mut self) {
        let mut text = String::from(HEAD);
        for i in 0..3 {
            let _ = writeln!(text, "#EXTINF:6.000,\n{i}.vtt");
            let cue = format!(
                "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n\n00:{:02}.000 --> 00:{:02}.500\nA line\n",
                i * 6 + 1,
                i * 6 + 2
            );
            self.put(&format!("subs/{i}.vtt"), cue);
        }
        self.put("subs/index.m3u8", text + "#EXT-X-ENDLIST\n");
    }

    pub fn put(&mut self, file: &str, text: impl Into<String>) {
        self.files.insert(file.into(), text.into().into_bytes());
    }

    pub fn text(&self, file: &str) -> String {
        String::from_utf8(self.files[file].clone()).unwrap()
    }

    /// Replaces text in a playlist, which must be there.
    pub fn replace(&mut self, file: &str, from: &str, to: &str) {
        let text = self.text(file);
        assert!(text.contains(from), "{from:?} is not in {file}:\n{text}");
        self.put(file, text.replace(from, to));
    }

    /// Replaces text in the lines of a file that contain `mark`.
    pub fn replace_in(&mut self, file: &str, mark: &str, from: &str, to: &str) {
        let text = self.text(file);
        let mut found = false;
        let line = |line: &str| {
            found |= line.contains(mark) && line.contains(from);
            if line.contains(mark) { line.replace(from, to) } else { line.to_owned() }
        };
        let text = text.lines().map(line).collect::<Vec<_>>().join("\n") + "\n";
        assert!(found, "{from:?} is in no line of {file} with {mark:?}");
        self.put(file, text);
    }

    /// Removes the lines that contain `mark`, and as many after each.
    pub fn remove(&mut self, file: &str, mark: &str, after: usize) {
        let text = self.text(file);
        let mut left = 0;
        let mut kept = String::new();
        for line in text.lines() {
            if line.contains(mark) {
                left = after + 1;
            }
            if left > 0 {
                left -= 1;
            } else {
                kept += line;
                kept += "\n";
            }
        }
        assert!(kept.len() < text.len(), "{mark:?} is not in {file}");
        self.put(file, kept);
    }

    /// Multiplies a rate in the lines of the multivariant playlist that contain `mark`.
    pub fn scale_rate(&mut self, mark: &str, name: &str, factor: f64) {
        let text = self.text("master.m3u8");
        let line = |line: &str| {
            let Some((before, rest)) = line.split_once(name).filter(|_| line.contains(mark)) else { return line.to_owned() };
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            format!("{before}{name}{}{}", (rest[..digits].parse::<f64>().unwrap() * factor) as u64, &rest[digits..])
        };
        let text = text.lines().map(line).collect::<Vec<_>>().join("\n") + "\n";
        self.put("master.m3u8", text);
    }

    /// The same package on a server that does everything right.
    pub fn served(mut self) -> Self {
        for file in self.files.keys() {
            let (kind, encoding) = match file.rsplit('.').next().unwrap() {
                "m3u8" => ("application/vnd.apple.mpegurl", "gzip"),
                "vtt" => ("text/vtt; charset=utf-8", ""),
                "m4s" => ("video/iso.segment", ""),
                _ => ("video/mp4", ""),
            };
            self.heads.insert(file.clone(), Head { content_type: kind.into(), content_encoding: encoding.into(), redirected: None });
        }
        self
    }

    /// Changes bytes after the first mark in a file.
    pub fn patch(&mut self, file: &str, mark: &[u8], offset: usize, bytes: &[u8]) {
        let data = self.files.get_mut(file).unwrap();
        let at = data.windows(mark.len()).position(|w| w == mark).unwrap() + mark.len() + offset;
        data[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

impl Place for Package {
    fn get(&mut self, address: &Url, range: Option<Range>) -> Result<Answer, Refusal> {
        let file = address.path().trim_start_matches('/');
        let bytes = self.files.get(file).ok_or(Refusal::Missing("no such file".into()))?;
        let Range { start, length } = range.unwrap_or(Range { start: 0, length: bytes.len() as u64 });
        let part = bytes.get(start as usize..(start + length) as usize).ok_or(Refusal::Beyond(bytes.len() as u64))?;
        Ok(Answer { bytes: part.to_vec(), head: self.heads.get(file).cloned() })
    }
}
