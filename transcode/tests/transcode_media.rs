//! The worker's side: a stored source becomes objects and one row, or a failed asset. The child is a program of this room, or a
//! shell script where it has to misbehave.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernel::env::Env;
use kernel::events::Cause;
use kernel::http::Role;
use kernel::id::AssetId;
use kernel::jobs::{AnyJob, Runner, enqueue};
use kernel::pipeline::{EncodeRun, PackageStream, TranscodeMedia};
use kernel::testing::TestEnv;
use transcode::{MADE_BY, Options};

/// The environment with another program in place of ours.
fn with_program(env: &Env, dir: &Path, script: &str) -> Env {
    let path = dir.join("program");
    fs::write(&path, format!("#!/bin/sh\ncat >/dev/null\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let mut config = (*env.config).clone();
    config.paths.program = path;
    Env { config: Arc::new(config), ..env.clone() }
}

/// The environment with this room's child as the program.
fn with_child(env: &Env, dir: &Path) -> Env {
    let env = with_program(env, dir, "");
    fs::remove_file(&env.config.paths.program).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_transcode-child"), &env.config.paths.program).unwrap();
    env
}

/// Every file of a package by its name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => drop(found.insert(path.strip_prefix(folder).unwrap().display().to_string(), fs::read(&path).unwrap())),
            }
        }
    }
    found
}

async fn run(env: &Env, asset_id: AssetId) {
    let mut conn = env.db.acquire().await.unwrap();
    enqueue(&mut conn, TranscodeMedia { asset_id }, &Cause::default()).await.unwrap();
    drop(conn);
    let mut runner = Runner::new(env.clone());
    transcode::register(&mut runner);
    runner.drain().await.unwrap();
}

async fn count(env: &Env, select: &'static str, asset_id: AssetId) -> i64 {
    sqlx::query_scalar(select).bind(asset_id.0).fetch_one(&env.db).await.unwrap()
}

async fn asset(test: &TestEnv) -> AssetId {
    asset_of(test, "tiny.mp4").await
}

async fn asset_of(test: &TestEnv, name: &str) -> AssetId {
    let owner = test.account(Role::Instructor).await;
    let course = test.course(&owner, "published").await;
    test.asset(&owner, course, name, &fs::read(fixture(name)).unwrap()).await
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name)
}

#[tokio::test]
async fn runs_that_are_made_apart_come_to_the_package_of_one_go() {
    come_to_one_go(true).await;
}

#[tokio::test]
async fn runs_that_are_encoded_apart_come_to_the_package_of_one_go() {
    come_to_one_go(false).await;
}

/// With the largest rendition copied (`remux`) or encoded.
async fn come_to_one_go(remux: bool) {
    let test = TestEnv::new().await;
    let asset_id = asset_of(&test, "runs.mp4").await;
    let dir = tempfile::tempdir().unwrap();
    let made = dir.path().join("made");
    let options = Options { remux, ..Options::default() };
    let manifest = transcode::transcode(&fixture("runs.mp4"), &made, &options, &mut |_| {}).unwrap();
    assert_eq!(manifest.renditions[0].copied, remux);
    let wanted = files(&made);
    let mut env = with_child(&test.env, dir.path());
    let mut config = (*env.config).clone();
    config.transcode.remux = remux;
    env.config = Arc::new(config);

    let mut prefixes = vec![];
    for _ in 0..2 {
        run(&env, asset_id).await;
        let select = "select prefix, poster, duration_ms, width, height, made_by from streams where asset_id = $1";
        let (prefix, poster, length, width, height, made_by): (String, Option<String>, i64, Option<i32>, Option<i32>, i32) =
            sqlx::query_as(select).bind(asset_id.0).fetch_one(&env.db).await.unwrap();
        let size = (manifest.width.map(|pixels| pixels as i32), manifest.height.map(|pixels| pixels as i32));
        assert_eq!((length, (width, height), made_by), (manifest.duration_ms as i64, size, MADE_BY));
        assert_eq!(poster, Some(format!("{prefix}/poster.jpg")));
        let mut stored = BTreeMap::new();
        for (key, _) in env.store.list(&prefix).await.unwrap() {
            let name = key.as_str().strip_prefix(&format!("{prefix}/")).unwrap().to_owned();
            stored.insert(name, env.store.get(&key).await.unwrap().to_vec());
        }
        assert_eq!(stored.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
        assert!(stored == wanted, "the same bytes");
        prefixes.push(prefix);
    }
    assert_ne!(prefixes[0], prefixes[1], "planned anew, it has a folder of its own");
    assert_eq!(count(&env, "select count(*) from events where kind = 'Transcoded' and asset_id = $1", asset_id).await, 2);
    assert!(count(&env, "select count(*) from jobs where kind = 'EncodeRun' and state = 'done' and asset_id = $1", asset_id).await >= 4);
    assert_eq!(count(&env, "select count(*) from encodings where asset_id = $1", asset_id).await, 0);
}

/// A film that would be copied, if one of its key pictures were not damaged.
fn damaged() -> Vec<u8> {
    let mut bytes = fs::read(fixture("runs.mp4")).unwrap();
    let length = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at - 4..at].try_into().unwrap()) as usize;
    let starts = (4..bytes.len() - 1).filter(|&at| bytes[at..].starts_with(&[0x65, 0x88]) && length(&bytes, at) < bytes.len() - at);
    let at = starts.filter(|&at| length(&bytes, at) > 100).nth(5).unwrap();
    let length = length(&bytes, at);
    for (i, byte) in bytes[at + length / 2..at + length].iter_mut().enumerate() {
        *byte ^= (i * 73 + 5) as u8 | 1;
    }
    bytes
}

#[tokio::test]
async fn a_film_that_turns_out_not_to_be_what_can_be_copied_is_planned_anew() {
    let test = TestEnv::new().await;
    let owner = test.account(Role::Instructor).await;
    let course = test.course(&owner, "published").await;
    let asset_id = test.asset(&owner, course, "damaged.mp4", &damaged()).await;
    let dir = tempfile::tempdir().unwrap();
    run(&with_child(&test.env, dir.path()), asset_id).await;
    let select = "select manifest from streams where asset_id = $1 and complete";
    let manifest: serde_json::Value = sqlx::query_scalar(select).bind(asset_id.0).fetch_one(&test.env.db).await.unwrap();
    assert_eq!(manifest["not_copied"], "damaged_or_unusual_stream");
    assert!(manifest["renditions"][0].get("copied").is_none());
    assert_eq!(count(&test.env, "select count(*) from events where kind = 'StreamPlanned' and asset_id = $1", asset_id).await, 2);
    let begun = "select count(*) from events where kind = 'StreamBegun' and asset_id = $1";
    assert_eq!(count(&test.env, begun, asset_id).await, 2, "whoever watches the draft of the first plan finds that of the second");
    assert_eq!(count(&test.env, "select count(*) from events where kind = 'Transcoded' and asset_id = $1", asset_id).await, 1);
    let left = "select count(*) from jobs where stage = 'transcode' and state <> 'done' and asset_id = $1";
    assert_eq!(count(&test.env, left, asset_id).await, 0);
}

#[tokio::test]
async fn a_run_that_nobody_waits_for_any_more_changes_nothing() {
    let test = TestEnv::new().await;
    let asset_id = asset(&test).await;
    let dir = tempfile::tempdir().unwrap();
    let env = with_child(&test.env, dir.path());
    run(&env, asset_id).await;
    let mut conn = env.db.acquire().await.unwrap();
    for job in [EncodeRun { asset_id, number: 0, of: 4 }.into(), AnyJob::from(PackageStream { asset_id })] {
        enqueue(&mut conn, job, &Cause::default()).await.unwrap();
    }
    drop(conn);
    let mut runner = Runner::new(env.clone());
    transcode::register(&mut runner);
    runner.drain().await.unwrap();
    assert_eq!(count(&env, "select count(*) from jobs where stage = 'transcode' and state <> 'done' and asset_id = $1", asset_id).await, 0);
    assert_eq!(count(&env, "select count(*) from events where kind = 'Transcoded' and asset_id = $1", asset_id).await, 1);
}

#[tokio::test]
async fn a_refused_file_fails_its_asset_with_the_childs_code_and_leaves_no_row() {
    let test = TestEnv::new().await;
    let asset_id = asset(&test).await;
    let dir = tempfile::tempdir().unwrap();
    let script = r#"echo '{"failure":{"class":"poison","code":"too_long","reason":"this is too long","detail":null}}'"#;
    run(&with_program(&test.env, dir.path(), script), asset_id).await;
    let select = "select state, failure_code, failure_reason, failure_stage from assets where id = $1";
    let row: (String, Option<String>, Option<String>, Option<String>) =
        sqlx::query_as(select).bind(asset_id.0).fetch_one(&test.env.db).await.unwrap();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(row, ("failed".to_owned(), some("too_long"), some("this is too long"), some("transcode")));
    assert_eq!(count(&test.env, "select count(*) from streams where asset_id = $1", asset_id).await, 0);
}

#[tokio::test]
async fn what_is_published_keeps_its_package_until_a_new_one_is_stored() {
    let test = TestEnv::new().await;
    let asset_id = asset(&test).await;
    let mut conn = test.env.db.acquire().await.unwrap();
    for sql in [
        "update assets set state = 'published', kind = 'video', published_at = now() where id = $1",
        "insert into streams (asset_id, prefix, duration_ms, manifest, made_by) values ($1, 'assets/old', 1, '{}', 1)",
    ] {
        sqlx::query(sql).bind(asset_id.0).execute(&mut *conn).await.unwrap();
    }
    let seen = async || -> (String, String) {
        let select = "select a.state, s.prefix from assets a join streams s on s.asset_id = a.id where a.id = $1";
        sqlx::query_as(select).bind(asset_id.0).fetch_one(&test.env.db).await.unwrap()
    };
    let dir = tempfile::tempdir().unwrap();
    let refusal = r#"echo '{"failure":{"class":"poison","code":"too_long","reason":"this is too long","detail":null}}'"#;
    run(&with_program(&test.env, dir.path(), refusal), asset_id).await;
    assert_eq!(seen().await, ("published".into(), "assets/old".into()), "a failed attempt takes nothing away");

    run(&with_child(&test.env, dir.path()), asset_id).await;
    let (state, prefix) = seen().await;
    assert_eq!(state, "published");
    assert!(prefix.starts_with(&format!("assets/{asset_id}/")), "{prefix}");
}

#[tokio::test]
async fn a_child_that_always_crashes_is_given_up_after_the_second_time() {
    let test = TestEnv::new().await;
    let asset_id = asset(&test).await;
    let dir = tempfile::tempdir().unwrap();
    let env = with_program(&test.env, dir.path(), "echo run >> $0.runs; kill -SEGV $$");
    run(&env, asset_id).await;
    let mut runner = Runner::new(env.clone());
    transcode::register(&mut runner);
    test.until("the asset has failed", async || {
        runner.drain().await.unwrap();
        count(&env, "select count(*) from assets where id = $1 and failure_code = 'media_too_demanding'", asset_id).await == 1
    })
    .await;
    let runs = fs::read_to_string(dir.path().join("program.runs")).unwrap();
    assert_eq!(runs.lines().count(), 2);
}

/// The environment with this room's child, which for now encodes no run but the first two.
fn with_slow_child(env: &Env, dir: &Path) -> Env {
    let env = with_child(env, dir);
    let busy = r#"{"failure":{"class":"transient","code":"busy","reason":"not yet","detail":null}}"#;
    let script = format!(
        "#!/bin/sh\norder=$(cat)\ncase $order in *'\"encode\":{{\"number\":'[2-9]*) echo '{busy}' ;; *) printf %s \"$order\" | {} \"$@\" ;; esac\n",
        env!("CARGO_BIN_EXE_transcode-child")
    );
    let path = &env.config.paths.program;
    fs::remove_file(path).unwrap();
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    env
}

/// A recording of several runs of which the first two are made, and an environment whose child makes no others.
async fn begun(dir: &Path) -> (TestEnv, Env, AssetId) {
    let test = TestEnv::new().await;
    let asset_id = asset_of(&test, "runs.mp4").await;
    let env = with_slow_child(&test.env, dir);
    run(&env, asset_id).await;
    (test, env, asset_id)
}

async fn publish(env: &Env, asset_id: AssetId) {
    let update = "update assets set state = 'published', kind = 'video', published_at = now() where id = $1";
    sqlx::query(update).bind(asset_id.0).execute(&env.db).await.unwrap();
}

async fn stream(env: &Env, asset_id: AssetId) -> Option<(String, bool)> {
    let select = "select prefix, complete from streams where asset_id = $1";
    sqlx::query_as(select).bind(asset_id.0).fetch_optional(&env.db).await.unwrap()
}

/// Runs what waits for its next attempt.
async fn try_again(env: &Env) {
    sqlx::query("update jobs set run_at = now() where state in ('queued', 'parked')").execute(&env.db).await.unwrap();
    let mut runner = Runner::new(env.clone());
    transcode::register(&mut runner);
    runner.drain().await.unwrap();
}

#[tokio::test]
async fn a_stream_can_be_watched_from_its_beginning_on_and_is_completed_where_it_lies() {
    let dir = tempfile::tempdir().unwrap();
    let (test, env, asset_id) = begun(dir.path()).await;
    let (prefix, complete) = stream(&env, asset_id).await.expect("the beginning is there");
    assert!(!complete);
    let names = async || -> Vec<String> {
        let listed = env.store.list(&prefix).await.unwrap();
        listed.iter().map(|(key, _)| key.as_str().strip_prefix(&format!("{prefix}/")).unwrap().to_owned()).collect()
    };
    let first = names().await;
    assert!(first.contains(&"draft/master.m3u8".to_owned()) && !first.contains(&"master.m3u8".to_owned()), "{first:?}");
    assert_eq!(count(&env, "select count(*) from events where kind = 'StreamBegun' and asset_id = $1", asset_id).await, 1);

    fs::remove_file(&env.config.paths.program).unwrap();
    try_again(&with_child(&test.env, dir.path())).await;
    assert_eq!(stream(&env, asset_id).await, Some((prefix.clone(), true)), "the same folder");
    let whole = names().await;
    assert!(whole.contains(&"master.m3u8".to_owned()) && !whole.iter().any(|name| name.starts_with("draft/")), "{whole:?}");
    assert_eq!(count(&env, "select count(*) from replaced_streams where asset_id = $1", asset_id).await, 0);
    assert_eq!(count(&env, "select count(*) from events where kind = 'StreamBegun' and asset_id = $1", asset_id).await, 1);
}

#[tokio::test]
async fn a_stream_of_which_a_later_part_cannot_be_made_fails_though_it_was_watched() {
    let dir = tempfile::tempdir().unwrap();
    let (test, env, asset_id) = begun(dir.path()).await;
    publish(&env, asset_id).await;
    let refusal = r#"echo '{"failure":{"class":"poison","code":"too_long","reason":"this is too long","detail":null}}'"#;
    fs::remove_file(dir.path().join("program")).unwrap();
    try_again(&with_program(&test.env, dir.path(), refusal)).await;
    assert_eq!(stream(&env, asset_id).await, None);
    assert_eq!(
        count(&env, "select count(*) from assets where id = $1 and state = 'failed' and failure_code = 'too_long'", asset_id).await,
        1
    );
}

#[tokio::test]
async fn what_is_planned_anew_before_it_is_complete_is_in_the_making_again() {
    let dir = tempfile::tempdir().unwrap();
    let (_test, env, asset_id) = begun(dir.path()).await;
    publish(&env, asset_id).await;
    let (before, _) = stream(&env, asset_id).await.unwrap();
    run(&env, asset_id).await;
    let (after, complete) = stream(&env, asset_id).await.unwrap();
    assert!(before != after && !complete, "begun anew, in a folder of its own");
    assert_eq!(count(&env, "select count(*) from assets where id = $1 and state = 'processing'", asset_id).await, 1);
}
