//! What only the chaos harness switches: crash points, at which a process dies or stands still, and protections that
//! can be left out to see the harness notice. Compiled in under the feature `crash-points`; without it
//! [`crash_point!`](crate::crash_point) is nothing, and of the labels nothing is in the program.
//!
//! A process takes part when LEARNHUB_CHAOS names a folder. Whoever reaches a label whose file lies in `armed/` moves
//! the file to `fired/` and dies; the move succeeds once, so that of many processes one dies.

/// A protection that the harness can leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// The attempt's number in whatever a holder writes.
    Fencing,
    /// Rescuing, queueing again what is due, and ringing for what waits.
    Sweep,
    /// Writing the output row after what it makes real.
    Switch,
}

/// Marks a place at which a process may die, by a label of [`chaos::CRASH_POINTS`](crate::chaos).
#[cfg(feature = "crash-points")]
#[macro_export]
macro_rules! crash_point {
    ($label:literal) => {
        $crate::chaos::reach($label)
    };
}

/// Marks a place at which a process may die; nothing in this build.
#[cfg(not(feature = "crash-points"))]
#[macro_export]
macro_rules! crash_point {
    ($label:literal) => {};
}

/// Whether the harness has switched this protection off: never in this build.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub const fn without(_: Protection) -> bool {
    false
}

/// How long something without a row may be somebody's who has not written the row yet.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub const fn grace(usual: std::time::Duration) -> std::time::Duration {
    usual
}

#[cfg(feature = "crash-points")]
pub use armed::{CRASH_POINTS, grace, reach, without};

#[cfg(feature = "crash-points")]
mod armed {
    use std::path::PathBuf;
    use std::sync::LazyLock;
    use std::time::Duration;

    use super::Protection;

    /// Every label, in the order of an upload's life. The harness compares this list with the sources.
    pub const CRASH_POINTS: &[&str] = &[
        "upload.stored",
        "upload.recorded",
        "upload.committed",
        "completion.recorded",
        "completion.committed",
        "enqueue.written",
        "relay.heard",
        "relay.published",
        "claim.before",
        "claim.taken",
        "handler.begin",
        "handler.end",
        "ingest.looked",
        "transcode.fetched",
        "transcode.object",
        "encode.fetched",
        "encode.early",
        "encode.counted",
        "encode.drafted",
        "extract.fetched",
        "extract.object",
        "child.before",
        "child.after",
        "object.written",
        "object.placed",
        "embed.page",
        "index.written",
        "index.committed",
        "index.forgotten",
        "publish.switched",
        "certificate.stored",
        "certificate.recorded",
        "finish.begin",
        "finish.fenced",
        "finish.before_commit",
        "finish.committed",
        "fail.before_commit",
        "fail.committed",
        "release.before",
        "release.done",
        "heartbeat.before",
        "heartbeat.done",
        "rescue.found",
        "rescue.recorded",
        "ripen.done",
        "janitor.listed",
        "janitor.deleted",
    ];

    static FOLDER: LazyLock<Option<PathBuf>> = LazyLock::new(|| std::env::var_os("LEARNHUB_CHAOS").map(PathBuf::from));
    static WITHOUT: LazyLock<String> = LazyLock::new(|| std::env::var("LEARNHUB_CHAOS_WITHOUT").unwrap_or_default());

    /// Dies here, or stands still until somebody sends SIGCONT, if this label is armed. The armed file says `kill` or
    /// `stop`, and how many passes come before.
    pub fn reach(label: &str) {
        let Some(folder) = &*FOLDER else { return };
        let armed = folder.join("armed").join(label);
        let Ok(order) = std::fs::read_to_string(&armed) else { return };
        let (what, passes) = order.split_once(' ').unwrap_or((&order, "0"));
        if let Ok(passes @ 1..) = passes.trim().parse::<u32>() {
            // Two that count at the same time count one: it is no more than a random number anyway.
            let _ = std::fs::write(&armed, format!("{what} {}", passes - 1));
            return;
        }
        let fired = folder.join("fired").join(format!("{label} {}", std::process::id()));
        if std::fs::rename(&armed, fired).is_err() {
            return;
        }
        let signal = if what == "stop" { libc::SIGSTOP } else { libc::SIGKILL };
        // SAFETY: kill takes plain numbers, and this process is the target.
        unsafe { libc::kill(std::process::id() as i32, signal) };
    }

    /// Whether the harness has switched this protection off.
    pub fn without(protection: Protection) -> bool {
        let name = match protection {
            Protection::Fencing => "fencing",
            Protection::Sweep => "sweep",
            Protection::Switch => "switch",
        };
        *WITHOUT == name
    }

    /// A harness does not wait ten minutes to see what is swept: LEARNHUB_CHAOS_GRACE_SECONDS.
    pub fn grace(usual: Duration) -> Duration {
        let set = std::env::var("LEARNHUB_CHAOS_GRACE_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
        set.map_or(usual, Duration::from_secs)
    }
}
