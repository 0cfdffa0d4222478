//! Running heads, feet and page numbers: told by repetition, removed.
//!
//! They break sentences that cross pages and turn up as hits for the book's title. Only what stands in the outer
//! tenth of most pages goes, and only in documents of at least three pages.

use std::collections::{HashMap, HashSet};

use super::lines::{Line, PageLines};

/// The part of a page's height, at either end, where heads and feet stand.
const EDGE: f32 = 0.1;
/// On how many pages a line must come back at least, and on what part of them.
const MIN_PAGES: usize = 3;
const MIN_SHARE: f32 = 0.6;

/// Removes the lines that most pages, or most left or right pages, have in common at their edges.
pub fn remove(pages: &mut [PageLines]) {
    let mut seen: HashMap<Key, [usize; 2]> = HashMap::new();
    for (number, page) in pages.iter().enumerate() {
        let keys: HashSet<Key> = page.lines.iter().filter_map(|line| key(line, page.height)).collect();
        for key in keys {
            seen.entry(key).or_default()[number % 2] += 1;
        }
    }
    let sides = [pages.len().div_ceil(2), pages.len() / 2];
    let is_common = |count: usize, of: usize| count >= MIN_PAGES && count as f32 >= MIN_SHARE * of as f32;
    let furniture: HashSet<Key> = seen
        .into_iter()
        .filter(|(_, counts)| is_common(counts[0] + counts[1], pages.len()) || (0..2).any(|side| is_common(counts[side], sides[side])))
        .map(|(key, _)| key)
        .collect();
    for page in pages {
        let height = page.height;
        page.lines.retain(|line| key(line, height).is_none_or(|key| !furniture.contains(&key)));
    }
}

type Key = (bool, String);

/// Which edge, and the text with every number alike; none for lines in the middle.
fn key(line: &Line, page_height: f32) -> Option<Key> {
    let middle = (line.top + line.bottom) / 2.0;
    let is_top = middle > page_height * (1.0 - EDGE);
    if !is_top && middle > page_height * EDGE {
        return None;
    }
    let mut text = String::new();
    for c in line.text.chars().filter(|c| !c.is_whitespace()) {
        let c = if c.is_numeric() { '#' } else { c };
        if c != '#' || !text.ends_with('#') {
            text.extend(c.to_lowercase());
        }
    }
    // A bare number may be in Roman figures, as in prefaces.
    if !text.is_empty() && text.len() < 8 && text.chars().all(|c| "ivxlc#-–—".contains(c)) {
        text = "#".into();
    }
    (!text.is_empty()).then_some((is_top, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, middle: f32) -> Line {
        Line { text: text.into(), top: middle + 5.0, bottom: middle - 5.0, size: 10.0, ..Line::default() }
    }

    fn texts(page: &PageLines) -> Vec<&str> {
        page.lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn heads_feet_and_numbers_go_and_text_stays() {
        let mut pages: Vec<PageLines> = (1..=5)
            .map(|n| PageLines {
                lines: vec![
                    line(if n % 2 == 1 { "Algorithms" } else { "Chapter 2" }, 770.0),
                    line(&format!("Heading {}", ["A", "B", "C", "D", "E"][n - 1]), 760.0),
                    line("The same sentence in the middle.", 400.0),
                    line(&format!("page {n} of 5"), 30.0),
                ],
                width: 600.0,
                height: 800.0,
            })
            .collect();
        remove(&mut pages);
        assert_eq!(texts(&pages[0]), ["Heading A", "The same sentence in the middle."]);
        // Two left pages are too few to be sure.
        assert_eq!(texts(&pages[1]), ["Chapter 2", "Heading B", "The same sentence in the middle."]);
    }

    #[test]
    fn short_documents_are_left_alone() {
        let page = PageLines { lines: vec![line("Handout", 790.0)], width: 600.0, height: 800.0 };
        let mut pages = vec![page.clone(), page];
        remove(&mut pages);
        assert_eq!(texts(&pages[0]), ["Handout"]);
    }
}
