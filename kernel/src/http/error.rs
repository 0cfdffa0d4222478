//! Errors as RFC 9457 `application/problem+json`, with a stable `code` and the request id.

use std::borrow::Cow;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::{debug, error};

use super::request_id::current_request_id;
use crate::dependency::{self, Dependency};
use crate::env::Env;

/// What a handler answers when it cannot do what was asked.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after: Option<u32>,
    blamed: Option<Blamed>,
}

/// When to come back if nobody knows better, in seconds.
const RETRY_AFTER: u32 = 5;

/// One field of the request that is not right.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the body, or the parameter's name.
    #[schema(example = "/email")]
    pub pointer: String,
    #[schema(example = "must be an e-mail address")]
    pub detail: String,
}

/// The body of every error answer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the code says more.
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[schema(example = "Not Found")]
    pub title: &'static str,
    #[schema(example = 404)]
    pub status: u16,
    #[schema(example = "there is nothing here, or you may not see it")]
    pub detail: String,
    /// Stable, for programs and translations.
    #[schema(example = "not_found")]
    pub code: String,
    pub request_id: Option<String>,
    /// Fields that are not right, all at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl ApiError {
    /// An error with this status, code and sentence.
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code: code.into(), detail: detail.into(), errors: Vec::new(), retry_after: None, blamed: None }
    }

    /// 400
    pub fn bad_request(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 401
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "sign in first")
    }

    /// 403: it may be seen, but not done.
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "your account may not do this")
    }

    /// 404: not there, or not to be seen by who is asking. The two cannot be told apart, on purpose.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here, or you may not see it")
    }

    /// 409
    pub fn conflict(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 422 with all that is wrong.
    pub fn unprocessable(errors: Vec<FieldError>) -> Self {
        let mut error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", "some fields are not right");
        error.errors = errors;
        error
    }

    /// 503 with when to come back, in seconds.
    pub fn unavailable(code: &'static str, detail: impl Into<Cow<'static, str>>, retry_after: u32) -> Self {
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        error.retry_after = Some(retry_after);
        error
    }

    /// The same status with another code and sentence.
    pub fn because(mut self, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        self.code = code.into();
        self.detail = detail.into();
        self
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn code(&self) -> &str {
        &self.code
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = Problem {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail.into_owned(),
            code: self.code.into_owned(),
            request_id: current_request_id(),
            errors: self.errors,
        };
        let mut response = (self.status, axum::Json(problem)).into_response();
        if let Some(blamed) = self.blamed {
            response.extensions_mut().insert(blamed);
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::PAYLOAD_TOO_LARGE {
            // The rest of the body is not read, so nothing else can come over this connection.
            headers.insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// As for any error, but a row that is not there is 404.
impl From<sqlx::Error> for ApiError {
    fn from(cause: sqlx::Error) -> Self {
        match cause {
            sqlx::Error::RowNotFound => Self::not_found(),
            cause => anyhow::Error::from(cause).into(),
        }
    }
}

/// A service that is away is 503, a full disk 507; everything else unforeseen is 500, logged once, here.
impl From<anyhow::Error> for ApiError {
    fn from(cause: anyhow::Error) -> Self {
        if dependency::storage_full(&cause) {
            error!("no space left: {cause:#}");
            return Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "disk_full",
                "the server's disk is full; tell its operator, and try again later",
            );
        }
        let Some(dependency) = dependency::blamed(&cause) else { return internal(&cause) };
        // Once per outage is enough in the log: the breaker says it. This is for whoever looks closer.
        debug!("{dependency} {}: {cause:#}", dependency.trouble());
        let code = format!("{}_down", dependency.as_str());
        let mut error =
            Self::new(StatusCode::SERVICE_UNAVAILABLE, code, format!("{dependency} {}; try again in a moment", dependency.trouble()));
        error.retry_after = Some(RETRY_AFTER);
        error.blamed = Some(Blamed(dependency, format!("{cause:#}")));
        error
    }
}

/// Left in the extensions of an answer for [`report_blame`].
#[derive(Clone, Debug)]
struct Blamed(Dependency, String);

/// Middleware: tells the breakers which service an answer blames, and the client when that is asked again.
pub async fn report_blame(State(env): State<Env>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(Blamed(dependency, detail)) = response.extensions_mut().remove() {
        env.breakers.report_down(dependency, detail);
        response.headers_mut().insert(header::RETRY_AFTER, env.breakers.retry_after(dependency).into());
    }
    response
}

fn internal(cause: &anyhow::Error) -> ApiError {
    error!("a request failed: {cause:#}");
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong on our side; the request id helps us to find it")
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;
    use crate::dependency::Down;

    fn answer(cause: anyhow::Error) -> (u16, String) {
        let error = ApiError::from(cause);
        (error.status.as_u16(), error.code.into_owned())
    }

    #[test]
    fn what_is_away_is_503_what_is_full_507_and_what_is_wrong_500() {
        let away = Err::<(), _>(Down(Dependency::Objects)).context("fetch the poster").unwrap_err();
        assert_eq!(answer(away), (503, "objects_down".into()));
        let gone = anyhow::Error::from(sqlx::Error::PoolTimedOut).context("list courses");
        assert_eq!(answer(gone), (503, "database_down".into()));
        let full = anyhow::Error::from(std::io::Error::from(std::io::ErrorKind::StorageFull)).context(Down(Dependency::Objects));
        assert_eq!(answer(full), (507, "disk_full".into()));
        assert_eq!(answer(anyhow::anyhow!("a mistake")), (500, "internal".into()));
        assert_eq!(ApiError::from(sqlx::Error::RowNotFound).status(), StatusCode::NOT_FOUND);
    }
}
