//! Where assets are, why they wait, and how forecasts are judged; against a real PostgreSQL.

use kernel::events::Cause;
use kernel::forecast::{self, Forecaster, Reason};
use kernel::http::{Principal, Role};
use kernel::id::AssetId;
use kernel::jobs::workers::{self, Closed, PoolReport, Worker};
use kernel::jobs::{self, Failure, Lane, Stage, Usage, ledger, pools};
use kernel::pipeline::TranscodeMedia;
use kernel::testing::{TestEnv, claim_one};
use time::OffsetDateTime;

async fn teacher(test: &TestEnv) -> (Principal, AssetId) {
    let teacher = test.account(Role::Instructor).await;
    let course = test.course(&teacher, "draft").await;
    let asset = test.asset(&teacher, course, "a.mp4", b"bytes").await;
    sqlx::query("update assets set kind = 'video', media_type = 'video/mp4' where id = $1")
        .bind(asset.0)
        .execute(&test.env.db)
        .await
        .unwrap();
    (teacher, asset)
}

async fn another_asset(test: &TestEnv, owner: &Principal) -> AssetId {
    let course = test.course(owner, "draft").await;
    let asset = test.asset(owner, course, "b.mp4", b"other bytes").await;
    sqlx::query("update assets set kind = 'video', media_type = 'video/mp4' where id = $1")
        .bind(asset.0)
        .execute(&test.env.db)
        .await
        .unwrap();
    asset
}

async fn transcode(test: &TestEnv, asset_id: AssetId, lane: Lane) {
    jobs::enqueue(&mut test.env.db.acquire().await.unwrap(), TranscodeMedia { asset_id }, &Cause { lane, ..Cause::default() })
        .await
        .unwrap();
}

/// A worker of every stage that reports itself so.
async fn worker(test: &TestEnv, closed: Option<Closed>) {
    let pool = |stage| PoolReport { stage, concurrency: 1, running: 0, memory_bytes: 0, cpus: 1.0, closed };
    let worker = Worker {
        name: "w".into(),
        host: "h".into(),
        version: "1".into(),
        pools: Stage::ALL.into_iter().map(pool).collect(),
        memory_bytes: 1 << 30,
        started_at: OffsetDateTime::now_utc(),
        seen_at: OffsetDateTime::now_utc(),
    };
    workers::report(&test.env.db, &worker, &serde_json::json!([])).await.unwrap();
}

async fn wait(test: &TestEnv, asset: AssetId) -> forecast::Wait {
    // A forecaster of its own sees the present and not what another saw two seconds ago.
    let made = Forecaster::default().forecast(&mut test.env.db.acquire().await.unwrap()).await.unwrap();
    made.waits[&asset].clone()
}

#[tokio::test]
async fn why_a_job_waits_is_told() {
    let test = TestEnv::new().await;
    let (_, asset) = teacher(&test).await;
    transcode(&test, asset, Lane::Default).await;
    let told = wait(&test, asset).await;
    assert_eq!((told.reason, told.ready_from), (Reason::NoWorker, None), "and no time is promised");
    worker(&test, None).await;
    let told = wait(&test, asset).await;
    assert_eq!((told.stage, told.reason, told.ahead), (Stage::Transcode, Reason::NoFreeSlot, 0));
    assert!(told.ready_from.unwrap() < told.ready_to.unwrap());
    pools::pause(&test.env.db, Some(Stage::Transcode), None, "new disks", "Olga").await.unwrap();
    worker(&test, Some(Closed::Paused)).await;
    let told = wait(&test, asset).await;
    assert_eq!(told.reason, Reason::Paused { paused_by: "Olga".into(), note: "new disks".into() });
    worker(&test, None).await;
    let job = claim_one(&test.env.db, Stage::Transcode, "w", std::time::Duration::from_secs(30)).await.unwrap();
    assert_eq!(wait(&test, asset).await.reason, Reason::Running);
    let away = Failure::dependency(kernel::dependency::Dependency::Objects);
    ledger::fail(&test.env.db, &job, &away, std::time::Duration::ZERO, Usage::default()).await.unwrap();
    assert_eq!(wait(&test, asset).await.reason, Reason::DependencyDown { code: "objects_down".into() });
}

#[tokio::test]
async fn one_who_used_its_share_is_told_so() {
    let test = TestEnv::new().await;
    worker(&test, None).await;
    let ((many, first), (_, other)) = (teacher(&test).await, teacher(&test).await);
    let second = another_asset(&test, &many).await;
    transcode(&test, first, Lane::Default).await;
    transcode(&test, second, Lane::Default).await;
    transcode(&test, other, Lane::Default).await;
    let told = wait(&test, second).await;
    assert_eq!((told.reason, told.ahead), (Reason::FairShare, 2));
    assert_eq!(wait(&test, other).await.reason, Reason::NoFreeSlot);
}

#[tokio::test]
async fn forecasts_are_written_down_judged_and_make_the_range() {
    let test = TestEnv::new().await;
    worker(&test, None).await;
    let (_, asset) = teacher(&test).await;
    transcode(&test, asset, Lane::Default).await;
    let mut conn = test.env.db.acquire().await.unwrap();
    forecast::keep_books(&mut conn, &Forecaster::default()).await.unwrap();
    forecast::keep_books(&mut conn, &Forecaster::default()).await.unwrap();
    let (written, judged): (i64, i64) = sqlx::query_as("select count(*), count(ratio) from forecasts").fetch_one(&mut *conn).await.unwrap();
    assert_eq!((written, judged), (1, 0), "one about each asset at a time");
    let wide = wait(&test, asset).await;
    // Forty that came true just as expected, and this one twice as late.
    sqlx::query("update forecasts set expected_seconds = 10, made_at = now() - interval '20 seconds'").execute(&mut *conn).await.unwrap();
    sqlx::query("update assets set state = 'published', published_at = now() where id = $1")
        .bind(asset.0)
        .execute(&mut *conn)
        .await
        .unwrap();
    forecast::keep_books(&mut conn, &Forecaster::default()).await.unwrap();
    let ratio: f32 = sqlx::query_scalar("select ratio from forecasts").fetch_one(&mut *conn).await.unwrap();
    assert!((1.9..2.1).contains(&ratio), "{ratio}");
    sqlx::query(
        "insert into forecasts (asset_id, made_at, expected_seconds, ratio, judged_at)
         select $1, now() - make_interval(hours => n), 10, 1, now() from generate_series(1, 40) n",
    )
    .bind(asset.0)
    .execute(&mut *conn)
    .await
    .unwrap();
    let (_, next) = teacher(&test).await;
    transcode(&test, next, Lane::Default).await;
    let narrow = wait(&test, next).await;
    let width = |wait: &forecast::Wait| wait.ready_to.unwrap() - wait.ready_from.unwrap();
    assert!(width(&narrow) < width(&wide) / 10, "{} against {}", width(&narrow), width(&wide));
}
