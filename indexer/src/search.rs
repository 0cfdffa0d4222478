//! One question against one state of the index, inside what one person may see.

use kernel::id::{AssetId, CourseId};
use tantivy::collector::sort_key::{SortBySimilarityScore, SortByStaticFastValue};
use tantivy::collector::{Count, TopDocs};
use tantivy::query::{BooleanQuery, BoostQuery, ConstScoreQuery, Occur, PhraseQuery, Query, TermQuery, TermSetQuery};
use tantivy::schema::{Field, IndexRecordOption, Value};
use tantivy::{Order, Searcher, TantivyDocument, Term};
use uuid::Uuid;

use crate::question::Question;
use crate::schema::{Fields, TIE};
use crate::visible::Visible;

/// How much more a word weighs in a title or a heading than in the text.
const TITLE_BOOST: f32 = 2.0;
const HEADING_BOOST: f32 = 1.3;
/// What a word weighs that was guessed from its beginning.
const GUESS_BOOST: f32 = 0.5;
/// Words that an unfinished one may stand for.
const GUESSES: usize = 16;

/// What one person may see: an asset of these courses that is not among the unpublished ones.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    pub courses: &'a [CourseId],
    /// Assets of these courses that are not published; the index holds them before they are.
    pub unpublished: &'a [AssetId],
}

/// The best documents for a question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Best first; equal scores in the order of a part of their ids.
    pub hits: Vec<LexicalHit>,
    /// Documents (chunks and titles) that match at all.
    pub matching: usize,
}

/// A chunk, or an asset by its title.
#[derive(Clone, Debug, PartialEq)]
pub struct LexicalHit {
    pub asset_id: AssetId,
    /// None when the title matches.
    pub chunk_id: Option<Uuid>,
    pub score: f32,
}

/// The best `depth` documents. The filter is part of the query: nothing outside the scope is counted, scored or seen.
pub(crate) fn search(searcher: &Searcher, fields: &Fields, question: &Question, scope: Scope<'_>, depth: usize) -> tantivy::Result<Found> {
    if question.is_empty() || scope.courses.is_empty() || depth == 0 {
        return Ok(Found::default());
    }
    let filter = filter(fields, scope);
    let visible = Visible::of(searcher, fields, &filter)?;
    if visible.is_empty() {
        return Ok(Found::default());
    }
    let asked = asked(searcher, fields, question, &visible)?;
    let statistics = visible.statistics(searcher, fields, &asked)?;
    let query =
        BooleanQuery::new(vec![(Occur::Must, Box::new(ConstScoreQuery::new(Box::new(filter), 0.0))), (Occur::Must, Box::new(asked))]);
    // sorting by more than the score also keeps tantivy from block-WAND, which is several times slower than scoring
    // everything for the top 100 of a whole question
    let best = TopDocs::with_limit(depth).order_by((SortBySimilarityScore, (SortByStaticFastValue::<u64>::for_field(TIE), Order::Asc)));
    let (best, matching) = searcher.search_with_statistics_provider(&query, &(best, Count), &statistics)?;
    let hits = best
        .into_iter()
        .filter_map(|((score, _), address)| match searcher.doc::<TantivyDocument>(address) {
            Ok(document) => read(fields, &document, score).map(Ok),
            Err(error) => Some(Err(error)),
        })
        .collect::<tantivy::Result<_>>()?;
    Ok(Found { hits, matching })
}

fn filter(fields: &Fields, scope: Scope<'_>) -> BooleanQuery {
    let courses = scope.courses.iter().map(|id| Term::from_field_bytes(fields.course_id, id.0.as_bytes()));
    let mut clauses: Vec<(Occur, Box<dyn Query>)> = vec![(Occur::Must, Box::new(TermSetQuery::new(courses)))];
    if !scope.unpublished.is_empty() {
        let unpublished = scope.unpublished.iter().map(|id| fields.of_asset(*id));
        clauses.push((Occur::MustNot, Box::new(TermSetQuery::new(unpublished))));
    }
    BooleanQuery::new(clauses)
}

/// Every phrase must be there; of the words, any, and the more and the rarer the better.
fn asked(searcher: &Searcher, fields: &Fields, question: &Question, visible: &Visible) -> tantivy::Result<BooleanQuery> {
    let mut words: Vec<Box<dyn Query>> = question.words.iter().map(|stem| anywhere(fields, std::slice::from_ref(stem))).collect();
    words.extend(guesses(searcher, fields, question, visible)?);
    let mut clauses: Vec<(Occur, Box<dyn Query>)> = question.phrases.iter().map(|phrase| (Occur::Must, anywhere(fields, phrase))).collect();
    if !words.is_empty() {
        let needed = if clauses.is_empty() { Occur::Must } else { Occur::Should };
        clauses.push((needed, Box::new(BooleanQuery::union(words))));
    }
    Ok(BooleanQuery::new(clauses))
}

/// One word, or several in a row, in the text, a heading or the title.
fn anywhere(fields: &Fields, stems: &[String]) -> Box<dyn Query> {
    let one = |field: Field, boost: f32| -> Box<dyn Query> {
        let terms: Vec<Term> = stems.iter().map(|stem| Term::from_field_text(field, stem)).collect();
        let query: Box<dyn Query> = match <[Term; 1]>::try_from(terms) {
            Ok([term]) => Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)),
            Err(terms) => Box::new(PhraseQuery::new(terms)),
        };
        Box::new(BoostQuery::new(query, boost))
    };
    Box::new(BooleanQuery::union(vec![one(fields.text, 1.0), one(fields.heading, HEADING_BOOST), one(fields.title, TITLE_BOOST)]))
}

/// While the last word is being typed it may be none yet: then what begins like it is looked for.
fn guesses(searcher: &Searcher, fields: &Fields, question: &Question, visible: &Visible) -> tantivy::Result<Vec<Box<dyn Query>>> {
    let Some(word) = &question.unfinished else { return Ok(Vec::new()) };
    let prose = [fields.text, fields.heading, fields.title];
    for field in prose {
        if visible.count(searcher, &Term::from_field_text(field, &word.stem))? > 0 {
            return Ok(Vec::new());
        }
    }
    let mut queries: Vec<Box<dyn Query>> = Vec::new();
    for field in prose {
        for guess in visible.completions(searcher, field, &word.typed, GUESSES)? {
            let term = TermQuery::new(Term::from_field_text(field, &guess), IndexRecordOption::WithFreqs);
            queries.push(Box::new(BoostQuery::new(Box::new(term), GUESS_BOOST)));
        }
    }
    Ok(queries)
}

fn read(fields: &Fields, document: &TantivyDocument, score: f32) -> Option<LexicalHit> {
    let id = |field| document.get_first(field).and_then(|value| value.as_bytes()).and_then(|bytes| Uuid::from_slice(bytes).ok());
    Some(LexicalHit { asset_id: AssetId(id(fields.asset_id)?), chunk_id: id(fields.chunk_id), score })
}
