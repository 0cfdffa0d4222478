//! Words broken at line ends: joined, with or without the hyphen.
//!
//! A marked hyphen was written only because the line ended, unless the word has one anyway. The document itself is
//! asked first: which of the two spellings does it use elsewhere?

use std::collections::HashSet;

use super::lines::HYPHEN;
use crate::extract::Page;

/// Resolves every mark in the pages and moves the headings' offsets along.
pub fn join(pages: &mut [Page]) {
    if !pages.iter().any(|page| page.text.contains(HYPHEN) || has_hyphen(page)) {
        return;
    }
    let words: HashSet<String> = pages
        .iter()
        .flat_map(|page| page.text.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == HYPHEN)))
        .filter(|word| !word.contains(HYPHEN) && !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    for page in pages {
        resolve(page, &words);
    }
}

fn has_hyphen(page: &Page) -> bool {
    page.headings.iter().any(|heading| heading.title.contains(HYPHEN))
}

fn resolve(page: &mut Page, words: &HashSet<String>) {
    let chars: Vec<char> = page.text.chars().collect();
    let mut text = String::with_capacity(page.text.len());
    // Where each old character stands in the new text.
    let mut moved = Vec::with_capacity(chars.len() + 1);
    let mut written = 0u32;
    for (at, &c) in chars.iter().enumerate() {
        moved.push(written);
        let kept = if c == HYPHEN { keeps_hyphen(&chars, at, words).then_some('-') } else { Some(c) };
        text.extend(kept);
        written += u32::from(kept.is_some());
    }
    moved.push(written);
    page.text = text;
    for heading in &mut page.headings {
        heading.start = moved[heading.start as usize];
        heading.end = moved[heading.end as usize];
        heading.title = heading.title.replace(HYPHEN, "");
    }
}

fn keeps_hyphen(chars: &[char], at: usize, words: &HashSet<String>) -> bool {
    let is_word = |c: &&char| c.is_alphanumeric() || **c == '-';
    let before: String = chars[..at].iter().rev().take_while(is_word).collect::<Vec<_>>().into_iter().rev().collect();
    let after: String = chars[at + 1..].iter().take_while(is_word).collect();
    let next = after.chars().next();
    if before.is_empty() || next.is_none() {
        return true;
    }
    let known = |word: String| words.contains(&word.to_lowercase());
    if known(format!("{before}{after}")) {
        false
    } else if known(format!("{before}-{after}")) {
        true
    } else {
        // COVID-19, Franco-German, state-of-the-art.
        next.is_some_and(|c| !c.is_lowercase()) || before.contains('-')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::Heading;

    fn joined(text: &str) -> String {
        let mut pages = [Page { number: 1, text: text.into(), headings: vec![] }];
        join(&mut pages);
        let [page] = pages;
        page.text
    }

    #[test]
    fn layout_hyphens_go_and_real_ones_stay() {
        assert_eq!(joined("an exam\u{2}ple of COVID\u{2}19"), "an example of COVID-19");
        assert_eq!(joined("a well\u{2}known and well-known fact"), "a well-known and well-known fact");
        assert_eq!(joined("a co\u{2}operation, cooperation"), "a cooperation, cooperation");
        assert_eq!(joined("state-of-the\u{2}art, trailing \u{2}"), "state-of-the-art, trailing -");
    }

    #[test]
    fn headings_move_with_their_text() {
        let heading = Heading { level: 1, title: "In\u{2}tro".into(), start: 6, end: 12 };
        let mut pages = [Page { number: 1, text: "ab\u{2}cd\nIn\u{2}tro".into(), headings: vec![heading] }];
        join(&mut pages);
        assert_eq!(pages[0].text, "abcd\nIntro");
        assert_eq!(pages[0].headings, [Heading { level: 1, title: "Intro".into(), start: 5, end: 10 }]);
    }
}
