//! The faults. Everything that happens is drawn from one seeded generator; kills are counted when they hit.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use kernel::chaos::CRASH_POINTS;
use kernel::testing_s3::Trouble;

use crate::dice::Dice;
use crate::fleet::{Fleet, LEASE_SECONDS};

/// Who may be killed at random, the more often the more often they are named.
const PROCESSES: [&str; 9] = ["worker-1", "worker-2", "worker-3", "worker-1", "worker-2", "worker-3", "api", "api", "search"];
const WORKERS: [&str; 3] = ["worker-1", "worker-2", "worker-3"];

/// The labels that can be met with these backends.
pub fn labels(fleet: &Fleet) -> impl Iterator<Item = &'static str> {
    let (relays, files) = (fleet.broker.is_some(), fleet.s3.is_none());
    CRASH_POINTS.iter().copied().filter(move |label| (relays || !label.starts_with("relay.")) && (files || !label.starts_with("object.")))
}

/// What was done, and how often.
#[derive(Default)]
pub struct Score {
    pub kills: AtomicU64,
    pub by_kind: Mutex<BTreeMap<&'static str, u64>>,
    /// Kills by crash point.
    pub points: Mutex<BTreeMap<&'static str, u64>>,
    /// What could not be done here, and why.
    pub skipped: Mutex<BTreeMap<&'static str, String>>,
}

impl Score {
    fn kill(&self, kind: &'static str) {
        self.kills.fetch_add(1, Ordering::Relaxed);
        self.note(kind);
    }

    fn note(&self, kind: &'static str) {
        *self.by_kind.lock().expect("score").entry(kind).or_default() += 1;
    }

    pub fn kills(&self) -> u64 {
        self.kills.load(Ordering::Relaxed)
    }
}

/// Faults until there are `until` kills, from two sides at once: crash points that are armed all the time, and kills
/// at moments of no meaning.
pub async fn storm(fleet: &Fleet, score: &Score, dice: &Dice, until: u64, control: &str, tmpfs: bool) -> Result<()> {
    let going = || score.kills() < until;
    let armed = async {
        while going() {
            arm(fleet, score, dice, control).await;
            tokio::time::sleep(dice.pause(20, 250)).await;
        }
        disarm(fleet);
    };
    let random = async {
        while going() {
            tokio::time::sleep(dice.pause(500, 1800)).await;
            strike(fleet, score, dice, tmpfs).await?;
        }
        anyhow::Ok(())
    };
    tokio::join!(armed, random).1
}

/// Arms the labels that were hit least and waits a little until one fires. A process that stands still at its label
/// wakes after its lease has been given away.
async fn arm(fleet: &Fleet, score: &Score, dice: &Dice, control: &str) {
    let mut labels: Vec<&'static str> = match control {
        "fencing" => vec!["ingest.looked", "child.after", "finish.begin"],
        "switch" => vec!["transcode.object", "finish.committed", "handler.begin"],
        _ => labels(fleet).collect(),
    };
    let hits = score.points.lock().expect("score").clone();
    let hits = |label: &&'static str| hits.get(label).copied().unwrap_or(0);
    labels.sort_by_cached_key(|label| (hits(label), dice.roll(1000)));
    // A label far down an upload's way is not reached while those before it are armed as well.
    let most = labels.first().map_or(0, hits) * 2 + 2;
    labels.retain(|label| hits(label) <= most);
    labels.truncate(6);
    let still = if control == "fencing" { 100 } else { 4 };
    for label in &labels {
        let what = if dice.roll(100) < still { "stop" } else { "kill" };
        let _ = std::fs::write(fleet.chaos.join("armed").join(label), format!("{what} {}", dice.roll(2)));
    }
    // A job is only handed back by a worker that is asked to stop.
    if labels.iter().any(|label| label.starts_with("release."))
        && let Some(name) = dice.pick(&WORKERS)
        && fleet.signal(name, libc::SIGTERM)
    {
        score.note("workers asked to stop");
    }
    // Attempts at a run write the same objects, so that hardly any is left over by itself.
    if labels.contains(&"janitor.deleted") {
        litter(fleet, dice);
    }
    let begun = Instant::now();
    let fired = loop {
        let fired = fired(fleet);
        if !fired.is_empty() || begun.elapsed() > Duration::from_millis(1500) {
            break fired;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    disarm(fleet);
    for (label, pid, stands_still) in fired.into_iter().chain(self::fired(fleet)) {
        if stands_still {
            score.note("zombies at a crash point");
            tokio::time::sleep(Duration::from_secs_f64(LEASE_SECONDS + 1.5)).await;
            // SAFETY: kill takes plain numbers; it stands still, so that its pid is still its own.
            unsafe { libc::kill(pid, libc::SIGCONT) };
        } else {
            score.kill("at a crash point");
            *score.points.lock().expect("score").entry(label).or_default() += 1;
        }
    }
}

/// An object of an attempt that nobody has made.
fn litter(fleet: &Fleet, dice: &Dice) {
    if fleet.s3.is_some() {
        return;
    }
    let folder = fleet.data.join(format!("objects/assets/{0}/{0}.1", uuid::Uuid::from_u64_pair(dice.roll(u64::MAX), dice.roll(u64::MAX))));
    let _ = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(folder.join("litter"), "litter"));
}

fn disarm(fleet: &Fleet) {
    for entry in std::fs::read_dir(fleet.chaos.join("armed")).into_iter().flatten().flatten() {
        let _ = std::fs::remove_file(entry.path());
    }
}

/// Labels that fired since the last look, in which process, and whether it stands still instead of being dead.
fn fired(fleet: &Fleet) -> Vec<(&'static str, i32, bool)> {
    let entries = std::fs::read_dir(fleet.chaos.join("fired")).into_iter().flatten().flatten();
    let mut fired = Vec::new();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        // The order has moved along with the file.
        let stands_still = std::fs::read_to_string(entry.path()).is_ok_and(|order| order.starts_with("stop"));
        let _ = std::fs::remove_file(entry.path());
        let Some((label, pid)) = name.split_once(' ') else { continue };
        let known = CRASH_POINTS.iter().find(|known| **known == label);
        if let (Some(label), Ok(pid)) = (known, pid.parse()) {
            fired.push((*label, pid, stands_still));
        }
    }
    fired
}

/// One fault at a moment of no meaning.
async fn strike(fleet: &Fleet, score: &Score, dice: &Dice, tmpfs: bool) -> Result<()> {
    match dice.roll(200) {
        0..70 => {
            if let Some(name) = dice.pick(&PROCESSES)
                && fleet.signal(name, libc::SIGKILL)
            {
                score.kill(if name.starts_with("worker") { "workers" } else { "API and search servers" });
            }
        }
        70..130 => {
            if let Some(pid) = dice.pick(&fleet.disposable()).copied() {
                // SAFETY: kill takes plain numbers; the process was just seen to be a child of a worker of ours.
                if unsafe { libc::kill(pid, libc::SIGKILL) } == 0 {
                    score.kill("disposable children");
                }
            }
        }
        130..140 => {
            if let Some(name) = dice.pick(&WORKERS)
                && fleet.signal(name, libc::SIGSTOP)
            {
                score.note("zombies");
                tokio::time::sleep(Duration::from_secs_f64(LEASE_SECONDS + 1.0)).await;
                fleet.signal(name, libc::SIGCONT);
            }
        }
        140..165 => {
            if let Some(name) = dice.pick(&WORKERS)
                && fleet.signal(name, libc::SIGTERM)
            {
                score.note("workers asked to stop");
            }
        }
        165..180 => {
            let ended: sqlx::Result<Vec<bool>> = sqlx::query_scalar(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'learnhub_app' and random() < 0.4",
            )
            .fetch_all(&fleet.db)
            .await;
            if ended.is_ok_and(|ended| !ended.is_empty()) {
                score.note("database sessions ended");
            }
        }
        180..183 => {
            fleet.restart_postgres().await?;
            score.kill("postmaster");
        }
        183..186 if fleet.broker.is_some() => {
            if fleet.restart_broker().await {
                score.kill("broker");
            }
        }
        183..192 => {
            ring(fleet, dice).await;
            score.note("bells rung ten times out of order");
        }
        192..196 => {
            if let Some((server, _)) = &fleet.s3 {
                let trouble = [Trouble::Answer(500), Trouble::Answer(503), Trouble::HangUp, Trouble::Truncate(100)];
                if let Some(trouble) = dice.pick(&trouble) {
                    server.trouble(10, *trouble, |_, _| true);
                    score.note("ten requests to the store fail");
                }
            } else if tmpfs {
                fill(fleet).await;
                score.note("disk full for two seconds");
            }
        }
        _ => {
            if let Some(name) = dice.pick(&WORKERS) {
                match break_fsync(fleet, name).await {
                    Ok(()) => score.note("fsync answers EIO for two seconds"),
                    Err(error) => drop(score.skipped.lock().expect("score").insert("fsync errors", format!("{error:#}"))),
                }
            }
        }
    }
    Ok(())
}

/// The same messages again and again, in any order, also of what has ended and of what nobody knows.
async fn ring(fleet: &Fleet, dice: &Dice) {
    let rows: sqlx::Result<Vec<String>> =
        sqlx::query_scalar("select stage || ' ' || id from jobs order by random() limit 30").fetch_all(&fleet.db).await;
    let mut messages: Vec<String> = rows.unwrap_or_default().into_iter().flat_map(|message| vec![message; 10]).collect();
    messages.push("nonsense".into());
    while !messages.is_empty() {
        let message = messages.swap_remove(dice.roll(messages.len() as u64) as usize);
        let _ = sqlx::query("select pg_notify('learnhub_jobs', $1)").bind(message).execute(&fleet.db).await;
    }
}

/// Fills the data folder's own file system to the last byte and frees it again.
async fn fill(fleet: &Fleet) {
    let path = fleet.data.join("filler");
    if let Ok(mut file) = std::fs::File::create(&path) {
        let block = vec![0; 1 << 20];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
        let _ = std::io::Write::write_all(&mut file, &block[..4096]);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let _ = std::fs::remove_file(path);
}

/// Every other fsync of a worker fails for a while.
async fn break_fsync(fleet: &Fleet, name: &str) -> Result<()> {
    let Some(pid) = fleet.pid(name) else { return Ok(()) };
    let mut strace = tokio::process::Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO:when=1+2"])
        .args(["-p", &pid.to_string()])
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| anyhow::anyhow!("strace cannot be started ({error}): install Debian's strace"))?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    // It ends well when its worker was killed meanwhile.
    if let Some(ended) = strace.try_wait()?
        && !ended.success()
    {
        anyhow::bail!("strace could not stay with a worker ({ended}): it was killed meanwhile, or this system does not let it trace");
    }
    // Asked to stop, it lets go of the worker; killed, it would too, but later.
    if let Some(id) = strace.id() {
        // SAFETY: kill takes plain numbers; strace has not been waited for.
        unsafe { libc::kill(id as i32, libc::SIGINT) };
    }
    let _ = tokio::time::timeout(Duration::from_secs(2), strace.wait()).await;
    Ok(())
}
