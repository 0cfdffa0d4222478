//! What happened, newest first: all of it for admins, what concerns their own courses' assets for instructors.

use axum::extract::State;
use kernel::env::Env;
use kernel::http::{ApiError, Json, Page, PageQuery, Principal, Problem, Role};
use kernel::id::{AssetId, JobId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::Params;

pub(crate) fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": 42, "kind": "Published", "asset_id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10", "job_id": "0193a5f2-7777-7c10-9d7e-2f1f0c3d9a10",
    "request_id": "0193a5f26a3e7c109d7e2f1f0c3d9a10", "payload": {"kind": "Published", "asset_id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10"}, "at": "2026-11-20T09:31:12Z"}))]
struct Happening {
    id: i64,
    kind: String,
    asset_id: Option<AssetId>,
    /// The job in whose last transaction it happened.
    job_id: Option<JobId>,
    request_id: Option<String>,
    /// Ids only.
    #[schema(value_type = Object)]
    payload: serde_json::Value,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct EventFilter {
    asset_id: Option<AssetId>,
    /// How many items, 1 to 100; 20 when not given.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What happened, newest first.
#[utoipa::path(
    get, path = "/events", tag = "events", security(("bearer" = [])), params(EventFilter),
    responses(
        (status = 200, body = Page<Happening>),
        (status = 403, description = "for instructors and admins", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn list(State(env): State<Env>, who: Principal, Params(filter): Params<EventFilter>) -> Result<Json<Page<Happening>>, ApiError> {
    let owner = match who.role {
        Role::Admin => None,
        Role::Instructor => Some(who.account_id.0),
        Role::Student => return Err(ApiError::forbidden()),
    };
    let page = PageQuery { limit: filter.limit, cursor: filter.cursor };
    let (limit, after) = (page.limit()?, page.position::<i64>()?);
    let rows = sqlx::query!(
        r#"select v.id, v.kind, v.asset_id, v.job_id, v.request_id, v.payload, v.at
             from events v left join assets a on a.id = v.asset_id left join courses c on c.id = a.course_id
            where ($1::uuid is null or c.owner_id = $1) and ($2::uuid is null or v.asset_id = $2) and ($3::bigint is null or v.id < $3)
            order by v.id desc limit $4"#,
        owner,
        filter.asset_id.map(|id| id.0),
        after,
        limit as i64 + 1,
    )
    .fetch_all(&env.db)
    .await?;
    let happenings = rows
        .into_iter()
        .map(|row| Happening {
            id: row.id,
            kind: row.kind,
            asset_id: row.asset_id.map(Into::into),
            job_id: row.job_id.map(Into::into),
            request_id: row.request_id,
            payload: row.payload,
            at: row.at,
        })
        .collect();
    Ok(Json(Page::of(happenings, limit, |happening: &Happening| happening.id)))
}
