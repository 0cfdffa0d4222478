//! `TranscodeMedia`: a stored source becomes objects under this attempt's prefix and one `streams` row.
//!
//! The shell around the core: fetch to scratch, run the child, put objects, one write. Publishing is decided elsewhere.

use std::time::Duration;

use kernel::chaos::{self, Protection};
use kernel::child::ending::code;
use kernel::child::{Limits, outputs};
use kernel::config::Pool;
use kernel::jobs::{Class, Ctx, Done, Failure, Job, Runner};
use kernel::pipeline::{Event, TranscodeMedia};
use kernel::store::Key;

use crate::child::{CHILD, Made, Request};
use crate::{MADE_BY, Options};

/// Name of the source in the scratch folder: the name that was uploaded never becomes a path.
const SOURCE: &str = "source";
/// Folder of the package in the scratch folder.
const PACKAGE: &str = "package";
/// Longest time without a decoded frame.
const STALL: Duration = Duration::from_secs(300);
/// A decoder that says nothing for this long may go on, but not at the cost of others.
pub(crate) const SUSPECT: Duration = Duration::from_secs(20);
/// Largest file of a package: ten seconds at a rate far above any cap.
const LARGEST_FILE: u64 = 256 << 20;

/// Adds the handler of [`TranscodeMedia`].
pub fn register(runner: &mut Runner) {
    runner.on(transcode_media);
}

async fn transcode_media(ctx: Ctx, job: TranscodeMedia) -> Result<Done, Failure> {
    let asset_id = job.asset_id;
    let Some(source) =
        sqlx::query_scalar!("select source_sha256 from assets where id = $1", asset_id.0).fetch_optional(&ctx.env.db).await?
    else {
        return ctx.skip("its asset is gone").await;
    };
    let dir = ctx.env.scratch("transcode")?;
    let source_bytes = ctx.env.store.fetch(&Key::source(&source), &dir.path().join(SOURCE)).await?;
    kernel::crash_point!("transcode.fetched");
    let request = Request { input: SOURCE.into(), out: PACKAGE.into(), options: Options::default() };
    let limits = limits(&ctx.env.pools.get(TranscodeMedia::STAGE), request.options.threads, source_bytes);
    // Only a folder that is there can be opened to the child.
    std::fs::create_dir(dir.path().join(PACKAGE))?;
    let made: Result<Made, Failure> = ctx.child(CHILD, &request, limits, dir.path()).await;
    let Made { manifest, files } = made.map_err(|failure| final_word(failure, ctx.job.failures))?;
    outputs::check(&dir.path().join(PACKAGE), files).await?;

    let prefix = ctx.prefix(asset_id);
    let put = async || -> Result<(), Failure> {
        for file in manifest.files() {
            ctx.env.store.put_file(&Key::in_prefix(&prefix, &file)?, &dir.path().join(PACKAGE).join(&file)).await?;
            kernel::crash_point!("transcode.object");
        }
        Ok(())
    };
    // The row is the switch: it comes after all that it makes real.
    let row_first = chaos::without(Protection::Switch);
    if !row_first {
        put().await?;
    }
    let poster = manifest.poster.as_deref().map(|name| Key::in_prefix(&prefix, name)).transpose()?;
    let mut done = ctx.finish().await?;
    sqlx::query!(
        "insert into streams (asset_id, prefix, duration_ms, width, height, poster, manifest, made_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (asset_id) do update set prefix = excluded.prefix, duration_ms = excluded.duration_ms,
           width = excluded.width, height = excluded.height, poster = excluded.poster, manifest = excluded.manifest,
           made_by = excluded.made_by, made_at = now()",
        asset_id.0,
        prefix.as_str(),
        manifest.duration_ms as i64,
        manifest.width.map(|pixels| pixels as i32),
        manifest.height.map(|pixels| pixels as i32),
        poster.as_ref().map(Key::as_str),
        serde_json::to_value(&manifest)?,
        MADE_BY,
    )
    .execute(done.conn())
    .await?;
    // The first bytes cannot tell a film from a container that holds nothing but sound; now it is known.
    sqlx::query!("update assets set kind = 'audio' where id = $1 and $2", asset_id.0, manifest.width.is_none())
        .execute(done.conn())
        .await?;
    let done = done.commit(Event::Transcoded { asset_id }).await?;
    if row_first {
        put().await?;
    }
    Ok(done)
}

/// What the child may use within one attempt.
fn limits(pool: &Pool, threads: usize, source_bytes: u64) -> Limits {
    let wall = Duration::from_secs_f64(pool.timeout_seconds as f64 * 0.95);
    Limits {
        memory_bytes: pool.memory_mb << 20,
        cpu_seconds: (wall.as_secs() * threads as u64).max(1),
        file_bytes: LARGEST_FILE,
        scratch_bytes: package_bytes(source_bytes),
        wall,
        stall: STALL.min(wall),
        suspect: SUSPECT,
        writes: vec![PACKAGE.into()],
        ..Limits::default()
    }
}

/// What a package may come to: renditions of a source in a better codec can be larger than it, and a long one of
/// little rate has the sound of every hour added.
pub(crate) fn package_bytes(source_bytes: u64) -> u64 {
    source_bytes.saturating_mul(8).saturating_add(8 << 30)
}

/// The same file gives the same death: what met a limit, or crashed twice, is told instead of tried for ever.
pub(crate) fn final_word(failure: Failure, failures_before: i32) -> Failure {
    let sentence = match failure.code.as_str() {
        code::TIMEOUT | code::STALLED | code::OUT_OF_MEMORY | code::OUTPUT_TOO_LARGE => {
            "converting this file takes more time or memory than this server allows; please export it shorter or smaller and upload that"
        }
        code::CRASHED | code::WITHOUT_RESULT | code::SANDBOX_VIOLATION if failures_before > 0 => {
            "this file makes our converter fail; please export it again as MP4 (H.264 and AAC) and upload that"
        }
        _ => return failure,
    };
    Failure { class: Class::Poison, code: "media_too_demanding".into(), reason: sentence.into(), detail: Some(failure.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::config::Config;

    #[test]
    fn limits_are_final_and_a_crash_gets_a_second_chance() {
        assert_eq!(final_word(Failure::resource("timeout", "x"), 0).class, Class::Poison);
        assert_eq!(final_word(Failure::transient("child_crashed", "x"), 0).class, Class::Transient);
        let second = final_word(Failure::transient("child_crashed", "x"), 1);
        assert_eq!((second.class, second.code.as_str()), (Class::Poison, "media_too_demanding"));
        assert_eq!(final_word(Failure::transient("child_killed", "x"), 5).class, Class::Transient);
        assert_eq!(final_word(Failure::poison("too_long", "x"), 0).code, "too_long");
    }

    #[test]
    fn the_child_ends_before_its_attempt_does() {
        let config = Config::from_parts(None, &[("HOME".to_owned(), "/".to_owned())].into()).unwrap();
        let pool = Pool { timeout_seconds: 100, memory_mb: 512, ..config.pool(TranscodeMedia::STAGE).clone() };
        let limits = limits(&pool, 2, 1 << 20);
        assert!(limits.wall < Duration::from_secs(100) && limits.cpu_seconds > 100);
        assert_eq!(limits.memory_bytes, 512 << 20);
    }
}
