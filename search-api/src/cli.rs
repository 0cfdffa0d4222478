//! `learnhub search QUERY`. How the answer looks is the caller's business.

use anyhow::Result;
use kernel::env::Env;
use kernel::http::Principal;

use crate::answer::SearchAnswer;
use crate::search::{Query, Searcher};

/// The first `limit` hits, at most 100, inside what this person may see; an admin sees everything.
pub async fn search(env: &Env, searcher: &Searcher, who: &Principal, text: &str, limit: u32) -> Result<SearchAnswer> {
    let query = Query { text: text.to_owned(), limit: limit.clamp(1, 100) as usize, ..Query::default() };
    Ok(searcher.search(env, who, &query).await?)
}
