//! Where in its asset a chunk of text stands: the thing that lets a search hit open at the second or the page.

use serde::{Deserialize, Serialize};

/// The place of a chunk in its asset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Locator {
    /// A page of a paged document.
    Page {
        /// Counted from 1.
        page: u32,
        /// First character in the page's text.
        start: u32,
        /// One past the last character in the page's text.
        end: u32,
    },
    /// A stretch of a document without pages.
    Section {
        /// First character in the document's text.
        start: u32,
        /// One past the last character in the document's text.
        end: u32,
    },
    /// A stretch of time.
    Time {
        /// Seconds from the beginning.
        start: f64,
        /// Seconds from the beginning.
        end: f64,
        /// The cues inside: start in seconds, and the offset in characters of its text inside the chunk.
        cues: Vec<(f64, u32)>,
    },
}

impl Locator {
    /// Seconds at which the cue begins that holds the given character of the chunk's text; None without time.
    pub fn second_at(&self, character: u32) -> Option<f64> {
        match self {
            Self::Time { start, cues, .. } => {
                Some(cues.iter().take_while(|(_, offset)| *offset <= character).last().map_or(*start, |(s, _)| *s))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_opens_the_cue_that_holds_it() {
        let time = Locator::Time { start: 4.0, end: 12.0, cues: vec![(4.0, 0), (7.5, 31), (10.0, 60)] };
        assert_eq!(time.second_at(0), Some(4.0));
        assert_eq!(time.second_at(30), Some(4.0));
        assert_eq!(time.second_at(31), Some(7.5));
        assert_eq!(time.second_at(999), Some(10.0));
        assert_eq!(Locator::Page { page: 1, start: 0, end: 9 }.second_at(0), None);
    }
}
