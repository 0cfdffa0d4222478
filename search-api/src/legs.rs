//! What the two legs found, brought together: per chunk, then per document. Pure.

use std::collections::{BTreeMap, HashMap};

use indexer::LexicalHit;
use kernel::id::AssetId;
use uuid::Uuid;

use crate::fuse::{Floors, Scored, fuse};
use crate::nearest::{LEAST_SIMILARITY, Near};

/// Documents, best first, each with the chunk that it opens at; None for the document as a whole.
pub(crate) type Ranked = Vec<(AssetId, f64, Option<Uuid>)>;

/// What was found, and whether a list may have left something out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Legs {
    pub lexical: Vec<LexicalHit>,
    pub lexical_cut: bool,
    pub vector: Vec<Near>,
    pub vector_cut: bool,
}

#[derive(Default)]
struct Document {
    /// The best title's score, of the document itself or of its captions.
    title: Option<f32>,
    chunks: BTreeMap<Uuid, Scores>,
}

/// A chunk's scores in both lists.
#[derive(Clone, Copy, Default)]
struct Scores {
    words: Option<f32>,
    meaning: Option<f32>,
}

impl Legs {
    /// Ranks documents. `document` says which document an asset's chunks belong to (captions belong to their video)
    /// and None for what is not to be shown; `owner` says whose a chunk is, and None when it does not exist any more.
    pub(crate) fn rank(&self, document: impl Fn(AssetId) -> Option<AssetId>, owner: impl Fn(Uuid) -> Option<AssetId>) -> Ranked {
        let mut documents: HashMap<AssetId, Document> = HashMap::new();
        for hit in &self.lexical {
            let of = hit.chunk_id.map_or(Some(hit.asset_id), &owner);
            let Some(key) = of.and_then(&document) else { continue };
            let found = documents.entry(key).or_default();
            match hit.chunk_id {
                None => raise(&mut found.title, hit.score),
                Some(id) => raise(&mut found.chunks.entry(id).or_default().words, hit.score),
            }
        }
        for near in &self.vector {
            let Some(key) = owner(near.chunk_id).and_then(&document) else { continue };
            raise(&mut documents.entry(key).or_default().chunks.entry(near.chunk_id).or_default().meaning, near.similarity);
        }
        let scored: Vec<_> = documents.iter().map(|(key, document)| document.scored(*key)).collect();
        let floors = Floors { lexical: (!self.lexical_cut).then_some(0.0), vector: (!self.vector_cut).then_some(LEAST_SIMILARITY) };
        let (words, meaning) = (self.best_word(), self.best_meaning());
        fuse(&scored, floors).into_iter().map(|(key, score)| (key, score, documents[&key].opens_at(words, meaning))).collect()
    }

    fn best_word(&self) -> f32 {
        self.lexical.iter().map(|hit| hit.score).fold(f32::MIN_POSITIVE, f32::max)
    }

    fn best_meaning(&self) -> f32 {
        self.vector.iter().map(|near| near.similarity).fold(f32::MIN_POSITIVE, f32::max)
    }
}

impl Document {
    /// By words: the best chunk, and the title on top; by meaning: the best chunk.
    fn scored(&self, key: AssetId) -> Scored<AssetId> {
        let best = |pick: fn(&Scores) -> Option<f32>| self.chunks.values().filter_map(pick).reduce(f32::max);
        let words = best(|chunk| chunk.words);
        let lexical = match (words, self.title) {
            (None, None) => None,
            (words, title) => Some(words.unwrap_or(0.0) + title.unwrap_or(0.0)),
        };
        Scored { key, lexical, vector: best(|chunk| chunk.meaning) }
    }

    /// The chunk with the best of both, each measured by the best of its list.
    fn opens_at(&self, best_word: f32, best_meaning: f32) -> Option<Uuid> {
        let worth = |scores: &Scores| scores.words.unwrap_or(0.0) / best_word + scores.meaning.unwrap_or(0.0) / best_meaning;
        // of equals the first in the order of ids, so later ones must lose
        self.chunks.iter().rev().max_by(|(_, a), (_, b)| worth(a).total_cmp(&worth(b))).map(|(id, _)| *id)
    }
}

fn raise(slot: &mut Option<f32>, score: f32) {
    *slot = Some(slot.map_or(score, |best| best.max(score)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn word(asset: u128, chunk: Option<u128>, score: f32) -> LexicalHit {
        LexicalHit { asset_id: AssetId(id(asset)), chunk_id: chunk.map(id), score }
    }

    fn near(asset: u128, chunk: u128, similarity: f32) -> Near {
        Near { asset_id: AssetId(id(asset)), chunk_id: id(chunk), similarity }
    }

    fn ranked(legs: &Legs) -> Vec<(u128, Option<u128>)> {
        // 2 are the captions of 1; 9 may not be seen
        let document = |asset: AssetId| match asset.0.as_u128() {
            2 => Some(AssetId(id(1))),
            9 => None,
            _ => Some(asset),
        };
        // chunks are numbered by the asset that they belong to; 80 was moved from 8 to 3 since it was indexed
        let owner = |chunk: Uuid| match chunk.as_u128() {
            666 => None,
            80 => Some(AssetId(id(3))),
            other => Some(AssetId(id(other / 10))),
        };
        let ranked = legs.rank(document, owner);
        ranked.into_iter().map(|(asset, _, chunk)| (asset.0.as_u128(), chunk.map(|chunk| chunk.as_u128()))).collect()
    }

    #[test]
    fn captions_count_for_their_video_and_titles_for_their_document() {
        let legs = Legs { lexical: vec![word(1, None, 3.0), word(2, Some(20), 5.0), word(3, Some(30), 6.0)], ..Legs::default() };
        assert_eq!(ranked(&legs), [(1, Some(20)), (3, Some(30))]);
    }

    #[test]
    fn a_document_opens_at_the_chunk_that_is_best_in_both_lists() {
        let legs = Legs {
            lexical: vec![word(3, Some(31), 6.0), word(3, Some(32), 5.9)],
            vector: vec![near(3, 32, 0.8), near(3, 33, 0.81)],
            ..Legs::default()
        };
        assert_eq!(ranked(&legs), [(3, Some(32))]);
    }

    #[test]
    fn a_title_alone_opens_the_document_as_a_whole() {
        assert_eq!(ranked(&Legs { lexical: vec![word(4, None, 1.0)], ..Legs::default() }), [(4, None)]);
    }

    #[test]
    fn a_chunk_counts_for_the_asset_that_has_it_now() {
        let legs = Legs { lexical: vec![word(8, Some(80), 2.0)], ..Legs::default() };
        assert_eq!(ranked(&legs), [(3, Some(80))]);
    }

    #[test]
    fn what_may_not_be_seen_or_is_gone_is_left_out() {
        let legs = Legs {
            lexical: vec![word(9, Some(90), 9.0), word(9, None, 9.0), word(3, Some(666), 9.0)],
            vector: vec![near(9, 91, 0.9), near(3, 666, 0.9), near(5, 50, 0.3)],
            ..Legs::default()
        };
        assert_eq!(ranked(&legs), [(5, Some(50))]);
    }
}
