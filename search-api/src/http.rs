//! `GET /search` and `GET /assets/{id}/similar`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query as Params, State};
use kernel::access;
use kernel::env::Env;
use kernel::http::{ApiError, Json, PageQuery, Principal, Problem};
use kernel::id::{AssetId, CourseId};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{SearchAnswer, SimilarAnswer};
use crate::search::{Query, Searcher};

/// Every route of this room, relative to `/api/v1`.
pub fn router(searcher: Arc<Searcher>) -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(search)).routes(routes!(similar)).layer(Extension(searcher))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct SearchParams {
    /// What is looked for: words, and phrases in quotation marks. At most 1,024 bytes.
    #[param(example = "how does the learning rate decay")]
    q: String,
    /// How many hits, 1 to 100; 20 when not given.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only in this course.
    course_id: Option<CourseId>,
}

/// Find the second of a video or the page of a document.
///
/// Searches by words and by meaning in everything published in your courses. A hit is an asset, opened where it fits
/// best. Without the embedding model the search goes by words only, and `mode` says so.
#[utoipa::path(
    get, path = "/search", tag = "search", security(("bearer" = [])), params(SearchParams),
    responses(
        (status = 200, body = SearchAnswer),
        (status = 400, description = "`query_empty`, `query_too_long`, `limit_invalid`, `cursor_invalid` or `query_invalid`", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "no valid access token", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`search_unavailable`: neither index nor vectors can be asked just now", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn search(
    State(env): State<Env>,
    Extension(searcher): Extension<Arc<Searcher>>,
    who: Principal,
    params: Result<Params<SearchParams>, QueryRejection>,
) -> Result<Json<SearchAnswer>, ApiError> {
    let Params(params) = params.map_err(|rejection| ApiError::bad_request("query_invalid", rejection.body_text()))?;
    let page = PageQuery { limit: params.limit, cursor: params.cursor };
    let query = Query { text: params.q, limit: page.limit()?, after: page.position()?, course: params.course_id };
    Ok(Json(searcher.search(&env, &who, &query).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct SimilarParams {
    /// How many hits, 1 to 100; 20 when not given.
    limit: Option<u32>,
}

/// What is about the same as this asset?
#[utoipa::path(
    get, path = "/assets/{id}/similar", tag = "search", security(("bearer" = [])),
    params(("id" = AssetId, Path, description = "the asset"), SimilarParams),
    responses(
        (status = 200, body = SimilarAnswer),
        (status = 401, description = "no valid access token", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such asset, or you may not see it", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn similar(
    State(env): State<Env>,
    Extension(searcher): Extension<Arc<Searcher>>,
    who: Principal,
    id: Result<Path<AssetId>, PathRejection>,
    params: Result<Params<SimilarParams>, QueryRejection>,
) -> Result<Json<SimilarAnswer>, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::not_found())?;
    let Params(params) = params.map_err(|rejection| ApiError::bad_request("query_invalid", rejection.body_text()))?;
    let limit = PageQuery { limit: params.limit, cursor: None }.limit()?;
    access::asset(&mut *env.db.acquire().await?, &who, id).await?;
    Ok(Json(searcher.similar(&env, &who, id, limit).await?))
}
