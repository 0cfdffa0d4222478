//! What the operating system says about this process, under the names that every Prometheus client uses.

use std::fs;
use std::sync::OnceLock;

use metrics::gauge;

/// Sets the process's gauges. What /proc does not tell stays as it was.
pub(super) fn measure() {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(kilobytes) = field(&status, "VmRSS:") {
        gauge!("process_resident_memory_bytes").set(kilobytes * 1024.0);
    }
    if let Some(threads) = field(&status, "Threads:") {
        gauge!("process_threads").set(threads);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The listing itself holds one.
        gauge!("process_open_fds").set(open.count().saturating_sub(1) as f64);
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    if let Some(soft) = field(&limits, "Max open files") {
        gauge!("process_max_fds").set(soft);
    }
    gauge!("process_start_time_seconds").set(started());
}

/// The first number after `name`.
fn field(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// Unix time of the start: boot time and the clock ticks after it, field 22 of stat(5).
fn started() -> f64 {
    static STARTED: OnceLock<f64> = OnceLock::new();
    *STARTED.get_or_init(|| {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let ticks: Option<f64> = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(19)?.parse().ok());
        let boot = field(&fs::read_to_string("/proc/stat").unwrap_or_default(), "btime");
        // SAFETY: sysconf takes a plain number.
        let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
        match (ticks, boot) {
            (Some(ticks), Some(boot)) if per_second > 0.0 => boot + ticks / per_second,
            _ => 0.0,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_the_line_of_their_name() {
        assert_eq!(field("Name:\tx\nVmRSS:\t  120 kB\n", "VmRSS:"), Some(120.0));
        assert_eq!(field("Max open files            1024                 4096  files", "Max open files"), Some(1024.0));
        assert_eq!(field("", "VmRSS:"), None);
    }

    #[test]
    fn this_process_has_started_in_the_past_and_not_long_ago() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!(started() <= now + 1.0 && started() > now - 7.0 * 86400.0, "{} {now}", started());
    }
}
