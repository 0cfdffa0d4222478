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
    /// Stems, each once, in the order in which they were typed; those of phrases are not among them. Function words
    /// are left out, unless there is nothing else: they stand in every text, and would find it.
    pub words: Vec<String>,
    /// Stems that must stand together in this order.
    pub phrases: Vec<Vec<String>>,
    /// The last word, while it may still be growing.
    pub unfinished: Option<Unfinished>,
}

/// A word that has only been begun, perhaps.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfinished {
    /// As typed, in lower case.
    pub typed: String,
    /// What it is if nothing follows.
    pub stem: String,
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
        if !question.phrases.is_empty() || question.words.iter().any(|stem| tells(stem)) {
            question.words.retain(|stem| tells(stem));
        }
        question.unfinished = unfinished(parts.last().copied().unwrap_or_default());
        Ok(question)
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.phrases.is_empty()
    }

    /// Whether a word of a text, by its stem, is one that was asked for: what is highlighted.
    pub fn seeks(&self, stem: &str) -> bool {
        let in_phrase = || self.phrases.iter().flatten().any(|word| word == stem) && tells(stem);
        let grown = || self.unfinished.as_ref().is_some_and(|word| stem.starts_with(&word.typed));
        self.words.iter().any(|word| word == stem) || in_phrase() || grown()
    }
}

/// Words that stand in nearly every sentence, as stems.
const FUNCTION_WORDS: &[&str] = &[
    "a", "about", "all", "also", "an", "and", "ani", "are", "as", "at", "be", "becaus", "been", "but", "by", "can", "could", "did", "do",
    "doe", "for", "from", "had", "has", "have", "how", "i", "if", "in", "into", "is", "it", "its", "me", "my", "no", "not", "of", "on",
    "one", "or", "our", "shall", "should", "so", "some", "such", "tell", "than", "that", "the", "their", "them", "then", "there", "these",
    "they", "this", "those", "to", "us", "was", "we", "were", "what", "when", "where", "which", "who", "whi", "whose", "will", "with",
    "would", "you", "your",
];

fn tells(stem: &str) -> bool {
    !FUNCTION_WORDS.contains(&stem)
}

/// The last word, if nothing follows it and it is long enough to mean something.
fn unfinished(text: &str) -> Option<Unfinished> {
    let last = words(text).pop()?;
    let typed = text[last.start..].to_lowercase();
    let growing = last.end == text.len() && typed.chars().count() >= 3 && tells(&last.stem);
    growing.then_some(Unfinished { typed, stem: last.stem })
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
        assert!(question.words.is_empty(), "function words add nothing to a phrase");
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
    fn function_words_count_only_when_there_is_nothing_else() {
        assert_eq!(parse("What is the learning rate? ").words, ["learn", "rate"]);
        assert_eq!(parse("to be or not to be").words, ["to", "be", "or", "not"]);
    }

    #[test]
    fn what_was_asked_for_is_known_again() {
        let question = parse("\"the light reactions\" of photosyn");
        for (stem, sought) in [("light", true), ("reaction", true), ("photosynthesi", true), ("the", false), ("of", false), ("dark", false)]
        {
            assert_eq!(question.seeks(stem), sought, "{stem}");
        }
        assert!(!Question::default().seeks("x"));
    }

    #[test]
    fn the_last_word_may_still_be_growing() {
        let typed = |text| parse(text).unfinished.map(|word| word.typed);
        assert_eq!(typed("the Photosyn").as_deref(), Some("photosyn"));
        assert_eq!(typed("the photosyn "), None);
        assert_eq!(typed("so it is in the"), None);
        assert_eq!(typed("ab"), None);
        assert_eq!(typed("\"light reactions\""), None);
    }
}
