//! Lessons: the steps of a module, and which assets each shows. A lesson shows assets of its own course only.

use axum::extract::State;
use axum::http::StatusCode;
use kernel::access::{self, CourseAccess};
use kernel::env::Env;
use kernel::http::{ApiError, FieldError, Json, Principal, Problem};
use kernel::id::{AccountId, AssetId, CourseId, LessonId, ModuleId};
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::asset::{self, Asset};
use crate::extract::Id;
use crate::modules::checked_title;
use crate::outline::Lesson;

pub(crate) fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(attach))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"title": "Why a lease ends", "asset_ids": ["0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10"]}))]
struct NewLesson {
    #[serde(default)]
    title: String,
    #[serde(default)]
    asset_ids: Vec<AssetId>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"asset_ids": ["0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10"]}))]
struct LessonAssets {
    asset_ids: Vec<AssetId>,
}

/// Add a lesson at the end of a module.
#[utoipa::path(
    post, path = "/modules/{id}/lessons", tag = "lessons", security(("bearer" = [])), request_body = NewLesson,
    params(("id" = ModuleId, Path)),
    responses(
        (status = 201, body = Lesson),
        (status = 403, description = "you may see the course, but not change it", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such module, or not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`validation_failed`, also for an asset of another course", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn create(
    State(env): State<Env>,
    who: Principal,
    Id(module): Id<ModuleId>,
    Json(body): Json<NewLesson>,
) -> Result<(StatusCode, Json<Lesson>), ApiError> {
    let mut tx = env.db.begin().await?;
    let (course, access) = access::module(&mut tx, &who, module).await?;
    access.editor()?;
    let title = checked_title(&body.title)?;
    // Two lessons at once would count the same position.
    sqlx::query!("select id from modules where id = $1 for update", module.0).fetch_one(&mut *tx).await?;
    let id = LessonId::new();
    let position = sqlx::query_scalar!(
        "insert into lessons (id, module_id, title, position)
         select $1, $2, $3, coalesce(max(position), 0) + 1 from lessons where module_id = $2
         returning position",
        id.0,
        module.0,
        title,
    )
    .fetch_one(&mut *tx)
    .await?;
    let assets = replace_assets(&mut tx, &env, who.account_id, course, id, &body.asset_ids).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(Lesson { id, title, position, completed: false, assets })))
}

/// Say what a lesson shows, in this order. What it showed before and is not named stays in the course.
#[utoipa::path(
    put, path = "/lessons/{id}/assets", tag = "lessons", security(("bearer" = [])), request_body = LessonAssets,
    params(("id" = LessonId, Path)),
    responses(
        (status = 200, body = Vec<Asset>),
        (status = 403, description = "you may see the course, but not change it", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such lesson, or not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`validation_failed`: an asset of another course, or one named twice", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn attach(
    State(env): State<Env>,
    who: Principal,
    Id(lesson): Id<LessonId>,
    Json(body): Json<LessonAssets>,
) -> Result<Json<Vec<Asset>>, ApiError> {
    let mut tx = env.db.begin().await?;
    let (course, access) = access::lesson(&mut tx, &who, lesson).await?;
    access.editor()?;
    sqlx::query!("select id from lessons where id = $1 for update", lesson.0).fetch_one(&mut *tx).await?;
    let assets = replace_assets(&mut tx, &env, who.account_id, course, lesson, &body.asset_ids).await?;
    tx.commit().await?;
    Ok(Json(assets))
}

async fn replace_assets(
    conn: &mut PgConnection,
    env: &Env,
    editor: AccountId,
    course: CourseId,
    lesson: LessonId,
    ids: &[AssetId],
) -> Result<Vec<Asset>, ApiError> {
    let uuids: Vec<_> = ids.iter().map(|id| id.0).collect();
    let own = sqlx::query_scalar!("select id from assets where course_id = $1 and version_of is null and id = any($2)", course.0, &uuids)
        .fetch_all(&mut *conn)
        .await?;
    let faults: Vec<FieldError> = uuids
        .iter()
        .enumerate()
        .filter_map(|(at, id)| {
            let detail = match () {
                () if !own.contains(id) => "is not an asset of this course",
                () if uuids[..at].contains(id) => "is named twice",
                () => return None,
            };
            Some(FieldError { pointer: format!("/asset_ids/{at}"), detail: detail.into() })
        })
        .collect();
    if !faults.is_empty() {
        return Err(ApiError::unprocessable(faults));
    }
    sqlx::query!("delete from lesson_assets where lesson_id = $1", lesson.0).execute(&mut *conn).await?;
    sqlx::query!(
        "insert into lesson_assets (lesson_id, asset_id, position)
         select $1, id, nth::integer from unnest($2::uuid[]) with ordinality as named(id, nth)",
        lesson.0,
        &uuids,
    )
    .execute(&mut *conn)
    .await?;
    asset::load(conn, env, editor, ids, CourseAccess::Editor).await
}
