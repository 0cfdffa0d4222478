//! Serves bytes over HTTP: single ranges, HEAD, revalidation, the right MIME type, and headers under which no upload can
//! run as a page. Used for signed objects here, and for streams by `lms::delivery`.

use std::ops::Range;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::response::Builder;
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
        return Err(link_invalid());
    }
    let meta = env.store.head(&key).await?.ok_or_else(ApiError::not_found)?;
    let about = About {
        media_type: known_media_type(key.file_name()).unwrap_or(&served.media_type),
        bytes: meta.bytes,
        etag: format!("\"{}\"", percent_encode(key.as_str())),
        // Objects never change under their key; the address itself expires.
        cache: "private, max-age=3600, immutable",
    };
    let mut response = match begin(&method, &headers, &about) {
        Begun::Done(response) => response,
        Begun::Wanted(response, range) => finish(response, Body::from_stream(env.store.open(&key, range).await?))?,
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy(&served)));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::try_from(disposition(&served)).map_err(anyhow::Error::from)?);
    Ok(response)
}

/// What is refused to whoever comes with a link that has ended or never was one.
pub fn link_invalid() -> ApiError {
    ApiError::forbidden().because("media_link_invalid", "this media link has expired or is not valid; reload the page")
}

/// What is known of bytes before they are read.
#[derive(Debug)]
pub struct About<'a> {
    pub media_type: &'a str,
    pub bytes: u64,
    /// In quotes, weak where it stands for several codings.
    pub etag: String,
    /// The `Cache-Control` header.
    pub cache: &'a str,
}

/// How to answer.
pub enum Begun {
    /// Without any bytes: HEAD, what the client has already, what is not there.
    Done(Response),
    /// With all of the bytes, or this part of them.
    Wanted(Builder, Option<Range<u64>>),
}

/// Decides what of the bytes is wanted (RFC 9110, sections 13 and 14).
pub fn begin(method: &Method, asked: &HeaderMap, about: &About) -> Begun {
    let media_type = HeaderValue::from_str(about.media_type).ok().filter(|value| !value.is_empty());
    let mut response = Response::builder()
        .header(header::CONTENT_TYPE, media_type.unwrap_or(HeaderValue::from_static("application/octet-stream")))
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, &about.etag)
        .header(header::CACHE_CONTROL, about.cache)
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
    let text = |name| asked.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    if text(header::IF_NONE_MATCH).is_some_and(|seen| seen.split(',').any(|tag| opaque(tag) == opaque(&about.etag))) {
        return Begun::Done(without_body(response.status(StatusCode::NOT_MODIFIED)));
    }
    // A part of another version is of no use: then all of it is sent. Only a strong tag says that it is the same.
    let same = text(header::IF_RANGE).is_none_or(|seen| seen == about.etag && !seen.starts_with("W/"));
    let range = match text(header::RANGE).filter(|_| same).map(|text| parse_range(text, about.bytes)) {
        None | Some(Asked::Ignored) => None,
        Some(Asked::Part(range)) => Some(range),
        Some(Asked::Unsatisfiable) => {
            let headers = [(header::CONTENT_RANGE, format!("bytes */{}", about.bytes))];
            return Begun::Done((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response());
        }
    };
    let (status, length) = match &range {
        Some(part) => {
            response = response.header(header::CONTENT_RANGE, format!("bytes {}-{}/{}", part.start, part.end - 1, about.bytes));
            (StatusCode::PARTIAL_CONTENT, part.end - part.start)
        }
        None => (StatusCode::OK, about.bytes),
    };
    let response = response.status(status).header(header::CONTENT_LENGTH, length);
    if method == Method::HEAD { Begun::Done(without_body(response)) } else { Begun::Wanted(response, range) }
}

/// The answer with its bytes.
pub fn finish(response: Builder, body: Body) -> Result<Response, ApiError> {
    Ok(response.body(body).map_err(anyhow::Error::from)?)
}

fn without_body(response: Builder) -> Response {
    response.body(Body::empty()).unwrap_or_else(|error| ApiError::from(anyhow::Error::from(error)).into_response())
}

/// The MIME type that goes with the name of something derived.
pub fn known_media_type(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "m3u8" => "application/vnd.apple.mpegurl",
        "m4s" => "video/iso.segment",
        "mp4" => "video/mp4",
        "vtt" => "text/vtt; charset=utf-8",
        "jpg" => "image/jpeg",
        "json" => "application/json",
        "pdf" => "application/pdf",
        _ => return None,
    })
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

    fn asked(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    /// Status, range and length of the answer.
    fn outcome(method: Method, pairs: &[(header::HeaderName, &str)]) -> (u16, Option<Range<u64>>, Option<String>) {
        let about = About { media_type: "video/mp4", bytes: 10, etag: "\"a\"".into(), cache: "no-store" };
        let (response, range) = match begin(&method, &asked(pairs), &about) {
            Begun::Done(response) => (response, None),
            Begun::Wanted(response, range) => (finish(response, Body::empty()).unwrap(), range),
        };
        let length = response.headers().get(header::CONTENT_LENGTH).map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), range, length)
    }

    #[test]
    fn an_answer_is_whole_a_part_or_nothing_new() {
        let length = |n: u64| Some(n.to_string());
        assert_eq!(outcome(Method::GET, &[]), (200, None, length(10)));
        assert_eq!(outcome(Method::GET, &[(header::RANGE, "bytes=2-4")]), (206, Some(2..5), length(3)));
        assert_eq!(outcome(Method::HEAD, &[(header::RANGE, "bytes=2-4")]), (206, None, length(3)));
        assert_eq!(outcome(Method::HEAD, &[]), (200, None, length(10)));
        assert_eq!(outcome(Method::GET, &[(header::RANGE, "bytes=10-")]).0, 416);
        assert_eq!(outcome(Method::GET, &[(header::IF_NONE_MATCH, "\"b\", W/\"a\"")]).0, 304);
        assert_eq!(outcome(Method::GET, &[(header::IF_NONE_MATCH, "\"b\"")]).0, 200);
        assert_eq!(outcome(Method::GET, &[(header::RANGE, "bytes=2-4"), (header::IF_RANGE, "\"a\"")]).0, 206);
        assert_eq!(outcome(Method::GET, &[(header::RANGE, "bytes=2-4"), (header::IF_RANGE, "\"b\"")]).0, 200);
    }
}
