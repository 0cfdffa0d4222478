//! `PUT /assets/{id}/poster/picture`: a picture of the instructor's own for a video. Which picture counts is `lms`'s to say.
//!
//! It is read in a disposable child while the request waits: whoever uploads it is told at once what is wrong with it.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use kernel::access;
use kernel::child::ending::code;
use kernel::child::{self, Limits};
use kernel::env::Env;
use kernel::http::{ApiError, Principal, Problem, RequestId};
use kernel::id::{AssetId, JobId};
use kernel::jobs::Class;
use kernel::store::{Key, Prefix};
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::child::{CHILD, Done, Request, Task};
use crate::own_poster::FILE;
use crate::shell::PACKAGE;
use crate::{Options, TranscodeError};

/// The room's routes, relative to `/api/v1`.
pub fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(upload)).layer(DefaultBodyLimit::max(MAX_BYTES))
}

/// Largest picture that is taken, in bytes: a photograph as cameras make it.
const MAX_BYTES: usize = 16 << 20;
/// Pictures that a process reads at once; others wait.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// Upload a picture for a video, in place of one out of it
///
/// JPEG, PNG or WebP, at most 16 MB and 33 megapixels. It is shrunk to 1280 pixels and stored without what the camera wrote into
/// it, and learners see it at once. Among the pictures of `GET /assets/{id}/posters` it is called `uploaded.jpg`.
#[utoipa::path(
    put, path = "/assets/{id}/poster/picture", tag = "assets", operation_id = "upload_poster", security(("bearer" = [])),
    params(("id" = AssetId, Path, description = "A video that is ready")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 204, description = "stored, and shown from now on"),
        (status = 403, description = "you may see it, but not change it", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such asset, or not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`asset_has_no_poster`: it is no video, or not ready yet", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`picture_too_heavy`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`picture_unsupported`, `picture_damaged`, `picture_too_large`, `picture_too_small`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn upload(
    State(env): State<Env>,
    who: Principal,
    request_id: RequestId,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, ApiError> {
    let id: AssetId = id.parse().map_err(|_| ApiError::not_found())?;
    let mut conn = env.db.acquire().await?;
    access::asset(&mut conn, &who, id).await?.1.editor()?;
    let has_posters = sqlx::query_scalar!(
        r#"select exists (select 1 from streams s join assets a on a.id = s.asset_id
                           where a.id = $1 and a.kind = 'video' and s.poster is not null) as "yes!""#,
        id.0,
    )
    .fetch_one(&mut *conn)
    .await?;
    drop(conn); // reading the picture takes a while
    if !has_posters {
        return Err(ApiError::conflict("asset_has_no_poster", "this asset is no video, or not ready yet"));
    }
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "picture_too_heavy", "this picture has more than 16 MB; please save it smaller")
        }
        _ => ApiError::bad_request("upload_incomplete", "the upload broke off before the end; send it again"),
    })?;
    let picture = read(&env, &body, &request_id.0).await?;
    store(&env, id, picture).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The picture as it is to be stored, made by a child.
async fn read(env: &Env, bytes: &[u8], request_id: &str) -> Result<Bytes, ApiError> {
    if bytes.is_empty() {
        return Err(refused(TranscodeError::EmptyFile.code().into(), TranscodeError::EmptyFile.sentence()));
    }
    let _turn = AT_ONCE.acquire().await.map_err(anyhow::Error::from)?;
    let dir = env.scratch("poster")?;
    let (source, out) = (dir.path().join("source"), dir.path().join(PACKAGE));
    tokio::fs::create_dir(&out).await.map_err(anyhow::Error::from)?;
    tokio::fs::write(&source, bytes).await.map_err(anyhow::Error::from)?;
    let request = Request { input: "source".into(), out: PACKAGE.into(), options: Options::default(), task: Task::Poster };
    let request = serde_json::to_value(request).map_err(anyhow::Error::from)?;
    let limits = Limits { writes: vec![PACKAGE.into()], ..Limits::default() };
    let outcome = child::run(&env.config.paths.program, CHILD, &request, &limits, dir.path(), Some(request_id), |_, _| ()).await.outcome;
    let answer = match outcome {
        Ok(answer) => answer,
        Err(failure) if failure.class == Class::Poison => return Err(refused(failure.code, failure.reason)),
        // A picture that makes its reader die or takes it minutes is none that anybody wants.
        Err(failure) if failure.class == Class::Resource || code::CRASHES.contains(&failure.code.as_str()) => {
            tracing::warn!("the reader of an uploaded picture died: {failure}");
            return Err(refused(
                "picture_damaged".into(),
                "this picture makes our reader fail; please save it again in another way".into(),
            ));
        }
        Err(failure) => return Err(anyhow::anyhow!("{failure}").into()),
    };
    let Done { files, .. }: Done<(u32, u32)> = serde_json::from_value(answer).map_err(anyhow::Error::from)?;
    child::outputs::check(&out, files).await.map_err(|failure| anyhow::anyhow!("{failure}"))?;
    Ok(tokio::fs::read(out.join(FILE)).await.map_err(anyhow::Error::from)?.into())
}

fn refused(code: String, sentence: String) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, sentence)
}

/// First a row that says whose the object will be, then the object, then the write that shows it.
async fn store(env: &Env, id: AssetId, picture: Bytes) -> Result<(), ApiError> {
    let prefix = Prefix::attempt(id, JobId::new(), 0);
    sqlx::query!("insert into posters (prefix, asset_id) values ($1, $2)", prefix.as_str(), id.0).execute(&env.db).await?;
    env.store.put(&Key::in_prefix(&prefix, FILE)?, picture).await?;
    let mut tx = env.db.begin().await?;
    sqlx::query!("update assets set poster_file = $2 where id = $1", id.0, FILE).execute(&mut *tx).await?;
    let earlier =
        sqlx::query_scalar!("delete from posters where asset_id = $1 and stored returning prefix", id.0).fetch_all(&mut *tx).await?;
    sqlx::query!("update posters set stored = true where prefix = $1", prefix.as_str()).execute(&mut *tx).await?;
    tx.commit().await?;
    for prefix in earlier {
        // The janitor comes by where this does not succeed.
        if let Err(error) = env.store.delete(&Key::in_prefix(&Prefix::parse(&prefix)?, FILE)?).await {
            tracing::warn!("an earlier picture stays for a while: {error:#}");
        }
    }
    Ok(())
}
