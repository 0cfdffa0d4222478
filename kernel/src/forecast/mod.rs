//! Honest waiting: where an asset is, why it waits, and when it is expected to be ready, as a range.
//!
//! `simulate` plays the queues forward with what `rates` learned here. How wrong such forecasts were lately makes the
//! range: each is written down (`forecasts`) and judged when its asset is published, and the range spans the middle four
//! fifths of the last ratios of real to expected (split conformal prediction: Vovk, Gammerman and Shafer, 2005).

mod rates;
mod simulate;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;
use tokio::sync::Mutex;
use tracing::warn;

pub use rates::{Part, Rates};
pub use simulate::{Outlook, Snapshot, Subject, Waiting};

use crate::id::AssetId;
use crate::jobs::workers::{self, Closed, Worker};
use crate::jobs::{Lane, Stage, pools};
use crate::leases;
use crate::media::Kind;

/// Most waiting jobs that are played forward; what is behind them gets no time.
const LONGEST_LOOK: i64 = 20_000;
/// A forecast is good for this long: a page that asks every second does not make one every second.
const FRESH: Duration = Duration::from_secs(2);
/// What is learned changes slowly.
const RELEARN: Duration = Duration::from_secs(20);
/// How often forecasts are written down and judged.
const EVERY: Duration = Duration::from_secs(5);
/// Judged forecasts that make the range, and how many there must be before they do.
const JUDGED: i64 = 150;
const ENOUGH: i64 = 30;
/// Until then: between half and three times of what is expected.
const UNJUDGED: Spread = Spread { low: 0.5, high: 3.0 };

/// How far reality was from the forecast: the tenth and the ninetieth percentile of real over expected time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub low: f64,
    pub high: f64,
}

/// Why a job does not run.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// It runs.
    Running,
    /// All workers of the stage are at work.
    NoFreeSlot,
    /// Later uploads of others go first, since earlier ones of the same owner used its share.
    FairShare,
    /// An operator paused the stage.
    Paused { paused_by: String, note: String },
    /// An attempt failed; the next one comes then.
    BackOff {
        #[serde(with = "time::serde::rfc3339")]
        until: OffsetDateTime,
        code: String,
    },
    /// A service that the stage needs does not answer.
    DependencyDown { code: String },
    /// No worker for the stage is running.
    NoWorker,
}

/// Where an asset is on its way.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Wait {
    pub stage: Stage,
    #[serde(flatten)]
    pub reason: Reason,
    /// Jobs of the stage that go first.
    pub ahead: usize,
    /// Four of five assets are ready between these two. Null when it stands still, or nothing can be said.
    #[serde(with = "time::serde::rfc3339::option")]
    pub ready_from: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub ready_to: Option<OffsetDateTime>,
}

/// A stage's backlog.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Backlog {
    pub stage: Stage,
    /// Jobs that wait or run.
    pub jobs: usize,
    /// Age of the job that has waited longest.
    pub oldest_seconds: Option<f64>,
    /// Until all of it, and what will come of it in earlier stages, has passed; null when the stage stands still.
    pub clear_seconds: Option<f64>,
    /// The same with one worker process more like those there are.
    pub clear_seconds_with_one_more: Option<f64>,
}

/// Makes forecasts; one per process, so that they are made once for all who ask.
#[derive(Default)]
pub struct Forecaster {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    learned: Option<(Instant, Rates, Spread)>,
    made: Option<(Instant, Arc<Forecast>)>,
}

/// All that can be said at one moment.
pub struct Forecast {
    pub waits: HashMap<AssetId, Wait>,
    /// Seconds until ready, in the middle of the range.
    expected: HashMap<AssetId, f64>,
    snapshot: Snapshot,
    rates: Rates,
    oldest: BTreeMap<Stage, f64>,
    per_worker: BTreeMap<Stage, usize>,
}

impl Forecaster {
    /// The forecast of this moment, or one of two seconds ago.
    pub async fn forecast(&self, conn: &mut PgConnection) -> Result<Arc<Forecast>> {
        let mut state = self.state.lock().await;
        if let Some((at, made)) = &state.made
            && at.elapsed() < FRESH
        {
            return Ok(made.clone());
        }
        if state.learned.as_ref().is_none_or(|(at, ..)| at.elapsed() > RELEARN) {
            state.learned = Some((Instant::now(), Rates::learn(&mut *conn).await?, spread(&mut *conn).await?));
        }
        let Some((_, rates, spread)) = &state.learned else { unreachable!("learned just now") };
        let made = Arc::new(make(&mut *conn, rates.clone(), *spread).await?);
        state.made = Some((Instant::now(), made.clone()));
        Ok(made)
    }
}

impl Forecast {
    /// Every stage's backlog, and what one more worker would do for it.
    pub fn backlogs(&self) -> Vec<Backlog> {
        let now = simulate::simulate(&self.snapshot, &self.rates);
        let backlog = |stage| {
            let mut more = self.snapshot.clone();
            *more.servers.entry(stage).or_default() += self.per_worker.get(&stage).copied().unwrap_or(1).max(1);
            Backlog {
                stage,
                jobs: self.snapshot.jobs.iter().filter(|job| job.stage == stage).count(),
                oldest_seconds: self.oldest.get(&stage).copied(),
                clear_seconds: now.clear.get(&stage).copied(),
                clear_seconds_with_one_more: simulate::simulate(&more, &self.rates).clear.get(&stage).copied(),
            }
        };
        Stage::ALL.into_iter().map(backlog).collect()
    }
}

/// A row of the ledger that is on its way.
struct Row {
    job: Waiting,
    state: String,
    run_at: OffsetDateTime,
    waited: f64,
    created: OffsetDateTime,
    owner: Option<uuid::Uuid>,
    class: Option<String>,
    code: Option<String>,
}

async fn make(conn: &mut PgConnection, rates: Rates, spread: Spread) -> Result<Forecast> {
    let rows = on_their_way(&mut *conn).await?;
    let workers = workers::present(&mut *conn).await?;
    let pauses = pools::pauses(&mut *conn).await?;
    let servers = Stage::ALL.into_iter().map(|stage| (stage, slots(&workers, stage))).collect();
    let snapshot = Snapshot { jobs: rows.iter().map(|row| row.job.clone()).collect(), servers };
    let outlook = simulate::simulate(&snapshot, &rates);
    let now = OffsetDateTime::now_utc();
    let mut waits: HashMap<AssetId, Wait> = HashMap::new();
    let mut oldest: BTreeMap<Stage, f64> = BTreeMap::new();
    let mut ahead: HashMap<Stage, Vec<&Row>> = HashMap::new();
    for row in &rows {
        let stage = row.job.stage;
        if row.state == "queued" {
            let age = oldest.entry(stage).or_default();
            *age = age.max(row.waited);
        }
        let before = ahead.entry(stage).or_default();
        if let Some(asset) = &row.job.asset {
            let at = |factor: f64| Some(now + time::Duration::seconds_f64(outlook.ready.get(&asset.id)? * factor));
            let wait = Wait {
                stage,
                reason: reason(row, before, &workers, &pauses),
                ahead: if row.state == "running" { 0 } else { before.len() },
                ready_from: at(spread.low),
                ready_to: at(spread.high),
            };
            // Of branches that run side by side, the later one in the pipeline is told.
            match waits.get(&asset.id) {
                Some(told) if told.stage >= stage => {}
                _ => drop(waits.insert(asset.id, wait)),
            }
        }
        before.push(row);
    }
    let per_worker = Stage::ALL.into_iter().map(|stage| (stage, slots(&workers, stage) / hosts(&workers, stage).max(1))).collect();
    Ok(Forecast { waits, expected: outlook.ready, snapshot, rates, oldest, per_worker })
}

/// What is waiting, parked or running: what runs first, then in the order in which it will be taken.
async fn on_their_way(conn: &mut PgConnection) -> Result<Vec<Row>> {
    let rows = sqlx::query!(
        r#"select j.stage, j.kind as job_kind, (j.payload ->> 'of')::integer as of, (j.payload ->> 'number')::integer as number, j.lane, j.turn, j.state, j.run_at, j.created_at, j.owner_id, j.failure_class, j.failure_code,
                  j.progress_done, j.progress_total, a.id as "asset_id?", a.kind as "kind?: Kind", a.media_type as "media_type?", s.bytes as "bytes?",
                  extract(epoch from now() - j.started_at)::float8 as so_far, extract(epoch from now() - j.run_at)::float8 as "waited!"
             from jobs j left join assets a on a.id = j.asset_id left join sources s on s.sha256 = a.source_sha256
            where j.state in ('running', 'queued', 'parked')
            order by j.state = 'running' desc, j.lane desc, j.turn, j.id limit $1"#,
        LONGEST_LOOK,
    )
    .fetch_all(&mut *conn)
    .await
    .context("look what is on its way")?;
    let rows = rows.into_iter().filter_map(|row| {
        let part = (row.progress_total > 0).then(|| row.progress_done as f64 / row.progress_total as f64);
        let asset = row.asset_id.map(|id| Subject {
            id: id.into(),
            kind: row.kind,
            media_type: row.media_type,
            // One of several runs has its share of the work; to put them together hardly takes any.
            bytes: match row.job_kind.as_str() {
                "PackageStream" => 0,
                _ => row.bytes.unwrap_or(0).unsigned_abs() / row.of.map_or(1, |of| of.max(1).unsigned_abs().into()),
            },
        });
        let job = Waiting {
            stage: row.stage.parse().ok()?,
            part: Part::of(&row.job_kind, row.number, row.of),
            lane: row.lane.parse::<Lane>().ok()?,
            turn: row.turn,
            asset,
            due_in: if row.state == "parked" { (-row.waited).max(0.0) } else { 0.0 },
            running: (row.state == "running").then(|| (row.so_far.unwrap_or(0.0), part)),
        };
        Some(Row {
            job,
            state: row.state,
            run_at: row.run_at,
            waited: row.waited.max(0.0),
            created: row.created_at,
            owner: row.owner_id,
            class: row.failure_class,
            code: row.failure_code,
        })
    });
    Ok(rows.collect())
}

fn reason(row: &Row, before: &[&Row], workers: &[Worker], pauses: &[pools::Pause]) -> Reason {
    let stage = row.job.stage;
    let pools = || workers.iter().flat_map(|worker| &worker.pools).filter(move |pool| pool.stage == stage && pool.concurrency > 0);
    match row.state.as_str() {
        "running" => return Reason::Running,
        "parked" if row.class.as_deref() == Some("dependency") => {
            return Reason::DependencyDown { code: row.code.clone().unwrap_or_default() };
        }
        "parked" => return Reason::BackOff { until: row.run_at, code: row.code.clone().unwrap_or_default() },
        _ => {}
    }
    if pools().next().is_none() {
        return Reason::NoWorker;
    }
    if pools().all(|pool| pool.closed == Some(Closed::Paused)) {
        let pause = pauses.iter().find(|pause| pause.stage.is_none_or(|paused| paused == stage));
        let (paused_by, note) = pause.map(|pause| (pause.paused_by.clone(), pause.reason.clone())).unwrap_or_default();
        return Reason::Paused { paused_by, note };
    }
    if pools().all(|pool| matches!(pool.closed, Some(Closed::Dependency | Closed::Paused))) {
        return Reason::DependencyDown { code: "dependency_down".into() };
    }
    let overtaken = before
        .iter()
        .any(|other| other.state == "queued" && other.job.lane == row.job.lane && other.owner != row.owner && other.created > row.created);
    if overtaken { Reason::FairShare } else { Reason::NoFreeSlot }
}

/// Jobs of the stage that all processes run at a time, as they report.
fn slots(workers: &[Worker], stage: Stage) -> usize {
    let pools = workers.iter().flat_map(|worker| &worker.pools).filter(|pool| pool.stage == stage);
    pools
        .map(|pool| match pool.closed {
            Some(Closed::Paused | Closed::Dependency | Closed::Stopping) => pool.running,
            // No room for more: what runs is what can run.
            Some(Closed::Memory | Closed::Cpus) => pool.running.max(1),
            Some(Closed::Concurrency) | None => pool.concurrency,
        })
        .sum()
}

fn hosts(workers: &[Worker], stage: Stage) -> usize {
    workers.iter().filter(|worker| worker.pools.iter().any(|pool| pool.stage == stage && pool.concurrency > 0)).count()
}

async fn spread(conn: &mut PgConnection) -> Result<Spread> {
    let row = sqlx::query!(
        r#"select count(*) as "count!", percentile_cont(0.1) within group (order by ratio) as low, percentile_cont(0.9) within group (order by ratio) as high
             from (select ratio::float8 from forecasts where ratio is not null order by judged_at desc limit $1) last"#,
        JUDGED,
    )
    .fetch_one(&mut *conn)
    .await
    .context("look how right forecasts were")?;
    Ok(match (row.low, row.high) {
        (Some(low), Some(high)) if row.count >= ENOUGH => Spread { low, high },
        _ => UNJUDGED,
    })
}

/// Writes down what is expected now and judges what has come true; for one process at a time, now and then.
///
/// At most 500 assets at a time: those whose last forecast is longest ago.
pub async fn keep_books(conn: &mut PgConnection, forecaster: &Forecaster) -> Result<()> {
    sqlx::query!(
        "update forecasts f set ratio = greatest(extract(epoch from a.published_at - f.made_at), 0.01) / f.expected_seconds, judged_at = a.published_at
           from assets a where a.id = f.asset_id and f.ratio is null and a.state = 'published' and a.published_at > f.made_at"
    )
    .execute(&mut *conn)
    .await
    .context("judge the forecasts")?;
    // What will never be judged, and what is too old to be learned from.
    sqlx::query!(
        "delete from forecasts f using assets a
          where a.id = f.asset_id and (f.ratio is null and a.state = 'failed' or f.made_at < now() - interval '30 days')"
    )
    .execute(&mut *conn)
    .await
    .context("forget old forecasts")?;
    let forecast = forecaster.forecast(&mut *conn).await?;
    let (ids, expected): (Vec<uuid::Uuid>, Vec<f32>) =
        forecast.expected.iter().filter(|(_, seconds)| **seconds > 0.05).map(|(id, seconds)| (id.0, *seconds as f32)).unzip();
    sqlx::query!(
        "insert into forecasts (asset_id, expected_seconds)
         select id, expected from unnest($1::uuid[], $2::real[]) as now(id, expected)
          where exists (select 1 from assets where assets.id = now.id and state = 'processing')
            and not exists (select 1 from forecasts f where f.asset_id = now.id and f.ratio is null and f.made_at > now() - interval '20 seconds')
          order by random() limit 500
         on conflict do nothing",
        &ids,
        &expected,
    )
    .execute(&mut *conn)
    .await
    .context("write down the forecasts")?;
    Ok(())
}

/// Keeps the books every few seconds until `stop`; one process at a time.
pub async fn run(env: crate::env::Env, stop: tokio_util::sync::CancellationToken) {
    let holder = crate::jobs::rescue::worker_name();
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
        let kept: Result<()> = async {
            let mut conn = env.db.acquire().await.context("reach the database")?;
            let Some(lease) = leases::acquire(&mut conn, "forecasts", &holder, EVERY * 3).await? else { return Ok(()) };
            keep_books(&mut conn, &env.forecaster).await?;
            leases::release(&mut conn, &lease).await
        }
        .await;
        if let Err(error) = kept {
            warn!("forecasts are not judged for now: {error:#}");
        }
    }
}
