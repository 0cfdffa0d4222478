//! Magic numbers. Owns the table of binary signatures; says nothing about texts.
//!
//! The table is our own and not a crate's, because a type decides which parser untrusted bytes are given to: every
//! line here has to agree with what `transcode` is willing to open.

use kernel::media::Kind;

/// A container or elementary stream of video or sound: its usual content and MIME type.
pub fn recording(head: &[u8]) -> Option<(Kind, &'static str)> {
    iso_media(head)
        .or_else(|| by_prefix(head))
        .or_else(|| riff(head))
        .or_else(|| ogg(head))
        .or_else(|| transport_stream(head).then_some((Kind::Video, "video/mp2t")))
        .or_else(|| mpeg_audio(head))
}

/// A known type that this product does not read, named as a teacher would name it.
pub fn unsupported(head: &[u8]) -> Option<&'static str> {
    const TABLE: [(&[u8], &str); 25] = [
        (b"\x89PNG\r\n\x1a\n", "a picture (PNG)"),
        (b"\xff\xd8\xff", "a picture (JPEG)"),
        (b"GIF87a", "a picture (GIF)"),
        (b"GIF89a", "a picture (GIF)"),
        (b"II*\0", "a picture (TIFF)"),
        (b"MM\0*", "a picture (TIFF)"),
        (b"\0\0\x01\0", "an icon"),
        (b"8BPS", "a Photoshop picture"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (save it as PDF)"),
        (b"7z\xbc\xaf\x27\x1c", "an archive (7z)"),
        (b"Rar!\x1a\x07", "an archive (RAR)"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"BZh", "a bzip2 archive"),
        (b"\xfd7zXZ\0", "an xz archive"),
        (b"\x28\xb5\x2f\xfd", "a zstd archive"),
        (b"MZ", "a Windows program"),
        (b"\x7fELF", "a Linux program"),
        (b"\xfe\xed\xfa", "a macOS program"),
        (b"\xcf\xfa\xed\xfe", "a macOS program"),
        (b"\xca\xfe\xba\xbe", "a compiled program"),
        (b"\0asm", "a WebAssembly module"),
        (b"SQLite format 3\0", "a database"),
        (b"wOFF", "a font"),
        (b"OTTO\0", "a font"),
        (b"\0\x01\0\0\0", "a font"),
    ];
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Some(zip_content(head));
    }
    if brand(head).is_some() {
        // Every ISO brand that is not a recording is a still image.
        return Some("a picture (HEIF)");
    }
    if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") {
        return Some("a picture (WebP)");
    }
    if head.starts_with(b"BM") && head.get(6..10) == Some(&[0; 4]) {
        return Some("a picture (BMP)");
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some("an archive (tar)");
    }
    // Two letters are too few to condemn a text that happens to begin with them.
    let is_text = crate::extract::decode::looks_like_text(head);
    TABLE.into_iter().find(|(magic, _)| head.starts_with(magic) && (magic.len() > 3 || !is_text)).map(|(_, what)| what)
}

fn zip_content(head: &[u8]) -> &'static str {
    let holds = |name: &[u8]| super::find(head, name).is_some();
    if holds(b"word/") {
        "a Word document (save it as PDF)"
    } else if holds(b"ppt/") {
        "a PowerPoint presentation (save it as PDF)"
    } else if holds(b"xl/") {
        "an Excel workbook (save it as PDF)"
    } else if holds(b"application/epub+zip") {
        "an EPUB book"
    } else if holds(b"application/vnd.oasis.opendocument") {
        "an OpenDocument file (save it as PDF)"
    } else {
        "an archive (ZIP; upload its files one by one)"
    }
}

/// The major brand of an ISO base media file (ISO/IEC 14496-12, 4.3).
fn brand(head: &[u8]) -> Option<&[u8]> {
    (head.get(4..8)? == b"ftyp").then(|| head.get(8..12))?
}

fn iso_media(head: &[u8]) -> Option<(Kind, &'static str)> {
    if let Some(brand) = brand(head) {
        return match brand {
            b"M4A " | b"M4B " | b"M4P " | b"F4A " => Some((Kind::Audio, "audio/mp4")),
            b"qt  " => Some((Kind::Video, "video/quicktime")),
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1" | b"avif" | b"avis" | b"crx " => None,
            _ => Some((Kind::Video, "video/mp4")),
        };
    }
    // QuickTime before brands, and fragments without one: the first atom is one of a few and its size is plausible.
    let atom = head.get(4..8)?;
    let size = u32::from_be_bytes(head.get(..4)?.try_into().ok()?);
    let known = [&b"moov"[..], b"mdat", b"wide", b"free", b"skip", b"pnot", b"moof", b"styp", b"sidx"].contains(&atom);
    (known && (size == 1 || size == 0 || size >= 8)).then_some((Kind::Video, "video/quicktime"))
}

fn by_prefix(head: &[u8]) -> Option<(Kind, &'static str)> {
    const TABLE: [(&[u8], Kind, &str); 15] = [
        (b"fLaC", Kind::Audio, "audio/flac"),
        (b"ID3", Kind::Audio, "audio/mpeg"),
        (b"#!AMR", Kind::Audio, "audio/amr"),
        (b"caff\0", Kind::Audio, "audio/x-caf"),
        (b"wvpk", Kind::Audio, "audio/x-wavpack"),
        (b"\x0b\x77", Kind::Audio, "audio/ac3"),
        (b"\x7f\xfe\x80\x01", Kind::Audio, "audio/vnd.dts"),
        (b"\x64\x58\x20\x25", Kind::Audio, "audio/vnd.dts"),
        (b"FLV\x01", Kind::Video, "video/x-flv"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Kind::Video, "video/x-ms-asf"),
        (b"\0\0\x01\xba", Kind::Video, "video/mpeg"),
        (b"\0\0\x01\xb3", Kind::Video, "video/mpeg"),
        (b"DKIF\0\0", Kind::Video, "video/x-ivf"),
        (b"\x06\x0e\x2b\x34\x02\x05\x01\x01", Kind::Video, "application/mxf"),
        (b".RMF\0", Kind::Video, "application/vnd.rn-realmedia"),
    ];
    if head.starts_with(b"\x1a\x45\xdf\xa3") {
        // EBML: the document type stands in the first element.
        let start = &head[..head.len().min(256)];
        let is_webm = super::find(start, b"webm").is_some();
        return Some((Kind::Video, if is_webm { "video/webm" } else { "video/x-matroska" }));
    }
    if head.starts_with(b"FORM") && matches!(head.get(8..12), Some(b"AIFF" | b"AIFC")) {
        return Some((Kind::Audio, "audio/aiff"));
    }
    TABLE.into_iter().find(|(magic, ..)| head.starts_with(magic)).map(|(_, kind, media_type)| (kind, media_type))
}

fn riff(head: &[u8]) -> Option<(Kind, &'static str)> {
    let is_riff = [&b"RIFF"[..], b"RF64", b"RIFX"].iter().any(|magic| head.starts_with(magic));
    match head.get(8..12)? {
        b"AVI " | b"AVIX" if is_riff => Some((Kind::Video, "video/x-msvideo")),
        b"WAVE" if is_riff => Some((Kind::Audio, "audio/wav")),
        _ => None,
    }
}

fn ogg(head: &[u8]) -> Option<(Kind, &'static str)> {
    if !head.starts_with(b"OggS") {
        return None;
    }
    // The first page of each stream comes before any data, so the codecs are named early.
    let start = &head[..head.len().min(4096)];
    let has_video = [&b"\x80theora"[..], b"BBCD\0", b"\x01video\0"].iter().any(|magic| super::find(start, magic).is_some());
    Some(if has_video { (Kind::Video, "video/ogg") } else { (Kind::Audio, "audio/ogg") })
}

/// Sync bytes every 188 bytes, or every 192 with a time stamp before each packet, or every 204 with a checksum.
fn transport_stream(head: &[u8]) -> bool {
    const PACKETS: usize = 5;
    [(188, 0), (192, 4), (204, 0)].into_iter().any(|(packet, first)| {
        let sync = (0..PACKETS).map_while(|n| head.get(first + n * packet));
        sync.clone().count() >= 3 && sync.clone().all(|&byte| byte == 0x47)
    })
}

/// MPEG audio and ADTS have an 11- or 12-bit sync word, which text in UTF-16 and much else can begin with; two
/// headers in a row, where the first says the second must be, are proof enough.
fn mpeg_audio(head: &[u8]) -> Option<(Kind, &'static str)> {
    if let Some(length) = adts_frame(head)
        && head.get(length..).is_none_or(|next| next.len() < 7 || adts_frame(next).is_some())
    {
        return Some((Kind::Audio, "audio/aac"));
    }
    let length = layer3_frame(head)?;
    let next = head.get(length..).unwrap_or_default();
    (next.len() < 4 || layer3_frame(next).is_some()).then_some((Kind::Audio, "audio/mpeg"))
}

/// Length of an ADTS frame (ISO/IEC 13818-7, 6.2) that starts here.
fn adts_frame(head: &[u8]) -> Option<usize> {
    let header = head.get(..7)?;
    let is_adts = header[0] == 0xff && header[1] & 0xf6 == 0xf0 && (header[2] >> 2) & 0xf < 13;
    let length = (usize::from(header[3] & 3) << 11) | (usize::from(header[4]) << 3) | usize::from(header[5] >> 5);
    (is_adts && length > 7).then_some(length)
}

/// Length of an MPEG-1/2/2.5 layer III frame (ISO/IEC 11172-3, 2.4.2.3) that starts here.
fn layer3_frame(head: &[u8]) -> Option<usize> {
    const MPEG1: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const MPEG2: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    const RATES: [usize; 3] = [44_100, 48_000, 32_000];
    let header = head.get(..4)?;
    let (version, layer) = ((header[1] >> 3) & 3, (header[1] >> 1) & 3);
    if header[0] != 0xff || header[1] & 0xe0 != 0xe0 || version == 1 || layer != 1 {
        return None;
    }
    let rate = RATES.get(usize::from((header[2] >> 2) & 3))?
        >> match version {
            3 => 0,
            2 => 1,
            _ => 2,
        };
    let table = if version == 3 { MPEG1 } else { MPEG2 };
    let kbits = *table.get(usize::from(header[2] >> 4))?;
    let samples = if version == 3 { 144 } else { 72 };
    let length = samples * kbits * 1000 / rate + usize::from((header[2] >> 1) & 1);
    (kbits > 0).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media_type(head: &[u8]) -> Option<&'static str> {
        recording(head).map(|(_, media_type)| media_type)
    }

    #[test]
    fn containers_are_told_by_their_magic() {
        assert_eq!(media_type(b"\0\0\0\x20ftypM4A \0\0"), Some("audio/mp4"));
        assert_eq!(media_type(b"\0\0\0\x14ftypqt  "), Some("video/quicktime"));
        assert_eq!(media_type(b"\0\0\x10\0moov\0\0\0lmvhd"), Some("video/quicktime"));
        assert_eq!(media_type(b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm"), Some("video/webm"));
        assert_eq!(media_type(b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska"), Some("video/x-matroska"));
        assert_eq!(media_type(b"RIFF\0\0\0\0AVI LIST"), Some("video/x-msvideo"));
        assert_eq!(media_type(b"RIFF\0\0\0\0WAVEfmt "), Some("audio/wav"));
        assert_eq!(media_type(b"OggS\0\x02........OpusHead"), Some("audio/ogg"));
        assert_eq!(media_type(b"OggS\0\x02........\x80theora"), Some("video/ogg"));
    }

    #[test]
    fn transport_stream_needs_its_sync_bytes_in_step() {
        let mut packets = vec![0u8; 188 * 4];
        for packet in packets.chunks_mut(188) {
            packet[0] = 0x47;
        }
        assert_eq!(media_type(&packets), Some("video/mp2t"));
        packets[188] = 0;
        assert_eq!(media_type(&packets), None);
    }

    #[test]
    fn lone_sync_word_is_not_audio() {
        assert_eq!(media_type(b"\xff\xfeh\0e\0l\0l\0o\0, this is UTF-16"), None);
        let mut frames = vec![0u8; 417 * 2];
        for start in [0, 417] {
            frames[start..start + 4].copy_from_slice(&[0xff, 0xfb, 0x90, 0x00]);
        }
        assert_eq!(media_type(&frames), Some("audio/mpeg"));
        frames[417] = 0;
        assert_eq!(media_type(&frames), None);
    }

    #[test]
    fn pictures_in_iso_containers_are_no_recordings() {
        assert_eq!(media_type(b"\0\0\0\x18ftypheic\0\0\0\0"), None);
        assert_eq!(unsupported(b"\0\0\0\x18ftypheic\0\0\0\0"), Some("a picture (HEIF)"));
    }
}
