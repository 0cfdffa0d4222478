//! What a search answers.

use kernel::id::{AssetId, CourseId, LessonId};
use kernel::locator::Locator;
use kernel::media::Kind;
use serde::{Deserialize, Serialize};

/// An asset, opened at the place that fits best.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Hit {
    pub asset_id: AssetId,
    pub course_id: CourseId,
    pub course_title: String,
    /// The first lesson that has the asset.
    pub lesson_id: Option<LessonId>,
    pub lesson_title: Option<String>,
    pub title: String,
    pub kind: Kind,
    /// Null when the asset as a whole was found.
    pub locator: Option<Locator>,
    /// Where it opens, in words.
    #[schema(example = "1:13")]
    pub label: String,
    /// HTML in which everything but `<mark>` is escaped.
    #[schema(example = "the <mark>learning</mark> rate decides how far each step goes")]
    pub snippet: String,
    /// Between 0 and 1, comparable within one answer only.
    pub score: f64,
    /// Path of the page that opens at the place.
    #[schema(example = "/watch/0192d3a0-7a8e-7c1e-9f0a-3d1f5e6b7c8d?t=73.2")]
    pub url: String,
}

/// How an answer came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// By words and by meaning.
    Hybrid,
    /// By words only; `mode_reason` says why.
    Lexical,
    /// By meaning only; `mode_reason` says why.
    Vector,
}

/// A page of hits, best first.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct SearchAnswer {
    pub items: Vec<Hit>,
    /// Hits on all pages together.
    pub total: usize,
    /// Send it as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
    pub mode: Mode,
    /// Why the mode is not `hybrid`, in a sentence.
    pub mode_reason: Option<String>,
    pub took_ms: u64,
}

/// Assets about the same, nearest first.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct SimilarAnswer {
    pub items: Vec<Hit>,
    pub mode: Mode,
    /// Why the mode is not `vector`, in a sentence.
    pub mode_reason: Option<String>,
}
