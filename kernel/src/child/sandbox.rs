//! The lock that a child puts on itself before it opens what it was sent: Landlock for files and ports, seccomp for
//! system calls. Neither can be taken off again, and threads inherit both.
//!
//! Older kernels offer less: what holds is reported, to the parent with every run and to people by `doctor`.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
    Scope, make_bitflags,
};
use serde::{Deserialize, Serialize};

use super::syscalls;

/// The newest Landlock that this was tried with: files (1 to 3), TCP ports (4), devices (5), signals (6).
const NEWEST: ABI = ABI::V6;

/// What holds a child.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confined {
    /// Version of the kernel's Landlock; 0 when it has none.
    pub landlock_abi: i32,
    pub landlock: Enforced,
    pub seccomp: bool,
    /// What went wrong, if anything did.
    pub trouble: Option<String>,
}

/// How much of the wanted rules the kernel enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforced {
    Fully,
    Partly,
    Not,
}

impl Confined {
    /// Whether everything wanted is enforced.
    pub fn is_whole(&self) -> bool {
        self.landlock == Enforced::Fully && self.seccomp
    }
}

impl fmt::Display for Confined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.landlock {
            Enforced::Fully => write!(f, "Landlock version {}", self.landlock_abi)?,
            Enforced::Partly => write!(f, "Landlock version {}, which knows only some of the rules", self.landlock_abi)?,
            Enforced::Not => write!(f, "no Landlock")?,
        }
        f.write_str(if self.seccomp { ", seccomp" } else { ", no seccomp" })?;
        self.trouble.as_ref().map_or(Ok(()), |trouble| write!(f, " ({trouble})"))
    }
}

/// Locks the calling thread in, for ever: it may read the folder it runs in and `reads`, write below `writes`, and
/// make the system calls of a program that only computes.
pub(super) fn enter(reads: &[PathBuf], writes: &[PathBuf]) -> Confined {
    // Asked before seccomp makes the kernel forget it.
    let landlock_abi = landlock_abi();
    let mut trouble = Vec::new();
    let landlock = lock_files(reads, writes).unwrap_or_else(|error| {
        trouble.push(format!("Landlock: {error}"));
        Enforced::Not
    });
    let seccomp = syscalls::lock().map_err(|error| trouble.push(format!("seccomp: {error}"))).is_ok();
    let trouble = (!trouble.is_empty()).then(|| trouble.join("; "));
    Confined { landlock_abi, landlock, seccomp, trouble }
}

fn lock_files(reads: &[PathBuf], writes: &[PathBuf]) -> Result<Enforced, RulesetError> {
    let look = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    // No links, devices, sockets or pipes: nothing that whoever reads the outputs could trip over.
    let change = make_bitflags!(AccessFs::{WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir | Refer});
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    let here = [PathBuf::from(".")];
    let readable = here.iter().chain(reads).map(|path| (path, look));
    let wanted = readable.chain(writes.iter().map(|path| (path, look | change)));
    // What is not there cannot be opened either.
    let rules = wanted.filter_map(|(path, access)| rule(path, access)).try_fold(rules, |rules, rule| rules.add_rule(rule))?;
    Ok(match rules.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Enforced::Fully,
        RulesetStatus::PartiallyEnforced => Enforced::Partly,
        RulesetStatus::NotEnforced => Enforced::Not,
    })
}

/// Rules for a program that is not ours: it may read and run what its user may, but writes only below `dir` and to devices,
/// and reaches no TCP port and no process outside. None where the kernel has no Landlock.
pub(super) fn rules_for_outsiders(dir: &Path) -> Option<OwnedFd> {
    let change = make_bitflags!(AccessFs::{
        WriteFile | Truncate | MakeReg | MakeDir | MakeSym | MakeSock | MakeFifo | MakeChar | MakeBlock | RemoveFile | RemoveDir | Refer
    });
    let scratch = make_bitflags!(AccessFs::{WriteFile | Truncate | MakeReg | RemoveFile});
    let rules = || {
        let rules = Ruleset::default()
            .handle_access(change)?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?;
        let places = [(dir, change), (Path::new("/dev"), scratch)];
        places.into_iter().filter_map(|(path, access)| rule(path, access)).try_fold(rules, |rules, rule| rules.add_rule(rule))
    };
    rules().ok()?.into()
}

fn rule(path: &Path, access: BitFlags<AccessFs>) -> Option<PathBeneath<PathFd>> {
    let is_dir = path.metadata().ok()?.is_dir();
    let access = if is_dir { access } else { access & AccessFs::from_file(NEWEST) };
    Some(PathBeneath::new(PathFd::new(path).ok()?, access))
}

/// The version of the kernel's Landlock; for people, decisions are the library's.
fn landlock_abi() -> i32 {
    const SYS_LANDLOCK_CREATE_RULESET: libc::c_long = 444;
    const VERSION: libc::c_uint = 1;
    // SAFETY: asked for its version, the call takes no pointer.
    let answer = unsafe { libc::syscall(SYS_LANDLOCK_CREATE_RULESET, std::ptr::null::<libc::c_void>(), 0_usize, VERSION) };
    answer.max(0) as i32
}
