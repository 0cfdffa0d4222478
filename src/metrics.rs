//! What a process answers to those who watch it: whether it lives, whether it is ready, and its numbers.

use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use kernel::db;
use kernel::env::Env;
use kernel::http::ApiError;
use kernel::telemetry;
use tracing::{debug, info, warn};

/// How long a scrape waits for the database.
const PATIENCE: Duration = Duration::from_secs(3);

/// `/livez`, `/readyz` and `/metrics`.
pub fn router() -> Router<Env> {
    Router::new().route("/livez", get(|| async { "ok\n" })).route("/readyz", get(ready)).route("/metrics", get(metrics))
}

/// Ready when the database answers and has our schema.
async fn ready(State(env): State<Env>) -> Result<&'static str, ApiError> {
    match tokio::time::timeout(Duration::from_secs(2), db::pending_migrations(&env.db)).await {
        Ok(Ok(0)) => Ok("ok\n"),
        _ => Err(ApiError::unavailable("not_ready", "the database does not answer or is being migrated", 5)),
    }
}

/// Answers without the database too, with what is known without it: that is when somebody looks.
async fn metrics(State(env): State<Env>) -> Response {
    match tokio::time::timeout(PATIENCE, telemetry::snapshot(&env)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!("the metrics lack the ledger: {error:#}"),
        Err(_) => warn!("the metrics lack the ledger: the database did not answer within {PATIENCE:?}"),
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], telemetry::render_metrics()).into_response()
}

/// Middleware: counts requests by route, never by address, since addresses hold ids.
pub async fn count(request: Request, next: Next) -> Response {
    let begun = std::time::Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "other".to_owned(), |path| path.as_str().to_owned());
    let response = next.run(request).await;
    let (status, took) = (response.status(), begun.elapsed());
    telemetry::http_request(method.as_str(), &route, status.as_u16(), took.as_secs_f64());
    let took_ms = took.as_millis() as u64;
    // What reads is left to the metrics; what changes something has a line under its id.
    if method.is_safe() && !status.is_server_error() {
        debug!(status = status.as_u16(), took_ms, "answered {method} {route}");
    } else {
        info!(status = status.as_u16(), took_ms, "answered {method} {route}");
    }
    response
}
