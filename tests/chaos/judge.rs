//! What must be true when all has come to rest. It asks rows, files and `learnhub doctor --check`, and knows what was
//! promised over HTTP.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;
use uuid::Uuid;

use crate::fleet::{Fleet, GRACE_SECONDS};
use crate::people::Promises;

/// Offenders by what they are; each line names the invariant.
#[derive(Default)]
pub struct Verdict {
    pub lost: Vec<String>,
    pub doubled: Vec<String>,
    pub half_visible: Vec<String>,
    pub orphans: Vec<String>,
}

impl Verdict {
    pub fn is_clean(&self) -> bool {
        self.all().is_empty()
    }

    pub fn all(&self) -> Vec<&String> {
        [&self.lost, &self.doubled, &self.half_visible, &self.orphans].into_iter().flatten().collect()
    }
}

/// Waits until nothing is queued, running or parked and every asset is settled; false when that takes longer.
pub async fn rest(fleet: &Fleet, limit: Duration) -> bool {
    let begun = Instant::now();
    let mut calm = 0;
    while begun.elapsed() < limit {
        let busy: sqlx::Result<i64> = sqlx::query_scalar(
            "select (select count(*) from jobs where state in ('queued', 'running', 'parked')) + (select count(*) from assets where state = 'processing')
                  + (select count(*) from certificates where issued_at is null)",
        )
        .fetch_one(&fleet.db)
        .await;
        calm = if matches!(busy, Ok(0)) { calm + 1 } else { 0 };
        if calm >= 2 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    false
}

/// Everything that is asked of a world at rest. What the janitor still has to sweep is waited for.
pub async fn judge(fleet: &Fleet, promises: &Promises) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    promised(fleet, promises, &mut verdict).await?;
    once(fleet, &mut verdict).await?;
    verdict.half_visible.extend(promises.half_visible.lock().expect("promises").iter().map(|seen| format!("I4 {seen}")));
    let begun = Instant::now();
    loop {
        let (failing, orphans) = (doctor(fleet).await?, orphans(fleet).await?);
        let swept = orphans.is_empty() && !failing.iter().any(|(name, _)| name == "I7");
        // Two janitors' rounds after the time of grace.
        if swept || begun.elapsed() > Duration::from_secs(GRACE_SECONDS + 20) {
            verdict.orphans.extend(orphans);
            for (name, seen) in failing {
                let line = format!("{name} {seen}");
                match name.as_str() {
                    "I3" | "I4" | "I5" => verdict.half_visible.push(line),
                    "I6" | "I9" => verdict.doubled.push(line),
                    "I7" => verdict.orphans.push(line),
                    _ => verdict.lost.push(line),
                }
            }
            return Ok(verdict);
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
}

/// What was acknowledged is there and came to its proper end.
async fn promised(fleet: &Fleet, promises: &Promises, verdict: &mut Verdict) -> Result<()> {
    let rows: Vec<(Uuid, String, Option<String>, Option<String>)> =
        sqlx::query_as("select id, state, failure_code, failure_reason from assets").fetch_all(&fleet.db).await.context("read assets")?;
    for upload in promises.uploads.lock().expect("promises").iter() {
        let what = format!("{} ({})", upload.asset, upload.file_name);
        match rows.iter().find(|row| row.0 == upload.asset) {
            None => verdict.lost.push(format!("I1 {what} was acknowledged and is gone")),
            Some((_, state, code, reason)) => match (state.as_str(), upload.good) {
                ("published", true) => {}
                ("failed", false) if code.is_some() && reason.is_some() => {}
                ("processing", _) => verdict.lost.push(format!("I1 {what} is never settled")),
                (state, _) => verdict.lost.push(format!("I1 {what} is {state} {code:?} {reason:?}")),
            },
        }
    }
    let issued: HashSet<Uuid> = sqlx::query_scalar("select id from certificates where issued_at is not null")
        .fetch_all(&fleet.db)
        .await
        .context("read certificates")?
        .into_iter()
        .collect();
    for id in promises.certificates.lock().expect("promises").iter().filter(|id| !issued.contains(id)) {
        verdict.lost.push(format!("I1 certificate {id} was promised and is not issued"));
    }
    Ok(())
}

/// Whatever happens once has happened once. `Indexed` may be said again: the index may be brought up to date again.
async fn once(fleet: &Fleet, verdict: &mut Verdict) -> Result<()> {
    let questions = [
        (
            "I3 asset %: event twice",
            "select asset_id || ' ' || kind || ' × ' || count(*) from events where asset_id is not null and kind <> 'Indexed'
              group by asset_id, kind having count(*) > 1",
        ),
        (
            "I3 asset %: the same work done twice",
            "select asset_id || ' ' || kind || ' × ' || count(*) from jobs
              where state = 'done' and kind in ('IngestUpload', 'TranscodeMedia', 'PackageStream', 'ExtractDocument', 'EmbedChunks')
              group by asset_id, kind having count(*) > 1",
        ),
        (
            "I6 certificate %: event twice",
            "select (payload ->> 'certificate_id') || ' ' || kind || ' × ' || count(*) from events
              where kind in ('CourseCompleted', 'CertificateIssued') group by payload ->> 'certificate_id', kind having count(*) > 1",
        ),
        (
            "I6 learner and course with two certificates: %",
            "select course_id || ' ' || account_id from certificates group by course_id, account_id having count(*) > 1",
        ),
    ];
    for (what, sql) in questions {
        let found: Vec<String> = sqlx::query_scalar(sql).fetch_all(&fleet.db).await.with_context(|| what.to_owned())?;
        verdict.doubled.extend(found.iter().map(|found| what.replace('%', found)));
    }
    Ok(())
}

/// The invariants that the program itself finds broken.
async fn doctor(fleet: &Fleet) -> Result<Vec<(String, String)>> {
    let mut command = fleet.command(false);
    command.args(["doctor", "--check", "--json"]);
    let output = tokio::process::Command::from(command).output().await?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("the doctor says: {}", String::from_utf8_lossy(&output.stderr).chars().take(500).collect::<String>()))?;
    let findings = report.as_array().context("findings")?.iter().filter(|finding| finding["health"] == "fail");
    let named = findings
        .map(|finding| (finding["name"].as_str().unwrap_or_default().to_owned(), finding["seen"].as_str().unwrap_or_default().to_owned()));
    Ok(named.filter(|(name, _)| name.starts_with('I') || name == "database").collect())
}

/// Files that no row names, by our own count: objects, half-written objects, scratch.
async fn orphans(fleet: &Fleet) -> Result<Vec<String>> {
    let named: HashSet<String> = sqlx::query_scalar(
        "select prefix from streams union all select prefix from documents where prefix is not null
         union all select object_key from certificates where object_key is not null
         union all select 'sources/' || encode(sha256, 'hex') from sources",
    )
    .fetch_all(&fleet.db)
    .await
    .context("read what rows name")?
    .into_iter()
    .collect();
    // An S3 server's objects are counted by the doctor alone.
    let objects = fleet.data.join("objects");
    let mut orphans = Vec::new();
    for path in files(&objects) {
        let key = path.strip_prefix(&objects)?.to_string_lossy().into_owned();
        if !named.iter().any(|name| key == *name || key.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('/'))) {
            orphans.push(format!("I7 object {key}"));
        }
    }
    for path in std::fs::read_dir(fleet.data.join("scratch")).into_iter().flatten().flatten() {
        orphans.push(format!("I7 scratch {}", path.file_name().to_string_lossy()));
    }
    Ok(orphans)
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}
