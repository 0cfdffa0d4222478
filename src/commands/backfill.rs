//! `learnhub backfill`: everything derived carries the version of what made it, so that what lacks the present one is
//! a question, and the answer is a list of jobs.

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use kernel::events::Cause;
use kernel::id::AssetId;
use kernel::index_marks;
use kernel::jobs::{self, AnyJob, Lane};
use kernel::pipeline::{EmbedChunks, ExtractDocument, TranscodeMedia, TranscribeSpeech, UpdateIndex};
use serde::Serialize;
use sqlx::PgConnection;

use super::print;
use crate::commands::print::say;
use crate::world::World;

/// What can be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Derived {
    Transcode,
    Transcribe,
    Extract,
    Embed,
    Index,
}

#[derive(Serialize)]
struct Answer {
    stage: Derived,
    /// The version that they lack.
    version: i64,
    assets: Vec<AssetId>,
    queued: bool,
}

pub async fn run(world: &World, stage: Derived, dry_run: bool, limit: i64, json: bool) -> Result<ExitCode> {
    let env = &world.env;
    let engine = env.config.speech.is_on();
    ensure!(stage != Derived::Transcribe || engine, "no speech-to-text engine is set up: set speech.command or speech.url");
    let mut tx = env.db.begin().await.context("begin to backfill")?;
    let assets = lacking(&mut tx, stage, limit).await?;
    if !dry_run {
        for asset_id in &assets {
            queue(&mut tx, stage, *asset_id).await?;
        }
    }
    tx.commit().await.context("queue the jobs")?;
    let answer = Answer { stage, version: version(stage), assets, queued: !dry_run };
    if json {
        print::json(&answer)?;
    } else {
        answer.assets.iter().for_each(|asset| say!("{asset}"));
        let done = if dry_run { "would be made again" } else { "are queued" };
        eprintln!("{} assets lack version {} and {done}", answer.assets.len(), answer.version);
    }
    Ok(ExitCode::SUCCESS)
}

fn version(stage: Derived) -> i64 {
    match stage {
        Derived::Transcode => transcode::MADE_BY.into(),
        // Whatever engine made them: captions that are there are not made again by themselves.
        Derived::Transcribe => 1,
        Derived::Extract => ingest::extract::EXTRACTOR_VERSION.into(),
        Derived::Embed => embedder::VERSION.into(),
        Derived::Index => indexer::VERSION.into(),
    }
}

/// Assets that lack what the stage makes, at its present version, oldest first. What is being made already, what
/// failed for good, and earlier versions are left alone.
async fn lacking(conn: &mut PgConnection, stage: Derived, limit: i64) -> Result<Vec<AssetId>> {
    let version = version(stage) as i32;
    let ids = match stage {
        Derived::Transcode => {
            sqlx::query_scalar!(
                "select a.id from assets a left join streams s on s.asset_id = a.id
                  where a.kind in ('video', 'audio') and a.state not in ('failed', 'kept') and (s.made_by is null or s.made_by < $1)
                    and not exists (select 1 from jobs j where j.asset_id = a.id and j.kind in ('TranscodeMedia', 'EncodeRun', 'PackageStream')
                                       and j.state in ('queued', 'running', 'parked'))
                  order by a.id limit $2",
                version,
                limit,
            )
            .fetch_all(conn)
            .await
        }
        // Recordings without any captions; which are in the language that is spoken, only a job finds out.
        Derived::Transcribe => {
            sqlx::query_scalar!(
                "select a.id from assets a join streams s on s.asset_id = a.id
                  where a.state <> 'failed' and a.version_of is null and s.complete and s.manifest #> '{source,audio}' <> 'null'
                    and jsonb_array_length(s.manifest -> 'captions') = 0
                    and not exists (select 1 from assets c where c.parent_id = a.id and c.kind = 'captions' and c.state <> 'failed')
                    and not exists (select 1 from jobs j where j.asset_id = a.id and j.kind = 'TranscribeSpeech'
                                       and j.state in ('queued', 'running', 'parked', 'dead'))
                  order by a.id limit $1",
                limit,
            )
            .fetch_all(conn)
            .await
        }
        Derived::Extract => {
            sqlx::query_scalar!(
                "select a.id from assets a left join documents d on d.asset_id = a.id
                  where a.kind in ('document', 'captions') and a.state not in ('failed', 'kept') and (d.made_by is null or d.made_by < $1)
                    and not exists (select 1 from jobs j where j.asset_id = a.id and j.kind = 'ExtractDocument'
                                       and j.state in ('queued', 'running', 'parked'))
                  order by a.id limit $2",
                version,
                limit,
            )
            .fetch_all(conn)
            .await
        }
        Derived::Embed => {
            if !embedder::schema::present(conn).await? {
                return Ok(Vec::new());
            }
            // Unchecked at compile time: the table is made at run time, and not everywhere.
            sqlx::query_scalar::<_, uuid::Uuid>(
                "select a.id from assets a
                  where a.state not in ('failed', 'kept')
                    and exists (select 1 from chunks c where c.asset_id = a.id
                                   and not exists (select 1 from embeddings e
                                                    where e.content_hash = c.content_hash and e.model = $1 and e.version = $2))
                    and not exists (select 1 from jobs j where j.asset_id = a.id and j.kind = 'EmbedChunks'
                                       and j.state in ('queued', 'running', 'parked'))
                  order by a.id limit $3",
            )
            .bind(embedder::MODEL)
            .bind(version)
            .bind(limit)
            .fetch_all(conn)
            .await
        }
        // An index of another version is made anew as a whole by the next UpdateIndex; here it is about its rows.
        Derived::Index => {
            sqlx::query_scalar!(
                "select a.id from assets a left join index_state i on i.asset_id = a.id
                  where a.state = 'published' and not exists (select 1 from index_dirty d where d.asset_id = a.id)
                    and coalesce(i.chunks, -1) <> (select count(*) from chunks c where c.asset_id = a.id)
                  order by a.id limit $1",
                limit,
            )
            .fetch_all(conn)
            .await
        }
    };
    Ok(ids.context("look for what lacks the present version")?.into_iter().map(AssetId).collect())
}

async fn queue(conn: &mut PgConnection, stage: Derived, asset_id: AssetId) -> Result<()> {
    let job: AnyJob = match stage {
        Derived::Transcode => TranscodeMedia { asset_id }.into(),
        Derived::Transcribe => TranscribeSpeech { asset_id }.into(),
        Derived::Extract => ExtractDocument { asset_id }.into(),
        Derived::Embed => EmbedChunks { asset_id }.into(),
        Derived::Index => {
            index_marks::mark(conn, asset_id).await?;
            UpdateIndex {}.into()
        }
    };
    // Nobody waits for it: whatever an instructor uploads meanwhile goes first.
    jobs::enqueue(conn, job, &Cause { lane: Lane::Backfill, ..Cause::default() }).await?;
    Ok(())
}
