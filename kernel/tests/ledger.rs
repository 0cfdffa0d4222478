//! The life of a job, against a real PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kernel::dependency::Dependency;
use kernel::events::{self, Cause};
use kernel::http::Role;
use kernel::id::{AssetId, JobId};
use kernel::jobs::{self, Class, Failure, Runner, Stage, Usage, control, ledger, rescue};
use kernel::pipeline::{Event, PublishAsset, TranscodeMedia, UpdateIndex};
use kernel::testing::{TestEnv, claim_one};

const LEASE: Duration = Duration::from_secs(30);

async fn an_asset(test: &TestEnv) -> AssetId {
    let teacher = test.account(Role::Instructor).await;
    let course = test.course(&teacher, "draft").await;
    test.asset(&teacher, course, "a.mp4", b"bytes").await
}

async fn enqueue(test: &TestEnv, job: impl Into<jobs::AnyJob>) {
    let mut conn = test.env.db.acquire().await.unwrap();
    jobs::enqueue(&mut conn, job, &Cause::default()).await.unwrap();
}

async fn state(test: &TestEnv, id: JobId) -> (String, i32, i32) {
    sqlx::query_as("select state, attempt, failures from jobs where id = $1").bind(id.0).fetch_one(&test.env.db).await.unwrap()
}

async fn asset_state(test: &TestEnv, id: AssetId) -> (String, Option<String>, Option<String>) {
    sqlx::query_as("select state, failure_code, failure_stage from assets where id = $1").bind(id.0).fetch_one(&test.env.db).await.unwrap()
}

async fn count(test: &TestEnv, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&test.env.db).await.unwrap()
}

#[tokio::test]
async fn a_job_exists_if_and_only_if_its_transaction_committed() {
    let test = TestEnv::new().await;
    let asset_id = an_asset(&test).await;
    let mut tx = test.env.db.begin().await.unwrap();
    events::record(&mut tx, &Event::Uploaded { asset_id }, &Cause::default()).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(count(&test, "select count(*) from jobs").await + count(&test, "select count(*) from events").await, 0);
    let mut tx = test.env.db.begin().await.unwrap();
    events::record(&mut tx, &Event::Uploaded { asset_id }, &Cause::default()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(count(&test, "select count(*) from jobs where kind = 'IngestUpload'").await, 1);
    assert_eq!(count(&test, "select count(*) from events where kind = 'Uploaded'").await, 1);
}

#[tokio::test]
async fn many_workers_never_claim_the_same_job() {
    let test = TestEnv::new().await;
    let asset_id = an_asset(&test).await;
    for _ in 0..40 {
        enqueue(&test, TranscodeMedia { asset_id }).await;
    }
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let db = test.env.db.clone();
        workers.spawn(async move {
            let mut mine = Vec::new();
            while let Some(job) = claim_one(&db, Stage::Transcode, &format!("w{worker}"), LEASE).await {
                mine.push(job.id);
            }
            mine
        });
    }
    let mut claimed: Vec<JobId> = workers.join_all().await.concat();
    claimed.sort();
    let all = claimed.len();
    claimed.dedup();
    assert_eq!((all, claimed.len()), (40, 40));
}

#[tokio::test]
async fn who_lost_the_lease_changes_nothing() {
    let test = TestEnv::new().await;
    let asset_id = an_asset(&test).await;
    enqueue(&test, TranscodeMedia { asset_id }).await;
    let zombie = claim_one(&test.env.db, Stage::Transcode, "zombie", Duration::ZERO).await.unwrap();
    assert_eq!(rescue::rescue(&test.env.db, |_| Duration::ZERO).await.unwrap(), 1);
    let heir = claim_one(&test.env.db, Stage::Transcode, "heir", LEASE).await.unwrap();
    assert_eq!((heir.id, heir.attempt), (zombie.id, 2));
    assert_eq!((zombie.lane, heir.lane), (jobs::Lane::Default, jobs::Lane::Interactive), "it has had its turn");
    // Everything the zombie may still try:
    let mut conn = test.env.db.acquire().await.unwrap();
    assert!(!ledger::finish(&mut conn, &zombie, Usage::default()).await.unwrap());
    assert_eq!(ledger::heartbeat(&test.env.db, &zombie, LEASE, 1, 1).await.unwrap(), ledger::Pulse::Lost);
    let failure = Failure::poison("x", "x");
    assert_eq!(ledger::fail(&test.env.db, &zombie, &failure, Duration::ZERO, Usage::default()).await.unwrap(), ledger::Aftermath::NotOurs);
    ledger::release(&test.env.db, &zombie).await.unwrap();
    assert_eq!(state(&test, heir.id).await, ("running".into(), 2, 1));
    assert_eq!(asset_state(&test, asset_id).await.0, "processing");
    assert!(ledger::finish(&mut conn, &heir, Usage::default()).await.unwrap(), "the heir can finish");
}

#[tokio::test]
async fn poison_is_dead_at_once_and_fails_its_asset_with_a_reason() {
    let test = TestEnv::new().await;
    let asset_id = an_asset(&test).await;
    enqueue(&test, TranscodeMedia { asset_id }).await;
    let mut runner = Runner::new(test.env.clone());
    runner.on(|_, _: TranscodeMedia| async { Err(Failure::poison("media_unreadable", "this file cannot be read")) });
    assert_eq!(runner.drain().await.unwrap(), 1);
    assert_eq!(asset_state(&test, asset_id).await, ("failed".into(), Some("media_unreadable".into()), Some("transcode".into())));
    assert_eq!(count(&test, "select count(*) from jobs where state = 'dead' and failure_class = 'poison'").await, 1);
    assert_eq!(count(&test, "select count(*) from events where kind = 'AssetFailed'").await, 1);
}

#[tokio::test]
async fn a_transient_failure_is_tried_again_and_too_many_are_dead() {
    let test = TestEnv::new().await;
    let asset_id = an_asset(&test).await;
    enqueue(&test, TranscodeMedia { asset_id }).await;
    let tries = Arc::new(AtomicUsize::new(0));
    let mut runner = Runner::new(test.env.clone());
    let seen = tries.clone();
    runner.on(move |_, _: TranscodeMedia| {
        let tries = seen.clone();
        async move {
            tries.fetch_add(1, Ordering::SeqCst);
            Err(anyhow::anyhow!("the disk sulks").into())
        }
    });
    test.until("the job is dead", || async {
        runner.drain().await.unwrap();
        count(&test, "select count(*) from jobs where state = 'dead'").await == 1
    })
    .await;
    assert_eq!(tries.load(Ordering::SeqCst), 8, "as many attempts as the limit says");
    assert_eq!(asset_state(&test, asset_id).await.0, "failed");
    let detail: String = sqlx::query_scalar("select failure_detail from jobs where state = 'dead'").fetch_one(&test.env.db).await.unwrap();
    assert!(detail.contains("the disk sulks"));
    // One command takes it up again.
    let id: uuid::Uuid = sqlx::query_scalar("select id from jobs where state = 'dead'").fetch_one(&test.env.db).await.unwrap();
    assert_eq!(control::retry(&test.env.db, id.into()).await.unwrap(), control::Answer::Done);
    assert_eq!(asset_state(&test, asset_id).await, ("processing".into(), None, None));
    assert_eq!(control::retry(&test.env.db, id.into()).await.unwrap(), control::Answer::WrongState);
}

#[tokio::test]
async fn what_a_sort_of_failure_allows_is_counted_by_itself() {
    let test = TestEnv::new().await;
    let asset_id = an_asset(&test).await;
    enqueue(&test, TranscodeMedia { asset_id }).await;
    let fails = async |failure: Failure| {
        sqlx::query("update jobs set run_at = now()").execute(&test.env.db).await.unwrap();
        let job = claim_one(&test.env.db, Stage::Transcode, "w", LEASE).await.unwrap();
        ledger::fail(&test.env.db, &job, &failure, Duration::ZERO, Usage::default()).await.unwrap()
    };
    let lost = || Failure { class: Class::Lost, ..Failure::transient("worker_lost", "gone") };
    let memory = || Failure::resource("out_of_memory", "too large");
    for failure in [lost(), lost(), memory(), lost(), memory(), memory()] {
        assert!(matches!(fails(failure.clone()).await, ledger::Aftermath::Retry(_)), "{failure}");
    }
    assert_eq!(fails(memory()).await, ledger::Aftermath::Dead, "the third in a row");

    // a full disk on the way costs nothing
    enqueue(&test, TranscodeMedia { asset_id }).await;
    for _ in 0..20 {
        assert!(matches!(fails(Failure::dependency(Dependency::Scratch)).await, ledger::Aftermath::Retry(_)));
    }
    let failures: i32 = sqlx::query_scalar("select failures from jobs where state = 'parked'").fetch_one(&test.env.db).await.unwrap();
    assert_eq!(failures, 0);
}

#[tokio::test]
async fn finishing_writes_output_event_and_following_jobs_at_once_or_not_at_all() {
    let test = TestEnv::new().await;
    let asset_id = an_asset(&test).await;
    enqueue(&test, TranscodeMedia { asset_id }).await;
    let mut runner = Runner::new(test.env.clone());
    let first = Arc::new(AtomicUsize::new(0));
    runner.on(move |ctx: jobs::Ctx, job: TranscodeMedia| {
        let first = first.clone();
        async move {
            let mut done = ctx.finish().await?;
            sqlx::query("update assets set title = 'written' where id = $1").bind(job.asset_id.0).execute(done.conn()).await?;
            if first.fetch_add(1, Ordering::SeqCst) == 0 {
                return Err(anyhow::anyhow!("the plug is pulled before the commit").into());
            }
            done.commit(Event::Transcoded { asset_id: job.asset_id }).await
        }
    });
    runner.drain().await.unwrap();
    let title: String = sqlx::query_scalar("select title from assets").fetch_one(&test.env.db).await.unwrap();
    assert_eq!((title.as_str(), count(&test, "select count(*) from events").await), ("a.mp4", 0));
    test.until("the second attempt is done", || async {
        runner.drain().await.unwrap();
        count(&test, "select count(*) from jobs where kind = 'TranscodeMedia' and state = 'done'").await == 1
    })
    .await;
    assert_eq!(count(&test, "select count(*) from jobs where kind = 'PublishAsset' and state = 'queued'").await, 1);
    assert_eq!(count(&test, "select count(*) from events where kind = 'Transcoded'").await, 1);
}

#[tokio::test]
async fn the_same_work_waits_only_once() {
    let test = TestEnv::new().await;
    let asset_id = an_asset(&test).await;
    for _ in 0..3 {
        enqueue(&test, UpdateIndex {}).await;
        enqueue(&test, PublishAsset { asset_id }).await;
    }
    assert_eq!(count(&test, "select count(*) from jobs").await, 2);
    // While one runs, another may wait: it may have to see what came meanwhile.
    let running = claim_one(&test.env.db, Stage::Index, "w", LEASE).await.unwrap();
    enqueue(&test, UpdateIndex {}).await;
    assert_eq!(count(&test, "select count(*) from jobs where kind = 'UpdateIndex'").await, 2);
    // If the running one fails now, the waiting one is the same work.
    ledger::fail(&test.env.db, &running, &Failure::transient("x", "x"), Duration::ZERO, Usage::default()).await.unwrap();
    assert_eq!(count(&test, "select count(*) from jobs where kind = 'UpdateIndex' and state = 'queued'").await, 1);
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_at_once_and_a_running_one_is_told() {
    let test = TestEnv::new().await;
    let asset_id = an_asset(&test).await;
    enqueue(&test, TranscodeMedia { asset_id }).await;
    let id: uuid::Uuid = sqlx::query_scalar("select id from jobs").fetch_one(&test.env.db).await.unwrap();
    assert_eq!(control::cancel(&test.env.db, id.into()).await.unwrap(), control::Answer::Done);
    assert_eq!(asset_state(&test, asset_id).await.1.as_deref(), Some("cancelled"));
    assert_eq!(control::retry(&test.env.db, id.into()).await.unwrap(), control::Answer::Done);
    let mut runner = Runner::new(test.env.clone());
    let db = test.env.db.clone();
    runner.on(move |ctx: jobs::Ctx, _: TranscodeMedia| {
        let db = db.clone();
        async move {
            assert_eq!(control::cancel(&db, ctx.job.id).await?, control::Answer::Told);
            std::future::pending::<()>().await;
            unreachable!("the runner ends this")
        }
    });
    runner.drain().await.unwrap();
    assert_eq!(state(&test, id.into()).await.0, "cancelled");
}

#[tokio::test]
async fn a_panic_is_a_failed_attempt_and_the_worker_lives() {
    let test = TestEnv::new().await;
    let asset_id = an_asset(&test).await;
    enqueue(&test, TranscodeMedia { asset_id }).await;
    let mut runner = Runner::new(test.env.clone());
    runner.on(|_, _: TranscodeMedia| async { panic!("a bug") });
    runner.drain().await.unwrap();
    let (class, detail): (String, String) =
        sqlx::query_as("select failure_class, failure_detail from jobs").fetch_one(&test.env.db).await.unwrap();
    assert_eq!(class, Class::Transient.as_str());
    assert!(detail.contains("a bug"));
}

#[tokio::test]
async fn the_programs_role_cannot_rewrite_what_happened() {
    let test = TestEnv::new().await;
    for sql in ["update events set kind = 'x'", "delete from events", "drop table jobs", "create table mine (x int)"] {
        assert!(sqlx::query(sql).execute(&test.env.db).await.is_err(), "{sql}");
    }
}

#[tokio::test]
async fn a_lease_is_held_by_one_until_it_expires_and_the_token_grows() {
    let test = TestEnv::new().await;
    let mut conn = test.env.db.acquire().await.unwrap();
    let first = kernel::leases::acquire(&mut conn, "writer", "a", LEASE).await.unwrap().unwrap();
    assert!(kernel::leases::acquire(&mut conn, "writer", "b", LEASE).await.unwrap().is_none());
    assert!(kernel::leases::renew(&mut conn, &first, Duration::ZERO).await.unwrap());
    let second = kernel::leases::acquire(&mut conn, "writer", "b", LEASE).await.unwrap().unwrap();
    assert!(second.token > first.token);
    assert!(!kernel::leases::renew(&mut conn, &first, LEASE).await.unwrap(), "the first holder is fenced off");
}

#[tokio::test]
async fn a_worker_of_this_machine_that_is_gone_is_noticed_before_its_lease_expires() {
    let test = TestEnv::new().await;
    let asset_id = an_asset(&test).await;
    for _ in 0..2 {
        enqueue(&test, TranscodeMedia { asset_id }).await;
    }
    let mut ended = std::process::Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    let dead = format!("{}{}", rescue::neighbourhood(), ended.id());
    let alive = format!("{}{}", rescue::neighbourhood(), std::process::id());
    let lost = claim_one(&test.env.db, Stage::Transcode, &dead, LEASE).await.unwrap();
    let held = claim_one(&test.env.db, Stage::Transcode, &alive, LEASE).await.unwrap();
    assert_eq!(rescue::rescue(&test.env.db, |_| Duration::ZERO).await.unwrap(), 1);
    assert_eq!(state(&test, lost.id).await.0, "parked");
    assert_eq!(state(&test, held.id).await.0, "running");
}

#[tokio::test]
async fn work_that_was_asked_for_again_does_not_run_before_the_asker_has_committed() {
    let test = TestEnv::new().await;
    enqueue(&test, UpdateIndex {}).await;
    let mut asker = test.env.db.begin().await.unwrap();
    jobs::enqueue(&mut asker, UpdateIndex {}, &Cause::default()).await.unwrap();
    let early = claim_one(&test.env.db, Stage::Index, "w", LEASE).await;
    assert!(early.is_none(), "it would not see what the asker is about to commit");
    asker.commit().await.unwrap();
    assert!(claim_one(&test.env.db, Stage::Index, "w", LEASE).await.is_some());
}
