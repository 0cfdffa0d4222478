//! Documents and captions to text with places: what stands where, under which heading, at which second.
//!
//! Owns the shape of what comes out ([`Extracted`]), the budgets, and the choice of the reader. One file per format
//! below. Everything here is synchronous and touches nothing but the given file. It is called only in a disposable
//! child process (`child`), because the readers are handed bytes that nobody has checked.

pub mod captions;
pub mod decode;
mod flow;
mod html;
mod language;
mod markdown;
pub mod pdf;
mod srt;
mod text;
mod vtt;

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;
use crate::sniff::Format;

/// Version of everything that decides what text, pages and cues come out. Raise it when they change.
pub const EXTRACTOR_VERSION: i32 = 1;

/// What a document says, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Extracted {
    pub format: Format,
    /// As the document names itself; none when it does not, or only repeats a program's name.
    pub title: Option<String>,
    /// BCP 47, only when the text is long and clear enough to tell.
    pub language: Option<String>,
    pub notice: Option<Notice>,
    #[serde(flatten)]
    pub body: Body,
}

/// Something the instructor should know about a document that could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// The pages are pictures: they can be looked at, but nothing in them can be found.
    NoTextLayer,
    /// There is nothing to find in it.
    NoText,
    /// Some pages could not be read and were left out.
    PagesSkipped,
}

/// The text, in the shape of its document. All offsets count characters (Unicode scalar values), not bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "snake_case")]
pub enum Body {
    Pages { pages: Vec<Page> },
    Flow(Flow),
    Cues { cues: Vec<Cue> },
}

/// One page of a PDF. `number` counts from 1, as the file orders its pages, whatever is printed on them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    pub number: u32,
    pub text: String,
    pub headings: Vec<Heading>,
}

/// A text without pages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    pub text: String,
    pub headings: Vec<Heading>,
}

/// A heading, in the order of the text. It occupies `start..end` there; both are equal when it is known that the
/// heading applies from here on but its line was not found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heading {
    /// 1 is the highest.
    pub level: u8,
    pub title: String,
    pub start: u32,
    pub end: u32,
}

/// One caption. Times are seconds from the beginning of the recording, `start <= end`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cue {
    pub start: f64,
    pub end: f64,
    /// Without markup, on one line.
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    /// When the text from this character on begins to be said, where a machine has told: in order, later than `start` and
    /// earlier than `end`, both in time and in characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<(f64, u32)>,
}

/// How much of a document is read before it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    pub max_pages: u32,
    /// Characters of text in all.
    pub max_chars: usize,
    /// Bytes of a text, HTML, Markdown or captions file.
    pub max_text_bytes: u64,
    /// Bytes that one compressed stream of a PDF may unpack to.
    pub max_stream_bytes: u64,
    /// Seconds of processor time for a PDF.
    pub max_seconds: f64,
    /// Seconds of processor time for everything else: even a book is parsed in one.
    pub max_text_seconds: f64,
    /// Whether a PDF's outline, title, fields and comments are read too; off for a second try after a crash.
    pub structure: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            max_pages: 5_000,
            max_chars: 8_000_000,
            max_text_bytes: 32 << 20,
            max_stream_bytes: 96 << 20,
            max_seconds: 90.0,
            max_text_seconds: 8.0,
            structure: true,
        }
    }
}

/// Why no text came out.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The file itself is at fault; see [`Refusal::code`].
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The file could not be read from the disk.
    #[error("read document")]
    Io(#[from] std::io::Error),
    /// The PDFium library is missing or not the one expected: the installation is at fault.
    #[error(transparent)]
    Pdfium(#[from] pdf::PdfiumMissing),
}

/// A started [`Budget`]: what the readers ask whether they may go on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter {
    pub budget: Budget,
    /// On the clock of the reading thread.
    deadline: Duration,
}

impl Meter {
    pub fn start(budget: Budget, seconds: f64) -> Self {
        Self { budget, deadline: kernel::child::thread_time() + Duration::from_secs_f64(seconds) }
    }

    #[cfg(test)]
    pub fn unhurried() -> Self {
        Self::start(Budget::default(), 60.0)
    }

    pub fn is_late(&self) -> bool {
        kernel::child::thread_time() >= self.deadline
    }

    pub fn check_time(&self) -> Result<(), Refusal> {
        if self.is_late() { Err(Refusal::TooComplex("it takes too long")) } else { Ok(()) }
    }

    pub fn check_chars(&self, chars: usize) -> Result<(), Refusal> {
        if chars > self.budget.max_chars {
            return Err(Refusal::TooComplex("it unpacks to more text than any book holds"));
        }
        Ok(())
    }
}

/// Reads one file as the given format.
///
/// `pdfium` is the path of the PDFium library, looked at for PDFs only. `progress` is called with pages done and
/// pages in all, for PDFs only.
///
/// # Errors
/// [`ExtractError::Refused`] is final for these bytes; the other two are not the document's fault.
pub fn extract(
    path: &Path,
    format: Format,
    pdfium: &Path,
    budget: Budget,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Extracted, ExtractError> {
    let seconds = if format == Format::Pdf { budget.max_seconds } else { budget.max_text_seconds };
    let meter = Meter::start(budget, seconds);
    let bytes = fs::metadata(path)?.len();
    if bytes == 0 {
        return Err(Refusal::EmptyFile.into());
    }
    let (title, body, notice) = if format == Format::Pdf {
        let read = pdf::read(path, pdfium, &meter, progress)?;
        (read.title, Body::Pages { pages: read.pages }, read.notice)
    } else {
        if bytes > budget.max_text_bytes {
            let limit = budget.max_text_bytes >> 20;
            return Err(Refusal::TooLarge(format!("this file is larger than {limit} MB of text; split it")).into());
        }
        let (title, body) = read_text(&decode::decode(&fs::read(path)?)?, format, &meter)?;
        (title, body, None)
    };
    let extracted = Extracted { format, title, language: language::of(&body), notice, body };
    Ok(Extracted { notice: extracted.notice.or(extracted.body.is_blank().then_some(Notice::NoText)), ..extracted })
}

fn read_text(source: &str, format: Format, meter: &Meter) -> Result<(Option<String>, Body), Refusal> {
    let flow = |(title, flow): (Option<String>, Flow)| (title, Body::Flow(flow));
    match format {
        Format::Html => html::read(source, meter).map(flow),
        Format::Markdown => markdown::read(source, meter).map(flow),
        Format::WebVtt => vtt::read(source, meter).map(|cues| (None, Body::Cues { cues })),
        Format::SubRip => srt::read(source, meter).map(|cues| (None, Body::Cues { cues })),
        Format::Text | Format::Pdf => text::read(source, meter).map(flow),
    }
}

impl Body {
    /// Every piece of text, in order.
    pub fn texts(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Pages { pages } => Box::new(pages.iter().map(|page| page.text.as_str())),
            Self::Flow(flow) => Box::new(std::iter::once(flow.text.as_str())),
            Self::Cues { cues } => Box::new(cues.iter().map(|cue| cue.text.as_str())),
        }
    }

    /// Pages, for what has pages.
    pub fn page_count(&self) -> Option<u32> {
        match self {
            Self::Pages { pages } => u32::try_from(pages.len()).ok(),
            _ => None,
        }
    }

    fn is_blank(&self) -> bool {
        self.texts().all(|text| text.trim().is_empty())
    }
}

impl Notice {
    /// The code kept in `documents.notice`.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoTextLayer => "no_text_layer",
            Self::NoText => "no_text",
            Self::PagesSkipped => "pages_skipped",
        }
    }
}
