//! Takes over changed pools while running: when the configuration file changes, and on SIGHUP.
//!
//! Only what stands under `stages` is taken over; everything else waits for the next start. A file that cannot be read
//! changes nothing, and the log says why.

use std::path::Path;
use std::time::{Duration, SystemTime};

use kernel::config::Config;
use kernel::env::Env;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Watches until `stop`.
pub async fn run(env: Env, stop: CancellationToken) {
    let Some(file) = env.config.paths.file.clone() else { return };
    let Ok(mut hangups) = signal(SignalKind::hangup()) else { return };
    let mut seen = changed_at(&file);
    loop {
        let asked = tokio::select! {
            _ = hangups.recv() => true,
            () = tokio::time::sleep(LOOK) => false,
            () = stop.cancelled() => return,
        };
        let now = changed_at(&file);
        if !asked && (now == seen || now.is_none()) {
            continue;
        }
        seen = now;
        match Config::load(Some(&file)) {
            Ok(config) => {
                info!("{} is read again", file.display());
                env.pools.reload(config);
                if let Err(error) = env.pools.refresh(&env.db).await {
                    error!("the pools stay as they were: {error:#}");
                }
            }
            Err(error) => error!("the pools stay as they were: {error:#}"),
        }
    }
}

fn changed_at(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|meta| meta.modified()).ok()
}
