//! The worker's side: a stored source becomes objects and one row, or a failed asset. A shell script stands in for the
//! program whose child does the work, as this test binary is not that program; what the child does is tested beside.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use kernel::env::Env;
use kernel::events::Cause;
use kernel::http::Role;
use kernel::id::AssetId;
use kernel::jobs::{Runner, enqueue};
use kernel::pipeline::TranscodeMedia;
use kernel::store::Key;
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

async fn run(env: &Env, asset_id: AssetId) {
    let mut conn = env.db.acquire().await.unwrap();
    enqueue(&mut conn, TranscodeMedia { asset_id }, &Cause::default()).await.unwrap();
    drop(conn);
    let mut runner = Runner::new(env.clone());
    transcode::register(&mut runner);
    runner.drain().await.unwrap();
}

async fn asset(test: &TestEnv) -> AssetId {
    let owner = test.account(Role::Instructor).await;
    let course = test.course(&owner, "published").await;
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tiny.mp4");
    test.asset(&owner, course, "tiny.mp4", &fs::read(tiny).unwrap()).await
}

#[tokio::test]
async fn the_package_is_stored_under_a_fresh_prefix_and_one_row_makes_it_real() {
    let test = TestEnv::new().await;
    let asset_id = asset(&test).await;
    let dir = tempfile::tempdir().unwrap();
    let made = dir.path().join("made");
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tiny.mp4");
    let manifest = transcode::transcode(&tiny, &made, &Options::default(), &mut |_| {}).unwrap();
    fs::write(dir.path().join("answer"), serde_json::json!({ "result": manifest }).to_string() + "\n").unwrap();
    let script = format!("cmp source {} && cp -r {} package && cat {}", tiny.display(), made.display(), dir.path().join("answer").display());
    let env = with_program(&test.env, dir.path(), &script);

    let mut prefixes = vec![];
    for _ in 0..2 {
        run(&env, asset_id).await;
        let row = sqlx::query!("select prefix, duration_ms, width, height, poster, made_by from streams where asset_id = $1", asset_id.0)
            .fetch_one(&env.db)
            .await
            .unwrap();
        assert_eq!((row.duration_ms, row.width, row.height, row.made_by), (manifest.duration_ms as i64, Some(640), Some(360), MADE_BY));
        assert_eq!(row.poster, Some(format!("{}/poster.jpg", row.prefix)));
        for file in manifest.files() {
            let key = Key::parse(&format!("{}/{file}", row.prefix)).unwrap();
            let stored = env.store.get(&key).await.unwrap();
            assert!(stored == fs::read(made.join(&file)).unwrap(), "{key} differs");
        }
        prefixes.push(row.prefix);
    }
    assert_ne!(prefixes[0], prefixes[1], "an attempt wrote over another");
    let events = sqlx::query_scalar!("select count(*) from events where kind = 'Transcoded' and asset_id = $1", asset_id.0);
    assert_eq!(events.fetch_one(&env.db).await.unwrap(), Some(2));
}

#[tokio::test]
async fn a_refused_file_fails_its_asset_with_the_childs_code_and_leaves_no_row() {
    let test = TestEnv::new().await;
    let asset_id = asset(&test).await;
    let dir = tempfile::tempdir().unwrap();
    let script = r#"echo '{"failure":{"class":"poison","code":"too_long","reason":"this is too long","detail":null}}'"#;
    run(&with_program(&test.env, dir.path(), script), asset_id).await;
    let row = sqlx::query!("select state, failure_code, failure_reason, failure_stage from assets where id = $1", asset_id.0)
        .fetch_one(&test.env.db)
        .await
        .unwrap();
    assert_eq!((row.state.as_str(), row.failure_code.as_deref(), row.failure_stage.as_deref()), ("failed", Some("too_long"), Some("transcode")));
    assert_eq!(row.failure_reason.as_deref(), Some("this is too long"));
    let streams = sqlx::query_scalar!("select count(*) from streams where asset_id = $1", asset_id.0);
    assert_eq!(streams.fetch_one(&test.env.db).await.unwrap(), Some(0));
}

#[tokio::test]
async fn a_child_that_always_crashes_is_given_up_after_the_second_time() {
    let test = TestEnv::new().await;
    let asset_id = asset(&test).await;
    let dir = tempfile::tempdir().unwrap();
    run(&with_program(&test.env, dir.path(), "echo x >> $0.runs; kill -SEGV $$"), asset_id).await;
    let code = sqlx::query_scalar!("select failure_code from assets where id = $1", asset_id.0).fetch_one(&test.env.db).await.unwrap();
    assert!(code.is_none_or(|code| code == "media_too_demanding"));
}
