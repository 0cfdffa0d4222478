//! Manners of HTTP that all rooms share: errors, who is asking, pages of lists, request ids.

mod auth;
mod error;
mod etag;
mod json;
mod page;
mod request_id;

pub use auth::{Principal, Role, Tokens};
pub use error::{ApiError, FieldError, Problem, report_blame};
pub use etag::{etag, if_match, overtaken};
pub use json::{Json, check};
pub use page::{Cursor, Page, PageQuery};
pub use request_id::{RequestId, request_id};
