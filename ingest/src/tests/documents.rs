//! The readers on PDFs made here, with the real PDFium and the real tokenizer.

use std::path::PathBuf;

use kernel::config::Config;

use super::fixture;
use crate::chunk::{TOKEN_BUDGET, chunk, tokens::Tokens};
use crate::extract::{Body, Budget, ExtractError, Extracted, Notice, extract};
use crate::sniff::Format;

/// A page of our own: what is shown of it, how it is turned, and its content stream.
struct Sheet {
    crop: &'static str,
    turned: u32,
    content: String,
}

impl Sheet {
    fn of(content: impl Into<String>) -> Self {
        Self { crop: "0 0 600 800", turned: 0, content: content.into() }
    }
}

/// Shows a line of 12-point Helvetica.
fn line(x: i32, y: i32, text: &str) -> String {
    format!("BT /F 12 Tf 1 0 0 1 {x} {y} Tm ({text}) Tj ET\n")
}

fn pdf(sheets: &[Sheet]) -> Vec<u8> {
    let kids: String = (0..sheets.len()).map(|n| format!("{} 0 R ", 4 + 2 * n)).collect();
    let mut objects = vec![
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        format!("<</Type/Pages/Kids[{kids}]/Count {}>>", sheets.len()),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_owned(),
    ];
    for (n, sheet) in sheets.iter().enumerate() {
        let Sheet { crop, turned, content } = sheet;
        objects.push(format!(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/CropBox[{crop}]/Rotate {turned}/Contents {} 0 R/Resources<</Font<</F 3 0 R>>>>>>",
            5 + 2 * n
        ));
        objects.push(format!("<</Length {}>>\nstream\n{content}\nendstream", content.len()));
    }
    let mut file = "%PDF-1.4\n".to_owned();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (n, object) in objects.iter().enumerate() {
        table += &format!("{:010} 00000 n \n", file.len());
        file += &format!("{} 0 obj\n{object}\nendobj\n", n + 1);
    }
    let start = file.len();
    file += &format!("{table}trailer<</Size {}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF", objects.len() + 1);
    file.into_bytes()
}

fn config() -> Config {
    Config::load(None).expect("the default configuration")
}

fn read(bytes: &[u8], budget: Budget) -> Result<Extracted, ExtractError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("source");
    std::fs::write(&path, bytes).unwrap();
    extract(&path, Format::Pdf, &config().paths.pdfium, budget, &mut |_, _| {})
}

fn pages(bytes: &[u8]) -> Vec<String> {
    match read(bytes, Budget::default()).unwrap().body {
        Body::Pages { pages } => pages.into_iter().map(|page| page.text).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_what_the_page_shows_is_read() {
    let content =
        line(100, 700, "shown") + &line(100, 900, "above the page") + &line(-500, 700, "left of it") + &line(100, 40, "cropped away");
    let sheet = Sheet { crop: "0 100 600 800", ..Sheet::of(content) };
    assert_eq!(pages(&pdf(&[sheet])), ["shown"]);
}

#[test]
fn turned_and_moved_pages_lose_nothing() {
    for turned in [0, 90, 180, 270] {
        let content = line(350, 450, "first line of the page") + &line(350, 430, "and the second");
        let sheet = Sheet { crop: "300 400 600 800", turned, content };
        let text = pages(&pdf(&[sheet])).remove(0);
        assert!(text.contains("first line of the page") && text.contains("and the second"), "turned by {turned}: {text}");
    }
}

#[test]
fn words_broken_at_line_ends_are_whole_again() {
    let content = line(50, 700, "The binary search halves the inter-") + &line(50, 686, "val in every step and never looks back.");
    assert_eq!(pages(&pdf(&[Sheet::of(content)])), ["The binary search halves the interval in every step and never looks back."]);
}

#[test]
fn running_heads_go_and_headings_stay() {
    let sheets: Vec<Sheet> = (1..=4)
        .map(|n| {
            let head = line(50, 780, "Algorithms, spring term") + &line(300, 20, &format!("page {n}"));
            let heading = format!("BT /F 24 Tf 1 0 0 1 50 700 Tm (Part {}) Tj ET\n", ["one", "two", "three", "four"][n - 1]);
            Sheet::of(head + &heading + &line(50, 600, "Text of this part, which is different from the heading in size."))
        })
        .collect();
    let extracted = read(&pdf(&sheets), Budget::default()).unwrap();
    let chunks = chunk(&extracted, &Tokens::words());
    assert_eq!(chunks.len(), 4);
    assert_eq!(chunks[2].heading_path, ["Part three"]);
    assert_eq!(chunks[2].text, "Text of this part, which is different from the heading in size.");
    assert_eq!(extracted.title.as_deref(), Some("Part one"));
}

#[test]
fn budgets_of_pages_and_text_hold() {
    let file = pdf(&[Sheet::of(line(50, 700, "one two three")), Sheet::of(line(50, 700, "four"))]);
    let refused = |budget| match read(&file, budget) {
        Err(ExtractError::Refused(refusal)) => Some(refusal.code()),
        _ => None,
    };
    assert_eq!(refused(Budget { max_pages: 1, ..Budget::default() }), Some("too_large"));
    assert_eq!(refused(Budget { max_chars: 10, ..Budget::default() }), Some("too_complex"));
    assert_eq!(refused(Budget { max_seconds: 0.0, ..Budget::default() }), Some("too_complex"));
    assert_eq!(refused(Budget { structure: false, ..Budget::default() }), None);
}

#[test]
fn page_without_text_is_noticed() {
    let extracted = read(&pdf(&[Sheet::of("0 0 100 100 re f")]), Budget::default()).unwrap();
    assert_eq!(extracted.notice, Some(Notice::NoTextLayer));
    assert!(chunk(&extracted, &Tokens::words()).is_empty());
}

#[test]
fn chunks_fit_the_real_model() {
    let tokens = Tokens::load(&tokenizer()).unwrap();
    assert_eq!(tokens.count("This is an example sentence"), 5);
    assert_eq!(tokens.count(&"word ".repeat(3000)), 3000, "the file's own truncation is off");
    let sentence = "Unfathomable thermohaline circulation redistributes heat, 12.5 % of it poleward. ";
    let sheet = Sheet::of((0..60).map(|n| line(20, 780 - 12 * n, &sentence.replace('%', "percent"))).collect::<String>());
    let chunks = chunk(&read(&pdf(&[sheet]), Budget::default()).unwrap(), &tokens);
    assert!(chunks.len() > 3);
    for chunk in chunks {
        assert!(tokens.count(&chunk.text) as usize <= TOKEN_BUDGET && tokens.count(&chunk.text) == chunk.tokens, "{chunk:?}");
    }
}

#[test]
fn spaces_that_unpack_without_end_are_refused_before_they_are_unpacked() {
    let file = fixture("spaces.pdf");
    let refused = read(&file, Budget::default()).unwrap_err();
    assert!(matches!(refused, ExtractError::Refused(refusal) if refusal.code() == "too_complex"));
}

fn tokenizer() -> PathBuf {
    config().paths.model.join("tokenizer.json")
}
