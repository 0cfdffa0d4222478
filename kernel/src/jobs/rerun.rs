//! Making an asset anew from a stage on. What is published stays as it is until the new version is there: every stage
//! replaces its output in its finishing write, and a job that dies fails only what was not published yet.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use utoipa::ToSchema;

use super::control::{self, Answer};
use super::{Lane, Stage, enqueue};
use crate::events::Cause;
use crate::id::{AccountId, AssetId, CourseId, JobId};
use crate::index_marks;
use crate::media::Kind;
use crate::pipeline;

/// Which assets are meant. What is not set matches everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssetFilter {
    #[serde(skip)]
    pub ids: Option<Vec<AssetId>>,
    pub asset_id: Option<AssetId>,
    pub course_id: Option<CourseId>,
    pub owner_id: Option<AccountId>,
    /// What they are: `video`, `audio`, `document` or `captions`.
    pub kind: Option<Kind>,
    /// `processing`, `published` or `failed`.
    pub state: Option<String>,
    /// Only assets of this account's courses.
    #[serde(skip)]
    pub teacher: Option<AccountId>,
}

impl AssetFilter {
    /// Whether it means every asset there is, or every one that a teacher may change.
    pub fn is_everything(&self) -> bool {
        Self { teacher: None, ..self.clone() } == Self::default()
    }
}

/// The assets that a filter means, oldest first, at most `limit`.
pub async fn matching(db: &PgPool, filter: &AssetFilter, limit: i64) -> Result<Vec<AssetId>> {
    let ids: Option<Vec<uuid::Uuid>> = filter.ids.as_ref().map(|ids| ids.iter().map(|id| id.0).collect());
    let found = sqlx::query_scalar!(
        "select a.id from assets a join courses c on c.id = a.course_id
          where ($1::uuid[] is null or a.id = any($1)) and ($2::uuid is null or a.id = $2) and ($3::uuid is null or a.course_id = $3)
            and ($4::uuid is null or a.owner_id = $4) and ($5::text is null or a.kind = $5) and ($6::text is null or a.state = $6)
            and ($7::uuid is null or c.owner_id = $7)
          order by a.id limit $8",
        ids.as_deref(),
        filter.asset_id.map(|id| id.0),
        filter.course_id.map(|id| id.0),
        filter.owner_id.map(|id| id.0),
        filter.kind.map(Kind::as_str),
        filter.state,
        filter.teacher.map(|id| id.0),
        limit,
    )
    .fetch_all(db)
    .await
    .context("look up the assets that are meant")?;
    Ok(found.into_iter().map(AssetId).collect())
}

/// Queues the stage's job for the asset. A dead or cancelled one of that kind is taken up instead of a second one.
///
/// [`Answer::WrongState`] when the asset does not go through the stage, when that work waits or runs already, or when an
/// earlier stage has to be repeated first because it is what the asset failed at. A dry run changes nothing.
pub async fn rerun(db: &PgPool, asset_id: AssetId, from: Stage, lane: Lane, cause: &Cause, dry_run: bool) -> Result<Answer> {
    let mut tx = db.begin().await.context("begin to make an asset anew")?;
    // Always the job before the asset, as everywhere, so that no two wait for one another.
    let earlier = sqlx::query!(
        "select id, state, kind from jobs where asset_id = $1 and stage = $2 order by id desc limit 1 for update",
        asset_id.0,
        from.as_str(),
    )
    .fetch_optional(&mut *tx)
    .await
    .context("look for the stage's last job")?;
    let asset = sqlx::query!("select kind as \"kind: Kind\", state, failure_stage from assets where id = $1 for update", asset_id.0)
        .fetch_optional(&mut *tx)
        .await
        .context("look up the asset")?;
    let Some(asset) = asset else { return Ok(Answer::Unknown) };
    let Some(job) = pipeline::from_stage(from, asset_id, asset.kind) else { return Ok(Answer::WrongState) };
    let in_work = sqlx::query_scalar!(
        "select exists (select 1 from jobs where asset_id = $1 and kind = $2 and state in ('queued', 'parked', 'running')) as \"yes!\"",
        asset_id.0,
        job.kind,
    )
    .fetch_one(&mut *tx)
    .await
    .context("look whether it is in work")?;
    let failed_at = asset.failure_stage.and_then(|stage| stage.parse::<Stage>().ok());
    if in_work || asset.state == "failed" && failed_at.is_some_and(|failed_at| from > failed_at) {
        return Ok(Answer::WrongState);
    }
    if dry_run {
        return Ok(Answer::Done);
    }
    match earlier.filter(|earlier| earlier.kind == job.kind && matches!(earlier.state.as_str(), "dead" | "cancelled")) {
        Some(earlier) => {
            control::retry_in(&mut tx, JobId(earlier.id), Some(lane)).await?;
        }
        None => {
            if asset.state == "failed" {
                control::take_up(&mut tx, asset_id).await?;
            }
            if from == Stage::Index {
                index_marks::mark(&mut tx, asset_id).await?;
            }
            enqueue(&mut tx, job, &Cause { lane, ..cause.clone() }).await?;
        }
    }
    tx.commit().await.context("commit to make an asset anew")?;
    Ok(Answer::Done)
}
