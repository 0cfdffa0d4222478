//! What a PDF knows about itself besides its pages' text: title, outline, filled-in fields, comments on the page.
//!
//! Read with lopdf on a thread of its own while PDFium reads the text, and given up when it takes too long or
//! fails: a document without structure is still a document. lopdf reads objects recursively, hence the large stack;
//! should even that overflow, the process ends, and `extract_document` runs once more without structure.

use std::collections::{HashMap, HashSet};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use lopdf::{Dictionary, Document, LoadOptions, Object, ObjectId, decode_text_string};

/// What was found. Pages count from 1.
#[derive(Debug, Default, PartialEq)]
pub struct Structure {
    pub title: Option<String>,
    pub outline: Vec<OutlineEntry>,
    /// Text on a page that is not part of its content: values of form fields, free text comments.
    pub notes: HashMap<u32, Vec<String>>,
}

/// One entry of the outline, in reading order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlineEntry {
    /// From 1, at most 6.
    pub level: u8,
    pub title: String,
    pub page: u32,
}

/// Structure that is being read in the background.
pub struct Reading(mpsc::Receiver<Structure>);

/// How much longer than PDFium lopdf may take.
const PATIENCE: Duration = Duration::from_secs(3);
const STACK_BYTES: usize = 64 << 20;
const MAX_ENTRIES: usize = 5_000;
const MAX_NAMED: usize = 50_000;
const MAX_NOTE_CHARS: usize = 20_000;
/// Bytes that one object stream may unpack to.
const MAX_OBJECT_STREAM: usize = 64 << 20;

/// Begins to read the structure of a whole file.
pub fn start(pdf: Vec<u8>) -> Reading {
    let (sender, receiver) = mpsc::channel();
    let work = move || {
        if let Some(structure) = read(&pdf) {
            // Nobody listens any more when it took too long.
            let _ = sender.send(structure);
        }
    };
    // Without a thread the sender is dropped, and there is no structure.
    let _ = thread::Builder::new().name("pdf structure".into()).stack_size(STACK_BYTES).spawn(work);
    Reading(receiver)
}

impl Reading {
    /// The structure, or an empty one if it cannot be had soon.
    pub fn finish(self) -> Structure {
        self.0.recv_timeout(PATIENCE).unwrap_or_default()
    }
}

/// None when lopdf cannot read the file, or only with a password.
fn read(pdf: &[u8]) -> Option<Structure> {
    let options = LoadOptions { max_decompressed_size: Some(MAX_OBJECT_STREAM), ..LoadOptions::default() };
    let document = Document::load_mem_with_options(pdf, options).ok()?;
    if document.is_encrypted() {
        return None;
    }
    let pages: HashMap<ObjectId, u32> = document.get_pages().into_iter().map(|(number, id)| (id, number)).collect();
    Some(Structure { title: title(&document), outline: outline(&document, &pages), notes: notes(&document, &pages) })
}

fn title(document: &Document) -> Option<String> {
    let info = document.trailer.get_deref(b"Info", document).and_then(Object::as_dict).ok()?;
    let title = text_of(info.get_deref(b"Title", document).ok()?)?;
    sensible_title(&title)
}

/// Programs fill in a file's name or their own; neither is what the document is called.
fn sensible_title(title: &str) -> Option<String> {
    let title = title.trim();
    let title =
        ["Microsoft Word - ", "Microsoft PowerPoint - "].iter().fold(title, |rest, prefix| rest.strip_prefix(prefix).unwrap_or(rest));
    let lower = title.to_lowercase();
    let is_file =
        [".doc", ".docx", ".ppt", ".pptx", ".pdf", ".tex", ".dvi", ".indd", ".odt", ".odp", ".rtf", ".qxd", ".txt", ".html", ".ps"]
            .iter()
            .any(|ending| lower.ends_with(ending));
    let is_default = ["title", "document", "powerpoint presentation", "slide 1", "presentation", "(anonymous)"].contains(&lower.as_str());
    let is_default = is_default || lower.starts_with("untitled") || (title.contains('_') && !title.contains(' '));
    let has_words = title.chars().filter(|c| c.is_alphabetic()).count() >= 3;
    (has_words && !is_file && !is_default && title.chars().count() <= 300).then(|| title.to_owned())
}

fn outline(document: &Document, pages: &HashMap<ObjectId, u32>) -> Vec<OutlineEntry> {
    let Some(first) = outline_start(document) else { return Vec::new() };
    let named = named_destinations(document);
    let mut entries = Vec::new();
    let mut seen = HashSet::new();
    let mut stack = vec![(first, 1u8)];
    while let Some((id, level)) = stack.pop() {
        if entries.len() >= MAX_ENTRIES || !seen.insert(id) {
            continue;
        }
        let Ok(item) = document.get_dictionary(id) else { continue };
        let title = item.get_deref(b"Title", document).ok().and_then(text_of);
        let page = destination(item, document).and_then(|target| page_of(target, &named, document, pages));
        if let (Some(title), Some(page)) = (title, page) {
            entries.push(OutlineEntry { level: level.min(6), title, page });
        }
        // The sibling is pushed first, so that the children come before it.
        let child = |key| item.get(key).and_then(Object::as_reference).ok();
        stack.extend(child(b"Next").map(|next| (next, level)));
        stack.extend(child(b"First").map(|first| (first, level.saturating_add(1))));
    }
    entries
}

fn outline_start(document: &Document) -> Option<ObjectId> {
    let outlines = document.catalog().ok()?.get_deref(b"Outlines", document).and_then(Object::as_dict).ok()?;
    outlines.get(b"First").and_then(Object::as_reference).ok()
}

fn destination<'d>(item: &'d Dictionary, document: &'d Document) -> Option<&'d Object> {
    item.get_deref(b"Dest", document).ok().or_else(|| {
        let action = item.get_deref(b"A", document).and_then(Object::as_dict).ok()?;
        action.get_deref(b"D", document).ok()
    })
}

/// The page a destination leads to: given by an array, by a dictionary around it, or by a name.
fn page_of(target: &Object, named: &HashMap<Vec<u8>, &Object>, document: &Document, pages: &HashMap<ObjectId, u32>) -> Option<u32> {
    let mut target = target;
    for _ in 0..4 {
        target = match target {
            Object::Reference(id) => document.get_object(*id).ok()?,
            Object::Dictionary(dictionary) => dictionary.get_deref(b"D", document).ok()?,
            Object::Name(name) | Object::String(name, _) => named.get(name)?,
            Object::Array(parts) => {
                return match parts.first()? {
                    Object::Reference(id) => pages.get(id).copied(),
                    Object::Integer(index) => u32::try_from(*index).ok()?.checked_add(1),
                    _ => None,
                };
            }
            _ => return None,
        };
    }
    None
}

/// Both places where a document may name its destinations (ISO 32000-1, 12.3.2.3).
fn named_destinations(document: &Document) -> HashMap<Vec<u8>, &Object> {
    let mut named = HashMap::new();
    let Ok(catalog) = document.catalog() else { return named };
    if let Ok(old) = catalog.get_deref(b"Dests", document).and_then(Object::as_dict) {
        named.extend(old.iter().take(MAX_NAMED).map(|(name, target)| (name.clone(), target)));
    }
    let tree = catalog.get_deref(b"Names", document).and_then(Object::as_dict).and_then(|names| names.get_deref(b"Dests", document));
    let mut stack: Vec<&Object> = tree.into_iter().collect();
    let mut looked_at = 0;
    while let Some(node) = stack.pop() {
        looked_at += 1;
        if looked_at > MAX_NAMED || named.len() > MAX_NAMED {
            break;
        }
        let node = match node {
            Object::Reference(id) => document.get_object(*id).unwrap_or(node),
            _ => node,
        };
        let Ok(node) = node.as_dict() else { continue };
        if let Ok(names) = node.get_deref(b"Names", document).and_then(Object::as_array) {
            for pair in names.chunks_exact(2) {
                if let Ok(name) = pair[0].as_str() {
                    named.insert(name.to_vec(), &pair[1]);
                }
            }
        }
        if let Ok(kids) = node.get_deref(b"Kids", document).and_then(Object::as_array) {
            stack.extend(kids);
        }
    }
    named
}

fn notes(document: &Document, pages: &HashMap<ObjectId, u32>) -> HashMap<u32, Vec<String>> {
    let mut notes = HashMap::new();
    for (&id, &number) in pages {
        let Ok(annotations) = document.get_page_annotations(id) else { continue };
        let mut texts: Vec<String> = Vec::new();
        let mut chars = 0;
        for text in annotations.into_iter().flat_map(|annotation| annotation_texts(annotation, document)) {
            chars += text.len();
            if chars > MAX_NOTE_CHARS {
                break;
            }
            // Fields that are shown twice have their value once.
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        if !texts.is_empty() {
            notes.insert(number, texts);
        }
    }
    notes
}

fn annotation_texts(annotation: &Dictionary, document: &Document) -> Vec<String> {
    match annotation.get(b"Subtype").and_then(Object::as_name) {
        Ok(b"FreeText") => annotation.get_deref(b"Contents", document).ok().and_then(text_of).into_iter().collect(),
        Ok(b"Widget") => field_values(annotation, document),
        _ => Vec::new(),
    }
}

/// The value of a text or choice field; it may be inherited (ISO 32000-1, 12.7.3.1).
fn field_values(widget: &Dictionary, document: &Document) -> Vec<String> {
    const PASSWORD: i64 = 1 << 13;
    let is_text = inherited(widget, b"FT", document).and_then(|kind| kind.as_name().ok()).is_some_and(|kind| matches!(kind, b"Tx" | b"Ch"));
    let is_secret = inherited(widget, b"Ff", document).and_then(|flags| flags.as_i64().ok()).is_some_and(|flags| flags & PASSWORD != 0);
    match inherited(widget, b"V", document) {
        Some(Object::Array(values)) if is_text => values.iter().filter_map(text_of).collect(),
        Some(value) if is_text && !is_secret => text_of(value).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn inherited<'d>(field: &'d Dictionary, key: &[u8], document: &'d Document) -> Option<&'d Object> {
    let mut field = field;
    for _ in 0..8 {
        if let Ok(value) = field.get_deref(key, document) {
            return Some(value);
        }
        field = field.get_deref(b"Parent", document).and_then(Object::as_dict).ok()?;
    }
    None
}

/// A text string on one line per line; none when it is blank or no text.
fn text_of(object: &Object) -> Option<String> {
    let bytes = object.as_str().ok()?;
    // Without a byte order mark it should be PDFDocEncoding, but many programs write UTF-8.
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.starts_with(b"\xfe\xff") => text.to_owned(),
        _ => decode_text_string(object).ok()?,
    };
    let lines: Vec<String> = text
        .split(['\n', '\r'])
        .map(|line| line.chars().filter(|c| !c.is_control() && *c != '\u{feff}').collect::<String>())
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use lopdf::{dictionary, text_string};

    use super::*;

    /// Two pages, an outline by array and by name, a field whose value is its parent's, a comment and a password.
    fn document() -> Vec<u8> {
        let mut pdf = Document::with_version("1.5");
        let pages = pdf.new_object_id();
        let parent = pdf.add_object(dictionary! { "FT" => "Tx", "V" => text_string("Grüße aus dem Feld") });
        let annotations = vec![
            dictionary! { "Subtype" => "Widget", "Parent" => parent }.into(),
            dictionary! { "Subtype" => "Widget", "FT" => "Tx", "Ff" => 1 << 13, "V" => text_string("secret") }.into(),
            dictionary! { "Subtype" => "FreeText", "Contents" => text_string("a remark") }.into(),
        ];
        let first = pdf.add_object(dictionary! { "Type" => "Page", "Parent" => pages, "Annots" => annotations });
        let second = pdf.add_object(dictionary! { "Type" => "Page", "Parent" => pages });
        pdf.objects.insert(pages, dictionary! { "Type" => "Pages", "Kids" => vec![first.into(), second.into()], "Count" => 2 }.into());
        let (one, two, child) = (pdf.new_object_id(), pdf.new_object_id(), pdf.new_object_id());
        let root = pdf.add_object(dictionary! { "First" => one });
        pdf.objects.insert(
            one,
            dictionary! { "Title" => text_string("One"), "Dest" => vec![first.into()], "Next" => two, "First" => child }.into(),
        );
        pdf.objects.insert(child, dictionary! { "Title" => text_string("Child"), "Dest" => vec![first.into()] }.into());
        // The last entry points back to the first: a loop.
        pdf.objects.insert(two, dictionary! { "Title" => text_string("Zwei"), "A" => dictionary! { "S" => "GoTo", "D" => Object::string_literal("two") }, "Next" => one }.into());
        let names = dictionary! { "Names" => vec![Object::string_literal("two"), dictionary! { "D" => vec![second.into()] }.into()] };
        let catalog = pdf.add_object(
            dictionary! { "Type" => "Catalog", "Pages" => pages, "Outlines" => root, "Names" => dictionary! { "Dests" => names } },
        );
        let info = pdf.add_object(dictionary! { "Title" => text_string("Microsoft Word - Lecture 4") });
        pdf.trailer.set("Root", catalog);
        pdf.trailer.set("Info", info);
        let mut bytes = Vec::new();
        pdf.save_to(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn title_outline_fields_and_comments_are_found() {
        let structure = start(document()).finish();
        assert_eq!(structure.title.as_deref(), Some("Lecture 4"));
        let outline: Vec<(u8, &str, u32)> = structure.outline.iter().map(|entry| (entry.level, entry.title.as_str(), entry.page)).collect();
        assert_eq!(outline, [(1, "One", 1), (2, "Child", 1), (1, "Zwei", 2)]);
        assert_eq!(structure.notes[&1], ["Grüße aus dem Feld", "a remark"]);
    }

    #[test]
    fn unreadable_file_has_no_structure() {
        assert_eq!(start(b"%PDF-1.4\nnothing".to_vec()).finish(), Structure::default());
    }

    #[test]
    fn names_of_files_and_programs_are_no_titles() {
        for title in ["", "slides.pptx", "Untitled - Notepad", "tables_v2_final", "42", "Microsoft Word - notes.doc"] {
            assert_eq!(sensible_title(title), None, "{title}");
        }
        assert_eq!(sensible_title(" Heaps and Graphs ").as_deref(), Some("Heaps and Graphs"));
    }
}
