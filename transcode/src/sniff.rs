//! What the first bytes of a file say, without libav: is it a family of containers that we accept, and are its
//! samples encrypted? Used to choose the right reason when libav refuses a file; accepting is libav's whitelist's
//! business (open.rs). Pure, apart from reading the `moov` box of an MP4.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use crate::budget::MAX_MOOV;

/// True when the bytes begin like one of the accepted containers, even if the rest turns out to be unreadable.
pub fn is_media(head: &[u8]) -> bool {
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let ts = |start: usize, stride: usize| (0..3).all(|i| head.get(start + i * stride) == Some(&0x47));
    is_mp4(head)
        || at(0, b"\x1A\x45\xDF\xA3") // EBML: Matroska, WebM
        || ts(0, 188) || ts(4, 192) // MPEG transport stream, with and without time codes
        || at(0, b"\0\0\x01\xBA") || at(0, b"\0\0\x01\xB3") // MPEG program stream, MPEG video
        || (at(0, b"RIFF") && (at(8, b"AVI ") || at(8, b"WAVE")))
        || at(0, b"RF64") || at(0, b"FLV\x01") || at(0, b"OggS") || at(0, b"fLaC") || at(0, b"caff")
        || at(0, b"\x30\x26\xB2\x75\x8E\x66\xCF\x11") // ASF: WMV, WMA
        || at(0, b"ID3") || at(0, b"#!AMR") || (at(0, b"FORM") && at(8, b"AIF"))
        || at(0, b"\x0B\x77") || at(0, b"\x7F\xFE\x80\x01") // AC-3, DTS
        || matches!(head, [0xFF, second, ..] if second & 0xE0 == 0xE0) // MPEG audio, ADTS
}

/// True when the bytes begin like ISO base media (MP4, M4A, MOV, 3GP and their fragments).
pub fn is_mp4(head: &[u8]) -> bool {
    const FIRST: [&[u8]; 10] = [b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"moof", b"sidx"];
    head.get(4..8).is_some_and(|kind| FIRST.contains(&kind))
}

/// True when an MP4 declares encrypted samples: a sample entry of a protected kind (ISO/IEC 14496-12, 8.12).
pub fn is_encrypted_mp4(file: &mut File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    let mut offset = 0;
    while offset + 8 <= length {
        file.seek(SeekFrom::Start(offset))?;
        let mut header = [0; 16];
        let got = file.read(&mut header)?;
        let Some((kind, size, skip)) = header.get(..got).and_then(box_header) else { return Ok(false) };
        let size = if size == 0 { length - offset } else { size };
        if kind == *b"moov" {
            let body = size.saturating_sub(skip);
            if body > MAX_MOOV {
                return Ok(false);
            }
            file.seek(SeekFrom::Start(offset + skip))?;
            let mut moov = Vec::new();
            file.take(body).read_to_end(&mut moov)?;
            return Ok(has_protected_entry(&moov));
        }
        if size < skip {
            return Ok(false);
        }
        offset += size;
    }
    Ok(false)
}

/// Kind, size of the whole box and size of its header; `None` when the bytes are too few.
fn box_header(bytes: &[u8]) -> Option<([u8; 4], u64, u64)> {
    let size = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?);
    let kind = bytes.get(4..8)?.try_into().ok()?;
    match size {
        1 => Some((kind, u64::from_be_bytes(bytes.get(8..16)?.try_into().ok()?), 16)),
        size => Some((kind, size.into(), 8)),
    }
}

fn has_protected_entry(moov: &[u8]) -> bool {
    let mut found = false;
    for_each_box(moov, &mut |kind, body| match &kind {
        b"trak" | b"mdia" | b"minf" | b"stbl" => found |= has_protected_entry(body),
        b"stsd" => for_each_box(body.get(8..).unwrap_or_default(), &mut |entry, _| {
            found |= matches!(&entry, b"encv" | b"enca" | b"enct" | b"encs" | b"drms" | b"drmi");
        }),
        _ => {}
    });
    found
}

fn for_each_box(mut bytes: &[u8], visit: &mut dyn FnMut([u8; 4], &[u8])) {
    while let Some((kind, size, skip)) = box_header(bytes) {
        let end = usize::try_from(size).unwrap_or(usize::MAX).min(bytes.len());
        let end = if size == 0 { bytes.len() } else { end };
        let Some(body) = bytes.get(skip as usize..end) else { return };
        visit(kind, body);
        bytes = &bytes[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
    }

    fn moov_with(entry: &[u8; 4]) -> Vec<u8> {
        let stsd = boxed(b"stsd", &[&[0; 8][..], &boxed(entry, &[0; 20])].concat());
        boxed(b"trak", &boxed(b"mdia", &boxed(b"minf", &boxed(b"stbl", &stsd))))
    }

    #[test]
    fn encrypted_sample_entries_are_found_and_plain_ones_are_not() {
        assert!(has_protected_entry(&moov_with(b"encv")));
        assert!(has_protected_entry(&moov_with(b"enca")));
        assert!(!has_protected_entry(&moov_with(b"avc1")));
    }

    #[test]
    fn lying_box_sizes_end_the_walk() {
        for size in [2u32, 7, 9, u32::MAX] {
            assert!(!has_protected_entry(&[&size.to_be_bytes()[..], b"trak", &[0; 3]].concat()));
        }
        let huge = [&1u32.to_be_bytes()[..], b"trak", &u64::MAX.to_be_bytes()].concat();
        assert!(!has_protected_entry(&huge));
    }

    #[test]
    fn playlists_and_texts_are_not_media_and_containers_are() {
        for text in [&b"#EXTM3U\n#EXT-X-VERSION:3"[..], b"ffconcat version 1.0", b"<?xml ?><MPD>", b"v=0\r\no=-", b"hello", b""] {
            assert!(!is_media(text), "{text:?}");
        }
        assert!(is_media(b"\0\0\0\x18ftypisom"));
        assert!(is_media(b"\x1A\x45\xDF\xA3\x01"));
        assert!(is_media(b"RIFF\0\0\0\0WAVEfmt "));
    }
}
