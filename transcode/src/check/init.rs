//! Initialisation segments: what track there is, how it is coded, how large its pictures are. Pure.

use super::boxes::{find, u16_at, u32_at, u64_at, walk};
use super::h264::Sps;

/// What an initialisation segment says.
#[derive(Debug, Clone, PartialEq)]
pub struct Init {
    pub track: u32,
    pub timescale: u32,
    pub coding: Coding,
    /// Codecs of further tracks.
    pub others: Vec<String>,
    /// Of the track header, whole pixels.
    pub header_size: (u32, u32),
    /// Media time at which the presentation starts, in ticks: the edit list's.
    pub begins: i64,
    /// There is a loudness box.
    pub loudness: bool,
    pub defaults: Defaults,
}

/// What samples have that say nothing else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Defaults {
    pub duration: u32,
    pub size: u32,
    pub flags: u32,
}

/// How a track is coded.
#[derive(Debug, Clone, PartialEq)]
pub enum Coding {
    Avc(Avc),
    Aac(Aac),
    /// Any other video, sound or text, by the name of its sample entry.
    Video(String),
    Sound(String),
    Text(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Avc {
    entry: String,
    /// Profile, constraints and level of the decoder configuration.
    pub record: [u8; 3],
    pub sps: Option<Sps>,
    /// Bytes of a unit's length.
    pub length: usize,
    /// Of the sample entry.
    pub size: (u32, u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aac {
    /// Audio object type.
    pub object: u32,
    pub channels: u32,
    /// bit/s, as the stream says; 0 when it does not.
    pub average: u32,
}

impl Init {
    pub fn is_video(&self) -> bool {
        matches!(self.coding, Coding::Avc(_) | Coding::Video(_))
    }

    pub fn is_sound(&self) -> bool {
        matches!(self.coding, Coding::Aac(_) | Coding::Sound(_))
    }

    /// The codec string of the track that is looked into.
    pub fn codec(&self) -> String {
        self.coding.codec()
    }

    /// The codec strings of all tracks.
    pub fn codecs(&self) -> impl Iterator<Item = String> {
        std::iter::once(self.codec()).chain(self.others.iter().cloned())
    }

    /// The size at which the pictures are to be shown.
    pub fn shown(&self) -> Option<(u32, u32)> {
        match &self.coding {
            Coding::Avc(avc) => avc.sps.map(|sps| sps.shown()).or(Some(avc.size)),
            Coding::Video(_) => Some(self.header_size),
            _ => None,
        }
    }

    pub fn seconds(&self, ticks: i64) -> f64 {
        ticks as f64 / f64::from(self.timescale.max(1))
    }
}

impl Coding {
    /// The codec string of RFC 6381, as far as it follows from what is read here.
    pub fn codec(&self) -> String {
        match self {
            Self::Avc(avc) => format!("{}.{:02X}{:02X}{:02X}", avc.entry, avc.record[0], avc.record[1], avc.record[2]),
            Self::Aac(aac) => format!("mp4a.40.{}", aac.object),
            Self::Video(name) | Self::Sound(name) | Self::Text(name) => name.clone(),
        }
    }
}

/// Reads an initialisation segment.
///
/// # Errors
/// A sentence, when it is none.
pub fn parse(bytes: &[u8]) -> Result<Init, String> {
    let outer = walk(bytes, false)?;
    let kinds: Vec<_> = outer.iter().map(|found| found.kind).collect();
    if kinds.first() != Some(b"ftyp") {
        return Err("no ftyp at the start".into());
    }
    if kinds.contains(b"moof") || kinds.contains(b"mdat") {
        return Err("media among the initialisation".into());
    }
    let moov = outer.iter().find(|found| &found.kind == b"moov").ok_or("no moov")?.body;
    let parts = walk(moov, false)?;
    let traks: Vec<_> = parts.iter().filter(|found| &found.kind == b"trak").collect();
    let handled = |trak: &[u8]| find(trak, &[b"mdia", b"hdlr"]).and_then(|hdlr| hdlr.get(8..12)).map(<[u8]>::to_vec);
    // Where sound is among the pictures, the pictures are looked into.
    let main = traks.iter().position(|trak| handled(trak.body).as_deref() == Some(b"vide")).unwrap_or(0);
    let trak = traks.get(main).ok_or("no track")?.body;
    let mut others = vec![];
    for other in traks.iter().enumerate().filter(|(i, _)| *i != main).map(|(_, other)| other.body) {
        others.push(coding(other)?.codec());
    }
    let tkhd = find(trak, &[b"tkhd"]).ok_or("no tkhd")?;
    let wide = tkhd.first() == Some(&1);
    let track = u32_at(tkhd, if wide { 20 } else { 12 }).ok_or("tkhd is cut")?;
    let side = |at: usize| u32_at(tkhd, if wide { at + 12 } else { at }).map(|side| side >> 16);
    let header_size = side(76).zip(side(80)).ok_or("tkhd is cut")?;
    let mdhd = find(trak, &[b"mdia", b"mdhd"]).ok_or("no mdhd")?;
    let timescale =
        u32_at(mdhd, if mdhd.first() == Some(&1) { 20 } else { 12 }).filter(|scale| *scale > 0).ok_or("no timescale in mdhd")?;
    let coding = coding(trak)?;
    let stbl = find(trak, &[b"mdia", b"minf", b"stbl"]).ok_or("no stbl")?;
    if find(stbl, &[b"stts"]).and_then(|stts| u32_at(stts, 4)).is_some_and(|entries| entries > 0) {
        return Err("samples in the moov".into());
    }
    let mvex = parts.iter().find(|found| &found.kind == b"mvex").ok_or("no mvex")?.body;
    let all = walk(mvex, false)?;
    let mut all = all.iter().filter(|found| &found.kind == b"trex").map(|found| found.body);
    let trex = all.find(|trex| u32_at(trex, 4) == Some(track)).ok_or("no trex of the track")?;
    let field = |at: usize| u32_at(trex, at).ok_or("trex is cut");
    let defaults = Defaults { duration: field(12)?, size: field(16)?, flags: field(20)? };
    let loudness = find(trak, &[b"udta", b"ludt"]).is_some();
    Ok(Init { track, timescale, coding, others, header_size, begins: find(trak, &[b"edts", b"elst"]).map_or(0, edit), loudness, defaults })
}

/// How a track is coded.
fn coding(trak: &[u8]) -> Result<Coding, String> {
    let handler = find(trak, &[b"mdia", b"hdlr"]).and_then(|hdlr| hdlr.get(8..12)).ok_or("no hdlr")?;
    let stsd = find(trak, &[b"mdia", b"minf", b"stbl", b"stsd"]).ok_or("no stsd")?;
    let entry = walk(stsd.get(8..).ok_or("stsd is cut")?, false)?.into_iter().next().ok_or("no sample entry")?;
    match handler {
        b"vide" => video(&entry.kind, entry.body),
        b"soun" => sound(&entry.kind, entry.body),
        _ => Ok(Coding::Text(entry.name())),
    }
}

/// Media time of the first edit that shows something.
fn edit(elst: &[u8]) -> i64 {
    let wide = elst.first() == Some(&1);
    let entries = u32_at(elst, 4).unwrap_or(0).min(16) as usize;
    let mut times = (0..entries).filter_map(|i| match wide {
        true => u64_at(elst, 8 + 20 * i + 8).map(|time| time as i64),
        false => u32_at(elst, 8 + 12 * i + 4).map(|time| i64::from(time as i32)),
    });
    times.find(|time| *time >= 0).unwrap_or(0)
}

/// Bytes of a visual sample entry before its boxes.
const VISUAL: usize = 78;
/// The same of an audio sample entry.
const AUDIO: usize = 28;

fn video(kind: &[u8; 4], body: &[u8]) -> Result<Coding, String> {
    let entry = String::from_utf8_lossy(kind).into_owned();
    if !matches!(kind, b"avc1" | b"avc3") {
        return Ok(Coding::Video(entry));
    }
    let size = u16_at(body, 24).zip(u16_at(body, 26)).ok_or("the sample entry is cut")?;
    let record = find(body.get(VISUAL..).ok_or("the sample entry is cut")?, &[b"avcC"]).ok_or("no avcC")?;
    let &[_, profile, constraints, level, length, sets, ..] = record else { return Err("avcC is cut".into()) };
    let sps = match sets & 0x1F {
        0 => None,
        _ => {
            let size = u16_at(record, 6).ok_or("avcC is cut")? as usize;
            let unit = record.get(8..8 + size).ok_or("avcC is cut")?;
            Some(Sps::parse(unit).ok_or("the sequence parameter set cannot be read")?)
        }
    };
    let length = usize::from(length & 3) + 1;
    Ok(Coding::Avc(Avc { entry, record: [profile, constraints, level], sps, length, size: (size.0.into(), size.1.into()) }))
}

fn sound(kind: &[u8; 4], body: &[u8]) -> Result<Coding, String> {
    if kind != b"mp4a" {
        return Ok(Coding::Sound(String::from_utf8_lossy(kind).into_owned()));
    }
    let esds = find(body.get(AUDIO..).ok_or("the sample entry is cut")?, &[b"esds"]).ok_or("no esds")?;
    let stream = descriptor(esds.get(4..).ok_or("esds is cut")?, 3).ok_or("no descriptor in esds")?;
    // Flags say which fields come first.
    let flags = *stream.get(2).ok_or("esds is cut")?;
    let mut at = 3;
    if flags & 0x80 != 0 {
        at += 2;
    }
    if flags & 0x40 != 0 {
        at += 1 + usize::from(*stream.get(at).ok_or("esds is cut")?);
    }
    if flags & 0x20 != 0 {
        at += 2;
    }
    let decoder = descriptor(stream.get(at..).ok_or("esds is cut")?, 4).ok_or("no decoder in esds")?;
    if decoder.first() != Some(&0x40) {
        return Ok(Coding::Sound(format!("mp4a.{:02X}", decoder.first().unwrap_or(&0))));
    }
    let average = u32_at(decoder, 9).ok_or("esds is cut")?;
    let config = decoder.get(13..).and_then(|rest| descriptor(rest, 5)).ok_or("no AudioSpecificConfig")?;
    let mut padded = [0; 8];
    for (to, from) in padded.iter_mut().zip(config) {
        *to = *from;
    }
    let bits = u64::from_be_bytes(padded);
    let take = |at: u32, count: u32| (bits >> (64 - at - count)) as u32 & ((1 << count) - 1);
    // A rate that is not in the table takes 24 bits more.
    let at = if take(5, 4) == 15 { 33 } else { 9 };
    let channels = match take(at, 4) {
        7 => 8,
        0 => u32::from(u16_at(body, 16).unwrap_or(0)),
        channels => channels,
    };
    Ok(Coding::Aac(Aac { object: take(0, 5), channels, average }))
}

/// The body of the first descriptor of a tag (ISO/IEC 14496-1 8.3.3).
fn descriptor(mut bytes: &[u8], tag: u8) -> Option<&[u8]> {
    loop {
        let (&found, rest) = bytes.split_first()?;
        let mut size = 0usize;
        let mut used = 0;
        loop {
            let byte = *rest.get(used)?;
            used += 1;
            size = (size << 7) | usize::from(byte & 0x7F);
            if byte & 0x80 == 0 || used == 4 {
                break;
            }
        }
        let body = rest.get(used..)?;
        if found == tag {
            return body.get(..size).or(Some(body));
        }
        bytes = body.get(size..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn what_our_own_writer_writes_is_read() {
        let video = parse(&sample::video_init((640, 360), 30, 25, 3600)).unwrap();
        assert_eq!((video.codec().as_str(), video.shown(), video.header_size), ("avc1.64001E", Some((640, 360)), (640, 360)));
        assert_eq!((video.timescale, video.begins, video.is_video()), (90_000, 3600, true));
        let sound = parse(&sample::sound_init(128_000)).unwrap();
        assert_eq!(sound.coding, Coding::Aac(Aac { object: 2, channels: 2, average: 128_000 }));
        assert_eq!((sound.codec().as_str(), sound.is_sound(), sound.shown()), ("mp4a.40.2", true, None));
    }

    #[test]
    fn no_cut_of_an_initialisation_segment_makes_the_reader_panic() {
        for whole in [sample::video_init((640, 360), 30, 25, 3600), sample::sound_init(128_000)] {
            for end in 0..whole.len() {
                assert!(parse(&whole[..end]).is_err());
            }
            for at in 0..whole.len() {
                for byte in [0, 1, 0x7F, 0xFF] {
                    let mut bent = whole.clone();
                    bent[at] = byte;
                    let _ = parse(&bent);
                }
            }
        }
    }
}
