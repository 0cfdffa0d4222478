//! `learnhub backup` and `learnhub restore`; what they do is in `backup`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use kernel::config::Config;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::print;
use crate::backup::{make, restore};
use crate::commands::print::say;
use crate::world::World;

/// Adds a snapshot.
pub async fn backup(world: &World, dir: &Path, json: bool) -> Result<ExitCode> {
    let made = make::make(&world.env, dir).await.context("back up")?;
    if json {
        print::json(&made)?;
    } else {
        say!("{}", made.snapshot.display());
        eprintln!("{} rows; {} objects, of which {} ({} bytes) were new", made.rows, made.objects, made.copied, made.copied_bytes);
    }
    Ok(ExitCode::SUCCESS)
}

/// Restores a snapshot.
pub async fn restore(config: Config, dir: &Path, at: Option<OffsetDateTime>, force: bool, json: bool) -> Result<ExitCode> {
    let restored = restore::restore(config, dir, at, force).await.context("restore")?;
    if json {
        print::json(&restored)?;
    } else {
        say!("{}", restored.snapshot.display());
        eprintln!("{} rows and {} objects as of {}; the next start makes the index", restored.rows, restored.objects, restored.taken_at);
    }
    Ok(ExitCode::SUCCESS)
}

/// A moment as people write it on the command line.
pub fn moment(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| format!("{text:?} is no time such as 2026-11-21T14:00:00Z"))
}
