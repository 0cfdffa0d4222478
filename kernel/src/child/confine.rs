//! What is set between fork and exec: limits that the kernel enforces, and that the child dies with its parent.

use std::io::{Error, Result};

use super::Limits;

/// Address space that a child may have beyond its memory limit, bytes: code, mapped files and reserved arenas are no
/// memory in use, but without any bound a child could outrun the watchdog.
const ADDRESS_SPACE_BEYOND: u64 = 1 << 30;

/// Confines the calling process and all it does from here on; `parent` is the process that forked it.
///
/// Async-signal-safe: system calls only.
pub(super) fn confine(limits: &Limits, parent: i32) -> Result<()> {
    let set = |what, soft: u64, hard: u64| {
        let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
        // SAFETY: `limit` is a valid rlimit for the length of the call.
        check(unsafe { libc::setrlimit(what, &limit) })
    };
    set(libc::RLIMIT_DATA, limits.memory_bytes, limits.memory_bytes)?;
    let space = limits.memory_bytes.saturating_add(ADDRESS_SPACE_BEYOND);
    set(libc::RLIMIT_AS, space, space)?;
    set(libc::RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 5)?;
    set(libc::RLIMIT_FSIZE, limits.file_bytes, limits.file_bytes)?;
    set(libc::RLIMIT_CORE, 0, 0)?;
    set(libc::RLIMIT_NOFILE, 256, 256)?;
    // SAFETY: these calls take plain numbers.
    unsafe {
        // A session of its own: no terminal to write to, and a group to end it with.
        check(libc::setsid())?;
        libc::umask(0o022);
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
        // The parent may have died before the line above. It may be process 1 itself, as in a container.
        if libc::getppid() != parent {
            libc::_exit(1);
        }
        // What a library of the parent forgot to close is none of the child's business. Older kernels cannot.
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
    Ok(())
}

fn check(answer: libc::c_int) -> Result<()> {
    if answer < 0 { Err(Error::last_os_error()) } else { Ok(()) }
}
