//! What an address below `/stream/` asks for. Pure: the only texts that become part of an object's key are those that
//! are taken apart and found to be plain names here.

use kernel::id::AssetId;
use kernel::store::Prefix;

/// An address, taken apart.
#[derive(Debug, PartialEq)]
pub struct Address<'a> {
    pub token: &'a str,
    pub asset: AssetId,
    /// Where this version of the stream lies.
    pub prefix: Prefix,
    pub wanted: Wanted<'a>,
}

/// What there is of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// The multivariant playlist.
    Master,
    /// A rendition's playlist.
    Playlist { rendition: &'a str },
    /// A rendition's I-frame playlist.
    IFrames { rendition: &'a str },
    /// A rendition's initialisation section.
    Init { rendition: &'a str },
    /// A segment, counted from 1.
    Segment { rendition: &'a str, number: u32 },
    /// A picture inside a segment, by its place in the I-frame playlist: only where segments are encrypted.
    IFrame { rendition: &'a str, sequence: u32, place: Picture },
    /// The playlist of a captions rendition.
    CaptionsPlaylist { id: &'a str },
    /// The captions that are shown between two times (ms).
    CaptionsSegment { id: &'a str, from: i64, to: i64 },
    /// All captions of a rendition in one file.
    CaptionsFile { id: &'a str },
    /// A file beside the renditions: poster, storyboard, its sheets.
    File { name: &'a str },
    /// The key of an encrypted stream.
    Key,
}

/// The bytes of a segment that one picture needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    pub segment: u32,
    pub from: u64,
    pub bytes: u64,
}

/// Folder of the captions renditions.
pub const CAPTIONS: &str = "captions";

/// The version of a stream as its addresses name it: the last part of its prefix.
pub fn version(prefix: &Prefix) -> &str {
    prefix.as_str().rsplit('/').next().unwrap_or_default()
}

/// Name of a segment's object.
pub fn segment_name(number: u32) -> String {
    format!("seg-{number:05}.m4s")
}

/// Name of the resource that is one picture of an encrypted stream.
pub fn iframe_name(sequence: u32, place: Picture) -> String {
    format!("iframe-{sequence:05}-{}-{}-{}.m4s", place.segment, place.from, place.bytes)
}

/// Name of a segment of captions: what has to be known to cut it stands in it, so that nothing has to be looked up.
pub fn captions_segment_name(number: usize, from: i64, to: i64) -> String {
    format!("seg-{number:05}-{from}-{to}.vtt")
}

/// The number in the name of a segment.
pub fn segment_number(name: &str) -> Option<u32> {
    numbered(name, "seg-", ".m4s")
}

/// Takes the path of a request apart, as it was sent: none of ours needs percent-encoding, so that nothing has to be
/// decoded and no spelling of `..` can be one. None when it is no address of ours.
pub fn parse(path: &str) -> Option<Address<'_>> {
    let mut parts = path.strip_prefix("/stream/")?.splitn(4, '/');
    let (token, asset, version, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let asset: AssetId = asset.parse().ok().filter(|id: &AssetId| id.to_string() == asset)?;
    let prefix = Prefix::parse(&format!("assets/{asset}/{version}")).ok()?;
    let parts: Vec<&str> = rest.split('/').collect();
    let wanted = match parts[..] {
        ["master.m3u8"] => Wanted::Master,
        ["key"] => Wanted::Key,
        [name] => file(name)?,
        [CAPTIONS, id, file] if plain(id) => match file {
            "index.m3u8" => Wanted::CaptionsPlaylist { id },
            "captions.vtt" => Wanted::CaptionsFile { id },
            _ => captions_segment(id, file)?,
        },
        [rendition, file] if plain(rendition) && rendition != CAPTIONS => match file {
            "index.m3u8" => Wanted::Playlist { rendition },
            "iframes.m3u8" => Wanted::IFrames { rendition },
            "init.mp4" => Wanted::Init { rendition },
            _ if file.starts_with("iframe-") => iframe(rendition, file)?,
            _ => Wanted::Segment { rendition, number: segment_number(file)? },
        },
        _ => return None,
    };
    Some(Address { token, asset, prefix, wanted })
}

/// A name such as `poster-2.jpg`; playlists and whatever else has a meaning of its own are no plain files.
fn file(name: &str) -> Option<Wanted<'_>> {
    let (stem, ending) = name.rsplit_once('.')?;
    (plain(stem) && matches!(ending, "jpg" | "vtt" | "mp4")).then_some(Wanted::File { name })
}

fn iframe<'a>(rendition: &'a str, name: &str) -> Option<Wanted<'a>> {
    let mut numbers = name.strip_prefix("iframe-")?.strip_suffix(".m4s")?.split('-').map(|part| part.parse::<u64>().ok());
    let mut next = || numbers.next().flatten();
    let (sequence, segment) = (next()?.try_into().ok()?, next()?.try_into().ok()?);
    let place = Picture { segment, from: next()?, bytes: next()? };
    // A name that is written in another way is none of ours.
    (place.bytes > 0 && segment > 0 && iframe_name(sequence, place) == name).then_some(Wanted::IFrame { rendition, sequence, place })
}

fn captions_segment<'a>(id: &'a str, name: &str) -> Option<Wanted<'a>> {
    let mut numbers = name.strip_prefix("seg-")?.strip_suffix(".vtt")?.split('-').map(|part| part.parse::<i64>().ok());
    let mut next = || numbers.next().flatten();
    let (number, from, to) = (next()?.try_into().ok()?, next()?, next()?);
    (from < to && captions_segment_name(number, from, to) == name).then_some(Wanted::CaptionsSegment { id, from, to })
}

fn numbered(name: &str, before: &str, after: &str) -> Option<u32> {
    counted(name.strip_prefix(before)?.strip_suffix(after)?)
}

/// A number from 1 in the one way in which it is written.
fn counted(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number: &u32| *number > 0 && format!("{number:05}") == text)
}

fn plain(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::id::JobId;

    fn stream() -> (AssetId, Prefix) {
        let asset = AssetId::new();
        (asset, Prefix::attempt(asset, JobId::new(), 1))
    }

    #[test]
    fn every_part_of_a_stream_has_an_address() {
        let (asset, prefix) = stream();
        let base = format!("/stream/t/{asset}/{}", version(&prefix));
        for (rest, wanted) in [
            ("master.m3u8", Wanted::Master),
            ("key", Wanted::Key),
            ("poster.jpg", Wanted::File { name: "poster.jpg" }),
            ("storyboard.vtt", Wanted::File { name: "storyboard.vtt" }),
            ("1280x720/index.m3u8", Wanted::Playlist { rendition: "1280x720" }),
            ("1280x720/iframes.m3u8", Wanted::IFrames { rendition: "1280x720" }),
            ("audio/init.mp4", Wanted::Init { rendition: "audio" }),
            ("audio-de/seg-00012.m4s", Wanted::Segment { rendition: "audio-de", number: 12 }),
            ("audio/seg-123456.m4s", Wanted::Segment { rendition: "audio", number: 123_456 }),
            (
                "640x360/iframe-00003-2-0-4711.m4s",
                Wanted::IFrame { rendition: "640x360", sequence: 3, place: Picture { segment: 2, from: 0, bytes: 4711 } },
            ),
            ("captions/captions-en/index.m3u8", Wanted::CaptionsPlaylist { id: "captions-en" }),
            ("captions/captions-en/seg-00002-4000-8000.vtt", Wanted::CaptionsSegment { id: "captions-en", from: 4000, to: 8000 }),
            ("captions/captions-en/captions.vtt", Wanted::CaptionsFile { id: "captions-en" }),
        ] {
            let path = format!("{base}/{rest}");
            assert_eq!(parse(&path), Some(Address { token: "t", asset, prefix: prefix.clone(), wanted }), "{rest}");
        }
    }

    #[test]
    fn nothing_else_is_an_address() {
        let (asset, prefix) = stream();
        let version = version(&prefix);
        let whole = |rest: &str| format!("/stream/t/{asset}/{version}/{rest}");
        let mut bad: Vec<String> = [
            "",
            ".",
            "..",
            "../master.m3u8",
            "..%2fmaster.m3u8",
            "%2e%2e/master.m3u8",
            "640x360/../master.m3u8",
            "640x360/..%2fmaster.m3u8",
            "640x360%2findex.m3u8",
            "640x360//index.m3u8",
            "640x360/index.m3u8/",
            "640x360/index.m3u8%00",
            "640X360/index.m3u8",
            "master.M3U8",
            "index.m3u8",
            "640x360/seg-1.m4s",
            "640x360/seg-00000.m4s",
            "640x360/seg-000001.m4s",
            "640x360/seg-99999999999.m4s",
            "640x360/seg-00001.m4s.m4s",
            "640x360/iframe-00001-1-0-0.m4s",
            "640x360/iframe-00001-1-0-010.m4s",
            "640x360/iframe-00001-0-0-1.m4s",
            "640x360/iframe-00001-1-0-1-1.m4s",
            "640x360/iframe-00001-1.m4s",
            "640x360/secret.txt",
            "captions/index.m3u8",
            "captions/captions-en/seg-00002-4000.vtt",
            "captions/captions-en/seg-00002-4000-4000.vtt",
            "captions/captions-en/seg-2-4000-8000.vtt",
            "captions/captions-en/seg-00002-04000-8000.vtt",
            "captions/captions-en/seg-00002--4000-8000.vtt",
            "captions/captions-en/seg-00002-0-99999999999999999999.vtt",
            "captions/seg-00001.m4s",
            "captions/../x/index.m3u8",
            "a/b/c/d",
            "poster.svg",
            ".jpg",
        ]
        .map(whole)
        .into();
        bad.extend([
            format!("/stream/{asset}/{version}/master.m3u8"),
            format!("/stream/t/{asset}/master.m3u8"),
            format!("/stream/t/{asset}/../master.m3u8"),
            format!("/stream/t/{asset}/..%2f{version}/master.m3u8"),
            format!("/stream/t/{}/{version}/master.m3u8", asset.to_string().to_uppercase()),
            format!("/stream/t/%7b{asset}%7d/{version}/master.m3u8"),
            "/media/t/x".into(),
        ]);
        for path in bad {
            assert_eq!(parse(&path), None, "{path}");
        }
    }
}
