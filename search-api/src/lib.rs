//! Finding: `GET /search`, `GET /assets/{id}/similar`, and `learnhub search`.
//!
//! Asks the full-text index (`indexer`) and the vectors (`embedder`'s table) at once, fuses what they find, groups it
//! so that a hit is an asset opened at its best place, and renders it. Who may see what is a filter *inside* both
//! questions (see `scope`), and every id is looked up once more in Postgres before it leaves (see `hits`): totals and
//! scores are made of nothing but what the person may see.
//!
//! It owns no table and makes neither vectors nor documents. When one of the two legs is missing, it walks on the
//! other and says so in the answer.

mod answer;
pub mod cli;
mod fuse;
mod hits;
mod http;
mod legs;
mod nearest;
mod place;
mod scope;
mod search;
mod similar;
mod snippet;
#[cfg(test)]
mod tests;

pub use answer::{Hit, Mode, SearchAnswer, SimilarAnswer};
pub use http::router;
pub use search::{Position, Query, Refused, Searcher};
