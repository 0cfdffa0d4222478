//! Breaks a text into lines, at the largest size at which it fits.

use crate::fonts::{self, Face};

/// A text broken into lines at the size at which they fit.
#[derive(Debug, PartialEq)]
pub struct Fitted {
    /// In points.
    pub size: f32,
    /// Always at least one.
    pub lines: Vec<String>,
}

/// The largest size between `largest` and `smallest` at which the text fits into the width. Another line is
/// started only once the size would fall below a bound, and lines are made about equally long. What does
/// not fit at all ends in an ellipsis: the full text stands in the file's properties and on the verify page.
pub fn fit(text: &str, face: Face, width: f32, largest: f32, smallest: f32, most_lines: usize) -> Fitted {
    for lines in 1..=most_lines {
        let bound = if lines == most_lines { smallest } else { (largest * (0.8 - 0.2 * lines as f32)).max(smallest) };
        let mut size = largest;
        while size >= bound {
            if wrap(text, face, size, width).is_some_and(|wrapped| wrapped.len() <= lines) {
                return Fitted { size, lines: balance(text, face, size, width, lines) };
            }
            size -= 0.5;
        }
    }
    let mut lines = break_anywhere(text, face, smallest, width);
    if lines.len() > most_lines {
        lines.truncate(most_lines);
        let last = &mut lines[most_lines - 1];
        last.pop();
        last.push('…');
    }
    Fitted { size: smallest, lines }
}

/// Lines broken at spaces; None when a single word is too wide. Always at least one line.
fn wrap(text: &str, face: Face, size: f32, width: f32) -> Option<Vec<String>> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        if fonts::width(word, face, size) > width {
            return None;
        }
        let line = lines.last_mut()?;
        let joined = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if fonts::width(&joined, face, size) <= width {
            *line = joined;
        } else {
            lines.push(word.to_owned());
        }
    }
    Some(lines)
}

/// The narrowest wrapping with no more lines.
fn balance(text: &str, face: Face, size: f32, width: f32, most_lines: usize) -> Vec<String> {
    let (mut fits, mut narrow) = (width, width / most_lines as f32 * 0.8);
    for _ in 0..12 {
        let middle = (fits + narrow) / 2.0;
        match wrap(text, face, size, middle) {
            Some(lines) if lines.len() <= most_lines => fits = middle,
            _ => narrow = middle,
        }
    }
    wrap(text, face, size, fits).unwrap_or_default()
}

fn break_anywhere(text: &str, face: Face, size: f32, width: f32) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0.0;
    for c in text.chars() {
        let advance = fonts::width(c.encode_utf8(&mut [0; 4]), face, size);
        if used + advance > width {
            lines.push(String::new());
            used = 0.0;
        }
        used += advance;
        lines.last_mut().expect("one line is always there").push(c);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: f32 = 610.0;

    #[test]
    fn a_short_name_is_large_and_a_long_one_gets_lines_of_like_length() {
        let short = fit("Ada Lovelace", Face::Serif, WIDTH, 42.0, 16.0, 3);
        assert_eq!((short.size, short.lines.len()), (42.0, 1));
        let long = fit("Pablo Diego José Francisco de Paula Juan Nepomuceno María de los Remedios", Face::Serif, WIDTH, 42.0, 16.0, 3);
        assert_eq!(long.lines.len(), 2);
        let widths: Vec<f32> = long.lines.iter().map(|line| fonts::width(line, Face::Serif, long.size)).collect();
        assert!(widths.iter().all(|width| *width > WIDTH * 0.5), "{widths:?}");
        assert_eq!(long.lines.join(" "), "Pablo Diego José Francisco de Paula Juan Nepomuceno María de los Remedios");
    }

    #[test]
    fn what_cannot_fit_ends_in_an_ellipsis() {
        let fitted = fit(&"W".repeat(400), Face::Serif, WIDTH, 42.0, 16.0, 3);
        assert_eq!((fitted.size, fitted.lines.len()), (16.0, 3));
        assert!(fitted.lines[2].ends_with('…'));
    }
}
