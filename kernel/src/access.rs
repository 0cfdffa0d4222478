//! Who may see what and who may change it: the one place that decides.
//!
//! An admin sees everything. A course's owner sees and edits it. A learner sees a published course they are
//! enrolled in, and in it only what is published. What somebody may not see does not exist for them (404); what
//! they see but may not change is forbidden (403).

use sqlx::PgConnection;

use crate::http::{ApiError, Principal, Role};
use crate::id::{AssetId, CourseId, LessonId, ModuleId};

/// What somebody is to a course they may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CourseAccess {
    /// Sees what is published.
    Learner,
    /// Sees and changes everything.
    Editor,
}

impl CourseAccess {
    /// 403 unless it is an editor's.
    pub fn editor(self) -> Result<(), ApiError> {
        match self {
            Self::Editor => Ok(()),
            Self::Learner => Err(ApiError::forbidden()),
        }
    }
}

/// Courses whose contents this person may search and read, in the order of their ids.
pub async fn visible_courses(conn: &mut PgConnection, who: &Principal) -> sqlx::Result<Vec<CourseId>> {
    let ids = sqlx::query_scalar!(
        "select c.id from courses c
          where $2 or c.owner_id = $1
             or (c.state = 'published' and exists (select 1 from enrollments e where e.course_id = c.id and e.account_id = $1))
          order by c.id",
        who.account_id.0,
        who.role == Role::Admin,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(CourseId).collect())
}

/// This person's standing in the course; 404 when they may not see its contents.
pub async fn course(conn: &mut PgConnection, who: &Principal, id: CourseId) -> Result<CourseAccess, ApiError> {
    let row = sqlx::query!(
        "select c.owner_id, c.state,
                exists (select 1 from enrollments e where e.course_id = c.id and e.account_id = $2) as \"enrolled!\"
           from courses c where c.id = $1",
        id.0,
        who.account_id.0,
    )
    .fetch_optional(conn)
    .await?
    .ok_or_else(ApiError::not_found)?;
    if who.role == Role::Admin || row.owner_id == who.account_id.0 {
        Ok(CourseAccess::Editor)
    } else if row.state == "published" && row.enrolled {
        Ok(CourseAccess::Learner)
    } else {
        Err(ApiError::not_found())
    }
}

/// As [`course`], for the course that a module belongs to.
pub async fn module(conn: &mut PgConnection, who: &Principal, id: ModuleId) -> Result<(CourseId, CourseAccess), ApiError> {
    let found = sqlx::query_scalar!("select course_id from modules where id = $1", id.0).fetch_optional(&mut *conn).await?;
    let course_id = CourseId(found.ok_or_else(ApiError::not_found)?);
    Ok((course_id, course(conn, who, course_id).await?))
}

/// As [`course`], for the course that a lesson belongs to.
pub async fn lesson(conn: &mut PgConnection, who: &Principal, id: LessonId) -> Result<(CourseId, CourseAccess), ApiError> {
    let found = sqlx::query_scalar!("select m.course_id from lessons l join modules m on m.id = l.module_id where l.id = $1", id.0)
        .fetch_optional(&mut *conn)
        .await?;
    let course_id = CourseId(found.ok_or_else(ApiError::not_found)?);
    Ok((course_id, course(conn, who, course_id).await?))
}

/// As [`course`], for an asset; a learner sees it once it is published.
pub async fn asset(conn: &mut PgConnection, who: &Principal, id: AssetId) -> Result<(CourseId, CourseAccess), ApiError> {
    let row = sqlx::query!("select course_id, state from assets where id = $1", id.0)
        .fetch_optional(&mut *conn)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let course_id = CourseId(row.course_id);
    match course(conn, who, course_id).await? {
        CourseAccess::Learner if row.state != "published" => Err(ApiError::not_found()),
        access => Ok((course_id, access)),
    }
}
