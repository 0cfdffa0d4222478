//! Enrollments: who learns in which course. People enrol themselves, in what is published.

use axum::extract::State;
use axum::http::StatusCode;
use kernel::access;
use kernel::env::Env;
use kernel::http::{ApiError, Json, Principal, Problem};
use kernel::id::{AccountId, CourseId, EnrollmentId};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::Id;

pub(crate) fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(enrol))
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "0193a5f3-4444-7c10-9d7e-2f1f0c3d9a10", "course_id": "0193a5f0-1111-7c10-9d7e-2f1f0c3d9a10",
    "account_id": "0193a5ef-5555-7c10-9d7e-2f1f0c3d9a10", "enrolled_at": "2026-11-20T09:30:00Z", "completed_at": null}))]
struct Enrollment {
    id: EnrollmentId,
    course_id: CourseId,
    account_id: AccountId,
    #[serde(with = "time::serde::rfc3339")]
    enrolled_at: OffsetDateTime,
    /// When the last lesson was completed.
    #[serde(with = "time::serde::rfc3339::option")]
    completed_at: Option<OffsetDateTime>,
}

/// Enrol in a published course.
#[utoipa::path(
    post, path = "/courses/{id}/enrollments", tag = "courses", security(("bearer" = [])),
    params(("id" = CourseId, Path)),
    responses(
        (status = 201, body = Enrollment),
        (status = 404, description = "no such course, or not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`already_enrolled`, or `course_not_published`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn enrol(State(env): State<Env>, who: Principal, Id(course): Id<CourseId>) -> Result<(StatusCode, Json<Enrollment>), ApiError> {
    let mut tx = env.db.begin().await?;
    // Locked, so that the course is still published when the enrollment is there.
    let state = sqlx::query_scalar!("select state from courses where id = $1 for share", course.0).fetch_optional(&mut *tx).await?;
    if state.as_deref() != Some("published") {
        access::course(&mut tx, &who, course).await?;
        return Err(ApiError::conflict("course_not_published", "only a published course can be enrolled in"));
    }
    let (id, now) = (EnrollmentId::new(), env.clock.now());
    let written = sqlx::query!(
        "insert into enrollments (id, course_id, account_id, enrolled_at) values ($1, $2, $3, $4)
         on conflict on constraint enrollments_once do nothing",
        id.0,
        course.0,
        who.account_id.0,
        now,
    )
    .execute(&mut *tx)
    .await?;
    if written.rows_affected() == 0 {
        return Err(ApiError::conflict("already_enrolled", "you are enrolled in this course already"));
    }
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(Enrollment { id, course_id: course, account_id: who.account_id, enrolled_at: now, completed_at: None })))
}
