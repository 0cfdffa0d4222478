//! What belongs to watching besides the stream itself: chapters, and where one stopped.

use axum::extract::State;
use axum::http::StatusCode;
use kernel::access;
use kernel::env::Env;
use kernel::http::{ApiError, FieldError, Json, Principal, Problem};
use kernel::id::AssetId;
use kernel::media::Kind;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::chapters::{self, Chapter, milliseconds};
use crate::extract::Id;

pub(crate) fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(position, keep_position))
}

/// Who stops in the first seconds has not begun. Milliseconds.
const NOT_BEGUN_MS: i64 = 5_000;
/// What is left when somebody has seen it all: the credits. Milliseconds, and a part of the whole for long ones.
const CREDITS_MS: i64 = 10_000;
const CREDITS_PART: i64 = 50;

/// Part of [`crate::playback`]'s answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Viewing {
    /// In the order of time; empty when there are none.
    chapters: Vec<Chapter>,
    /// Where this person stopped, in seconds; null to begin at the beginning.
    resume_s: Option<f64>,
}

/// For this person.
pub(crate) async fn of(conn: &mut PgConnection, who: &Principal, id: AssetId) -> Result<Viewing, ApiError> {
    let row = sqlx::query!(
        r#"select s.duration_ms, p.at_ms as "at_ms?"
             from streams s left join positions p on p.asset_id = s.asset_id and p.account_id = $2 where s.asset_id = $1"#,
        id.0,
        who.account_id.0,
    )
    .fetch_one(&mut *conn)
    .await?;
    let resume_s = row.at_ms.and_then(|at_ms| resume(at_ms, row.duration_ms)).map(|ms| ms as f64 / 1000.0);
    Ok(Viewing { chapters: chapters::of(conn, id).await?, resume_s })
}

/// Where to go on, in milliseconds; None when it has not really begun, or has been seen to its end.
fn resume(at_ms: i64, duration_ms: i64) -> Option<i64> {
    let credits = CREDITS_MS.max(duration_ms / CREDITS_PART);
    (at_ms >= NOT_BEGUN_MS && at_ms < duration_ms - credits).then_some(at_ms)
}

/// Where somebody stopped.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"at_s": 734.2, "updated_at": "2026-11-20T09:30:00Z"}))]
struct Position {
    /// Seconds; 0 for who has not begun.
    at_s: f64,
    #[serde(with = "time::serde::rfc3339::option")]
    updated_at: Option<OffsetDateTime>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"at_s": 734.2}))]
struct PositionEdit {
    /// Seconds.
    at_s: f64,
}

/// Where you stopped watching.
#[utoipa::path(
    get, path = "/assets/{id}/position", tag = "assets", security(("bearer" = [])), params(("id" = AssetId, Path)),
    responses(
        (status = 200, body = Position),
        (status = 404, description = "no such asset, or not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`asset_not_playable`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn position(State(env): State<Env>, who: Principal, Id(id): Id<AssetId>) -> Result<Json<Position>, ApiError> {
    let mut conn = env.db.acquire().await?;
    access::asset(&mut conn, &who, id).await?;
    playable(&mut conn, id).await?;
    let row = sqlx::query!("select at_ms, updated_at from positions where asset_id = $1 and account_id = $2", id.0, who.account_id.0)
        .fetch_optional(&mut *conn)
        .await?;
    let (at_ms, updated_at) = row.map_or((0, None), |row| (row.at_ms, Some(row.updated_at)));
    Ok(Json(Position { at_s: at_ms as f64 / 1000.0, updated_at }))
}

/// Say where you stopped watching, for the next time on any device. The last word counts.
#[utoipa::path(
    put, path = "/assets/{id}/position", tag = "assets", security(("bearer" = [])), request_body = PositionEdit,
    params(("id" = AssetId, Path)),
    responses(
        (status = 204, description = "kept"),
        (status = 404, description = "no such asset, or not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`asset_not_playable`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`validation_failed`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn keep_position(
    State(env): State<Env>,
    who: Principal,
    Id(id): Id<AssetId>,
    Json(body): Json<PositionEdit>,
) -> Result<StatusCode, ApiError> {
    let mut conn = env.db.acquire().await?;
    access::asset(&mut conn, &who, id).await?;
    playable(&mut conn, id).await?;
    let at_ms = milliseconds(body.at_s).ok_or_else(|| {
        let detail = "must be a time in seconds, 0 or later".into();
        ApiError::unprocessable(vec![FieldError { pointer: "/at_s".into(), detail }])
    })?;
    sqlx::query!(
        "insert into positions (account_id, asset_id, at_ms, updated_at) values ($1, $2, $3, $4)
         on conflict (account_id, asset_id) do update set at_ms = excluded.at_ms, updated_at = excluded.updated_at",
        who.account_id.0,
        id.0,
        at_ms,
        env.clock.now(),
    )
    .execute(&mut *conn)
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn playable(conn: &mut PgConnection, id: AssetId) -> Result<(), ApiError> {
    let kind = sqlx::query_scalar!(r#"select kind as "kind: Kind" from assets where id = $1"#, id.0).fetch_one(conn).await?;
    match kind {
        Some(Kind::Video | Kind::Audio) => Ok(()),
        _ => Err(ApiError::conflict("asset_not_playable", "this asset is for reading, not for playing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_on_where_one_stopped_but_not_at_the_edges() {
        assert_eq!(resume(0, 60_000), None);
        assert_eq!(resume(4_999, 60_000), None);
        assert_eq!(resume(5_000, 60_000), Some(5_000));
        assert_eq!(resume(49_999, 60_000), Some(49_999));
        assert_eq!(resume(50_000, 60_000), None, "ten seconds are left");
        assert_eq!(resume(3_520_000, 3_600_000), Some(3_520_000));
        assert_eq!(resume(3_530_000, 3_600_000), None, "an hour ends with more than a minute of credits");
        assert_eq!(resume(70_000, 60_000), None, "the recording was replaced by a shorter one");
    }
}
