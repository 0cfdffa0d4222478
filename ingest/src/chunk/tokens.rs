//! Counting tokens as the embedding model does.

use std::path::{Path, PathBuf};

use text_splitter::ChunkSizer;
use tokenizers::Tokenizer;

/// A stretch of text without a token, or with one token for a very long word, still counts one token per so many
/// bytes: WordPiece turns any word of more than 100 letters into one unknown token.
const BYTES_PER_TOKEN: usize = 16;

/// The model's tokenizer.
pub struct Tokens(Counter);

enum Counter {
    Model(Box<Tokenizer>),
    /// One token per word, so that the rules of chunking can be tested without a model.
    #[cfg(test)]
    Words,
}

/// The tokenizer's file cannot be used. A matter of installation, not of the document.
#[derive(Debug, thiserror::Error)]
#[error("load the tokenizer from {}: {reason}", path.display())]
pub struct TokenizerMissing {
    pub path: PathBuf,
    pub reason: String,
}

impl Tokens {
    /// Loads a `tokenizer.json`. The truncation and padding that such files carry are for batches, and are removed.
    pub fn load(path: &Path) -> Result<Self, TokenizerMissing> {
        let missing = |reason: String| TokenizerMissing { path: path.to_owned(), reason };
        let mut tokenizer = Tokenizer::from_file(path).map_err(|error| missing(error.to_string()))?;
        tokenizer.with_truncation(None).map_err(|error| missing(error.to_string()))?;
        tokenizer.with_padding(None);
        Ok(Self(Counter::Model(Box::new(tokenizer))))
    }

    /// Tokens of a text, without the two special ones.
    pub fn count(&self, text: &str) -> u32 {
        Ruler::new(text, self).measure(text) as u32
    }

    /// Where each token begins, in bytes, ascending.
    fn starts(&self, text: &str) -> Vec<usize> {
        match &self.0 {
            Counter::Model(tokenizer) => match tokenizer.encode(text, false) {
                Ok(encoding) => encoding.get_offsets().iter().map(|(start, _)| *start).collect(),
                // No tokenizer refuses text in practice; if one does, bytes are counted.
                Err(_) => Vec::new(),
            },
            #[cfg(test)]
            Counter::Words => text.split_whitespace().map(|word| word.as_ptr() as usize - text.as_ptr() as usize).collect(),
        }
    }

    #[cfg(test)]
    pub fn words() -> Self {
        Self(Counter::Words)
    }
}

/// Measures any part of one text after tokenizing it once: the splitter asks for the sizes of hundreds of parts.
/// Exact for parts that begin and end between words.
pub struct Ruler<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Ruler<'t> {
    pub fn new(text: &'t str, tokens: &Tokens) -> Self {
        Self { text, starts: tokens.starts(text) }
    }

    /// Tokens of a part of the ruler's text.
    pub fn measure(&self, part: &str) -> usize {
        let from = (part.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        let to = from.saturating_add(part.len());
        let tokens = if to <= self.text.len() {
            self.starts.partition_point(|start| *start < to) - self.starts.partition_point(|start| *start < from)
        } else {
            // Not a part of this text: as if every byte were a token, so that it is cut rather than trusted.
            part.len()
        };
        tokens.max(part.len().div_ceil(BYTES_PER_TOKEN))
    }
}

impl ChunkSizer for Ruler<'_> {
    fn size(&self, part: &str) -> usize {
        self.measure(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_measured_by_the_tokens_in_them() {
        let text = "one two three four";
        let ruler = Ruler::new(text, &Tokens::words());
        assert_eq!(ruler.measure(text), 4);
        assert_eq!(ruler.measure(&text[4..13]), 2);
        assert_eq!(ruler.measure(&text[3..4]), 1);
        let word = "x".repeat(1600);
        assert_eq!(Tokens::words().count(&word), 100);
    }

    #[test]
    fn missing_tokenizer_is_named() {
        let error = Tokens::load(Path::new("/nowhere/tokenizer.json")).err().unwrap();
        assert!(error.to_string().contains("/nowhere/tokenizer.json"), "{error}");
    }
}
