//! What operators see and set of stages, their pools, pauses, and the hosts that work. For admins.
//!
//! A change is written down with who made it, and felt by every worker at its next sweep.

use std::collections::BTreeMap;

use anyhow::Context;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use kernel::env::Env;
use kernel::http::{ApiError, FieldError, Json, Principal, Problem, RequestId, Role};
use kernel::jobs::audit::{self, Deed};
use kernel::jobs::overview::{self, StageView};
use kernel::jobs::pools::{self, Pause, Setting};
use kernel::jobs::workers::{self, Worker};
use kernel::jobs::{Stage, overview::running_on};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::Params;

pub(crate) fn router() -> OpenApiRouter<Env> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(hosts))
        .routes(routes!(setting, set, unset))
        .routes(routes!(pause, resume))
        .routes(routes!(drain, undrain))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OnHost {
    /// On this host only; on every host when not given.
    host: Option<String>,
}

/// Why something is paused.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "the encoder is being replaced"}))]
struct PauseReason {
    /// For whoever wonders why nothing happens; at most 500 characters.
    #[serde(default)]
    reason: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"value": 4}))]
struct SettingValue {
    /// A number, a text, or a list of words, as the key has it in `workers.toml`.
    #[schema(value_type = Object)]
    value: serde_json::Value,
}

/// A key of `workers.toml` as it is set now.
#[derive(Debug, Serialize, ToSchema)]
struct SettingView {
    #[schema(example = "stages.transcode.concurrency")]
    key: String,
    /// What operators set over the file: for every host, or for one. Empty: the file's value holds.
    set: Vec<Setting>,
}

/// A host, the processes that work on it, and whether it drains.
#[derive(Debug, Serialize, ToSchema)]
struct HostView {
    #[schema(example = "encoder-1")]
    host: String,
    /// Empty when none has reported within half a minute.
    workers: Vec<Worker>,
    /// Jobs that run there, by the ledger.
    running: i64,
    /// It takes no new jobs, since then and by this person.
    drain: Option<Pause>,
}

fn admin(who: &Principal) -> Result<(), ApiError> {
    if who.role == Role::Admin { Ok(()) } else { Err(ApiError::forbidden()) }
}

/// All stages: what waits in which lane, what runs where, how they are set, who paused them.
#[utoipa::path(
    get, path = "/stages", tag = "stages", security(("bearer" = [])),
    responses(
        (status = 200, body = Vec<StageView>),
        (status = 403, description = "for admins", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn list(State(env): State<Env>, who: Principal) -> Result<Json<Vec<StageView>>, ApiError> {
    admin(&who)?;
    Ok(Json(overview::stages(&env.db, &env.pools).await?))
}

/// Hosts with their worker processes, and those that drain.
#[utoipa::path(
    get, path = "/workers", tag = "stages", security(("bearer" = [])),
    responses(
        (status = 200, body = Vec<HostView>),
        (status = 403, description = "for admins", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn hosts(State(env): State<Env>, who: Principal) -> Result<Json<Vec<HostView>>, ApiError> {
    admin(&who)?;
    let mut found: BTreeMap<String, HostView> = BTreeMap::new();
    let view = |host: &str| HostView { host: host.to_owned(), workers: Vec::new(), running: 0, drain: None };
    for worker in workers::present(&env.db).await? {
        found.entry(worker.host.clone()).or_insert_with(|| view(&worker.host)).workers.push(worker);
    }
    for pause in pools::pauses(&env.db).await?.into_iter().filter(|pause| pause.stage.is_none()) {
        if let Some(host) = pause.host.clone() {
            found.entry(host.clone()).or_insert_with(|| view(&host)).drain = Some(pause);
        }
    }
    for (name, host) in &mut found {
        host.running = running_on(&env.db, name).await?;
    }
    Ok(Json(found.into_values().collect()))
}

/// What is set over the file for a key.
#[utoipa::path(
    get, path = "/settings/{key}", tag = "stages", security(("bearer" = [])),
    params(("key" = String, Path, description = "such as `stages.transcode.concurrency`")),
    responses(
        (status = 200, body = SettingView),
        (status = 403, description = "for admins", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`setting_unknown`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn setting(State(env): State<Env>, who: Principal, Path(key): Path<String>) -> Result<Json<SettingView>, ApiError> {
    admin(&who)?;
    known(&env, &key)?;
    let set = pools::settings(&env.db).await?.into_iter().filter(|set| set.key == key).collect();
    Ok(Json(SettingView { key, set }))
}

/// Set a key over the file, on one host or on all.
#[utoipa::path(
    put, path = "/settings/{key}", tag = "stages", security(("bearer" = [])),
    params(("key" = String, Path, description = "such as `stages.transcode.concurrency`"), OnHost), request_body = SettingValue,
    responses(
        (status = 200, body = SettingView),
        (status = 403, description = "for admins", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`setting_unknown`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "the value does not fit the key", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn set(
    State(env): State<Env>,
    who: Principal,
    request_id: RequestId,
    Path(key): Path<String>,
    Params(on): Params<OnHost>,
    Json(body): Json<SettingValue>,
) -> Result<Json<SettingView>, ApiError> {
    admin(&who)?;
    known(&env, &key)?;
    let host = host(on)?;
    let value = pools::as_text(&body.value)
        .context("a value is a number, a text or a list of words")
        .and_then(|text| env.pools.base().setting(&key, &text))
        .map_err(|error| ApiError::unprocessable(vec![FieldError { pointer: "/value".into(), detail: format!("{error:#}") }]))?;
    let mut conn = env.db.acquire().await?;
    let by = name(&mut conn, &who).await?;
    pools::set(&env.db, &key, host.as_deref(), &value, &by).await?;
    audit::record(&mut conn, &Deed::SettingChanged { key: key.clone(), host, value }, &by, Some(&request_id.0)).await?;
    drop(conn);
    setting(State(env), who, Path(key)).await
}

/// Take a setting back: the file's value holds again.
#[utoipa::path(
    delete, path = "/settings/{key}", tag = "stages", security(("bearer" = [])),
    params(("key" = String, Path, description = "such as `stages.transcode.concurrency`"), OnHost),
    responses(
        (status = 204, description = "it is not set any more"),
        (status = 403, description = "for admins", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "it was not set there", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn unset(
    State(env): State<Env>,
    who: Principal,
    request_id: RequestId,
    Path(key): Path<String>,
    Params(on): Params<OnHost>,
) -> Result<StatusCode, ApiError> {
    admin(&who)?;
    let host = host(on)?;
    if !pools::unset(&env.db, &key, host.as_deref()).await? {
        return Err(ApiError::not_found().because("setting_not_set", "this is not set there, so there is nothing to take back"));
    }
    note(&env, &who, &request_id, Deed::SettingRemoved { key, host }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Let a stage take no new jobs, on one host or on all; what runs goes on.
#[utoipa::path(
    put, path = "/stages/{stage}/pause", tag = "stages", security(("bearer" = [])),
    params(("stage" = String, Path), OnHost), request_body = PauseReason,
    responses(
        (status = 200, body = Vec<Pause>, description = "the stage's pauses"),
        (status = 403, description = "for admins", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`stage_unknown`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "the reason is too long", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn pause(
    State(env): State<Env>,
    who: Principal,
    request_id: RequestId,
    Path(text): Path<String>,
    Params(on): Params<OnHost>,
    Json(why): Json<PauseReason>,
) -> Result<Json<Vec<Pause>>, ApiError> {
    admin(&who)?;
    let (stage, host) = (stage(&text)?, host(on)?);
    stop(&env, &who, &request_id, Some(stage), host, why.reason).await
}

/// Let a paused stage take jobs again.
#[utoipa::path(
    delete, path = "/stages/{stage}/pause", tag = "stages", security(("bearer" = [])),
    params(("stage" = String, Path), OnHost),
    responses(
        (status = 204, description = "it takes jobs again"),
        (status = 403, description = "for admins", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_paused`, or `stage_unknown`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn resume(
    State(env): State<Env>,
    who: Principal,
    request_id: RequestId,
    Path(text): Path<String>,
    Params(on): Params<OnHost>,
) -> Result<StatusCode, ApiError> {
    admin(&who)?;
    let (stage, host) = (stage(&text)?, host(on)?);
    go_on(&env, &who, &request_id, Some(stage), host).await
}

/// Let a host take no new jobs at all; what runs goes on.
#[utoipa::path(
    put, path = "/hosts/{host}/drain", tag = "stages", security(("bearer" = [])),
    params(("host" = String, Path)), request_body = PauseReason,
    responses(
        (status = 200, body = Vec<Pause>, description = "what keeps the host from taking jobs"),
        (status = 403, description = "for admins", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "the reason or the name is too long", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn drain(
    State(env): State<Env>,
    who: Principal,
    request_id: RequestId,
    Path(text): Path<String>,
    Json(why): Json<PauseReason>,
) -> Result<Json<Vec<Pause>>, ApiError> {
    admin(&who)?;
    let host = host(OnHost { host: Some(text) })?;
    stop(&env, &who, &request_id, None, host, why.reason).await
}

/// Let a drained host take jobs again.
#[utoipa::path(
    delete, path = "/hosts/{host}/drain", tag = "stages", security(("bearer" = [])),
    params(("host" = String, Path)),
    responses(
        (status = 204, description = "it takes jobs again"),
        (status = 403, description = "for admins", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_paused`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn undrain(State(env): State<Env>, who: Principal, request_id: RequestId, Path(text): Path<String>) -> Result<StatusCode, ApiError> {
    admin(&who)?;
    let host = host(OnHost { host: Some(text) })?;
    go_on(&env, &who, &request_id, None, host).await
}

async fn stop(
    env: &Env,
    who: &Principal,
    request_id: &RequestId,
    stage: Option<Stage>,
    host: Option<String>,
    reason: String,
) -> Result<Json<Vec<Pause>>, ApiError> {
    kernel::http::check([("/reason", reason.chars().count() <= 500, "at most 500 characters")])?;
    let mut conn = env.db.acquire().await?;
    let by = name(&mut conn, who).await?;
    pools::pause(&env.db, stage, host.as_deref(), &reason, &by).await?;
    let deed = Deed::StagePaused { stage: stage.map(|stage| stage.to_string()), host: host.clone(), reason };
    audit::record(&mut conn, &deed, &by, Some(&request_id.0)).await?;
    let pauses = pools::pauses(&env.db).await?.into_iter().filter(|pause| match stage {
        Some(stage) => pause.stage == Some(stage),
        None => pause.host == host,
    });
    Ok(Json(pauses.collect()))
}

async fn go_on(
    env: &Env,
    who: &Principal,
    request_id: &RequestId,
    stage: Option<Stage>,
    host: Option<String>,
) -> Result<StatusCode, ApiError> {
    if !pools::resume(&env.db, stage, host.as_deref()).await? {
        return Err(ApiError::not_found().because("not_paused", "this is not paused there, so there is nothing to resume"));
    }
    note(env, who, request_id, Deed::StageResumed { stage: stage.map(|stage| stage.to_string()), host }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn note(env: &Env, who: &Principal, request_id: &RequestId, deed: Deed) -> Result<(), ApiError> {
    let mut conn = env.db.acquire().await?;
    let by = name(&mut conn, who).await?;
    Ok(audit::record(&mut conn, &deed, &by, Some(&request_id.0)).await?)
}

/// The person's name, for "paused by".
pub(crate) async fn name(conn: &mut PgConnection, who: &Principal) -> Result<String, ApiError> {
    let name = sqlx::query_scalar!("select name from accounts where id = $1", who.account_id.0).fetch_optional(conn).await?;
    Ok(name.unwrap_or_else(|| "a deleted account".into()))
}

fn stage(text: &str) -> Result<Stage, ApiError> {
    let known = || format!("no stage is called {text:?}; there are {}", Stage::ALL.map(Stage::as_str).join(", "));
    text.parse().map_err(|_| ApiError::new(StatusCode::NOT_FOUND, "stage_unknown", known()))
}

fn host(OnHost { host }: OnHost) -> Result<Option<String>, ApiError> {
    let fits = host.as_ref().is_none_or(|host| !host.trim().is_empty() && host.chars().count() <= 255);
    kernel::http::check([("host", fits, "a host's name has 1 to 255 characters")])?;
    Ok(host)
}

fn known(env: &Env, key: &str) -> Result<(), ApiError> {
    if key.starts_with("stages.") && env.pools.base().has_key(key) {
        return Ok(());
    }
    let detail = format!("{key:?} is no key of a stage; workers.toml lists them, such as stages.transcode.concurrency");
    Err(ApiError::new(StatusCode::NOT_FOUND, "setting_unknown", detail))
}
