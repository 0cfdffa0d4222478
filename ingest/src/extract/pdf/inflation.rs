//! Compressed bombs, measured before PDFium meets them.
//!
//! Deflate packs a thousand to one, so a file of one megabyte can unpack to a gigabyte in memory. Every stream that
//! could exceed the budget is unpacked here once, into nothing, and counted. The file is scanned for streams without
//! its cross-reference table, so that a damaged or lying table hides none. Pictures are not looked at, since reading
//! text does not unpack them.

use std::io::Read;

use flate2::read::ZlibDecoder;

use crate::refusal::Refusal;

/// The best ratio deflate can reach (zlib's technical notes: 1032 to 1).
const MAX_RATIO: u64 = 1032;
/// How far before its data a stream's dictionary is looked for.
const DICTIONARY_WINDOW: usize = 2048;

/// # Errors
/// `too_complex` when a stream unpacks to more than `most` bytes.
pub fn check(pdf: &[u8], most: u64) -> Result<(), Refusal> {
    let mut at = 0;
    while let Some(found) = find(&pdf[at..], b"stream") {
        let keyword = at + found;
        at = keyword + b"stream".len();
        if pdf[..keyword].ends_with(b"end") {
            continue;
        }
        let data = match &pdf[at..] {
            [b'\r', b'\n', data @ ..] | [b'\n' | b'\r', data @ ..] => data,
            _ => continue,
        };
        let length = find(data, b"endstream").unwrap_or(data.len());
        let dictionary = dictionary(&pdf[..keyword]);
        let layers = count(dictionary, b"/FlateDecode") + count(dictionary, b"/Fl ") + count(dictionary, b"/Fl]");
        let is_picture = find(dictionary, b"/Image").is_some();
        if !is_picture && could_exceed(length as u64, layers, most) && unpacks_beyond(&data[..length], layers, most) {
            return Err(Refusal::TooComplex("a compressed part of it unpacks to an enormous size"));
        }
        at += length;
    }
    Ok(())
}

fn could_exceed(length: u64, layers: usize, most: u64) -> bool {
    match layers {
        0 => false,
        1 => length.saturating_mul(MAX_RATIO) > most,
        _ => length.saturating_mul(MAX_RATIO * MAX_RATIO) > most,
    }
}

fn unpacks_beyond(data: &[u8], layers: usize, most: u64) -> bool {
    let mut reader: Box<dyn Read + '_> = Box::new(data);
    for _ in 0..layers.min(4) {
        reader = Box::new(ZlibDecoder::new(reader));
    }
    let mut buffer = vec![0; 64 * 1024];
    let mut total = 0;
    loop {
        match reader.read(&mut buffer) {
            // Damage, encryption or the end: what came so far is what a reader would get.
            Ok(0) | Err(_) => return false,
            Ok(read) => total += read as u64,
        }
        if total > most {
            return true;
        }
    }
}

/// The bytes between the stream's `obj` and its data.
fn dictionary(before: &[u8]) -> &[u8] {
    let window = &before[before.len().saturating_sub(DICTIONARY_WINDOW)..];
    match window.windows(4).rposition(|bytes| bytes == b" obj") {
        Some(start) => &window[start..],
        None => window,
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = needle[0];
    let mut from = 0;
    while let Some(found) = haystack[from..].iter().position(|&byte| byte == first) {
        let at = from + found;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

fn count(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).filter(|window| *window == needle).count()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn pdf(dictionary: &str, data: &[u8]) -> Vec<u8> {
        [b"%PDF-1.4\n4 0 obj <<".as_slice(), dictionary.as_bytes(), b">>\nstream\r\n", data, b"\nendstream endobj"].concat()
    }

    #[test]
    fn streams_are_measured_and_not_believed() {
        let spaces = vec![b' '; 5 << 20];
        let bomb = packed(&spaces);
        let refused = |pdf: &[u8]| check(pdf, 4 << 20).map_err(|refusal| refusal.code());
        assert_eq!(refused(&pdf("/Length 3 /Filter /FlateDecode", &bomb)), Err("too_complex"));
        assert_eq!(refused(&pdf("/Filter [/FlateDecode /FlateDecode]", &packed(&bomb))), Err("too_complex"));
        assert_eq!(refused(&pdf("/Filter /FlateDecode", &packed(&spaces[..3 << 20]))), Ok(()));
        assert_eq!(refused(&pdf("/Subtype /Image /Filter /FlateDecode", &bomb)), Ok(()));
        assert_eq!(refused(b"no stream in here, only a downstream\n"), Ok(()));
    }
}
