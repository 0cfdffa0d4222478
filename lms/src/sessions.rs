//! Sessions: a short-lived access token in the answer, and a refresh token in a cookie that scripts cannot read.
//!
//! A refresh token is spent once, for an access token and its own successor: its *family* is one sign-in. A token that is
//! used again after it was spent has been copied, so the whole family is revoked (RFC 9700, section 4.14.2). Two tabs, or a
//! request sent again after a lost answer, come within seconds of each other: for [`GRACE`] the second one is only
//! refused. Access tokens are not looked up; signing out ends them when they expire.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::env::Env;
use kernel::http::{ApiError, Json, Principal, Problem, Role};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use time::Duration;
use tracing::warn;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::accounts::Account;
use crate::throttle::Throttle;
use crate::{delivery, passwords};

pub(crate) fn router() -> OpenApiRouter<Env> {
    let throttle = Arc::new(Throttle::default());
    OpenApiRouter::new().routes(routes!(login)).layer(Extension(throttle)).routes(routes!(refresh)).routes(routes!(logout))
}

/// How long after it was spent a refresh token that comes again is taken for an accident.
const GRACE: Duration = Duration::seconds(5);
const COOKIE: &str = "refresh";
const COOKIE_PATH: &str = "/api/v1/auth";

#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"email": "ada@example.org", "password": "analytical engine"}))]
struct Credentials {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({"access_token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9…", "expires_in": 3600,
    "account": {"id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10", "email": "ada@example.org", "name": "Ada Lovelace", "role": "student"}}))]
struct Session {
    /// Send it as `Authorization: Bearer …`.
    access_token: String,
    /// Seconds until the access token expires.
    expires_in: i64,
    account: Account,
}

/// Sign in.
#[utoipa::path(
    post, path = "/auth/login", tag = "accounts", security(()), request_body = Credentials,
    responses(
        (status = 200, description = "signed in; the refresh token is in the cookie `refresh`", body = Session),
        (status = 401, description = "`credentials_invalid`, the same for a wrong password and an unknown address", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_attempts` for this account; `Retry-After` says when to come back", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn login(
    State(env): State<Env>,
    Extension(throttle): Extension<Arc<Throttle>>,
    Json(body): Json<Credentials>,
) -> Result<Response, ApiError> {
    let email = body.email.trim().to_ascii_lowercase();
    if let Err(wait) = throttle.attempt(&email, env.clock.now()) {
        let detail = "there were too many attempts to sign in to this account; wait some minutes";
        let refused = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", detail);
        return Ok(([(header::RETRY_AFTER, HeaderValue::from(wait.whole_seconds() + 1))], refused).into_response());
    }
    let found = sqlx::query!(r#"select id, email, name, role as "role: Role", password_hash from accounts where email = $1"#, email,)
        .fetch_optional(&env.db)
        .await?;
    let hash = found.as_ref().map(|row| row.password_hash.clone());
    let right = passwords::matches(body.password, hash).await?;
    let Some(row) = found.filter(|_| right) else {
        return Err(ApiError::unauthorized().because("credentials_invalid", "the e-mail address or the password is not right"));
    };
    throttle.succeeded(&email);
    let account = Account { id: row.id.into(), email: row.email, name: row.name, role: row.role };
    let mut conn = env.db.acquire().await?;
    let token = issue(&mut conn, &env, Uuid::now_v7(), &account).await?;
    answer(&env, account, &token)
}

/// Trade the refresh token for a new one and an access token.
#[utoipa::path(
    post, path = "/auth/refresh", tag = "accounts", security(()),
    responses(
        (status = 200, description = "a new access token; the cookie holds a new refresh token", body = Session),
        (status = 401, description = "`refresh_invalid`: unknown, expired, revoked or spent; sign in again", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn refresh(State(env): State<Env>, headers: HeaderMap) -> Result<Response, ApiError> {
    let token = cookie(&headers).ok_or_else(refused)?;
    let mut tx = env.db.begin().await?;
    // One statement spends it, so that of many requests at once a single one gets a successor. A successor that was
    // written while its family was being revoked is caught by looking at the family.
    let claimed = sqlx::query!(
        "update refresh_tokens t set spent_at = $2
          where token_hash = $1 and spent_at is null and expires_at > $2
            and not exists (select 1 from refresh_tokens f where f.family = t.family and f.revoked_at is not null)
         returning family, account_id",
        &digest(token)[..],
        env.clock.now(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(claimed) = claimed else {
        drop(tx);
        refuse_spent(&env, token).await?;
        return Err(refused());
    };
    let account =
        sqlx::query_as!(Account, r#"select id, email, name, role as "role: Role" from accounts where id = $1"#, claimed.account_id)
            .fetch_one(&mut *tx)
            .await?;
    let successor = issue(&mut tx, &env, claimed.family, &account).await?;
    tx.commit().await?;
    answer(&env, account, &successor)
}

/// Sign out.
#[utoipa::path(
    post, path = "/auth/logout", tag = "accounts", security(()),
    responses((status = 204, description = "signed out, or nobody was signed in")),
)]
async fn logout(State(env): State<Env>, headers: HeaderMap) -> Result<Response, ApiError> {
    if let Some(token) = cookie(&headers) {
        sqlx::query!(
            "update refresh_tokens set revoked_at = $2
              where revoked_at is null and family = (select family from refresh_tokens where token_hash = $1)",
            &digest(token)[..],
            env.clock.now(),
        )
        .execute(&env.db)
        .await?;
    }
    let ended = [set_cookie(&env, "", Duration::ZERO)?, delivery::session_cookie(&env, "", Duration::ZERO)?];
    Ok((StatusCode::NO_CONTENT, AppendHeaders(ended.map(|cookie| (header::SET_COOKIE, cookie)))).into_response())
}

/// Revokes the family of a token that was spent before, unless that was a moment ago.
async fn refuse_spent(env: &Env, token: &str) -> Result<(), ApiError> {
    let now = env.clock.now();
    let revoked = sqlx::query!(
        "update refresh_tokens set revoked_at = $2
          where revoked_at is null
            and family = (select family from refresh_tokens where token_hash = $1 and spent_at < $3 and revoked_at is null)",
        &digest(token)[..],
        now,
        now - GRACE,
    )
    .execute(&env.db)
    .await?;
    if revoked.rows_affected() > 0 {
        warn!("a refresh token was used again after it was spent; its sign-in was revoked");
    }
    Ok(())
}

/// Writes a fresh token of the family and returns it.
async fn issue(conn: &mut PgConnection, env: &Env, family: Uuid, account: &Account) -> Result<String, ApiError> {
    let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let now = env.clock.now();
    sqlx::query!(
        "insert into refresh_tokens (token_hash, family, account_id, issued_at, expires_at) values ($1, $2, $3, $4, $5)",
        &digest(&token)[..],
        family,
        account.id.0,
        now,
        now + life(env),
    )
    .execute(conn)
    .await?;
    Ok(token)
}

fn answer(env: &Env, account: Account, refresh_token: &str) -> Result<Response, ApiError> {
    let principal = Principal { account_id: account.id, role: account.role };
    let access_token = env.tokens.issue(&principal, env.clock.now())?;
    let session = Session { access_token, expires_in: env.tokens.life().whole_seconds(), account };
    let headers =
        [(header::SET_COOKIE, set_cookie(env, refresh_token, life(env))?), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((headers, Json(session)).into_response())
}

fn life(env: &Env) -> Duration {
    Duration::days(i64::from(env.config.http.refresh_token_days))
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn refused() -> ApiError {
    ApiError::unauthorized().because("refresh_invalid", "the session has ended; sign in again")
}

fn set_cookie(env: &Env, token: &str, life: Duration) -> Result<HeaderValue, ApiError> {
    let secure = if env.config.public_url().starts_with("https://") { "; Secure" } else { "" };
    let text = format!("{COOKIE}={token}; HttpOnly; SameSite=Strict; Path={COOKIE_PATH}; Max-Age={}{secure}", life.whole_seconds());
    Ok(HeaderValue::try_from(text).map_err(anyhow::Error::from)?)
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE && !value.is_empty()).then_some(value))
}
