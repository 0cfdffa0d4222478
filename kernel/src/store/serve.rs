//! Serves signed addresses: ranges, the right MIME type, and headers under which no upload can run as a page.

use std::ops::Range;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::signer::percent_encode;
use super::{Key, Served};
use crate::env::Env;
use crate::http::ApiError;

/// `GET` and `HEAD` of `/media/<token>/<key>`.
pub fn router() -> Router<Env> {
    Router::new().route("/media/{token}/{*key}", get(object))
}

async fn object(
    State(env): State<Env>,
    method: Method,
    Path((token, key)): Path<(String, String)>,
    Query(served): Query<Served>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let key = Key::parse(&key).map_err(|_| ApiError::not_found())?;
    if !env.signer.verify(&token, &key, &served, env.clock.now()) {
        return Err(ApiError::forbidden().because("media_link_invalid", "this media link has expired or is not valid; reload the page"));
    }
    let meta = env.store.head(&key).await?.ok_or_else(ApiError::not_found)?;
    let etag = format!("\"{}\"", percent_encode(key.as_str()));
    let mut response = Response::builder()
        .header(header::CONTENT_TYPE, media_type(&key, &served))
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, &etag)
        // Objects never change under their key; the address itself expires.
        .header(header::CACHE_CONTROL, "private, max-age=3600, immutable")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::CONTENT_SECURITY_POLICY, policy(&served))
        .header(header::CONTENT_DISPOSITION, disposition(&served));
    if headers.get(header::IF_NONE_MATCH).is_some_and(|seen| seen.as_bytes() == etag.as_bytes()) {
        return Ok(response.status(StatusCode::NOT_MODIFIED).body(Body::empty()).map_err(anyhow::Error::from)?);
    }
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let range = match range.map(|text| parse_range(text, meta.bytes)) {
        None | Some(Asked::Ignored) => None,
        Some(Asked::Part(range)) => Some(range),
        Some(Asked::Unsatisfiable) => {
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, format!("bytes */{}", meta.bytes))]).into_response());
        }
    };
    let (status, length) = match &range {
        Some(part) => {
            let value = format!("bytes {}-{}/{}", part.start, part.end - 1, meta.bytes);
            response = response.header(header::CONTENT_RANGE, value);
            (StatusCode::PARTIAL_CONTENT, part.end - part.start)
        }
        None => (StatusCode::OK, meta.bytes),
    };
    let body = if method == Method::HEAD { Body::empty() } else { Body::from_stream(env.store.open(&key, range).await?) };
    Ok(response.status(status).header(header::CONTENT_LENGTH, length).body(body).map_err(anyhow::Error::from)?)
}

/// The MIME type that goes with a derived object's name, or the one the address was signed with.
fn media_type(key: &Key, served: &Served) -> HeaderValue {
    let name = key.file_name();
    let known = match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("m3u8") => "application/vnd.apple.mpegurl",
        Some("m4s") => "video/iso.segment",
        Some("mp4") => "video/mp4",
        Some("vtt") => "text/vtt; charset=utf-8",
        Some("jpg") => "image/jpeg",
        Some("json") => "application/json",
        Some("pdf") => "application/pdf",
        _ if served.media_type.is_empty() => "application/octet-stream",
        _ => &served.media_type,
    };
    HeaderValue::from_str(known).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// Nothing may run and nothing may be loaded. Browsers refuse to show a PDF in a sandbox; their viewers are one.
fn policy(served: &Served) -> &'static str {
    if served.inline && served.media_type == "application/pdf" {
        "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'"
    } else {
        "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    }
}

fn disposition(served: &Served) -> String {
    let how = if served.inline || served.file_name.is_empty() && served.media_type.is_empty() { "inline" } else { "attachment" };
    if served.file_name.is_empty() { how.to_owned() } else { format!("{how}; filename*=UTF-8''{}", percent_encode(&served.file_name)) }
}

#[derive(Debug, PartialEq)]
enum Asked {
    Part(Range<u64>),
    Ignored,
    Unsatisfiable,
}

/// A `Range` header with one range (RFC 9110, section 14.2). Several ranges, or other units, are ignored.
fn parse_range(text: &str, length: u64) -> Asked {
    let Some(spec) = text.strip_prefix("bytes=") else { return Asked::Ignored };
    let Some((first, last)) = spec.split_once('-') else { return Asked::Ignored };
    let range = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Ok(first), Err(_)) if last.trim().is_empty() => first..length,
        (Err(_), Ok(suffix)) if first.trim().is_empty() => length.saturating_sub(suffix)..length,
        _ => return Asked::Ignored,
    };
    if range.start >= range.end { Asked::Unsatisfiable } else { Asked::Part(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (text, wanted) in [
            ("bytes=0-3", Asked::Part(0..4)),
            ("bytes=4-", Asked::Part(4..10)),
            ("bytes=-3", Asked::Part(7..10)),
            ("bytes=-99", Asked::Part(0..10)),
            ("bytes=8-99", Asked::Part(8..10)),
            ("bytes=10-", Asked::Unsatisfiable),
            ("bytes=-0", Asked::Unsatisfiable),
            ("bytes=5-2", Asked::Ignored),
            ("bytes=0-1,3-4", Asked::Ignored),
            ("items=0-1", Asked::Ignored),
            ("bytes=18446744073709551615-", Asked::Unsatisfiable),
        ] {
            assert_eq!(parse_range(text, 10), wanted, "{text}");
        }
    }

    #[test]
    fn an_upload_is_saved_and_not_shown_unless_signed_as_inline() {
        let upload = Served { media_type: "text/html".into(), file_name: "a \"b\".html".into(), inline: false };
        assert_eq!(disposition(&upload), "attachment; filename*=UTF-8''a%20%22b%22.html");
        assert_eq!(disposition(&Served::default()), "inline");
    }
}
