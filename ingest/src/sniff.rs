//! What a file is, told from its bytes.
//!
//! Owns the decision which of our formats some bytes are, or why they are none. The name is looked at for one
//! thing only: which flavour of text a text is. Nothing is parsed here and nothing is promised: whether a
//! recording plays or a PDF opens is found out later, in a child process.

mod signature;

use kernel::media::Kind;
use serde::{Deserialize, Serialize};

use crate::{extract::decode, refusal::Refusal};

/// How many leading bytes [`sniff`] wants to see. More does no harm and is not looked at.
pub const HEAD_BYTES: usize = 64 * 1024;

/// What the bytes turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Something libav may be able to play. `kind` is the container's usual content; the probe has the last word.
    Recording { kind: Kind, media_type: &'static str },
    /// Something `extract` reads.
    Document(Format),
}

/// The document formats that `extract` reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Pdf,
    Html,
    Markdown,
    Text,
    WebVtt,
    SubRip,
}

impl Found {
    pub fn kind(self) -> Kind {
        match self {
            Self::Recording { kind, .. } => kind,
            Self::Document(Format::WebVtt | Format::SubRip) => Kind::Captions,
            Self::Document(_) => Kind::Document,
        }
    }

    /// The MIME type, without parameters.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Recording { media_type, .. } => media_type,
            Self::Document(format) => format.media_type(),
        }
    }
}

impl Format {
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Html => "text/html",
            Self::Markdown => "text/markdown",
            Self::Text => "text/plain",
            Self::WebVtt => "text/vtt",
            Self::SubRip => "application/x-subrip",
        }
    }

    /// The inverse of [`Format::media_type`], for what the database holds.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        [Self::Pdf, Self::Html, Self::Markdown, Self::Text, Self::WebVtt, Self::SubRip]
            .into_iter()
            .find(|format| format.media_type() == media_type)
    }
}

/// Tells what a file is from its first [`HEAD_BYTES`] bytes.
///
/// `file_name` is as the client sent it. It only settles what bytes cannot: a text whose name ends in `.md` or
/// `.markdown` is Markdown even where it opens with an HTML tag, any other text is plain.
///
/// # Errors
/// `empty_file`, `unsupported_container` for playlists and manifests, `unsupported_type` for all else.
pub fn sniff(head: &[u8], file_name: &str) -> Result<Found, Refusal> {
    let head = &head[..head.len().min(HEAD_BYTES)];
    if head.is_empty() {
        return Err(Refusal::EmptyFile);
    }
    if let Some((kind, media_type)) = signature::recording(head) {
        return Ok(Found::Recording { kind, media_type });
    }
    if is_pdf(head) {
        return Ok(Found::Document(Format::Pdf));
    }
    if let Some(what) = signature::unsupported(head) {
        return Err(Refusal::UnsupportedType(what));
    }
    if !decode::looks_like_text(head) {
        return Err(Refusal::UnsupportedType("a file of an unknown type"));
    }
    text_flavour(&decode::lossy(head), is_markdown_name(file_name)).map(Found::Document)
}

/// The header may stand up to 1,024 bytes into the file (ISO 32000-1, annex H, note 13), but a text that merely
/// mentions it is no PDF: unless it comes first, an object must follow.
fn is_pdf(head: &[u8]) -> bool {
    let window = &head[..head.len().min(1024 + 8)];
    match find(window, b"%PDF-") {
        Some(0) => true,
        Some(at) => find(&head[at..], b" obj").is_some(),
        None => false,
    }
}

fn text_flavour(text: &str, named_markdown: bool) -> Result<Format, Refusal> {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    if text.is_empty() {
        return Err(Refusal::EmptyFile);
    }
    if let Some(what) = playlist(text) {
        return Err(Refusal::UnsupportedContainer(what));
    }
    if let Some(rest) = text.strip_prefix("WEBVTT")
        && rest.chars().next().is_none_or(char::is_whitespace)
    {
        return Ok(Format::WebVtt);
    }
    if is_subrip(text) {
        return Ok(Format::SubRip);
    }
    if text.starts_with("{\\rtf") {
        return Err(Refusal::UnsupportedType("a rich text (RTF) document"));
    }
    if text.starts_with("%!PS") {
        return Err(Refusal::UnsupportedType("a PostScript file"));
    }
    match markup(text) {
        Markup::Page => Ok(Format::Html),
        Markup::Fragment if !named_markdown => Ok(Format::Html),
        Markup::OtherXml => Err(Refusal::UnsupportedType("an XML file")),
        Markup::Picture => Err(Refusal::UnsupportedType("a picture")),
        _ if named_markdown => Ok(Format::Markdown),
        _ => Ok(Format::Text),
    }
}

/// Texts that make a player open other files or addresses.
fn playlist(text: &str) -> Option<&'static str> {
    let start: String = text.chars().take(2048).collect::<String>().to_ascii_lowercase();
    let after_prolog = skip_prolog(&start);
    let opens = |tag: &str| after_prolog.starts_with(tag);
    if start.starts_with("#extm3u") || start.starts_with("#ext-x-") {
        Some("an HLS playlist (M3U8)")
    } else if start.starts_with("ffconcat") {
        Some("an ffconcat list")
    } else if start.starts_with("v=0") && start.lines().nth(1).is_some_and(|line| line.starts_with("o=")) {
        Some("a session description (SDP)")
    } else if start.starts_with("[playlist]") || start.starts_with("[reference]") {
        Some("a playlist")
    } else if opens("<mpd") {
        Some("a DASH manifest (MPD)")
    } else if opens("<smoothstreamingmedia") || opens("<asx") || opens("<smil") || opens("<compositionplaylist") {
        Some("a streaming manifest")
    } else {
        None
    }
}

/// SubRip has no signature: a counter (some writers leave it out), then a line of two times.
fn is_subrip(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(first) = lines.next() else { return false };
    let timing = if first.bytes().all(|b| b.is_ascii_digit()) { lines.next() } else { Some(first) };
    timing.is_some_and(|line| crate::extract::captions::timing(line).is_some())
}

enum Markup {
    /// Says of itself that it is a page.
    Page,
    /// Opens with a tag that is also at home in Markdown.
    Fragment,
    OtherXml,
    Picture,
    None,
}

fn markup(text: &str) -> Markup {
    let start: String = text.chars().take(4096).collect::<String>().to_ascii_lowercase();
    let body = skip_prolog(&start);
    let opens = |name: &str| {
        body.strip_prefix('<')
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with(|c: char| !c.is_ascii_alphanumeric() && c != '-'))
    };
    let is_xml = start.starts_with("<?xml");
    if body.starts_with("<!doctype html") || ["html", "head", "body"].into_iter().any(opens) {
        Markup::Page
    } else if opens("svg") || body.starts_with("<!doctype svg") {
        Markup::Picture
    } else if is_xml {
        Markup::OtherXml
    } else if FRAGMENT_TAGS.into_iter().any(opens) {
        Markup::Fragment
    } else {
        Markup::None
    }
}

/// Tags that browsers take as a sign of HTML (WHATWG MIME sniffing, section 7.1), and a few that word processors
/// begin their clipboard fragments with.
const FRAGMENT_TAGS: [&str; 28] = [
    "title", "meta", "link", "script", "style", "base", "h1", "h2", "h3", "h4", "h5", "h6", "div", "p", "span", "table", "ul", "ol", "dl",
    "a", "b", "br", "font", "iframe", "article", "section", "main", "header",
];

/// Skips an XML declaration, comments and white space before the first real tag.
fn skip_prolog(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        let after = if rest.starts_with("<?") {
            rest.split_once("?>")
        } else if rest.starts_with("<!--") {
            rest.split_once("-->")
        } else {
            None
        };
        match after {
            Some((_, tail)) => rest = tail.trim_start(),
            None => return rest,
        }
    }
}

fn is_markdown_name(file_name: &str) -> bool {
    let lower = file_name.to_ascii_lowercase();
    [".md", ".markdown", ".mdown", ".mkd", ".mdx"].iter().any(|ending| lower.ends_with(ending))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(head: &[u8], name: &str) -> Result<Format, &'static str> {
        match sniff(head, name) {
            Ok(Found::Document(format)) => Ok(format),
            Ok(Found::Recording { media_type, .. }) => Err(media_type),
            Err(refusal) => Err(refusal.code()),
        }
    }

    #[test]
    fn type_comes_from_the_bytes_and_not_from_the_name() {
        assert_eq!(format(b"%PDF-1.7\n1 0 obj", "film.mp4"), Ok(Format::Pdf));
        assert_eq!(format(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "notes.md"), Err("video/mp4"));
        assert_eq!(format(b"<!DOCTYPE html><title>x</title>", "slides.pdf"), Ok(Format::Html));
        assert_eq!(format(b"WEBVTT\n\n00:01.000 --> 00:02.000\nhi", "x.txt"), Ok(Format::WebVtt));
        assert_eq!(format(b"1\r\n00:00:01,000 --> 00:00:02,500\r\nhi", "x.md"), Ok(Format::SubRip));
        assert_eq!(format(b"00:00:01,000 --> 00:00:02,500\nhi", "x"), Ok(Format::SubRip));
    }

    #[test]
    fn name_chooses_only_between_flavours_of_text() {
        assert_eq!(format(b"# Heading\n\ntext", "notes.md"), Ok(Format::Markdown));
        assert_eq!(format(b"# Heading\n\ntext", "notes.txt"), Ok(Format::Text));
        assert_eq!(format(b"<p align=\"center\">logo</p>\n\n# Title", "README.md"), Ok(Format::Markdown));
        assert_eq!(format(b"<p align=\"center\">logo</p>", "page"), Ok(Format::Html));
        assert_eq!(format(b"<!-- c --><html lang=en>", "README.md"), Ok(Format::Html));
        assert_eq!(format(b"<product> is not a tag", "a.txt"), Ok(Format::Text));
    }

    #[test]
    fn playlists_are_refused_under_any_name() {
        for text in [
            "#EXTM3U\n#EXT-X-TARGETDURATION:4\n",
            "\u{feff}  #EXTM3U\n",
            "ffconcat version 1.0\nfile '/etc/passwd'\n",
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
            "<?xml version=\"1.0\"?>\n<!-- x -->\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\">",
            "<SmoothStreamingMedia MajorVersion=\"2\">",
        ] {
            for name in ["a.mp4", "a.m3u8", "a.txt", "a"] {
                assert_eq!(format(text.as_bytes(), name), Err("unsupported_container"), "{text:?} as {name}");
            }
        }
    }

    #[test]
    fn everything_else_is_refused_with_a_sentence() {
        assert_eq!(format(b"", "a.pdf"), Err("empty_file"));
        assert_eq!(format(b" \n\t ", "a.md"), Err("empty_file"));
        for bytes in [
            &b"PK\x03\x04\x14\0\0\0\x08\0........word/document.xml"[..],
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            b"MZ\x90\0\x03\0\0\0",
            b"\x7fELF\x02\x01\x01\0",
            b"\0\x01\x02\x03\x04\x05random",
            b"<?xml version='1.0'?><feed/>",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"{\\rtf1 hello}",
        ] {
            assert_eq!(format(bytes, "a.pdf"), Err("unsupported_type"), "{bytes:?}");
        }
        let word = sniff(b"PK\x03\x04........word/document.xml", "a.docx").unwrap_err();
        assert!(word.to_string().contains("Word"), "{word}");
    }

    #[test]
    fn text_that_mentions_pdf_stays_text() {
        assert_eq!(format(b"A PDF starts with %PDF-1.4 and so on.", "a.txt"), Ok(Format::Text));
        assert_eq!(format(b"junk\n%PDF-1.4\n1 0 obj\n<<>>", "a"), Ok(Format::Pdf));
    }

    #[test]
    fn kinds_and_types_follow_the_format() {
        assert_eq!(Found::Document(Format::SubRip).kind(), Kind::Captions);
        assert_eq!(Found::Document(Format::Html).kind(), Kind::Document);
        assert_eq!(Format::of_media_type("text/vtt"), Some(Format::WebVtt));
        assert_eq!(Format::of_media_type("video/mp4"), None);
    }
}
