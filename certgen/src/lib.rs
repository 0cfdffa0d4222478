//! Certificates: their layout, their PDF, the job that issues them, and the answer to "is this one real?".
//!
//! It does not decide who has earned one: `lms` writes the row when a learner completes a course.

pub mod fonts;
mod http;
mod job;
pub mod layout;
mod lines;
mod marker;
pub mod pdf;
mod qr;
#[cfg(test)]
mod tests;
mod verify;

pub use http::router;
pub use job::{register, verify_url};
pub use verify::{Verdict, verify_file};
