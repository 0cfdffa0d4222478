//! Lines to paragraphs: which line ends mean something.
//!
//! A line's end is a space when the next line goes on with the sentence, a line end when the writer broke the line
//! before it was full, an empty line where a new block begins. Sentences stay whole, so that chunks can end
//! between them.

use std::borrow::Cow;

use super::lines::{HYPHEN, Line, PageLines};

/// The text of a page, and where each of its lines stands in it (characters).
#[derive(Debug, Default, PartialEq)]
pub struct Text {
    pub text: String,
    pub lines: Vec<(u32, u32)>,
}

/// The page's lines as paragraphs.
pub fn of(page: &PageLines) -> Text {
    let pitch = usual_pitch(&page.lines);
    let mut text = Text::default();
    let mut chars = 0u32;
    let mut column = f32::MIN;
    for (at, line) in page.lines.iter().enumerate() {
        if let Some(above) = at.checked_sub(1).map(|above| &page.lines[above]) {
            let seam = seam(above, line, column, pitch);
            text.text.push_str(seam.text());
            chars += seam.text().len() as u32;
            column = if seam == Seam::Block { line.right } else { column.max(line.right) };
        } else {
            column = line.right;
        }
        let words = without_leaders(&line.text);
        let length = words.chars().count() as u32;
        text.text.push_str(&words);
        text.lines.push((chars, chars + length));
        chars += length;
    }
    text
}

/// Adds texts that stand outside the page's own (fields, comments) as a last block.
pub fn append(page: &mut String, notes: &[String]) {
    for note in notes {
        let gap = if page.is_empty() { "" } else { "\n\n" };
        page.push_str(gap);
        page.push_str(note);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seam {
    /// The line ends in a hyphen, or both sides are written without spaces.
    None,
    Space,
    Line,
    Block,
}

impl Seam {
    fn text(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Space => " ",
            Self::Line => "\n",
            Self::Block => "\n\n",
        }
    }
}

/// What stands between two consecutive lines. `column` is the right edge of the block so far.
fn seam(above: &Line, line: &Line, column: f32, pitch: Option<f32>) -> Seam {
    if above.text.ends_with(HYPHEN) {
        return Seam::None;
    }
    let goes_on = if is_unspaced(above.text.chars().last()) && is_unspaced(line.text.chars().next()) { Seam::None } else { Seam::Space };
    let (small, large) = (above.size.min(line.size), above.size.max(line.size));
    if large > 0.0 && small / large < 0.85 {
        return Seam::Block;
    }
    let down = above.base - line.base;
    if down.abs() < 0.3 * large {
        // Side by side: cells of a row, or one line that was written in parts.
        return if line.left - above.right > large { Seam::Line } else { goes_on };
    }
    let is_below = down > 0.0 && line.left < above.right && above.left < line.right;
    if !is_below {
        // The next column or a box elsewhere; a sentence may run on across it.
        return if runs_on(&above.text, &line.text) { goes_on } else { Seam::Block };
    }
    let usual = pitch.map_or(1.5 * large, |pitch| pitch.max(0.9 * large));
    if down > 1.35 * usual {
        // A formula or a tall letter pushes lines apart, but not as far as an empty line does.
        return if runs_on(&above.text, &line.text) && down < 1.8 * usual { goes_on } else { Seam::Block };
    }
    if begins_item(&line.text) {
        return Seam::Line;
    }
    // The writer broke the line although the next word would have fitted.
    let first_word = line.text.split_whitespace().next().map_or(0, |word| word.chars().count());
    let width = (line.right - line.left) / line.text.chars().count().max(1) as f32;
    let room = column.max(line.right) - above.right;
    if room > (first_word as f32 + 1.5) * width { Seam::Line } else { goes_on }
}

/// The most common distance of two lines one below the other.
fn usual_pitch(lines: &[Line]) -> Option<f32> {
    let mut steps: Vec<f32> = lines
        .windows(2)
        .map(|pair| pair[0].base - pair[1].base)
        .zip(lines)
        .filter(|(step, line)| *step > 0.5 * line.size && *step < 4.0 * line.size)
        .map(|(step, _)| step)
        .collect();
    steps.sort_by(f32::total_cmp);
    steps.get(steps.len() / 2).copied()
}

fn runs_on(above: &str, below: &str) -> bool {
    let open = above.chars().last().is_some_and(|c| c.is_lowercase() || c == ',' || c == '-');
    open && below.chars().next().is_some_and(char::is_lowercase)
}

/// The dots between a table of contents' titles and page numbers, as one sign.
fn without_leaders(line: &str) -> Cow<'_, str> {
    if !line.contains("....") && !line.contains(". . . .") {
        return Cow::Borrowed(line);
    }
    let mut words = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find('.') {
        let run = rest[at..].find(|c| c != '.' && c != ' ').unwrap_or(rest.len() - at);
        let (dots, tail) = rest[at..].split_at(run);
        words.push_str(&rest[..at]);
        if dots.matches('.').count() < 4 {
            words.push_str(dots);
        } else {
            let gap = |open: bool| if open { " " } else { "" };
            words.push_str(gap(!words.is_empty() && !words.ends_with(' ')));
            words.push('…');
            words.push_str(gap(!tail.is_empty()));
        }
        rest = tail;
    }
    words.push_str(rest);
    Cow::Owned(words)
}

/// A bullet, or a number or letter with a point or bracket.
fn begins_item(text: &str) -> bool {
    let mut chars = text.chars();
    match chars.next() {
        Some('•' | '◦' | '▪' | '■' | '●' | '○' | '–' | '—' | '‣' | '∙' | '·' | '*' | '✓' | '➢' | '❖' | '\u{f0b7}' | '\u{f0a7}') => {
            true
        }
        Some('-') => chars.next() == Some(' '),
        Some(first) if first.is_ascii_alphanumeric() || first == '(' => {
            let mark: String = text.chars().take(5).take_while(|c| !c.is_whitespace()).collect();
            let inside = mark.trim_start_matches('(').trim_end_matches(['.', ')', ':']);
            let is_short = inside.chars().all(|c| c.is_ascii_digit()) || inside.chars().count() == 1;
            mark.len() > inside.len() && is_short && text.chars().count() > mark.chars().count()
        }
        _ => false,
    }
}

/// Scripts that put no space between words: a line's end is none either.
fn is_unspaced(c: Option<char>) -> bool {
    c.is_some_and(|c| matches!(c, '\u{3000}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}' | '\u{e00}'..='\u{e7f}' | '\u{20000}'..='\u{3ffff}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, left: f32, right: f32, bottom: f32) -> Line {
        Line { text: text.into(), left, right, top: bottom + 10.0, bottom, base: bottom, size: 10.0, pieces: vec![] }
    }

    fn text(lines: Vec<Line>) -> String {
        of(&PageLines { lines, width: 600.0, height: 800.0 }).text
    }

    #[test]
    fn full_lines_flow_and_short_lines_end() {
        let page = vec![
            line("A sentence that fills the line and", 50.0, 300.0, 700.0),
            line("goes on here.", 50.0, 140.0, 688.0),
            line("A new paragraph without any gap to", 50.0, 300.0, 676.0),
            line("mark it", 50.0, 100.0, 664.0),
            line("After a gap.", 50.0, 130.0, 630.0),
        ];
        assert_eq!(
            text(page),
            "A sentence that fills the line and goes on here.\nA new paragraph without any gap to mark it\n\nAfter a gap."
        );
    }

    #[test]
    fn items_and_headings_stand_alone() {
        let mut heading = line("Title", 50.0, 150.0, 700.0);
        heading.size = 16.0;
        let page = vec![
            heading,
            line("• first point which is long enough to", 50.0, 300.0, 680.0),
            line("wrap around", 60.0, 130.0, 668.0),
            line("• second", 50.0, 100.0, 656.0),
            line("(a) third", 50.0, 100.0, 644.0),
        ];
        assert_eq!(text(page), "Title\n\n• first point which is long enough to wrap around\n• second\n(a) third");
    }

    #[test]
    fn sentences_run_across_columns_and_hyphens_close_up() {
        let page = vec![
            line("the end of the left column, which", 50.0, 280.0, 100.0),
            line("continues in the right and is hy\u{2}", 320.0, 550.0, 700.0),
            line("phenated", 320.0, 380.0, 688.0),
        ];
        assert_eq!(text(page), "the end of the left column, which continues in the right and is hy\u{2}phenated");
    }

    #[test]
    fn chinese_lines_join_without_a_space() {
        let page = vec![line("二分查找每次将区间", 50.0, 300.0, 700.0), line("减半。", 50.0, 100.0, 688.0)];
        assert_eq!(text(page), "二分查找每次将区间减半。");
    }

    #[test]
    fn leaders_become_one_sign() {
        assert_eq!(without_leaders("1.2 Heaps . . . . . . 17"), "1.2 Heaps … 17");
        assert_eq!(without_leaders("Notices.......vii"), "Notices … vii");
        assert_eq!(without_leaders("and so on ... and 1.2.3. end."), "and so on ... and 1.2.3. end.");
    }

    #[test]
    fn a_sentence_goes_on_over_a_somewhat_wider_gap() {
        let mut page: Vec<Line> =
            (0..6).map(|n| line("a line of the sentence that is as long as", 50.0, 300.0, 700.0 - 12.0 * n as f32)).collect();
        page.push(line("the others", 50.0, 120.0, 640.0 - 18.0));
        assert!(!text(page.clone()).contains('\n'));
        page[6].base -= 20.0;
        assert!(text(page).ends_with("\n\nthe others"));
    }

    #[test]
    fn line_offsets_count_characters() {
        let page =
            PageLines { lines: vec![line("größe", 50.0, 100.0, 700.0), line("zwei", 50.0, 100.0, 600.0)], width: 1.0, height: 1.0 };
        assert_eq!(of(&page).lines, [(0, 5), (7, 11)]);
    }
}
