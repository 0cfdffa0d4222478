//! What delivery reads out of a package's playlists, and what it adds to them. Pure.
//!
//! The package's own playlists are written when its segments are (`transcode::playlist`); what depends on who watches,
//! when, or on what was uploaded since is added here.

use std::fmt::Write;

use super::address::{CAPTIONS, Picture, captions_segment_name, iframe_name, segment_number};

/// A captions rendition as the multivariant playlist announces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Folder of the rendition.
    pub id: String,
    /// BCP 47.
    pub language: String,
    /// What a viewer chooses by, if there is more to say than the language.
    pub title: Option<String>,
    /// For those who cannot hear: what is not speech is told as well.
    pub sdh: bool,
    /// Shown even to those who want no captions: what is spoken in another language.
    pub forced: bool,
    /// Shown when nobody has chosen.
    pub default: bool,
    /// Made by a machine, and seen through by nobody yet.
    pub auto: bool,
}

/// Group of all captions renditions.
const GROUP: &str = "captions";
/// What an SDH track is (Apple's authoring rules, 4.5).
const SDH: &str = "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound";

/// The multivariant playlist with its captions renditions.
pub fn with_captions(master: &str, tracks: &[Track]) -> String {
    let mut text = String::with_capacity(master.len() + 256 * tracks.len());
    let mut announced = false;
    for line in master.lines() {
        let Some(attributes) = line.strip_prefix("#EXT-X-STREAM-INF:") else {
            text.push_str(line);
            text.push('\n');
            continue;
        };
        if !announced {
            text.push_str(&renditions(tracks));
            announced = true;
        }
        let _ = write!(text, "#EXT-X-STREAM-INF:{attributes}");
        if !tracks.is_empty() && !attributes.contains("SUBTITLES=") {
            let _ = write!(text, ",SUBTITLES=\"{GROUP}\"");
        }
        if !attributes.contains("CLOSED-CAPTIONS=") {
            text.push_str(",CLOSED-CAPTIONS=NONE");
        }
        text.push('\n');
    }
    text
}

fn renditions(tracks: &[Track]) -> String {
    let mut text = String::new();
    let mut names: Vec<String> = vec![];
    let mut kinds = vec![];
    let mut default = false;
    for track in tracks {
        let name = distinct(&name(track), &names);
        // A player chooses by itself among those that differ in what it can ask for.
        let kind = (&track.language, track.sdh, track.forced);
        let autoselect = track.default || track.sdh || track.forced || !kinds.contains(&kind);
        let is_default = track.default && !default;
        let yes = |holds: bool| if holds { "YES" } else { "NO" };
        let _ = write!(
            text,
            "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"{GROUP}\",NAME=\"{name}\",LANGUAGE=\"{}\",DEFAULT={},AUTOSELECT={},FORCED={}",
            track.language,
            yes(is_default),
            yes(autoselect),
            yes(track.forced),
        );
        if track.sdh {
            let _ = write!(text, ",CHARACTERISTICS=\"{SDH}\"");
        }
        let _ = writeln!(text, ",URI=\"{CAPTIONS}/{}/index.m3u8\"", track.id);
        default |= is_default;
        kinds.push(kind);
        names.push(name);
    }
    text
}

/// What a track is called in a playlist, where nothing else says that a machine has made it.
fn name(track: &Track) -> String {
    let automatic = if track.auto { " (automatic)" } else { "" };
    label(track) + automatic
}

/// What a track is called: its language in that language, and what it is for.
pub fn label(track: &Track) -> String {
    let mut name = kernel::language::name(&track.language).or_else(|| track.title.clone()).unwrap_or_else(|| track.language.clone());
    if track.sdh {
        name.push_str(" (SDH)");
    }
    if track.forced {
        name.push_str(" (forced)");
    }
    name
}

/// Names in a group must differ, and cannot hold what would end the attribute.
fn distinct(name: &str, taken: &[String]) -> String {
    let clean: String = name.chars().map(|c| if c == '"' || c.is_control() { ' ' } else { c }).collect();
    let mut candidate = clean.clone();
    let mut copy = 2;
    while taken.contains(&candidate) {
        candidate = format!("{clean} {copy}");
        copy += 1;
    }
    candidate
}

/// The first variant's playlist, relative to the multivariant playlist.
pub fn first_variant(master: &str) -> Option<&str> {
    let mut lines = master.lines();
    lines.find(|line| line.starts_with("#EXT-X-STREAM-INF:"))?;
    lines.find(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Segments as a media playlist lists them.
#[derive(Clone, Debug, PartialEq)]
pub struct Segments {
    /// As written, for what has to be the same in all playlists.
    pub target: String,
    /// The duration of each as written, and in ms from the beginning: where it begins and where it ends.
    pub list: Vec<(String, i64, i64)>,
}

/// Reads a media playlist. None when it lists nothing.
pub fn segments(playlist: &str) -> Option<Segments> {
    let mut target = None;
    let mut list = vec![];
    let mut at = 0.0;
    for line in playlist.lines() {
        if let Some(value) = line.strip_prefix("#EXT-X-TARGETDURATION:") {
            target = Some(value.trim().to_owned());
        } else if let Some(value) = line.strip_prefix("#EXTINF:") {
            let written = value.split(',').next().unwrap_or_default().trim();
            let seconds: f64 = written.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0)?;
            let ms = |seconds: f64| (seconds * 1000.0).round() as i64;
            // Even the shortest has an end after its beginning.
            list.push((written.to_owned(), ms(at), ms(at + seconds).max(ms(at) + 1)));
            at += seconds;
        }
    }
    (!list.is_empty()).then_some(Segments { target: target?, list })
}

/// The playlist of a captions rendition that is cut like the given segments.
pub fn captions(like: &Segments) -> String {
    let mut text =
        format!("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n", like.target);
    for (i, (duration, from, to)) in like.list.iter().enumerate() {
        let _ = writeln!(text, "#EXTINF:{duration},\n{}", captions_segment_name(i + 1, *from, *to));
    }
    text + "#EXT-X-ENDLIST\n"
}

/// Where the key of the stream is, from a rendition's folder.
const KEY: &str = "#EXT-X-KEY:METHOD=AES-128,URI=\"../key\"";

/// A media playlist of encrypted segments. The initialisation section stands before the key, as it is sent as it is; the
/// segments' initialisation vectors are their media sequence numbers, which count from 1 as the segments' names do.
pub fn encrypted(playlist: &str) -> String {
    let mut text = String::with_capacity(playlist.len() + KEY.len());
    for line in playlist.lines().filter(|line| !line.starts_with("#EXT-X-MEDIA-SEQUENCE:")) {
        let _ = writeln!(text, "{line}");
        if line.starts_with("#EXT-X-TARGETDURATION:") {
            text.push_str("#EXT-X-MEDIA-SEQUENCE:1\n");
        }
        if line.starts_with("#EXT-X-MAP:") {
            let _ = writeln!(text, "{KEY}");
        }
    }
    text
}

/// An I-frame playlist of encrypted segments: no part of a chain of blocks can be read by itself, so that each picture is
/// a resource of its own instead of a range of bytes.
pub fn encrypted_iframes(playlist: &str) -> String {
    let mut text = String::with_capacity(playlist.len() * 2);
    let (mut range, mut end, mut sequence) = (None, 0, 0);
    for line in encrypted(playlist).lines() {
        if let Some(value) = line.strip_prefix("#EXT-X-BYTERANGE:") {
            let (bytes, from) = value.split_once('@').unwrap_or((value, ""));
            // Without a place it goes on where the one before ended.
            range = bytes.parse::<u64>().ok().map(|bytes| (from.parse().unwrap_or(end), bytes));
            continue;
        }
        match (segment_number(line), range.take_if(|_| !line.starts_with('#'))) {
            (Some(segment), Some((from, bytes))) => {
                sequence += 1;
                end = from + bytes;
                let _ = writeln!(text, "{}", iframe_name(sequence, Picture { segment, from, bytes }));
            }
            _ => {
                let _ = writeln!(text, "{line}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"Sound\",LANGUAGE=\"en\",URI=\"audio/index.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"audio\"\nb/index.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO=\"audio\"\na/index.m3u8\n\
        #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"b/iframes.m3u8\"\n";

    const MEDIA: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n\
        #EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:4.004000,\nseg-00001.m4s\n#EXTINF:1.500000,\nseg-00002.m4s\n#EXT-X-ENDLIST\n";

    const IFRAMES: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-I-FRAMES-ONLY\n#EXT-X-MAP:URI=\"init.mp4\"\n\
        #EXTINF:4.004000,\n#EXT-X-BYTERANGE:4711@0\nseg-00001.m4s\n#EXT-X-ENDLIST\n";

    fn track(id: &str, language: &str) -> Track {
        Track { id: id.into(), language: language.into(), title: None, sdh: false, forced: false, default: false, auto: false }
    }

    #[test]
    fn every_captions_rendition_is_announced_and_every_variant_has_the_group() {
        let tracks = [
            track("a", "en"),
            Track { sdh: true, ..track("b", "en") },
            Track { default: true, ..track("c", "de") },
            Track { forced: true, default: true, ..track("d", "de") },
            Track { auto: true, ..track("e", "fr") },
        ];
        let text = with_captions(MASTER, &tracks);
        for line in [
            "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"captions\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,URI=\"captions/a/index.m3u8\"",
            "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"captions\",NAME=\"English (SDH)\",LANGUAGE=\"en\",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,CHARACTERISTICS=\"public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound\",URI=\"captions/b/index.m3u8\"",
            "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"captions\",NAME=\"Deutsch\",LANGUAGE=\"de\",DEFAULT=YES,AUTOSELECT=YES,FORCED=NO,URI=\"captions/c/index.m3u8\"",
            "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"captions\",NAME=\"Deutsch (forced)\",LANGUAGE=\"de\",DEFAULT=NO,AUTOSELECT=YES,FORCED=YES,URI=\"captions/d/index.m3u8\"",
            "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"captions\",NAME=\"Français (automatic)\",LANGUAGE=\"fr\",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,URI=\"captions/e/index.m3u8\"",
            "#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"audio\",SUBTITLES=\"captions\",CLOSED-CAPTIONS=NONE",
            "#EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO=\"audio\",SUBTITLES=\"captions\",CLOSED-CAPTIONS=NONE",
            "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"b/iframes.m3u8\"",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.find("TYPE=SUBTITLES").unwrap() < text.find("STREAM-INF").unwrap(), "{text}");
    }

    #[test]
    fn without_captions_there_is_no_group_and_what_is_said_is_not_said_twice() {
        let text = with_captions(MASTER, &[]);
        assert!(!text.contains("SUBTITLES") && text.matches(",CLOSED-CAPTIONS=NONE\n").count() == 2, "{text}");
        assert_eq!(with_captions(&text, &[]), text);
    }

    #[test]
    fn names_in_the_group_differ_and_cannot_end_their_quotes() {
        let titled = |id: &str| Track { title: Some("Odd \"name\"\n".into()), ..track(id, "und") };
        let text = with_captions(MASTER, &[titled("a"), titled("b"), track("c", "en"), track("d", "en")]);
        for part in ["NAME=\"Odd  name  \",", "NAME=\"Odd  name   2\",", "NAME=\"English\",", "NAME=\"English 2\","] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert_eq!(text.matches("AUTOSELECT=NO").count(), 2, "a second one of a kind is not chosen by itself");
    }

    #[test]
    fn captions_are_cut_like_the_film() {
        assert_eq!(first_variant(MASTER), Some("b/index.m3u8"));
        let segments = segments(MEDIA).unwrap();
        assert_eq!(segments.list, [("4.004000".into(), 0, 4004), ("1.500000".into(), 4004, 5504)]);
        assert_eq!(
            captions(&segments),
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n\
             #EXTINF:4.004000,\nseg-00001-0-4004.vtt\n#EXTINF:1.500000,\nseg-00002-4004-5504.vtt\n#EXT-X-ENDLIST\n"
        );
        assert_eq!(super::segments("#EXTM3U\n#EXTINF:x,\na\n"), None);
        assert_eq!(super::segments("#EXTM3U\n"), None);
    }

    #[test]
    fn the_key_stands_after_the_initialisation_section_and_pictures_are_resources() {
        let text = encrypted(MEDIA);
        assert!(text.contains("#EXT-X-MAP:URI=\"init.mp4\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"../key\"\n#EXTINF:4.004000,\nseg-00001.m4s\n"));
        assert_eq!(text.matches("#EXT-X-MEDIA-SEQUENCE:1\n").count(), 1);
        let dense = IFRAMES.replace(
            "seg-00001.m4s\n",
            "seg-00001.m4s\n#EXTINF:1,\n#EXT-X-BYTERANGE:10@9000\nseg-00001.m4s\n#EXTINF:1,\n#EXT-X-BYTERANGE:20\nseg-00001.m4s\n",
        );
        let text = encrypted_iframes(&dense);
        assert!(text.contains("iframe-00002-1-9000-10.m4s\n") && text.contains("iframe-00003-1-9010-20.m4s\n"), "{text}");
        let text = encrypted_iframes(IFRAMES);
        assert!(text.contains("URI=\"../key\"\n#EXTINF:4.004000,\niframe-00001-1-0-4711.m4s\n#EXT-X-ENDLIST\n"), "{text}");
        assert!(!text.contains("BYTERANGE"));
    }
}
