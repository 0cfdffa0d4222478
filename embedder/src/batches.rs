//! How texts are put together for the model: neighbours of about the same length, and little at a time.
//!
//! A batch is padded to its longest text, and padding is computed like text; and the working set of a small batch
//! stays in the processor's cache. On two cores, 256 tokens: batches of 256 texts ran at 5,461 tokens/s, batches of
//! 4 at 7,936, groups of equal length under 512 tokens at the best rate measured.

use std::ops::Range;

/// Tokens that one run of the model may hold, padding included.
const TOKENS_PER_BATCH: usize = 512;
/// Texts that one run of the model may hold.
const TEXTS_PER_BATCH: usize = 16;

/// Cuts texts of the given lengths in tokens, shortest first, into runs of neighbours.
///
/// Every index is in exactly one range; a text that is longer than a whole batch gets its own.
pub(crate) fn cut(lengths: &[usize]) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let mut start = 0;
    let mut widest = 0;
    for (index, &length) in lengths.iter().enumerate() {
        let texts = index - start;
        let padded = widest.max(length) * (texts + 1);
        if texts > 0 && (padded > TOKENS_PER_BATCH || texts >= TEXTS_PER_BATCH) {
            batches.push(start..index);
            start = index;
            widest = 0;
        }
        widest = widest.max(length);
    }
    if start < lengths.len() {
        batches.push(start..lengths.len());
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_in_exactly_one_batch() {
        let lengths: Vec<usize> = (0..300).map(|n| 3 + n % 254).collect();
        let batches = cut(&lengths);
        let covered: Vec<usize> = batches.iter().cloned().flatten().collect();
        assert_eq!(covered, (0..300).collect::<Vec<_>>());
    }

    #[test]
    fn a_batch_with_its_padding_stays_within_the_budget() {
        let mut lengths: Vec<usize> = (0..500).map(|n| 3 + (n * 37) % 254).collect();
        lengths.sort_unstable();
        for batch in cut(&lengths) {
            let widest = lengths[batch.clone()].iter().max().copied().unwrap_or(0);
            assert!(batch.len() <= TEXTS_PER_BATCH);
            assert!(batch.len() == 1 || widest * batch.len() <= TOKENS_PER_BATCH, "{batch:?} is {widest} wide");
        }
    }

    #[test]
    fn long_texts_stand_alone_and_nothing_gives_nothing() {
        assert_eq!(cut(&[600, 600]), [0..1, 1..2]);
        assert!(cut(&[]).is_empty());
    }
}
