//! Each rule, broken in just its own way: the package that keeps all of them is changed in one place, and the rule, with
//! those that cannot but break along with it, is all that is found.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpListener;

use aws_lc_rs::cipher::{EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use url::Url;

use super::place::Head;
use super::rules::ALL;
use super::sample::{ADDRESS, Package, Recipe, inside, sound_init};
use super::{Report, check_at};

fn report(package: &mut Package) -> Report {
    check_at(package, &Url::parse(ADDRESS).unwrap(), "package").unwrap()
}

fn broken(report: &Report) -> BTreeSet<&'static str> {
    report.findings.iter().map(|finding| finding.rule.id).collect()
}

#[test]
fn the_package_that_tests_break_keeps_every_rule() {
    for mut package in [Package::good(), Package::good().served()] {
        let report = report(&mut package);
        assert_eq!(report.findings, []);
        assert_eq!((report.passed, report.playlists, report.segments), (true, 10, 42));
    }
}

/// A way to break a rule.
struct Break {
    /// The rule.
    id: &'static str,
    /// Rules that cannot but break along with it.
    also: &'static [&'static str],
    make: fn() -> Package,
}

fn good_but(change: impl FnOnce(&mut Package)) -> Package {
    let mut package = Package::good();
    change(&mut package);
    package
}

fn made_of(change: impl FnOnce(&mut Recipe)) -> Package {
    let mut recipe = Recipe::default();
    change(&mut recipe);
    Package::of(&recipe)
}

fn served_but(file: &str, change: impl FnOnce(&mut Head)) -> Package {
    let mut package = Package::good().served();
    change(package.heads.get_mut(file).unwrap());
    package
}

const MASTER: &str = "master.m3u8";
const LOW: &str = "low/index.m3u8";

/// The attributes of the variant `low` stand on the line before its address, which is the only one of this size.
const LOW_VARIANT: &str = "RESOLUTION=640x360,FRAME-RATE";

#[rustfmt::skip]
const BREAKS: &[Break] = &[
    Break { id: "1.1", also: &[], make: || good_but(|p| {
        let bytes = p.files.get_mut("high/init.mp4").unwrap();
        let at = bytes.windows(4).position(|w| w == b"avc1").unwrap();
        bytes[at..at + 4].copy_from_slice(b"av01");
        // The line of the first variant comes first.
        let text = p.text(MASTER).replacen("avc1.64001F", "av01.0.05M.08", 1);
        p.put(MASTER, text);
    }) },
    Break { id: "1.3", also: &[], make: || made_of(|r| r.level = 51) },
    Break { id: "1.4", also: &[], make: || made_of(|r| r.profile = 77) },
    Break { id: "1.13", also: &[], make: || made_of(|r| r.group = 150) },
    Break { id: "1.26", also: &[], make: || good_but(|p| p.scale_rate(LOW_VARIANT, "AVERAGE-BANDWIDTH=", 1.2)) },
    Break { id: "1.27", also: &[], make: || good_but(|p| p.scale_rate(LOW_VARIANT, ":BANDWIDTH=", 1.2)) },
    Break { id: "1.30", also: &[], make: || made_of(|r| r.first_bytes = [400, 8000, 400]) },
    Break { id: "1.32", also: &[], make: || good_but(|p| {
        let text = p.text(MASTER);
        let lines: Vec<&str> = text.lines().collect();
        let first = lines.iter().position(|line| line.starts_with("#EXT-X-STREAM-INF")).unwrap();
        let swapped = [&lines[..first], &lines[first + 2..first + 4], &lines[first..first + 2], &lines[first + 4..]].concat();
        p.put(MASTER, swapped.join("\n") + "\n");
    }) },
    Break { id: "1.33", also: &[], make: || made_of(|r| r.low_size = (480, 360)) },
    Break { id: "2.3", also: &[], make: || good_but(|p| {
        p.patch("audio/init.mp4", &[0x05, 0x02, 0x11], 0, &[0x88]);
        p.replace(MASTER, "CHANNELS=\"2\"", "CHANNELS=\"1\"");
    }) },
    Break { id: "2.9", also: &[], make: || good_but(|p| { p.files.insert("audio/init.mp4".into(), sound_init(256_000)); }) },
    Break { id: "2.19", also: &[], make: || good_but(|p| {
        let bytes = p.files.get_mut("audio/init.mp4").unwrap();
        let at = bytes.windows(4).position(|w| w == b"ludt").unwrap();
        bytes[at..at + 4].copy_from_slice(b"free");
    }) },
    Break { id: "4.1", also: &[], make: || good_but(|p| {
        p.remove(MASTER, "TYPE=SUBTITLES", 0);
        p.replace(MASTER, ",SUBTITLES=\"subs\"", "");
    }) },
    Break { id: "4.5", also: &[], make: || good_but(|p| p.replace(MASTER, ",public.accessibility.describes-music-and-sound", "")) },
    Break { id: "4.6", also: &[], make: || good_but(|p| p.replace_in(MASTER, "TYPE=SUBTITLES", "AUTOSELECT=YES,", "")) },
    Break { id: "5.1", also: &[], make: || good_but(|p| p.replace("subs/1.vtt", "WEBVTT", "1")) },
    Break { id: "5.3", also: &[], make: || good_but(|p| p.remove("subs/1.vtt", "X-TIMESTAMP-MAP", 0)) },
    Break { id: "5.5", also: &[], make: || good_but(|p| {
        p.replace("subs/index.m3u8", "#EXTINF:6.000,\n2.vtt\n", "");
    }) },
    Break { id: "6.1", also: &[], make: || good_but(|p| p.remove(MASTER, "#EXT-X-I-FRAME-STREAM-INF", 0)) },
    Break { id: "6.2", also: &[], make: || good_but(|p| p.remove(MASTER, "dense/", 0)) },
    Break { id: "6.8", also: &[], make: || good_but(|p| p.remove("dense/iframes.m3u8", "#EXT-X-I-FRAMES-ONLY", 0)) },
    Break { id: "6.10", also: &[], make: || good_but(|p| {
        let text = p.text("low/iframes.m3u8");
        let range = text.lines().find_map(|line| line.strip_prefix("#EXT-X-BYTERANGE:")).unwrap().split('@').next().unwrap().to_owned();
        let shorter = (range.parse::<u32>().unwrap() - 1).to_string();
        p.replace("low/iframes.m3u8", &range, &shorter);
    }) },
    Break { id: "7.3", also: &[], make: || good_but(|p| p.patch("high/seg-2.m4s", b"tfdt", 4, &540_001u64.to_be_bytes())) },
    Break { id: "7.4", also: &["6.10"], make: || good_but(|p| p.patch("low/seg-2.m4s", b"mdat", 4, &[0x41])) },
    Break { id: "7.5", also: &[], make: || good_but(|p| for file in ["high", "second", "low", "audio", "subs"] {
        p.replace(&format!("{file}/index.m3u8"), "TARGETDURATION:6", "TARGETDURATION:7");
    }) },
    Break { id: "7.7", also: &["7.5", "RFC 8216 4.3.3.1"], make: || good_but(|p| for file in ["high", "second", "low", "audio", "subs"] {
        p.replace(&format!("{file}/index.m3u8"), "TARGETDURATION:6", "TARGETDURATION:5");
    }) },
    Break { id: "8.1", also: &[], make: || good_but(|p| {
        let text = p.text("high/index.m3u8").replacen("6.000", "6.050", 1);
        p.put("high/index.m3u8", text);
    }) },
    Break { id: "8.2", also: &["7.5"], make: || good_but(|p| p.replace("audio/index.m3u8", "TARGETDURATION:6", "TARGETDURATION:7")) },
    Break { id: "8.3", also: &[], make: || good_but(|p| p.remove("audio/index.m3u8", "#EXTINF:5.994667,", 1)) },
    Break { id: "8.6", also: &[], make: || good_but(|p| p.remove(LOW, "PLAYLIST-TYPE", 0)) },
    Break { id: "8.10", also: &[], make: || good_but(|p| p.replace_in(MASTER, "TYPE=AUDIO", "LANGUAGE=\"en\",", "")) },
    Break { id: "8.18", also: &[], make: || served_but("low/seg-1.m4s", |head| head.redirected = Some("https://elsewhere/x?key=1".into())) },
    Break { id: "8.20", also: &[], make: || good_but(|p| p.remove(LOW, "#EXT-X-MAP", 0)) },
    Break { id: "8.22", also: &[], make: || made_of(|r| r.second = [145, 155, 150]) },
    Break { id: "9.1", also: &[], make: || good_but(|p| p.replace_in(MASTER, LOW_VARIANT, "CODECS=\"avc1.64001E,mp4a.40.2\",", "")) },
    Break { id: "9.2", also: &[], make: || good_but(|p| p.replace_in(MASTER, LOW_VARIANT, "RESOLUTION=640x360,", "")) },
    Break { id: "9.2", also: &[], make: || good_but(|p| p.replace_in(MASTER, LOW_VARIANT, "640x360", "642x360")) },
    Break { id: "9.3", also: &[], make: || good_but(|p| p.replace_in(MASTER, "low/iframes", "CODECS=\"avc1.64001E\",", "")) },
    Break { id: "9.4", also: &[], make: || good_but(|p| p.replace_in(MASTER, "low/iframes", "RESOLUTION=640x360,", "")) },
    Break { id: "9.5", also: &["1.26", "1.27"], make: || good_but(|p| {
        // Sound among the pictures of `low`: a second track in its initialisation.
        let sound = p.files["audio/init.mp4"].clone();
        let trak = super::boxes::walk(super::boxes::find(&sound, &[b"moov"]).unwrap(), false).unwrap().into_iter().find(|b| &b.kind == b"trak").unwrap();
        let trak = [&(trak.body.len() as u32 + 8).to_be_bytes()[..], b"trak", trak.body].concat();
        let both = inside(&p.files["low/init.mp4"], &[b"moov"], &trak);
        p.files.insert("low/init.mp4".into(), both);
        p.replace_in(MASTER, LOW_VARIANT, ",AUDIO=\"audio\"", "");
    }) },
    Break { id: "9.7", also: &[], make: || good_but(|p| {
        let text = p.text(MASTER).replacen("#EXT-X-MEDIA:", "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"Ton\",LANGUAGE=\"de\",AUTOSELECT=YES\n#EXT-X-MEDIA:", 1);
        p.put(MASTER, text);
    }) },
    Break { id: "9.9", also: &["9.10", "9.21"], make: || good_but(|p| {
        let text = p.text(MASTER);
        let line = text.lines().position(|line| line.starts_with("#EXT-X-STREAM-INF")).unwrap();
        let kept: Vec<&str> = text.lines().enumerate().filter(|(i, _)| !(line + 2..line + 6).contains(i)).map(|(_, line)| line).collect();
        p.put(MASTER, kept.join("\n") + "\n");
    }) },
    Break { id: "9.10", also: &[], make: || made_of(|r| r.second_size = (960, 540)) },
    Break { id: "9.11", also: &[], make: || good_but(|p| p.remove(MASTER, "INDEPENDENT-SEGMENTS", 0)) },
    Break { id: "9.13", also: &["1.27"], make: || good_but(|p| p.scale_rate(LOW_VARIANT, ":BANDWIDTH=", 0.8)) },
    Break { id: "9.14", also: &[], make: || good_but(|p| {
        p.replace_in(MASTER, LOW_VARIANT, "AVERAGE-BANDWIDTH", "X-AVERAGE");
    }) },
    Break { id: "9.15", also: &[], make: || good_but(|p| p.replace_in(MASTER, LOW_VARIANT, ",FRAME-RATE=25.000", "")) },
    Break { id: "9.15", also: &[], make: || good_but(|p| p.replace_in(MASTER, LOW_VARIANT, "25.000", "50.000")) },
    Break { id: "9.15", also: &[], make: || good_but(|p| p.replace_in(MASTER, LOW_VARIANT, "25.000", "20.000")) },
    Break { id: "9.21", also: &[], make: || good_but(|p| p.remove(MASTER, LOW_VARIANT, 1)) },
    Break { id: "10.1", also: &[], make: || served_but(LOW, |head| head.content_encoding.clear()) },
    Break { id: "RFC 8216 3.3", also: &[], make: || good_but(|p| { p.files.get_mut("low/seg-3.m4s").unwrap().pop(); }) },
    Break { id: "RFC 8216 3.5", also: &[], make: || good_but(|p| p.replace("subs/1.vtt", "00:07.000 --> 00:08.500", "00:01.000 --> 00:02.500")) },
    Break { id: "RFC 8216 4", also: &[], make: || good_but(|p| {
        let bytes = p.files.remove(LOW).unwrap();
        p.files.insert("low/index.txt".into(), bytes);
        p.replace(MASTER, LOW, "low/index.txt");
    }) },
    Break { id: "RFC 8216 4.1", also: &[], make: || good_but(|p| { p.files.get_mut(LOW).unwrap().splice(0..0, *b"\xEF\xBB\xBF"); }) },
    Break { id: "RFC 8216 4.1", also: &[], make: || good_but(|p| p.replace(MASTER, "#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-ENDLIST")) },
    Break { id: "RFC 8216 4.2", also: &[], make: || good_but(|p| p.replace(MASTER, "NAME=\"English\"", "NAME=English")) },
    Break { id: "RFC 8216 4.3.1.1", also: &[], make: || good_but(|p| p.remove(LOW, "#EXTM3U", 0)) },
    Break { id: "RFC 8216 4.3.1.2", also: &[], make: || good_but(|p| p.replace(LOW, "#EXT-X-VERSION:7\n", "#EXT-X-VERSION:7\n#EXT-X-VERSION:7\n")) },
    Break { id: "RFC 8216 4.3.2.1", also: &[], make: || good_but(|p| p.replace(LOW, "6.000,", "6.000")) },
    Break { id: "RFC 8216 4.3.2.2", also: &[], make: || good_but(|p| {
        let size = p.files["dense/pictures.mp4"].len() / 18;
        let last = format!("{size}@{}", size * 17);
        p.replace("dense/iframes.m3u8", &last, &format!("{}@{}", size + 1, size * 17));
    }) },
    Break { id: "RFC 8216 4.3.2.4", also: &[], make: || good_but(|p| p.replace("subs/index.m3u8", "#EXTINF:6.000,\n1", "#EXT-X-KEY:METHOD=ROT13,URI=\"k\"\n#EXTINF:6.000,\n1")) },
    Break { id: "RFC 8216 4.3.2.4", also: &[], make: || good_but(|p| {
        // Not encrypted at all, so its last block is no padding.
        p.put("subs/key", "0123456789abcdef");
        p.replace("subs/index.m3u8", "#EXTINF:6.000,\n1", "#EXT-X-KEY:METHOD=AES-128,URI=\"key\"\n#EXTINF:6.000,\n1");
        p.replace("subs/index.m3u8", "#EXTINF:6.000,\n2", "#EXT-X-KEY:METHOD=NONE\n#EXTINF:6.000,\n2");
    }) },
    Break { id: "RFC 8216 4.3.2.5", also: &[], make: || good_but(|p| p.replace("subs/index.m3u8", "#EXTINF:6.000,\n1", "#EXT-X-MAP:BYTERANGE=\"1@0\"\n#EXTINF:6.000,\n1")) },
    Break { id: "RFC 8216 4.3.3.1", also: &[], make: || good_but(|p| p.remove("subs/index.m3u8", "TARGETDURATION", 0)) },
    Break { id: "RFC 8216 4.3.3.2", also: &[], make: || good_but(|p| p.replace(LOW, "seg-1.m4s\n", "seg-1.m4s\n#EXT-X-MEDIA-SEQUENCE:1\n")) },
    Break { id: "RFC 8216 4.3.3.4", also: &[], make: || good_but(|p| p.remove(LOW, "ENDLIST", 0)) },
    Break { id: "RFC 8216 4.3.3.5", also: &[], make: || good_but(|p| p.replace(LOW, "TYPE:VOD\n", "TYPE:VOD\n#EXT-X-PLAYLIST-TYPE:VOD\n")) },
    Break { id: "RFC 8216 4.3.3.6", also: &[], make: || good_but(|p| {
        let text = p.text("dense/iframes.m3u8").replacen("1.000", "1.300", 1).replacen("1.000", "0.700", 1);
        p.put("dense/iframes.m3u8", text);
    }) },
    Break { id: "RFC 8216 4.3.4.1", also: &[], make: || good_but(|p| p.replace(MASTER, "DEFAULT=YES,AUTOSELECT=YES", "DEFAULT=YES,AUTOSELECT=NO")) },
    Break { id: "RFC 8216 4.3.4.1", also: &[], make: || good_but(|p| p.replace(MASTER, "CHANNELS=\"2\"", "CHANNELS=\"6\"")) },
    Break { id: "RFC 8216 4.3.4.1.1", also: &[], make: || good_but(|p| {
        let line = p.text(MASTER).lines().find(|line| line.contains("TYPE=AUDIO")).unwrap().to_owned();
        p.replace(MASTER, &line, &format!("{line}\n{}", line.replace("DEFAULT=YES,", "")));
    }) },
    Break { id: "RFC 8216 4.3.4.2", also: &[], make: || good_but(|p| p.replace_in(MASTER, LOW_VARIANT, "FRAME-RATE", "VIDEO=\"none\",FRAME-RATE")) },
    Break { id: "RFC 8216 4.3.4.3", also: &[], make: || good_but(|p| p.replace_in(MASTER, "low/iframes", "RESOLUTION", "FRAME-RATE=25.000,RESOLUTION")) },
    Break { id: "RFC 8216 6.2.1", also: &[], make: || good_but(|p| { p.files.remove("low/seg-3.m4s"); }) },
    Break { id: "RFC 8216 6.2.4", also: &[], make: || made_of(|r| r.sound_start = 24_000) },
    Break { id: "RFC 8216 7", also: &[], make: || good_but(|p| p.replace(LOW, "VERSION:7", "VERSION:5")) },
    Break { id: "RFC 6381 3.3", also: &[], make: || good_but(|p| p.replace_in(MASTER, LOW_VARIANT, "avc1.64001E", "avc1.640028")) },
    Break { id: "RFC 6381 3.3", also: &[], make: || good_but(|p| p.replace_in(MASTER, LOW_VARIANT, ",mp4a.40.2", "")) },
    Break { id: "RFC 4337 2", also: &[], make: || served_but("low/seg-1.m4s", |head| head.content_type = "application/octet-stream".into()) },
    Break { id: "ISO 14496-12 8.3.2", also: &[], make: || good_but(|p| p.patch("low/init.mp4", b"tkhd", 76, &(642u32 << 16).to_be_bytes())) },
    Break { id: "ISO 14496-15 5.3.3", also: &[], make: || good_but(|p| {
        p.patch("low/init.mp4", b"avcC", 3, &[0x1F]);
        p.replace(MASTER, "avc1.64001E\",RESOLUTION=640x360", "avc1.64001F\",RESOLUTION=640x360");
        p.replace(MASTER, "avc1.64001E,mp4a.40.2", "avc1.64001F,mp4a.40.2");
    }) },
];

#[test]
fn each_rule_fires_when_it_is_broken_and_no_other_does() {
    let mut wrong = vec![];
    for (number, case) in BREAKS.iter().enumerate() {
        let found = report(&mut (case.make)());
        let expected: BTreeSet<_> = case.also.iter().copied().chain([case.id]).collect();
        if broken(&found) != expected {
            wrong.push(format!("break {number} of {}: expected {expected:?}\n{found}", case.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_rule_has_its_break() {
    let broken: BTreeSet<_> = BREAKS.iter().map(|case| case.id).collect();
    let known: BTreeSet<_> = ALL.iter().map(|rule| rule.id).collect();
    assert_eq!(known.difference(&broken).collect::<Vec<_>>(), Vec::<&&str>::new(), "rules that no test breaks");
    assert_eq!(broken.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new(), "breaks of no rule");
}

#[test]
fn a_package_passes_without_what_should_be_and_not_without_what_must_be() {
    let outcome = |mut package: Package| {
        let report = report(&mut package);
        (report.passed, report.musts_broken, report.shoulds_broken)
    };
    assert_eq!(outcome(made_of(|r| r.group = 150)), (true, 0, 1));
    assert_eq!(outcome(made_of(|r| r.low_size = (480, 360))), (false, 1, 0));
}

/// Encrypts every file of a rendition but its playlists.
fn encrypted(iv: Option<u128>) -> Package {
    let secret = *b"0123456789abcdef";
    good_but(|package| {
        for (number, file) in [(0, "init.mp4"), (1, "seg-1.m4s"), (2, "seg-2.m4s"), (3, "seg-3.m4s")] {
            let name = format!("audio/{file}");
            let key = PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(&aws_lc_rs::cipher::AES_128, &secret).unwrap()).unwrap();
            let iv: u128 = iv.unwrap_or(number);
            let mut bytes = package.files[&name].clone();
            key.less_safe_encrypt(&mut bytes, EncryptionContext::Iv128(iv.to_be_bytes().into())).unwrap();
            package.files.insert(name, bytes);
        }
        package.files.insert("audio/key".into(), secret.to_vec());
        let iv = iv.map_or(String::new(), |iv| format!(",IV=0x{iv:032x}"));
        package.replace("audio/index.m3u8", "#EXT-X-MAP", &format!("#EXT-X-KEY:METHOD=AES-128,URI=\"key\"{iv}\n#EXT-X-MAP"));
    })
}

#[test]
fn encrypted_segments_are_opened_and_held_against_the_same_rules() {
    assert_eq!(report(&mut encrypted(Some(7))).findings, []);
    assert_eq!(report(&mut encrypted(None)).findings, []);
    let mut shortened = encrypted(None);
    shortened.files.get_mut("audio/key").unwrap().pop();
    assert_eq!(broken(&report(&mut shortened)), ["RFC 8216 4.3.2.4"].into());
}

#[test]
fn what_is_no_multivariant_playlist_cannot_be_checked() {
    let mut package = Package::good();
    let failure = |package: &mut Package, file: &str| {
        check_at(package, &Url::parse(ADDRESS).unwrap().join(file).unwrap(), "x").unwrap_err().to_string()
    };
    assert!(failure(&mut package, "low/index.m3u8").contains("no multivariant playlist"));
    assert!(failure(&mut package, "none.m3u8").contains("no such file"));
}

#[test]
fn a_package_in_a_folder_is_checked_by_its_path() {
    let dir = tempfile::tempdir().unwrap();
    for (file, bytes) in Package::good().files {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let report = super::check(dir.path().to_str().unwrap()).unwrap();
    assert_eq!(report.findings, []);
    assert!(super::check(dir.path().join("none").to_str().unwrap()).is_err());
}

/// Serves a package on the loopback until the process ends; `packed` compresses playlists.
fn serve(package: Package, packed: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/master.m3u8", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut some = [0; 1024];
            while !request.windows(4).any(|w| w == b"\r\n\r\n") {
                match stream.read(&mut some) {
                    Ok(count) if count > 0 => request.extend(&some[..count]),
                    _ => break,
                }
            }
            let request = String::from_utf8(request).unwrap();
            let file = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').split('?').next().unwrap().to_owned();
            let (mut status, mut more) = ("200 OK", String::new());
            let mut bytes = package.files.get(&file).cloned().unwrap_or_default();
            let head = package.heads.get(&file).cloned().unwrap_or_default();
            let range = request.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
            if let Some(to) = head.redirected {
                (status, more) = ("302 Found", format!("Location: {to}\r\n"));
                bytes.clear();
            } else if let Some((start, end)) = range.as_deref().and_then(|range| range.split_once('-')) {
                status = "206 Partial Content";
                bytes = bytes[start.parse().unwrap()..=end.parse::<usize>().unwrap().min(bytes.len() - 1)].to_vec();
            } else if packed && file.ends_with("m3u8") {
                let mut packer = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
                packer.write_all(&bytes).unwrap();
                bytes = packer.finish().unwrap();
                more = "Content-Encoding: gzip\r\n".into();
            }
            let kind = head.content_type;
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n{more}\r\n", bytes.len());
            let _ = stream.write_all(&[answer.as_bytes(), &bytes].concat());
        }
    });
    address
}

#[test]
fn a_package_on_a_server_is_also_checked_for_how_it_is_served() {
    let report = super::check(&format!("{}?signature=secret", serve(Package::good().served(), true))).unwrap();
    assert_eq!(report.findings, []);
    assert!(!serde_json::to_string(&report).unwrap().contains("secret"));
    let mut package = Package::good().served();
    package.heads.get_mut("low/seg-1.m4s").unwrap().redirected = Some("/high/seg-1.m4s".into());
    package.heads.get_mut("audio/seg-1.m4s").unwrap().content_type = "text/plain".into();
    let report = super::check(&serve(package, false)).unwrap();
    let found = broken(&report);
    assert!(found.is_superset(&["8.18", "10.1", "RFC 4337 2"].into()), "{report}");
}
