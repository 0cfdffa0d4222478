//! `learnhub jobs`: the ledger at the command line. What is shown and done is `kernel::jobs`' business.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use kernel::events::Cause;
use kernel::id::{AssetId, JobId};
use kernel::jobs::audit::{self, Deed};
use kernel::jobs::control::{self, Action, Answer, Tally};
use kernel::jobs::rerun::{self, AssetFilter};
use kernel::jobs::view::{self, Filter, Row, State};
use kernel::jobs::{Lane, Stage};
use serde::Serialize;

use super::{operator, print};
use crate::cli::{How, Jobs, Which};
use crate::commands::print::say;
use crate::world::World;

pub async fn run(world: &World, command: Jobs) -> Result<ExitCode> {
    match command {
        Jobs::Ls { which, limit, json } => list(world, &filter(which), limit, json).await,
        Jobs::Dead { json } => dead(world, json).await,
        Jobs::Show { id, json } => {
            let row = view::show(&world.env.db, id, None, world.env.clock.now()).await?;
            let row = row.with_context(|| format!("there is no job {id}"))?;
            match json {
                true => print::json(&row)?,
                false => say!("{}", serde_json::to_string_pretty(&row)?),
            }
            Ok(ExitCode::SUCCESS)
        }
        Jobs::Retry { ids, all_dead, mut which, how } => {
            if all_dead {
                which.state = vec![State::Dead];
            }
            act(world, Action::Retry, ids, which, how).await
        }
        Jobs::Cancel { ids, which, how } => act(world, Action::Cancel, ids, which, how).await,
        Jobs::Prioritise { ids, which, to, front, how } => {
            act(world, Action::Prioritise { lane: to, front: front || to.is_none() }, ids, which, how).await
        }
        Jobs::Rerun { assets, stage, course, owner, kind, state, lane, how } => {
            let ids = (!assets.is_empty()).then_some(assets);
            let filter = AssetFilter { ids, course_id: course, owner_id: owner, kind, state, ..AssetFilter::default() };
            rerun(world, &filter, stage, lane, how).await
        }
    }
}

fn filter(which: Which) -> Filter {
    let Which { state, stage, lane, kind, asset, course, owner, class, code } = which;
    Filter {
        state,
        stage,
        lane,
        kind,
        asset_id: asset,
        course_id: course,
        owner_id: owner,
        failure_class: class,
        failure_code: code,
        ..Filter::default()
    }
}

async fn list(world: &World, filter: &Filter, limit: i64, json: bool) -> Result<ExitCode> {
    let jobs = view::list(&world.env.db, filter, None, limit, world.env.clock.now()).await?;
    if json {
        print::json(&jobs)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = jobs.into_iter().map(cells).collect();
    print::table(&["id", "kind", "lane", "state", "", "attempt", "code", "host", "file"], &rows);
    Ok(ExitCode::SUCCESS)
}

fn cells(job: Row) -> Vec<String> {
    let progress = match (job.state, job.progress.total) {
        (State::Running, total @ 1..) => format!("{}%", 100 * job.progress.done / total),
        _ => String::new(),
    };
    vec![
        job.id.to_string(),
        job.kind,
        job.lane.to_string(),
        job.state.to_string(),
        progress,
        job.attempt.to_string(),
        job.failure.map(|failure| failure.code).unwrap_or_default(),
        job.host.unwrap_or_default(),
        job.file_name.unwrap_or_default(),
    ]
}

/// What gave up, by cause, each with the command that takes it up again.
async fn dead(world: &World, json: bool) -> Result<ExitCode> {
    let groups = view::dead(&world.env.db, None).await?;
    if json {
        print::json(&groups)?;
        return Ok(ExitCode::SUCCESS);
    }
    if groups.is_empty() {
        say!("no job is dead");
    }
    for group in groups {
        let class = group.class.as_deref().unwrap_or("unknown");
        say!("{:>6}  {}  {class}  {}", group.count, group.stage, group.code);
        say!("        {}", group.reason);
        say!("        learnhub jobs show {}", group.example);
        say!("        learnhub jobs retry --state dead --stage {} --code {}", group.stage, group.code);
    }
    Ok(ExitCode::SUCCESS)
}

async fn act(world: &World, action: Action, ids: Vec<JobId>, which: Which, how: How) -> Result<ExitCode> {
    let mut filter = filter(which);
    if ids.is_empty() && filter.is_everything() {
        bail!("say which jobs: ids, or a filter such as --state dead --code worker_lost");
    }
    let named = ids.clone();
    filter.ids = (!ids.is_empty()).then_some(ids);
    let jobs = view::matching(&world.env.db, &filter, None, i64::MAX).await?;
    let mut answers: BTreeMap<String, Answer> = named.iter().map(|id| (id.to_string(), Answer::Unknown)).collect();
    let done = control::act(&world.env.db, action, jobs, how.dry_run).await?;
    answers.extend(done.into_iter().map(|(id, answer)| (id.to_string(), answer)));
    let (word, what, wrong) = match action {
        Action::Cancel => ("cancel", "cancelled", "has ended already"),
        Action::Retry => ("retry", "queued again", "not dead or cancelled"),
        Action::Prioritise { .. } => ("prioritise", "moved", "does not wait"),
    };
    let words = Words { done: what, wrong };
    finish(world, word, serde_json::to_value(&filter)?, &answers, &words, how, !named.is_empty()).await
}

async fn rerun(world: &World, filter: &AssetFilter, from: Stage, lane: Lane, how: How) -> Result<ExitCode> {
    if filter.is_everything() {
        bail!("say which assets: --asset, or a filter such as --course or --kind document");
    }
    let mut answers: BTreeMap<String, Answer> = filter.ids.iter().flatten().map(|id: &AssetId| (id.to_string(), Answer::Unknown)).collect();
    for id in rerun::matching(&world.env.db, filter, i64::MAX).await? {
        let answer = rerun::rerun(&world.env.db, id, from, lane, &Cause::default(), how.dry_run).await?;
        answers.insert(id.to_string(), answer);
    }
    let words = Words { done: "queued", wrong: "does not go through this stage, is in it already, or failed before it" };
    finish(world, "rerun", serde_json::to_value(filter)?, &answers, &words, how, filter.ids.is_some()).await
}

struct Words {
    done: &'static str,
    wrong: &'static str,
}

/// Prints what came of it, and records it. Fails when something that was named could not be done.
async fn finish(
    world: &World,
    action: &str,
    filter: serde_json::Value,
    answers: &BTreeMap<String, Answer>,
    words: &Words,
    how: How,
    named: bool,
) -> Result<ExitCode> {
    #[derive(Serialize)]
    struct Line<'a> {
        id: &'a str,
        ok: bool,
        answer: &'static str,
    }
    let mut tally = Tally::default();
    let lines: Vec<Line> = answers
        .iter()
        .map(|(id, answer)| {
            tally.add(*answer);
            let (ok, answer) = match answer {
                Answer::Done => (true, words.done),
                Answer::Told => (true, "told to stop"),
                Answer::WrongState => (false, words.wrong),
                Answer::Unknown => (false, "there is no such thing"),
            };
            Line { id, ok, answer }
        })
        .collect();
    let changed = tally.done + tally.told;
    if !how.dry_run && changed > 0 {
        let deed = Deed::JobsChanged { action: action.into(), filter, changed };
        audit::record(&mut *world.env.db.acquire().await?, &deed, &operator(), None).await?;
    }
    if how.json {
        print::json(&lines)?;
    } else {
        if named {
            lines.iter().for_each(|line| say!("{}  {}", line.id, line.answer));
        }
        let would = if how.dry_run { "would be " } else { "" };
        let told = if tally.told > 0 { format!(", {} {would}told to stop", tally.told) } else { String::new() };
        say!("{} matched: {} {would}{}{told}, {} skipped", tally.matched, tally.done, words.done, tally.skipped + tally.unknown);
    }
    let failed = named && lines.iter().any(|line| !line.ok);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
