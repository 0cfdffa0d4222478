//! `TranscribeSpeech`: captions for a recording that has none in the language it is spoken in, made by an engine of the
//! operator's. Nothing waits for it, and what goes wrong costs the recording nothing.
//!
//! They are an asset of their own, like captions that were uploaded, but marked as automatic; at most one such per recording
//! (an index of migration 0011). Made again, its words are replaced. What a person has brought or corrected stays.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use kernel::child::Limits;
use kernel::config::Pool;
use kernel::events::{self, Cause};
use kernel::id::AssetId;
use kernel::jobs::{Ctx, Done, Failure, Lane, Stage};
use kernel::language;
use kernel::media::Kind;
use kernel::pipeline::{Event, TranscribeSpeech};
use kernel::store::{Received, sources};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::PgConnection;

use super::engine::{self, Question};
use super::listen::Sound;
use super::webvtt::Heard;
use super::{ANSWER, CAPTIONS_FILE, SOUND_FILE};
use crate::Options;
use crate::child::{CHILD, Done as Made, Request, Task};
use crate::manifest::Manifest;
use crate::shell::{self, PACKAGE, SOURCE};

/// What the sound of a whole day takes, bytes.
const DAY_OF_SOUND: u64 = 3 << 30;
/// Longest file name, in characters.
const MAX_NAME: usize = 255;

pub async fn transcribe_speech(ctx: Ctx, job: TranscribeSpeech) -> Result<Done, Failure> {
    let asset_id = job.asset_id;
    if !ctx.env.config.speech.is_on() {
        return ctx.skip("no speech-to-text engine is set up").await;
    }
    let row = sqlx::query!(
        "select a.source_sha256, s.manifest from assets a join streams s on s.asset_id = a.id where a.id = $1 and s.complete",
        asset_id.0
    )
    .fetch_optional(&ctx.env.db)
    .await?;
    let Some(row) = row else { return ctx.skip("it has no stream").await };
    let manifest: Manifest = serde_json::from_value(row.manifest)?;
    let spoken = spoken(&manifest, &ctx.env.config.speech.language);
    if is_captioned(&mut *ctx.env.db.acquire().await?, asset_id, &manifest, spoken.as_deref()).await? {
        return ctx.skip("it has captions").await;
    }

    let dir = shell::workshop(&ctx)?;
    shell::fetch(&ctx, &row.source_sha256, dir.path()).await?;
    let sound: Sound = step(&ctx, dir.path(), SOURCE, Task::Listen).await?;
    if sound.silent || sound.duration_ms == 0 {
        return ctx.skip("there is nothing to be heard in it").await;
    }
    let path = dir.path().join(PACKAGE).join(SOUND_FILE);
    let answer = engine::ask(&ctx, &Question { sound: &path, language: spoken.as_deref(), dir: dir.path() }).await?;
    tokio::fs::write(dir.path().join(ANSWER), answer).await?;
    let heard: Heard = step(&ctx, dir.path(), ANSWER, Task::ReadSpeech { duration_ms: sound.duration_ms }).await?;
    if heard.cues == 0 {
        return ctx.skip("nothing is said in it").await;
    }
    let received = receive(&ctx, &dir.path().join(PACKAGE).join(CAPTIONS_FILE)).await?;
    // Stored before the transaction, so that none is open while bytes are synced.
    received.store(ctx.env.store.as_ref()).await?;

    let language = spoken.or(heard.language);
    let mut done = ctx.finish().await?;
    // Who publishes captions of a person's holds the recording, too: one of both comes second and sees the other.
    let recording =
        sqlx::query!("select course_id, owner_id, file_name, source_sha256 from assets where id = $1 for no key update", asset_id.0)
            .fetch_optional(done.conn())
            .await?;
    let Some(recording) = recording.filter(|recording| recording.source_sha256 == row.source_sha256) else {
        return done.commit_silent().await; // another film has come in its place
    };
    let automatic = sqlx::query!("select id, source_sha256 from assets where parent_id = $1 and auto for update", asset_id.0)
        .fetch_optional(done.conn())
        .await?;
    if is_captioned(done.conn(), asset_id, &manifest, language.as_deref()).await?
        || automatic.as_ref().is_some_and(|automatic| automatic.source_sha256 == received.sha256)
    {
        return done.commit_silent().await;
    }
    sources::record(done.conn(), ctx.env.store.as_ref(), &received).await?;
    let id = automatic.as_ref().map_or_else(AssetId::new, |automatic| automatic.id.into());
    let title = language.as_deref().and_then(language::name).unwrap_or_else(|| "Captions".into());
    sqlx::query!(
        "insert into assets (id, course_id, owner_id, parent_id, file_name, title, kind, media_type, source_sha256, language, auto)
         values ($1, $2, $3, $4, $5, $6, 'captions', 'text/vtt', $7, $8, true)
         on conflict (id) do update set file_name = excluded.file_name, title = excluded.title, source_sha256 = excluded.source_sha256,
           language = excluded.language, state = case when assets.state = 'failed' then 'processing' else assets.state end,
           failure_code = null, failure_reason = null, failure_stage = null, failure_attempt = null",
        id.0,
        recording.course_id,
        recording.owner_id,
        asset_id.0,
        file_name(&recording.file_name, language.as_deref()),
        title,
        &received.sha256[..],
        language,
    )
    .execute(done.conn())
    .await?;
    done.commit(match automatic {
        Some(_) => Event::CaptionsEdited { asset_id: id },
        None => Event::Ingested { asset_id: id, media: Kind::Captions },
    })
    .await
}

/// Records that captions are to be made of a stream that has just been written, if they are. Those of another version of an
/// asset are asked for when it is shown: only then is it known which captions it keeps.
pub async fn ask_for_captions(ctx: &Ctx, conn: &mut PgConnection, asset_id: AssetId, manifest: &Manifest) -> Result<(), Failure> {
    let speech = &ctx.env.config.speech;
    if !speech.is_on() || manifest.source.audio.is_none() {
        return Ok(());
    }
    let is_version = sqlx::query_scalar!(r#"select version_of is not null as "yes!" from assets where id = $1"#, asset_id.0);
    if is_version.fetch_optional(&mut *conn).await? != Some(false)
        || is_captioned(conn, asset_id, manifest, spoken(manifest, &speech.language).as_deref()).await?
    {
        return Ok(());
    }
    // Whatever anybody waits for goes first.
    let cause = Cause { lane: Lane::Backfill, ..ctx.job.cause() };
    Ok(events::record(conn, &Event::CaptionsMissed { asset_id }, &cause).await?)
}

/// What is spoken, as the recording says or else as the operator does. BCP 47.
fn spoken(manifest: &Manifest, usual: &str) -> Option<String> {
    let said = manifest.source.audio.as_ref().and_then(|audio| audio.language.as_deref());
    [said, Some(usual)].into_iter().map(language::tag).find(|tag| tag != language::UNKNOWN)
}

/// Whether somebody has brought captions in this language: uploaded, corrected, or inside the film. Those of a language that
/// nobody knows may be in any, and for speech of a language that nobody knows all count. Forced ones only translate.
async fn is_captioned(conn: &mut PgConnection, asset_id: AssetId, manifest: &Manifest, spoken: Option<&str>) -> anyhow::Result<bool> {
    let brought = sqlx::query_scalar!(
        r#"select coalesce(a.language, d.language) as language from assets a left join documents d on d.asset_id = a.id
            where a.parent_id = $1 and coalesce(a.kind, 'captions') = 'captions' and not a.auto and not a.forced and a.state <> 'failed'"#,
        asset_id.0,
    )
    .fetch_all(conn)
    .await
    .context("look for captions that a recording has")?;
    let inside = manifest.captions.iter().filter(|captions| !captions.forced).map(|captions| Some(captions.language.as_str()));
    Ok(brought.iter().map(Option::as_deref).chain(inside).any(|language| is_same(spoken, language)))
}

/// Whether two tags may be of the same language, wherever it is spoken.
fn is_same(one: Option<&str>, other: Option<&str>) -> bool {
    let known = |tag: Option<&str>| language::tag(tag).split('-').next().map(str::to_owned).filter(|code| code != language::UNKNOWN);
    match (known(one), known(other)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

/// `lecture.en.vtt` for `lecture.mp4`: read again, the name says the same.
fn file_name(recording: &str, language: Option<&str>) -> String {
    let stem = recording.rsplit_once('.').map_or(recording, |(stem, _)| stem);
    let ending = language.map_or_else(|| ".vtt".to_owned(), |tag| format!(".{tag}.vtt"));
    let stem: String = stem.chars().take(MAX_NAME - ending.len()).collect();
    format!("{stem}{ending}")
}

async fn receive(ctx: &Ctx, path: &Path) -> anyhow::Result<Received> {
    let mut incoming = ctx.env.incoming().await?;
    incoming.write(&tokio::fs::read(path).await?).await?;
    incoming.finish().await
}

/// Has the child do one step.
async fn step<T: Serialize + DeserializeOwned>(ctx: &Ctx, dir: &Path, input: &str, task: Task) -> Result<T, Failure> {
    let request = Request { input: input.into(), out: PACKAGE.into(), options: Options::default(), task };
    let made: Result<Made<T>, Failure> = ctx.child(CHILD, &request, limits(&ctx.env.pools.get(Stage::Transcribe)), dir).await;
    made.map(|made| made.made).map_err(|failure| shell::final_word(failure, ctx.job.failures))
}

/// What the child may use of an attempt.
fn limits(pool: &Pool) -> Limits {
    let wall = Duration::from_secs_f64(pool.timeout_seconds as f64 * 0.1);
    Limits {
        memory_bytes: pool.memory_mb << 20,
        cpu_seconds: wall.as_secs().max(1),
        file_bytes: DAY_OF_SOUND,
        scratch_bytes: DAY_OF_SOUND * 2,
        wall,
        stall: pool.stalled().min(wall),
        suspect: shell::SUSPECT,
        writes: vec![PACKAGE.into()],
        ..Limits::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_the_same_wherever_they_are_spoken_and_an_unknown_one_may_be_any() {
        for (one, other, same) in [
            (Some("en"), Some("en-GB"), true),
            (Some("en"), Some("de"), false),
            (Some("eng"), Some("en"), true),
            (None, Some("de"), true),
            (Some("en"), None, true),
            (Some("en"), Some("und"), true),
        ] {
            assert_eq!(is_same(one, other), same, "{one:?} {other:?}");
        }
    }

    #[test]
    fn captions_are_called_like_their_recording() {
        assert_eq!(file_name("Lecture 1.mp4", Some("pt-BR")), "Lecture 1.pt-BR.vtt");
        assert_eq!(file_name("noending", None), "noending.vtt");
        assert_eq!(file_name(&"é".repeat(255), Some("en")).chars().count(), 255);
    }
}
