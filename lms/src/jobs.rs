//! The ledger of jobs as operators see it; instructors see the jobs of their own courses' assets.
//!
//! What a job does and when it is retried is `kernel::jobs`' business. The detail of a failure is for admins: it may name
//! files of the machine.

use axum::extract::State;
use axum::http::StatusCode;
use kernel::env::Env;
use kernel::http::{ApiError, Json, Page, PageQuery, Principal, Problem, Role};
use kernel::id::{AccountId, AssetId, JobId};
use kernel::jobs::Stage;
use kernel::jobs::control::{self, Answer};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{Id, Params};

pub(crate) fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(summary)).routes(routes!(show)).routes(routes!(retry)).routes(routes!(cancel))
}

/// A row of the ledger.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "0193a5f2-7777-7c10-9d7e-2f1f0c3d9a10", "kind": "ExtractDocument", "stage": "extract", "state": "dead", "attempt": 1,
    "failures": 1, "max_failures": 8, "asset_id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10", "asset_title": "Handout", "progress": {"done": 0, "total": 0},
    "failure": {"class": "poison", "code": "pdf_encrypted", "reason": "this PDF is protected by a password", "detail": null},
    "created_at": "2026-11-20T09:30:00Z", "started_at": "2026-11-20T09:30:01Z", "ended_at": "2026-11-20T09:30:02Z", "worker": "host:4711",
    "queued_ms": 1000, "run_ms": 1000}))]
struct Job {
    id: JobId,
    #[schema(example = "TranscodeMedia")]
    kind: String,
    stage: String,
    /// `queued`, `running`, `done`, `dead`, `cancelled` or `parked`.
    state: String,
    /// Claims so far.
    attempt: i32,
    failures: i32,
    max_failures: i32,
    asset_id: Option<AssetId>,
    asset_title: Option<String>,
    progress: JobProgress,
    /// Of the last attempt that failed.
    failure: Option<JobFailure>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    started_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
    worker: Option<String>,
    /// From when it was made to when its last attempt began, or until now.
    queued_ms: i64,
    /// Of the last attempt, so far.
    run_ms: Option<i64>,
}

/// In units of the job's own: frames, pages, chunks.
#[derive(Debug, Serialize, ToSchema)]
struct JobProgress {
    done: i64,
    total: i64,
}

#[derive(Debug, Serialize, ToSchema)]
struct JobFailure {
    /// `poison`, `transient`, `resource`, `dependency` or `lost`.
    class: Option<String>,
    code: String,
    reason: String,
    /// For admins.
    detail: Option<String>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct JobFilter {
    /// `queued`, `running`, `done`, `dead`, `cancelled` or `parked`.
    state: Option<String>,
    /// `ingest`, `transcode`, `extract`, `embed`, `index`, `publish` or `certify`.
    stage: Option<String>,
    asset_id: Option<AssetId>,
    /// How many items, 1 to 100; 20 when not given.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// One stage at a glance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"stage": "transcode", "queued": 3, "running": 1, "dead": 0, "oldest_queued_seconds": 12, "concurrency": 1}))]
struct StageSummary {
    stage: Stage,
    queued: i64,
    running: i64,
    dead: i64,
    /// Age of the job that has been due longest; null when none waits.
    oldest_queued_seconds: Option<i64>,
    /// How many jobs of the stage a worker with this server's configuration runs at the same time.
    concurrency: usize,
}

/// Whose jobs: everybody's for an admin, those of their own courses for an instructor.
fn scope(who: &Principal) -> Result<Option<AccountId>, ApiError> {
    match who.role {
        Role::Admin => Ok(None),
        Role::Instructor => Ok(Some(who.account_id)),
        Role::Student => Err(ApiError::forbidden()),
    }
}

/// Jobs, newest first.
#[utoipa::path(
    get, path = "/jobs", tag = "jobs", security(("bearer" = [])), params(JobFilter),
    responses(
        (status = 200, body = Page<Job>),
        (status = 403, description = "for instructors and admins", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn list(State(env): State<Env>, who: Principal, Params(filter): Params<JobFilter>) -> Result<Json<Page<Job>>, ApiError> {
    let page = PageQuery { limit: filter.limit, cursor: filter.cursor.clone() };
    let limit = page.limit()?;
    let jobs = select(&env, &who, &filter, None, page.position()?, limit as i64 + 1).await?;
    Ok(Json(Page::of(jobs, limit, |job: &Job| job.id)))
}

/// One job.
#[utoipa::path(
    get, path = "/jobs/{id}", tag = "jobs", security(("bearer" = [])), params(("id" = JobId, Path)),
    responses(
        (status = 200, body = Job),
        (status = 403, description = "for instructors and admins", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such job, or not yours to see", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn show(State(env): State<Env>, who: Principal, Id(id): Id<JobId>) -> Result<Json<Job>, ApiError> {
    Ok(Json(one(&env, &who, id).await?))
}

/// Queue a dead or cancelled job again.
#[utoipa::path(
    post, path = "/jobs/{id}/retry", tag = "jobs", security(("bearer" = [])), params(("id" = JobId, Path)),
    responses(
        (status = 202, body = Job),
        (status = 403, description = "for instructors and admins", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such job, or not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`job_state`: it is neither dead nor cancelled", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn retry(State(env): State<Env>, who: Principal, Id(id): Id<JobId>) -> Result<(StatusCode, Json<Job>), ApiError> {
    one(&env, &who, id).await?;
    answer(&env, &who, id, control::retry(&env.db, id).await?, "only a dead or cancelled job can be queued again").await
}

/// Cancel a job that waits or runs. Its asset fails as cancelled.
#[utoipa::path(
    post, path = "/jobs/{id}/cancel", tag = "jobs", security(("bearer" = [])), params(("id" = JobId, Path)),
    responses(
        (status = 202, description = "cancelled; one that runs stops within a heartbeat", body = Job),
        (status = 403, description = "for instructors and admins", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such job, or not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`job_state`: it has ended", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn cancel(State(env): State<Env>, who: Principal, Id(id): Id<JobId>) -> Result<(StatusCode, Json<Job>), ApiError> {
    one(&env, &who, id).await?;
    answer(&env, &who, id, control::cancel(&env.db, id).await?, "only a job that waits or runs can be cancelled").await
}

async fn answer(
    env: &Env,
    who: &Principal,
    id: JobId,
    answer: Answer,
    wrong_state: &'static str,
) -> Result<(StatusCode, Json<Job>), ApiError> {
    match answer {
        Answer::Done | Answer::Told => Ok((StatusCode::ACCEPTED, Json(one(env, who, id).await?))),
        Answer::WrongState => Err(ApiError::conflict("job_state", wrong_state)),
        Answer::Unknown => Err(ApiError::not_found()),
    }
}

/// All stages at a glance.
#[utoipa::path(
    get, path = "/jobs/summary", tag = "jobs", security(("bearer" = [])),
    responses(
        (status = 200, body = Vec<StageSummary>),
        (status = 403, description = "for instructors and admins", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn summary(State(env): State<Env>, who: Principal) -> Result<Json<Vec<StageSummary>>, ApiError> {
    let owner = scope(&who)?;
    let rows = sqlx::query!(
        r#"select j.stage, count(*) filter (where j.state = 'queued') as "queued!", count(*) filter (where j.state = 'running') as "running!",
                  count(*) filter (where j.state = 'dead') as "dead!",
                  extract(epoch from now() - min(j.run_at) filter (where j.state = 'queued' and j.run_at <= now()))::bigint as oldest
             from jobs j left join assets a on a.id = j.asset_id left join courses c on c.id = a.course_id
            where j.state in ('queued', 'running', 'dead') and ($1::uuid is null or c.owner_id = $1)
            group by j.stage"#,
        owner.map(|id| id.0),
    )
    .fetch_all(&env.db)
    .await?;
    let stages = Stage::ALL.into_iter().map(|stage| {
        let row = rows.iter().find(|row| row.stage == stage.as_str());
        StageSummary {
            stage,
            queued: row.map_or(0, |row| row.queued),
            running: row.map_or(0, |row| row.running),
            dead: row.map_or(0, |row| row.dead),
            oldest_queued_seconds: row.and_then(|row| row.oldest),
            concurrency: env.pools.get(stage).concurrency,
        }
    });
    Ok(Json(stages.collect()))
}

/// The job, if this person may see it.
async fn one(env: &Env, who: &Principal, id: JobId) -> Result<Job, ApiError> {
    select(env, who, &JobFilter::default(), Some(id), None, 1).await?.pop().ok_or_else(ApiError::not_found)
}

async fn select(
    env: &Env,
    who: &Principal,
    filter: &JobFilter,
    only: Option<JobId>,
    after: Option<JobId>,
    limit: i64,
) -> Result<Vec<Job>, ApiError> {
    let owner = scope(who)?;
    let rows = sqlx::query!(
        r#"select j.id, j.kind, j.stage, j.state, j.attempt, j.failures, j.max_failures, j.asset_id, a.title as "asset_title?",
                  j.progress_done, j.progress_total, j.failure_class, j.failure_code, j.failure_reason, j.failure_detail,
                  j.created_at, j.started_at, j.ended_at, j.worker
             from jobs j left join assets a on a.id = j.asset_id left join courses c on c.id = a.course_id
            where ($1::uuid is null or c.owner_id = $1)
              and ($2::text is null or j.state = $2) and ($3::text is null or j.stage = $3) and ($4::uuid is null or j.asset_id = $4)
              and ($5::uuid is null or j.id = $5) and ($6::uuid is null or j.id < $6)
            order by j.id desc limit $7"#,
        owner.map(|id| id.0),
        filter.state,
        filter.stage,
        filter.asset_id.map(|id| id.0),
        only.map(|id| id.0),
        after.map(|id| id.0),
        limit,
    )
    .fetch_all(&env.db)
    .await?;
    let now = env.clock.now();
    let ms = |from: OffsetDateTime, to: OffsetDateTime| i64::try_from((to - from).whole_milliseconds()).unwrap_or(i64::MAX).max(0);
    let jobs = rows.into_iter().map(|row| Job {
        failure: row.failure_code.zip(row.failure_reason).map(|(code, reason)| JobFailure {
            class: row.failure_class,
            code,
            reason,
            detail: row.failure_detail.filter(|_| owner.is_none()),
        }),
        queued_ms: ms(row.created_at, row.started_at.unwrap_or(now)),
        run_ms: row.started_at.map(|started| ms(started, row.ended_at.unwrap_or(now))).filter(|_| row.state != "queued"),
        id: row.id.into(),
        kind: row.kind,
        stage: row.stage,
        state: row.state,
        attempt: row.attempt,
        failures: row.failures,
        max_failures: row.max_failures,
        asset_id: row.asset_id.map(Into::into),
        asset_title: row.asset_title,
        progress: JobProgress { done: row.progress_done, total: row.progress_total },
        created_at: row.created_at,
        started_at: row.started_at,
        ended_at: row.ended_at,
        worker: row.worker,
    });
    Ok(jobs.collect())
}
