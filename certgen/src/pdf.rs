//! The PDF of a certificate.
//!
//! One build makes the same bytes of the same facts, in any process and at any time: fonts have fixed names, dates
//! and the file's id come from the facts, and nothing asks a clock or a random generator. A job that runs twice
//! therefore makes one certificate, not two that differ.

use std::collections::{BTreeMap, BTreeSet};

use printpdf::{
    Actions, BorderArray, Codepoint, Color, ColorArray, DictItem, FontId, LinkAnnotation, Mm, OffsetDateTime, Op, PaintMode, PdfDocument,
    PdfFont, PdfFontHandle, PdfPage, PdfSaveOptions, Pt, Rect, Rgb, TextItem, TextMatrix,
};
use sha2::{Digest, Sha256};

use crate::fonts::{Face, FontError, Run};
use crate::layout::{self, CertificateFacts, Ink, Item};
use crate::marker::marker;

/// A rendered certificate.
#[derive(Debug)]
pub struct Rendered {
    pub bytes: Vec<u8>,
    /// Characters of the names and the title that are boxes in the picture; their text is in the file all the same.
    pub missing: Vec<char>,
}

/// Why a certificate cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The public address is too long for a QR code.
    #[error("the verify address does not fit a qr code: {0}")]
    Qr(#[from] qrcode::types::QrError),
    #[error(transparent)]
    Font(#[from] FontError),
    /// A fault of the PDF writer.
    #[error("the pdf writer reports: {0}")]
    Writer(String),
}

/// Renders the certificate.
pub fn render(facts: &CertificateFacts) -> Result<Rendered, RenderError> {
    let sheet = layout::sheet(facts)?;
    let mut pdf = PdfDocument::new(&format!("Certificate of Completion: {}", layout::tidy(&facts.course_title)));
    for (face, characters) in characters(&sheet.items) {
        pdf.resources.fonts.map.insert(font_id(face), PdfFont::new(face.subset(&characters)?));
    }
    let mut ops = Vec::new();
    for item in &sheet.items {
        draw(item, &mut ops);
    }
    let page = PdfPage::new(Mm(297.0), Mm(210.0), ops);
    pdf.pages.push(page);
    describe(&mut pdf, facts);
    let bytes = save(&pdf, facts)?;
    Ok(Rendered { bytes, missing: sheet.missing })
}

/// The characters that each face draws, so that only they are embedded. A face that only draws boxes counts too.
fn characters(items: &[Item]) -> BTreeMap<Face, BTreeSet<char>> {
    let mut all: BTreeMap<Face, BTreeSet<char>> = BTreeMap::new();
    for item in items {
        let Item::Text { face: wanted, runs, .. } = item else {
            continue;
        };
        for run in runs {
            match run {
                Run::Drawn(face, text) => all.entry(*face).or_default().extend(text.chars()),
                Run::Missing(_) => drop(all.entry(*wanted).or_default()),
            }
        }
    }
    all
}

fn font_id(face: Face) -> FontId {
    FontId(face.name().to_owned())
}

fn draw(item: &Item, ops: &mut Vec<Op>) {
    match item {
        Item::Box { x, y, width, height, ink, line } => {
            ops.push(Op::SetOutlineColor { col: ink.colour() });
            ops.push(Op::SetOutlineThickness { pt: Pt(*line) });
            ops.push(Op::DrawRectangle { rectangle: rectangle(*x, *y, *width, *height, PaintMode::Stroke) });
        }
        Item::Bar { x, y, width, height, ink } => {
            ops.push(Op::SetFillColor { col: ink.colour() });
            ops.push(Op::DrawRectangle { rectangle: rectangle(*x, *y, *width, *height, PaintMode::Fill) });
        }
        Item::Text { x, y, size, ink, face, runs } => {
            ops.push(Op::StartTextSection);
            ops.push(Op::SetFillColor { col: ink.colour() });
            ops.push(Op::SetTextMatrix { matrix: TextMatrix::Translate(Pt(*x), Pt(*y)) });
            for run in runs {
                draw_run(run, *face, *size, ops);
            }
            ops.push(Op::EndTextSection);
        }
        Item::Link { x, y, width, height, url } => ops.push(Op::LinkAnnotation {
            link: LinkAnnotation::new(
                Rect::from_xywh(Pt(*x), Pt(*y), Pt(*width), Pt(*height)),
                Actions::Uri(url.clone()),
                Some(BorderArray::Solid([0.0, 0.0, 0.0])),
                Some(ColorArray::Transparent),
                None,
            ),
        }),
    }
}

fn draw_run(run: &Run, wanted: Face, size: f32, ops: &mut Vec<Op>) {
    let font = |face| Op::SetFont { font: PdfFontHandle::External(font_id(face)), size: Pt(size) };
    match run {
        Run::Drawn(face, text) => {
            ops.push(font(*face));
            ops.push(Op::ShowText { items: vec![TextItem::Text(text.clone())] });
        }
        // Boxes to look at, the text itself to copy, search and hear.
        Run::Missing(text) => {
            let utf16 = [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
            let properties = BTreeMap::from([("ActualText".to_owned(), DictItem::String { data: utf16, literal: false })]);
            ops.push(font(wanted));
            ops.push(Op::BeginMarkedContentWithProperties { tag: "Span".into(), properties: DictItem::Dict { map: properties } });
            let boxes = text.chars().map(|_| Codepoint::with_cid(0, 0.0, "\u{25A1}".into())).collect();
            ops.push(Op::ShowText { items: vec![TextItem::GlyphIds(boxes)] });
            ops.push(Op::EndMarkedContent);
        }
    }
}

fn rectangle(x: f32, y: f32, width: f32, height: f32, mode: PaintMode) -> Rect {
    Rect { mode: Some(mode), ..Rect::from_xywh(Pt(x), Pt(y), Pt(width), Pt(height)) }
}

/// Fills the information dictionary.
fn describe(pdf: &mut PdfDocument, facts: &CertificateFacts) {
    let midnight = facts.completed_on.midnight().assume_utc().unix_timestamp();
    let date = OffsetDateTime::from_unix_timestamp(midnight).expect("every calendar date has a timestamp");
    let info = &mut pdf.metadata.info;
    info.author = layout::tidy(&facts.instructor_name);
    info.subject = format!("Awarded to {}", layout::tidy(&facts.learner_name));
    info.creator = "Learnhub".into();
    info.producer = "Learnhub".into();
    info.keywords = vec![facts.verify_url.clone()];
    info.identifier = marker(facts.certificate_id);
    info.creation_date = date;
    info.modification_date = date;
    info.metadata_date = date;
}

fn save(pdf: &PdfDocument, facts: &CertificateFacts) -> Result<Vec<u8>, RenderError> {
    let mut warnings = Vec::new();
    let mut document = pdf.to_lopdf_document(&PdfSaveOptions::default(), &mut warnings);
    if let Some(warning) = warnings.first() {
        return Err(RenderError::Writer(warning.msg.clone()));
    }
    // The writer puts two counters here that depend on what else the process has written.
    let digest = Sha256::digest([facts.certificate_id.to_string(), facts.learner_name.clone(), facts.course_title.clone()].join("\n"));
    let digest = hex::encode(&digest[..16]);
    let ids = document.trailer.get_mut(b"ID").and_then(|ids| ids.as_array_mut()).map_err(|e| RenderError::Writer(e.to_string()))?;
    for id in ids {
        *id = digest.clone().into();
    }
    // An empty claim to conform to PDF/X.
    for object in document.objects.values_mut() {
        if let Ok(dictionary) = object.as_dict_mut() {
            dictionary.remove(b"GTS_PDFXVersion");
        }
    }
    if let Ok(catalogue) = document.catalog_mut() {
        catalogue.set("Lang", "en".to_owned());
    }
    document.compress();
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).map_err(|e| RenderError::Writer(e.to_string()))?;
    Ok(bytes)
}

impl Ink {
    fn colour(self) -> Color {
        let [r, g, b] = match self {
            Self::Dark => [0.11, 0.14, 0.18],
            Self::Grey => [0.36, 0.40, 0.45],
            Self::Teal => [0.05, 0.33, 0.38],
            Self::Gold => [0.72, 0.58, 0.33],
        };
        Color::Rgb(Rgb { r, g, b, icc_profile: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::tests::facts;

    fn sample() -> CertificateFacts {
        facts("Zoë Ångström", "Queues, Leases and Fencing: Work That Survives Its Workers")
    }

    fn read(bytes: &[u8]) -> lopdf::Document {
        lopdf::Document::load_mem(bytes).unwrap()
    }

    #[test]
    fn the_same_facts_give_the_same_bytes() {
        let first = render(&sample()).unwrap().bytes;
        render(&facts("Somebody Else", "Something else")).unwrap();
        assert!(first == render(&sample()).unwrap().bytes);
        assert!(first != render(&facts("Zoe Angstrom", "Rust")).unwrap().bytes);
    }

    #[test]
    fn another_process_gives_the_same_bytes() {
        const ASKED: &str = "CERTGEN_PRINT_SAMPLE";
        let own = hex::encode(Sha256::digest(render(&sample()).unwrap().bytes));
        if std::env::var_os(ASKED).is_some() {
            return println!("sample {own}");
        }
        let program = std::env::current_exe().unwrap();
        let other = std::process::Command::new(program)
            .args(["--exact", "pdf::tests::another_process_gives_the_same_bytes", "--nocapture"])
            .env(ASKED, "1")
            .env("TZ", "Asia/Kathmandu")
            .output()
            .unwrap();
        let printed = String::from_utf8(other.stdout).unwrap();
        assert!(printed.contains(&format!("sample {own}")), "{printed}");
    }

    #[test]
    fn the_text_of_the_sheet_can_be_extracted() {
        for (name, course) in [
            ("Zoë Ångström", "Work That Survives"),
            ("Nguyễn Thị Ánh Tuyết", "Очереди и аренды"),
            ("Ευανθία Παπαδοπούλου", "Ծովինար და ნინო"),
        ] {
            let text = read(&render(&facts(name, course)).unwrap().bytes).extract_text(&[1]).unwrap();
            for part in [name, course, "14 November 2026", "Dr. Grace Oyelaran", "0190b1c2-7a3f-7d55-9e21-5b1f0c3d9a10"] {
                assert!(text.contains(part), "{part} is not in {text}");
            }
        }
    }

    #[test]
    fn a_name_without_glyphs_is_boxes_with_its_text_behind_them() {
        let rendered = render(&facts("张伟 Ann", "Rust")).unwrap();
        assert_eq!(rendered.missing, ['张', '伟']);
        let document = read(&rendered.bytes);
        let page = document.page_iter().next().unwrap();
        let content = document.get_and_decode_page_content(page).unwrap();
        let span = content.operations.iter().find(|op| op.operator == "BDC").unwrap();
        let actual = span.operands[1].as_dict().unwrap().get(b"ActualText").unwrap().as_str().unwrap();
        assert_eq!(actual, [0xFE, 0xFF, 0x5F, 0x20, 0x4F, 0x1F]);
    }

    #[test]
    fn the_file_says_what_it_is() {
        let bytes = render(&sample()).unwrap().bytes;
        let document = read(&bytes);
        let info = document.trailer.get(b"Info").unwrap().as_reference().unwrap();
        let info = document.get_dictionary(info).unwrap();
        let text = |key: &[u8]| lopdf::decode_text_string(info.get(key).unwrap()).unwrap();
        assert_eq!(text(b"Title"), "Certificate of Completion: Queues, Leases and Fencing: Work That Survives Its Workers");
        assert_eq!(text(b"Author"), "Dr. Grace Oyelaran");
        assert_eq!(text(b"Subject"), "Awarded to Zoë Ångström");
        assert_eq!(text(b"CreationDate"), "D:20261114000000+00'00'");
        assert_eq!(crate::marker::find(&bytes), Some(sample().certificate_id));
        assert!(bytes.len() < 100_000, "{} bytes", bytes.len());
    }

    #[test]
    fn hostile_names_stay_text() {
        let rendered = render(&facts("(Bobby) Tj ET \\ <script> >>\nendobj", "%PDF-1.7 \u{202e}txet")).unwrap();
        let document = read(&rendered.bytes);
        assert_eq!(document.get_pages().len(), 1);
        assert!(document.extract_text(&[1]).unwrap().contains("(Bobby) Tj ET \\ <script> >> endobj"));
        assert!(rendered.missing.is_empty());
    }

    /// Writes certificates to look at: `CERTGEN_LOOK=<folder> cargo test -p certgen look_at`.
    #[test]
    fn look_at() {
        let Some(folder) = std::env::var_os("CERTGEN_LOOK") else {
            return;
        };
        let long = "Pablo Diego José Francisco de Paula Juan Nepomuceno María de los Remedios Cipriano de la Santísima Trinidad";
        for (file, name, course) in [
            ("plain", "Zoë Ångström", "Queues, Leases and Fencing: Work That Survives Its Workers"),
            ("short", "Ada", "Go"),
            ("long", long, &"An Introduction to the Theory and Practice of Very Long Course Titles ".repeat(3)[..200]),
            ("greek", "Ευανθία Παπαδοπούλου", "Очереди, аренды и ограждения · Ծովինար · ნინო"),
            ("missing", "张伟 (Wei Zhang)", "データベース入門"),
            ("marks", "m\u{300}boli Kwa\u{30d}me Nguyễn Q\u{303}", "Rust"),
        ] {
            std::fs::write(std::path::Path::new(&folder).join(format!("{file}.pdf")), render(&facts(name, course)).unwrap().bytes).unwrap();
        }
    }
}
