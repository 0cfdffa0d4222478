//! Who runs next, how many at a time, and who said so; against a real PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kernel::dependency::Dependency;
use kernel::events::{self, Cause};
use kernel::http::{Principal, Role};
use kernel::id::{AssetId, JobId};
use kernel::jobs::ledger::{self, Ask, Claimed, Marks};
use kernel::jobs::{self, Failure, Lane, Runner, Stage, Usage, control, pools};
use kernel::pipeline::{Event, ExtractDocument, TranscodeMedia};
use kernel::testing::TestEnv;
use tokio_util::sync::CancellationToken;

/// A teacher with one asset, whose jobs count against the teacher's share.
async fn teacher(test: &TestEnv) -> (Principal, AssetId) {
    let teacher = test.account(Role::Instructor).await;
    let course = test.course(&teacher, "draft").await;
    let asset = test.asset(&teacher, course, "a.mp4", b"bytes").await;
    (teacher, asset)
}

async fn enqueue(test: &TestEnv, asset_id: AssetId, lane: Lane, count: usize) {
    let mut tx = test.env.db.begin().await.unwrap();
    for _ in 0..count {
        jobs::enqueue(&mut tx, TranscodeMedia { asset_id }, &Cause { lane, ..Cause::default() }).await.unwrap();
    }
    tx.commit().await.unwrap();
}

fn ask<'a>(kinds: &'a [String], most: usize) -> Ask<'a> {
    Ask {
        stage: Stage::Transcode,
        worker: "w",
        lease: Duration::from_secs(30),
        most,
        lanes: &Lane::ALL,
        kinds,
        waited: None,
        called: false,
        attempts: 0,
        cluster: 0,
    }
}

fn kinds() -> Vec<String> {
    vec!["TranscodeMedia/1".into()]
}

async fn claim(test: &TestEnv, most: usize) -> Vec<Claimed> {
    ledger::claim(&test.env.db, &ask(&kinds(), most)).await.unwrap()
}

async fn finish(test: &TestEnv, job: &Claimed) {
    assert!(ledger::finish(&mut test.env.db.acquire().await.unwrap(), job, Usage::default()).await.unwrap());
}

#[tokio::test]
async fn one_who_brings_five_hundred_delays_another_by_at_most_one_job() {
    let test = TestEnv::new().await;
    let ((_, many), (_, few)) = (teacher(&test).await, teacher(&test).await);
    enqueue(&test, many, Lane::Default, 500).await;
    let first = claim(&test, 1).await.remove(0);
    enqueue(&test, few, Lane::Default, 2).await;
    finish(&test, &first).await;
    let order: Vec<bool> = claim(&test, 4).await.iter().map(|job| job.asset_id == Some(few)).collect();
    assert_eq!(order, [true, false, true, false], "the other's first comes next, and then they take turns");
}

#[tokio::test]
async fn without_owners_it_is_first_come_first_served() {
    let test = TestEnv::new().await;
    let (_, asset) = teacher(&test).await;
    enqueue(&test, asset, Lane::Default, 3).await;
    // The negative control of the test above: the same jobs, nobody's share.
    sqlx::query("update jobs set owner_id = null, turn = (extract(epoch from created_at) * 1e6)::bigint")
        .execute(&test.env.db)
        .await
        .unwrap();
    let (_, other) = teacher(&test).await;
    enqueue(&test, other, Lane::Default, 1).await;
    let order: Vec<bool> = claim(&test, 4).await.iter().map(|job| job.asset_id == Some(other)).collect();
    assert_eq!(order, [false, false, false, true]);
}

#[tokio::test]
async fn lanes_go_in_their_order_and_a_worker_may_leave_some_out() {
    let test = TestEnv::new().await;
    let (_, asset) = teacher(&test).await;
    for lane in [Lane::Backfill, Lane::Default, Lane::Interactive] {
        enqueue(&test, asset, lane, 1).await;
    }
    let kinds = kinds();
    let only = Ask { lanes: &[Lane::Default], ..ask(&kinds, 9) };
    let lanes = |jobs: &[Claimed]| jobs.iter().map(|job| job.lane).collect::<Vec<_>>();
    assert_eq!(lanes(&ledger::claim(&test.env.db, &only).await.unwrap()), [Lane::Default]);
    assert_eq!(lanes(&claim(&test, 9).await), [Lane::Interactive, Lane::Backfill]);
}

#[tokio::test]
async fn the_beginnings_of_all_films_go_before_the_rest_of_any() {
    let test = TestEnv::new().await;
    let mut conn = test.env.db.acquire().await.unwrap();
    for (lane, name) in [(Lane::Interactive, "first"), (Lane::Interactive, "second"), (Lane::Backfill, "anew")] {
        let (owner, _) = teacher(&test).await;
        let asset_id = test.asset(&owner, test.course(&owner, "draft").await, name, name.as_bytes()).await;
        events::record(&mut conn, &Event::StreamPlanned { asset_id, runs: 4 }, &Cause { lane, ..Cause::default() }).await.unwrap();
    }
    let known = vec!["EncodeRun/1".to_owned()];
    let claimed = ledger::claim(&test.env.db, &ask(&known, 12)).await.unwrap();
    let order: Vec<_> = claimed.iter().map(|job| (job.lane, job.payload["number"].as_u64().unwrap() > 1)).collect();
    let times = |lane, later, count| std::iter::repeat_n((lane, later), count);
    let wanted = times(Lane::Interactive, false, 4)
        .chain(times(Lane::Default, true, 4))
        .chain(times(Lane::Backfill, false, 2))
        .chain(times(Lane::Backfill, true, 2));
    assert_eq!(order, wanted.collect::<Vec<_>>());
}

#[tokio::test]
async fn what_has_waited_long_in_a_lower_lane_is_found_from_the_other_end() {
    let test = TestEnv::new().await;
    let (_, asset) = teacher(&test).await;
    enqueue(&test, asset, Lane::Backfill, 1).await;
    enqueue(&test, asset, Lane::Interactive, 5).await;
    let kinds = kinds();
    let reversed = [Lane::Backfill, Lane::Default, Lane::Interactive];
    let aged = Ask { lanes: &reversed, waited: Some(Duration::from_secs(300)), ..ask(&kinds, 1) };
    assert!(ledger::claim(&test.env.db, &aged).await.unwrap().is_empty(), "nothing has waited for so long");
    sqlx::query("update jobs set run_at = now() - interval '301 seconds' where lane = 'backfill'").execute(&test.env.db).await.unwrap();
    assert_eq!(ledger::claim(&test.env.db, &aged).await.unwrap()[0].lane, Lane::Backfill);
}

#[tokio::test]
async fn a_flood_of_interactive_jobs_starves_nobody() {
    let test = TestEnv::new().await;
    let (_, asset) = teacher(&test).await;
    enqueue(&test, asset, Lane::Backfill, 1).await;
    sqlx::query("update jobs set run_at = now() - interval '1 hour'").execute(&test.env.db).await.unwrap();
    enqueue(&test, asset, Lane::Interactive, 40).await;
    // One after the other, so that the order of the ends is that of the claims.
    pools::set(&test.env.db, "stages.transcode.concurrency", None, &1.into(), "op").await.unwrap();
    test.env.pools.refresh(&test.env.db).await.unwrap();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = order.clone();
    let mut runner = Runner::new(test.env.clone());
    runner.on(move |ctx, _: TranscodeMedia| {
        let seen = seen.clone();
        async move {
            seen.lock().unwrap().push(ctx.job.lane);
            ctx.finish().await?.commit_silent().await
        }
    });
    run_until(&test, runner, "select count(*) = 0 from jobs where state <> 'done'").await;
    let place = order.lock().unwrap().iter().position(|lane| *lane == Lane::Backfill).unwrap();
    assert!(place < 8, "it ran as number {place}");
}

/// Runs the runner until the query says true.
async fn run_until(test: &TestEnv, runner: Runner, sql: &'static str) {
    let stop = CancellationToken::new();
    let running = tokio::spawn(runner.run(stop.clone()));
    test.until(sql, || async { sqlx::query_scalar::<_, bool>(sql).fetch_one(&test.env.db).await.unwrap() }).await;
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_newer_payload_is_left_to_newer_workers() {
    let test = TestEnv::new().await;
    let (_, asset) = teacher(&test).await;
    enqueue(&test, asset, Lane::Default, 2).await;
    sqlx::query("update jobs set version = 2 where id = (select min(id::text)::uuid from jobs)").execute(&test.env.db).await.unwrap();
    assert_eq!(claim(&test, 9).await.len(), 1);
    let both = vec!["TranscodeMedia/1".to_owned(), "TranscodeMedia/2".to_owned()];
    let left = ledger::claim(&test.env.db, &ask(&both, 9)).await.unwrap();
    assert_eq!((left.len(), left[0].attempt, left[0].failures), (1, 1, 0), "nothing was counted against it");
}

#[tokio::test]
async fn all_processes_together_keep_to_the_clusters_limit() {
    let test = TestEnv::new().await;
    let (_, asset) = teacher(&test).await;
    enqueue(&test, asset, Lane::Default, 20).await;
    let mut claims = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let db = test.env.db.clone();
        claims.spawn(async move { ledger::claim(&db, &Ask { cluster: 3, ..ask(&kinds(), 2) }).await.unwrap().len() });
    }
    assert_eq!(claims.join_all().await.iter().sum::<usize>(), 3);
}

#[tokio::test]
async fn a_service_that_is_away_costs_no_attempt_and_the_job_resumes_by_itself() {
    let test = TestEnv::new().await;
    let (_, asset) = teacher(&test).await;
    enqueue(&test, asset, Lane::Default, 1).await;
    for round in 1..=20 {
        sqlx::query("update jobs set run_at = now() where state = 'parked'").execute(&test.env.db).await.unwrap();
        ledger::ripen(&test.env.db).await.unwrap();
        let job = claim(&test, 1).await.remove(0);
        assert_eq!((job.attempt, job.failures), (round, 0));
        let away = Failure::dependency(Dependency::Objects);
        ledger::fail(&test.env.db, &job, &away, Duration::ZERO, Usage::default()).await.unwrap();
        let (state, code): (String, String) = sqlx::query_as("select state, failure_code from jobs").fetch_one(&test.env.db).await.unwrap();
        assert_eq!((state.as_str(), code.as_str()), ("parked", "objects_down"));
    }
    // The negative control: any other failure is counted, and the eighth is the last.
    for _ in 1..=8 {
        sqlx::query("update jobs set run_at = now() where state = 'parked'").execute(&test.env.db).await.unwrap();
        ledger::ripen(&test.env.db).await.unwrap();
        let job = claim(&test, 1).await.remove(0);
        ledger::fail(&test.env.db, &job, &Failure::transient("x", "x"), Duration::ZERO, Usage::default()).await.unwrap();
    }
    assert_eq!(sqlx::query_scalar::<_, String>("select state from jobs").fetch_one(&test.env.db).await.unwrap(), "dead");
}

#[tokio::test]
async fn an_attempt_that_met_a_limit_gets_twice_of_it_next_time_but_not_for_ever() {
    let test = TestEnv::new().await;
    let (_, asset) = teacher(&test).await;
    enqueue(&test, asset, Lane::Default, 1).await;
    let mut factors = Vec::new();
    for _ in 0..3 {
        sqlx::query("update jobs set run_at = now() where state = 'parked'").execute(&test.env.db).await.unwrap();
        ledger::ripen(&test.env.db).await.unwrap();
        let job = claim(&test, 1).await.remove(0);
        factors.push(job.limits_factor);
        ledger::fail(&test.env.db, &job, &Failure::resource("out_of_memory", "x"), Duration::ZERO, Usage::default()).await.unwrap();
    }
    assert_eq!(factors, [1.0, 2.0, 4.0]);
    assert_eq!(sqlx::query_scalar::<_, String>("select state from jobs").fetch_one(&test.env.db).await.unwrap(), "dead");
}

#[tokio::test]
async fn a_job_is_moved_to_another_lane_and_to_the_front() {
    let test = TestEnv::new().await;
    let ((_, one), (_, other)) = (teacher(&test).await, teacher(&test).await);
    enqueue(&test, one, Lane::Default, 3).await;
    enqueue(&test, other, Lane::Backfill, 1).await;
    let last: uuid::Uuid =
        sqlx::query_scalar("select id from jobs where lane = 'default' order by turn desc limit 1").fetch_one(&test.env.db).await.unwrap();
    let backfill: uuid::Uuid = sqlx::query_scalar("select id from jobs where lane = 'backfill'").fetch_one(&test.env.db).await.unwrap();
    assert_eq!(control::prioritise(&test.env.db, JobId(last), None, true).await.unwrap(), control::Answer::Done);
    assert_eq!(control::prioritise(&test.env.db, JobId(backfill), Some(Lane::Interactive), false).await.unwrap(), control::Answer::Done);
    let order: Vec<uuid::Uuid> = claim(&test, 2).await.iter().map(|job| job.id.0).collect();
    assert_eq!(order, [backfill, last]);
    assert_eq!(control::prioritise(&test.env.db, JobId(last), None, true).await.unwrap(), control::Answer::WrongState, "it runs");
}

#[tokio::test]
async fn what_an_operator_sets_holds_at_once_on_the_hosts_it_is_meant_for() {
    let test = TestEnv::new().await;
    let (db, pools) = (&test.env.db, &test.env.pools);
    let usual = pools.get(Stage::Transcode).concurrency;
    pools::set(db, "stages.transcode.concurrency", Some("somewhere else"), &7.into(), "op").await.unwrap();
    pools.refresh(db).await.unwrap();
    assert_eq!(pools.get(Stage::Transcode).concurrency, usual);
    pools::set(db, "stages.transcode.concurrency", None, &4.into(), "op").await.unwrap();
    pools.refresh(db).await.unwrap();
    assert_eq!(pools.get(Stage::Transcode).concurrency, 4);
    pools::set(db, "stages.transcode.concurrency", Some(pools.host()), &5.into(), "op").await.unwrap();
    // One that an older or newer version wrote must not keep the others from holding.
    pools::set(db, "stages.transcode.colour", None, &"red".into(), "op").await.unwrap();
    pools.refresh(db).await.unwrap();
    assert_eq!(pools.get(Stage::Transcode).concurrency, 5, "the host's own goes before everybody's");
    assert!(pools::unset(db, "stages.transcode.concurrency", Some(pools.host())).await.unwrap());
    pools.refresh(db).await.unwrap();
    assert_eq!(pools.get(Stage::Transcode).concurrency, 4);
}

#[tokio::test]
async fn a_paused_stage_takes_nothing_and_the_others_go_on() {
    let test = TestEnv::new().await;
    let (_, asset) = teacher(&test).await;
    pools::pause(&test.env.db, Some(Stage::Transcode), None, "new disks", "op").await.unwrap();
    enqueue(&test, asset, Lane::Interactive, 2).await;
    jobs::enqueue(&mut test.env.db.acquire().await.unwrap(), ExtractDocument { asset_id: asset }, &Cause::default()).await.unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(runner(&test, Arc::default()).run(stop.clone()));
    let done = async |kind: &str| -> i64 {
        sqlx::query_scalar("select count(*) from jobs where state = 'done' and kind = $1").bind(kind).fetch_one(&test.env.db).await.unwrap()
    };
    test.until("the other stage has worked", || async { done("ExtractDocument").await == 1 }).await;
    test.until("the page says why", || async {
        let workers = jobs::workers::present(&test.env.db).await.unwrap();
        workers
            .iter()
            .flat_map(|w| &w.pools)
            .any(|pool| pool.stage == Stage::Transcode && pool.closed == Some(jobs::workers::Closed::Paused))
    })
    .await;
    assert_eq!(done("TranscodeMedia").await, 0);
    assert!(pools::resume(&test.env.db, Some(Stage::Transcode), None).await.unwrap());
    test.until("the stage works again", || async { done("TranscodeMedia").await == 2 }).await;
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn what_was_called_to_the_front_does_not_wait_for_a_slot() {
    let test = TestEnv::new().await;
    let (_, asset) = teacher(&test).await;
    pools::set(&test.env.db, "stages.transcode.concurrency", None, &1.into(), "op").await.unwrap();
    enqueue(&test, asset, Lane::Interactive, 5).await;
    let ids: Vec<uuid::Uuid> = sqlx::query_scalar("select id from jobs order by turn, id").fetch_all(&test.env.db).await.unwrap();
    let (begun, go) = (Arc::new(std::sync::Mutex::new(Vec::new())), CancellationToken::new());
    let mut runner = Runner::new(test.env.clone());
    runner.on({
        let (begun, go) = (begun.clone(), go.clone());
        move |ctx, _: TranscodeMedia| {
            let (begun, go) = (begun.clone(), go.clone());
            async move {
                begun.lock().unwrap().push((ctx.job.id.0, ctx.job.called));
                go.cancelled().await;
                ctx.finish().await?.commit_silent().await
            }
        }
    });
    let (stop, begun) = (CancellationToken::new(), || begun.lock().unwrap().clone());
    let running = tokio::spawn(runner.run(stop.clone()));
    test.until("the only slot is taken", || async { begun().len() == 1 }).await;
    for id in [ids[2], ids[3], ids[4]] {
        control::prioritise(&test.env.db, JobId(id), None, true).await.unwrap();
    }
    test.until("those that were called have begun", || async { begun().len() == 3 }).await;
    go.cancel();
    test.until("all are done", || async { begun().len() == 5 }).await;
    let called = begun()[1..3].iter().map(|(id, called)| (ids[3..].contains(id), *called)).collect::<Vec<_>>();
    assert_eq!(called, [(true, true); 2], "the last calls first, two beyond the slots");
    assert_eq!(begun()[3..], [(ids[2], true), (ids[1], false)], "and then as ever");
    stop.cancel();
    running.await.unwrap();
}

/// Finishes what it gets, and counts how many ran at the same time at most.
fn runner(test: &TestEnv, most: Arc<AtomicUsize>) -> Runner {
    let now = Arc::new(AtomicUsize::new(0));
    let mut runner = Runner::new(test.env.clone());
    runner.on(move |ctx, _: TranscodeMedia| {
        let (now, most) = (now.clone(), most.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let finishing = ctx.finish().await?;
            now.fetch_sub(1, Ordering::SeqCst);
            finishing.commit_silent().await
        }
    });
    runner.on(|ctx, _: ExtractDocument| async move { ctx.finish().await?.commit_silent().await });
    runner
}

#[tokio::test]
async fn no_setting_makes_a_stage_stand_still_but_zero() {
    let test = TestEnv::new().await;
    let (_, asset) = teacher(&test).await;
    // More memory and cores than any machine has.
    for (key, value) in
        [("memory_mb", serde_json::json!(900_000_000)), ("cpus", serde_json::json!(5000.0)), ("concurrency", serde_json::json!(50))]
    {
        pools::set(&test.env.db, &format!("stages.transcode.{key}"), None, &value, "op").await.unwrap();
    }
    enqueue(&test, asset, Lane::Default, 10).await;
    let most = Arc::new(AtomicUsize::new(0));
    run_until(&test, runner(&test, most.clone()), "select count(*) = 10 from jobs where state = 'done'").await;
    assert_eq!(most.load(Ordering::SeqCst), 1, "one at a time, since a second would not fit");
}

#[tokio::test]
async fn the_plan_of_a_claim_reads_each_lane_from_its_front() {
    let test = TestEnv::new().await;
    let mut owner = test.owner().await;
    sqlx::query(
        "insert into jobs (id, kind, stage, payload, lane, max_failures, turn)
         select gen_random_uuid(), 'TranscodeMedia', 'transcode', '{}', 'backfill', 8, n from generate_series(1, 50000) n",
    )
    .execute(&mut owner)
    .await
    .unwrap();
    sqlx::query("analyze jobs").execute(&mut owner).await.unwrap();
    let plan: Vec<String> = sqlx::query_scalar(
        "explain (analyze, costs off, timing off, summary off, buffers off)
         select front.id from unnest(array['interactive', 'interactive', 'default', 'default'], array[-9e18, 0, -9e18, 0]::bigint[],
                                       array[0, 9e18, 0, 9e18]::bigint[]) lane(name, turn_from, turn_to), lateral (
             select id, run_at from jobs
              where stage = 'transcode' and lane = lane.name and turn >= lane.turn_from and turn < lane.turn_to and state = 'queued'
                and kind || '/' || version = any(array['TranscodeMedia/1'])
              order by turn, id limit 2 for update skip locked) front
          limit 2",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains("Index Scan using jobs_claim"), "{plan}");
    assert!(!plan.contains("Sort") && !plan.contains("Seq Scan"), "{plan}");
}

#[tokio::test]
async fn a_mark_passes_over_what_has_ended_and_never_over_who_comes_later() {
    let test = TestEnv::new().await;
    let (busy, asset) = teacher(&test).await;
    let kinds = kinds();
    let mut marks = Marks::default();
    let next = async |marks: &mut Marks| ledger::claim_from(&test.env.db, &ask(&kinds, 1), marks).await.unwrap().pop();
    // The third of one owner stands two days behind the first: claiming it must not hide who comes meanwhile.
    enqueue(&test, asset, Lane::Default, 4).await;
    for _ in 0..3 {
        assert_eq!(next(&mut marks).await.unwrap().owner_id, Some(busy.account_id));
    }
    let (other, asset) = teacher(&test).await;
    enqueue(&test, asset, Lane::Default, 1).await;
    assert_eq!(next(&mut marks).await.unwrap().owner_id, Some(other.account_id));
    // What comes back to an old turn is not seen from a mark, and is seen from the start.
    let old = next(&mut marks).await.unwrap();
    sqlx::query("update jobs set state = 'queued', turn = 1, lease_until = null where id = $1")
        .bind(old.id.0)
        .execute(&test.env.db)
        .await
        .unwrap();
    assert!(next(&mut marks).await.is_none(), "the mark does nothing");
    assert_eq!(next(&mut Marks::default()).await.unwrap().id, old.id);
}
