//! The one transaction that shows another version of an asset: what the two rows have changes places, so that the id, its
//! lessons, who has completed them and where they stopped stay, and the earlier version is kept as whole as it was.
//!
//! Until it commits everything is as before, and after it everything is new: search asks Postgres whose a chunk is, and players
//! in the middle of the earlier stream may finish (`replaced_streams`).

use anyhow::{Context, Result};
use kernel::env::Env;
use kernel::events::Cause;
use kernel::id::AssetId;
use kernel::index_marks;
use kernel::jobs::{Lane, Stage, enqueue};
use kernel::media::Kind;
use kernel::pipeline::{self, TranscribeSpeech};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::replace;

/// Recordings whose lengths differ by no more than this are cut alike, in milliseconds: encoders round.
const SAME_LENGTH: i64 = 1000;

/// What came of a version that is whole.
#[derive(Debug, PartialEq)]
pub enum Switched {
    /// Nothing: another one was asked for meanwhile. It is kept.
    Kept,
    /// It is shown; whether for the first time anything of this asset is.
    Shown { first: bool },
}

/// Holds what a switch changes, in the order in which everybody does: jobs before assets. Call it before looking whether the
/// version is whole.
pub async fn hold(conn: &mut PgConnection, shown: AssetId, version: AssetId) -> Result<()> {
    sqlx::query!(
        "select id from jobs where asset_id in ($1, $2) and state in ('queued', 'parked', 'running') order by id for update",
        shown.0,
        version.0,
    )
    .fetch_all(&mut *conn)
    .await
    .context("hold the jobs of an asset")?;
    sqlx::query!("select id from assets where id in ($1, $2) order by id for update", shown.0, version.0)
        .fetch_all(conn)
        .await
        .context("hold an asset and its version")?;
    Ok(())
}

/// Shows a version that is whole, or keeps it when another one is wanted by now.
pub async fn switch(conn: &mut PgConnection, env: &Env, shown: AssetId, version: AssetId, cause: &Cause) -> Result<Switched> {
    let wanted = sqlx::query!("select next_version, published_at from assets where id = $1", shown.0)
        .fetch_one(&mut *conn)
        .await
        .context("look which version is wanted")?;
    let switched = if wanted.next_version == Some(version.0) {
        stop_work(conn, shown).await?;
        let transcribed = exchange(conn, env, shown, version).await?;
        hand_over_work(conn, shown, version, cause).await?;
        if !transcribed {
            ask_for_captions(conn, env, shown, cause).await?;
        }
        Switched::Shown { first: wanted.published_at.is_none() }
    } else {
        keep(conn, version).await?;
        Switched::Kept
    };
    replace::prune(conn, shown, env.config.limits.versions).await?;
    Ok(switched)
}

/// What is still being made of the source that was shown would be written over the new one.
async fn stop_work(conn: &mut PgConnection, shown: AssetId) -> Result<()> {
    sqlx::query!(
        "update jobs set state = 'cancelled', lease_until = null, ended_at = now(),
                failure_code = 'superseded', failure_reason = 'another version took the place of what it worked on'
          where asset_id = $1 and state in ('queued', 'parked', 'running')",
        shown.0,
    )
    .execute(&mut *conn)
    .await
    .context("stop work on what is replaced")?;
    sqlx::query!("delete from encodings where asset_id = $1", shown.0).execute(conn).await.context("forget a plan")?;
    Ok(())
}

/// What is still to be made of the source that is shown now, such as captions by a machine, is made for the id that it has now.
async fn hand_over_work(conn: &mut PgConnection, shown: AssetId, version: AssetId, cause: &Cause) -> Result<()> {
    let stages = sqlx::query_scalar!(
        "update jobs set state = 'cancelled', lease_until = null, ended_at = now(),
                failure_code = 'superseded', failure_reason = 'it is done for the asset whose place this version took'
          where asset_id = $1 and state in ('queued', 'parked', 'running') and kind <> 'PublishAsset' returning stage",
        version.0,
    )
    .fetch_all(&mut *conn)
    .await
    .context("look what is still to be made of a version")?;
    let kind = sqlx::query_scalar!(r#"select kind as "kind: Kind" from assets where id = $1"#, shown.0).fetch_one(&mut *conn).await?;
    for stage in stages {
        let stage: Stage = stage.parse().map_err(anyhow::Error::msg)?;
        if let Some(job) = pipeline::from_stage(stage, shown, kind) {
            enqueue(conn, job, cause).await?;
        }
    }
    Ok(())
}

/// What a machine has written is of another recording, or went with it. The job looks whether anything is to be written.
async fn ask_for_captions(conn: &mut PgConnection, env: &Env, shown: AssetId, cause: &Cause) -> Result<()> {
    let heard = sqlx::query_scalar!(
        r#"select exists (select from streams where asset_id = $1 and manifest #> '{source,audio}' <> 'null') as "heard!""#,
        shown.0,
    )
    .fetch_one(&mut *conn)
    .await
    .context("look whether a version can be heard")?;
    if heard && env.config.speech.is_on() {
        // Whatever anybody waits for goes first.
        enqueue(conn, TranscribeSpeech { asset_id: shown }, &Cause { lane: Lane::Backfill, ..cause.clone() }).await?;
    }
    Ok(())
}

async fn keep(conn: &mut PgConnection, version: AssetId) -> Result<()> {
    let kept = sqlx::query_scalar!(
        "update assets set state = 'kept'
          where state = 'processing' and (id = $1 or parent_id = $1 and exists (select 1 from documents d where d.asset_id = assets.id))
         returning id",
        version.0,
    )
    .fetch_all(&mut *conn)
    .await
    .context("keep a version")?;
    for asset in kept {
        index_marks::mark(conn, AssetId(asset)).await?;
    }
    Ok(())
}

/// Whether the version brings captions that a machine has made of it.
async fn exchange(conn: &mut PgConnection, env: &Env, shown: AssetId, version: AssetId) -> Result<bool> {
    let old = sqlx::query!(
        r#"select a.state, coalesce(s.complete, true) as "complete!", s.duration_ms - (select n.duration_ms from streams n where n.asset_id = $2) as longer
             from assets a left join streams s on s.asset_id = a.id where a.id = $1"#,
        shown.0,
        version.0,
    )
    .fetch_one(&mut *conn)
    .await
    .context("look at what is replaced")?;
    let cut_alike = old.longer.is_none_or(|longer| longer.abs() <= SAME_LENGTH);
    let whole = old.state == "published" && old.complete;

    players_may_finish(conn, shown, version).await?;
    swap(conn, "streams", shown, version).await?;
    swap(conn, "documents", shown, version).await?;
    swap_chunks(conn, shown, version).await?;
    if !cut_alike {
        swap(conn, "chapters", shown, version).await?;
    }
    let transcribed = swap_captions(conn, env, shown, version, cut_alike).await?;
    sqlx::query!(
        "update assets a set
           file_name = b.file_name, kind = b.kind, media_type = b.media_type, source_sha256 = b.source_sha256, owner_id = b.owner_id,
           auto = b.auto, version = b.version, version_at = coalesce(b.version_at, b.created_at),
           chapters_version = case when $3 then a.chapters_version else b.chapters_version end,
           captions_version = a.captions_version + case when a.id = $1 then 1 else 0 end,
           poster_file = case when 'uploaded.jpg' in (a.poster_file, b.poster_file) then case when a.id = $1 then 'uploaded.jpg' end else b.poster_file end,
           state = case when a.id = $1 then 'published' when $4 then 'kept' else 'failed' end,
           failure_code = case when a.id = $2 and not $4 then coalesce(b.failure_code, 'superseded') end,
           failure_reason = case when a.id = $2 and not $4 then coalesce(b.failure_reason, 'another version took its place before it was ready') end,
           failure_stage = case when a.id = $2 and not $4 then coalesce(b.failure_stage, 'publish') end,
           failure_attempt = case when a.id = $2 then b.failure_attempt end,
           published_at = case when a.id = $1 then coalesce(a.published_at, $5) else a.published_at end,
           next_version = null
         from assets b where a.id in ($1, $2) and b.id in ($1, $2) and a.id <> b.id",
        shown.0,
        version.0,
        cut_alike,
        whole,
        env.clock.now(),
    )
    .execute(&mut *conn)
    .await
    .context("exchange what two versions are")?;
    index_marks::mark(conn, shown).await?;
    index_marks::mark(conn, version).await?;
    // What the index has under this id is what is shown now: a search goes by the chunks until the index is up to date.
    sqlx::query!("delete from index_state where asset_id = $1", version.0).execute(conn).await.context("forget what the index holds")?;
    Ok(transcribed)
}

/// Whoever plays the stream that was shown can finish what is loaded.
async fn players_may_finish(conn: &mut PgConnection, shown: AssetId, version: AssetId) -> Result<()> {
    sqlx::query!(
        "insert into replaced_streams (prefix, asset_id, manifest) select prefix, asset_id, manifest from streams where asset_id = $1
         on conflict (prefix) do update set replaced_at = now()",
        shown.0,
    )
    .execute(&mut *conn)
    .await
    .context("remember the stream that is replaced")?;
    sqlx::query!("delete from replaced_streams where prefix = (select prefix from streams where asset_id = $1)", version.0)
        .execute(&mut *conn)
        .await
        .context("a restored stream is none that was replaced")?;
    // Of a film that was never finished nothing is kept.
    sqlx::query!("delete from streams where asset_id = $1 and not complete", shown.0)
        .execute(conn)
        .await
        .context("forget the draft that is replaced")?;
    Ok(())
}

/// The rows that two assets have in a table where each row is one asset's.
async fn swap(conn: &mut PgConnection, table: &'static str, one: AssetId, other: AssetId) -> Result<()> {
    // Two statements, since a key may be there once at any time; whole rows, so that no column is forgotten.
    let rows: Vec<Value> =
        sqlx::query_scalar(AssertSqlSafe(format!("delete from {table} t where asset_id in ($1, $2) returning to_jsonb(t)")))
            .bind(one.0)
            .bind(other.0)
            .fetch_all(&mut *conn)
            .await
            .with_context(|| format!("take {table} of two versions"))?;
    sqlx::query(AssertSqlSafe(format!(
        "insert into {table} select (jsonb_populate_record(null::{table}, row || jsonb_build_object('asset_id',
           case (row ->> 'asset_id')::uuid when $1 then $2 else $1 end))).* from unnest($3::jsonb[]) as row"
    )))
    .bind(one.0)
    .bind(other.0)
    .bind(rows)
    .execute(conn)
    .await
    .with_context(|| format!("give {table} to the other of two versions"))?;
    Ok(())
}

/// Chunks keep their ids, by which the index finds them until it is up to date.
async fn swap_chunks(conn: &mut PgConnection, shown: AssetId, version: AssetId) -> Result<()> {
    /// Beyond every ordinal, so that no two chunks of an asset have the same in between.
    const ASIDE: i32 = 1 << 30;
    for (from, to, by) in [(version, version, ASIDE), (shown, version, 0)] {
        sqlx::query!("update chunks set asset_id = $2, ordinal = ordinal + $3 where asset_id = $1", from.0, to.0, by)
            .execute(&mut *conn)
            .await
            .context("exchange chunks")?;
    }
    sqlx::query!(
        "update chunks set asset_id = $2, ordinal = ordinal - $3 where asset_id = $1 and ordinal >= $3",
        version.0,
        shown.0,
        ASIDE
    )
    .execute(conn)
    .await
    .context("exchange chunks")?;
    Ok(())
}

/// Captions go with the recording that they were timed for. Where both are cut alike they stay, corrected as they are; only what a
/// machine has written of the new one takes the place of what it had written of the old one.
async fn swap_captions(conn: &mut PgConnection, env: &Env, shown: AssetId, version: AssetId, cut_alike: bool) -> Result<bool> {
    // Nobody's in between: a recording has one that a machine has made, at any time.
    let brought = sqlx::query!("update assets set parent_id = null where parent_id = $1 returning id, auto", version.0)
        .fetch_all(&mut *conn)
        .await
        .context("take the captions of the version")?;
    let transcribed = brought.iter().any(|captions| captions.auto);
    let brought: Vec<Uuid> = brought.iter().map(|captions| captions.id).collect();
    let kept = sqlx::query_scalar!(
        "update assets set parent_id = $2, state = 'kept' where parent_id = $1 and state = 'published' and (not $3 or auto and $4) returning id",
        shown.0,
        version.0,
        cut_alike,
        !brought.is_empty(),
    )
    .fetch_all(&mut *conn)
    .await
    .context("keep captions with their version")?;
    // What is not read yet is published by itself when it is.
    sqlx::query!(
        "update assets a set parent_id = $2, published_at = case when w.whole then coalesce(a.published_at, $3) else a.published_at end,
                state = case when w.whole then 'published' else a.state end
           from (select b.id, b.state = 'processing' and b.kind is not null and exists (select 1 from documents d where d.asset_id = b.id)
                              and not exists (select 1 from index_dirty i where i.asset_id = b.id) as whole
                   from assets b where b.id = any($1)) w
          where a.id = w.id",
        &brought,
        shown.0,
        env.clock.now(),
    )
    .execute(&mut *conn)
    .await
    .context("show the captions of a version")?;
    for captions in brought.into_iter().chain(kept) {
        index_marks::mark(conn, AssetId(captions)).await?;
    }
    Ok(transcribed)
}
