//! Measures the ledger and its doorbells: jobs that do nothing, from enqueue to done.
//!
//! `ledger throughput JOBS CONCURRENCY` · `ledger latency PER_SECOND SECONDS` · `ledger soak SECONDS` · `ledger depth` ·
//! `ledger backlog` · `ledger with COMMAND…` (which finds the server in DATABASE_URL). Starts a private PostgreSQL, as tests do; LEARNHUB_TEST_QUEUE=rabbitmq adds a private RabbitMQ.
//! Each prints one line of JSON; `bench/queue/run` makes the table.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kernel::events::Cause;
use kernel::id::AssetId;
use kernel::jobs::ledger::{self, Ask};
use kernel::jobs::{self, AnyJob, Job, Lane, Runner, Stage, Usage, pools};
use kernel::testing::TestEnv;
use serde::{Deserialize, Serialize};
use sqlx::{Connection, Row};
use tokio_util::sync::CancellationToken;

/// As large as the peers' jobs; carries when it was enqueued.
#[derive(Serialize, Deserialize)]
struct Nothing {
    at_us: u64,
    padding: String,
}

impl Job for Nothing {
    const NAME: &'static str = "Nothing";
    const STAGE: Stage = Stage::Publish;
    fn asset_id(&self) -> Option<AssetId> {
        None
    }
    fn dedupe_key(&self) -> Option<String> {
        None
    }
}

fn nothing(since: Instant) -> AnyJob {
    Nothing { at_us: since.elapsed().as_micros() as u64, padding: "x".repeat(470) }.into()
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "with") {
        return with(&TestEnv::new().await, &arguments[1..]).await;
    }
    let number = |at: usize| -> Result<u64> { arguments.get(at).context("a number is missing")?.parse().context("a number") };
    let test = TestEnv::new().await;
    test.env.bell.clone().listen(test.env.db.clone()).await?;
    let seen = match arguments.first().map(String::as_str) {
        Some("throughput") => throughput(&test, number(1)?, number(2)?).await?,
        Some("latency") => latency(&test, number(1)?, number(2)?, false).await?,
        Some("soak") => latency(&test, 200, number(1)?, true).await?,
        Some("depth") => depth(&test).await?,
        Some("backlog") => backlog(&test).await?,
        _ => bail!("throughput, latency, soak, depth or backlog"),
    };
    println!("{seen}");
    Ok(())
}

/// Runs a peer against the same kind of server, with the same settings.
async fn with(test: &TestEnv, command: &[String]) -> Result<()> {
    let socket = test.superuser.get_socket().context("the private server has a socket")?.display().to_string();
    let database = test.superuser.get_database().context("the database has a name")?;
    let url = format!("postgres://{}@localhost:{}/{database}?host={socket}", test.superuser.get_username(), test.superuser.get_port());
    let (program, arguments) = command.split_first().context("no command")?;
    let status = tokio::process::Command::new(program).args(arguments).env("DATABASE_URL", url).status().await?;
    if status.success() { Ok(()) } else { bail!("the peer ended with {status}") }
}

async fn with_concurrency(test: &TestEnv, concurrency: u64) -> Result<()> {
    pools::set(&test.env.db, "stages.publish.concurrency", None, &concurrency.into(), "bench").await?;
    test.env.pools.refresh(&test.env.db).await
}

async fn throughput(test: &TestEnv, count: u64, concurrency: u64) -> Result<serde_json::Value> {
    with_concurrency(test, concurrency).await?;
    let begun = Instant::now();
    let mut tx = test.env.db.begin().await?;
    for _ in 0..count {
        jobs::enqueue(&mut tx, nothing(begun), &Cause::default()).await?;
    }
    tx.commit().await?;
    let done = Arc::new(AtomicUsize::new(0));
    let seen = done.clone();
    let mut runner = Runner::new(test.env.clone());
    runner.on(move |ctx, _: Nothing| {
        let seen = seen.clone();
        async move {
            let done = ctx.done().await?;
            seen.fetch_add(1, Ordering::Relaxed);
            Ok(done)
        }
    });
    let stop = CancellationToken::new();
    let begun = Instant::now();
    let running = tokio::spawn(runner.run(stop.clone()));
    while done.load(Ordering::Relaxed) < count as usize {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    stop.cancel();
    running.await?;
    let left: i64 = sqlx::query_scalar("select count(*) from jobs where state <> 'done' or attempt <> 1").fetch_one(&test.env.db).await?;
    Ok(serde_json::json!({ "jobs_per_second": count as f64 / seconds, "not_done_exactly_once": left }))
}

/// Enqueues at a fixed rate, whatever the answers take (open loop), and notes when each job began. With `holder`,
/// somebody sits in an open transaction all the while, so that nothing that was deleted can be cleared away.
async fn latency(test: &TestEnv, per_second: u64, seconds: u64, holder: bool) -> Result<serde_json::Value> {
    with_concurrency(test, 16).await?;
    let since = Instant::now();
    let waits = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = waits.clone();
    let mut runner = Runner::new(test.env.clone());
    runner.on(move |ctx, job: Nothing| {
        let seen = seen.clone();
        async move {
            let now = since.elapsed().as_micros() as u64;
            seen.lock().expect("nobody panics with it").push((job.at_us, now.saturating_sub(job.at_us)));
            ctx.done().await
        }
    });
    let stop = CancellationToken::new();
    let running = tokio::spawn(runner.run(stop.clone()));
    let mut sitting = test.owner().await;
    if holder {
        sqlx::raw_sql("begin isolation level repeatable read; select count(*) from jobs").execute(&mut sitting).await?;
    }
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / per_second as f64));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..per_second * seconds {
        ticks.tick().await;
        let (db, job) = (test.env.db.clone(), nothing(since));
        asked.spawn(async move { jobs::enqueue(&mut *db.acquire().await?, job, &Cause::default()).await });
        while let Some(result) = asked.try_join_next() {
            result??;
        }
    }
    while let Some(result) = asked.join_next().await {
        result??;
    }
    while waits.lock().expect("nobody panics with it").len() < (per_second * seconds) as usize {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.cancel();
    running.await?;
    let dead: i64 = sqlx::query("select n_dead_tup from pg_stat_user_tables where relname = 'jobs'").fetch_one(&mut sitting).await?.get(0);
    sitting.close().await?;
    let waits = waits.lock().expect("nobody panics with it").clone();
    let minute = |from: u64, to: u64| {
        let mut some: Vec<u64> = waits.iter().filter(|(at, _)| (from..to).contains(&(at / 1_000_000))).map(|(_, wait)| *wait).collect();
        some.sort_unstable();
        let at = |part: f64| some.get((some.len() as f64 * part) as usize).map_or(0.0, |us| *us as f64 / 1000.0);
        serde_json::json!({ "p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99), "jobs": some.len() })
    };
    let first = 60.min(seconds);
    Ok(
        serde_json::json!({ "all": minute(0, u64::MAX), "first_minute": minute(0, first), "last_minute": minute(seconds - first, seconds), "dead_tuples": dead }),
    )
}

async fn fill(test: &TestEnv, lane: Lane, up_to: i64) -> Result<()> {
    let mut owner = test.owner().await;
    sqlx::query(
        "insert into jobs (id, kind, stage, payload, lane, max_failures, turn)
         select gen_random_uuid(), 'Nothing', 'publish', jsonb_build_object('at_us', 0, 'padding', repeat('x', 470)), $1, 8,
                (extract(epoch from clock_timestamp()) * 1000000)::bigint
           from generate_series((select count(*) from jobs where state = 'queued') + 1, $2)",
    )
    .bind(lane.as_str())
    .bind(up_to)
    .execute(&mut owner)
    .await?;
    sqlx::query("vacuum analyze jobs").execute(&mut owner).await?;
    Ok(())
}

fn ask(kinds: &[String]) -> Ask<'_> {
    Ask {
        stage: Stage::Publish,
        worker: "bench",
        lease: Duration::from_secs(60),
        most: 1,
        lanes: &Lane::ALL,
        kinds,
        waited: None,
        called: false,
        attempts: 0,
        cluster: 0,
    }
}

/// What a claim costs with ever more waiting, and the plan at the end.
async fn depth(test: &TestEnv) -> Result<serde_json::Value> {
    let kinds = vec!["Nothing/1".to_owned()];
    let mut rows = Vec::new();
    for waiting in [1_000, 10_000, 100_000, 1_000_000] {
        fill(test, Lane::Default, waiting).await?;
        let mut took = Vec::new();
        for _ in 0..500 {
            let begun = Instant::now();
            let job = ledger::claim(&test.env.db, &ask(&kinds)).await?.pop().context("a job")?;
            took.push(begun.elapsed().as_secs_f64() * 1000.0);
            ledger::finish(&mut *test.env.db.acquire().await?, &job, Usage::default()).await?;
        }
        took.sort_by(f64::total_cmp);
        rows.push(serde_json::json!({ "waiting": waiting, "claim_p50_ms": took[250], "claim_p95_ms": took[475] }));
    }
    let plan: Vec<String> = sqlx::query_scalar(
        "explain (analyze, costs off, timing off, summary off)
         select front.id from unnest(array['interactive', 'default', 'backfill']) lane(name), lateral (
             select id, run_at from jobs where stage = 'publish' and lane = lane.name and state = 'queued'
                and kind || '/' || version = any(array['Nothing/1']) order by turn, id limit 1 for update skip locked) front limit 1",
    )
    .fetch_all(&mut test.owner().await)
    .await?;
    Ok(serde_json::json!({ "rows": rows, "plan": plan }))
}

/// How long an interactive job waits behind 50,000 of the backfill, each of which takes 200 ms, with one slot.
async fn backlog(test: &TestEnv) -> Result<serde_json::Value> {
    with_concurrency(test, 1).await?;
    fill(test, Lane::Backfill, 50_000).await?;
    let since = Instant::now();
    let waits = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = waits.clone();
    let mut runner = Runner::new(test.env.clone());
    runner.on(move |ctx, job: Nothing| {
        let seen = seen.clone();
        async move {
            if job.at_us > 0 {
                seen.lock().expect("nobody panics with it").push(since.elapsed().as_micros() as u64 - job.at_us);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            ctx.done().await
        }
    });
    let stop = CancellationToken::new();
    let running = tokio::spawn(runner.run(stop.clone()));
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(730)).await;
        let cause = Cause { lane: Lane::Interactive, ..Cause::default() };
        jobs::enqueue(&mut *test.env.db.acquire().await?, nothing(since), &cause).await?;
    }
    while waits.lock().expect("nobody panics with it").len() < 20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    running.await?;
    let worst = waits.lock().expect("nobody panics with it").iter().max().copied().unwrap_or(0) as f64 / 1000.0;
    Ok(serde_json::json!({ "job_ms": 200, "interactive_jobs": 20, "worst_wait_ms": worst }))
}
