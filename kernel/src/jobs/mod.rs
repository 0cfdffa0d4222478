//! The ledger of jobs: rows, leases, attempts, and how they end. Postgres is the book; a doorbell only rings.
//!
//! `queued → running(lease, attempt) → done | parked until due, then queued again | dead | cancelled`. A claim counts an
//! attempt, and the attempt's number fences every later write of its holder: who has lost the lease changes nothing.
//! What follows what is not decided here but in [`crate::pipeline`].
//!
//! `ledger` is the SQL of a job's life, `rescue` takes jobs from the dead, `view` and `overview` are what people see of
//! it, `control` and `rerun` what operators may do, which `audit` records; `dispatch` decides when a stage takes how many, by `pools` (what is set) and `admission` (what fits).

mod admission;
pub mod audit;
pub mod control;
mod ctx;
mod dispatch;
mod failure;
pub mod ledger;
pub mod overview;
pub mod pools;
pub mod rerun;
pub mod rescue;
mod runner;
pub mod view;
pub mod workers;

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

pub use crate::child::Usage;
pub use ctx::{Ctx, Done, Finishing, ProgressSender};
pub use failure::{Class, Failure, OrFail};
pub use ledger::Claimed;
pub use pools::Pools;
pub use runner::Runner;

use crate::events::Cause;
use crate::id::{AssetId, JobId};

/// A pool of workers with its own concurrency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Ingest,
    Transcode,
    Transcribe,
    Extract,
    Embed,
    Index,
    Publish,
    Certify,
}

impl Stage {
    /// All of them, in the order in which an upload meets them.
    pub const ALL: [Self; 8] =
        [Self::Ingest, Self::Transcode, Self::Transcribe, Self::Extract, Self::Embed, Self::Index, Self::Publish, Self::Certify];

    /// The word used in SQL, JSON, configuration and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Transcode => "transcode",
            Self::Transcribe => "transcribe",
            Self::Extract => "extract",
            Self::Embed => "embed",
            Self::Index => "index",
            Self::Publish => "publish",
            Self::Certify => "certify",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Stage {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text).ok_or_else(|| format!("no stage is called {text:?}"))
    }
}

/// Who waits for a job. Lanes go in this order; one in eight claims looks from the other end at what has waited long.
///
/// SQL relies on it that the words sort the other way round: `interactive` is the greatest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Somebody looks at a page that waits for it.
    Interactive,
    #[default]
    Default,
    /// Nobody waits: what is made anew, and what came in bulk.
    Backfill,
}

impl Lane {
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Default, Self::Backfill];

    /// The word used in SQL, JSON, configuration and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Default => "default",
            Self::Backfill => "backfill",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Lane {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == text).ok_or_else(|| format!("no lane is called {text:?}"))
    }
}

/// In which lane a job waits, as seen from that of what caused it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    #[default]
    Same,
    /// Where somebody waits, behind what they wait for.
    Behind,
    /// What only ends a work is not kept waiting by the work of others.
    Before,
}

impl Place {
    /// The lane, when what caused it was in this one.
    pub fn lane(self, cause: Lane) -> Lane {
        match (self, cause) {
            (Self::Behind, Lane::Interactive) => Lane::Default,
            (Self::Before, Lane::Default) => Lane::Interactive,
            (_, same) => same,
        }
    }
}

/// A kind of job: a struct of ids. It may run twice and finds its own facts.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Verb and noun, as stored in the ledger.
    const NAME: &'static str;
    /// The pool it runs in.
    const STAGE: Stage;
    /// How many attempts may fail or be lost before the job is dead.
    const MAX_FAILURES: i32 = 8;
    /// Grows when the payload's meaning changes; older workers leave newer jobs to newer ones.
    const VERSION: i32 = 1;
    /// The asset it works for; a dead job fails its asset.
    fn asset_id(&self) -> Option<AssetId>;
    /// At most one job with this key waits at a time; a further one is the same work.
    fn dedupe_key(&self) -> Option<String>;
    /// Its lane.
    fn place(&self) -> Place {
        Place::Same
    }
}

/// A job of any kind, ready for the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct AnyJob {
    pub kind: &'static str,
    pub version: i32,
    pub stage: Stage,
    pub asset_id: Option<AssetId>,
    pub dedupe_key: Option<String>,
    pub place: Place,
    pub max_failures: i32,
    pub payload: serde_json::Value,
}

impl<J: Job> From<J> for AnyJob {
    fn from(job: J) -> Self {
        Self {
            kind: J::NAME,
            version: J::VERSION,
            stage: J::STAGE,
            asset_id: job.asset_id(),
            dedupe_key: job.dedupe_key(),
            place: job.place(),
            max_failures: J::MAX_FAILURES,
            payload: serde_json::to_value(&job).expect("a struct of ids becomes json"),
        }
    }
}

/// Writes the job in the caller's transaction; the bell rings when that commits, and never if it does not.
///
/// It counts against the share of its asset's owner, or else of who caused it, and goes into the cause's lane, or
/// the one that its kind has beside that ([`Place`]).
///
/// A job of the same dedupe key that waits already is the same work, but it must not run before the caller's
/// transaction is there to be seen: the update that changes nothing holds its row, and claims skip held rows.
pub async fn enqueue(conn: &mut PgConnection, job: impl Into<AnyJob>, cause: &Cause) -> Result<()> {
    let job = job.into();
    sqlx::query!(
        "with owner as (select coalesce((select owner_id from assets where id = $5), $9) as id),
              written as (
           insert into jobs (id, kind, version, stage, payload, asset_id, dedupe_key, request_id, max_failures, lane, owner_id, turn)
           select $1, $2, $11, $3, $4, $5, $6, $7, $8, $10, owner.id, job_turn($3, $10, owner.id) from owner
           on conflict (dedupe_key) where state in ('queued', 'parked')
              do update set state = 'queued', run_at = least(jobs.run_at, now()), lane = greatest(jobs.lane, excluded.lane)
           returning stage, id)
         select pg_notify('learnhub_jobs', stage || ' ' || id) from written",
        JobId::new().0,
        job.kind,
        job.stage.as_str(),
        job.payload,
        job.asset_id.map(|id| id.0),
        job.dedupe_key,
        cause.request_id,
        job.max_failures,
        cause.account_id.map(|id| id.0),
        job.place.lane(cause.lane).as_str(),
        job.version,
    )
    .fetch_optional(conn)
    .await
    .with_context(|| format!("enqueue {}", job.kind))?;
    crate::crash_point!("enqueue.written");
    Ok(())
}
