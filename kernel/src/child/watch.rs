//! Looks at a living child: how much memory is resident, and how much it put on the disk.
//!
//! `ru_maxrss` is of no use here: it starts with what the parent had resident when it forked.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Limits;
use super::ending::Cut;

/// How often it looks.
pub const BEAT: Duration = Duration::from_millis(250);
/// Weighing a large folder takes time: at most this share of it is spent so.
const WEIGHING_SHARE: u32 = 50;
/// What an entry of a folder costs at least, bytes.
const BLOCK: u64 = 4096;

/// Bytes resident now, and at most so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Memory {
    pub now: u64,
    pub peak: u64,
}

/// Looks until the child exceeds a limit. `peak` holds the largest seen.
pub(super) async fn watch(pid: i32, dir: &Path, before: u64, limits: &Limits, peak: &AtomicU64) -> Cut {
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut next_weighing = Instant::now();
    loop {
        beats.tick().await;
        if let Some(memory) = fs::File::open(format!("/proc/{pid}/status")).ok().and_then(read_status) {
            peak.fetch_max(memory.peak, Ordering::Relaxed);
            if memory.now > limits.memory_bytes {
                return Cut::Memory;
            }
        }
        if Instant::now() >= next_weighing {
            let begun = Instant::now();
            let weight = weigh_apart(dir.to_owned(), Some(pid)).await;
            if weight.saturating_sub(before) > limits.scratch_bytes {
                return Cut::Scratch;
            }
            next_weighing = Instant::now() + begun.elapsed() * WEIGHING_SHARE;
        }
    }
}

/// [`weigh`], where waiting for a disk holds nobody up.
pub(super) async fn weigh_apart(dir: PathBuf, pid: Option<i32>) -> u64 {
    tokio::task::spawn_blocking(move || weigh(&dir) + pid.map_or(0, weigh_unlinked)).await.unwrap_or(u64::MAX)
}

/// Bytes of everything below a folder. Follows no links; what vanishes meanwhile weighs nothing.
fn weigh(dir: &Path) -> u64 {
    let mut sum = 0_u64;
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                folders.push(entry.path());
            }
            sum = sum.saturating_add(metadata.len().max(BLOCK));
        }
    }
    sum
}

/// Bytes of files that the process holds open without a name: they fill the disk as well.
fn weigh_unlinked(pid: i32) -> u64 {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let files = files.filter_map(|entry| fs::metadata(entry.path()).ok());
    files.filter(|metadata| metadata.is_file() && metadata.nlink() == 0).map(|metadata| metadata.len()).sum()
}

/// The two lines of `/proc/PID/status` that matter; `None` for a process that has ended.
pub(super) fn read_status(mut file: fs::File) -> Option<Memory> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    parse_status(&text)
}

fn parse_status(text: &str) -> Option<Memory> {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    };
    Some(Memory { now: value("VmRSS:")?, peak: value("VmHWM:")? })
}

/// Processes that the kernel has ended for want of memory since it started, in this machine.
pub(super) fn kernel_oom_kills() -> u64 {
    let text = fs::read_to_string("/proc/vmstat").unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_lines_of_the_kernel_and_the_dead_have_none() {
        let text = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t1\n";
        assert_eq!(parse_status(text), Some(Memory { now: 1 << 20, peak: 2 << 20 }));
        assert_eq!(parse_status("Name:\tx\nState:\tZ (zombie)\n"), None);
    }

    #[test]
    fn a_folder_weighs_what_is_in_it_and_empty_files_weigh_a_block() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("inner")).unwrap();
        fs::write(dir.path().join("inner/large"), vec![0; 100_000]).unwrap();
        fs::write(dir.path().join("empty"), "").unwrap();
        std::os::unix::fs::symlink("/usr", dir.path().join("inner/link")).unwrap();
        let folder = fs::metadata(dir.path().join("inner")).unwrap().len().max(BLOCK);
        assert_eq!(weigh(dir.path()), folder + 100_000 + 2 * BLOCK);
    }
}
