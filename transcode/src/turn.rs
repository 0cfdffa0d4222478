//! How a picture must be turned to stand upright: a display matrix becomes one of eight turns. Pure.

use serde::{Deserialize, Serialize};

/// The turn to apply to decoded pictures before they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Turn {
    /// Rows become columns.
    pub transpose: bool,
    /// After that, left and right are exchanged.
    pub mirror: bool,
    /// After that, top and bottom are exchanged.
    pub flip: bool,
}

impl Turn {
    /// From the display matrix of ISO/IEC 14496-12 (3 × 3, row by row, fixed point): a picture point (x, y) is shown
    /// at (a·x + c·y, b·x + d·y) with a, b at 0, 1 and c, d at 3, 4. Anything but multiples of a quarter turn counts
    /// as the nearest one; shifts and scales are left to the layout of the page.
    pub fn from_matrix(matrix: &[i32; 9]) -> Self {
        let [a, b, _, c, d, ..] = matrix.map(i64::from);
        if a.abs() + d.abs() >= b.abs() + c.abs() {
            Self { transpose: false, mirror: a < 0, flip: d < 0 }
        } else {
            Self { transpose: true, mirror: c < 0, flip: b < 0 }
        }
    }

    pub fn is_upright(self) -> bool {
        self == Self::default()
    }

    /// The libavfilter filters that do it, joined by commas; empty when nothing is to be done.
    pub fn filters(self) -> String {
        let mut filters = vec![];
        if self.transpose {
            // `cclock_flip` is the plain exchange of rows and columns.
            filters.push("transpose=dir=cclock_flip");
        }
        if self.mirror {
            filters.push("hflip");
        }
        if self.flip {
            filters.push("vflip");
        }
        filters.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: i32 = 1 << 16;

    fn turn(a: i32, b: i32, c: i32, d: i32) -> Turn {
        Turn::from_matrix(&[a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30])
    }

    /// Where the four corners of a one-by-one picture go, by the filters' own meaning.
    fn apply(turn: Turn, (mut x, mut y): (i32, i32)) -> (i32, i32) {
        if turn.transpose {
            (x, y) = (y, x);
        }
        (if turn.mirror { -x } else { x }, if turn.flip { -y } else { y })
    }

    #[test]
    fn each_of_the_eight_matrices_moves_points_as_the_matrix_says() {
        for (a, b, c, d) in
            [(1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1), (0, 1, 1, 0), (0, 1, -1, 0), (0, -1, 1, 0), (0, -1, -1, 0)]
        {
            for (x, y) in [(1, 2), (-3, 1)] {
                assert_eq!(apply(turn(a, b, c, d), (x, y)), (a * x + c * y, b * x + d * y), "{a} {b} {c} {d}");
            }
        }
    }

    #[test]
    fn the_identity_needs_no_filter_and_an_empty_matrix_counts_as_identity() {
        assert_eq!(turn(1, 0, 0, 1).filters(), "");
        assert!(Turn::from_matrix(&[0; 9]).is_upright());
        assert_eq!(turn(0, 1, -1, 0).filters(), "transpose=dir=cclock_flip,hflip");
    }
}
