//! `learnhub jobs`: the ledger at the command line.

use std::process::ExitCode;

use anyhow::{Context, Result};
use kernel::id::JobId;
use kernel::jobs::control::{self, Answer};
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::print;
use crate::cli::Jobs;
use crate::world::World;

/// A job as listed.
#[derive(Serialize)]
struct Job {
    id: Uuid,
    kind: String,
    stage: String,
    state: String,
    attempt: i32,
    failures: i32,
    max_failures: i32,
    asset_id: Option<Uuid>,
    file_name: Option<String>,
    progress_done: i64,
    progress_total: i64,
    failure_class: Option<String>,
    failure_code: Option<String>,
    failure_reason: Option<String>,
    failure_detail: Option<String>,
    worker: Option<String>,
    request_id: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    started_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
}

pub async fn run(world: &World, command: Jobs) -> Result<ExitCode> {
    match command {
        Jobs::Ls { state, stage, limit, json } => list(world, state.as_deref(), stage.map(|stage| stage.as_str()), limit, json).await,
        Jobs::Show { id, json } => show(world, id, json).await,
        Jobs::Retry { ids, all_dead, json } => {
            let ids = if all_dead {
                let dead = sqlx::query_scalar!("select id from jobs where state = 'dead' order by id").fetch_all(&world.env.db).await?;
                dead.into_iter().map(JobId).collect()
            } else {
                ids
            };
            let mut answers = Vec::new();
            for id in ids {
                answers.push((id, control::retry(&world.env.db, id).await?));
            }
            report(&answers, "queued again", "not dead or cancelled", json)
        }
        Jobs::Cancel { ids, json } => {
            let mut answers = Vec::new();
            for id in ids {
                answers.push((id, control::cancel(&world.env.db, id).await?));
            }
            report(&answers, "cancelled", "has ended already", json)
        }
    }
}

/// Jobs, newest first, that fit what is given.
async fn read(world: &World, id: Option<JobId>, state: Option<&str>, stage: Option<&str>, limit: i64) -> Result<Vec<Job>> {
    sqlx::query_as!(
        Job,
        "select j.id, j.kind, j.stage, j.state, j.attempt, j.failures, j.max_failures, j.asset_id, a.file_name as \"file_name?\",
                j.progress_done, j.progress_total, j.failure_class, j.failure_code, j.failure_reason, j.failure_detail,
                j.worker, j.request_id, j.created_at, j.started_at, j.ended_at
           from jobs j left join assets a on a.id = j.asset_id
          where ($1::uuid is null or j.id = $1) and ($2::text is null or j.state = $2) and ($3::text is null or j.stage = $3)
          order by j.id desc limit $4",
        id.map(|id| id.0),
        state,
        stage,
        limit,
    )
    .fetch_all(&world.env.db)
    .await
    .context("list jobs")
}

async fn list(world: &World, state: Option<&str>, stage: Option<&str>, limit: i64, json: bool) -> Result<ExitCode> {
    let jobs = read(world, None, state, stage, limit).await?;
    if json {
        print::json(&jobs)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = jobs
        .iter()
        .map(|job| {
            let progress = if job.state == "running" && job.progress_total > 0 {
                format!("{}%", 100 * job.progress_done / job.progress_total)
            } else {
                String::new()
            };
            vec![
                job.id.to_string(),
                job.kind.clone(),
                job.state.clone(),
                progress,
                job.attempt.to_string(),
                job.failure_code.clone().unwrap_or_default(),
                job.file_name.clone().unwrap_or_default(),
            ]
        })
        .collect();
    print::table(&["id", "kind", "state", "", "attempt", "code", "file"], &rows);
    Ok(ExitCode::SUCCESS)
}

async fn show(world: &World, id: JobId, json: bool) -> Result<ExitCode> {
    let job = read(world, Some(id), None, None, 1).await?.pop().with_context(|| format!("there is no job {id}"))?;
    if json {
        print::json(&job)?;
    } else {
        println!("{}", serde_json::to_string_pretty(&job)?);
    }
    Ok(ExitCode::SUCCESS)
}

fn report(answers: &[(JobId, Answer)], done: &str, wrong: &str, json: bool) -> Result<ExitCode> {
    #[derive(Serialize)]
    struct Line {
        id: JobId,
        ok: bool,
        answer: String,
    }
    let lines: Vec<Line> = answers
        .iter()
        .map(|(id, answer)| {
            let (ok, answer) = match answer {
                Answer::Done => (true, done),
                Answer::Told => (true, "told to stop"),
                Answer::WrongState => (false, wrong),
                Answer::Unknown => (false, "there is no such job"),
            };
            Line { id: *id, ok, answer: answer.into() }
        })
        .collect();
    if json {
        print::json(&lines)?;
    } else {
        for line in &lines {
            println!("{}  {}", line.id, line.answer);
        }
    }
    Ok(if lines.iter().all(|line| line.ok) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
