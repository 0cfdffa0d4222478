//! What one person may see of the index, as sets of documents, and the statistics of just those.
//!
//! BM25 weighs a word by how rare it is. Were that counted over all documents, the scores that a learner is shown
//! would tell how often a word stands in courses that are closed to them; and documents that were deleted but not
//! yet merged away would count too, so that the same content gave other scores after a rebuild. Counted over what is
//! visible, scores are a function of what is visible.

use std::collections::HashMap;

use tantivy::query::{Bm25StatisticsProvider, EnableScoring, Query};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{BitSet, DocSet, Searcher, SegmentReader, TERMINATED, Term};

use crate::schema::{ASSET, Fields};

/// Words of an average chunk, heading path and title. Constants, because a measured average would tell of what is
/// hidden; BM25 hardly feels it when they are somewhat off.
const TEXT_WORDS: u64 = 128;
const HEADING_WORDS: u64 = 6;
const TITLE_WORDS: u64 = 5;

/// The visible documents of each segment.
pub(crate) struct Visible {
    segments: Vec<BitSet>,
    documents: u64,
    assets: u64,
}

impl Visible {
    /// Marks the living documents that `filter` lets through.
    pub(crate) fn of(searcher: &Searcher, fields: &Fields, filter: &dyn Query) -> tantivy::Result<Self> {
        let weight = filter.weight(EnableScoring::disabled_from_searcher(searcher))?;
        let mut segments = Vec::new();
        for reader in searcher.segment_readers() {
            let mut marked = BitSet::with_max_value(reader.max_doc());
            weight.for_each_no_score(reader, &mut |documents| {
                for &document in documents.iter().filter(|document| !reader.is_deleted(**document)) {
                    marked.insert(document);
                }
            })?;
            segments.push(marked);
        }
        let mut visible = Self { documents: segments.iter().map(|s| s.len() as u64).sum(), segments, assets: 0 };
        visible.assets = visible.count(searcher, &Term::from_field_text(fields.what, ASSET))?;
        Ok(visible)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.documents == 0
    }

    /// Visible documents that hold the term.
    pub(crate) fn count(&self, searcher: &Searcher, term: &Term) -> tantivy::Result<u64> {
        let mut count = 0;
        for (reader, marked) in searcher.segment_readers().iter().zip(&self.segments) {
            count += count_in(reader, marked, term)?;
        }
        Ok(count)
    }

    /// Words of the field that begin with `prefix` and stand in a visible document, the most frequent first.
    pub(crate) fn completions(&self, searcher: &Searcher, field: Field, prefix: &str, limit: usize) -> tantivy::Result<Vec<String>> {
        let mut found: HashMap<String, u64> = HashMap::new();
        for (reader, marked) in searcher.segment_readers().iter().zip(&self.segments) {
            let inverted = reader.inverted_index(field)?;
            let mut terms = inverted.terms().range().ge(prefix.as_bytes()).into_stream()?;
            let mut looked_at = 0;
            while terms.advance() && terms.key().starts_with(prefix.as_bytes()) && looked_at < LOOKED_AT {
                looked_at += 1;
                let Ok(word) = std::str::from_utf8(terms.key()) else { continue };
                let count = count_in(reader, marked, &Term::from_field_text(field, word))?;
                if count > 0 {
                    *found.entry(word.to_owned()).or_default() += count;
                }
            }
        }
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_by(|(a, more), (b, less)| less.cmp(more).then_with(|| a.cmp(b)));
        Ok(found.into_iter().take(limit).map(|(word, _)| word).collect())
    }

    /// The statistics that the query's scores are to be made of.
    pub(crate) fn statistics(&self, searcher: &Searcher, fields: &Fields, query: &dyn Query) -> tantivy::Result<Statistics> {
        let mut terms = Vec::new();
        query.query_terms(&mut |term, _| terms.push(term.clone()));
        let mut counts = HashMap::new();
        for term in terms {
            let mut count = self.count(searcher, &term)?;
            if term.field() == fields.title {
                // titles stand once per asset: as rare among titles as it would be if every chunk repeated its title
                count = (count * self.documents).checked_div(self.assets).unwrap_or(0).min(self.documents);
            }
            counts.insert(term, count);
        }
        Ok(Statistics { counts, documents: self.documents, fields: *fields })
    }
}

/// Words of a dictionary that are looked at for one prefix: more than any vocabulary has under three letters.
const LOOKED_AT: usize = 10_000;

fn count_in(reader: &SegmentReader, marked: &BitSet, term: &Term) -> tantivy::Result<u64> {
    let Some(mut postings) = reader.inverted_index(term.field())?.read_postings(term, IndexRecordOption::Basic)? else {
        return Ok(0);
    };
    let mut count = 0;
    let mut document = postings.doc();
    while document != TERMINATED {
        count += u64::from(marked.contains(document));
        document = postings.advance();
    }
    Ok(count)
}

/// How many visible documents there are, and how many of them hold each term of one query.
pub(crate) struct Statistics {
    counts: HashMap<Term, u64>,
    documents: u64,
    fields: Fields,
}

impl Bm25StatisticsProvider for Statistics {
    fn total_num_tokens(&self, field: Field) -> tantivy::Result<u64> {
        let words = match field {
            field if field == self.fields.title => TITLE_WORDS,
            field if field == self.fields.heading => HEADING_WORDS,
            _ => TEXT_WORDS,
        };
        Ok(words * self.documents)
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        Ok(self.documents)
    }

    fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        Ok(self.counts.get(term).copied().unwrap_or(0))
    }
}
