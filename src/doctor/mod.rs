//! `learnhub doctor`: is everything there that this program needs, and does it work? Each line says ok, warn or
//! fail, what was seen, and what to do. With `--check`, the invariants of everything stored as well.

mod checks;
mod effects;
mod invariants;

use std::collections::HashMap;
use std::process::ExitCode;

use anyhow::Result;
use kernel::config::Config;
use kernel::env::Env;
use kernel::id::AssetId;
use serde::Serialize;

use crate::commands::REFUSED;
use crate::commands::print::say;
use crate::world::{Claim, World};

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    Ok,
    Warn,
    Fail,
}

/// One line of the report.
#[derive(Debug, Serialize)]
pub struct Finding {
    pub name: &'static str,
    pub health: Health,
    /// What was seen.
    pub seen: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    pub fn ok(name: &'static str, seen: impl Into<String>) -> Self {
        Self { name, health: Health::Ok, seen: seen.into(), fix: None }
    }

    pub fn warn(name: &'static str, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, health: Health::Warn, seen: seen.into(), fix: Some(fix.into()) }
    }

    pub fn fail(name: &'static str, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, health: Health::Fail, seen: seen.into(), fix: Some(fix.into()) }
    }
}

/// Examines and reports; ends with 3 when something fails.
pub async fn run(config: Config, check: bool, json: bool) -> Result<ExitCode> {
    let mut findings = checks::machine(&config);
    findings.push(checks::sandbox(&config).await);
    match World::open(config, Claim::Either).await {
        Ok(world) => {
            findings.extend(checks::services(&world).await);
            if check {
                findings.extend(invariants::all(&world.env).await);
            }
            world.close().await;
        }
        Err(error) => findings.push(Finding::fail(
            "database",
            format!("{error:#}"),
            "mend that and look again; checks that need the database were left out",
        )),
    }
    report(&findings, json)?;
    let failed = findings.iter().any(|finding| finding.health == Health::Fail);
    Ok(if failed { ExitCode::from(REFUSED) } else { ExitCode::SUCCESS })
}

/// What the index holds; None while nothing was ever indexed, so that there is none to miss.
async fn index(env: &Env) -> Result<Option<(indexer::Status, HashMap<AssetId, u64>)>> {
    match indexer::status(env).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.downcast_ref(), Some(indexer::Trouble::Missing)) => {
            let indexed = sqlx::query_scalar!("select count(*) as \"count!\" from index_state").fetch_one(&env.db).await?;
            if indexed == 0 { Ok(None) } else { Err(error) }
        }
        Err(error) => Err(error),
    }
}

fn report(findings: &[Finding], json: bool) -> Result<()> {
    if json {
        say!("{}", serde_json::to_string(findings)?);
        return Ok(());
    }
    for finding in findings {
        let word = match finding.health {
            Health::Ok => "ok  ",
            Health::Warn => "warn",
            Health::Fail => "FAIL",
        };
        say!("{word}  {:<14}  {}", finding.name, finding.seen);
        if let Some(fix) = &finding.fix {
            say!("{:<22}→ {fix}", "");
        }
    }
    Ok(())
}
