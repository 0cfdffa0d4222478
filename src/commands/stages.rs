//! `learnhub stages` and `learnhub workers`: pools, pauses and hosts at the command line.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kernel::env::Env;
use kernel::jobs::Stage;
use kernel::jobs::audit::{self, Deed};
use kernel::jobs::overview::{self, StageView};
use kernel::jobs::pools::{self, Pause};
use kernel::jobs::workers::{self, Worker};

use super::{operator, print};
use crate::cli::Stages;
use crate::commands::print::say;
use crate::world::World;

pub async fn run(world: &World, command: Stages) -> Result<ExitCode> {
    let env = &world.env;
    match command {
        Stages::Ls { json } => list(env, json).await?,
        Stages::Set { pairs, host } => set(env, &pairs, host.as_deref()).await?,
        Stages::Unset { keys, host } => {
            for key in keys.iter().map(|key| full(key)) {
                if !pools::unset(&env.db, &key, host.as_deref()).await? {
                    bail!("{key} is not set{}; `learnhub stages ls --json` shows what is", on(host.as_deref()));
                }
                record(env, Deed::SettingRemoved { key: key.clone(), host: host.clone() }).await?;
                say!("{key}: the configuration file's value holds again{}", on(host.as_deref()));
            }
        }
        Stages::Pause { stage, host, reason } => {
            pause(env, Some(stage), host.as_deref(), &reason).await?;
            say!("{stage} takes no new jobs{}; what runs goes on", on(host.as_deref()));
        }
        Stages::Resume { stage, host } => {
            resume(env, Some(stage), host.as_deref()).await?;
            say!("{stage} takes jobs again{}", on(host.as_deref()));
        }
        Stages::Drain { host, wait, reason } => {
            pause(env, None, Some(&host), &reason).await?;
            if !workers::present(&env.db).await?.iter().any(|worker| worker.host == host) {
                eprintln!("no worker has reported from {host} lately; it will take no jobs when one comes");
            }
            if wait {
                until_drained(env, &host).await?;
            }
            say!("{host} takes no new jobs; {} still running", overview::running_on(&env.db, &host).await?);
        }
        Stages::Undrain { host } => {
            resume(env, None, Some(&host)).await?;
            say!("{host} takes jobs again");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Processes that work now.
pub async fn workers(world: &World, json: bool) -> Result<ExitCode> {
    let present = workers::present(&world.env.db).await?;
    if json {
        print::json(&present)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = present.iter().flat_map(pool_rows).collect();
    print::table(&["host", "process", "version", "stage", "running", "of", "takes nothing because of"], &rows);
    Ok(ExitCode::SUCCESS)
}

fn pool_rows(worker: &Worker) -> Vec<Vec<String>> {
    let word = |closed| serde_json::to_value(closed).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default();
    let row = |pool: &workers::PoolReport| {
        vec![
            worker.host.clone(),
            worker.name.rsplit(':').next().unwrap_or_default().to_owned(),
            worker.version.clone(),
            pool.stage.to_string(),
            pool.running.to_string(),
            pool.concurrency.to_string(),
            word(pool.closed),
        ]
    };
    worker.pools.iter().map(row).collect()
}

async fn list(env: &Env, json: bool) -> Result<()> {
    let stages = overview::stages(&env.db, &env.pools).await?;
    if json {
        return print::json(&stages);
    }
    let rows: Vec<Vec<String>> = stages.iter().map(cells).collect();
    let header = ["stage", "interactive", "default", "backfill", "parked", "running", "dead", "oldest", "concurrency", "hosts", "paused"];
    print::table(&header, &rows);
    Ok(())
}

fn cells(stage: &StageView) -> Vec<String> {
    let mut cells = vec![stage.stage.to_string()];
    cells.extend(stage.lanes.iter().map(|lane| lane.queued.to_string()));
    cells.extend([stage.parked, stage.running, stage.dead].map(|count| count.to_string()));
    cells.push(stage.oldest_queued_seconds.map(age).unwrap_or_default());
    cells.push(stage.concurrency.to_string());
    cells.push(stage.hosts.iter().map(|host| host.host.as_str()).collect::<Vec<_>>().join(" "));
    cells.push(stage.pauses.iter().map(paused).collect::<Vec<_>>().join("; "));
    cells
}

fn paused(pause: &Pause) -> String {
    let reason = if pause.reason.is_empty() { String::new() } else { format!(": {}", pause.reason) };
    format!("by {}{}{reason}", pause.paused_by, on(pause.host.as_deref()))
}

/// 45 → "45 s", 200 → "3 min", 9000 → "2 h".
fn age(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// All of them or none: every pair is checked before the first is written.
async fn set(env: &Env, pairs: &[String], host: Option<&str>) -> Result<()> {
    let base = env.pools.base();
    let mut settings = Vec::new();
    for pair in pairs {
        let (key, text) = pair.split_once('=').with_context(|| format!("{pair:?} is no setting; write it like transcode.concurrency=4"))?;
        let key = full(key);
        settings.push((key.clone(), base.setting(&key, text)?));
    }
    for (key, value) in settings {
        pools::set(&env.db, &key, host, &value, &operator()).await?;
        say!("{key} = {value}{}", on(host));
        record(env, Deed::SettingChanged { key, host: host.map(Into::into), value }).await?;
    }
    Ok(())
}

async fn pause(env: &Env, stage: Option<Stage>, host: Option<&str>, reason: &str) -> Result<()> {
    pools::pause(&env.db, stage, host, reason, &operator()).await?;
    let (stage, host) = (stage.map(|stage| stage.to_string()), host.map(Into::into));
    record(env, Deed::StagePaused { stage, host, reason: reason.into() }).await
}

async fn resume(env: &Env, stage: Option<Stage>, host: Option<&str>) -> Result<()> {
    if !pools::resume(&env.db, stage, host).await? {
        let what = stage.map_or_else(|| host.unwrap_or_default().to_owned(), |stage| format!("{stage}{}", on(host)));
        bail!("{what} is not paused; `learnhub stages ls` shows what is");
    }
    let (stage, host) = (stage.map(|stage| stage.to_string()), host.map(Into::into));
    record(env, Deed::StageResumed { stage, host }).await
}

/// Until nothing runs there, and every worker of the host has said that it takes nothing more: one that has not heard
/// of it yet could still take a job.
async fn until_drained(env: &Env, host: &str) -> Result<()> {
    let mut said = None;
    loop {
        let running = overview::running_on(&env.db, host).await?;
        let present = workers::present(&env.db).await?;
        let open = present.iter().filter(|worker| worker.host == host).flat_map(|worker| &worker.pools).any(|pool| pool.closed.is_none());
        if running == 0 && !open {
            return Ok(());
        }
        if said.replace(running) != Some(running) {
            eprintln!("{running} still running on {host}");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn record(env: &Env, deed: Deed) -> Result<()> {
    audit::record(&mut *env.db.acquire().await?, &deed, &operator(), None).await
}

/// `transcode.concurrency` is short for the key as it stands in workers.toml.
fn full(key: &str) -> String {
    if key.starts_with("stages.") { key.to_owned() } else { format!("stages.{key}") }
}

fn on(host: Option<&str>) -> String {
    host.map(|host| format!(" on {host}")).unwrap_or_default()
}
