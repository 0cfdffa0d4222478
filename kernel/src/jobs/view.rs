//! The ledger as people look at it: what a job is shown as, which jobs a filter means, and the dead by their cause.
//! Described once, for the command line and the API alike. Who may see what is the caller's question.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{Lane, Stage};
use crate::id::{AccountId, AssetId, CourseId, JobId};

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobState)]
pub enum State {
    Queued,
    /// Waits until `run_at`: it backs off after a failure, or a service it needs is away.
    Parked,
    Running,
    Done,
    Dead,
    Cancelled,
}

impl State {
    pub const ALL: [Self; 6] = [Self::Queued, Self::Parked, Self::Running, Self::Done, Self::Dead, Self::Cancelled];

    /// The word used in SQL, JSON and at the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Parked => "parked",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("a job is queued, parked, running, done, dead or cancelled, never {text:?}"))
    }
}

/// A row of the ledger, with what belongs to it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Job, example = json!({"id": "0193a5f2-7777-7c10-9d7e-2f1f0c3d9a10", "kind": "ExtractDocument", "stage": "extract", "lane": "default",
    "state": "dead", "attempt": 1, "failures": 1, "max_failures": 8, "limits_factor": 1.0,
    "asset_id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10", "asset_title": "Handout", "file_name": "handout.pdf",
    "input_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "owner_id": "0193a5f0-0001-7c10-9d7e-2f1f0c3d9a10", "owner_name": "Ada Lovelace", "progress": {"done": 0, "total": 0},
    "failure": {"class": "poison", "code": "pdf_encrypted", "reason": "this PDF is protected by a password", "detail": null},
    "used_memory_bytes": 73400320, "used_cpu_seconds": 0.4, "created_at": "2026-11-20T09:30:00Z", "run_at": "2026-11-20T09:30:00Z",
    "started_at": "2026-11-20T09:30:01Z", "ended_at": "2026-11-20T09:30:02Z", "worker": "host:4026531836:4711", "host": "host",
    "request_id": "0193a5f26a3e7c109d7e2f1f0c3d9a10", "queued_ms": 1000, "run_ms": 1000}))]
pub struct Row {
    pub id: JobId,
    #[schema(example = "TranscodeMedia")]
    pub kind: String,
    pub stage: String,
    pub lane: Lane,
    pub state: State,
    /// Claims so far.
    pub attempt: i32,
    pub failures: i32,
    pub max_failures: i32,
    /// How many times the usual memory and time the next attempt gets.
    pub limits_factor: f32,
    pub asset_id: Option<AssetId>,
    pub asset_title: Option<String>,
    pub file_name: Option<String>,
    /// Of the bytes it works on, in hex.
    pub input_sha256: Option<String>,
    /// The account whose share it uses; null for the system's own jobs.
    pub owner_id: Option<AccountId>,
    pub owner_name: Option<String>,
    pub progress: Progress,
    /// Of the last attempt that failed.
    pub failure: Option<RowFailure>,
    /// Peak of the last attempt's children.
    pub used_memory_bytes: Option<i64>,
    /// Of the last attempt's children.
    pub used_cpu_seconds: Option<f32>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// A parked job waits until then.
    #[serde(with = "time::serde::rfc3339")]
    pub run_at: OffsetDateTime,
    /// Of the last attempt.
    #[serde(with = "time::serde::rfc3339::option")]
    pub started_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub ended_at: Option<OffsetDateTime>,
    /// The process that holds it, or held it last.
    pub worker: Option<String>,
    /// That process's host.
    pub host: Option<String>,
    /// Of the request or command that caused it.
    pub request_id: Option<String>,
    /// From when it was made to when its last attempt began, or until now.
    pub queued_ms: i64,
    /// Of the last attempt, so far.
    pub run_ms: Option<i64>,
}

/// In units of the job's own: frames, pages, chunks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = JobProgress)]
pub struct Progress {
    pub done: i64,
    pub total: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = JobFailure)]
pub struct RowFailure {
    /// `poison`, `transient`, `resource`, `dependency` or `lost`.
    pub class: Option<String>,
    pub code: String,
    pub reason: String,
    /// For admins, since it may name files of the machine: the chain of errors, and how the child's stderr ended.
    pub detail: Option<String>,
}

impl Row {
    /// Without what is for admins only.
    pub fn without_detail(mut self) -> Self {
        if let Some(failure) = &mut self.failure {
            failure.detail = None;
        }
        self
    }
}

/// Which jobs are meant. What is not set matches everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = JobFilter)]
pub struct Filter {
    #[serde(skip)]
    pub ids: Option<Vec<JobId>>,
    /// Any of these.
    #[serde(default)]
    pub state: Vec<State>,
    pub stage: Option<Stage>,
    pub lane: Option<Lane>,
    #[schema(example = "TranscodeMedia")]
    pub kind: Option<String>,
    pub asset_id: Option<AssetId>,
    pub course_id: Option<CourseId>,
    /// The account whose share they use.
    pub owner_id: Option<AccountId>,
    /// `poison`, `transient`, `resource`, `dependency` or `lost`.
    pub failure_class: Option<String>,
    #[schema(example = "pdf_encrypted")]
    pub failure_code: Option<String>,
    /// Only jobs for assets of this account's courses: what an instructor may see.
    #[serde(skip)]
    pub teacher: Option<AccountId>,
}

impl Filter {
    /// One job.
    pub fn one(id: JobId) -> Self {
        Self { ids: Some(vec![id]), ..Self::default() }
    }

    /// Whether it means every job there is, or every one that a teacher may see.
    pub fn is_everything(&self) -> bool {
        Self { teacher: None, ..self.clone() } == Self::default()
    }
}

/// The jobs that a filter means, newest first, at most `limit`, older than `after`.
pub async fn matching(db: &PgPool, filter: &Filter, after: Option<JobId>, limit: i64) -> Result<Vec<(JobId, State)>> {
    let ids: Option<Vec<uuid::Uuid>> = match &filter.ids {
        Some(ids) => Some(ids.iter().map(|id| id.0).collect()),
        None => rare(db, &filter.state).await?,
    };
    let states: Vec<String> = filter.state.iter().map(|state| state.as_str().to_owned()).collect();
    let found = sqlx::query!(
        "select j.id, j.state from jobs j
          where ($1::uuid[] is null or j.id = any($1)) and (cardinality($2::text[]) = 0 or j.state = any($2))
            and ($3::text is null or j.stage = $3) and ($4::text is null or j.lane = $4) and ($5::text is null or j.kind = $5)
            and ($6::uuid is null or j.asset_id = $6)
            and ($7::uuid is null or exists (select 1 from assets a where a.id = j.asset_id and a.course_id = $7))
            and ($8::uuid is null or j.owner_id = $8)
            and ($9::text is null or j.failure_class = $9) and ($10::text is null or j.failure_code = $10)
            and ($11::uuid is null or exists (
                  select 1 from assets a join courses c on c.id = a.course_id where a.id = j.asset_id and c.owner_id = $11))
            and ($12::uuid is null or j.id < $12)
          order by j.id desc limit $13",
        ids.as_deref(),
        &states,
        filter.stage.map(|stage| stage.as_str()),
        filter.lane.map(|lane| lane.as_str()),
        filter.kind,
        filter.asset_id.map(|id| id.0),
        filter.course_id.map(|id| id.0),
        filter.owner_id.map(|id| id.0),
        filter.failure_class,
        filter.failure_code,
        filter.teacher.map(|id| id.0),
        after.map(|id| id.0),
        limit,
    )
    .fetch_all(db)
    .await
    .context("look up the jobs that are meant")?;
    found.into_iter().map(|row| Ok((row.id.into(), state(&row.state)?))).collect()
}

/// The jobs in these states, if all of them are states in which few jobs are at a time: those have indexes of their own,
/// which a query for any states cannot use, and would read all that is done instead.
async fn rare(db: &PgPool, states: &[State]) -> Result<Option<Vec<uuid::Uuid>>> {
    if states.is_empty() || !states.iter().all(|state| matches!(state, State::Running | State::Parked | State::Dead)) {
        return Ok(None);
    }
    let has = |state| states.contains(&state);
    let ids = sqlx::query_scalar!(
        "select id as \"id!\" from jobs where state = 'running' and $1
         union all select id from jobs where state = 'parked' and $2
         union all select id from jobs where state = 'dead' and $3",
        has(State::Running),
        has(State::Parked),
        has(State::Dead),
    )
    .fetch_all(db)
    .await
    .context("look up the jobs of a rare state")?;
    Ok(Some(ids))
}

/// A page of jobs, newest first. `now` is what the times that still run are counted to.
pub async fn list(db: &PgPool, filter: &Filter, after: Option<JobId>, limit: i64, now: OffsetDateTime) -> Result<Vec<Row>> {
    let ids: Vec<_> = matching(db, filter, after, limit).await?.into_iter().map(|(id, _)| id.0).collect();
    let rows = sqlx::query!(
        "select j.id, j.kind, j.stage, j.lane, j.state, j.attempt, j.failures, j.max_failures, j.limits_factor, j.asset_id,
                a.title as \"asset_title?\", a.file_name as \"file_name?\", encode(a.source_sha256, 'hex') as input_sha256,
                j.owner_id, o.name as \"owner_name?\", j.progress_done, j.progress_total,
                j.failure_class, j.failure_code, j.failure_reason, j.failure_detail, j.used_memory_bytes, j.used_cpu_seconds,
                j.created_at, j.run_at, j.started_at, j.ended_at, j.worker, coalesce(w.host, split_part(j.worker, ':', 1)) as host,
                j.request_id
           from jobs j left join assets a on a.id = j.asset_id left join accounts o on o.id = j.owner_id
                left join workers w on w.name = j.worker
          where j.id = any($1) order by j.id desc",
        &ids,
    )
    .fetch_all(db)
    .await
    .context("list jobs")?;
    let ms = |from: OffsetDateTime, to: OffsetDateTime| i64::try_from((to - from).whole_milliseconds()).unwrap_or(i64::MAX).max(0);
    rows.into_iter()
        .map(|row| {
            let waits = matches!(row.state.as_str(), "queued" | "parked");
            Ok(Row {
                state: state(&row.state)?,
                failure: row.failure_code.zip(row.failure_reason).map(|(code, reason)| RowFailure {
                    class: row.failure_class,
                    code,
                    reason,
                    detail: row.failure_detail,
                }),
                queued_ms: ms(row.created_at, row.started_at.unwrap_or(now)),
                run_ms: row.started_at.filter(|_| !waits).map(|started| ms(started, row.ended_at.unwrap_or(now))),
                id: row.id.into(),
                kind: row.kind,
                stage: row.stage,
                lane: row.lane.parse().unwrap_or_default(),
                attempt: row.attempt,
                failures: row.failures,
                max_failures: row.max_failures,
                limits_factor: row.limits_factor,
                asset_id: row.asset_id.map(Into::into),
                asset_title: row.asset_title,
                file_name: row.file_name,
                input_sha256: row.input_sha256,
                owner_id: row.owner_id.map(Into::into),
                owner_name: row.owner_name,
                progress: Progress { done: row.progress_done, total: row.progress_total },
                used_memory_bytes: row.used_memory_bytes,
                used_cpu_seconds: row.used_cpu_seconds,
                created_at: row.created_at,
                run_at: row.run_at,
                started_at: row.started_at,
                ended_at: row.ended_at,
                worker: row.worker,
                host: row.host,
                request_id: row.request_id,
            })
        })
        .collect()
}

/// One job, if the filter means it.
pub async fn show(db: &PgPool, id: JobId, teacher: Option<AccountId>, now: OffsetDateTime) -> Result<Option<Row>> {
    Ok(list(db, &Filter { teacher, ..Filter::one(id) }, None, 1, now).await?.pop())
}

/// Dead jobs that died of the same cause.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(example = json!({"stage": "extract", "class": "poison", "code": "pdf_encrypted", "count": 12,
    "reason": "this PDF is protected by a password; remove it and upload the file again",
    "example": "0193a5f2-7777-7c10-9d7e-2f1f0c3d9a10", "last_at": "2026-11-20T09:30:02Z"}))]
pub struct DeadGroup {
    pub stage: String,
    /// `poison`, `transient`, `resource`, `dependency` or `lost`.
    pub class: Option<String>,
    pub code: String,
    pub count: i64,
    /// The sentence of the last one.
    pub reason: String,
    /// The last one.
    pub example: JobId,
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_at: Option<OffsetDateTime>,
}

/// The dead by class and code, the most frequent first; a teacher's own courses' only, when one is given.
pub async fn dead(db: &PgPool, teacher: Option<AccountId>) -> Result<Vec<DeadGroup>> {
    let rows = sqlx::query!(
        "select j.stage, j.failure_class, j.failure_code as \"code!\", count(*) as \"count!\",
                (array_agg(j.failure_reason order by j.ended_at desc nulls last, j.id desc))[1] as \"reason!\",
                (array_agg(j.id order by j.ended_at desc nulls last, j.id desc))[1] as \"example!\", max(j.ended_at) as last_at
           from jobs j
          where j.state = 'dead'
            and ($1::uuid is null or exists (
                  select 1 from assets a join courses c on c.id = a.course_id where a.id = j.asset_id and c.owner_id = $1))
          group by j.stage, j.failure_class, j.failure_code order by count(*) desc, j.stage, j.failure_code",
        teacher.map(|id| id.0),
    )
    .fetch_all(db)
    .await
    .context("group the dead jobs")?;
    let groups = rows.into_iter().map(|row| DeadGroup {
        stage: row.stage,
        class: row.failure_class,
        code: row.code,
        count: row.count,
        reason: row.reason,
        example: row.example.into(),
        last_at: row.last_at,
    });
    Ok(groups.collect())
}

fn state(text: &str) -> Result<State> {
    text.parse().map_err(anyhow::Error::msg)
}
