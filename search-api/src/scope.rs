//! What one person may find, read from Postgres for every question: nothing of it is cached, so that what is taken
//! from somebody is gone with their next question.

use anyhow::Result;
use kernel::access;
use kernel::http::Principal;
use kernel::id::{AssetId, CourseId};
use sqlx::PgConnection;

/// The filter of both questions.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub courses: Vec<CourseId>,
    /// Assets of these courses that are not published: the index holds them before they are. Of a version whose place another one
    /// has just taken it still holds that other one, until it is up to date: whose a chunk is, Postgres is asked.
    pub unpublished: Vec<AssetId>,
}

impl Scope {
    /// What this person may find, in all their courses or in one of them.
    pub(crate) async fn of(conn: &mut PgConnection, who: &Principal, course: Option<CourseId>) -> Result<Self> {
        let mut courses = access::visible_courses(conn, who).await?;
        if let Some(course) = course {
            courses.retain(|id| *id == course);
        }
        let ids: Vec<_> = courses.iter().map(|id| id.0).collect();
        let unpublished = sqlx::query_scalar!(
            "select id from assets a where course_id = any($1) and state <> 'published'
                and not (state = 'kept' and exists (select 1 from index_dirty d where d.asset_id = a.id)
                         and not exists (select 1 from index_state i where i.asset_id = a.id))",
            &ids,
        )
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(AssetId)
        .collect();
        Ok(Self { courses, unpublished })
    }

    pub(crate) fn course_ids(&self) -> Vec<uuid::Uuid> {
        self.courses.iter().map(|id| id.0).collect()
    }
}
