//! `PackageStream`: what a stream needs besides its segments, when all of these are there: playlists from measured sizes,
//! posters, the storyboard, and the `streams` row that makes it all real. Publishing is decided elsewhere.

use kernel::chaos::{self, Protection};
use kernel::jobs::{Ctx, Done, Failure};
use kernel::pipeline::{Event, PackageStream};
use kernel::store::{Key, Prefix};
use tracing::warn;

use crate::MAKINGS;
use crate::child::Task;
use crate::manifest::Manifest;
use crate::run::Made;
use crate::shell::{self, PACKAGE};
use crate::speech::transcribe_speech::ask_for_captions;
use crate::stills::STILLS;
use crate::stream;

pub async fn package_stream(ctx: Ctx, job: PackageStream) -> Result<Done, Failure> {
    let asset_id = job.asset_id;
    let Some(encoding) =
        sqlx::query!("select prefix, plan from encodings where asset_id = $1", asset_id.0).fetch_optional(&ctx.env.db).await?
    else {
        return ctx.skip("it is packaged already, or its asset is gone").await;
    };
    let prefix = Prefix::parse(&encoding.prefix)?;
    let runs =
        sqlx::query_scalar!("select made from runs where prefix = $1 order by number", prefix.as_str()).fetch_all(&ctx.env.db).await?;
    let Some(made) = runs.into_iter().collect::<Option<Vec<_>>>() else { return ctx.skip("not all of it is encoded").await };
    let made: Vec<Made> = made.into_iter().map(serde_json::from_value).collect::<Result<_, _>>()?;

    let dir = shell::workshop(&ctx)?;
    std::fs::create_dir(dir.path().join(PACKAGE).join(STILLS))?;
    let stills: Vec<String> = made.iter().flat_map(|made| made.stills.files()).collect();
    for still in &stills {
        ctx.env.store.fetch(&Key::in_prefix(&prefix, still)?, &dir.path().join(PACKAGE).join(still)).await?;
    }
    let task = Task::Package { planned: serde_json::from_value(encoding.plan)?, made };
    let (manifest, files): (Manifest, _) = shell::step(&ctx, dir.path(), task, 0, true).await?;
    // The row is the switch: it comes after all that it makes real.
    let row_first = chaos::without(Protection::Switch);
    if !row_first {
        shell::put(&ctx, &prefix, dir.path(), &files).await?;
    }
    let mut done = ctx.finish().await?;
    let deleted =
        sqlx::query!("delete from encodings where asset_id = $1 and prefix = $2", asset_id.0, prefix.as_str()).execute(done.conn()).await?;
    if deleted.rows_affected() == 0 {
        // Planned anew meanwhile.
        return done.commit_silent().await;
    }
    let poster = manifest.poster.as_deref().map(|name| Key::in_prefix(&prefix, name)).transpose()?;
    stream::write(done.conn(), asset_id, &prefix, &manifest, poster.as_ref()).await?;
    ask_for_captions(&ctx, done.conn(), asset_id, &manifest).await?;
    let done = done.commit(Event::Transcoded { asset_id }).await?;
    if row_first {
        shell::put(&ctx, &prefix, dir.path(), &files).await?;
    }
    if let Err(error) = clear(&ctx, &prefix).await {
        // No part of the stream: what stays costs a little space until the stream is replaced.
        warn!("cannot remove what {prefix} was made of: {error:#}");
    }
    Ok(done)
}

/// Removes stills and drafts, which the package has replaced. The janitor does, when this is not come to.
async fn clear(ctx: &Ctx, prefix: &Prefix) -> anyhow::Result<()> {
    for folder in MAKINGS {
        for (key, _) in ctx.env.store.list(&format!("{prefix}/{folder}")).await? {
            ctx.env.store.delete(&key).await?;
        }
    }
    Ok(())
}
