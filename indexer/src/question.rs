//! What a person typed, as words and phrases. No character of it is ever query syntax, save quotation marks around
//! words that must stand together: whatever is typed, the worst it can do is to find nothing.

use std::collections::HashSet;

use crate::words::words;

/// Different words of a question that count; the rest is ignored.
pub const MAX_WORDS: usize = 64;

/// A question is longer than the caller allows.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("the query has {bytes} bytes; at most {limit} are taken")]
pub struct TooLong {
    pub bytes: usize,
    pub limit: usize,
}

/// A question, ready to be asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Question {
    /// Stems, each once, in the order in which they were typed; those of phrases are not among them.
    pub words: Vec<String>,
    /// Stems that must stand together in this order.
    pub phrases: Vec<Vec<String>>,
    /// The last word as typed, in lower case, while it may still be growing.
    pub unfinished: Option<String>,
}

impl Question {
    /// Reads what was typed; fails only when it is longer than `limit` bytes.
    pub fn parse(text: &str, limit: usize) -> Result<Self, TooLong> {
        if text.len() > limit {
            return Err(TooLong { bytes: text.len(), limit });
        }
        let parts: Vec<&str> = text.split(['"', '“', '”', '„', '«', '»']).collect();
        let mut question = Self::default();
        let mut left = MAX_WORDS;
        let mut seen = HashSet::new();
        for (index, part) in parts.iter().enumerate() {
            // between an odd and an even mark; a mark without a partner quotes nothing
            let quoted = index % 2 == 1 && index + 1 < parts.len();
            let stems = words(part).into_iter().map(|word| word.stem);
            if quoted {
                let phrase: Vec<String> = stems.take(left).collect();
                left -= phrase.len();
                if !phrase.is_empty() {
                    question.phrases.push(phrase);
                }
            } else {
                for stem in stems {
                    if left > 0 && seen.insert(stem.clone()) {
                        question.words.push(stem);
                        left -= 1;
                    }
                }
            }
        }
        question.unfinished = unfinished(parts.last().copied().unwrap_or_default());
        Ok(question)
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.phrases.is_empty()
    }

    /// Every stem of the question: what a snippet highlights.
    pub fn stems(&self) -> HashSet<&str> {
        self.words.iter().chain(self.phrases.iter().flatten()).map(String::as_str).collect()
    }
}

/// The last word, if nothing follows it and it is long enough to mean something.
fn unfinished(text: &str) -> Option<String> {
    let last = words(text).pop()?;
    let typed = text[last.start..].to_lowercase();
    (last.end == text.len() && typed.chars().count() >= 3).then_some(typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Question {
        Question::parse(text, 1024).unwrap()
    }

    #[test]
    fn words_are_stemmed_and_counted_once() {
        assert_eq!(parse("Learning rates, learning RATE ").words, ["learn", "rate"]);
    }

    #[test]
    fn quotation_marks_make_a_phrase_and_a_lonely_one_does_not() {
        let question = parse("what is \"gradient descent\" for ");
        assert_eq!(question.phrases, [["gradient", "descent"]]);
        assert_eq!(question.words, ["what", "is", "for"]);
        assert_eq!(parse("12\" vinyl ").words, ["12", "vinyl"]);
        assert_eq!(parse("say “hello world” ").phrases, [["hello", "world"]]);
        assert!(parse("\"\" \"!\"").is_empty());
    }

    #[test]
    fn query_syntax_is_plain_text() {
        for text in ["(((((", "a* OR b* OR", "title:secret", "text:[a TO z]", "-foo +bar", "a~2 b^9", "\\", "{!}", "' or 1=1 --", "%_%"] {
            let question = parse(text);
            assert!(question.words.iter().all(|word| word.chars().all(char::is_alphanumeric)), "{text}: {question:?}");
        }
        assert!(parse("((((( *** ").is_empty());
    }

    #[test]
    fn a_question_has_a_largest_size() {
        assert_eq!(Question::parse(&"x".repeat(1025), 1024), Err(TooLong { bytes: 1025, limit: 1024 }));
        let many: String = (0..300).map(|n| format!("w{n} ")).collect();
        assert_eq!(Question::parse(&many, 4096).unwrap().words.len(), MAX_WORDS);
        let quoted: String = (0..300).map(|n| format!("\"p{n} q\" ")).collect();
        let question = Question::parse(&quoted, 4096).unwrap();
        assert_eq!(question.phrases.iter().flatten().count(), MAX_WORDS);
    }

    #[test]
    fn the_last_word_may_still_be_growing() {
        assert_eq!(parse("the Photosyn").unfinished.as_deref(), Some("photosyn"));
        assert_eq!(parse("the photosyn ").unfinished, None);
        assert_eq!(parse("to be").unfinished, None);
        assert_eq!(parse("\"light reactions\"").unfinished, None);
    }
}
