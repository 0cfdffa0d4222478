//! The piece of a chunk that shows why it was found, as HTML in which everything but our own `<mark>` is escaped.

use std::collections::HashSet;
use std::ops::Range;

use indexer::{Question, Word, words};

/// Length of a snippet, in characters, before it is widened to whole words.
const LENGTH: usize = 240;

/// The stretch of `text` that holds most of what was asked for, with it marked. Without any, its beginning.
pub(crate) fn snippet(text: &str, question: &Question) -> String {
    let words = words(text);
    let found: Vec<&Word> = words.iter().filter(|word| question.seeks(&word.stem)).collect();
    let stretch = stretch(text, &found);
    let mut html = String::new();
    if !text[..stretch.start].trim().is_empty() {
        html.push_str("… ");
    }
    let mut at = stretch.start;
    for word in found.iter().filter(|word| stretch.contains(&word.start) && word.end <= stretch.end) {
        escape(&text[at..word.start], &mut html);
        html.push_str("<mark>");
        escape(&text[word.start..word.end], &mut html);
        html.push_str("</mark>");
        at = word.end;
    }
    escape(&text[at..stretch.end], &mut html);
    if !text[stretch.end..].trim().is_empty() {
        html.push_str(" …");
    }
    html.trim().to_owned()
}

/// Bytes of the stretch to show: begins and ends between words.
fn stretch(text: &str, found: &[&Word]) -> Range<usize> {
    let best = (0..found.len()).max_by_key(|&first| {
        let end = forward(text, found[first].start, LENGTH);
        let inside = found[first..].iter().take_while(|word| word.end <= end);
        let stems: HashSet<&str> = inside.clone().map(|word| word.stem.as_str()).collect();
        // different words count most, then how often; of equals the first, so later ones must lose
        (stems.len(), inside.count(), usize::MAX - first)
    });
    let Some(first) = best else { return 0..between_words(text, forward(text, 0, LENGTH)) };
    let from = found[first].start;
    let until = forward(text, from, LENGTH);
    let last = found[first..].iter().take_while(|word| word.end <= until).last().map_or(until, |word| word.end);
    // what is found stands in the middle
    let used = text[from..last].chars().count();
    let start = word_start(text, backward(text, from, LENGTH.saturating_sub(used) / 2));
    start..between_words(text, forward(text, start, LENGTH).max(last))
}

/// The byte `characters` characters after `from`.
fn forward(text: &str, from: usize, characters: usize) -> usize {
    text[from..].char_indices().nth(characters).map_or(text.len(), |(offset, _)| from + offset)
}

/// The byte `characters` characters before `from`.
fn backward(text: &str, from: usize, characters: usize) -> usize {
    match characters.checked_sub(1) {
        None => from,
        Some(nth) => text[..from].char_indices().rev().nth(nth).map_or(0, |(offset, _)| offset),
    }
}

/// Moves forward to where a word begins, but not far: text without spaces is cut where it is.
fn word_start(text: &str, at: usize) -> usize {
    if at == 0 {
        return 0;
    }
    let mut before = text[..at].chars().next_back();
    for (offset, character) in text[at..].char_indices().take(30) {
        if before.is_some_and(char::is_whitespace) && !character.is_whitespace() {
            return at + offset;
        }
        before = Some(character);
    }
    at
}

/// Moves back to where a word ends, but not far.
fn between_words(text: &str, at: usize) -> usize {
    if at == text.len() {
        return at;
    }
    let space = text[..at].char_indices().rev().take(30).find(|(_, character)| character.is_whitespace());
    space.map_or(at, |(offset, _)| offset)
}

/// Appends `text` as HTML: what could be markup is written out, white space and control characters become one space.
fn escape(text: &str, html: &mut String) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c if c.is_whitespace() || c.is_control() => {
                if !html.ends_with(' ') {
                    html.push(' ');
                }
            }
            c => html.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str, asked: &str) -> String {
        snippet(text, &Question::parse(asked, 1024).unwrap())
    }

    #[test]
    fn found_words_are_marked_whatever_their_ending() {
        assert_eq!(show("Learning rates are learned.", "learn "), "<mark>Learning</mark> rates are <mark>learned</mark>.");
        assert_eq!(show("Nothing of it here.", "absent "), "Nothing of it here.");
    }

    #[test]
    fn markup_in_the_text_is_shown_and_not_obeyed() {
        let html = show("<script>alert('x')</script> & <mark>fake</mark> \"rate\"", "rate script ");
        assert_eq!(
            html,
            "&lt;<mark>script</mark>&gt;alert(&#39;x&#39;)&lt;/<mark>script</mark>&gt; &amp; &lt;mark&gt;fake&lt;/mark&gt; &quot;<mark>rate</mark>&quot;"
        );
    }

    #[test]
    fn a_long_text_is_cut_around_what_was_found() {
        let text = format!("{} the learning rate decays {}", "before ".repeat(200), "after ".repeat(200));
        let html = show(&text, "learning rates ");
        assert!(html.starts_with("… before") && html.ends_with("after …"), "{html}");
        assert!(html.contains("the <mark>learning</mark> <mark>rate</mark> decays"), "{html}");
        assert!(html.chars().count() < LENGTH + 60, "{}", html.chars().count());
    }

    #[test]
    fn the_stretch_with_most_different_words_is_shown() {
        let text = format!("rate rate rate {} the learning rate {}", "x ".repeat(300), "y ".repeat(300));
        assert!(show(&text, "learning rates ").contains("<mark>learning</mark> <mark>rate</mark>"));
    }

    #[test]
    fn white_space_and_control_characters_become_one_space() {
        assert_eq!(show("a\n\n\tb\u{0}\u{7}c", ""), "a b c");
    }

    #[test]
    fn any_text_can_be_cut() {
        for text in ["", " ", &"字".repeat(1000), &"é ".repeat(1000), &"x".repeat(5000), "👩‍👩‍👧‍👦 family", &format!("{} rate", "字".repeat(500))]
        {
            for asked in ["rate ", ""] {
                let html = show(text, asked);
                assert!(html.chars().count() <= LENGTH + 80, "{html}");
            }
        }
    }
}
