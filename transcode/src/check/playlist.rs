//! Multivariant and media playlists, read strictly (RFC 8216). Pure: bytes in, playlist and complaints out. Own
//! reading, not that of whatever writes our playlists: a checker that shares its parser with the writer sees nothing.

use super::attributes::{Attributes, decimal};
use super::rules::{self, Rule};

/// A rule that the text breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    pub rule: &'static Rule,
    pub measured: String,
    pub expected: String,
}

/// Collects complaints.
#[derive(Default)]
pub struct Complaints(pub Vec<Complaint>);

impl Complaints {
    fn add(&mut self, rule: &'static Rule, line: usize, measured: impl std::fmt::Display, expected: &str) {
        self.0.push(Complaint {
            rule,
            measured: format!("line {line}: {}", shortened(&measured.to_string())),
            expected: expected.to_owned(),
        });
    }

    fn whole(&mut self, rule: &'static Rule, measured: impl Into<String>, expected: &str) {
        self.0.push(Complaint { rule, measured: measured.into(), expected: expected.to_owned() });
    }
}

/// Enough of a line to find it again.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(160) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// A playlist of either kind.
#[derive(Debug)]
pub enum Playlist {
    Multivariant(Multivariant),
    Media(Media),
}

/// What a multivariant playlist announces.
#[derive(Debug, Default)]
pub struct Multivariant {
    pub independent: bool,
    pub variants: Vec<Variant>,
    pub trick: Vec<Attributes>,
    pub renditions: Vec<Attributes>,
}

/// One EXT-X-STREAM-INF with the address that follows it.
#[derive(Debug, Clone)]
pub struct Variant {
    pub attributes: Attributes,
    pub uri: String,
}

/// What a media playlist lists.
#[derive(Debug, Default)]
pub struct Media {
    pub target: Option<u64>,
    pub kind: Option<String>,
    pub iframes_only: bool,
    pub end: bool,
    pub maps: Vec<Map>,
    pub keys: Vec<Key>,
    pub entries: Vec<Entry>,
    pub first_number: u64,
}

/// An EXT-X-MAP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    pub uri: String,
    pub range: Option<Range>,
    pub key: Option<usize>,
}

/// An EXT-X-KEY other than NONE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub method: String,
    pub uri: Option<String>,
    pub iv: Option<u128>,
}

/// A part of a file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub start: u64,
    pub length: u64,
}

/// A segment.
#[derive(Debug, Clone)]
pub struct Entry {
    pub uri: String,
    /// Seconds, as EXTINF says.
    pub duration: f64,
    pub range: Option<Range>,
    /// Places in [`Media::maps`] and [`Media::keys`].
    pub map: Option<usize>,
    pub key: Option<usize>,
    /// Its times do not go on from the segment before.
    pub discontinuity: bool,
}

const MULTIVARIANT_TAGS: [&str; 6] = [
    "#EXT-X-MEDIA:",
    "#EXT-X-STREAM-INF:",
    "#EXT-X-I-FRAME-STREAM-INF:",
    "#EXT-X-SESSION-DATA:",
    "#EXT-X-SESSION-KEY:",
    "#EXT-X-CONTENT-STEERING:",
];
const MEDIA_TAGS: [&str; 8] = [
    "#EXTINF:",
    "#EXT-X-TARGETDURATION:",
    "#EXT-X-MEDIA-SEQUENCE:",
    "#EXT-X-ENDLIST",
    "#EXT-X-PLAYLIST-TYPE:",
    "#EXT-X-I-FRAMES-ONLY",
    "#EXT-X-BYTERANGE:",
    "#EXT-X-MAP:",
];

/// Reads a playlist; `None` when it is not text.
pub fn parse(bytes: &[u8], complaints: &mut Complaints) -> Option<Playlist> {
    let bytes = match bytes.strip_prefix(b"\xEF\xBB\xBF") {
        Some(rest) => {
            complaints.whole(&rules::PLAYLIST_TEXT, "a byte order mark", "none");
            rest
        }
        None => bytes,
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        complaints.whole(&rules::PLAYLIST_TEXT, "bytes that are not UTF-8", "UTF-8");
        return None;
    };
    let lines: Vec<(usize, &str)> =
        text.split('\n').enumerate().map(|(i, line)| (i + 1, line.strip_suffix('\r').unwrap_or(line))).collect();
    if let Some((number, _)) = lines.iter().find(|(_, line)| line.chars().any(char::is_control)) {
        complaints.add(&rules::PLAYLIST_TEXT, *number, "a control character", "none but line ends");
    }
    if lines.first().is_none_or(|(_, line)| *line != "#EXTM3U") {
        complaints.whole(&rules::EXTM3U, lines.first().map_or(String::new(), |(_, line)| shortened(line)), "#EXTM3U");
    }
    let having = |tags: &[&str]| lines.iter().find(|(_, line)| tags.iter().any(|tag| line.starts_with(tag))).copied();
    let multivariant = having(&MULTIVARIANT_TAGS);
    if let (Some(_), Some((number, line))) = (multivariant, having(&MEDIA_TAGS)) {
        complaints.add(&rules::PLAYLIST_TEXT, number, line, "no tag of a media playlist in a multivariant one");
    }
    Some(match multivariant {
        Some(_) => Playlist::Multivariant(read_multivariant(&lines, complaints)),
        None => Playlist::Media(read_media(&lines, complaints)),
    })
}

/// A tag that may be there once. Says so when it comes again.
struct Once(bool);

impl Once {
    fn seen(&mut self, rule: &'static Rule, line: (usize, &str), complaints: &mut Complaints) {
        if self.0 {
            complaints.add(rule, line.0, format!("{} again", line.1), "once");
        }
        self.0 = true;
    }
}

fn attributes(line: (usize, &str), list: &str, complaints: &mut Complaints) -> Attributes {
    Attributes::parse(list, &mut |what| complaints.add(&rules::ATTRIBUTES, line.0, what, "NAME=value,…"))
}

/// The version a playlist says, and the one that it needs.
struct Version {
    said: Option<u64>,
    once: Once,
    needed: u64,
    by: &'static str,
}

impl Version {
    fn new() -> Self {
        Self { said: None, once: Once(false), needed: 1, by: "" }
    }

    fn tag(&mut self, line: (usize, &str), value: &str, complaints: &mut Complaints) {
        self.once.seen(&rules::VERSION_TAG, line, complaints);
        match value.parse() {
            Ok(version) if version > 0 => self.said = Some(version),
            _ => complaints.add(&rules::VERSION_TAG, line.0, line.1, "a number from 1 on"),
        }
    }

    fn needs(&mut self, version: u64, by: &'static str) {
        if version > self.needed {
            (self.needed, self.by) = (version, by);
        }
    }

    fn judge(&self, complaints: &mut Complaints) {
        let said = self.said.unwrap_or(1);
        if said < self.needed {
            complaints.whole(&rules::VERSION, format!("version {said}"), &format!("{} or more, for {}", self.needed, self.by));
        }
    }
}

fn read_multivariant(lines: &[(usize, &str)], complaints: &mut Complaints) -> Multivariant {
    let mut playlist = Multivariant::default();
    let mut version = Version::new();
    let mut waiting: Option<(usize, Attributes)> = None;
    for &line in lines {
        let (number, text) = line;
        if text.is_empty() {
            continue;
        }
        if waiting.is_some()
            && text.starts_with("#EXT")
            && let Some((number, _)) = waiting.take()
        {
            complaints.add(&rules::STREAM_INF, number, "no address follows", "the address on the next line");
        }
        if let Some(value) = text.strip_prefix("#EXT-X-VERSION:") {
            version.tag(line, value, complaints);
        } else if text == "#EXT-X-INDEPENDENT-SEGMENTS" {
            playlist.independent = true;
        } else if let Some(list) = text.strip_prefix("#EXT-X-STREAM-INF:") {
            waiting = Some((number, attributes(line, list, complaints)));
        } else if let Some(list) = text.strip_prefix("#EXT-X-I-FRAME-STREAM-INF:") {
            playlist.trick.push(attributes(line, list, complaints));
        } else if let Some(list) = text.strip_prefix("#EXT-X-MEDIA:") {
            let attributes = attributes(line, list, complaints);
            if attributes.text("INSTREAM-ID").is_some_and(|id| id.starts_with("SERVICE")) {
                version.needs(7, "INSTREAM-ID of a SERVICE");
            }
            playlist.renditions.push(attributes);
        } else if !text.starts_with('#') {
            match waiting.take() {
                Some((_, attributes)) => playlist.variants.push(Variant { attributes, uri: text.to_owned() }),
                None => complaints.add(&rules::STREAM_INF, number, text, "an EXT-X-STREAM-INF before each address"),
            }
        }
    }
    if let Some((number, _)) = waiting {
        complaints.add(&rules::STREAM_INF, number, "no address follows", "the address on the next line");
    }
    version.judge(complaints);
    playlist
}

fn read_media(lines: &[(usize, &str)], complaints: &mut Complaints) -> Media {
    let mut playlist = Media::default();
    let mut version = Version::new();
    let (mut target_once, mut sequence_once, mut kind_once) = (Once(false), Once(false), Once(false));
    let (mut map, mut key) = (None, None);
    let mut duration: Option<f64> = None;
    let mut range: Option<(u64, Option<u64>)> = None;
    let mut discontinuity = false;
    for &line in lines {
        let (number, text) = line;
        if text.is_empty() {
            continue;
        }
        if let Some(value) = text.strip_prefix("#EXTINF:") {
            let (seconds, titled) = value.split_once(',').map_or((value, false), |(seconds, _)| (seconds, true));
            if !titled || decimal(seconds).is_none() {
                complaints.add(&rules::EXTINF, number, text, "#EXTINF:seconds,");
            }
            if seconds.contains('.') {
                version.needs(3, "an EXTINF with a fraction");
            }
            duration = Some(decimal(seconds).unwrap_or(0.0));
        } else if let Some(value) = text.strip_prefix("#EXT-X-BYTERANGE:") {
            version.needs(4, "EXT-X-BYTERANGE");
            range = byte_range(value);
            if range.is_none() {
                complaints.add(&rules::BYTERANGE, number, text, "#EXT-X-BYTERANGE:length@start");
            }
        } else if let Some(value) = text.strip_prefix("#EXT-X-VERSION:") {
            version.tag(line, value, complaints);
        } else if let Some(value) = text.strip_prefix("#EXT-X-TARGETDURATION:") {
            target_once.seen(&rules::TARGET_DURATION, line, complaints);
            playlist.target = value.parse().ok();
            if playlist.target.is_none() {
                complaints.add(&rules::TARGET_DURATION, number, text, "whole seconds");
            }
        } else if let Some(value) = text.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
            sequence_once.seen(&rules::MEDIA_SEQUENCE, line, complaints);
            match value.parse() {
                Ok(first) if playlist.entries.is_empty() => playlist.first_number = first,
                _ => complaints.add(&rules::MEDIA_SEQUENCE, number, text, "a number before the first segment"),
            }
        } else if let Some(value) = text.strip_prefix("#EXT-X-PLAYLIST-TYPE:") {
            kind_once.seen(&rules::PLAYLIST_TYPE, line, complaints);
            if !matches!(value, "VOD" | "EVENT") {
                complaints.add(&rules::PLAYLIST_TYPE, number, text, "VOD or EVENT");
            }
            playlist.kind = Some(value.to_owned());
        } else if text == "#EXT-X-I-FRAMES-ONLY" {
            version.needs(4, "EXT-X-I-FRAMES-ONLY");
            playlist.iframes_only = true;
        } else if text == "#EXT-X-DISCONTINUITY" {
            discontinuity = true;
        } else if text == "#EXT-X-ENDLIST" {
            playlist.end = true;
        } else if let Some(list) = text.strip_prefix("#EXT-X-MAP:") {
            version.needs(5, "EXT-X-MAP");
            map = read_map(line, list, key, complaints).map(|found| {
                playlist.maps.push(found);
                playlist.maps.len() - 1
            });
        } else if let Some(list) = text.strip_prefix("#EXT-X-KEY:") {
            let attributes = attributes(line, list, complaints);
            if attributes.has("IV") {
                version.needs(2, "the IV of an EXT-X-KEY");
            }
            if attributes.has("KEYFORMAT") || attributes.has("KEYFORMATVERSIONS") {
                version.needs(5, "KEYFORMAT");
            }
            key = read_key(line, &attributes, complaints).map(|found| {
                playlist.keys.push(found);
                playlist.keys.len() - 1
            });
        } else if !text.starts_with('#') {
            if duration.is_none() {
                complaints.add(&rules::EXTINF, number, text, "an EXTINF before each address");
            }
            let range = range.take().and_then(|(length, start)| place(length, start, text, &playlist, number, complaints));
            playlist.entries.push(Entry { uri: text.to_owned(), duration: duration.take().unwrap_or(0.0), range, map, key, discontinuity });
            discontinuity = false;
        }
    }
    if !playlist.iframes_only && !playlist.maps.is_empty() {
        version.needs(6, "EXT-X-MAP in a playlist that is not of I-frames");
    }
    if playlist.target.is_none() && !target_once.0 {
        complaints.whole(&rules::TARGET_DURATION, "no EXT-X-TARGETDURATION", "one");
    }
    version.judge(complaints);
    playlist
}

fn read_map(line: (usize, &str), list: &str, key: Option<usize>, complaints: &mut Complaints) -> Option<Map> {
    let attributes = attributes(line, list, complaints);
    let range = attributes.text("BYTERANGE").and_then(|value| match byte_range(value) {
        Some((length, Some(start))) => Some(Range { start, length }),
        _ => {
            complaints.add(&rules::BYTERANGE, line.0, line.1, "BYTERANGE=\"length@start\"");
            None
        }
    });
    let Some(uri) = attributes.text("URI") else {
        complaints.add(&rules::MAP_TAG, line.0, line.1, "URI");
        return None;
    };
    Some(Map { uri: uri.to_owned(), range, key })
}

fn read_key(line: (usize, &str), attributes: &Attributes, complaints: &mut Complaints) -> Option<Key> {
    let mut complain = |expected: &str| complaints.add(&rules::KEY, line.0, line.1, expected);
    let method = attributes.text("METHOD").unwrap_or_default().to_owned();
    let uri = attributes.text("URI").map(str::to_owned);
    match method.as_str() {
        "NONE" => return None,
        "AES-128" | "SAMPLE-AES" | "SAMPLE-AES-CTR" => {
            if uri.is_none() {
                complain("a URI");
            }
        }
        _ => complain("METHOD=NONE, AES-128 or SAMPLE-AES"),
    }
    let iv = attributes.text("IV").map(|iv| u128::from_str_radix(iv.trim_start_matches("0x").trim_start_matches("0X"), 16));
    if matches!(iv, Some(Err(_))) {
        complain("an IV of 128 bits");
    }
    Some(Key { method, uri, iv: iv.and_then(Result::ok) })
}

/// `length[@start]`.
fn byte_range(text: &str) -> Option<(u64, Option<u64>)> {
    match text.split_once('@') {
        Some((length, start)) => Some((length.parse().ok()?, Some(start.parse().ok()?))),
        None => Some((text.parse().ok()?, None)),
    }
}

/// Where a range starts that may go on from the one before.
fn place(length: u64, start: Option<u64>, uri: &str, playlist: &Media, line: usize, complaints: &mut Complaints) -> Option<Range> {
    let before = playlist.entries.last().filter(|entry| entry.uri == uri).and_then(|entry| entry.range);
    let start = start.or_else(|| before.map(|before| before.start.saturating_add(before.length)));
    if start.is_none() {
        complaints.add(&rules::BYTERANGE, line, uri, "a start, as no range of the same file comes before");
    }
    start.map(|start| Range { start, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(text: &str) -> (Media, Vec<&'static str>) {
        let mut complaints = Complaints::default();
        match parse(text.as_bytes(), &mut complaints) {
            Some(Playlist::Media(media)) => (media, complaints.0.iter().map(|c| c.rule.id).collect()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_media_playlist_is_read_with_its_ranges_maps_and_keys() {
        let (media, complaints) = media(
            "#EXTM3U\r\n#EXT-X-VERSION:7\r\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:5\n#EXT-X-PLAYLIST-TYPE:VOD\n\
             #EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"10@0\"\n#EXTINF:4.0,\n#EXT-X-BYTERANGE:100@10\na.mp4\n\
             #EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x10\n#EXTINF:3,title\n#EXT-X-BYTERANGE:50\na.mp4\n#EXT-X-KEY:METHOD=NONE\n\
             # remark\n#EXT-X-OTHER\n#EXTINF:1,\nb.mp4\n#EXT-X-ENDLIST\n",
        );
        assert_eq!(complaints, Vec::<&str>::new());
        assert_eq!((media.target, media.first_number, media.end, media.kind.as_deref()), (Some(4), 5, true, Some("VOD")));
        let ranges: Vec<_> = media.entries.iter().map(|entry| entry.range.map(|r| (r.start, r.length))).collect();
        assert_eq!(ranges, [Some((10, 100)), Some((110, 50)), None]);
        assert_eq!(
            media.entries.iter().map(|entry| (entry.map, entry.key)).collect::<Vec<_>>(),
            [(Some(0), None), (Some(0), Some(0)), (Some(0), None)]
        );
        assert_eq!((media.maps[0].range, media.keys[0].iv), (Some(Range { start: 0, length: 10 }), Some(16)));
    }

    #[test]
    fn what_needs_a_version_asks_for_it() {
        let versions = |said: &str, body: &str| media(&format!("#EXTM3U\n{said}#EXT-X-TARGETDURATION:4\n{body}\n")).1;
        assert_eq!(versions("", "#EXTINF:4,\na"), Vec::<&str>::new());
        assert_eq!(versions("", "#EXTINF:4.5,\na"), ["RFC 8216 7"]);
        assert_eq!(versions("#EXT-X-VERSION:3\n", "#EXTINF:4,\n#EXT-X-BYTERANGE:1@0\na"), ["RFC 8216 7"]);
        assert_eq!(versions("#EXT-X-VERSION:5\n", "#EXT-X-MAP:URI=\"i\"\n#EXTINF:4,\na"), ["RFC 8216 7"]);
        assert_eq!(versions("#EXT-X-VERSION:5\n", "#EXT-X-I-FRAMES-ONLY\n#EXT-X-MAP:URI=\"i\"\n#EXTINF:4,\na"), Vec::<&str>::new());
    }

    #[test]
    fn nonsense_is_complained_about_and_never_fatal() {
        let mut complaints = Complaints::default();
        assert!(parse(b"\xFF\xFE", &mut complaints).is_none());
        for text in
            ["", "#EXTM3U", "x", "#EXTINF:", "#EXTINF:1,", "#EXT-X-BYTERANGE:@", "#EXT-X-MAP:", "#EXT-X-KEY:,", "#EXT-X-STREAM-INF:=", "\0"]
        {
            parse(text.as_bytes(), &mut complaints);
        }
        assert!(complaints.0.len() > 10);
    }
}
