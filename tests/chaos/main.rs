//! The chaos harness: the real program under a storm of kills and faults, and a judge who must find nothing.
//!
//! `make chaos KILLS=1000 [SEED=…] [CONTROL=fencing|sweep|switch]`; see docs/operations.md. The last line says how it
//! went, and the exit code is 1 unless all of it is zero and the rescue is quick enough.

mod dice;
mod fleet;
mod judge;
mod labels;
mod material;
mod people;
mod rescue;
mod storm;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use dice::Dice;
use fleet::Fleet;
use judge::Verdict;
use people::{Person, Promises};
use rescue::Rescues;
use storm::Score;

/// 99 of 100 jobs of killed workers must run again within this.
const RESCUE_LIMIT_SECONDS: f64 = 30.0;

struct Plan {
    kills: u64,
    /// Kills between two looks at everything.
    round: u64,
    seed: u64,
    /// The protection that is left out, or nothing.
    control: String,
    /// The broker rings instead of the database.
    rabbitmq: bool,
    /// Objects are in an S3 server instead of a folder.
    s3: bool,
}

impl Plan {
    fn from_environment() -> Result<Self> {
        let number = |name: &str| -> Result<Option<u64>> {
            match std::env::var(name) {
                Ok(text) if !text.is_empty() => Ok(Some(text.parse().with_context(|| format!("{name} must be a number"))?)),
                _ => Ok(None),
            }
        };
        let control = std::env::var("CONTROL").unwrap_or_default();
        anyhow::ensure!(
            matches!(control.as_str(), "" | "fencing" | "sweep" | "switch"),
            "CONTROL is fencing, sweep or switch, not {control:?}"
        );
        let choice = |name: &str, plain: &str, other: &str| -> Result<bool> {
            let chosen = std::env::var(name).unwrap_or_default();
            anyhow::ensure!(chosen.is_empty() || chosen == plain || chosen == other, "{name} is {plain} or {other}, not {chosen:?}");
            Ok(chosen == other)
        };
        let drawn = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.as_secs());
        Ok(Self {
            kills: number("KILLS")?.unwrap_or(40),
            round: number("ROUND")?.unwrap_or(100),
            seed: number("SEED")?.unwrap_or(drawn),
            control,
            rabbitmq: choice("BACKEND", "postgres", "rabbitmq")?,
            s3: choice("STORE", "directory", "s3")?,
        })
    }
}

fn main() -> ExitCode {
    // Cargo runs this as a test among others: without being asked it does nothing.
    if std::env::args().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let plan = match Plan::from_environment() {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            return ExitCode::from(2);
        }
    };
    let named = [
        ("CONTROL", plan.control.as_str()),
        ("BACKEND", if plan.rabbitmq { "rabbitmq" } else { "" }),
        ("STORE", if plan.s3 { "s3" } else { "" }),
    ];
    let named: String = named.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!(" {name}={value}")).collect();
    let repeat = format!("repeat with: make chaos KILLS={} SEED={}{named}", plan.kills, plan.seed);
    println!("{repeat}");
    let root = tempfile::Builder::new().prefix("lh-chaos.").tempdir_in("/tmp").expect("a folder in /tmp");
    std::fs::set_permissions(root.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("open the folder");
    // Before there are threads: a mount namespace belongs to the one that makes it and those it starts.
    let tmpfs = small_disk(&root.path().join("data"));
    if let Err(why) = &tmpfs {
        println!("disk full: skipped, {why}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    match runtime.block_on(run(&plan, root.path(), tmpfs.is_ok())) {
        Ok(true) => {
            drop_small_disk(root.path());
            ExitCode::SUCCESS
        }
        outcome => {
            if let Err(error) = outcome {
                println!("chaos: {error:#}");
            }
            // The small disk ends with this process.
            let data = root.path().join("data");
            let _ = std::process::Command::new("cp").arg("-a").arg(&data).arg(root.path().join("data-at-the-end")).status();
            drop_small_disk(root.path());
            let kept = root.keep();
            println!("logs and data are kept in {}; {repeat}", kept.display());
            ExitCode::FAILURE
        }
    }
}

/// A file system of its own for the data folder, which can be filled without harm.
fn small_disk(data: &Path) -> Result<(), String> {
    std::fs::create_dir_all(data).map_err(|error| error.to_string())?;
    let target = std::ffi::CString::new(data.as_os_str().as_encoded_bytes()).map_err(|error| error.to_string())?;
    // SAFETY: plain system calls with strings that live as long as the calls.
    unsafe {
        if libc::unshare(libc::CLONE_NEWNS) != 0 {
            return Err("it needs root for a file system of its own".into());
        }
        let root = c"/".as_ptr();
        let private = libc::mount(c"none".as_ptr(), root, std::ptr::null(), libc::MS_REC | libc::MS_PRIVATE, std::ptr::null());
        let options = c"size=768m,mode=0755".as_ptr().cast();
        if private != 0 || libc::mount(c"tmpfs".as_ptr(), target.as_ptr(), c"tmpfs".as_ptr(), 0, options) != 0 {
            return Err(format!("tmpfs cannot be mounted: {}", std::io::Error::last_os_error()));
        }
    }
    Ok(())
}

/// Lets go of the small disk, if there is one: a folder on which something is mounted cannot be removed.
fn drop_small_disk(root: &Path) {
    if let Ok(target) = std::ffi::CString::new(root.join("data").as_os_str().as_encoded_bytes()) {
        // SAFETY: a plain system call with a string that lives as long as the call.
        unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
    }
}

/// The whole run; true when there is nothing to complain about.
async fn run(plan: &Plan, root: &Path, tmpfs: bool) -> Result<bool> {
    let begun = Instant::now();
    let dice = Dice::new(plan.seed);
    labels::agree(Path::new(env!("CARGO_BIN_EXE_learnhub")))?;
    let fleet = Fleet::new(root, &plan.control, plan.rabbitmq, plan.s3).await?;
    let (score, rescues, promises) = (Score::default(), Rescues::default(), Promises::default());
    promises.open.store(true, Ordering::Relaxed);
    let rest_limit = Duration::from_secs(if plan.control.is_empty() { 180 } else { 30 });

    let work = async {
        let teacher = Person::new(&fleet, "Ada", "instructor").await?;
        let course = people::course(&fleet, &teacher, "Under fire").await?;
        let mut learners = Vec::new();
        for name in ["Bo", "Cy", "Di"] {
            let learner = Person::new(&fleet, name, "student").await?;
            learner.insist(&format!("{}/courses/{course}/enrollments", fleet.api), serde_json::json!({})).await?;
            learners.push(learner);
        }
        // About five jobs come of an upload: a thousand kills meet more than two thousand.
        let uploads = (plan.kills * 9 / 20).max(12);
        let media = if plan.control == "switch" { 12 } else { 3 };
        let looking = people::look(&fleet, &promises, &learners[0], &dice);
        let busy = async {
            tokio::try_join!(
                people::upload(&fleet, &promises, &teacher, course, uploads, media, &dice),
                people::learn(&fleet, &promises, &teacher, &learners, (plan.kills / 60).max(1), &dice),
            )
        };
        let rounds = rounds(plan, &fleet, &score, &dice, &promises, rest_limit, tmpfs);
        let busy = async {
            match busy.await {
                Ok(_) => std::future::pending().await,
                Err(error) => error,
            }
        };
        tokio::select! {
            verdict = rounds => verdict,
            error = busy => Err(error),
            () = looking => unreachable!("looking never ends"),
        }
    };
    let waiting = Mutex::new(Vec::new());
    let died = |_name: &'static str, pid: i32| waiting.lock().expect("deaths").push(pid);
    let tell = async {
        loop {
            let pids = std::mem::take(&mut *waiting.lock().expect("deaths"));
            for pid in pids {
                rescues.died(&fleet.db, pid).await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let verdict = tokio::select! {
        verdict = work => verdict,
        () = fleet.supervise(died) => unreachable!("supervising never ends"),
        () = rescues.watch(&fleet.db) => unreachable!("watching never ends"),
        () = tell => unreachable!("telling never ends"),
    };
    let clean = match &verdict {
        Ok(verdict) => report(plan, &fleet, &score, &rescues, &promises, verdict, begun).await?,
        Err(_) => false,
    };
    fleet.stop().await;
    verdict.map(|_| clean)
}

/// Storms with a look at everything in between; ends early when a look finds something.
async fn rounds(
    plan: &Plan,
    fleet: &Fleet,
    score: &Score,
    dice: &Dice,
    promises: &Promises,
    rest_limit: Duration,
    tmpfs: bool,
) -> Result<Verdict> {
    let mut until = 0;
    loop {
        until = (until + plan.round).min(plan.kills);
        storm::storm(fleet, score, dice, until, &plan.control, tmpfs).await?;
        let last = until == plan.kills;
        if last {
            promises.open.store(false, Ordering::Relaxed);
            while promises.ended.load(Ordering::Relaxed) < 2 {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        promises.paused.store(true, Ordering::Relaxed);
        for member in &fleet.members {
            fleet.signal(member.name, libc::SIGCONT);
        }
        let rested = judge::rest(fleet, rest_limit).await;
        let verdict = judge::judge(fleet, promises).await?;
        let uploads = promises.uploads.lock().expect("promises").len();
        println!(
            "{:>5} kills, {uploads} uploads: {}",
            score.kills(),
            match (rested, verdict.is_clean()) {
                (true, true) => "at rest, nothing to complain about".to_owned(),
                (true, false) => format!("{} complaints", verdict.all().len()),
                (false, _) => format!("no rest within {rest_limit:?}, {} complaints", verdict.all().len()),
            }
        );
        if last || !verdict.is_clean() {
            return Ok(verdict);
        }
        promises.paused.store(false, Ordering::Relaxed);
    }
}

/// The tables and the last line; true when all is as it must be.
async fn report(
    plan: &Plan,
    fleet: &Fleet,
    score: &Score,
    rescues: &Rescues,
    promises: &Promises,
    verdict: &Verdict,
    begun: Instant,
) -> Result<bool> {
    let jobs: Vec<(String, i64, i64, i64)> =
        sqlx::query_as("select kind, count(*), sum(attempt)::bigint, sum(failures)::bigint from jobs group by kind order by kind")
            .fetch_all(&fleet.db)
            .await?;
    println!("\n{:<20}{:>8}{:>10}{:>10}", "job", "jobs", "attempts", "failures");
    for (kind, count, attempts, failures) in &jobs {
        println!("{kind:<20}{count:>8}{attempts:>10}{failures:>10}");
    }
    let total: i64 = jobs.iter().map(|job| job.1).sum();
    println!("{:<20}{total:>8}", "all");
    println!("\n{:<40}{:>6}", "fault", "times");
    for (kind, count) in score.by_kind.lock().expect("score").iter() {
        println!("{kind:<40}{count:>6}");
    }
    for (kind, why) in score.skipped.lock().expect("score").iter() {
        println!("{kind}: skipped at least once, {why}");
    }
    let points = score.points.lock().expect("score");
    println!("\n{:<40}{:>6}", "crash point", "kills");
    let labels: Vec<&str> = storm::labels(fleet).collect();
    for label in &labels {
        println!("{label:<40}{:>6}", points.get(label).copied().unwrap_or(0));
    }
    let least = labels.iter().map(|label| points.get(label).copied().unwrap_or(0)).min().unwrap_or(0);
    let hit = labels.iter().filter(|label| points.contains_key(*label)).count();
    println!("{hit} of {} crash points hit, each at least {least} times", labels.len());
    let (rescued, median, p99) = rescues.summary();
    println!(
        "\n{} uploads and {} certificates were promised, {} looks were taken at them; {rescued} jobs lost their worker and ran again, half of them within {median:.1} s; {:.0} s in all, seed {}",
        promises.uploads.lock().expect("promises").len(),
        promises.certificates.lock().expect("promises").len(),
        promises.looks.load(Ordering::Relaxed),
        begun.elapsed().as_secs_f64(),
        plan.seed,
    );
    for offender in verdict.all().into_iter().take(40) {
        println!("RED: {offender}");
    }
    println!(
        "kills {}, lost {}, doubled {}, half-visible {}, orphans {}, rescue p99 {p99:.1} s",
        score.kills(),
        verdict.lost.len(),
        verdict.doubled.len(),
        verdict.half_visible.len(),
        verdict.orphans.len()
    );
    Ok(verdict.is_clean() && p99 <= RESCUE_LIMIT_SECONDS)
}
