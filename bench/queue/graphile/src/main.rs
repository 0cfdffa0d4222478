//! The peer of the ledger: `graphile_worker` on the PostgreSQL that DATABASE_URL names.
//!
//! `graphile-peer JOBS CONCURRENCY plain|batched` adds that many jobs of 512 bytes that do nothing, runs them all, and
//! prints jobs per second as one line of JSON. `batched` is the peer at its best: a local queue that fetches in bulk
//! and completions written in bulk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use graphile_worker::{IntoTaskHandlerResult, JobSpec, LocalQueueConfig, RawJobSpec, TaskHandler, WorkerContext, WorkerOptions};
use serde::{Deserialize, Serialize};

/// Connections of the peer's pool: more than it runs jobs at a time, so that none waits for one.
const CONNECTIONS: u32 = 40;

#[derive(Clone, Deserialize, Serialize)]
struct Nothing {
    padding: String,
}

#[derive(Clone, Debug)]
struct Done(Arc<AtomicU64>);

impl TaskHandler for Nothing {
    const IDENTIFIER: &'static str = "nothing";

    async fn run(self, ctx: WorkerContext) -> impl IntoTaskHandlerResult {
        if let Some(done) = ctx.get_ext::<Done>() {
            done.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok::<(), String>(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what| arguments.next().with_context(|| format!("{what} is missing: graphile-peer JOBS CONCURRENCY plain|batched"));
    let (jobs, concurrency, how): (usize, usize, String) = (next("JOBS")?.parse()?, next("CONCURRENCY")?.parse()?, next("plain or batched")?);
    let done = Arc::new(AtomicU64::new(0));
    let mut options = WorkerOptions::default()
        .database_url(&std::env::var("DATABASE_URL").context("DATABASE_URL")?)
        .max_pg_conn(CONNECTIONS)
        .concurrency(concurrency)
        .schema("graphile_peer")
        .add_extension(Done(done.clone()))
        .define_job::<Nothing>();
    if how == "batched" {
        options = options.complete_job_batch_delay(Duration::from_millis(5)).local_queue(LocalQueueConfig::default().with_size(1000));
    }
    let worker = Arc::new(options.init().await?);
    let padding = "x".repeat(500);
    for _ in 0..jobs.div_ceil(1000) {
        let some: Vec<RawJobSpec> = (0..1000)
            .map(|_| RawJobSpec {
                identifier: Nothing::IDENTIFIER.into(),
                payload: serde_json::json!({ "padding": padding }),
                spec: JobSpec::default(),
            })
            .collect();
        worker.create_utils().add_raw_jobs(&some).await?;
    }
    let begun = Instant::now();
    if how == "plain" {
        // Without a local queue `run` takes one job per signal and per poll; only this takes a backlog as it comes.
        worker.run_once().await.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        anyhow::ensure!(done.load(Ordering::Relaxed) == jobs as u64, "the worker ended after {} jobs", done.load(Ordering::Relaxed));
        println!("{}", serde_json::json!({ "jobs_per_second": jobs as f64 / begun.elapsed().as_secs_f64() }));
        return Ok(());
    }
    let mut running = tokio::spawn({
        let worker = worker.clone();
        async move { worker.run().await }
    });
    while done.load(Ordering::Relaxed) < jobs as u64 {
        tokio::select! {
            ended = &mut running => anyhow::bail!("the worker ended after {} jobs: {ended:?}", done.load(Ordering::Relaxed)),
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
    }
    worker.request_shutdown();
    // Only now are all completions written.
    running.await?.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    println!("{}", serde_json::json!({ "jobs_per_second": jobs as f64 / begun.elapsed().as_secs_f64() }));
    Ok(())
}
