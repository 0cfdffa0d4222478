//! Courses: what is taught, by whom, and to whom it is open.
//!
//! Everybody who is signed in sees the published courses and their outlines, which is the catalogue; their assets only
//! when enrolled. A draft exists for its owner and for admins alone. Edits name the version they were made from.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kernel::access::{self, CourseAccess};
use kernel::env::Env;
use kernel::http::{ApiError, Json, Page, PageQuery, Principal, Problem, Role, check, etag, if_match, overtaken};
use kernel::id::CourseId;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::asset::Asset;
use crate::extract::{Id, Params};
use crate::outline::{self, Module};

pub(crate) fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, edit)).routes(routes!(publish))
}

/// A course in a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "0193a5f0-1111-7c10-9d7e-2f1f0c3d9a10", "title": "Queues, leases and fencing", "summary": "Work that survives its workers.",
    "state": "published", "owner_name": "Grace Oyelaran", "role_in_course": "learner", "enrolled": true, "progress": {"done": 2, "total": 5}}))]
pub(crate) struct CourseSummary {
    id: CourseId,
    title: String,
    summary: String,
    state: CourseState,
    owner_name: String,
    /// Null: you see it in the catalogue only.
    role_in_course: Option<RoleInCourse>,
    enrolled: bool,
    /// Null when not enrolled.
    progress: Option<Progress>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
enum CourseState {
    Draft,
    Published,
    Archived,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RoleInCourse {
    Editor,
    Learner,
}

/// Completed lessons of all lessons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Progress {
    pub done: i64,
    pub total: i64,
}

/// A course with its outline.
#[derive(Debug, Serialize, ToSchema)]
struct Course {
    #[serde(flatten)]
    summary: CourseSummary,
    modules: Vec<Module>,
    /// Assets that are in no lesson.
    materials: Vec<Asset>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"title": "Queues, leases and fencing", "summary": "Work that survives its workers."}))]
struct NewCourse {
    #[serde(default)]
    title: String,
    #[serde(default)]
    summary: String,
}

/// What is not named stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"title": "Queues, leases and fencing, second edition"}))]
struct CourseEdit {
    title: Option<String>,
    summary: Option<String>,
}

/// Your courses and the published ones, newest first.
#[utoipa::path(
    get, path = "/courses", tag = "courses", security(("bearer" = [])), params(PageQuery),
    responses((status = 200, body = Page<CourseSummary>)),
)]
async fn list(State(env): State<Env>, who: Principal, Params(page): Params<PageQuery>) -> Result<Json<Page<CourseSummary>>, ApiError> {
    let limit = page.limit()?;
    let after = page.position::<Uuid>()?;
    let mut conn = env.db.acquire().await?;
    let courses = select(&mut conn, &who, None, after, limit as i64 + 1).await?;
    let summaries = courses.into_iter().map(|(summary, _)| summary).collect();
    Ok(Json(Page::of(summaries, limit, |course: &CourseSummary| course.id)))
}

/// Make a course, as a draft of yours.
#[utoipa::path(
    post, path = "/courses", tag = "courses", security(("bearer" = [])), request_body = NewCourse,
    responses(
        (status = 201, description = "made; `Location` and `ETag` say where and which version", body = CourseSummary),
        (status = 403, description = "only instructors and admins make courses", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`validation_failed`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn create(State(env): State<Env>, who: Principal, Json(body): Json<NewCourse>) -> Result<Response, ApiError> {
    if who.role == Role::Student {
        return Err(ApiError::forbidden());
    }
    let title = body.title.trim();
    check_text(title, &body.summary)?;
    let id = CourseId::new();
    let mut conn = env.db.acquire().await?;
    sqlx::query!("insert into courses (id, owner_id, title, summary) values ($1, $2, $3, $4)", id.0, who.account_id.0, title, body.summary)
        .execute(&mut *conn)
        .await?;
    let (course, version) = one(&mut conn, &who, id).await?;
    let location = HeaderValue::try_from(format!("/api/v1/courses/{id}")).map_err(anyhow::Error::from)?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location), (header::ETAG, etag(version))], Json(course)).into_response())
}

/// A course with its modules, lessons and assets.
#[utoipa::path(
    get, path = "/courses/{id}", tag = "courses", security(("bearer" = [])), params(("id" = CourseId, Path)),
    responses(
        (status = 200, description = "`ETag` is the version of title, summary and state. Without enrollment the outline comes without assets", body = Course),
        (status = 404, description = "no such course, or not yours to see", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn show(State(env): State<Env>, who: Principal, Id(id): Id<CourseId>) -> Result<Response, ApiError> {
    let mut conn = env.db.acquire().await?;
    let (summary, version) = one(&mut conn, &who, id).await?;
    let access = summary.role_in_course.map(|role| match role {
        RoleInCourse::Editor => CourseAccess::Editor,
        RoleInCourse::Learner => CourseAccess::Learner,
    });
    let (modules, materials) = outline::load(&mut conn, &env, &who, id, access).await?;
    Ok(([(header::ETAG, etag(version))], Json(Course { summary, modules, materials })).into_response())
}

/// Change title or summary.
#[utoipa::path(
    patch, path = "/courses/{id}", tag = "courses", security(("bearer" = [])), request_body = CourseEdit,
    params(("id" = CourseId, Path), ("If-Match" = String, Header, description = "the `ETag` of the course that was edited")),
    responses(
        (status = 200, body = CourseSummary),
        (status = 403, description = "you may see it, but not change it", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such course, or not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "`version_conflict`: somebody else has changed it meanwhile", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`validation_failed`", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "`if_match_required`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn edit(
    State(env): State<Env>,
    who: Principal,
    Id(id): Id<CourseId>,
    headers: HeaderMap,
    Json(body): Json<CourseEdit>,
) -> Result<Response, ApiError> {
    let mut conn = env.db.acquire().await?;
    editable(&mut conn, &who, id).await?;
    let version = if_match(&headers, "course")?;
    let title = body.title.as_deref().map(str::trim);
    check_text(title.unwrap_or("unchanged"), body.summary.as_deref().unwrap_or_default())?;
    let edited = sqlx::query!(
        "update courses set title = coalesce($3, title), summary = coalesce($4, summary), version = version + 1, updated_at = $5
          where id = $1 and ($2::integer is null or version = $2)",
        id.0,
        version,
        title,
        body.summary,
        env.clock.now(),
    )
    .execute(&mut *conn)
    .await?;
    if edited.rows_affected() == 0 {
        return Err(overtaken("this course"));
    }
    let (course, version) = one(&mut conn, &who, id).await?;
    Ok(([(header::ETAG, etag(version))], Json(course)).into_response())
}

/// Open a course to everybody. Publishing again changes nothing.
#[utoipa::path(
    post, path = "/courses/{id}/publish", tag = "courses", security(("bearer" = [])), params(("id" = CourseId, Path)),
    responses(
        (status = 200, body = CourseSummary),
        (status = 403, description = "you may see it, but not change it", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such course, or not yours to see", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn publish(State(env): State<Env>, who: Principal, Id(id): Id<CourseId>) -> Result<Response, ApiError> {
    let mut conn = env.db.acquire().await?;
    editable(&mut conn, &who, id).await?;
    sqlx::query!(
        "update courses set state = 'published', published_at = coalesce(published_at, $2), updated_at = $2, version = version + 1
          where id = $1 and state <> 'published'",
        id.0,
        env.clock.now(),
    )
    .execute(&mut *conn)
    .await?;
    let (course, version) = one(&mut conn, &who, id).await?;
    Ok(([(header::ETAG, etag(version))], Json(course)).into_response())
}

/// 404 when this person cannot see the course even in the catalogue, 403 when they see it but may not change it.
async fn editable(conn: &mut PgConnection, who: &Principal, id: CourseId) -> Result<(), ApiError> {
    match access::course(conn, who, id).await {
        Ok(access) => access.editor(),
        Err(hidden) => match one(conn, who, id).await {
            Ok(_) => Err(ApiError::forbidden()),
            Err(_) => Err(hidden),
        },
    }
}

/// The course as this person sees it, with its version; 404 when they do not.
async fn one(conn: &mut PgConnection, who: &Principal, id: CourseId) -> Result<(CourseSummary, i32), ApiError> {
    select(conn, who, Some(id.0), None, 1).await?.pop().ok_or_else(ApiError::not_found)
}

/// Courses this person sees, newest first, each with its version: a single one, or those after a position.
async fn select(
    conn: &mut PgConnection,
    who: &Principal,
    only: Option<Uuid>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<(CourseSummary, i32)>, ApiError> {
    let rows = sqlx::query!(
        r#"select c.id, c.title, c.summary, c.state as "state: CourseState", c.version, a.name as owner_name,
                  ($2 or c.owner_id = $1) as "editor!", e.id is not null as "enrolled!",
                  (select count(*) from lessons l join modules m on m.id = l.module_id where m.course_id = c.id) as "total!",
                  (select count(*) from lesson_completions d where d.enrollment_id = e.id) as "done!"
             from courses c
             join accounts a on a.id = c.owner_id
             left join enrollments e on e.course_id = c.id and e.account_id = $1
            where ($2 or c.owner_id = $1 or c.state = 'published')
              and ($3::uuid is null or c.id = $3) and ($4::uuid is null or c.id < $4)
            order by c.id desc limit $5"#,
        who.account_id.0,
        who.role == Role::Admin,
        only,
        after,
        limit,
    )
    .fetch_all(conn)
    .await?;
    let courses = rows.into_iter().map(|row| {
        let role_in_course = match (row.editor, row.enrolled) {
            (true, _) => Some(RoleInCourse::Editor),
            (false, true) => Some(RoleInCourse::Learner),
            (false, false) => None,
        };
        let summary = CourseSummary {
            id: row.id.into(),
            title: row.title,
            summary: row.summary,
            state: row.state,
            owner_name: row.owner_name,
            role_in_course,
            enrolled: row.enrolled,
            progress: row.enrolled.then_some(Progress { done: row.done, total: row.total }),
        };
        (summary, row.version)
    });
    Ok(courses.collect())
}

fn check_text(title: &str, summary: &str) -> Result<(), ApiError> {
    check([
        ("/title", (1..=200).contains(&title.chars().count()), "must have 1 to 200 characters"),
        ("/title", !title.chars().any(char::is_control), "must not have control characters"),
        ("/summary", summary.chars().count() <= 10_000, "must have at most 10000 characters"),
        ("/summary", !summary.contains('\0'), "must not have null characters"),
    ])
}
