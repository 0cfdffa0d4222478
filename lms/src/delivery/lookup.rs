//! Where the parts of a stream lie. The one place that knows: playlists may still be drafts, and a segment that is not made yet
//! is made next and waited for.

use std::time::{Duration, Instant};

use anyhow::Result;
use kernel::env::Env;
use kernel::http::ApiError;
use kernel::id::JobId;
use kernel::jobs::{Lane, control};
use kernel::store::{Key, Meta, Prefix};
use uuid::Uuid;

use super::address::segment_name;

/// A part of a stream that is there.
pub struct Found {
    pub key: Key,
    pub meta: Meta,
}

/// How long a request for a segment that is being made is kept waiting; players ask again.
const PATIENCE: Duration = Duration::from_secs(8);
/// How often a segment that is being made is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// A rendition's segment, counted from 1. None when there is no such segment. One that is not made yet is waited for, and
/// what makes it goes before everything else.
///
/// # Errors
/// 503 with when to ask again, when it takes longer.
pub async fn segment(env: &Env, stream: &Prefix, rendition: &str, number: u32) -> Result<Option<Found>, ApiError> {
    let name = format!("{rendition}/{}", segment_name(number));
    let deadline = Instant::now() + PATIENCE;
    let mut called_for = false;
    loop {
        if let Some(found) = file(env, stream, &name).await? {
            return Ok(Some(found));
        }
        let Some(run) = run_of(env, stream, rendition, number).await?.filter(|run| !run.made) else {
            // It may have been made between the two questions.
            return Ok(file(env, stream, &name).await?);
        };
        if !called_for {
            let Some(job) = run.job else { return Ok(None) };
            control::prioritise(&env.db, JobId(job), Some(Lane::Interactive), true).await?;
            called_for = true;
        }
        if Instant::now() >= deadline {
            return Err(ApiError::unavailable("segment_not_made", "this part of the film is being made; ask again in a moment", 1));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What makes a segment.
struct Run {
    made: bool,
    /// The job that does, or has done; none when it was given up.
    job: Option<Uuid>,
}

/// The run of a stream that is being made, to which a segment belongs.
async fn run_of(env: &Env, stream: &Prefix, rendition: &str, number: u32) -> Result<Option<Run>> {
    let run = sqlx::query_as!(
        Run,
        r#"select r.made is not null as "made!", j.id as "job?"
             from encodings e
             join runs r on r.prefix = e.prefix
             left join jobs j on j.asset_id = e.asset_id and j.kind = 'EncodeRun' and (j.payload ->> 'number')::integer = r.number
                             and j.state in ('queued', 'parked', 'running')
            where e.prefix = $1 and r.sound = $2 and r.first <= $3
            order by r.first desc, j.id desc limit 1"#,
        stream.as_str(),
        rendition == SOUND,
        number as i32,
    )
    .fetch_optional(&env.db)
    .await?;
    Ok(run)
}

/// Folder of the sound rendition.
const SOUND: &str = "audio";

/// A playlist of the package by its name, or its draft while the package is not complete.
pub async fn playlist(env: &Env, stream: &Prefix, name: &str) -> Result<Option<String>> {
    match text(env, &Key::in_prefix(stream, name)?).await? {
        Some(text) => Ok(Some(text)),
        None => text(env, &Key::in_prefix(stream, &format!("draft/{name}"))?).await,
    }
}

/// A file of the package by its name.
pub async fn file(env: &Env, stream: &Prefix, name: &str) -> Result<Option<Found>> {
    let key = Key::in_prefix(stream, name)?;
    Ok(env.store.head(&key).await?.map(|meta| Found { key, meta }))
}

/// The text of a playlist, or of captions. None when it is not there.
pub async fn text(env: &Env, key: &Key) -> Result<Option<String>> {
    // Asked for first, as a store cannot tell an object that is missing from one that cannot be had.
    if env.store.head(key).await?.is_none() {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&env.store.get(key).await?).into_owned()))
}
