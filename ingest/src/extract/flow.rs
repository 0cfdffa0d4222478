//! Building a text without pages: white space, blocks and headings with their offsets.
//!
//! Shared by the readers of HTML, Markdown and plain text, so that all three agree on what a paragraph, a line and
//! a heading look like in the text that comes out.

use super::{Flow, Heading, Meter};
use crate::refusal::Refusal;

/// More than any document has; each becomes a chunk of its own.
pub const MAX_HEADINGS: usize = 50_000;

/// Text under construction. Inline text is collapsed as a browser would; blocks are parted by an empty line.
pub struct Writer<'m> {
    meter: &'m Meter,
    flow: Flow,
    chars: usize,
    gap: Gap,
    /// White space of verbatim text, written when something visible follows.
    kept: String,
    heading: Option<(u8, usize, usize)>,
}

/// White space that is owed before the next visible character; the larger one wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Line,
    Block,
}

impl<'m> Writer<'m> {
    pub fn new(meter: &'m Meter) -> Self {
        Self { meter, flow: Flow::default(), chars: 0, gap: Gap::None, kept: String::new(), heading: None }
    }

    /// Running text: every run of white space becomes one space.
    pub fn inline(&mut self, text: &str) -> Result<(), Refusal> {
        for part in text.split_inclusive(char::is_whitespace) {
            let word = part.trim_end_matches(char::is_whitespace);
            self.push(word)?;
            if word.len() < part.len() {
                self.owe(Gap::Space);
            }
        }
        Ok(())
    }

    /// Text whose spaces and line ends mean something: code, preformatted blocks. May come in pieces.
    pub fn verbatim(&mut self, text: &str) -> Result<(), Refusal> {
        for c in text.chars() {
            if c == '\n' {
                // Neither trailing spaces nor empty lines at the beginning are kept.
                let end = self.kept.trim_end_matches([' ', '\t']).len();
                self.kept.truncate(end);
                if self.gap < Gap::Line && self.chars > 0 {
                    self.kept.push('\n');
                }
            } else if c.is_whitespace() {
                self.kept.push(c);
            } else {
                self.push(c.encode_utf8(&mut [0; 4]))?;
            }
        }
        Ok(())
    }

    /// The next text begins on a new line.
    pub fn line(&mut self) {
        self.owe(Gap::Line);
    }

    /// The next text begins a new paragraph.
    pub fn block(&mut self) {
        self.owe(Gap::Block);
    }

    /// What is written until [`Writer::end_heading`] is a heading of this level, 1 to 6.
    pub fn begin_heading(&mut self, level: u8) {
        self.block();
        self.heading = Some((level, self.chars, self.flow.text.len()));
    }

    pub fn end_heading(&mut self) -> Result<(), Refusal> {
        if let Some((level, from_char, from_byte)) = self.heading.take() {
            let written = &self.flow.text[from_byte..];
            let title = written.trim_start();
            if !title.is_empty() {
                let start = from_char + written[..written.len() - title.len()].chars().count();
                let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
                self.flow.headings.push(Heading { level, title, start: offset(start), end: offset(self.chars) });
            }
        }
        self.block();
        if self.flow.headings.len() > MAX_HEADINGS {
            return Err(Refusal::TooComplex("it has more headings than any book"));
        }
        Ok(())
    }

    pub fn finish(self) -> Flow {
        self.flow
    }

    fn owe(&mut self, gap: Gap) {
        if gap >= Gap::Line {
            self.kept.clear();
        }
        self.gap = self.gap.max(gap);
    }

    fn push(&mut self, word: &str) -> Result<(), Refusal> {
        if word.is_empty() {
            return Ok(());
        }
        if self.chars > 0 {
            let gap = match self.gap {
                Gap::None => "",
                Gap::Space if self.kept.is_empty() => " ",
                Gap::Space => "",
                Gap::Line => "\n",
                Gap::Block => "\n\n",
            };
            self.flow.text.push_str(gap);
            self.chars += gap.len();
        }
        self.gap = Gap::None;
        self.chars += self.kept.chars().count();
        self.flow.text.push_str(&self.kept);
        self.kept.clear();
        for c in word.chars().filter(|&c| !is_invisible(c)) {
            self.flow.text.push(c);
            self.chars += 1;
        }
        self.meter.check_chars(self.chars)
    }
}

/// Characters that carry no text: controls, soft hyphens, joiners that only layout needs.
fn is_invisible(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// Budgets keep every text far below 2³² characters.
pub fn offset(chars: usize) -> u32 {
    u32::try_from(chars).expect("the budget of characters is far below 2^32")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::Budget;

    #[test]
    fn white_space_collapses_and_blocks_part() {
        let meter = Meter::unhurried();
        let mut writer = Writer::new(&meter);
        writer.begin_heading(2);
        writer.inline("  A \n title ").unwrap();
        writer.end_heading().unwrap();
        writer.inline("one\n two").unwrap();
        writer.inline("three ").unwrap();
        writer.line();
        writer.inline(" four").unwrap();
        writer.block();
        writer.verbatim("\n  if x:\n\n    y\n").unwrap();
        let flow = writer.finish();
        assert_eq!(flow.text, "A title\n\none twothree\nfour\n\n  if x:\n\n    y");
        assert_eq!(flow.headings, [Heading { level: 2, title: "A title".into(), start: 0, end: 7 }]);
    }

    #[test]
    fn heading_offsets_count_characters_and_skip_the_gap() {
        let meter = Meter::unhurried();
        let mut writer = Writer::new(&meter);
        writer.inline("größer").unwrap();
        writer.begin_heading(1);
        writer.inline("Über").unwrap();
        writer.end_heading().unwrap();
        let flow = writer.finish();
        assert_eq!((flow.headings[0].start, flow.headings[0].end), (8, 12));
    }

    #[test]
    fn too_much_text_is_refused() {
        let meter = Meter::start(Budget { max_chars: 10, ..Budget::default() }, 60.0);
        let mut writer = Writer::new(&meter);
        assert_eq!(writer.inline("more than ten characters").unwrap_err().code(), "too_complex");
    }
}
