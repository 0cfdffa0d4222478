//! What the jobs of this room share: the source in a scratch folder, the child's limits, objects put under the stream's prefix,
//! and what is said of a file that is too much for us.

use std::collections::HashSet;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use kernel::child::Limits;
use kernel::child::ending::code;
use kernel::child::outputs::{self, Output};
use kernel::config::Pool;
use kernel::jobs::{Class, Ctx, Failure, Runner, Stage};
use kernel::store::{Key, Prefix};
use serde::de::DeserializeOwned;
use tempfile::TempDir;

use crate::child::{CHILD, Done, Request, Task};
use crate::run::Made;
use crate::{Options, encode_run, package_stream, speech, track, transcode_media};

/// Name of the source in the scratch folder: the name that was uploaded never becomes a path.
pub(crate) const SOURCE: &str = "source";
/// Folder of the package in the scratch folder.
pub const PACKAGE: &str = "package";
/// Longest time without a decoded frame.
const STALL: Duration = Duration::from_secs(300);
/// A decoder that says nothing for this long may go on, but not at the cost of others.
pub(crate) const SUSPECT: Duration = Duration::from_secs(20);
/// Largest file of a package: ten seconds at a rate far above any cap.
const LARGEST_FILE: u64 = 256 << 20;

/// Adds the handlers of the room's jobs.
pub fn register(runner: &mut Runner) {
    runner.on(transcode_media::transcode_media);
    runner.on(encode_run::encode_run);
    runner.on(package_stream::package_stream);
    runner.on(speech::transcribe_speech::transcribe_speech);
}

/// A scratch folder with an empty folder for the package, which alone is open to the child.
pub fn workshop(ctx: &Ctx) -> Result<TempDir, Failure> {
    let dir = ctx.env.scratch("transcode")?;
    std::fs::create_dir(dir.path().join(PACKAGE))?;
    Ok(dir)
}

/// Puts the source into the scratch folder; answers its length in bytes.
pub async fn fetch(ctx: &Ctx, source: &[u8], dir: &Path) -> Result<u64, Failure> {
    Ok(ctx.env.sources.link(ctx.env.store.as_ref(), &Key::source(source), &dir.join(SOURCE)).await?)
}

/// Has the child do one step and looks whether its files are what it says.
///
/// What somebody waits for, a film's beginning or a place in it, gets every core; other steps take one thread each, as there are
/// always others, and let it go first.
pub async fn step<T: DeserializeOwned>(
    ctx: &Ctx,
    dir: &Path,
    task: Task,
    source_bytes: u64,
    waited_for: bool,
) -> Result<(T, Vec<Output>), Failure> {
    let (threads, nice) = match waited_for || ctx.job.called {
        true => (std::thread::available_parallelism().map_or(1, |cores| cores.get()), 0),
        false => (1, BEHIND),
    };
    let config = &ctx.env.config.transcode;
    let options = Options { threads, loudness_lufs: config.loudness(), remux: config.remux, ..Options::default() };
    let limits = Limits { nice, ..limits(&ctx.env.pools.get(Stage::Transcode), options.threads, source_bytes) };
    let request = Request { input: SOURCE.into(), out: PACKAGE.into(), options, task };
    let done: Result<Done<T>, Failure> = ctx.child(CHILD, &request, limits, dir).await;
    let Done { made, files } = done.map_err(|failure| final_word(failure, ctx.job.failures))?;
    outputs::check(&dir.join(PACKAGE), files.clone()).await?;
    Ok((made, files))
}

/// As [`step`], for a run: somebody may be waiting for a segment, so each is stored as soon as the child is at the next. Answers
/// the files that are left to store.
pub async fn encode(
    ctx: &Ctx,
    prefix: &Prefix,
    dir: &Path,
    task: Task,
    source_bytes: u64,
    waited_for: bool,
) -> Result<(Made, Vec<Output>), Failure> {
    let mut stored = HashSet::new();
    let mut step = pin!(step(ctx, dir, task, source_bytes, waited_for));
    let (made, mut files) = loop {
        tokio::select! {
            done = &mut step => break done?,
            () = tokio::time::sleep(LOOK) => {}
        }
        for name in begun_before_the_last(&dir.join(PACKAGE)) {
            // What cannot be stored now is tried again with all others at the end.
            if !stored.contains(&name)
                && ctx.env.store.put_file(&Key::in_prefix(prefix, &name)?, &dir.join(PACKAGE).join(&name)).await.is_ok()
            {
                kernel::crash_point!("encode.early");
                stored.insert(name);
            }
        }
    };
    files.retain(|file| !stored.contains(&file.path));
    Ok((made, files))
}

/// How far what nobody waits for lets others go first at the processor, the server among them.
const BEHIND: i32 = 10;

/// How often a child's folder is looked into.
const LOOK: Duration = Duration::from_millis(100);

/// The segments of each rendition that are whole: a child writes one after the other.
fn begun_before_the_last(package: &Path) -> Vec<String> {
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut whole = vec![];
    for rendition in entries(package).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let plain = entries(&rendition.path()).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
        let mut segments: Vec<String> =
            plain.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| track::is_segment_name(name)).collect();
        segments.sort();
        segments.pop();
        let folder = rendition.file_name();
        whole.extend(segments.iter().filter_map(|name| Some(format!("{}/{name}", folder.to_str()?))));
    }
    whole
}

/// Stores files of the package under the stream's prefix, in their order.
pub async fn put(ctx: &Ctx, prefix: &Prefix, dir: &Path, files: &[Output]) -> Result<(), Failure> {
    for file in files {
        ctx.env.store.put_file(&Key::in_prefix(prefix, &file.path)?, &dir.join(PACKAGE).join(&file.path)).await?;
        kernel::crash_point!("transcode.object");
    }
    Ok(())
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
    fn only_segments_that_the_child_has_left_behind_are_whole() {
        let dir = tempfile::tempdir().unwrap();
        for (folder, names) in [
            ("640x360", &["init.mp4", "seg-00009.m4s", "seg-00010.m4s", "seg-00011.m4s"][..]),
            ("audio", &["seg-00009.m4s"]),
            ("stills", &["1.jpg", "2.jpg"]),
        ] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
            for name in names {
                std::fs::write(dir.path().join(folder).join(name), name).unwrap();
            }
        }
        assert_eq!(begun_before_the_last(dir.path()), ["640x360/seg-00009.m4s", "640x360/seg-00010.m4s"]);
    }

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
        let pool = Pool { timeout_seconds: 100, memory_mb: 512, ..config.pool(Stage::Transcode).clone() };
        let limits = limits(&pool, 2, 1 << 20);
        assert!(limits.wall < Duration::from_secs(100) && limits.cpu_seconds > 100);
        assert_eq!(limits.memory_bytes, 512 << 20);
    }
}
