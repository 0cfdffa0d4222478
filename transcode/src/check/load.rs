//! Reads a whole package: every playlist, every segment, every byte range. Each file is reduced to its measures at
//! once, so that an hour of full HD is checked in little memory. What cannot be read, or is served badly, is a finding.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use aws_lc_rs::cipher::{DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use url::Url;

use super::attributes::Attributes;
use super::boxes;
use super::fragment::{self, Fault, Fragment};
use super::init::{self, Init};
use super::place::{Answer, Place, Refusal};
use super::playlist::{self, Complaints, Key, Media, Multivariant, Playlist, Range};
use super::report::Findings;
use super::rules;
use super::vtt::{self, Captions};

/// Everything that was read.
pub struct Package {
    /// Name of the multivariant playlist.
    pub file: String,
    pub variants: Vec<Variant>,
    pub trick: Vec<Trick>,
    pub renditions: Vec<Rendition>,
    pub independent: bool,
    /// Each media playlist once, however often it is named.
    pub tracks: Vec<Track>,
    pub segments: usize,
    pub bytes: u64,
}

/// An EXT-X-STREAM-INF.
pub struct Variant {
    pub attributes: Attributes,
    /// Place in [`Package::tracks`]; `None` when it could not be read.
    pub track: Option<usize>,
}

/// An EXT-X-I-FRAME-STREAM-INF.
pub struct Trick {
    pub attributes: Attributes,
    pub track: Option<usize>,
}

/// An EXT-X-MEDIA.
pub struct Rendition {
    pub attributes: Attributes,
    pub track: Option<usize>,
}

/// A media playlist with what it names.
pub struct Track {
    pub file: String,
    pub playlist: Media,
    /// One per EXT-X-MAP; `None` when it could not be read.
    pub inits: Vec<Option<Init>>,
    /// One per segment.
    pub pieces: Vec<Piece>,
}

/// A segment.
pub struct Piece {
    pub file: String,
    /// As sent; `None` when nothing came.
    pub bytes: Option<u64>,
    pub content: Content,
}

/// What is in a segment.
#[derive(Debug)]
pub enum Content {
    Fragment(Fragment),
    Captions(Captions),
    /// Boxes without an initialisation segment.
    Unmapped,
    /// Not there, encrypted in a way that hides it, or of no known kind.
    Unknown,
}

impl Track {
    /// The first initialisation segment.
    pub fn init(&self) -> Option<&Init> {
        self.inits.first()?.as_ref()
    }

    pub fn is_video(&self) -> bool {
        self.init().is_some_and(Init::is_video)
    }

    pub fn is_sound(&self) -> bool {
        self.init().is_some_and(Init::is_sound)
    }

    /// Seconds, as EXTINF says.
    pub fn length(&self) -> f64 {
        self.playlist.entries.iter().map(|entry| entry.duration).sum()
    }

    /// Segments with their fragments and initialisation; those that could not be read are left out.
    pub fn fragments(&self) -> impl Iterator<Item = (&Piece, &Fragment, &Init)> {
        self.pieces.iter().zip(&self.playlist.entries).filter_map(|(piece, entry)| match &piece.content {
            Content::Fragment(fragment) => Some((piece, fragment, self.inits.get(entry.map?)?.as_ref()?)),
            _ => None,
        })
    }

    /// Every segment was read.
    pub fn is_whole(&self) -> bool {
        !self.pieces.is_empty() && self.pieces.iter().all(|piece| !matches!(piece.content, Content::Unknown | Content::Unmapped))
    }
}

/// Reads the package whose multivariant playlist is at `start`.
///
/// # Errors
/// When there is no such playlist.
pub fn load(place: &mut dyn Place, start: &Url, findings: &mut Findings) -> Result<Package> {
    let mut loader = Loader { place, base: start.join(".")?, findings, keys: BTreeMap::new(), segments: 0, bytes: 0 };
    let file = loader.name(start);
    let answer = match loader.place.get(start, None) {
        Ok(answer) => answer,
        Err(Refusal::Missing(why)) => bail!("{file}: {why}"),
        Err(Refusal::Beyond(size)) => bail!("{file}: it has {size} bytes"),
    };
    loader.served(&file, &answer, Kind::Playlist(start));
    let mut complaints = Complaints::default();
    let parsed = playlist::parse(&answer.bytes, &mut complaints);
    loader.complain(&file, complaints);
    let Some(Playlist::Multivariant(Multivariant { independent, variants, trick, renditions })) = parsed else {
        bail!("{file} is no multivariant playlist; check the playlist that lists the variants");
    };

    let mut tracks = Tracks { list: vec![], by_address: BTreeMap::new() };
    let variants = variants
        .into_iter()
        .map(|variant| Variant { track: loader.track(start, &variant.uri, &mut tracks), attributes: variant.attributes })
        .collect();
    let renditions = renditions
        .into_iter()
        .map(|attributes| Rendition { track: attributes.text("URI").and_then(|uri| loader.track(start, uri, &mut tracks)), attributes })
        .collect();
    let trick = trick
        .into_iter()
        .map(|attributes| Trick { track: attributes.text("URI").and_then(|uri| loader.track(start, uri, &mut tracks)), attributes })
        .collect();
    let (segments, bytes) = (loader.segments, loader.bytes);
    Ok(Package { file, variants, trick, renditions, independent, tracks: tracks.list, segments, bytes })
}

struct Tracks {
    list: Vec<Track>,
    by_address: BTreeMap<Url, Option<usize>>,
}

struct Loader<'a> {
    place: &'a mut dyn Place,
    /// Folder of the multivariant playlist; names are relative to it.
    base: Url,
    findings: &'a mut Findings,
    keys: BTreeMap<Url, Option<Vec<u8>>>,
    segments: usize,
    bytes: u64,
}

/// What kind of file was served, for its media type.
#[derive(Clone, Copy)]
enum Kind<'a> {
    Playlist(&'a Url),
    Media,
    Captions,
    Key,
}

impl Loader<'_> {
    /// A file as findings name it: relative, and without the query, which may be a signature.
    fn name(&self, address: &Url) -> String {
        let mut address = address.clone();
        address.set_query(None);
        match self.base.make_relative(&address) {
            Some(relative) if !relative.starts_with("..") => relative,
            _ => address.to_string(),
        }
    }

    fn complain(&mut self, file: &str, complaints: Complaints) {
        for complaint in complaints.0 {
            self.findings.add(complaint.rule, file, complaint.measured, complaint.expected);
        }
    }

    /// Gets a file; what went wrong is a finding.
    fn get(&mut self, from: &str, base: &Url, uri: &str, range: Option<Range>) -> Option<(Url, String, Answer)> {
        let Ok(address) = base.join(uri) else {
            self.findings.add(&rules::REACHABLE, from, format!("{uri:?} is no address"), "an address");
            return None;
        };
        let file = self.name(&address);
        match self.place.get(&address, range) {
            Ok(answer) => {
                self.bytes += answer.bytes.len() as u64;
                Some((address, file, answer))
            }
            Err(Refusal::Missing(why)) => {
                self.findings.add(&rules::REACHABLE, &file, why, format!("the file that {from} names"));
                None
            }
            Err(Refusal::Beyond(size)) => {
                let end = range.map_or(0, |range| range.start.saturating_add(range.length));
                self.findings.add(&rules::BYTERANGE, from, format!("a range up to byte {end} of {file}"), format!("at most {size}"));
                None
            }
        }
    }

    /// Judges how a file was served.
    fn served(&mut self, file: &str, answer: &Answer, kind: Kind) {
        if let Kind::Playlist(address) = kind {
            let extension = [".m3u8", ".m3u"].iter().any(|end| address.path().ends_with(end));
            let typed = answer.head.as_ref().is_some_and(|head| {
                let name = head.content_type.split(';').next().unwrap_or_default().trim();
                matches!(name, "application/vnd.apple.mpegurl" | "audio/mpegurl" | "application/x-mpegurl" | "audio/x-mpegurl")
            });
            if !extension && !typed {
                let measured = answer.head.as_ref().map_or("another ending", |head| &head.content_type).to_owned();
                self.findings.add(&rules::PLAYLIST_MIME, file, measured, ".m3u8 or application/vnd.apple.mpegurl");
            }
        }
        let Some(head) = &answer.head else { return };
        if let Some(to) = &head.redirected {
            let to = to.split('?').next().unwrap_or_default();
            self.findings.add(&rules::REDIRECT, file, format!("redirected to {to}"), "an answer");
        }
        let expected: &[&str] = match kind {
            Kind::Playlist(_) => {
                if head.content_encoding != "gzip" {
                    let measured = if head.content_encoding.is_empty() { "not compressed" } else { &head.content_encoding };
                    self.findings.add(&rules::GZIP, file, measured, "content-encoding: gzip");
                }
                return;
            }
            Kind::Media => &["video/mp4", "audio/mp4", "video/iso.segment"],
            Kind::Captions => &["text/vtt"],
            Kind::Key => return,
        };
        let name = head.content_type.split(';').next().unwrap_or_default().trim();
        if !expected.contains(&name) {
            self.findings.add(&rules::MEDIA_MIME, file, name, expected.join(" or "));
        }
    }

    /// Reads a media playlist, unless it was read before.
    fn track(&mut self, start: &Url, uri: &str, tracks: &mut Tracks) -> Option<usize> {
        let address = start.join(uri).ok();
        if let Some(known) = address.as_ref().and_then(|address| tracks.by_address.get(address)) {
            return *known;
        }
        let read = self.read_track(start, uri);
        let number = read.map(|track| {
            tracks.list.push(track);
            tracks.list.len() - 1
        });
        if let Some(address) = address {
            tracks.by_address.insert(address, number);
        }
        number
    }

    fn read_track(&mut self, start: &Url, uri: &str) -> Option<Track> {
        let from = self.name(start);
        let (address, file, answer) = self.get(&from, start, uri, None)?;
        self.served(&file, &answer, Kind::Playlist(&address));
        let mut complaints = Complaints::default();
        let parsed = playlist::parse(&answer.bytes, &mut complaints);
        self.complain(&file, complaints);
        let playlist = match parsed? {
            Playlist::Media(media) => media,
            Playlist::Multivariant(_) => {
                self.findings.add(&rules::PLAYLIST_TEXT, &file, "a multivariant playlist", "a media playlist");
                return None;
            }
        };
        let inits = playlist.maps.clone().iter().map(|map| self.read_init(&file, &address, map, &playlist.keys)).collect();
        let mut track = Track { file, playlist, inits, pieces: vec![] };
        for number in 0..track.playlist.entries.len() {
            let piece = self.read_piece(&track, &address, number);
            track.pieces.push(piece);
        }
        Some(track)
    }

    fn read_init(&mut self, from: &str, base: &Url, map: &playlist::Map, keys: &[Key]) -> Option<Init> {
        let (_, file, answer) = self.get(from, base, &map.uri, map.range)?;
        self.served(&file, &answer, Kind::Media);
        let bytes = match map.key.and_then(|key| keys.get(key)) {
            Some(key) => self.open(from, base, key, 0, &answer.bytes, map.range.is_some())?,
            None => answer.bytes,
        };
        match init::parse(&bytes) {
            Ok(init) => Some(init),
            Err(why) => {
                self.findings.add(&rules::FMP4, &file, why, "an initialisation segment");
                None
            }
        }
    }

    fn read_piece(&mut self, track: &Track, base: &Url, number: usize) -> Piece {
        let entry = &track.playlist.entries[number];
        let file = base.join(&entry.uri).map_or_else(|_| entry.uri.clone(), |address| self.name(&address));
        let unknown = |bytes| Piece { file: file.clone(), bytes, content: Content::Unknown };
        let Some((_, _, answer)) = self.get(&track.file, base, &entry.uri, entry.range) else { return unknown(None) };
        self.segments += 1;
        let size = Some(answer.bytes.len() as u64);
        let sequence = track.playlist.first_number + number as u64;
        let bytes = match entry.key.and_then(|key| track.playlist.keys.get(key)) {
            Some(key) => match self.open(&track.file, base, key, sequence, &answer.bytes, entry.range.is_some()) {
                Some(bytes) => bytes,
                None => return unknown(size),
            },
            None => answer.bytes.clone(),
        };
        let content = match entry.map.and_then(|map| track.inits.get(map)) {
            Some(Some(init)) => {
                self.served(&file, &answer, Kind::Media);
                self.fragment(track, &file, &bytes, init)
            }
            Some(None) => Content::Unknown,
            None if looks_like_text(&bytes) => {
                self.served(&file, &answer, Kind::Captions);
                Content::Captions(vtt::parse(&bytes))
            }
            None if boxes::walk(&bytes, true).is_ok_and(|found| !found.is_empty()) => Content::Unmapped,
            None => Content::Unknown,
        };
        Piece { file, bytes: size, content }
    }

    fn fragment(&mut self, track: &Track, file: &str, bytes: &[u8], init: &Init) -> Content {
        if track.playlist.iframes_only {
            return match fragment::parse_cut(bytes, init) {
                Ok(fragment) => Content::Fragment(fragment),
                Err(why) => {
                    self.findings.add(&rules::IFRAME_RANGE, &track.file, format!("in {file} {why}"), "moof and one sample");
                    Content::Unknown
                }
            };
        }
        let (fragment, faults) = fragment::parse(bytes, init);
        let whole = !faults.iter().any(|fault| matches!(fault, Fault::Form(_)));
        for fault in faults {
            match fault {
                Fault::Form(why) => self.findings.add(&rules::FMP4, file, why, "a whole movie fragment"),
                Fault::Times(why) => self.findings.add(&rules::TFDT, file, why, "no gap"),
            }
        }
        if whole { Content::Fragment(fragment) } else { Content::Unknown }
    }

    /// Decrypts a segment of AES-128. `part` when the bytes are not the whole file, which alone is padded.
    fn open(&mut self, from: &str, base: &Url, key: &Key, sequence: u64, bytes: &[u8], part: bool) -> Option<Vec<u8>> {
        if key.method != "AES-128" {
            return None; // the samples are hidden, not the boxes; what they hold cannot be said
        }
        let uri = key.uri.as_deref()?;
        let secret = self.key(from, base, uri)?;
        let opened = decrypt(&secret, key.iv.unwrap_or(sequence.into()), bytes, part);
        if opened.is_none() {
            self.findings.add(
                &rules::KEY,
                from,
                format!("{} bytes do not open with the key", bytes.len()),
                "AES-128 in CBC mode with padding",
            );
        }
        opened
    }

    fn key(&mut self, from: &str, base: &Url, uri: &str) -> Option<Vec<u8>> {
        let address = base.join(uri).ok()?;
        if let Some(known) = self.keys.get(&address) {
            return known.clone();
        }
        let secret = self.get(from, base, uri, None).and_then(|(_, file, answer)| {
            self.served(&file, &answer, Kind::Key);
            if answer.bytes.len() == 16 {
                return Some(answer.bytes);
            }
            self.findings.add(&rules::KEY, from, format!("a key of {} bytes", answer.bytes.len()), "16 bytes");
            None
        });
        self.keys.insert(address, secret.clone());
        secret
    }
}

/// Captions are text, and media is not.
fn looks_like_text(bytes: &[u8]) -> bool {
    let some = &bytes[..bytes.len().min(512)];
    !some.contains(&0)
}

/// AES-128 in CBC mode (RFC 8216 5.2). `None` when the key does not fit.
fn decrypt(secret: &[u8], iv: u128, bytes: &[u8], part: bool) -> Option<Vec<u8>> {
    let key = UnboundCipherKey::new(&aws_lc_rs::cipher::AES_128, secret).ok()?;
    let context = DecryptionContext::Iv128(iv.to_be_bytes().into());
    let mut data = bytes.to_vec();
    if part {
        data.truncate(data.len() / 16 * 16);
        let key = aws_lc_rs::cipher::DecryptingKey::cbc(key).ok()?;
        return key.decrypt(&mut data, context).ok().map(|opened| opened.to_vec());
    }
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).ok()?;
    key.decrypt(&mut data, context).ok().map(|opened| opened.to_vec())
}
