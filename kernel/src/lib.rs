//! What two or more rooms share, and nothing heavy: the environment, ids, the job ledger, the doorbell, the object
//! store, who may see what, and the manners of HTTP. It knows no media library, no model and no search index.

pub mod access;
pub mod breaker;
pub mod captions_name;
pub mod chaos;
pub mod child;
pub mod config;
pub mod db;
pub mod dependency;
pub mod env;
pub mod events;
pub mod forecast;
pub mod http;
pub mod id;
pub mod index_marks;
pub mod jobs;
pub mod language;
pub mod leases;
pub mod locator;
pub mod media;
pub mod pipeline;
pub mod queue;
pub mod store;
pub mod telemetry;
pub mod testing;
#[cfg(feature = "testing")]
pub mod testing_s3;
