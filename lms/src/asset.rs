//! An asset as the API shows it, and the one place that reads it from the database.
//!
//! Every list and every single asset comes from [`load`], so that they cannot differ.

use std::collections::HashMap;

use kernel::access::CourseAccess;
use kernel::env::Env;
use kernel::forecast::Wait;
use kernel::http::ApiError;
use kernel::id::{AccountId, AssetId, CourseId};
use kernel::jobs::Stage;
use kernel::media::Kind;
use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::delivery;

/// Something that was uploaded, and what became of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10", "course_id": "0193a5f0-1111-7c10-9d7e-2f1f0c3d9a10", "parent_id": null,
    "file_name": "queues.mp4", "title": "Queues and leases", "kind": "video", "media_type": "video/mp4", "state": "processing",
    "failure": null, "notice": null, "duration_ms": 121400, "complete": true, "pages": null, "language": null, "sdh": false, "auto": false, "created_at": "2026-11-20T09:30:00Z", "published_at": null,
    "poster_url": null,
    "stages": [{"stage": "transcode", "kind": "EncodeRun", "state": "running", "done": 2410, "total": 12000, "attempt": 1, "failure_code": null}]}))]
pub struct Asset {
    pub id: AssetId,
    pub course_id: CourseId,
    /// Captions: the video or audio they belong to.
    pub parent_id: Option<AssetId>,
    /// As it was uploaded.
    pub file_name: String,
    pub title: String,
    /// Null until the bytes have been looked at.
    pub kind: Option<Kind>,
    /// MIME type found in the bytes.
    pub media_type: Option<String>,
    pub state: AssetState,
    pub failure: Option<AssetFailure>,
    /// A code: it is published, but its instructor should know, such as `no_text_layer`.
    pub notice: Option<String>,
    pub duration_ms: Option<i64>,
    /// False while it can be watched already and most of it is still being made.
    pub complete: bool,
    pub pages: Option<i32>,
    /// BCP 47, as somebody or a file name said or as it was found in the text.
    pub language: Option<String>,
    /// Captions: they also tell what is heard besides speech.
    pub sdh: bool,
    /// Captions: made by a machine, and seen through by nobody yet.
    pub auto: bool,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    pub published_at: Option<OffsetDateTime>,
    /// A signed address that ends after a while.
    pub poster_url: Option<String>,
    /// The last job of each stage, for those who may edit the course.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stages: Option<Vec<AssetStage>>,
    /// Where it is on its way and when it is expected to be ready, for those who may edit the course, while it is in work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Wait>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum AssetState {
    Processing,
    Published,
    Failed,
    /// An earlier version of another asset, or captions of one: whole, and shown to nobody.
    Kept,
}

/// Why an asset cannot be published.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AssetFailure {
    #[schema(example = "pdf_encrypted")]
    pub code: String,
    #[schema(example = "this PDF is protected by a password; remove it and upload the file again")]
    pub reason: String,
    #[schema(example = "extract")]
    pub stage: String,
    pub attempt: Option<i32>,
}

/// How far a stage is with an asset. Unit of `done` and `total`: the job's own (frames, pages, chunks), or a thousandth of a
/// run of segments.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AssetStage {
    pub stage: String,
    pub kind: String,
    pub state: String,
    pub done: i64,
    pub total: i64,
    pub attempt: i32,
    pub failure_code: Option<String>,
}

/// The assets with these ids, in the order of the ids. Ids that are not there are left out. Whether they may be
/// seen at all is the caller's question; the access only decides whether the stages are shown. Addresses are the viewer's.
pub async fn load(
    conn: &mut PgConnection,
    env: &Env,
    viewer: AccountId,
    ids: &[AssetId],
    access: CourseAccess,
) -> Result<Vec<Asset>, ApiError> {
    let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select a.id, a.course_id, a.parent_id, a.file_name, a.title, a.kind as "kind: Kind", a.media_type, a.state as "state: AssetState",
                  a.failure_code, a.failure_reason, a.failure_stage, a.failure_attempt, a.created_at, a.published_at,
                  a.sdh, a.auto, s.duration_ms as "duration_ms?", coalesce(s.complete, true) as "complete!", d.pages, coalesce(a.language, d.language) as language,
                  coalesce((select p.prefix || '/' || a.poster_file from posters p where p.asset_id = a.id and p.stored and a.poster_file = 'uploaded.jpg'),
                           case when s.manifest -> 'posters' ? a.poster_file then s.prefix || '/' || a.poster_file else s.poster end) as poster,
                  -- Automatic captions that could not be made are no failure of the recording; nobody misses them who has others.
                  coalesce(d.notice, s.manifest -> 'notices' ->> 0, (
                    select case when j.state = 'dead' then j.failure_code end from jobs j
                     where $2 and j.asset_id = a.id and j.kind = 'TranscribeSpeech'
                       and not exists (select from assets c where c.parent_id = a.id and c.state = 'published')
                     order by j.id desc limit 1)) as notice
             from unnest($1::uuid[]) with ordinality as wanted(id, nth)
             join assets a on a.id = wanted.id
             left join streams s on s.asset_id = a.id
             left join documents d on d.asset_id = a.id
            order by wanted.nth"#,
        &ids,
        access == CourseAccess::Editor,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut stages = match access {
        CourseAccess::Editor => Some(stages(&mut *conn, &ids).await?),
        CourseAccess::Learner => None,
    };
    let in_work = stages.is_some() && rows.iter().any(|row| row.state == AssetState::Processing);
    let forecast = if in_work { Some(env.forecaster.forecast(conn).await?) } else { None };
    let now = env.clock.now();
    rows.into_iter()
        .map(|row| {
            let failure = match (row.failure_code, row.failure_reason, row.failure_stage) {
                (Some(code), Some(reason), Some(stage)) => Some(AssetFailure { code, reason, stage, attempt: row.failure_attempt }),
                _ => None,
            };
            Ok(Asset {
                waiting: forecast.as_ref().and_then(|forecast| forecast.waits.get(&row.id.into()).cloned()),
                id: row.id.into(),
                course_id: row.course_id.into(),
                parent_id: row.parent_id.map(Into::into),
                file_name: row.file_name,
                title: row.title,
                kind: row.kind,
                media_type: row.media_type,
                state: row.state,
                failure,
                notice: row.notice,
                duration_ms: row.duration_ms,
                complete: row.complete,
                pages: row.pages,
                language: row.language,
                sdh: row.sdh,
                auto: row.auto,
                created_at: row.created_at,
                published_at: row.published_at,
                poster_url: row.poster.map(|poster| delivery::picture(env, viewer, row.id.into(), &poster, now)).transpose()?,
                stages: stages.as_mut().map(|all| all.remove(&row.id).unwrap_or_default()),
            })
        })
        .collect()
}

/// The last job of each stage of each asset, in the order in which an upload meets the stages.
async fn stages(conn: &mut PgConnection, ids: &[uuid::Uuid]) -> Result<HashMap<uuid::Uuid, Vec<AssetStage>>, ApiError> {
    let rows = sqlx::query!(
        r#"with last as (
             select distinct on (asset_id, stage) asset_id, stage, kind, state, progress_done, progress_total, attempt, failure_code
               from jobs where asset_id = any($1) order by asset_id, stage, state = 'running' desc, id desc),
           -- A stream is encoded by many jobs at once: all of them together have come so far, a thousand for each run.
           encoding as (
             select e.asset_id, count(*) * 1000 as total, count(r.made) * 1000 + coalesce((
                      select sum(j.progress_done * 1000 / greatest(j.progress_total, 1))::bigint from jobs j
                       where j.asset_id = e.asset_id and j.kind = 'EncodeRun' and j.state = 'running'), 0) as done
               from encodings e join runs r on r.prefix = e.prefix where e.asset_id = any($1) group by e.asset_id)
           select last.asset_id as "asset_id!", stage, kind, state, attempt, failure_code,
                  coalesce(encoding.done, progress_done) as "progress_done!", coalesce(encoding.total, progress_total) as "progress_total!"
             from last left join encoding on encoding.asset_id = last.asset_id and stage = 'transcode'"#,
        ids,
    )
    .fetch_all(conn)
    .await?;
    let mut all: HashMap<uuid::Uuid, Vec<AssetStage>> = HashMap::new();
    for row in rows {
        all.entry(row.asset_id).or_default().push(AssetStage {
            stage: row.stage,
            kind: row.kind,
            state: row.state,
            done: row.progress_done,
            total: row.progress_total,
            attempt: row.attempt,
            failure_code: row.failure_code,
        });
    }
    for stages in all.values_mut() {
        stages.sort_by_key(|stage| stage.stage.parse::<Stage>().ok());
    }
    Ok(all)
}
