//! `learnhub gc`: what the janitor does now and then, at once, or only said.

use std::process::ExitCode;

use anyhow::{Result, bail};
use serde::Serialize;

use super::print;
use crate::commands::print::say;
use crate::janitor;
use crate::world::World;

/// What a sweep would remove.
#[derive(Serialize)]
struct Orphans {
    objects: Vec<String>,
    scratch: Vec<String>,
}

pub async fn run(world: &World, dry_run: bool, json: bool) -> Result<ExitCode> {
    let env = &world.env;
    if dry_run {
        let objects = janitor::orphans(env).await?.iter().map(ToString::to_string).collect();
        let scratch = janitor::stale_scratch(&env.config.paths.scratch)?.iter().map(|path| path.display().to_string()).collect();
        let orphans = Orphans { objects, scratch };
        if json {
            print::json(&orphans)?;
        } else {
            orphans.objects.iter().chain(&orphans.scratch).for_each(|name| say!("{name}"));
            eprintln!("{} objects and {} scratch files would be removed", orphans.objects.len(), orphans.scratch.len());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let Some(swept) = janitor::sweep(env, &format!("gc {}", std::process::id())).await? else {
        bail!("a janitor or a backup is at work: try again in a minute");
    };
    if json {
        print::json(&swept)?;
    } else {
        say!(
            "removed {} objects, {} scratch files, {} vectors, {} expired refresh tokens",
            swept.objects,
            swept.scratch,
            swept.vectors,
            swept.tokens
        );
    }
    Ok(ExitCode::SUCCESS)
}
