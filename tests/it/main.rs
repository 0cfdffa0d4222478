//! End-to-end tests against the real program: it is started as people start it, spoken to over HTTP, and killed.

mod arrows;
mod bad_input;
mod certificate;
mod crash_points;
mod doctor;
mod faults;
mod openapi;
mod program;
mod spine;
mod up;
