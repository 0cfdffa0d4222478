//! Characters of a page to lines with positions.
//!
//! Owns which characters count: those inside the visible page, with ligatures and presentation forms unfolded. The
//! order is PDFium's, which is the order of the page's content with line ends added.

use unicode_normalization::UnicodeNormalization;

use super::ffi::{PageText, Rect};

/// Marks a hyphen that only the line's end made necessary; `hyphens` resolves it.
pub const HYPHEN: char = '\u{2}';

/// One line: its text and where it stands on the page as it is shown, in points, y upwards from the lower edge.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Line {
    pub text: String,
    pub left: f32,
    pub right: f32,
    pub top: f32,
    /// Of the lowest descender.
    pub bottom: f32,
    /// Where its characters stand.
    pub base: f32,
    /// Size of its type.
    pub size: f32,
    /// Stretches parted by wide gaps, in order.
    pub pieces: Vec<Piece>,
}

/// A stretch of a line without wide gaps: byte range in the text, and its horizontal extent.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    pub from: usize,
    pub to: usize,
    pub left: f32,
    pub right: f32,
}

/// The lines of one page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PageLines {
    pub lines: Vec<Line>,
    pub width: f32,
    pub height: f32,
}

/// A gap wider than this many type sizes parts a line into pieces.
const WIDE_GAP: f32 = 1.2;

/// The lines of a loaded page.
pub fn of(page: &PageText<'_>) -> PageLines {
    let turns = page.quarter_turns();
    let bounds = page.bounds();
    let view = View::new(bounds, turns);
    let mut lines = Vec::new();
    let mut line = Builder::default();
    let mut high_surrogate = None;
    for index in 0..page.len() {
        let unit = page.unicode(index);
        if matches!(unit, 0x0a | 0x0d) {
            lines.extend(line.finish());
            continue;
        }
        if matches!(unit, 0x02 | 0xfffe) && page.is_hyphen(index) {
            // PDFium goes on with the word and adds no line end.
            line.push(HYPHEN, None);
            lines.extend(line.finish());
            continue;
        }
        let Some(c) = character(unit, &mut high_surrogate) else { continue };
        if c.is_whitespace() && page.is_generated(index) {
            line.space();
            continue;
        }
        let place = page.loose_box(index).filter(|rect| rect.left != rect.right || rect.top != rect.bottom);
        match (place, bounds) {
            (Some(place), Some(bounds)) if !shows(bounds, place) => {}
            (place, _) => {
                // Once a word is enough to know the type.
                if line.begins_word() {
                    let size = page.type_size(index).or(place.map(|place| view.turn(place).height())).unwrap_or_default();
                    line.measure(size, page.origin(index).map(|origin| view.turn_point(origin).1));
                }
                line.push(c, place.map(|place| view.turn(place)));
            }
        }
    }
    lines.extend(line.finish());
    PageLines { lines, width: view.width, height: view.height }
}

/// Whether the middle of a character lies on the visible page.
fn shows(bounds: Rect, place: Rect) -> bool {
    let (x, y) = ((place.left + place.right) / 2.0, (place.top + place.bottom) / 2.0);
    (bounds.left..=bounds.right).contains(&x) && (bounds.bottom..=bounds.top).contains(&y)
}

/// Joins surrogates; drops what is no text.
fn character(unit: u32, high: &mut Option<u32>) -> Option<char> {
    if (0xd800..0xdc00).contains(&unit) {
        *high = Some(unit);
        return None;
    }
    let unit = match high.take() {
        Some(high) if (0xdc00..0xe000).contains(&unit) => 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00),
        _ => unit,
    };
    let c = char::from_u32(unit)?;
    let is_text = c == '\t' || !(c.is_control() || matches!(c, '\u{fffd}' | '\u{fffe}' | '\u{ffff}' | '\u{feff}' | '\u{200b}'));
    is_text.then_some(c)
}

/// Turns page coordinates into those of the page as it is shown, with the origin at its lower left corner.
struct View {
    origin: (f32, f32),
    turns: i32,
    width: f32,
    height: f32,
}

impl View {
    fn new(bounds: Option<Rect>, turns: i32) -> Self {
        let bounds = bounds.unwrap_or_default();
        let (width, height) = (bounds.right - bounds.left, bounds.top - bounds.bottom);
        let (x, y, width, height) = match turns.rem_euclid(4) {
            1 => (bounds.bottom, -bounds.right, height, width),
            2 => (-bounds.right, -bounds.top, width, height),
            3 => (-bounds.top, bounds.left, height, width),
            _ => (bounds.left, bounds.bottom, width, height),
        };
        Self { origin: (x, y), turns: turns.rem_euclid(4), width, height }
    }

    fn turn_point(&self, (x, y): (f32, f32)) -> (f32, f32) {
        let (x, y) = match self.turns {
            1 => (y, -x),
            2 => (-x, -y),
            3 => (-y, x),
            _ => (x, y),
        };
        (x - self.origin.0, y - self.origin.1)
    }

    fn turn(&self, rect: Rect) -> Rect {
        let ((x1, y1), (x2, y2)) = (self.turn_point((rect.left, rect.bottom)), self.turn_point((rect.right, rect.top)));
        Rect { left: x1.min(x2), top: y1.max(y2), right: x1.max(x2), bottom: y1.min(y2) }
    }
}

impl Rect {
    fn height(&self) -> f32 {
        self.top - self.bottom
    }
}

#[derive(Default)]
struct Builder {
    line: Line,
    /// Sums over the words that were measured.
    sizes: f32,
    bases: f32,
    measured: f32,
    is_placed: bool,
    owes_space: bool,
}

impl Builder {
    fn space(&mut self) {
        self.owes_space = !self.line.text.is_empty();
    }

    fn begins_word(&self) -> bool {
        self.owes_space || self.line.text.is_empty()
    }

    fn measure(&mut self, size: f32, base: Option<f32>) {
        if let Some(base) = base.filter(|_| size > 0.0) {
            self.sizes += size;
            self.bases += base;
            self.measured += 1.0;
        }
    }

    fn push(&mut self, c: char, place: Option<Rect>) {
        if c.is_whitespace() {
            return self.space();
        }
        let gap_before = std::mem::take(&mut self.owes_space);
        if gap_before && c != HYPHEN {
            self.line.text.push(' ');
        }
        let at = self.line.text.len();
        unfold(c, &mut self.line.text);
        let Some(place) = place else {
            if let Some(piece) = self.line.pieces.last_mut() {
                piece.to = self.line.text.len();
            }
            return;
        };
        let size = if self.measured > 0.0 { self.sizes / self.measured } else { place.height() };
        let to = self.line.text.len();
        match self.line.pieces.last_mut() {
            Some(piece) if !(gap_before && place.left - piece.right > WIDE_GAP * size) => {
                piece.to = to;
                piece.left = piece.left.min(place.left);
                piece.right = piece.right.max(place.right);
            }
            _ => self.line.pieces.push(Piece { from: at, to, left: place.left, right: place.right }),
        }
        let line = &mut self.line;
        if !std::mem::replace(&mut self.is_placed, true) {
            (line.left, line.right, line.top, line.bottom) = (place.left, place.right, place.top, place.bottom);
        } else {
            line.left = line.left.min(place.left);
            line.right = line.right.max(place.right);
            line.top = line.top.max(place.top);
            line.bottom = line.bottom.min(place.bottom);
        }
    }

    /// The line so far, unless it is empty; begins the next.
    fn finish(&mut self) -> Option<Line> {
        let mut done = std::mem::take(self);
        (done.line.size, done.line.base) = match done.measured {
            0.0 => (done.line.top - done.line.bottom, done.line.bottom),
            words => (done.sizes / words, done.bases / words),
        };
        (!done.line.text.is_empty()).then_some(done.line)
    }
}

/// Latin ligatures and Arabic presentation forms become the letters that people search for.
fn unfold(c: char, text: &mut String) {
    if matches!(c, '\u{fb00}'..='\u{fb06}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}') {
        text.extend(std::iter::once(c).nfkc());
    } else if c == '\u{ad}' {
        // A soft hyphen inside a line is invisible; at its end PDFium reports a hyphen.
    } else {
        text.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rect(left: f32, bottom: f32, right: f32, top: f32) -> Rect {
        Rect { left, top, right, bottom }
    }

    #[test]
    fn turned_pages_are_seen_upright() {
        let bounds = rect(10.0, 20.0, 110.0, 220.0);
        // A character near the lower left corner of the unturned page.
        let place = rect(20.0, 30.0, 25.0, 40.0);
        assert_eq!(View::new(Some(bounds), 0).turn(place), rect(10.0, 10.0, 15.0, 20.0));
        let turned = View::new(Some(bounds), 1);
        assert_eq!((turned.width, turned.height), (200.0, 100.0));
        assert_eq!(turned.turn(place), rect(10.0, 85.0, 20.0, 90.0));
        assert_eq!(View::new(Some(bounds), 2).turn(place), rect(85.0, 180.0, 90.0, 190.0));
        assert_eq!(View::new(Some(bounds), 3).turn(place), rect(180.0, 10.0, 190.0, 15.0));
    }

    #[test]
    fn ligatures_surrogates_and_controls() {
        let mut text = String::new();
        "\u{fb01}n\u{ad}e\u{fefb}".chars().for_each(|c| unfold(c, &mut text));
        assert_eq!(text, "fineلا");
        let mut high = None;
        assert_eq!(character(0xd83d, &mut high), None);
        assert_eq!(character(0xde00, &mut high), Some('😀'));
        assert_eq!(character(0xfffd, &mut high), None);
        assert_eq!(character(0x41, &mut high), Some('A'));
    }

    #[test]
    fn only_what_lies_on_the_page_shows() {
        let bounds = rect(0.0, 0.0, 100.0, 100.0);
        assert!(shows(bounds, rect(-2.0, 0.0, 4.0, 10.0)));
        assert!(!shows(bounds, rect(-20.0, 0.0, -10.0, 10.0)));
        assert!(!shows(bounds, rect(10.0, 120.0, 20.0, 130.0)));
    }
}
