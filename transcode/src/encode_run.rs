//! `EncodeRun`: one run of segments of a planned stream. Whoever encodes it, and however often, its segments have the same names
//! and the same bytes, so that a killed attempt leaves nothing to clear away. When the beginning is there, the stream can be
//! watched, as a draft; the last run that is made calls for the package.

use kernel::id::AssetId;
use kernel::jobs::{Ctx, Done, Failure};
use kernel::pipeline::{EncodeRun, Event};
use kernel::store::{Key, Prefix};
use sqlx::PgConnection;

use crate::child::Task;
use crate::draft::{self, Draft};
use crate::error::CANNOT_COPY;
use crate::package::Planned;
use crate::run::Made;
use crate::{shell, stream, transcode_media};

/// Handles the job.
pub async fn encode_run(ctx: Ctx, job: EncodeRun) -> Result<Done, Failure> {
    let (asset_id, number) = (job.asset_id, job.number as i32);
    let row = sqlx::query!(
        r#"select e.prefix, e.plan, a.source_sha256, r.made is not null as "made!"
             from encodings e join runs r on r.prefix = e.prefix join assets a on a.id = e.asset_id
            where e.asset_id = $1 and r.number = $2"#,
        asset_id.0,
        number,
    )
    .fetch_optional(&ctx.env.db)
    .await?;
    let Some(row) = row.filter(|row| !row.made) else { return ctx.skip("nobody waits for it any more").await };
    let prefix = Prefix::parse(&row.prefix)?;
    let dir = shell::workshop(&ctx)?;
    let bytes = shell::fetch(&ctx, &row.source_sha256, dir.path()).await?;
    kernel::crash_point!("encode.fetched");
    let planned: Box<Planned> = serde_json::from_value(row.plan)?;
    let task = Task::Encode { planned: planned.clone(), number: number as usize };
    let (made, files) = match shell::encode(&ctx, &prefix, dir.path(), task, bytes, job.is_beginning()).await {
        // The packets promised what the pictures do not keep: everything is planned anew, without copying.
        Err(failure) if failure.code == CANNOT_COPY => {
            let Some(asset) = transcode_media::find(&ctx, asset_id).await? else { return ctx.skip("its asset is gone").await };
            let (planned, files) = shell::step(&ctx, dir.path(), Task::PlanWithoutCopying { planned }, bytes, true).await?;
            return transcode_media::write(&ctx, asset_id, asset.home, dir.path(), planned, &files, Some(&prefix)).await;
        }
        encoded => encoded?,
    };
    shell::put(&ctx, &prefix, dir.path(), &files).await?;

    let mut done = ctx.finish().await?;
    // Those that end at the same time take turns, so that one of them is the last.
    let current =
        sqlx::query_scalar!("select prefix from encodings where asset_id = $1 for update", asset_id.0).fetch_optional(done.conn()).await?;
    if current.as_deref() != Some(prefix.as_str()) {
        return done.commit_silent().await;
    }
    sqlx::query!("update runs set made = $3 where prefix = $1 and number = $2", prefix.as_str(), number, serde_json::to_value(&made)?)
        .execute(done.conn())
        .await?;
    kernel::crash_point!("encode.counted");
    let left = sqlx::query_scalar!(r#"select count(*) as "count!" from runs where prefix = $1 and made is null"#, prefix.as_str())
        .fetch_one(done.conn())
        .await?;
    match left {
        0 => done.commit(Event::StreamEncoded { asset_id }).await,
        _ if begin(&ctx, done.conn(), asset_id, &prefix, &planned).await? => done.commit(Event::StreamBegun { asset_id }).await,
        _ => done.commit_silent().await,
    }
}

/// Makes a stream that nobody could watch before into a draft, once its beginning is there; also in place of the draft of a plan
/// that was given up, of which nothing more will come. Whether it did.
async fn begin(ctx: &Ctx, conn: &mut PgConnection, asset_id: AssetId, prefix: &Prefix, planned: &Planned) -> Result<bool, Failure> {
    let made = sqlx::query_scalar!(
        r#"select made as "made!" from runs
            where prefix = $1 and first = 1 and made is not null
              and not exists (select from streams where asset_id = $2 and (complete or prefix = $1))"#,
        prefix.as_str(),
        asset_id.0,
    )
    .fetch_all(&mut *conn)
    .await?;
    let made: Vec<Made> = made.into_iter().map(serde_json::from_value).collect::<Result<_, _>>()?;
    let Some(Draft { manifest, playlists, poster }) = draft::draft(planned, &made) else { return Ok(false) };
    for (name, text) in playlists {
        ctx.env.store.put(&Key::in_prefix(prefix, &name)?, text.into()).await?;
    }
    kernel::crash_point!("encode.drafted");
    let poster = poster.map(|name| Key::in_prefix(prefix, &name)).transpose()?;
    stream::write(conn, asset_id, prefix, &manifest, poster.as_ref()).await?;
    Ok(true)
}
