//! The job that brings the index up to date with everything that is marked, and makes it anew when it has to.

use std::sync::Arc;

use anyhow::Result;
use kernel::env::Env;
use kernel::events::Cause;
use kernel::jobs::{Ctx, Done, Failure, Runner, Stage, workers};
use kernel::pipeline::UpdateIndex;
use tracing::{info, warn};

use crate::entry;
use crate::marks::{self, Held};
use crate::rebuild::rebuild;
use crate::writer::{Change, Exclusive, Writer};

/// Assets, and about how many chunks, that go into one commit.
const ASSETS_PER_COMMIT: i64 = 64;
const CHUNKS_PER_COMMIT: usize = 20_000;

pub(crate) fn register(runner: &mut Runner, writer: Arc<Writer>) {
    runner.on(move |ctx, _: UpdateIndex| {
        let writer = writer.clone();
        async move { update(ctx, &writer).await }
    });
}

async fn update(ctx: Ctx, writer: &Writer) -> Result<Done, Failure> {
    let progress = ctx.progress();
    let mut report = |done, total| progress.report(done, total);
    let mut exclusive = writer.exclusive(&ctx.env).await?;
    if exclusive.root.needs_rebuild() {
        info!("the full-text index is missing, damaged or of another version, and is made anew");
        rebuild(&ctx.env, &mut exclusive, &ctx.job.cause(), &mut report).await?;
    }
    if let Err(error) = drain(&ctx.env, &mut exclusive, &ctx.job.cause(), &mut report).await {
        // the next attempt reads the index from disk again, and makes it anew if it finds damage
        exclusive.close();
        if exclusive.root.current().is_some_and(|folder| crate::folder::open(&folder).is_err()) {
            warn!("the full-text index is damaged and will be made anew");
            exclusive.root.distrust()?;
        }
        return Err(error.into());
    }
    if shares_the_machine(&ctx.env).await? {
        exclusive.hand_over().await?;
    }
    exclusive.release().await?;
    ctx.finish().await?.commit_silent().await
}

/// Whether another process of this machine may write to the index next: it cannot open a writer while ours is open.
async fn shares_the_machine(env: &Env) -> Result<bool> {
    let present = workers::present(&env.db).await?;
    let writers = present.iter().filter(|worker| worker.host == env.pools.host());
    Ok(writers.filter(|worker| worker.pools.iter().any(|pool| pool.stage == Stage::Index)).count() > 1)
}

/// Applies marks until none is left, and returns how many assets that were.
async fn drain(env: &Env, exclusive: &mut Exclusive<'_>, cause: &Cause, report: &mut (dyn FnMut(u64, u64) + Send)) -> Result<u64> {
    let total = marks::count(&mut *env.db.acquire().await?).await?;
    let mut done = 0;
    loop {
        report(done, total.max(done));
        let changes = read(env).await?;
        if changes.is_empty() {
            return Ok(done);
        }
        exclusive.renew().await?;
        let changes = exclusive.apply(changes).await?;

        // the index is committed; only now are the marks forgotten
        let mut tx = env.db.begin().await?;
        marks::forget(&mut tx, &changes.iter().map(|change| change.mark).collect::<Vec<_>>()).await?;
        let held: Vec<Held> = changes.iter().map(|change| Held::of(change.mark.asset_id, change.entry.as_ref())).collect();
        marks::record(&mut tx, &held, cause).await?;
        tx.commit().await?;
        kernel::crash_point!("index.forgotten");
        done += changes.len() as u64;
    }
}

/// The next changes: marks first, then what they are about, so that what changes in between is marked anew.
async fn read(env: &Env) -> Result<Vec<Change>> {
    let mut conn = env.db.acquire().await?;
    let mut changes = Vec::new();
    let mut chunks = 0;
    for mark in marks::oldest(&mut conn, ASSETS_PER_COMMIT).await? {
        if chunks > CHUNKS_PER_COMMIT {
            break;
        }
        let entry = entry::read(&mut conn, mark.asset_id).await?;
        chunks += entry.as_ref().map_or(0, |entry| entry.chunks.len());
        changes.push(Change { mark, entry });
    }
    Ok(changes)
}
