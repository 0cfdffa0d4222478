//! The ledger of jobs as operators see it; instructors see and change the jobs of their own courses' assets.
//!
//! What a job does and when it is retried is `kernel::jobs`' business, and what is shown of it `kernel::jobs::view`'s. The
//! detail of a failure is for admins: it may name files of the machine.

use anyhow::Context;
use axum::extract::State as AppState;
use axum::http::StatusCode;
use kernel::env::Env;
use kernel::events::Cause;
use kernel::http::{ApiError, Json, Page, PageQuery, Principal, Problem, RequestId, Role, check};
use kernel::id::{AccountId, AssetId, CourseId, JobId};
use kernel::jobs::audit::{self, Deed};
use kernel::jobs::control::{self, Action, Answer, Tally};
use kernel::jobs::rerun::{self, AssetFilter};
use kernel::jobs::view::{self, DeadGroup, Filter, Row, State};
use kernel::jobs::{Lane, Stage};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{Id, Params};
use crate::stages::name;

/// Most jobs that one request changes.
const MOST: i64 = 5000;

pub(crate) fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(summary))
        .routes(routes!(dead))
        .routes(routes!(act))
        .routes(routes!(show))
        .routes(routes!(retry))
        .routes(routes!(cancel))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct JobQuery {
    /// Any of these; repeat it for more than one.
    state: Vec<State>,
    stage: Option<Stage>,
    lane: Option<Lane>,
    /// Such as `TranscodeMedia`.
    kind: Option<String>,
    asset_id: Option<AssetId>,
    course_id: Option<CourseId>,
    /// The account whose share they use.
    owner_id: Option<AccountId>,
    /// `poison`, `transient`, `resource`, `dependency` or `lost`.
    failure_class: Option<String>,
    /// Such as `pdf_encrypted`.
    failure_code: Option<String>,
    /// How many items, 1 to 100; 20 when not given.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What to do with many jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ActionName {
    Cancel,
    /// Queue dead or cancelled ones again.
    Retry,
    /// To another lane, or to the front.
    Prioritise,
    /// Make assets anew from a stage on.
    Rerun,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"action": "retry", "filter": {"state": ["dead"], "failure_code": "worker_lost"}, "dry_run": true}))]
struct ActionRequest {
    action: ActionName,
    /// Which jobs. One of `filter`, `ids` and `assets` must say which.
    filter: Option<Filter>,
    /// Just these jobs, as far as the filter means them too.
    ids: Option<Vec<JobId>>,
    /// `rerun`: which assets.
    assets: Option<AssetFilter>,
    /// `rerun`: the stage to begin at.
    from: Option<Stage>,
    /// `prioritise`: the lane to move to. `rerun`: the lane to queue in, `backfill` when not given.
    lane: Option<Lane>,
    /// `prioritise`: in front of all that wait in the lane.
    #[serde(default)]
    front: bool,
    /// Change nothing, and say what would come of it.
    #[serde(default)]
    dry_run: bool,
}

/// What came of it, or would.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"action": "retry", "dry_run": true, "matched": 12, "done": 12, "told": 0, "skipped": 0, "unknown": 0, "more": false}))]
struct ActionAnswer {
    action: ActionName,
    dry_run: bool,
    matched: usize,
    /// Done, or would be.
    done: usize,
    /// They run, and their workers were told to stop.
    told: usize,
    /// In a state in which it makes no sense.
    skipped: usize,
    /// Gone meanwhile.
    unknown: usize,
    /// More are meant than one request does: ask again for the rest.
    more: bool,
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
    get, path = "/jobs", tag = "jobs", security(("bearer" = [])), params(JobQuery),
    responses(
        (status = 200, body = Page<Row>),
        (status = 403, description = "for instructors and admins", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn list(AppState(env): AppState<Env>, who: Principal, Params(query): Params<JobQuery>) -> Result<Json<Page<Row>>, ApiError> {
    let teacher = scope(&who)?;
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let limit = page.limit()?;
    let filter = Filter {
        ids: None,
        state: query.state,
        stage: query.stage,
        lane: query.lane,
        kind: query.kind,
        asset_id: query.asset_id,
        course_id: query.course_id,
        owner_id: query.owner_id,
        failure_class: query.failure_class,
        failure_code: query.failure_code,
        teacher,
    };
    let rows = view::list(&env.db, &filter, page.position()?, limit as i64 + 1, env.clock.now()).await?;
    Ok(Json(Page::of(rows.into_iter().map(|row| shown_to(&who, row)).collect(), limit, |row: &Row| row.id)))
}

/// The dead by cause, the most frequent first.
#[utoipa::path(
    get, path = "/jobs/dead", tag = "jobs", security(("bearer" = [])),
    responses(
        (status = 200, body = Vec<DeadGroup>),
        (status = 403, description = "for instructors and admins", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn dead(AppState(env): AppState<Env>, who: Principal) -> Result<Json<Vec<DeadGroup>>, ApiError> {
    Ok(Json(view::dead(&env.db, scope(&who)?).await?))
}

/// Cancel, retry, move or make anew many at once.
///
/// Instructors reach what belongs to their own courses, and only admins may move jobs before those of others.
#[utoipa::path(
    post, path = "/jobs/actions", tag = "jobs", security(("bearer" = [])), request_body = ActionRequest,
    responses(
        (status = 200, body = ActionAnswer),
        (status = 403, description = "for instructors and admins; `prioritise` for admins", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "it does not say what is meant", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn act(
    AppState(env): AppState<Env>,
    who: Principal,
    request_id: RequestId,
    Json(request): Json<ActionRequest>,
) -> Result<Json<ActionAnswer>, ApiError> {
    let teacher = scope(&who)?;
    if request.action == ActionName::Prioritise && teacher.is_some() {
        return Err(ApiError::forbidden());
    }
    let rerun = request.action == ActionName::Rerun;
    let says_which = match rerun {
        true => request.assets.as_ref().is_some_and(|assets| !assets.is_everything()),
        false => request.ids.is_some() || request.filter.as_ref().is_some_and(|filter| !filter.is_everything()),
    };
    check([
        (if rerun { "/assets" } else { "/filter" }, says_which, "say which are meant: an empty filter would mean all there are"),
        ("/from", !rerun || request.from.is_some(), "name the stage to begin at"),
        (
            "/front",
            request.action != ActionName::Prioritise || request.front || request.lane.is_some(),
            "say where to: front, a lane, or both",
        ),
    ])?;
    let mut tally = Tally::default();
    let more = match request.from.filter(|_| rerun) {
        Some(from) => {
            let assets = AssetFilter { teacher, ..request.assets.clone().unwrap_or_default() };
            let ids = rerun::matching(&env.db, &assets, MOST + 1).await?;
            let cause = Cause::http(&who, &request_id);
            for id in ids.iter().take(MOST as usize) {
                let lane = request.lane.unwrap_or(Lane::Backfill);
                tally.add(rerun::rerun(&env.db, *id, from, lane, &cause, request.dry_run).await?);
            }
            ids.len() as i64 > MOST
        }
        None => {
            let action = match request.action {
                ActionName::Cancel => Action::Cancel,
                ActionName::Retry => Action::Retry,
                _ => Action::Prioritise { lane: request.lane, front: request.front },
            };
            let filter = Filter { ids: request.ids.clone(), teacher, ..request.filter.clone().unwrap_or_default() };
            let mut jobs = view::matching(&env.db, &filter, None, MOST + 1).await?;
            let more = jobs.len() as i64 > MOST;
            jobs.truncate(MOST as usize);
            for (_, answer) in control::act(&env.db, action, jobs, request.dry_run).await? {
                tally.add(answer);
            }
            more
        }
    };
    let changed = tally.done + tally.told;
    if !request.dry_run && changed > 0 {
        let deed = Deed::JobsChanged {
            action: serde_json::to_value(request.action).context("an action becomes json")?.as_str().unwrap_or_default().to_owned(),
            filter: serde_json::json!({"filter": request.filter, "assets": request.assets, "ids": request.ids}),
            changed,
        };
        let mut conn = env.db.acquire().await?;
        let by = name(&mut conn, &who).await?;
        audit::record(&mut conn, &deed, &by, Some(&request_id.0)).await?;
    }
    let Tally { matched, done, told, skipped, unknown } = tally;
    Ok(Json(ActionAnswer { action: request.action, dry_run: request.dry_run, matched, done, told, skipped, unknown, more }))
}

/// One job.
#[utoipa::path(
    get, path = "/jobs/{id}", tag = "jobs", security(("bearer" = [])), params(("id" = JobId, Path)),
    responses(
        (status = 200, body = Row),
        (status = 403, description = "for instructors and admins", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such job, or not yours to see", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn show(AppState(env): AppState<Env>, who: Principal, Id(id): Id<JobId>) -> Result<Json<Row>, ApiError> {
    Ok(Json(one(&env, &who, id).await?))
}

/// Queue a dead or cancelled job again.
#[utoipa::path(
    post, path = "/jobs/{id}/retry", tag = "jobs", security(("bearer" = [])), params(("id" = JobId, Path)),
    responses(
        (status = 202, body = Row),
        (status = 403, description = "for instructors and admins", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such job, or not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`job_state`: it is neither dead nor cancelled", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn retry(AppState(env): AppState<Env>, who: Principal, Id(id): Id<JobId>) -> Result<(StatusCode, Json<Row>), ApiError> {
    one(&env, &who, id).await?;
    answer(&env, &who, id, control::retry(&env.db, id).await?, "only a dead or cancelled job can be queued again").await
}

/// Cancel a job that waits or runs. Its asset fails as cancelled.
#[utoipa::path(
    post, path = "/jobs/{id}/cancel", tag = "jobs", security(("bearer" = [])), params(("id" = JobId, Path)),
    responses(
        (status = 202, description = "cancelled; one that runs stops within a heartbeat", body = Row),
        (status = 403, description = "for instructors and admins", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such job, or not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`job_state`: it has ended", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn cancel(AppState(env): AppState<Env>, who: Principal, Id(id): Id<JobId>) -> Result<(StatusCode, Json<Row>), ApiError> {
    one(&env, &who, id).await?;
    answer(&env, &who, id, control::cancel(&env.db, id).await?, "only a job that waits or runs can be cancelled").await
}

async fn answer(
    env: &Env,
    who: &Principal,
    id: JobId,
    answer: Answer,
    wrong_state: &'static str,
) -> Result<(StatusCode, Json<Row>), ApiError> {
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
async fn summary(AppState(env): AppState<Env>, who: Principal) -> Result<Json<Vec<StageSummary>>, ApiError> {
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
async fn one(env: &Env, who: &Principal, id: JobId) -> Result<Row, ApiError> {
    let row = view::show(&env.db, id, scope(who)?, env.clock.now()).await?.ok_or_else(ApiError::not_found)?;
    Ok(shown_to(who, row))
}

fn shown_to(who: &Principal, row: Row) -> Row {
    if who.role == Role::Admin { row } else { row.without_detail() }
}
