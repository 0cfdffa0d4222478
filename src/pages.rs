//! The pages, compiled into the program, and the headers under which they run.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use kernel::env::Env;
use kernel::http::ApiError;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "web/dist"]
struct Built;

/// Everything a page may load comes from here; hls.js and pdf.js work in blobs.
const POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; \
    worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

/// Built files under their names, and the application for every other address that a browser may ask for.
pub fn router() -> Router<Env> {
    Router::new().fallback(serve)
}

async fn serve(method: Method, uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    let of_the_program = ["api/", "media/", "stream/"].iter().any(|folder| path.starts_with(folder));
    if !matches!(method, Method::GET | Method::HEAD) || of_the_program {
        return ApiError::not_found().into_response();
    }
    if let Some(file) = Built::get(path).filter(|_| path != "index.html") {
        let kind = HeaderValue::from_str(file.metadata.mimetype()).unwrap_or(HeaderValue::from_static("application/octet-stream"));
        // Built names carry a hash of their contents.
        let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "public, max-age=300" };
        return ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, HeaderValue::from_static(cache))], file.data).into_response();
    }
    // A missing script must not be answered with a page.
    if path.rsplit('/').next().is_some_and(|name| name.contains('.')) {
        return ApiError::not_found().into_response();
    }
    match Built::get("index.html") {
        Some(page) => {
            ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], page.data).into_response()
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, "the pages were not built into this program: run `make build`").into_response(),
    }
}

/// Middleware: headers that every answer carries, unless it has set its own.
pub async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
