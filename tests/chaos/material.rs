//! What is uploaded: small real files of every kind, each with bytes and a word of its own.

use std::path::Path;

/// One upload, and what must become of it.
pub struct Piece {
    pub file_name: String,
    pub bytes: Vec<u8>,
    /// Published in the end; otherwise refused with a reason.
    pub good: bool,
    /// A word that stands in no other piece; None for what has no text of ours.
    pub word: Option<String>,
}

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// An ISO media file may end with boxes of free space.
fn with_box(mut bytes: Vec<u8>, number: u64) -> Vec<u8> {
    bytes.extend([0, 0, 0, 16]);
    bytes.extend(b"free");
    bytes.extend(number.to_be_bytes());
    bytes
}

fn with_end(mut bytes: Vec<u8>, end: String) -> Vec<u8> {
    bytes.extend(end.bytes());
    bytes
}

/// Letters only, so that no tokenizer cuts it.
fn word(number: u64) -> String {
    let mut rest = number + 1000;
    let mut word = String::from("zq");
    while rest > 0 {
        word.push((b'a' + (rest % 20) as u8) as char);
        rest /= 20;
    }
    word + "x"
}

/// The `number`th piece; `media` in 20 are recordings.
pub fn piece(number: u64, media: u64) -> Piece {
    let word = word(number);
    let paragraphs = |count: u64| -> String {
        (0..count).map(|n| format!("Paragraph {n} of {word}: the keeper trims the wick, turns the lens and writes the weather of hour {n} into the log of volume {number}.\n\n")).collect()
    };
    let text = |name: &str, body: String| Piece {
        file_name: format!(
            "{name} {number}.{}",
            if name == "page" {
                "html"
            } else if name == "plain" {
                "txt"
            } else {
                "md"
            }
        ),
        bytes: body.into_bytes(),
        good: true,
        word: Some(word.clone()),
    };
    if number % 20 < media {
        // Of these, only the lecture is long enough for several runs, and to be watched before it is complete.
        let (name, source) =
            [("lecture", "runs.mp4"), ("clip", "tiny.mp4"), ("lecture", "runs.mp4"), ("tone", "tone.m4a")][(number % 4) as usize];
        let extension = source.rsplit_once('.').map_or("", |(_, extension)| extension);
        return Piece {
            file_name: format!("{name} {number}.{extension}"),
            bytes: with_box(fixture(source), number),
            good: true,
            word: None,
        };
    }
    match (number / 20 + number) % 10 {
        0 | 1 => text("notes", format!("# Notes {word}\n\n{}", paragraphs(3))),
        2 => text("book", format!("# Book {word}\n\n{}", paragraphs(60))),
        3 | 4 => text("page", format!("<!doctype html><title>Page {number}</title><h1>{word}</h1><p>{}</p>", paragraphs(2))),
        5 => text("plain", paragraphs(2)),
        6 => Piece {
            file_name: format!("talk {number}.vtt"),
            bytes: format!(
                "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nThe word is {word}.\n\n00:00:02.000 --> 00:00:04.000\nVolume {number}.\n"
            )
            .into_bytes(),
            good: true,
            word: Some(word),
        },
        7 => Piece {
            file_name: format!("speech {number}.srt"),
            bytes: format!("1\n00:00:00,000 --> 00:00:02,000\nThe word is {word}.\n\n2\n00:00:02,000 --> 00:00:04,000\nVolume {number}.\n")
                .into_bytes(),
            good: true,
            word: Some(word),
        },
        8 => Piece {
            file_name: format!("pages {number}.pdf"),
            bytes: with_end(fixture("two-pages.pdf"), format!("\n% copy {number}\n")),
            good: true,
            word: None,
        },
        _ => {
            let name = ["encrypted.pdf", "unknown.bin", "playlist-as.mp4"][(number % 3) as usize];
            Piece {
                file_name: format!("bad {number} {name}"),
                bytes: with_end(fixture(name), format!("\n# {number}\n")),
                good: false,
                word: None,
            }
        }
    }
}
