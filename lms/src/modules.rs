//! Modules: the chapters of a course.

use axum::extract::State;
use axum::http::StatusCode;
use kernel::access;
use kernel::env::Env;
use kernel::http::{ApiError, Json, Principal, Problem, check};
use kernel::id::{CourseId, ModuleId};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::Id;
use crate::outline::Module;

pub(crate) fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(create))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"title": "Leases"}))]
struct NewModule {
    #[serde(default)]
    title: String,
}

/// Add a module at the end of a course.
#[utoipa::path(
    post, path = "/courses/{id}/modules", tag = "modules", security(("bearer" = [])), request_body = NewModule,
    params(("id" = CourseId, Path)),
    responses(
        (status = 201, body = Module),
        (status = 403, description = "you may see the course, but not change it", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such course, or not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`validation_failed`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn create(
    State(env): State<Env>,
    who: Principal,
    Id(course): Id<CourseId>,
    Json(body): Json<NewModule>,
) -> Result<(StatusCode, Json<Module>), ApiError> {
    let mut tx = env.db.begin().await?;
    access::course(&mut tx, &who, course).await?.editor()?;
    let title = checked_title(&body.title)?;
    // Two modules at once would count the same position.
    sqlx::query!("select id from courses where id = $1 for update", course.0).fetch_one(&mut *tx).await?;
    let id = ModuleId::new();
    let position = sqlx::query_scalar!(
        "insert into modules (id, course_id, title, position)
         select $1, $2, $3, coalesce(max(position), 0) + 1 from modules where course_id = $2
         returning position",
        id.0,
        course.0,
        title,
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(Module { id, title, position, lessons: Vec::new() })))
}

/// A title of a module or a lesson, without white space around it.
pub(crate) fn checked_title(text: &str) -> Result<String, ApiError> {
    let title = text.trim();
    check([
        ("/title", (1..=200).contains(&title.chars().count()), "must have 1 to 200 characters"),
        ("/title", !title.chars().any(char::is_control), "must not have control characters"),
    ])?;
    Ok(title.to_owned())
}
