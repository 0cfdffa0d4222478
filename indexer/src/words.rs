//! How text becomes words: the same way for what is indexed, what is asked and what is highlighted.

use std::sync::LazyLock;

use tantivy::tokenizer::{AsciiFoldingFilter, Language, LowerCaser, RemoveLongFilter, SimpleTokenizer, Stemmer, TextAnalyzer, TokenStream};

/// Name under which the analyser is registered with an index. Another name, another [`crate::VERSION`].
pub(crate) const ANALYSER: &str = "learnhub_en";

/// Longer runs of letters and digits, in bytes, are no words: keys, hashes, lost spaces.
const LONGEST: usize = 64;

/// One word of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// Lower case, without accents and endings.
    pub stem: String,
    /// Where it stands, in bytes.
    pub start: usize,
    pub end: usize,
}

/// Letters and digits in a row are a word; case and accents do not matter; endings are cut the English way.
pub(crate) fn analyser() -> TextAnalyzer {
    static ONCE: LazyLock<TextAnalyzer> = LazyLock::new(|| {
        TextAnalyzer::builder(SimpleTokenizer::default())
            .filter(RemoveLongFilter::limit(LONGEST))
            .filter(LowerCaser)
            .filter(AsciiFoldingFilter)
            .filter(Stemmer::new(Language::English))
            .build()
    });
    ONCE.clone()
}

/// The words of a text, in order.
pub fn words(text: &str) -> Vec<Word> {
    let mut analyser = analyser();
    let mut stream = analyser.token_stream(text);
    let mut words = Vec::new();
    while let Some(token) = stream.next() {
        words.push(Word { stem: token.text.clone(), start: token.offset_from, end: token.offset_to });
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_case_and_accents_do_not_matter() {
        let stems: Vec<String> = words("Poincaré's MAPS mapped a map").into_iter().map(|word| word.stem).collect();
        assert_eq!(stems, ["poincar", "s", "map", "map", "a", "map"]);
    }

    #[test]
    fn a_word_knows_where_it_stands() {
        let text = "Ça va – naïve?";
        let found = words(text);
        assert_eq!(&text[found[2].start..found[2].end], "naïve");
        assert_eq!(found[2].stem, "naiv");
    }

    #[test]
    fn what_is_no_word_is_left_out() {
        assert!(words("((((( *** \u{0} — \"\" ").is_empty());
        assert!(words(&"x".repeat(LONGEST + 1)).is_empty());
    }
}
