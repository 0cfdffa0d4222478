//! One id per request, from the header to logs, jobs and children.

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use crate::events::Cause;
use crate::http::Principal;
use crate::jobs::Lane;
use crate::telemetry::trace::{self, Traceparent};

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request being answered.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// The id of the request on whose behalf this task runs, if it is one.
pub fn current_request_id() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Middleware: the trace id of a W3C `traceparent`, else a sane `X-Request-Id`, else an id of our own, which is a trace
/// id as well; and answers with it. A caller who traces and sends both is answered with the trace id.
pub async fn request_id(mut request: Request, next: Next) -> Response {
    let (id, caller) = identify(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let span =
        tracing::info_span!("http", otel.kind = "server", request_id = %id, method = %request.method(), path = %request.uri().path());
    trace::begin(&span, &id, caller.as_ref());
    let mut response = CURRENT.scope(id.clone(), next.run(request).instrument(span)).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// The id of a request with these headers, and the trace that it continues.
fn identify(headers: &HeaderMap) -> (String, Option<Traceparent>) {
    let header = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let caller = header(&TRACEPARENT).and_then(Traceparent::parse);
    let id = match (&caller, header(&HEADER).filter(|id| sane(id))) {
        (Some(caller), _) => caller.trace_id.clone(),
        (None, Some(given)) => given.to_owned(),
        (None, None) => uuid::Uuid::now_v7().simple().to_string(),
    };
    (id, caller)
}

fn sane(id: &str) -> bool {
    (8..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self(uuid::Uuid::now_v7().simple().to_string())))
    }
}

impl Cause {
    /// A change that this person asks for in this request.
    pub fn http(principal: &Principal, request_id: &RequestId) -> Self {
        Self { request_id: Some(request_id.0.clone()), account_id: Some(principal.account_id), job_id: None, lane: Lane::Interactive }
    }
}
