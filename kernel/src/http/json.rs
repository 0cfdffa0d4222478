//! JSON bodies whose errors are problems too.

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ApiError, FieldError};

/// A JSON body, in or out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(refuse(&rejection)),
        }
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn refuse(rejection: &JsonRejection) -> ApiError {
    let status = rejection.status();
    match status {
        StatusCode::UNPROCESSABLE_ENTITY => {
            ApiError::new(status, "validation_failed", format!("the body does not fit: {}", rejection.body_text()))
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ApiError::new(status, "json_expected", "send JSON with Content-Type: application/json"),
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(status, "body_too_large", "the body is larger than this route takes"),
        _ => ApiError::bad_request("json_invalid", format!("the body is not valid JSON: {}", rejection.body_text())),
    }
}

/// Collects what is wrong with a body, so that all of it is said at once.
///
/// Each check is a pointer, whether it holds, and what to say when it does not.
pub fn check<const N: usize>(checks: [(&str, bool, &str); N]) -> Result<(), ApiError> {
    let errors: Vec<_> = checks
        .into_iter()
        .filter(|(_, holds, _)| !holds)
        .map(|(pointer, _, detail)| FieldError { pointer: pointer.into(), detail: detail.into() })
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(ApiError::unprocessable(errors)) }
}
