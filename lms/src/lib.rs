//! The core LMS: accounts and sessions, courses with their modules and lessons, enrollments and completions, and
//! what people see of assets and jobs. One resource, one file.
//!
//! Who may see what is decided in `kernel::access`; uploading is `ingest`'s, certificates are `certgen`'s.

mod accounts;
mod asset;
mod assets;
mod backlogs;
mod chapters;
mod completions;
mod courses;
mod delivery;
mod enrollments;
mod events;
mod extract;
mod jobs;
mod lessons;
mod me;
mod modules;
mod outline;
mod passwords;
mod playback;
mod posters;
mod progress;
mod sessions;
mod stages;
#[cfg(test)]
mod tests;
mod throttle;
mod viewing;

use kernel::env::Env;
use utoipa_axum::router::OpenApiRouter;

pub use accounts::{Account, create_account};
pub use delivery::router as streams;

/// Every route of this room, relative to `/api/v1`.
pub fn router() -> OpenApiRouter<Env> {
    [
        accounts::router(),
        sessions::router(),
        me::router(),
        courses::router(),
        modules::router(),
        lessons::router(),
        completions::router(),
        enrollments::router(),
        assets::router(),
        playback::router(),
        viewing::router(),
        chapters::router(),
        posters::router(),
        progress::router(),
        jobs::router(),
        backlogs::router(),
        stages::router(),
        events::router(),
    ]
    .into_iter()
    .fold(OpenApiRouter::new(), OpenApiRouter::merge)
}
