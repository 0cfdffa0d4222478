//! Two columns that were written row by row.
//!
//! Most programs write one column after the other, and PDFium's order is right. Some write each row across both;
//! then every line holds a piece of two sentences. Only pages where that is plain are put in order: an analysis of
//! every page's layout would spoil more pages than it mends.

use super::lines::{Line, PageLines};

/// Rows that must show the gutter before a page is touched.
const MIN_ROWS: usize = 6;
/// Mean characters on each side of the gutter; less is a table or a form.
const MIN_PROSE: usize = 20;

/// Puts the left column before the right one on a page whose rows run across a gutter.
pub fn untangle(page: &mut PageLines) {
    let pieces: Vec<Line> = page.lines.iter().flat_map(pieces).collect();
    if let Some(gutter) = gutter(&pieces, page.width) {
        page.lines = in_columns(pieces, gutter);
    }
}

/// The lines between two lines that span the gutter are a stretch of two columns: left first, then right.
fn in_columns(pieces: Vec<Line>, gutter: f32) -> Vec<Line> {
    let mut ordered = Vec::with_capacity(pieces.len());
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for piece in pieces {
        if piece.right <= gutter {
            left.push(piece);
        } else if piece.left >= gutter {
            right.push(piece);
        } else {
            ordered.append(&mut left);
            ordered.append(&mut right);
            ordered.push(piece);
        }
    }
    ordered.append(&mut left);
    ordered.append(&mut right);
    ordered
}

/// The middle of the gap that most rows share, if they do and if both sides read like prose.
fn gutter(pieces: &[Line], page_width: f32) -> Option<f32> {
    let rows: Vec<(&Line, &Line)> =
        pieces.windows(2).map(|pair| (&pair[0], &pair[1])).filter(|(left, right)| are_side_by_side(left, right)).collect();
    if rows.len() < MIN_ROWS || rows.len() * 4 < pieces.len() {
        return None;
    }
    let is_prose = |chars: usize| chars / rows.len() >= MIN_PROSE;
    let letters = |line: &Line| line.text.chars().filter(|c| c.is_alphabetic()).count();
    if !is_prose(rows.iter().map(|(left, _)| letters(left)).sum()) || !is_prose(rows.iter().map(|(_, right)| letters(right)).sum()) {
        return None;
    }
    // One row in ten may reach into the gutter: a formula, a long word.
    let spare = rows.len() / 10;
    let mut ends: Vec<f32> = rows.iter().map(|(left, _)| left.right).collect();
    let mut starts: Vec<f32> = rows.iter().map(|(_, right)| right.left).collect();
    ends.sort_by(f32::total_cmp);
    starts.sort_by(f32::total_cmp);
    let (end, start) = (ends[ends.len() - 1 - spare], starts[spare]);
    let middle = (end + start) / 2.0;
    (start > end && (0.25..0.75).contains(&(middle / page_width.max(1.0)))).then_some(middle)
}

fn are_side_by_side(left: &Line, right: &Line) -> bool {
    let size = left.size.max(right.size);
    (left.base - right.base).abs() < 0.4 * size && right.left > left.right + 0.5 * size
}

/// A line cut at its wide gaps.
fn pieces(line: &Line) -> Vec<Line> {
    if line.pieces.len() < 2 {
        return vec![line.clone()];
    }
    line.pieces
        .iter()
        .map(|piece| Line {
            text: line.text[piece.from..piece.to].trim().to_owned(),
            left: piece.left,
            right: piece.right,
            pieces: Vec::new(),
            ..line.clone()
        })
        .filter(|piece| !piece.text.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::lines::Piece;
    use super::*;

    fn row(left: &str, right: &str, bottom: f32) -> Line {
        let text = format!("{left} {right}");
        let pieces = vec![
            Piece { from: 0, to: left.len(), left: 50.0, right: 280.0 },
            Piece { from: left.len() + 1, to: text.len(), left: 320.0, right: 550.0 },
        ];
        Line { text, left: 50.0, right: 550.0, top: bottom + 10.0, bottom, base: bottom, size: 10.0, pieces }
    }

    fn page(lines: Vec<Line>) -> PageLines {
        PageLines { lines, width: 600.0, height: 800.0 }
    }

    #[test]
    fn rows_across_two_columns_are_put_in_order() {
        let mut lines: Vec<Line> = (0..8)
            .map(|n| {
                row(
                    &format!("left column line number {n} of prose"),
                    &format!("right column line number {n} of prose"),
                    700.0 - 12.0 * n as f32,
                )
            })
            .collect();
        let title = Line {
            text: "A title across both".into(),
            left: 100.0,
            right: 500.0,
            bottom: 760.0,
            base: 760.0,
            top: 780.0,
            size: 20.0,
            pieces: vec![],
        };
        lines.insert(0, title);
        let mut page = page(lines);
        untangle(&mut page);
        assert_eq!(page.lines.len(), 17);
        assert_eq!(page.lines[0].text, "A title across both");
        assert!(page.lines[1..9].iter().all(|line| line.text.starts_with("left")));
        assert!(page.lines[9..].iter().all(|line| line.text.starts_with("right")));
    }

    #[test]
    fn tables_and_short_pages_are_left_alone() {
        for lines in [
            (0..20).map(|n| row("cell", "42", 700.0 - 12.0 * n as f32)).collect::<Vec<_>>(),
            vec![row("only one row of prose is not enough", "to call it a column of its own", 1.0)],
        ] {
            let before = page(lines);
            let mut after = before.clone();
            untangle(&mut after);
            assert_eq!(after, before);
        }
    }
}
