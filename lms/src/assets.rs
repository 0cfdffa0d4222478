//! What was uploaded: lists, single assets, their text, their source, and trying again after a failure.
//!
//! Uploading is `ingest`'s; watching is in `playback`, following in `progress`.

use axum::extract::State;
use axum::http::StatusCode;
use kernel::access::{self, CourseAccess};
use kernel::env::Env;
use kernel::events::{self, Cause};
use kernel::http::{ApiError, Json, Page, PageQuery, Principal, Problem, RequestId};
use kernel::id::{AssetId, CourseId, JobId};
use kernel::index_marks;
use kernel::jobs::control;
use kernel::locator::Locator;
use kernel::pipeline::Event;
use kernel::store::{Key, Served};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::asset::{self, Asset};
use crate::extract::{Id, Params};

pub(crate) fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(source)).routes(routes!(chunks)).routes(routes!(retry))
}

/// A piece of an asset's text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"ordinal": 12, "text": "A lease is a promise with an end.", "heading_path": ["Leases", "Why"],
    "locator": {"type": "page", "page": 3, "start": 120, "end": 153}}))]
struct Chunk {
    /// Counted from 0, without gaps.
    ordinal: i32,
    text: String,
    /// Headings above it, outermost first.
    heading_path: Vec<String>,
    locator: Locator,
}

/// Where the uploaded bytes can be had.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"url": "/media/1795172400.kXo…/sources/9f86d0…?media_type=application%2Fpdf&inline=true", "media_type": "application/pdf", "file_name": "handout.pdf"}))]
struct Source {
    /// A signed address that ends after a while. A PDF opens in the page, everything else is saved.
    url: String,
    media_type: String,
    file_name: String,
}

/// The assets of a course, newest first. Learners see what is published.
#[utoipa::path(
    get, path = "/courses/{id}/assets", tag = "assets", security(("bearer" = [])),
    params(("id" = CourseId, Path), PageQuery),
    responses(
        (status = 200, body = Page<Asset>),
        (status = 404, description = "no such course, or not yours to see", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn list(
    State(env): State<Env>,
    who: Principal,
    Id(id): Id<CourseId>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<Asset>>, ApiError> {
    let (limit, after) = (page.limit()?, page.position::<AssetId>()?);
    let mut conn = env.db.acquire().await?;
    let access = access::course(&mut conn, &who, id).await?;
    let ids = sqlx::query_scalar!(
        "select id from assets
          where course_id = $1 and ($2 or state = 'published') and ($3::uuid is null or id < $3)
            and version_of is null and state <> 'kept'
            and not exists (select 1 from assets p where p.id = assets.parent_id and p.version_of is not null)
          order by id desc limit $4",
        id.0,
        access == CourseAccess::Editor,
        after.map(|id| id.0),
        limit as i64 + 1,
    )
    .fetch_all(&mut *conn)
    .await?;
    let ids: Vec<AssetId> = ids.into_iter().map(AssetId).collect();
    let assets = asset::load(&mut conn, &env, who.account_id, &ids, access).await?;
    Ok(Json(Page::of(assets, limit, |asset| asset.id)))
}

/// One asset.
#[utoipa::path(
    get, path = "/assets/{id}", tag = "assets", security(("bearer" = [])),
    params(("id" = AssetId, Path)),
    responses(
        (status = 200, body = Asset),
        (status = 404, description = "no such asset, or not yours to see", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn show(State(env): State<Env>, who: Principal, Id(id): Id<AssetId>) -> Result<Json<Asset>, ApiError> {
    let mut conn = env.db.acquire().await?;
    Ok(Json(visible(&mut conn, &env, &who, id).await?))
}

/// The asset as this person sees it; 404 when they do not.
pub(crate) async fn visible(conn: &mut PgConnection, env: &Env, who: &Principal, id: AssetId) -> Result<Asset, ApiError> {
    let (_, access) = access::asset(conn, who, id).await?;
    asset::load(conn, env, who.account_id, &[id], access).await?.pop().ok_or_else(ApiError::not_found)
}

/// 409 for those who see an asset before it is published: nothing is read from it earlier.
pub(crate) fn not_ready() -> ApiError {
    ApiError::conflict("asset_not_published", "this asset is not published yet")
}

/// Where the uploaded file can be had.
#[utoipa::path(
    get, path = "/assets/{id}/source", tag = "assets", security(("bearer" = [])),
    params(("id" = AssetId, Path)),
    responses(
        (status = 200, body = Source),
        (status = 404, description = "no such asset, or not yours to see", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn source(State(env): State<Env>, who: Principal, Id(id): Id<AssetId>) -> Result<Json<Source>, ApiError> {
    let mut conn = env.db.acquire().await?;
    access::asset(&mut conn, &who, id).await?;
    let row = sqlx::query!("select file_name, media_type, source_sha256 from assets where id = $1", id.0).fetch_one(&mut *conn).await?;
    let media_type = row.media_type.unwrap_or_else(|| "application/octet-stream".into());
    // Everything but a PDF may hold script and is saved instead of shown.
    let served = Served { inline: media_type == "application/pdf", media_type: media_type.clone(), file_name: row.file_name.clone() };
    let url = env.signer.object(&Key::source(&row.source_sha256), &served, env.clock.now());
    Ok(Json(Source { url, media_type, file_name: row.file_name }))
}

/// The text of an asset, piece by piece.
#[utoipa::path(
    get, path = "/assets/{id}/chunks", tag = "assets", security(("bearer" = [])),
    params(("id" = AssetId, Path), PageQuery),
    responses(
        (status = 200, body = Page<Chunk>),
        (status = 404, description = "no such asset, or not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`asset_not_published`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn chunks(
    State(env): State<Env>,
    who: Principal,
    Id(id): Id<AssetId>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<Chunk>>, ApiError> {
    let (limit, after) = (page.limit()?, page.position::<i32>()?);
    let mut conn = env.db.acquire().await?;
    access::asset(&mut conn, &who, id).await?;
    let published =
        sqlx::query_scalar!("select state = 'published' as \"published!\" from assets where id = $1", id.0).fetch_one(&mut *conn).await?;
    if !published {
        return Err(not_ready());
    }
    let rows = sqlx::query!(
        r#"select ordinal, text, heading_path, locator as "locator: sqlx::types::Json<Locator>"
             from chunks where asset_id = $1 and ordinal > $2 order by ordinal limit $3"#,
        id.0,
        after.unwrap_or(-1),
        limit as i64 + 1,
    )
    .fetch_all(&mut *conn)
    .await?;
    let chunks = rows
        .into_iter()
        .map(|row| Chunk { ordinal: row.ordinal, text: row.text, heading_path: row.heading_path, locator: row.locator.0 })
        .collect();
    Ok(Json(Page::of(chunks, limit, |chunk: &Chunk| chunk.ordinal)))
}

/// Try a failed asset again.
#[utoipa::path(
    post, path = "/assets/{id}/retry", tag = "assets", security(("bearer" = [])),
    params(("id" = AssetId, Path)),
    responses(
        (status = 202, description = "it is in processing again", body = Asset),
        (status = 403, description = "you may see it, but not change it", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such asset, or not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`asset_not_failed`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn retry(
    State(env): State<Env>,
    who: Principal,
    request_id: RequestId,
    Id(id): Id<AssetId>,
) -> Result<(StatusCode, Json<Asset>), ApiError> {
    let mut conn = env.db.acquire().await?;
    access::asset(&mut conn, &who, id).await?.1.editor()?;
    let failed =
        sqlx::query_scalar!("select state = 'failed' as \"failed!\" from assets where id = $1", id.0).fetch_one(&mut *conn).await?;
    if !failed {
        return Err(ApiError::conflict("asset_not_failed", "only what has failed can be tried again"));
    }
    // The last job of each stage, where that one ended badly: an earlier one may have been overtaken.
    let jobs = sqlx::query_scalar!(
        r#"select id as "id!" from (
             select distinct on (kind) id, state, failure_code from jobs where asset_id = $1 order by kind, id desc) last
            where state = 'dead' or (state = 'cancelled' and failure_code is distinct from 'superseded')"#,
        id.0,
    )
    .fetch_all(&mut *conn)
    .await?;
    drop(conn); // what follows takes connections of its own
    if jobs.is_empty() {
        from_the_start(&env, id, &Cause::http(&who, &request_id)).await?;
    }
    for job in jobs {
        control::retry(&env.db, JobId(job)).await?;
    }
    let mut conn = env.db.acquire().await?;
    Ok((StatusCode::ACCEPTED, Json(visible(&mut conn, &env, &who, id).await?)))
}

/// Takes up an asset that failed without a job to run again, as if it had just been uploaded.
async fn from_the_start(env: &Env, id: AssetId, cause: &Cause) -> Result<(), ApiError> {
    let mut tx = env.db.begin().await?;
    let taken = sqlx::query!(
        "update assets set state = 'processing', failure_code = null, failure_reason = null, failure_stage = null, failure_attempt = null
          where id = $1 and state = 'failed'",
        id.0,
    )
    .execute(&mut *tx)
    .await?;
    if taken.rows_affected() == 1 {
        index_marks::mark(&mut tx, id).await?;
        events::record(&mut tx, &Event::Uploaded { asset_id: id }, cause).await?;
    }
    tx.commit().await?;
    Ok(())
}
