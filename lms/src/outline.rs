//! A course's modules, lessons and assets, as one person sees them.

use std::collections::HashMap;

use kernel::access::CourseAccess;
use kernel::env::Env;
use kernel::http::{ApiError, Principal};
use kernel::id::{AccountId, AssetId, CourseId, LessonId, ModuleId};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::asset::{self, Asset};

/// A module with its lessons, in order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "0193a5f1-2222-7c10-9d7e-2f1f0c3d9a10", "title": "Leases", "position": 1, "lessons": []}))]
pub(crate) struct Module {
    pub id: ModuleId,
    pub title: String,
    /// Counted from 1.
    pub position: i32,
    pub lessons: Vec<Lesson>,
}

/// A lesson with what it shows, in order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "0193a5f1-3333-7c10-9d7e-2f1f0c3d9a10", "title": "Why a lease ends", "position": 1, "completed": false, "assets": []}))]
pub(crate) struct Lesson {
    pub id: LessonId,
    pub title: String,
    /// Counted from 1.
    pub position: i32,
    /// By you.
    pub completed: bool,
    pub assets: Vec<Asset>,
}

/// The modules of a course, and the assets that are in no lesson. No access means the catalogue: titles and no assets.
pub(crate) async fn load(
    conn: &mut PgConnection,
    env: &Env,
    who: &Principal,
    course: CourseId,
    access: Option<CourseAccess>,
) -> Result<(Vec<Module>, Vec<Asset>), ApiError> {
    let modules = sqlx::query!("select id, title, position from modules where course_id = $1 order by position, id", course.0)
        .fetch_all(&mut *conn)
        .await?;
    let mut modules: Vec<Module> = modules
        .into_iter()
        .map(|row| Module { id: row.id.into(), title: row.title, position: row.position, lessons: Vec::new() })
        .collect();
    let lessons = sqlx::query!(
        r#"select l.id, l.module_id, l.title, l.position,
                  exists (select 1 from lesson_completions d join enrollments e on e.id = d.enrollment_id
                           where d.lesson_id = l.id and e.account_id = $2) as "completed!"
             from lessons l join modules m on m.id = l.module_id where m.course_id = $1 order by l.position, l.id"#,
        course.0,
        who.account_id.0,
    )
    .fetch_all(&mut *conn)
    .await?;
    let (mut attached, materials) = match access {
        Some(access) => assets(conn, env, who.account_id, course, access).await?,
        None => Default::default(),
    };
    for row in lessons {
        let Some(module) = modules.iter_mut().find(|module| module.id.0 == row.module_id) else { continue };
        let id = LessonId(row.id);
        let assets = attached.remove(&id).unwrap_or_default();
        module.lessons.push(Lesson { id, title: row.title, position: row.position, completed: row.completed, assets });
    }
    Ok((modules, materials))
}

/// The course's visible assets: those of each lesson in order, and those of none. An asset may be in several lessons.
async fn assets(
    conn: &mut PgConnection,
    env: &Env,
    viewer: AccountId,
    course: CourseId,
    access: CourseAccess,
) -> Result<(HashMap<LessonId, Vec<Asset>>, Vec<Asset>), ApiError> {
    let rows = sqlx::query!(
        r#"select a.id, la.lesson_id as "lesson_id?"
             from assets a left join lesson_assets la on la.asset_id = a.id
            where a.course_id = $1 and a.version_of is null and a.state <> 'kept'
              and not exists (select 1 from assets p where p.id = a.parent_id and p.version_of is not null)
              and ($2 or (a.state = 'published' and (la.lesson_id is not null or a.kind <> 'captions' or a.parent_id is null)))
            order by la.lesson_id, la.position, a.created_at, a.id"#,
        course.0,
        access == CourseAccess::Editor,
    )
    .fetch_all(&mut *conn)
    .await?;
    let ids: Vec<AssetId> = rows.iter().map(|row| AssetId(row.id)).collect();
    let loaded: HashMap<_, _> = asset::load(conn, env, viewer, &ids, access).await?.into_iter().map(|asset| (asset.id.0, asset)).collect();
    let (mut attached, mut materials) = (HashMap::<LessonId, Vec<Asset>>::new(), Vec::new());
    for row in rows {
        let Some(asset) = loaded.get(&row.id).cloned() else { continue };
        match row.lesson_id {
            Some(lesson) => attached.entry(LessonId(lesson)).or_default().push(asset),
            None => materials.push(asset),
        }
    }
    Ok((attached, materials))
}
