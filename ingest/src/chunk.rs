//! Documents to chunks: the pieces that are embedded, indexed and opened by a hit.
//!
//! Pure: text in, chunks out. Structure comes first (a chunk never crosses a heading or a page), then the model's
//! token budget, then the boundary that reads best. Chunks do not overlap and leave nothing out: put together in
//! order, with their headings, they are the document, which is how documents without pages are shown. Timed text has
//! rules of its own, in `speech`.

mod speech;
pub mod tokens;

use kernel::locator::Locator;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use text_splitter::{ChunkCapacity, ChunkConfig, TextSplitter};

use crate::extract::{Body, Extracted, Heading};
use tokens::{Ruler, Tokens};

/// Tokens that the model reads at once, without the two that it adds itself (all-MiniLM-L6-v2 at 256).
pub const TOKEN_BUDGET: usize = 254;
/// At most so much of the budget is spent on the heading path, which is embedded before the text.
const PATH_BUDGET: usize = 64;

/// One chunk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// From 0, without gaps.
    pub ordinal: u32,
    pub text: String,
    /// The headings above, highest first.
    pub heading_path: Vec<String>,
    pub locator: Locator,
    /// Of the text, by the model's tokenizer.
    pub tokens: u32,
    /// SHA-256 in hex; see [`content_hash`].
    pub content_hash: String,
}

/// Cuts a document into chunks. Blank documents have none.
pub fn chunk(extracted: &Extracted, tokens: &Tokens) -> Vec<Chunk> {
    let mut drafts = match &extracted.body {
        Body::Pages { pages } => {
            let sources = pages.iter().map(|page| Source { page: Some(page.number), text: &page.text, headings: &page.headings });
            paragraphs(sources, tokens)
        }
        Body::Flow(flow) => {
            let source = Source { page: None, text: &flow.text, headings: &flow.headings };
            paragraphs(std::iter::once(source), tokens)
        }
        Body::Cues { cues } => speech::drafts(cues, tokens),
    };
    (0..)
        .zip(drafts.drain(..))
        .map(|(ordinal, Draft { text, heading_path, locator, tokens })| {
            let content_hash = hex::encode(content_hash(&heading_path, &text));
            Chunk { ordinal, text, heading_path, locator, tokens, content_hash }
        })
        .collect()
}

/// SHA-256 over heading path and text, with white space normalised: what a vector depends on, and nothing else.
pub fn content_hash(heading_path: &[String], text: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in heading_path.iter().map(String::as_str).chain([text]) {
        for word in part.split_whitespace() {
            hash.update(word);
            hash.update(b" ");
        }
        // A separator that no text holds: ["a", "b"] and ["a b"] differ.
        hash.update(b"\x1f");
    }
    hash.finalize().into()
}

/// A chunk before it is counted and hashed.
struct Draft {
    text: String,
    heading_path: Vec<String>,
    locator: Locator,
    tokens: u32,
}

/// A page, or a whole document without pages.
struct Source<'d> {
    page: Option<u32>,
    text: &'d str,
    headings: &'d [Heading],
}

fn paragraphs<'d>(sources: impl Iterator<Item = Source<'d>>, tokens: &Tokens) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let mut path = Path::default();
    for source in sources {
        let mut cursor = Cursor { rest: source.text, at: 0 };
        for heading in source.headings {
            let (start, text) = cursor.take_until(heading.start as usize);
            path.section(&source, start, text, tokens, &mut drafts);
            path.enter(&source, heading, tokens, &mut drafts);
            cursor.take_until(heading.end as usize);
        }
        let (start, text) = cursor.take_until(usize::MAX);
        path.section(&source, start, text, tokens, &mut drafts);
    }
    path.flush_lonely(None, tokens, &mut drafts);
    drafts
}

/// The headings that are open, and the last one if nothing has been written under it yet.
#[derive(Default)]
struct Path {
    open: Vec<(u8, String)>,
    lonely: Option<(u8, Locator)>,
}

impl Path {
    fn enter(&mut self, source: &Source, heading: &Heading, tokens: &Tokens, drafts: &mut Vec<Draft>) {
        self.flush_lonely(Some(heading.level), tokens, drafts);
        self.open.retain(|(level, _)| *level < heading.level);
        self.open.push((heading.level, heading.title.clone()));
        self.lonely = Some((heading.level, source.locator(heading.start, heading.end)));
    }

    /// A heading without text, and without a heading below it, is all there is to find in that place: it becomes a
    /// chunk of its own. `next` is the level of the heading that follows.
    fn flush_lonely(&mut self, next: Option<u8>, tokens: &Tokens, drafts: &mut Vec<Draft>) {
        if let Some((level, locator)) = self.lonely.take()
            && next.is_none_or(|next| next <= level)
            && let Some((_, title)) = self.open.pop()
        {
            drafts.push(Draft { tokens: tokens.count(&title), text: title, heading_path: self.titles(), locator });
        }
    }

    /// Chunks of a stretch of a source that begins at the given character.
    fn section(&mut self, source: &Source, from: usize, text: &str, tokens: &Tokens, drafts: &mut Vec<Draft>) {
        if text.trim().is_empty() {
            return;
        }
        self.lonely = None;
        let titles = self.titles();
        let spent = (tokens.count(&titles.join(" ")) as usize).min(PATH_BUDGET);
        for (at, piece, count) in pieces(text, TOKEN_BUDGET - spent, tokens) {
            let start = from + at;
            let end = start + piece.chars().count();
            drafts.push(Draft {
                text: piece.to_owned(),
                heading_path: titles.clone(),
                locator: source.locator(start as u32, end as u32),
                tokens: count,
            });
        }
    }

    fn titles(&self) -> Vec<String> {
        self.open.iter().map(|(_, title)| title.clone()).collect()
    }
}

impl Source<'_> {
    fn locator(&self, start: u32, end: u32) -> Locator {
        match self.page {
            Some(page) => Locator::Page { page, start, end },
            None => Locator::Section { start, end },
        }
    }
}

/// Longer texts are cut before they are tokenized, in bytes: memory and time then grow no faster than the text.
const BLOCK: usize = 32 * 1024;

/// Cuts a text at the best boundaries into pieces of about equal size within the budget. Gives the offset in
/// characters, the piece, and its tokens.
fn pieces<'t>(text: &'t str, budget: usize, tokens: &Tokens) -> Vec<(usize, &'t str, u32)> {
    let mut pieces = Vec::new();
    let (mut rest, mut at) = (text, 0);
    while !rest.is_empty() {
        let (block, tail) = rest.split_at(block_end(rest));
        pieces.extend(block_pieces(block, budget, tokens).into_iter().map(|(offset, piece, count)| (at + offset, piece, count)));
        at += block.chars().count();
        rest = tail;
    }
    pieces
}

/// Where the first block of a text ends: after a paragraph, else a line, a sentence, a word.
fn block_end(text: &str) -> usize {
    if text.len() <= BLOCK {
        return text.len();
    }
    let window = &text[..text.floor_char_boundary(BLOCK)];
    let late = window.len() / 2;
    ["\n\n", "\n", ". ", " "]
        .iter()
        .filter_map(|gap| window.rfind(gap).map(|at| at + gap.len()))
        .find(|end| *end > late)
        .unwrap_or(window.len())
}

fn block_pieces<'t>(text: &'t str, budget: usize, tokens: &Tokens) -> Vec<(usize, &'t str, u32)> {
    let ruler = Ruler::new(text, tokens);
    let total = ruler.measure(text);
    // Equal pieces rather than full ones and a remnant: a chunk of four words finds nothing.
    let parts = total.div_ceil(budget).max(1);
    let desired = (total.div_ceil(parts) + budget / 16).min(budget);
    let capacity = ChunkCapacity::new(desired).with_max(budget).expect("desired is at most the budget");
    TextSplitter::new(ChunkConfig::new(capacity).with_sizer(&ruler))
        .chunk_char_indices(text)
        .map(|piece| (piece.char_offset, piece.chunk, ruler.measure(piece.chunk) as u32))
        .collect()
}

/// Walks through a text by characters, once from end to end.
struct Cursor<'t> {
    rest: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    /// The text from here to the given character, or to the end, and where it began. Never goes back.
    fn take_until(&mut self, to: usize) -> (usize, &'t str) {
        let begin = self.at;
        let chars = to.saturating_sub(self.at);
        let bytes = match to {
            usize::MAX => self.rest.len(),
            _ => self.rest.char_indices().nth(chars).map_or(self.rest.len(), |(at, _)| at),
        };
        let (taken, rest) = self.rest.split_at(bytes);
        (self.rest, self.at) = (rest, begin + chars);
        (begin, taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::{Flow, Page};
    use crate::sniff::Format;

    fn slice(text: &str, from: u32, to: u32) -> String {
        text.chars().skip(from as usize).take((to - from) as usize).collect()
    }

    fn document(body: Body) -> Extracted {
        Extracted { format: Format::Markdown, title: None, language: None, notice: None, body }
    }

    fn heading(level: u8, title: &str, text: &str) -> Heading {
        let start = text[..text.find(title).unwrap()].chars().count() as u32;
        Heading { level, title: title.into(), start, end: start + title.chars().count() as u32 }
    }

    fn flow(text: &str, headings: &[(u8, &str)]) -> Extracted {
        let headings = headings.iter().map(|(level, title)| heading(*level, title, text)).collect();
        document(Body::Flow(Flow { text: text.into(), headings }))
    }

    #[test]
    fn sections_become_chunks_with_their_path_and_place() {
        let text = "Before.\n\nÄlgorithms\n\nIntro text.\n\nHeaps\n\nA heap is a tree.\n\nGraphs\n\nNodes.";
        let chunks = chunk(&flow(text, &[(1, "Älgorithms"), (2, "Heaps"), (1, "Graphs")]), &Tokens::words());
        let seen: Vec<(String, &str)> = chunks.iter().map(|chunk| (chunk.heading_path.join(">"), chunk.text.as_str())).collect();
        assert_eq!(
            seen,
            [
                (String::new(), "Before."),
                ("Älgorithms".into(), "Intro text."),
                ("Älgorithms>Heaps".into(), "A heap is a tree."),
                ("Graphs".into(), "Nodes.")
            ]
        );
        for (ordinal, chunk) in chunks.iter().enumerate() {
            let Locator::Section { start, end } = chunk.locator else { panic!("{chunk:?}") };
            assert_eq!(slice(text, start, end), chunk.text);
            assert_eq!(chunk.ordinal as usize, ordinal);
        }
    }

    #[test]
    fn heading_without_text_is_found_by_itself_unless_others_follow_below() {
        let chunks = chunk(&flow("One\n\nTwo\n\nThree\n\ntext", &[(1, "One"), (2, "Two"), (2, "Three")]), &Tokens::words());
        let seen: Vec<(String, &str)> = chunks.iter().map(|chunk| (chunk.heading_path.join(">"), chunk.text.as_str())).collect();
        assert_eq!(seen, [("One".into(), "Two"), ("One>Three".into(), "text")]);
    }

    #[test]
    fn chunks_end_with_their_page_and_the_path_goes_on() {
        let first = "Heaps\n\nText on page one.";
        let pages = vec![
            Page { number: 1, text: first.into(), headings: vec![heading(1, "Heaps", first)] },
            Page { number: 2, text: "Text on page two.".into(), headings: vec![] },
            Page { number: 3, text: String::new(), headings: vec![] },
        ];
        let chunks = chunk(&document(Body::Pages { pages }), &Tokens::words());
        assert_eq!(chunks.len(), 2);
        assert_eq!(chunks[1].locator, Locator::Page { page: 2, start: 0, end: 17 });
        assert_eq!(chunks[1].heading_path, ["Heaps"]);
    }

    #[test]
    fn long_text_is_cut_within_the_budget_and_nothing_is_lost() {
        let text = (0..400).map(|n| format!("Sentence number {n} has six words.")).collect::<Vec<_>>().join(" ");
        let chunks = chunk(&flow(&text, &[]), &Tokens::words());
        assert!(chunks.iter().all(|chunk| chunk.tokens as usize <= TOKEN_BUDGET && chunk.text.ends_with('.')), "{chunks:?}");
        let sizes: Vec<u32> = chunks.iter().map(|chunk| chunk.tokens).collect();
        assert!(sizes.iter().min().unwrap() * 2 > *sizes.iter().max().unwrap(), "{sizes:?}");
        assert_eq!(chunks.iter().map(|chunk| chunk.text.as_str()).collect::<Vec<_>>().join(" "), text);
    }

    #[test]
    fn one_endless_word_is_cut_too() {
        let text = "x".repeat(100_000);
        let chunks = chunk(&flow(&text, &[]), &Tokens::words());
        assert!(chunks.iter().all(|chunk| chunk.text.len() <= 16 * TOKEN_BUDGET));
        assert_eq!(chunks.iter().map(|chunk| chunk.text.len()).sum::<usize>(), text.len());
    }

    #[test]
    fn hash_follows_words_and_headings_but_not_spaces() {
        let path = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        let hash = content_hash(&path(&["A"]), "one two");
        assert_eq!(hash, content_hash(&path(&[" A"]), "one\n  two"));
        assert_ne!(hash, content_hash(&path(&["B"]), "one two"));
        assert_ne!(content_hash(&path(&["a", "b"]), "c"), content_hash(&path(&["a b"]), "c"));
    }
}
