//! Edits that name the version they were made from, so that nobody's work is overwritten unseen.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use super::ApiError;

/// The `ETag` of a version.
pub fn etag(version: i32) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).expect("a number in quotes is a header value")
}

/// The version that an edit was made from; None for `*`, which is any. `what` names what is edited, for the sentence of 428.
pub fn if_match(headers: &HeaderMap, what: &str) -> Result<Option<i32>, ApiError> {
    let required = || {
        let detail = format!("send If-Match with the ETag of the {what} you have changed, so that nobody's work is overwritten");
        ApiError::new(StatusCode::PRECONDITION_REQUIRED, "if_match_required", detail)
    };
    let text = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok()).ok_or_else(required)?.trim();
    // What is no version of ours matches none: -1 never is one. A proxy that compresses may have made the tag weak.
    Ok((text != "*").then(|| text.trim_start_matches("W/").trim_matches('"').parse().unwrap_or(-1)))
}

/// 412: the edit was made from a version that is no longer the last one.
pub fn overtaken(what: &str) -> ApiError {
    let detail = format!("somebody else has changed {what} meanwhile; reload the page and make your change again");
    ApiError::new(StatusCode::PRECONDITION_FAILED, "version_conflict", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_names_its_version() {
        let with =
            |text: &'static str| if_match(&HeaderMap::from_iter([(header::IF_MATCH, HeaderValue::from_static(text))]), "course").unwrap();
        assert_eq!(with("\"7\""), Some(7));
        assert_eq!(with("W/\"7\""), Some(7));
        assert_eq!(with("*"), None);
        assert_eq!(with("\"abc\""), Some(-1));
        assert_eq!(if_match(&HeaderMap::new(), "course").unwrap_err().status(), StatusCode::PRECONDITION_REQUIRED);
    }
}
