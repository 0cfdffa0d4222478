//! The bundled typefaces: which of them draws which character, how wide a text is, and the subset that a file embeds.
//!
//! Owns the decision about a character that no face can draw: the certificate is issued all the same, with a box in
//! the character's place, the real text behind the box for copying and screen readers, and a line that sends the reader to the
//! verify page, where the name stands in full. A learner must not go without a certificate because of our
//! fonts, and a transliteration would be a guess at how somebody wants to be called.
//!
//! It does not shape. A script is only let through if its letters stand one after the other as they are
//! encoded, once the text is in Unicode normalisation form C.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use allsorts::binary::read::ReadScope;
use allsorts::font_data::FontData;
use allsorts::subset::{CmapTarget, SubsetProfile, subset};
use printpdf::ParsedFont;

/// A bundled face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Face {
    /// Noto Serif Display, for what is to be read from afar.
    Serif,
    /// Noto Sans, for the small print.
    Sans,
    Armenian,
    Georgian,
}

/// A stretch of text that one face draws, or that none does.
#[derive(Clone, Debug, PartialEq)]
pub enum Run {
    Drawn(Face, String),
    Missing(String),
}

/// What went wrong with a bundled font. Cannot happen with the fonts as they are in the source.
#[derive(Debug, thiserror::Error)]
#[error("bundled font {face:?} cannot be embedded: {reason}")]
pub struct FontError {
    face: Face,
    reason: String,
}

const FACES: [Face; 4] = [Face::Serif, Face::Sans, Face::Armenian, Face::Georgian];

/// Splits a text into runs: the wanted face where it can, else the first other face that can.
pub fn runs(text: &str, wanted: Face) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for c in text.chars() {
        let face = [wanted, Face::Armenian, Face::Georgian].into_iter().find(|face| face.draws(c));
        match (face, runs.last_mut()) {
            (Some(face), Some(Run::Drawn(last, run))) if *last == face => run.push(c),
            (Some(face), _) => runs.push(Run::Drawn(face, c.into())),
            (None, Some(Run::Missing(run))) => run.push(c),
            (None, _) => runs.push(Run::Missing(c.into())),
        }
    }
    runs
}

/// Width of a text set from the wanted face, in the unit of `size`.
pub fn width(text: &str, wanted: Face, size: f32) -> f32 {
    runs(text, wanted).iter().map(|run| run.width(wanted, size)).sum()
}

impl Run {
    /// Width of this run, in the unit of `size`. A missing character is as wide as the wanted face's box.
    pub fn width(&self, wanted: Face, size: f32) -> f32 {
        let ems: f32 = match self {
            Self::Drawn(face, text) => text.chars().map(|c| face.advance(face.glyph(c))).sum(),
            Self::Missing(text) => text.chars().count() as f32 * wanted.advance(0),
        };
        ems * size
    }
}

impl Face {
    /// The face's name inside a file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Serif => "NotoSerifDisplay-Regular",
            Self::Sans => "NotoSans-Regular",
            Self::Armenian => "NotoSerifArmenian-Regular",
            Self::Georgian => "NotoSerifGeorgian-Regular",
        }
    }

    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Serif => include_bytes!("../fonts/NotoSerifDisplay-Regular.ttf"),
            Self::Sans => include_bytes!("../fonts/NotoSans-Regular.ttf"),
            Self::Armenian => include_bytes!("../fonts/NotoSerifArmenian-Regular.ttf"),
            Self::Georgian => include_bytes!("../fonts/NotoSerifGeorgian-Regular.ttf"),
        }
    }

    fn parsed(self) -> &'static ParsedFont {
        static PARSED: LazyLock<[ParsedFont; 4]> = LazyLock::new(|| {
            FACES.map(|face| ParsedFont::from_bytes(face.bytes(), 0, &mut Vec::new()).expect("the bundled fonts are whole"))
        });
        &PARSED[self as usize]
    }

    fn draws(self, c: char) -> bool {
        stands_alone(c) && self.parsed().lookup_glyph_index(c as u32).is_some_and(|glyph| glyph != 0)
    }

    fn glyph(self, c: char) -> u16 {
        self.parsed().lookup_glyph_index(c as u32).unwrap_or(0)
    }

    /// Advance of a glyph in em, cut to thousandths as the file's width table is.
    fn advance(self, glyph: u16) -> f32 {
        let font = self.parsed();
        let units = u32::from(font.get_glyph_width(glyph).unwrap_or(0));
        (units * 1000 / u32::from(font.units_per_em)) as f32 / 1000.0
    }

    /// The face cut down to the given characters and the box for missing ones.
    pub fn subset(self, characters: &BTreeSet<char>) -> Result<ParsedFont, FontError> {
        let fail = |reason: String| FontError { face: self, reason };
        let full = self.parsed();
        let mut glyphs: Vec<u16> = characters.iter().map(|c| self.glyph(*c)).chain([0]).collect();
        glyphs.sort_unstable();
        glyphs.dedup();
        let file = ReadScope::new(self.bytes()).read::<FontData<'_>>().map_err(|e| fail(e.to_string()))?;
        let tables = file.table_provider(0).map_err(|e| fail(e.to_string()))?;
        let bytes = subset(&tables, &glyphs, &SubsetProfile::Pdf, CmapTarget::Unicode).map_err(|e| fail(e.to_string()))?;
        // A glyph's number in the subset is its place in the list that was asked for.
        let number = |glyph: u16| glyphs.binary_search(&glyph).expect("every glyph was put in above") as u16;
        Ok(ParsedFont {
            original_bytes: bytes,
            font_name: Some(format!("LEARNH+{}", self.name())), // six capitals and a plus mark a subset
            codepoint_to_glyph: characters.iter().map(|c| (*c as u32, number(self.glyph(*c)))).collect(),
            glyph_widths: glyphs.iter().map(|g| (number(*g), full.get_glyph_width(*g).unwrap_or(0))).collect::<BTreeMap<_, _>>(),
            font_index: 0,
            units_per_em: full.units_per_em,
            font_metrics: full.font_metrics.clone(),
            font_type: full.font_type,
            pdf_font_metrics: full.pdf_font_metrics.clone(),
        })
    }
}

/// Whether a character comes out right when it is simply put after the one before: no joining, no reordering, no
/// right-to-left. By Unicode block.
fn stands_alone(c: char) -> bool {
    matches!(c as u32,
        0x0020..=0x007E | 0x00A1..=0x036F       // Latin, its modifiers, combining marks (they overhang to the left)
        | 0x0370..=0x058F                       // Greek, Cyrillic, Armenian
        | 0x10A0..=0x10FF | 0x1C90..=0x1CBF     // Georgian
        | 0x1C80..=0x1C8F                       // Cyrillic, extended
        | 0x1D00..=0x1DBF | 0x1E00..=0x1FFF     // phonetic, Latin with two marks (Vietnamese), Greek with breathings
        | 0x2010..=0x2027 | 0x2030..=0x205E     // punctuation
        | 0x2070..=0x20BF                       // raised and lowered digits, currencies
        | 0x2100..=0x22FF                       // letter-like, number forms, arrows, mathematics
        | 0x2C60..=0x2C7F | 0x2D00..=0x2D2F     // Latin and Georgian, extended
        | 0x2DE0..=0x2DFF | 0xA640..=0xA69F | 0xA720..=0xA7FF)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(text: &str) -> String {
        runs(text, Face::Serif).into_iter().filter_map(|run| if let Run::Missing(text) = run { Some(text) } else { None }).collect()
    }

    #[test]
    fn latin_cyrillic_and_greek_are_drawn_by_one_face() {
        for name in
            ["Zoë Ångström-Łukasz d'Été", "Nguyễn Thị Ánh Tuyết", "Щербаков Ёжиков Їжак", "Ευανθία Παπαδοπούλου", "Þórður ĞŞİ — “R&D”"]
        {
            for face in [Face::Serif, Face::Sans] {
                assert_eq!(runs(name, face), [Run::Drawn(face, name.into())], "{name}");
            }
        }
    }

    #[test]
    fn armenian_and_georgian_come_from_their_own_faces() {
        assert_eq!(
            runs("Anna Ծովինար ნინო", Face::Serif),
            [
                Run::Drawn(Face::Serif, "Anna ".into()),
                Run::Drawn(Face::Armenian, "Ծովինար".into()),
                Run::Drawn(Face::Serif, " ".into()),
                Run::Drawn(Face::Georgian, "ნინო".into()),
            ]
        );
    }

    #[test]
    fn what_no_face_can_draw_right_is_missing() {
        assert_eq!(missing("张伟 Ann 🎓"), "张伟🎓");
        assert_eq!(missing("محمد"), "محمد"); // would need joining
        assert_eq!(missing("प्रिया"), "प्रिया"); // would need reordering, even if a face has the letters
        assert_eq!(missing("\u{202e}evil\u{0}"), "\u{202e}\u{0}");
    }

    #[test]
    fn widths_add_up_and_scale() {
        let one = width("Ada", Face::Serif, 10.0);
        assert!((width("Ada", Face::Serif, 20.0) - 2.0 * one).abs() < 1e-3);
        assert!(width("WWW", Face::Serif, 10.0) > width("iii", Face::Serif, 10.0));
        assert!(width("张", Face::Serif, 10.0) > 1.0);
    }

    #[test]
    fn a_subset_is_small_and_keeps_the_characters_apart() {
        let characters: BTreeSet<char> = "AΑА aоo".chars().collect(); // Latin, Greek and Cyrillic look-alikes
        let font = Face::Serif.subset(&characters).unwrap();
        assert!(font.original_bytes.len() < 20_000, "{}", font.original_bytes.len());
        let glyphs: BTreeSet<u16> = font.codepoint_to_glyph.values().copied().collect();
        assert_eq!(glyphs.len(), characters.len(), "two characters share a glyph: copied text would mix them up");
        assert!(!glyphs.contains(&0));
    }
}
