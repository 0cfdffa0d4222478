//! Headings of a PDF: from its outline where it has one, from the size of its type otherwise.

use std::collections::HashMap;

use super::layout::Text;
use super::lines::{Line, PageLines};
use super::structure::OutlineEntry;
use crate::extract::Heading;
use crate::extract::flow::MAX_HEADINGS;

/// Type at least this much larger than the running text makes a heading.
const LARGER: f32 = 1.18;
/// Longer lines are emphasis or a slide's text.
const MAX_CHARS: usize = 120;
/// A heading runs over at most so many lines.
const MAX_LINES: usize = 3;

/// A heading told by its size: page from 0, lines `first..=last`, level from 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Sized {
    pub page: usize,
    pub first: usize,
    pub last: usize,
    pub level: u8,
    pub title: String,
}

/// Lines in larger type than the document's running text, with levels by their sizes.
pub fn by_size(pages: &[PageLines]) -> Vec<Sized> {
    let Some(body) = body_size(pages) else { return Vec::new() };
    let is_heading = |line: &Line| {
        let chars = line.text.chars().count();
        let letters = line.text.chars().filter(|c| c.is_alphabetic()).count();
        line.size >= body * LARGER && (2..=MAX_CHARS).contains(&chars) && letters * 2 > chars
    };
    let mut found: Vec<(Sized, f32)> = Vec::new();
    for (number, page) in pages.iter().enumerate() {
        for (at, line) in page.lines.iter().enumerate().filter(|(_, line)| is_heading(line)) {
            match found.last_mut() {
                // The same size on the next line: one heading on two lines.
                Some((heading, size))
                    if heading.page == number
                        && heading.last + 1 == at
                        && heading.last - heading.first + 1 < MAX_LINES
                        && (*size - line.size).abs() < 0.05 * line.size
                        && page.lines[heading.last].base - line.base < 1.6 * line.size =>
                {
                    heading.last = at;
                    heading.title = format!("{} {}", heading.title, line.text);
                }
                _ => {
                    let title = line.text.clone();
                    found.push((Sized { page: number, first: at, last: at, level: 0, title }, line.size));
                }
            }
        }
    }
    if found.len() > MAX_HEADINGS {
        return Vec::new();
    }
    let sizes = levels(&found);
    found
        .into_iter()
        .map(|(heading, size)| Sized { level: level_of(size, &sizes), ..heading })
        .filter(|heading| heading.title.chars().count() <= MAX_CHARS * 2)
        .collect()
}

/// What the first page prints largest: usually the document's title.
pub fn largest_on_first_page(headings: &[Sized]) -> Option<String> {
    headings
        .iter()
        .filter(|heading| heading.page == 0)
        .min_by_key(|heading| heading.level)
        .map(|heading| heading.title.replace(super::lines::HYPHEN, ""))
}

/// The headings of each page, at the offsets of their lines.
pub fn placed(headings: &[Sized], pages: &[Text]) -> Vec<Vec<Heading>> {
    let mut placed = vec![Vec::new(); pages.len()];
    for heading in headings {
        let lines = &pages[heading.page].lines;
        placed[heading.page].push(Heading {
            level: heading.level,
            title: heading.title.clone(),
            start: lines[heading.first].0,
            end: lines[heading.last].1,
        });
    }
    placed
}

/// The outline's entries, each where its title is found on its page, else at the page's beginning.
pub fn from_outline(outline: &[OutlineEntry], pages: &[Text]) -> Vec<Vec<Heading>> {
    let mut placed: Vec<Vec<Heading>> = vec![Vec::new(); pages.len()];
    let mut folded: HashMap<usize, Folded> = HashMap::new();
    for entry in outline {
        let Some(page) = (entry.page as usize).checked_sub(1).filter(|page| *page < pages.len()) else { continue };
        let text = folded.entry(page).or_insert_with(|| Folded::of(&pages[page].text));
        let after = placed[page].last().map_or(0, |heading| heading.end);
        let (start, end) = text.find(&entry.title, after).unwrap_or((after, after));
        placed[page].push(Heading { level: entry.level, title: entry.title.clone(), start, end });
    }
    placed
}

/// The size in which most characters are set.
fn body_size(pages: &[PageLines]) -> Option<f32> {
    let mut chars: HashMap<i32, usize> = HashMap::new();
    for line in pages.iter().flat_map(|page| &page.lines).filter(|line| line.size > 0.0) {
        *chars.entry((line.size * 2.0).round() as i32).or_default() += line.text.len();
    }
    chars.into_iter().max_by_key(|&(size, count)| (count, -size)).map(|(size, _)| size as f32 / 2.0)
}

/// The heading sizes, largest first; sizes within a tenth count as one.
fn levels(found: &[(Sized, f32)]) -> Vec<f32> {
    let mut all: Vec<f32> = found.iter().map(|(_, size)| *size).collect();
    all.sort_by(|a, b| b.total_cmp(a));
    let mut sizes: Vec<f32> = Vec::new();
    for size in all {
        if sizes.last().is_none_or(|larger| size < larger * 0.9) {
            sizes.push(size);
        }
    }
    sizes
}

fn level_of(size: f32, sizes: &[f32]) -> u8 {
    let level = sizes.iter().take_while(|larger| size < **larger * 0.9).count() + 1;
    level.min(6) as u8
}

/// A text reduced to its letters and digits, each with its offset: titles in an outline differ from the page in
/// spaces, case and numbers' points.
struct Folded {
    letters: Vec<(char, u32)>,
}

impl Folded {
    fn of(text: &str) -> Self {
        let letters = (0..).zip(text.chars()).flat_map(|(at, c)| fold(c).map(move |c| (c, at))).collect();
        Self { letters }
    }

    /// Start and end of the first place at or after `from` that reads like the title.
    fn find(&self, title: &str, from: u32) -> Option<(u32, u32)> {
        let wanted: Vec<char> = title.chars().flat_map(fold).collect();
        if wanted.is_empty() {
            return None;
        }
        let first = self.letters.partition_point(|(_, at)| *at < from);
        self.letters[first..]
            .windows(wanted.len())
            .find(|window| window.iter().map(|(c, _)| c).eq(&wanted))
            .map(|window| (window[0].1, window[window.len() - 1].1 + 1))
    }
}

fn fold(c: char) -> impl Iterator<Item = char> {
    c.is_alphanumeric().then(|| c.to_lowercase()).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, size: f32, bottom: f32) -> Line {
        Line { text: text.into(), size, bottom, base: bottom, top: bottom + size, left: 50.0, right: 300.0, pieces: vec![] }
    }

    fn page() -> PageLines {
        PageLines {
            lines: vec![
                line("A long title that", 24.0, 700.0),
                line("needs two lines", 24.0, 672.0),
                line("Running text of the page, which is the most of it.", 10.0, 640.0),
                line("Section", 14.0, 600.0),
                line("More running text of the page, again a full line.", 10.0, 580.0),
                line("== 12 ==", 24.0, 500.0),
            ],
            width: 600.0,
            height: 800.0,
        }
    }

    #[test]
    fn larger_type_is_a_heading_with_a_level() {
        let found = by_size(&[page()]);
        let seen: Vec<(&str, u8)> = found.iter().map(|heading| (heading.title.as_str(), heading.level)).collect();
        assert_eq!(seen, [("A long title that needs two lines", 1), ("Section", 2)]);
        assert_eq!(largest_on_first_page(&found).as_deref(), Some("A long title that needs two lines"));
        let text = super::super::layout::of(&page());
        let placed = placed(&found, &[text]);
        assert_eq!((placed[0][0].start, placed[0][0].end), (0, 33));
    }

    #[test]
    fn outline_entries_find_their_line() {
        let pages = [Text { text: "1. Intro\u{2}duction\n\ntext\n\n2 Heaps".into(), lines: vec![] }];
        let entry = |title: &str, page| OutlineEntry { level: 1, title: title.into(), page };
        let placed = from_outline(&[entry("1 Introduction", 1), entry("2. HEAPS", 1), entry("Missing", 1), entry("Elsewhere", 9)], &pages);
        let places: Vec<(u32, u32)> = placed[0].iter().map(|heading| (heading.start, heading.end)).collect();
        assert_eq!(places, [(0, 16), (24, 31), (31, 31)]);
    }
}
