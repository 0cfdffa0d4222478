//! End-to-end tests against the real program: it is started as people start it, spoken to over HTTP, and killed.

mod arrows;
mod backup;
mod bad_input;

mod certificate;
mod crash_points;
mod delivery;
mod deploy;
mod doctor;
mod editing;
mod faults;
mod metrics;
mod openapi;
mod operate;
mod operations;
mod program;
mod speech;
mod spine;
mod traces;
mod up;
mod versions;
