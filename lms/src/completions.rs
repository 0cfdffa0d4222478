//! Completing lessons, and with the last one the course.
//!
//! The completion of a course, the certificate's row and the event that has it rendered are one transaction, under
//! a lock on the enrollment: they happen once, however many requests say so at the same time.

use axum::extract::State;
use kernel::access;
use kernel::env::Env;
use kernel::events::{self, Cause};
use kernel::http::{ApiError, Json, Principal, Problem, RequestId};
use kernel::id::{CertificateId, CourseId, LessonId};
use kernel::pipeline::Event;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::courses::Progress;
use crate::extract::Id;

pub(crate) fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(complete))
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"course_progress": {"done": 5, "total": 5}, "certificate_id": "0193a5f9-7a3f-7d55-9e21-5b1f0c3d9a10"}))]
struct Completion {
    course_progress: Progress,
    /// Set once the course is completed. The certificate's file follows a moment later.
    certificate_id: Option<CertificateId>,
}

/// Say that you have completed a lesson. Saying it again changes nothing.
#[utoipa::path(
    post, path = "/lessons/{id}/completion", tag = "courses", security(("bearer" = [])),
    params(("id" = LessonId, Path)),
    responses(
        (status = 200, body = Completion),
        (status = 403, description = "`not_enrolled`: you may see the lesson, but are not enrolled", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such lesson, or not yours to see", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn complete(
    State(env): State<Env>,
    who: Principal,
    request_id: RequestId,
    Id(lesson): Id<LessonId>,
) -> Result<Json<Completion>, ApiError> {
    let mut tx = env.db.begin().await?;
    let (course, _) = access::lesson(&mut tx, &who, lesson).await?;
    let enrollment = sqlx::query!(
        r#"select e.id, e.completed_at, c.state = 'published' as "published!"
             from enrollments e join courses c on c.id = e.course_id
            where e.course_id = $1 and e.account_id = $2 for update of e"#,
        course.0,
        who.account_id.0,
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| ApiError::forbidden().because("not_enrolled", "enrol in the course first"))?;
    sqlx::query!(
        "insert into lesson_completions (enrollment_id, lesson_id, completed_at) values ($1, $2, $3) on conflict do nothing",
        enrollment.id,
        lesson.0,
        env.clock.now(),
    )
    .execute(&mut *tx)
    .await?;
    let progress = progress(&mut tx, enrollment.id, course).await?;
    if enrollment.completed_at.is_none() && enrollment.published && progress.done == progress.total {
        complete_course(&mut tx, &env, enrollment.id, &Cause::http(&who, &request_id)).await?;
    }
    let certificate =
        sqlx::query_scalar!("select id from certificates where enrollment_id = $1", enrollment.id).fetch_optional(&mut *tx).await?;
    kernel::crash_point!("completion.recorded");
    tx.commit().await?;
    kernel::crash_point!("completion.committed");
    Ok(Json(Completion { course_progress: progress, certificate_id: certificate.map(CertificateId) }))
}

async fn progress(conn: &mut PgConnection, enrollment: Uuid, course: CourseId) -> Result<Progress, ApiError> {
    let row = sqlx::query!(
        r#"select count(*) as "total!", count(d.lesson_id) as "done!"
             from lessons l join modules m on m.id = l.module_id
             left join lesson_completions d on d.lesson_id = l.id and d.enrollment_id = $1
            where m.course_id = $2"#,
        enrollment,
        course.0,
    )
    .fetch_one(conn)
    .await?;
    Ok(Progress { done: row.done, total: row.total })
}

/// Completes the enrollment and has the certificate rendered. The names and the title are copied: a certificate
/// says what was true on that day.
async fn complete_course(conn: &mut PgConnection, env: &Env, enrollment: Uuid, cause: &Cause) -> Result<(), ApiError> {
    let now = env.clock.now();
    sqlx::query!("update enrollments set completed_at = $2 where id = $1", enrollment, now).execute(&mut *conn).await?;
    let certificate_id = CertificateId::new();
    let written = sqlx::query!(
        "insert into certificates (id, enrollment_id, course_id, account_id, learner_name, course_title, instructor_name, completed_on)
         select $1, e.id, e.course_id, e.account_id, learner.name, c.title, instructor.name, $3
           from enrollments e
           join courses c on c.id = e.course_id
           join accounts learner on learner.id = e.account_id
           join accounts instructor on instructor.id = c.owner_id
          where e.id = $2
         on conflict on constraint certificates_once do nothing",
        certificate_id.0,
        enrollment,
        now.date(),
    )
    .execute(&mut *conn)
    .await?;
    if written.rows_affected() == 1 {
        events::record(conn, &Event::CourseCompleted { certificate_id }, cause).await?;
    }
    Ok(())
}
