//! `POST /courses/{id}/assets`: the streaming upload.

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kernel::access;
use kernel::env::Env;
use kernel::events::Cause;
use kernel::http::{ApiError, Json, Principal, Problem, RequestId};
use kernel::id::{AssetId, CourseId};
use kernel::jobs::{Job, Stage};
use kernel::pipeline::IngestUpload;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::upload::{self, Accepted, Intent, UploadError};

/// Every route of this room, relative to `/api/v1`.
pub fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(post))
}

const SHA256: HeaderName = HeaderName::from_static("x-content-sha256");

/// What the file is called and what it belongs to.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Params {
    /// Shown as it is; it never becomes a path and does not decide the type.
    #[param(example = "Week 3.pdf")]
    file_name: String,
    /// Made of the file name when not given.
    title: Option<String>,
    /// Captions only: the video or audio asset they belong to. Captions that are called like a recording of the
    /// course find it by themselves.
    captions_for: Option<AssetId>,
}

/// The asset as it begins; `GET /assets/{id}` and `/assets/{id}/progress` show how it goes on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10", "course_id": "0193a5f0-1111-7c10-9d7e-2f1f0c3d9a10", "parent_id": null,
    "file_name": "Week 3.pdf", "title": "Week 3", "kind": null, "media_type": null, "state": "processing", "failure": null, "notice": null,
    "duration_ms": null, "pages": null, "created_at": "2026-11-20T09:30:00Z", "published_at": null, "poster_url": null,
    "stages": [{"stage": "ingest", "kind": "IngestUpload", "state": "queued", "done": 0, "total": 0, "attempt": 0, "failure_code": null}]}))]
struct UploadedAsset {
    id: AssetId,
    course_id: CourseId,
    parent_id: Option<AssetId>,
    file_name: String,
    title: String,
    kind: Option<String>,
    media_type: Option<String>,
    /// Always `processing`.
    state: &'static str,
    failure: Option<String>,
    notice: Option<String>,
    duration_ms: Option<i64>,
    pages: Option<i32>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    published_at: Option<String>,
    poster_url: Option<String>,
    stages: [FirstStage; 1],
}

#[derive(Debug, Serialize, ToSchema)]
struct FirstStage {
    stage: Stage,
    kind: &'static str,
    state: &'static str,
    done: i64,
    total: i64,
    attempt: i32,
    failure_code: Option<String>,
}

/// Upload a file into a course
///
/// The body is the file itself. Its type is told from its bytes, and what it cannot be becomes a failed asset with a
/// code. With `Content-Length`, a shorter body is refused; with `X-Content-SHA256` (hex), a different one.
#[utoipa::path(
    post,
    path = "/courses/{id}/assets",
    tag = "assets",
    operation_id = "upload_asset",
    params(
        ("id" = CourseId, Path, description = "The course; you must be its editor"),
        Params,
        ("X-Content-SHA256" = Option<String>, Header, description = "SHA-256 of the body in hex"),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 201, description = "Stored for good, and being processed", body = UploadedAsset),
        (status = 400, description = "`empty_file`, `upload_incomplete`, `query_invalid`, `checksum_invalid`", body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Nobody is signed in"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "You may see the course, but not edit it"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such course, or you may not see it"),
        (status = 408, body = Problem, content_type = "application/problem+json", description = "`upload_stalled`"),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "`upload_too_large`"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`checksum_mismatch`, `file_name_invalid`, `title_invalid`, `captions_for_invalid`"),
        (status = 507, body = Problem, content_type = "application/problem+json", description = "`disk_full`"),
    )
)]
async fn post(
    State(env): State<Env>,
    who: Principal,
    request_id: RequestId,
    Path(id): Path<String>,
    params: Result<Query<Params>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let course_id: CourseId = id.parse().map_err(|_| ApiError::not_found())?;
    access::course(&mut *env.db.acquire().await?, &who, course_id).await?.editor()?;
    let Query(params) = params.map_err(|rejection| ApiError::bad_request("query_invalid", rejection.body_text()))?;
    let announced = announced_sha256(&headers)?;
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let intent =
        Intent { course_id, owner_id: who.account_id, file_name: params.file_name, title: params.title, captions_for: params.captions_for };
    let received = upload::receive(&env, body.into_data_stream(), declared).await.map_err(answer)?;
    if announced.is_some_and(|sha256| sha256 != received.sha256) {
        return Err(answer(UploadError::ChecksumMismatch));
    }
    let accepted = upload::accept(&env, &intent, received, &Cause::http(&who, &request_id)).await.map_err(answer)?;
    let location = [(header::LOCATION, format!("/api/v1/assets/{}", accepted.asset_id))];
    Ok((StatusCode::CREATED, location, Json(shown(intent, accepted))).into_response())
}

pub(crate) fn announced_sha256(headers: &HeaderMap) -> Result<Option<[u8; 32]>, ApiError> {
    let Some(value) = headers.get(SHA256) else { return Ok(None) };
    let mut sha256 = [0; 32];
    value
        .to_str()
        .ok()
        .and_then(|text| hex::decode_to_slice(text.trim(), &mut sha256).ok())
        .map(|()| Some(sha256))
        .ok_or_else(|| ApiError::bad_request("checksum_invalid", "X-Content-SHA256 must be 64 hexadecimal digits"))
}

pub(crate) fn answer(error: UploadError) -> ApiError {
    let status = match &error {
        UploadError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        UploadError::Incomplete | UploadError::Empty => StatusCode::BAD_REQUEST,
        UploadError::Stalled => StatusCode::REQUEST_TIMEOUT,
        UploadError::ChecksumMismatch | UploadError::Name | UploadError::Title | UploadError::CaptionsFor => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        UploadError::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        UploadError::Internal(_) => return internal(error),
    };
    ApiError::new(status, error.code(), error.to_string())
}

fn internal(error: UploadError) -> ApiError {
    match error {
        UploadError::Internal(cause) => cause.into(),
        other => ApiError::from(anyhow::Error::from(other)),
    }
}

fn shown(intent: Intent, accepted: Accepted) -> UploadedAsset {
    UploadedAsset {
        id: accepted.asset_id,
        course_id: intent.course_id,
        parent_id: intent.captions_for,
        file_name: intent.file_name,
        title: accepted.title,
        kind: None,
        media_type: None,
        state: "processing",
        failure: None,
        notice: None,
        duration_ms: None,
        pages: None,
        created_at: accepted.created_at,
        published_at: None,
        poster_url: None,
        stages: [FirstStage {
            stage: IngestUpload::STAGE,
            kind: IngestUpload::NAME,
            state: "queued",
            done: 0,
            total: 0,
            attempt: 0,
            failure_code: None,
        }],
    }
}
