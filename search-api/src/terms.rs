//! The words of a question that say what it is about: what is highlighted, and what decides at which second a video
//! opens. Ranking does not need this: there, frequent words weigh little by themselves.

use std::collections::HashSet;

use indexer::Question;

/// Words that stand in nearly every sentence, as stems.
const FUNCTION_WORDS: &[&str] = &[
    "a", "about", "all", "also", "an", "and", "ani", "are", "as", "at", "be", "becaus", "been", "but", "by", "can", "could", "did", "do",
    "doe", "for", "from", "get", "had", "has", "have", "how", "i", "if", "in", "into", "is", "it", "its", "me", "my", "no", "not", "of",
    "on", "one", "or", "our", "shall", "should", "so", "some", "such", "tell", "than", "that", "the", "their", "them", "then", "there",
    "these", "they", "this", "those", "to", "us", "was", "we", "were", "what", "when", "where", "which", "who", "whi", "whose", "will",
    "with", "would", "you", "your",
];

/// Stems that carry the question's meaning; all of them when none does.
pub(crate) fn telling(question: &Question) -> HashSet<&str> {
    let all = question.stems();
    let telling: HashSet<&str> = all.iter().copied().filter(|stem| !FUNCTION_WORDS.contains(stem)).collect();
    if telling.is_empty() { all } else { telling }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn function_words_count_only_when_there_is_nothing_else() {
        let question = Question::parse("What is the learning rate?", 1024).unwrap();
        assert_eq!(telling(&question), HashSet::from(["learn", "rate"]));
        let question = Question::parse("to be or not to be", 1024).unwrap();
        assert_eq!(telling(&question), HashSet::from(["to", "be", "or", "not"]));
    }
}
