//! The QR code as rectangles, so that it stays sharp in print.

use qrcode::{Color, EcLevel, QrCode, types::QrError};

/// A run of dark modules in one row. Unit: modules, origin at the upper left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    pub x: usize,
    pub y: usize,
    pub width: usize,
}

/// A QR code without its quiet zone.
pub struct Code {
    /// Modules per side.
    pub side: usize,
    pub bars: Vec<Bar>,
}

/// The code for a text, at error correction level M (15 % of it may be damaged).
///
/// Fails when the text is longer than the largest code holds (2,331 bytes).
pub fn code(text: &str) -> Result<Code, QrError> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M)?;
    let side = code.width();
    let modules = code.to_colors();
    let mut bars = Vec::new();
    for (y, row) in modules.chunks(side).enumerate() {
        let mut x = 0;
        while x < side {
            let width = row[x..].iter().take_while(|module| **module == Color::Dark).count();
            if width > 0 {
                bars.push(Bar { x, y, width });
            }
            x += width + 1;
        }
    }
    Ok(Code { side, bars })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finder_patterns_stand_in_three_corners() {
        let code = code("https://learn.example/verify/0190").unwrap();
        assert_eq!(code.bars[0], Bar { x: 0, y: 0, width: 7 });
        assert!(code.bars.contains(&Bar { x: code.side - 7, y: 0, width: 7 }));
        assert!(code.bars.contains(&Bar { x: 0, y: code.side - 1, width: 7 }));
    }

    #[test]
    fn bars_cover_exactly_the_dark_modules() {
        let text = "learnhub";
        let dark = QrCode::with_error_correction_level(text, EcLevel::M).unwrap().to_colors();
        let covered: usize = code(text).unwrap().bars.iter().map(|bar| bar.width).sum();
        assert_eq!(covered, dark.iter().filter(|module| **module == Color::Dark).count());
    }

    #[test]
    fn too_long_a_text_is_an_error() {
        assert!(code(&"x".repeat(3000)).is_err());
    }
}
