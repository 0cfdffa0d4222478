//! PDF to pages of text with headings.
//!
//! Text is PDFium's (`ffi`), structure is lopdf's (`structure`); what neither does is done here: characters outside
//! the page are dropped (`lines`), lines become paragraphs (`layout`), two columns written row by row are parted
//! (`columns`), what repeats at the edges is removed (`furniture`), words broken at line ends are joined
//! (`hyphens`), headings are found (`headings`). Compressed streams are measured before PDFium unpacks them
//! (`inflation`). Pages without text are not recognised by OCR.

mod columns;
mod ffi;
mod furniture;
mod headings;
mod hyphens;
mod inflation;
mod layout;
mod lines;
mod structure;

use std::fs;
use std::path::Path;

pub use ffi::PdfiumMissing;

use super::{ExtractError, Meter, Notice, Page};
use crate::refusal::Refusal;
use lines::PageLines;
use structure::Structure;

/// What reading a PDF gives.
pub(crate) struct Read {
    pub title: Option<String>,
    pub pages: Vec<Page>,
    pub notice: Option<Notice>,
}

/// Larger files are not measured for compressed bombs; the memory limit of the process still holds.
const MAX_MEASURED_BYTES: u64 = 256 << 20;
/// Larger files are not opened a second time for their structure, which lopdf keeps in memory whole.
const MAX_STRUCTURE_BYTES: usize = 64 << 20;

/// Reads every page.
///
/// # Errors
/// `pdf_encrypted`, `pdf_damaged`, `too_large` (pages), `too_complex` (streams, text, time); and
/// [`PdfiumMissing`] when the library cannot be loaded.
pub(crate) fn read(path: &Path, pdfium: &Path, meter: &Meter, progress: &mut dyn FnMut(u64, u64)) -> Result<Read, ExtractError> {
    let mut reading = None;
    if fs::metadata(path)?.len() <= MAX_MEASURED_BYTES {
        let bytes = fs::read(path)?;
        inflation::check(&bytes, meter.budget.max_stream_bytes)?;
        if meter.budget.structure && bytes.len() <= MAX_STRUCTURE_BYTES {
            reading = Some(structure::start(bytes));
        }
    }
    let scanned = ffi::Pdfium::with(pdfium, |library| scan(library, path, meter, progress))??;
    let structure = reading.map(structure::Reading::finish).unwrap_or_default();
    Ok(compose(scanned, structure, meter)?)
}

/// The lines of every page, top to bottom as the file orders them; none for a page that cannot be loaded.
fn scan(library: &ffi::Pdfium, path: &Path, meter: &Meter, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<Option<PageLines>>, Refusal> {
    let document = library.open(path).map_err(|error| match error {
        ffi::OpenError::Encrypted => Refusal::PdfEncrypted,
        ffi::OpenError::Damaged => Refusal::PdfDamaged,
    })?;
    let count = document.page_count();
    if count == 0 {
        return Err(Refusal::PdfDamaged);
    }
    if count > meter.budget.max_pages {
        let most = meter.budget.max_pages;
        return Err(Refusal::TooLarge(format!("this PDF has {count} pages, more than the {most} that are read; split it")));
    }
    let mut pages = Vec::new();
    let mut chars = 0;
    for index in 0..count {
        meter.check_time()?;
        let page = match document.page_text(index) {
            Some(text) => {
                chars += text.len();
                meter.check_chars(chars)?;
                Some(lines::of(&text))
            }
            None => None,
        };
        pages.push(page);
        progress(u64::from(index) + 1, u64::from(count));
    }
    Ok(pages)
}

fn compose(scanned: Vec<Option<PageLines>>, structure: Structure, meter: &Meter) -> Result<Read, Refusal> {
    let skipped = scanned.iter().filter(|page| page.is_none()).count();
    if skipped == scanned.len() {
        return Err(Refusal::PdfDamaged);
    }
    let mut pages: Vec<PageLines> = scanned.into_iter().map(Option::unwrap_or_default).collect();
    for page in &mut pages {
        columns::untangle(page);
    }
    furniture::remove(&mut pages);
    let mut laid_out: Vec<layout::Text> = pages.iter().map(layout::of).collect();
    let by_size = headings::by_size(&pages);
    let title = structure.title.clone().or_else(|| headings::largest_on_first_page(&by_size));
    let headings = match structure.outline.len() {
        // One entry is the document's name, or a slip.
        0 | 1 => headings::placed(&by_size, &laid_out),
        _ => headings::from_outline(&structure.outline, &laid_out),
    };
    let mut composed: Vec<Page> =
        (1..).zip(laid_out.drain(..).zip(headings)).map(|(number, (text, headings))| Page { number, text: text.text, headings }).collect();
    hyphens::join(&mut composed);
    let mut chars = 0;
    for page in &mut composed {
        if let Some(notes) = structure.notes.get(&page.number) {
            layout::append(&mut page.text, notes);
        }
        chars += page.text.len();
        meter.check_chars(chars)?;
    }
    let is_blank = composed.iter().all(|page| page.text.trim().is_empty());
    let notice = match (is_blank, skipped) {
        (true, _) => Some(Notice::NoTextLayer),
        (false, 0) => None,
        (false, _) => Some(Notice::PagesSkipped),
    };
    Ok(Read { title, pages: composed, notice })
}
