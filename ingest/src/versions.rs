//! `PUT /assets/{id}/source` and `/assets/{id}/versions`: another source for an asset, and those that it had.

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use kernel::access;
use kernel::env::Env;
use kernel::events::Cause;
use kernel::http::{ApiError, Json, Principal, Problem, RequestId};
use kernel::id::AssetId;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::{announced_sha256, answer};
use crate::replace::{self, Replacement, VersionError};
use crate::upload::{self, UploadError};

pub(crate) fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(put_source)).routes(routes!(list)).routes(routes!(restore)).routes(routes!(discard))
}

/// A source that an asset has, had, or is to have.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "number": 2, "asset_id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10", "state": "processing", "shown": false, "wanted": true, "failure": null,
    "file_name": "queues, mended.mp4", "media_type": "video/mp4", "bytes": 73400320, "uploaded_by": "Ada Lovelace",
    "uploaded_at": "2026-11-20T09:30:00Z", "duration_ms": null, "pages": null}))]
struct Version {
    /// Counted from 1 in the order of uploads.
    number: i32,
    /// Under which its processing can be followed (`/assets/{id}/progress`) and tried again (`/assets/{id}/retry`).
    asset_id: AssetId,
    state: VersionState,
    /// It is the one that counts: learners see it, if it is published.
    shown: bool,
    /// It takes the place of the one that is shown as soon as all of it is there.
    wanted: bool,
    failure: Option<VersionFailure>,
    /// As it was uploaded.
    file_name: String,
    /// MIME type found in the bytes.
    media_type: Option<String>,
    bytes: i64,
    /// The name of who uploaded it.
    uploaded_by: String,
    #[serde(with = "time::serde::rfc3339")]
    uploaded_at: OffsetDateTime,
    duration_ms: Option<i64>,
    pages: Option<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
enum VersionState {
    Processing,
    Published,
    Failed,
    /// Whole, and not shown: it can be restored without being made again.
    Kept,
}

/// Why it cannot be shown.
#[derive(Debug, Serialize, ToSchema)]
struct VersionFailure {
    #[schema(example = "replacement_of_another_kind")]
    code: String,
    #[schema(example = "this file is a document, but it was to take the place of a recording; upload it as something of its own")]
    reason: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Params {
    /// Shown as it is; it never becomes a path and does not decide the type.
    #[param(example = "Week 3.pdf")]
    file_name: String,
}

/// Give an asset another source
///
/// The body is the file. What is shown stays until all of the new version is there, or for good when that fails. Id, title,
/// lessons, completions and where viewers stopped stay. Chapters and captions stay where the new recording is as long as the old
/// one to the second; otherwise they are kept with the version that they were made for. The same bytes are the same version:
/// sent twice they change nothing, and those of an earlier version restore it.
#[utoipa::path(
    put, path = "/assets/{id}/source", tag = "assets", operation_id = "replace_source", security(("bearer" = [])),
    params(
        ("id" = AssetId, Path),
        Params,
        ("X-Content-SHA256" = Option<String>, Header, description = "SHA-256 of the body in hex"),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 202, description = "Stored for good, and being processed", body = Version),
        (status = 400, description = "`empty_file`, `upload_incomplete`, `query_invalid`, `checksum_invalid`", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "You may see the asset, but not change it", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such asset, or you may not see it", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "`upload_stalled`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`asset_is_version`: it is a version of another asset", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`upload_too_large`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`checksum_mismatch`, `file_name_invalid`", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "`disk_full`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn put_source(
    State(env): State<Env>,
    who: Principal,
    request_id: RequestId,
    Path(id): Path<String>,
    params: Result<Query<Params>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Version>), ApiError> {
    let asset_id = editable(&mut *env.db.acquire().await?, &who, &id).await?;
    let Query(params) = params.map_err(|rejection| ApiError::bad_request("query_invalid", rejection.body_text()))?;
    upload::check_name(&params.file_name).map_err(answer)?;
    let announced = announced_sha256(&headers)?;
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let received = upload::receive(&env, body.into_data_stream(), declared).await.map_err(answer)?;
    if announced.is_some_and(|sha256| sha256 != received.sha256) {
        return Err(answer(UploadError::ChecksumMismatch));
    }
    let replacement = Replacement { asset_id, owner_id: who.account_id, file_name: params.file_name };
    let accepted = replace::accept(&env, &replacement, received, &Cause::http(&who, &request_id)).await.map_err(answer)?;
    let version = one(&mut *env.db.acquire().await?, asset_id, accepted.number).await?;
    Ok((StatusCode::ACCEPTED, Json(version)))
}

/// The sources that an asset has, had, or is to have; the newest first.
#[utoipa::path(
    get, path = "/assets/{id}/versions", tag = "assets", operation_id = "versions", security(("bearer" = [])), params(("id" = AssetId, Path)),
    responses(
        (status = 200, body = Vec<Version>),
        (status = 403, description = "You may see the asset, but not change it", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such asset, or you may not see it", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`asset_is_version`: it is a version of another asset", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn list(State(env): State<Env>, who: Principal, Path(id): Path<String>) -> Result<Json<Vec<Version>>, ApiError> {
    let mut conn = env.db.acquire().await?;
    let asset_id = editable(&mut conn, &who, &id).await?;
    Ok(Json(versions(&mut conn, asset_id).await?))
}

/// Show an earlier version again
///
/// One that was shown before takes its place again within moments, as it was; one that failed is tried again. For the version
/// that is shown this calls off whatever was to replace it.
#[utoipa::path(
    post, path = "/assets/{id}/versions/{number}/restore", tag = "assets", operation_id = "restore_version", security(("bearer" = [])),
    params(("id" = AssetId, Path), ("number" = i32, Path)),
    responses(
        (status = 202, description = "It is shown as soon as all of it is there", body = Version),
        (status = 403, description = "You may see the asset, but not change it", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such asset or version, or you may not see it", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`asset_is_version`: it is a version of another asset", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn restore(
    State(env): State<Env>,
    who: Principal,
    request_id: RequestId,
    Path((id, number)): Path<(String, String)>,
) -> Result<(StatusCode, Json<Version>), ApiError> {
    let asset_id = editable(&mut *env.db.acquire().await?, &who, &id).await?;
    let number = number.parse().map_err(|_| ApiError::not_found())?;
    replace::restore(&env, asset_id, number, &Cause::http(&who, &request_id)).await.map_err(refused)?;
    Ok((StatusCode::ACCEPTED, Json(one(&mut *env.db.acquire().await?, asset_id, number).await?)))
}

/// Delete a version that is not shown
///
/// What was being made of it ends.
#[utoipa::path(
    delete, path = "/assets/{id}/versions/{number}", tag = "assets", operation_id = "delete_version", security(("bearer" = [])),
    params(("id" = AssetId, Path), ("number" = i32, Path)),
    responses(
        (status = 204, description = "It is gone"),
        (status = 403, description = "You may see the asset, but not change it", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such asset or version, or you may not see it", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`version_is_shown`; `asset_is_version`: it is a version of another asset", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn discard(
    State(env): State<Env>,
    who: Principal,
    request_id: RequestId,
    Path((id, number)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let asset_id = editable(&mut *env.db.acquire().await?, &who, &id).await?;
    let number = number.parse().map_err(|_| ApiError::not_found())?;
    replace::discard(&env, asset_id, number, &Cause::http(&who, &request_id)).await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

fn refused(error: VersionError) -> ApiError {
    match error {
        VersionError::Unknown => ApiError::not_found(),
        VersionError::Shown => ApiError::conflict("version_is_shown", VersionError::Shown.to_string()),
        VersionError::Internal(error) => error.into(),
    }
}

/// The asset, when this person may change it and it is the one that learners know.
async fn editable(conn: &mut PgConnection, who: &Principal, id: &str) -> Result<AssetId, ApiError> {
    let id: AssetId = id.parse().map_err(|_| ApiError::not_found())?;
    access::asset(conn, who, id).await?.1.editor()?;
    let is_version =
        sqlx::query_scalar!(r#"select version_of is not null as "yes!" from assets where id = $1"#, id.0).fetch_one(conn).await?;
    match is_version {
        true => Err(ApiError::conflict("asset_is_version", "this is a version of another asset; change that one")),
        false => Ok(id),
    }
}

async fn one(conn: &mut PgConnection, asset_id: AssetId, number: i32) -> Result<Version, ApiError> {
    // One that was deleted in this very moment is none.
    versions(conn, asset_id).await?.into_iter().find(|version| version.number == number).ok_or_else(ApiError::not_found)
}

async fn versions(conn: &mut PgConnection, asset_id: AssetId) -> Result<Vec<Version>, ApiError> {
    let rows = sqlx::query!(
        r#"select v.id, v.version, v.state as "state: VersionState", v.failure_code, v.failure_reason, v.file_name, v.media_type,
                  v.id = a.id as "shown!", coalesce(v.id = a.next_version, false) as "wanted!",
                  coalesce(v.version_at, v.created_at) as "uploaded_at!", o.name as uploaded_by, b.bytes, s.duration_ms as "duration_ms?", d.pages
             from assets a join assets v on v.id = a.id or v.version_of = a.id
             join accounts o on o.id = v.owner_id
             join sources b on b.sha256 = v.source_sha256
             left join streams s on s.asset_id = v.id
             left join documents d on d.asset_id = v.id
            where a.id = $1 order by v.version desc"#,
        asset_id.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Version {
            number: row.version,
            asset_id: row.id.into(),
            state: row.state,
            shown: row.shown,
            wanted: row.wanted,
            failure: row.failure_code.zip(row.failure_reason).map(|(code, reason)| VersionFailure { code, reason }),
            file_name: row.file_name,
            media_type: row.media_type,
            bytes: row.bytes,
            uploaded_by: row.uploaded_by,
            uploaded_at: row.uploaded_at,
            duration_ms: row.duration_ms,
            pages: row.pages,
        })
        .collect())
}
