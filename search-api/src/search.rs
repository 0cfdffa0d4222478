//! One search, from a typed line to a page of hits.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use embedder::Handle;
use indexer::{Found, Question};
use kernel::env::Env;
use kernel::http::{ApiError, Cursor, Principal};
use kernel::id::{AssetId, CourseId};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::answer::{Mode, SearchAnswer};
use crate::hits;
use crate::legs::{Legs, Ranked};
use crate::nearest::nearest;
use crate::scope::Scope;

/// Candidates of each leg; and when those are of few documents (one long book), that many.
const DEPTH: usize = 100;
const GREAT_DEPTH: usize = 1_000;
const FEW: usize = 40;

/// Searches. One per process.
#[derive(Debug)]
pub struct Searcher {
    embedder: Option<Handle>,
    index: Arc<indexer::Reader>,
}

/// A question with the page that is wanted of its answer.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// As typed.
    pub text: String,
    pub limit: usize,
    /// After this hit, the last one of the page before.
    pub after: Option<Position>,
    /// Only in this course.
    pub course: Option<CourseId>,
}

/// Where a page ends. Its JSON is the inside of a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    score: f64,
    asset_id: AssetId,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("there is nothing to search for: give some words")]
    Empty,
    #[error(transparent)]
    TooLong(#[from] indexer::TooLong),
    /// Neither words nor vectors can be asked just now.
    #[error("{0}")]
    Unavailable(String),
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let sentence = refused.to_string();
        match refused {
            Refused::Empty => Self::bad_request("query_empty", sentence),
            Refused::TooLong(_) => Self::bad_request("query_too_long", sentence),
            Refused::Unavailable(_) => Self::unavailable("search_unavailable", sentence, 5),
            Refused::Internal(error) => error.into(),
        }
    }
}

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// The vectors' side of a search, or why there is none, in a sentence for whoever asks.
type Meaning = Result<Arc<Vec<f32>>, String>;

impl Searcher {
    /// A searcher over the configured index; while the model is not open it goes by words only.
    pub fn new(env: &Env, embedder: Handle) -> Self {
        Self { embedder: Some(embedder), index: Arc::new(indexer::Reader::new(&env.config.paths.index)) }
    }

    /// A searcher that finds nothing: enough to describe the API.
    pub fn without_index() -> Self {
        Self { embedder: None, index: Arc::new(indexer::Reader::new(std::path::Path::new(""))) }
    }

    /// Answers a question inside what this person may see.
    pub async fn search(&self, env: &Env, who: &Principal, query: &Query) -> Result<SearchAnswer, Refused> {
        let started = Instant::now();
        let question = parse(env, &query.text)?;
        let scope = Scope::of(&mut *env.db.acquire().await?, who, query.course).await?;
        let (ranked, mode, mode_reason) = self.ranked(env, &scope, &question, &query.text).await?;

        let total = ranked.len();
        let begin = query.after.map_or(0, |last| {
            ranked.partition_point(|(id, score, _)| *score > last.score || (*score == last.score && *id <= last.asset_id))
        });
        let page = &ranked[begin..total.min(begin + query.limit)];
        let next_cursor = match page.last() {
            Some((asset_id, score, _)) if begin + page.len() < total => {
                Some(Cursor::encode(&Position { score: *score, asset_id: *asset_id }))
            }
            _ => None,
        };
        let items = hits::render(&mut *env.db.acquire().await?, &scope, page, &question).await?;
        Ok(SearchAnswer { items, total, next_cursor, mode, mode_reason, took_ms: started.elapsed().as_millis() as u64 })
    }

    /// All documents for the question, best first; and how that came about.
    async fn ranked(&self, env: &Env, scope: &Scope, question: &Question, text: &str) -> Result<(Ranked, Mode, Option<String>), Refused> {
        let meaning = self.meaning(env, question, text).await;
        let mut ranked = Ranked::new();
        let (mut mode, mut reason) = (Mode::Hybrid, None);
        for depth in [DEPTH, GREAT_DEPTH] {
            let words = self.by_words(env, scope, question, depth).await;
            let near = match &meaning {
                Ok(vector) => self.by_meaning(env, scope, vector, depth).await,
                Err(reason) => Err(reason.clone()),
            };
            (mode, reason) = match (&words, &near) {
                (Ok(_), Ok(_)) => (Mode::Hybrid, None),
                (Ok(_), Err(reason)) => (Mode::Lexical, Some(reason.clone())),
                (Err(reason), Ok(_)) => (Mode::Vector, Some(reason.clone())),
                (Err(reason), Err(_)) => return Err(Refused::Unavailable(reason.clone())),
            };
            let legs = legs(question, words.ok(), near.ok(), depth);
            ranked = hits::rank(&mut *env.db.acquire().await?, scope, &legs).await?;
            if ranked.len() >= FEW || !(legs.lexical_cut || legs.vector_cut) {
                break;
            }
        }
        Ok((ranked, mode, reason))
    }

    /// The question's vector.
    async fn meaning(&self, env: &Env, question: &Question, text: &str) -> Meaning {
        let unavailable = || "search goes by words only, because the embedding model is not available".to_owned();
        let embedder = self.embedder.as_ref().and_then(Handle::ready).ok_or_else(unavailable)?;
        let present = async { embedder::schema::present(&mut *env.db.acquire().await?).await };
        match present.await {
            Ok(true) => {}
            Ok(false) => return Err("search goes by words only, because the database has no pgvector".into()),
            Err(error) => {
                warn!("cannot look for the vectors' table: {error:#}");
                return Err(unavailable());
            }
        }
        if question.is_empty() {
            return Ok(Arc::new(Vec::new()));
        }
        let text = text.to_owned();
        let vector = tokio::task::spawn_blocking(move || embedder.query(&text)).await.context("embed the query");
        vector.and_then(|vector| vector).map_err(|error| {
            warn!("cannot embed a query, search goes by words only: {error:#}");
            unavailable()
        })
    }

    /// What the index finds; when it cannot be asked, it is asked to be made again.
    pub(crate) async fn by_words(&self, env: &Env, scope: &Scope, question: &Question, depth: usize) -> Result<Found, String> {
        let (index, question, scope) = (self.index.clone(), question.clone(), scope.clone());
        let found = tokio::task::spawn_blocking(move || {
            let scope = indexer::Scope { courses: &scope.courses, unpublished: &scope.unpublished };
            index.search(&question, scope, depth)
        })
        .await;
        let trouble = match found {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(trouble)) => trouble.to_string(),
            Err(panic) => panic.to_string(),
        };
        warn!("cannot ask the full-text index, and ask for it to be made again: {trouble}");
        if let Err(error) = indexer::repair(env).await {
            warn!("cannot ask for the full-text index to be made again: {error:#}");
        }
        Err("search goes by meaning only, because the full-text index is being made again".into())
    }

    /// What the vectors find.
    async fn by_meaning(&self, env: &Env, scope: &Scope, vector: &[f32], depth: usize) -> Result<Vec<crate::nearest::Near>, String> {
        if vector.is_empty() {
            return Ok(Vec::new());
        }
        let found = async {
            let mut tx = env.replica.begin().await?;
            let near = nearest(&mut tx, vector, scope, &[], depth).await?;
            tx.rollback().await?;
            anyhow::Ok(near)
        };
        found.await.map_err(|error| {
            warn!("cannot search the vectors, search goes by words only: {error:#}");
            "search goes by words only, because the vectors cannot be asked".into()
        })
    }
}

fn parse(env: &Env, text: &str) -> Result<Question, Refused> {
    if text.trim().is_empty() {
        return Err(Refused::Empty);
    }
    Ok(Question::parse(text, env.config.limits.query_bytes)?)
}

/// A phrase in quotation marks must be there, so then the vectors may only reorder what the words found.
fn legs(question: &Question, words: Option<Found>, near: Option<Vec<crate::nearest::Near>>, depth: usize) -> Legs {
    let lexical = words.map(|found| found.hits);
    let mut vector = near.unwrap_or_default();
    let vector_cut = vector.len() >= depth;
    if let (Some(lexical), false) = (&lexical, question.phrases.is_empty()) {
        let chunks: std::collections::HashSet<_> = lexical.iter().filter_map(|hit| hit.chunk_id).collect();
        vector.retain(|near| chunks.contains(&near.chunk_id));
    }
    let lexical = lexical.unwrap_or_default();
    Legs { lexical_cut: lexical.len() >= depth, lexical, vector, vector_cut }
}
