//! Ids and queries out of a request, whose errors are problems too.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use kernel::http::ApiError;
use serde::de::DeserializeOwned;

/// The id in the path. A text that is no id names nothing: 404.
pub struct Id<T>(pub T);

/// The query string, in which a key may be repeated for a list; what cannot be read is 400 `query_invalid`.
pub struct Params<T>(pub T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| ApiError::not_found())?;
        text.parse().map(Self).map_err(|_| ApiError::not_found())
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let params = serde_html_form::from_str(parts.uri.query().unwrap_or_default())
            .map_err(|error| ApiError::bad_request("query_invalid", format!("the query string cannot be read: {error}")))?;
        Ok(Self(params))
    }
}
