//! `TranscodeMedia`: reads a source once, without decoding it, and plans its stream. What it writes makes nothing visible: a row
//! of `encodings`, one of `runs` for each job that follows, and the captions that were embedded.

use std::path::Path;

use kernel::child::outputs::Output;
use kernel::id::AssetId;
use kernel::jobs::{Ctx, Done, Failure};
use kernel::pipeline::{Event, TranscodeMedia};
use kernel::store::Prefix;

use crate::child::Task;
use crate::package::Planned;
use crate::{run, shell};

/// Handles the job.
pub async fn transcode_media(ctx: Ctx, job: TranscodeMedia) -> Result<Done, Failure> {
    let asset_id = job.asset_id;
    let Some(asset) = find(&ctx, asset_id).await? else { return ctx.skip("its asset is gone").await };
    let dir = shell::workshop(&ctx)?;
    let bytes = shell::fetch(&ctx, &asset.source_sha256, dir.path()).await?;
    kernel::crash_point!("transcode.fetched");
    let (planned, files) = shell::step(&ctx, dir.path(), Task::Plan, bytes, true).await?;
    write(&ctx, asset_id, asset.home, dir.path(), planned, &files, None).await
}

/// What is to be known of an asset before its stream is planned.
pub struct Asset {
    source_sha256: Vec<u8>,
    /// Every version of an asset lies in the folder of the asset that learners know: addresses stay within it.
    pub home: AssetId,
}

/// The asset, if it is still there.
pub async fn find(ctx: &Ctx, asset_id: AssetId) -> Result<Option<Asset>, Failure> {
    let found = sqlx::query!(r#"select source_sha256, coalesce(version_of, id) as "home!" from assets where id = $1"#, asset_id.0);
    let found = found.fetch_optional(&ctx.env.db).await?;
    Ok(found.map(|row| Asset { source_sha256: row.source_sha256, home: row.home.into() }))
}

/// Puts the captions into a new folder of `home`, and writes the plan in place of the one that is there; only of that of the
/// prefix `instead_of`, if one is named.
pub async fn write(
    ctx: &Ctx,
    asset_id: AssetId,
    home: AssetId,
    dir: &Path,
    planned: Planned,
    files: &[Output],
    instead_of: Option<&Prefix>,
) -> Result<Done, Failure> {
    let prefix = ctx.prefix(home);
    shell::put(ctx, &prefix, dir, files).await?;
    let (firsts, sound): (Vec<i32>, Vec<bool>) = run::runs(&planned.plan).iter().map(|run| (run.first() as i32, run.is_sound())).unzip();

    let mut done = ctx.finish().await?;
    // Planned anew, what was made of an earlier plan is the janitor's.
    let current =
        sqlx::query_scalar!("select prefix from encodings where asset_id = $1 for update", asset_id.0).fetch_optional(done.conn()).await?;
    if instead_of.is_some_and(|old| current.as_deref() != Some(old.as_str())) {
        return done.commit_silent().await;
    }
    sqlx::query!("delete from encodings where asset_id = $1", asset_id.0).execute(done.conn()).await?;
    sqlx::query!(
        "insert into encodings (asset_id, prefix, plan) values ($1, $2, $3)",
        asset_id.0,
        prefix.as_str(),
        serde_json::to_value(&planned)?,
    )
    .execute(done.conn())
    .await?;
    sqlx::query!(
        "insert into runs (prefix, number, first, sound)
         select $1, run.number - 1, run.first, run.sound from unnest($2::integer[], $3::boolean[]) with ordinality as run(first, sound, number)",
        prefix.as_str(),
        &firsts,
        &sound,
    )
    .execute(done.conn())
    .await?;
    // What could be watched of an earlier plan ends with it.
    let drafts = sqlx::query!("delete from streams where asset_id = $1 and not complete", asset_id.0).execute(done.conn()).await?;
    if drafts.rows_affected() > 0 {
        sqlx::query!("update assets set state = 'processing' where id = $1 and state = 'published'", asset_id.0)
            .execute(done.conn())
            .await?;
    }
    done.commit(Event::StreamPlanned { asset_id, runs: firsts.len() as u32 }).await
}
