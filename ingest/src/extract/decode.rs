//! Bytes to text. Owns the choice of the encoding; knows nothing of markup, not even `<meta charset>`.
//!
//! The order is: byte order mark, valid UTF-8, nearly valid UTF-8, then a statistical guess (chardetng, the
//! detector of a browser). A declared charset is not consulted, since teachers' exports often declare wrongly, and
//! the guess agrees with a true declaration.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8};

use crate::refusal::Refusal;

/// Decodes a whole text file; line ends become `\n`, the byte order mark is dropped.
///
/// # Errors
/// `text_encoding` when more than one character in a thousand does not decode.
pub fn decode(bytes: &[u8]) -> Result<String, Refusal> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}').to_owned(),
        Err(_) => {
            let (encoding, body) = encoding_of(bytes);
            let (text, _) = encoding.decode_without_bom_handling(body);
            let lost = text.chars().filter(|&c| c == char::REPLACEMENT_CHARACTER).count();
            if lost > text.chars().count() / 1000 + 1 {
                return Err(Refusal::TextEncoding);
            }
            text.into_owned()
        }
    };
    if text.contains('\0') {
        return Err(Refusal::TextEncoding);
    }
    Ok(unix_line_ends(text))
}

/// The best reading of a text's beginning, for looking at only.
pub fn lossy(head: &[u8]) -> Cow<'_, str> {
    let (encoding, body) = encoding_of(head);
    encoding.decode_without_bom_handling(body).0
}

/// Whether some bytes are text rather than binary data.
///
/// Follows the WHATWG's rule of "binary data bytes" (MIME sniffing, section 3), except that vertical tab and the
/// DOS end-of-file mark are let pass. UTF-16 is text only with a byte order mark.
pub fn looks_like_text(head: &[u8]) -> bool {
    if let Some((encoding, _)) = Encoding::for_bom(head)
        && encoding != UTF_8
    {
        return true;
    }
    !head.iter().any(|&byte| matches!(byte, 0..=8 | 0x0e..=0x19 | 0x1c..=0x1f))
}

fn encoding_of(bytes: &[u8]) -> (&'static Encoding, &[u8]) {
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        return (encoding, &bytes[length..]);
    }
    if is_mostly_utf8(bytes) {
        return (UTF_8, bytes);
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    (detector.guess(None, Utf8Detection::Deny), bytes)
}

/// One damaged character must not turn all the others into mojibake: at least ten sound multi-byte sequences for
/// each broken one.
fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let (mut sound, mut broken) = (0usize, 0usize);
    for part in bytes.utf8_chunks() {
        sound += part.valid().chars().filter(|c| !c.is_ascii()).count();
        broken += usize::from(!part.invalid().is_empty());
    }
    broken == 0 || sound / 10 >= broken
}

fn unix_line_ends(text: String) -> String {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_recognised() {
        assert_eq!(decode("naïve café".as_bytes()).unwrap(), "naïve café");
        assert_eq!(decode(b"\xef\xbb\xbfhello\r\nworld\r").unwrap(), "hello\nworld\n");
        assert_eq!(decode(b"\xff\xfeh\0i\0").unwrap(), "hi");
        assert_eq!(decode(b"\xfe\xff\0h\0i").unwrap(), "hi");
        assert_eq!(decode(b"un caf\xe9 fran\xe7ais, d\xe9j\xe0 vu").unwrap(), "un café français, déjà vu");
    }

    #[test]
    fn one_broken_character_does_not_spoil_the_rest() {
        let mut bytes = "äöü".repeat(500).into_bytes();
        bytes.push(0xff);
        let text = decode(&bytes).unwrap();
        assert!(text.starts_with("äöüäöü"));
    }

    #[test]
    fn binary_data_is_not_text() {
        assert!(looks_like_text("plain, tab\t, ünïcode".as_bytes()));
        assert!(!looks_like_text(b"abc\0def"));
        assert!(!looks_like_text(b"\x01\x02"));
        assert_eq!(decode(b"a\0b").unwrap_err().code(), "text_encoding");
    }
}
