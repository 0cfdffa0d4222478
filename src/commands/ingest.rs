//! `learnhub ingest`: files and folders into a course, with a bar per file, and the end of each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use kernel::env::Env;
use kernel::events::Cause;
use kernel::id::{AccountId, AssetId, CourseId};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{REFUSED, principal, print};
use crate::cli::Ingest;
use crate::server;
use crate::world::World;

/// How one file ended, or how it stands without `--wait`.
#[derive(Serialize)]
struct Outcome {
    path: PathBuf,
    asset_id: Option<AssetId>,
    kind: Option<String>,
    /// published, failed, processing, or refused when it was not even stored.
    state: String,
    code: Option<String>,
    reason: Option<String>,
    seconds: f64,
}

pub async fn run(world: &World, args: Ingest) -> Result<ExitCode> {
    let env = &world.env;
    let files = collect(&args.paths)?;
    let owner = owner(world, args.owner.as_deref()).await?;
    let place = match args.replace {
        Some(asset) => replaced(env, asset, &files).await?,
        None => Place::In(course(env, &args.course, owner).await?),
    };
    let bars = MultiProgress::new();
    let mut outcomes = Vec::new();
    let begun = Instant::now();
    for path in &files {
        let bar = bars.add(bar(path));
        outcomes.push((store(env, place, owner, path, &bar).await?, bar));
    }
    if args.wait {
        let stop = CancellationToken::new();
        let workers = world.alone.then(|| work(world, stop.clone()));
        let waited = wait(env, &mut outcomes, begun).await;
        stop.cancel();
        if let Some(workers) = workers {
            workers.await?;
        }
        waited?;
    } else if world.alone {
        eprintln!("stored; `learnhub up` will process them");
    }
    let outcomes: Vec<Outcome> = outcomes.into_iter().map(|(outcome, _)| outcome).collect();
    if args.json {
        print::json(&outcomes)?;
    } else {
        summarise(&outcomes);
    }
    let refused = outcomes.iter().any(|outcome| matches!(outcome.state.as_str(), "refused" | "failed"));
    Ok(if refused { ExitCode::from(REFUSED) } else { ExitCode::SUCCESS })
}

/// What becomes of a file.
#[derive(Clone, Copy)]
enum Place {
    In(CourseId),
    Instead(AssetId),
}

/// The asset whose place the one file takes.
async fn replaced(env: &Env, asset: AssetId, files: &[PathBuf]) -> Result<Place> {
    if files.len() != 1 {
        bail!("one file takes the place of an asset, not {}", files.len());
    }
    let found = sqlx::query_scalar!("select id from assets where id = $1 and version_of is null", asset.0)
        .fetch_optional(&env.db)
        .await
        .context("look for the asset to replace")?;
    found.map(|id| Place::Instead(id.into())).with_context(|| format!("there is no asset {asset}"))
}

/// The files named, and every file in the folders named; hidden ones are left out.
fn collect(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let meta = std::fs::metadata(path).with_context(|| format!("look at {}", path.display()))?;
        if meta.is_dir() {
            walk(path, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    if files.is_empty() {
        bail!("there are no files in {}", paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "));
    }
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).and_then(Iterator::collect).with_context(|| format!("list {}", folder.display()))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // A link could lead anywhere, also back up.
        let kind = entry.file_type().with_context(|| format!("look at {}", entry.path().display()))?;
        if kind.is_dir() {
            walk(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// The named account, or the operator's own, which nobody can sign in to.
async fn owner(world: &World, email: Option<&str>) -> Result<AccountId> {
    if let Some(email) = email {
        return Ok(principal(world, email).await?.account_id);
    }
    let id = sqlx::query_scalar!(
        "with made as (
           insert into accounts (id, email, name, password_hash, role) values ($1, 'operator@localhost', 'Operator', '!', 'admin')
           on conflict (email) do nothing returning id)
         select id as \"id!\" from made union all select id from accounts where email = 'operator@localhost' limit 1",
        AccountId::new().0,
    )
    .fetch_one(&world.env.db)
    .await
    .context("find the operator's account")?;
    Ok(id.into())
}

/// The course of this id or title; a title that is new makes a course.
async fn course(env: &Env, wanted: &str, owner: AccountId) -> Result<CourseId> {
    let by_id = wanted.parse::<CourseId>().ok();
    let found =
        sqlx::query_scalar!("select id from courses where id = $1 or title = $2 order by created_at limit 1", by_id.map(|id| id.0), wanted)
            .fetch_optional(&env.db)
            .await
            .context("look for the course")?;
    if let Some(id) = found {
        return Ok(id.into());
    }
    if by_id.is_some() {
        bail!("there is no course {wanted}");
    }
    let id = CourseId::new();
    sqlx::query!("insert into courses (id, owner_id, title) values ($1, $2, $3)", id.0, owner.0, wanted)
        .execute(&env.db)
        .await
        .with_context(|| format!("make a course called {wanted:?}"))?;
    eprintln!("made the course {wanted:?} ({id})");
    Ok(id)
}

async fn store(env: &Env, place: Place, owner_id: AccountId, path: &Path, bar: &ProgressBar) -> Result<Outcome> {
    let begun = Instant::now();
    tell(bar, "storing");
    let request_id = Some(format!("cli-{}", uuid::Uuid::now_v7().simple()));
    let cause = Cause { request_id, account_id: Some(owner_id), ..Cause::default() };
    let stored = match place {
        Place::In(course_id) => ingest::upload::store_path(env, course_id, owner_id, path, &cause).await?,
        Place::Instead(asset_id) => ingest::upload::replace_by_path(env, asset_id, owner_id, path, &cause).await?,
    };
    let (asset_id, refusal) = match stored {
        Ok(asset_id) => (Some(asset_id), None),
        Err(refusal) => (None, Some(refusal)),
    };
    if let Some(refusal) = &refusal {
        tell(bar, &format!("refused: {}", refusal.code));
        bar.finish();
    }
    Ok(Outcome {
        path: path.to_owned(),
        asset_id,
        kind: None,
        state: if refusal.is_some() { "refused" } else { "processing" }.into(),
        code: refusal.as_ref().map(|refusal| refusal.code.to_string()),
        reason: refusal.map(|refusal| refusal.reason.to_string()),
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// Works here while nobody else does.
fn work(world: &World, stop: CancellationToken) -> tokio::task::JoinHandle<()> {
    let env = world.env.clone();
    let no_vectors = world.no_vectors.clone();
    tokio::spawn(async move {
        if let Err(error) = env.bell.clone().listen(env.db.clone()).await {
            warn!("new jobs wait for the sweep: {error:#}");
        }
        let embedder = server::open_embedder(&env, no_vectors.as_deref()).await;
        server::runner(env, embedder).run(stop).await;
    })
}

async fn wait(env: &Env, outcomes: &mut [(Outcome, ProgressBar)], begun: Instant) -> Result<()> {
    loop {
        let open: Vec<uuid::Uuid> = outcomes
            .iter()
            .filter(|(outcome, _)| outcome.state == "processing")
            .filter_map(|(outcome, _)| outcome.asset_id)
            .map(|id| id.0)
            .collect();
        if open.is_empty() {
            return Ok(());
        }
        // What can be watched is not done before it is complete. A version that has taken its place has left what it replaced
        // behind under its own id, kept or deleted already.
        let rows = sqlx::query!(
            r#"select w.id as "id!", case when s.complete = false and state = 'published' then 'processing'
                                          when coalesce(state, 'kept') = 'kept' then 'published' else state end as "state!",
                      kind, failure_code, failure_reason
                 from unnest($1::uuid[]) as w(id) left join assets a on a.id = w.id left join streams s on s.asset_id = a.id"#,
            &open
        )
        .fetch_all(&env.db)
        .await
        .context("look how far they are")?;
        let running: BTreeMap<_, _> = sqlx::query!(
            "select asset_id as \"asset_id!\", stage, progress_done, progress_total from jobs
              where asset_id = any($1) and state = 'running' order by id desc",
            &open
        )
        .fetch_all(&env.db)
        .await
        .context("look what runs")?
        .into_iter()
        .map(|job| (job.asset_id, job))
        .collect();
        for row in rows {
            for (outcome, bar) in
                outcomes.iter_mut().filter(|(outcome, _)| outcome.asset_id == Some(row.id.into()) && outcome.state == "processing")
            {
                outcome.state.clone_from(&row.state);
                outcome.kind.clone_from(&row.kind);
                outcome.code.clone_from(&row.failure_code);
                outcome.reason.clone_from(&row.failure_reason);
                outcome.seconds = begun.elapsed().as_secs_f64();
                match (row.state.as_str(), running.get(&row.id)) {
                    ("published", _) => {
                        tell(bar, "published");
                        bar.finish();
                    }
                    ("failed", _) => {
                        tell(bar, &format!("failed: {}", row.failure_code.as_deref().unwrap_or_default()));
                        bar.abandon();
                    }
                    (_, Some(job)) => {
                        bar.set_length(job.progress_total.max(1) as u64);
                        bar.set_position(job.progress_done as u64);
                        tell(bar, &job.stage);
                    }
                    (_, None) => bar.set_message("waiting"),
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

fn bar(path: &Path) -> ProgressBar {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(32).collect();
    let style = ProgressStyle::with_template("{prefix:32} {bar:24} {percent:>3}% {elapsed:>4} {msg}").expect("the template is ours");
    ProgressBar::new(1).with_style(style).with_prefix(name)
}

/// Says what happens to a file: in its bar, or, where there is no terminal to draw on, in a line of its own.
fn tell(bar: &ProgressBar, what: &str) {
    if bar.message() != what {
        bar.set_message(what.to_owned());
        if bar.is_hidden() {
            eprintln!("{}: {what}", bar.prefix());
        }
    }
}

fn summarise(outcomes: &[Outcome]) {
    let rows: Vec<Vec<String>> = outcomes
        .iter()
        .map(|outcome| {
            let why = outcome.reason.clone().map(|reason| format!("{}: {reason}", outcome.code.as_deref().unwrap_or_default()));
            vec![
                outcome.state.clone(),
                outcome.kind.clone().unwrap_or_default(),
                format!("{:.1} s", outcome.seconds),
                outcome.path.display().to_string(),
                why.unwrap_or_default(),
            ]
        })
        .collect();
    print::table(&["state", "kind", "after", "file", "why"], &rows);
    let count = |state: &str| outcomes.iter().filter(|outcome| outcome.state == state).count();
    eprintln!(
        "{} published, {} failed, {} refused, {} still in work",
        count("published"),
        count("failed"),
        count("refused"),
        count("processing")
    );
}
