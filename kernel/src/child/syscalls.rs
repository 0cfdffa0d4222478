//! Which system calls a child may make: a list of what computing, threads and its own files need. Everything else is
//! answered as by a kernel that does not have it, so that libraries take their other way; what no reader of files
//! ever needs ends the process with SIGSYS, since somebody else has taken it over.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpArgLen::Qword, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule,
};

/// Allowed with any arguments.
const ALLOWED: &[c_long] = &[
    // memory
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_mincore,
    libc::SYS_get_mempolicy,
    // its own files, as far as Landlock lets it
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fadvise64,
    libc::SYS_fallocate,
    libc::SYS_fcntl,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_lseek,
    libc::SYS_mkdirat,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_unlinkat,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_eventfd2,
    // threads, signals to itself, time
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_get_robust_list,
    libc::SYS_getcpu,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_membarrier,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_sigaltstack,
    // who and where am I
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getpriority,
    libc::SYS_getuid,
    libc::SYS_sysinfo,
    libc::SYS_times,
    libc::SYS_umask,
    libc::SYS_uname,
];

/// Allowed as well where the machine has them beside their successors.
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[c_long] = &[
    libc::SYS_access,
    libc::SYS_arch_prctl,
    libc::SYS_dup2,
    libc::SYS_getrlimit,
    libc::SYS_lstat,
    libc::SYS_mkdir,
    libc::SYS_open,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_rmdir,
    libc::SYS_select,
    libc::SYS_stat,
    libc::SYS_time,
    libc::SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[c_long] = &[];

/// No reader of files needs these: networks, other programs, other processes, the machine.
const FATAL: &[c_long] = &[
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_listen,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_capset,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_mknodat,
];

#[cfg(target_arch = "x86_64")]
const FATAL_HERE: &[c_long] = &[libc::SYS_fork, libc::SYS_vfork, libc::SYS_link, libc::SYS_symlink, libc::SYS_mknod];
#[cfg(not(target_arch = "x86_64"))]
const FATAL_HERE: &[c_long] = &[];

/// Names a piece of memory; glibc does.
const PR_SET_VMA: libc::c_int = 0x5356_4d41;

/// Puts the filters on the calling thread and those it will start. The process must have `no_new_privs` set.
///
/// # Errors
/// When the kernel has no seccomp filters.
pub(super) fn lock() -> Result<(), seccompiler::Error> {
    // Where both have a say, the kernel takes the harsher word.
    seccompiler::apply_filter_all_threads(&fatal()?)?;
    seccompiler::apply_filter_all_threads(&allowed()?)
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn any(calls: &[&[c_long]]) -> Rules {
    calls.iter().flat_map(|list| list.iter()).map(|call| (*call, vec![])).collect()
}

fn compile(rules: Rules, otherwise: SeccompAction, matching: SeccompAction) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(rules, otherwise, matching, std::env::consts::ARCH.try_into()?)?.try_into()
}

fn fatal() -> Result<BpfProgram, BackendError> {
    let mut rules = any(&[FATAL, FATAL_HERE]);
    let not_me = || rule([(0, Dword, SeccompCmpOp::Ne, u64::from(std::process::id()))]);
    rules.insert(libc::SYS_kill, vec![not_me()?]);
    rules.insert(libc::SYS_tgkill, vec![not_me()?]);
    // clone3 hides its flags in memory: it does not exist here, and glibc falls back to this one.
    rules.insert(libc::SYS_clone, vec![rule([(0, Qword, masked(libc::CLONE_THREAD), 0)])?]);
    compile(rules, SeccompAction::Allow, SeccompAction::KillProcess)
}

fn allowed() -> Result<BpfProgram, BackendError> {
    let mut rules = any(&[ALLOWED, ALLOWED_HERE]);
    let thread = libc::CLONE_THREAD;
    rules.insert(libc::SYS_clone, vec![rule([(0, Qword, masked(thread), thread as u64)])?]);
    rules.insert(libc::SYS_kill, vec![]);
    rules.insert(libc::SYS_tgkill, vec![]);
    // Names of threads and of memory, nothing that changes what the child may do.
    let option = |option: libc::c_int| rule([(0, Dword, SeccompCmpOp::Eq, option as u64)]);
    rules.insert(libc::SYS_prctl, vec![option(libc::PR_SET_NAME)?, option(libc::PR_GET_NAME)?, option(PR_SET_VMA)?]);
    // Its own limits may be read, not set.
    rules.insert(libc::SYS_prlimit64, vec![rule([(0, Dword, SeccompCmpOp::Eq, 0), (2, Qword, SeccompCmpOp::Eq, 0)])?]);
    // Is this a terminal?
    rules.insert(libc::SYS_ioctl, vec![rule([(1, Dword, SeccompCmpOp::Eq, libc::TCGETS)])?]);
    compile(rules, SeccompAction::Errno(libc::ENOSYS as u32), SeccompAction::Allow)
}

fn masked(flag: libc::c_int) -> SeccompCmpOp {
    SeccompCmpOp::MaskedEq(flag as u64)
}

/// One rule: all of these arguments compare so.
fn rule<const N: usize>(conditions: [(u8, seccompiler::SeccompCmpArgLen, SeccompCmpOp, u64); N]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(
        conditions
            .into_iter()
            .map(|(argument, length, operator, value)| SeccompCondition::new(argument, length, operator, value))
            .collect::<Result<_, _>>()?,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_both_allowed_and_fatal() {
        let fatal = any(&[FATAL, FATAL_HERE]);
        let both: Vec<_> = ALLOWED.iter().chain(ALLOWED_HERE).filter(|call| fatal.contains_key(call)).collect();
        assert!(both.is_empty(), "{both:?}");
        assert!(lock_compiles());
    }

    fn lock_compiles() -> bool {
        fatal().is_ok() && allowed().is_ok()
    }
}
