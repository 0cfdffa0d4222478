//! What systemd is told: that the process is ready, that it stops, and, as its watchdog asks, that it still works.
//! Where nobody asked (no NOTIFY_SOCKET) nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

/// Says that everything is open and running, and from now on feeds the watchdog.
///
/// The watchdog is fed by a task of the runtime, through the drain as well: a process whose runtime stands still is
/// started again. That a dependency is away is no reason for that, so nothing else is asked.
pub fn ready() {
    tell(NotifyState::Ready);
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    tokio::spawn(async move {
        let mut beats = tokio::time::interval((limit / 3).max(Duration::from_millis(100)));
        loop {
            beats.tick().await;
            tell(NotifyState::Watchdog);
        }
    });
}

/// Says that running jobs are being finished or handed back.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!("cannot tell systemd: {error}");
    }
}
