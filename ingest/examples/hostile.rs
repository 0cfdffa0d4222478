//! Documents of which one in five is hostile, read by two workers: is each end told exactly, and how much do the
//! others suffer? `bench/hostile` builds and runs this.
//!
//! The good ones are real files read by real children; the hostile ones are children of `mock-child` that do what a
//! hostile file would make a parser do. As under a worker, a child that is silent for longer than its kind mostly takes
//! gives up its place to another one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use ingest::child::Request;
use ingest::extract::Budget;
use ingest::sniff::{Format, Found};
use kernel::child::ending::code;
use kernel::child::{self, Limits};
use kernel::config::Config;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

#[derive(Parser)]
struct Arguments {
    /// Folder of documents; those that this product reads are used, again and again.
    folder: PathBuf,
    /// The program whose `child extract` reads them.
    #[arg(long)]
    program: PathBuf,
    /// The program whose `child mock` misbehaves.
    #[arg(long)]
    mock: PathBuf,
    #[arg(long, default_value_t = 1000)]
    documents: usize,
    /// As `stages.extract.concurrency`.
    #[arg(long, default_value_t = 3)]
    workers: usize,
    /// Without quarantine, for comparison.
    #[arg(long)]
    no_quarantine: bool,
}

/// Places for children that are silent for too long, as in kernel/src/jobs/admission.rs.
const QUARANTINE: usize = 64;

/// What a document does.
#[derive(Clone)]
enum Document {
    Good(PathBuf, Format),
    Hostile(&'static str, Value),
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    tokio::runtime::Runtime::new()?.block_on(measure(arguments))
}

async fn measure(arguments: Arguments) -> Result<()> {
    let mut config = Config::load(None)?;
    config.paths.program = arguments.program.canonicalize().context("find the program")?;
    let good = good_documents(&arguments.folder)?;
    let hostile = [
        (code::CRASHED, json!("segv")),
        (code::STALLED, json!("hang")),
        (code::TIMEOUT, json!("loop")),
        (code::OUTPUT_TOO_LARGE, json!({ "write_file": { "bytes": 64 << 20 } })),
        (code::OUT_OF_MEMORY, json!({ "eat_memory": { "bytes": 600 << 20 } })),
    ];
    let (mut good, mut hostile) = (good.iter().cycle(), hostile.iter().cycle());
    let mixed: Vec<Document> = (0..arguments.documents)
        .map(|number| match number % 5 {
            4 => hostile.next().map(|(code, request)| Document::Hostile(code, request.clone())),
            _ => good.next().map(|(path, format)| Document::Good(path.clone(), *format)),
        })
        .collect::<Option<_>>()
        .context("no documents")?;
    let clean: Vec<Document> = mixed.iter().filter(|document| matches!(document, Document::Good(..))).cloned().collect();
    let workers = arguments.workers;
    let reader = Arc::new(Reader { config, workers, mock: arguments.mock.canonicalize()? });

    let alone = reader.clone().read_all(clean, None).await?;
    // As in kernel/src/jobs/admission.rs.
    let patience = (!arguments.no_quarantine).then_some(alone.mostly.max(Duration::from_millis(100)));
    let together = reader.read_all(mixed, patience).await?;

    println!("{:<20} {:<20} {:>5}", "expected", "seen", "count");
    for ((expected, seen), count) in &together.ends {
        println!("{expected:<20} {seen:<20} {count:>5}{}", if expected == seen { "" } else { "  WRONG" });
    }
    let ratio = together.rate() / alone.rate();
    println!(
        "{workers} workers, {} documents, nine of ten good ones alone within {:.2} s",
        arguments.documents,
        alone.mostly.as_secs_f64()
    );
    println!("good documents a second: {:.2} alone, {:.2} among hostile ones: {:.0} %", alone.rate(), together.rate(), ratio * 100.0);
    if alone.ends.keys().chain(together.ends.keys()).any(|(expected, seen)| expected != seen) {
        bail!("some ends were not told exactly");
    }
    Ok(())
}

fn good_documents(folder: &Path) -> Result<Vec<(PathBuf, Format)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_file()
            && let Ok(Found::Document(format)) = ingest::cli::sniff_file(&path)?
        {
            found.push((path, format));
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

struct Reader {
    config: Config,
    workers: usize,
    mock: PathBuf,
}

/// What a run came to.
struct Run {
    good: usize,
    /// Until the last good one was read.
    took: Duration,
    /// Nine of ten were read within this time.
    mostly: Duration,
    /// Expected and seen.
    ends: BTreeMap<(String, String), usize>,
}

impl Run {
    fn rate(&self) -> f64 {
        self.good as f64 / self.took.as_secs_f64()
    }
}

impl Reader {
    async fn read_all(self: Arc<Self>, documents: Vec<Document>, patience: Option<Duration>) -> Result<Run> {
        let (places, quarantine) = (Arc::new(Semaphore::new(self.workers)), Arc::new(Semaphore::new(QUARANTINE)));
        let begun = Instant::now();
        let mut running = JoinSet::new();
        let mut run = Run { good: 0, took: Duration::ZERO, mostly: Duration::ZERO, ends: BTreeMap::new() };
        for document in documents {
            let place = places.clone().acquire_owned().await?;
            let (reader, quarantine) = (self.clone(), quarantine.clone());
            running.spawn(async move {
                let started = Instant::now();
                let is_good = matches!(document, Document::Good(..));
                let reading = reader.read(document, patience);
                tokio::pin!(reading);
                let moved = async {
                    match patience {
                        Some(patience) => tokio::time::sleep(patience).await,
                        None => std::future::pending().await,
                    }
                    quarantine.acquire_owned().await
                };
                let ends = tokio::select! {
                    ends = &mut reading => ends,
                    _room = moved => {
                        drop(place);
                        reading.await
                    }
                };
                (is_good, started.elapsed(), begun.elapsed(), ends)
            });
        }
        let mut times = Vec::new();
        while let Some(read) = running.join_next().await {
            let (is_good, took, at, ends) = read?;
            if is_good {
                run.good += 1;
                run.took = run.took.max(at);
                times.push(took);
            }
            *run.ends.entry(ends).or_default() += 1;
        }
        times.sort();
        run.mostly = times.get(times.len() * 9 / 10).copied().unwrap_or_default();
        Ok(run)
    }

    /// Expected and seen.
    async fn read(&self, document: Document, patience: Option<Duration>) -> (String, String) {
        match document {
            Document::Good(path, format) => match self.read_good(&path, format, patience).await {
                Ok(()) => ("read".into(), "read".into()),
                Err(error) => ("read".into(), format!("{error:#}")),
            },
            Document::Hostile(expected, request) => {
                let limits = Limits {
                    memory_bytes: 256 << 20,
                    cpu_seconds: 2,
                    file_bytes: 32 << 20,
                    wall: Duration::from_secs(3),
                    stall: if request == json!("hang") { Duration::from_secs(1) } else { Duration::from_secs(10) },
                    give_way: patience.unwrap_or(Duration::MAX),
                    // A tenth of what documents have, as with the other times.
                    suspect: Duration::from_millis(500),
                    writes: vec![".".into()],
                    ..Limits::default()
                };
                let Ok(dir) = tempfile::tempdir() else { return (expected.into(), "no folder".into()) };
                let ended = child::run(&self.mock, "mock", &request, &limits, dir.path(), None, |_, _| {}).await;
                (expected.into(), ended.outcome.map_or_else(|failure| failure.code, |_| "ok".into()))
            }
        }
    }

    /// As a worker does, store and ledger aside.
    async fn read_good(&self, path: &Path, format: Format, patience: Option<Duration>) -> Result<()> {
        let paths = &self.config.paths;
        let dir = tempfile::tempdir()?;
        std::fs::copy(path, dir.path().join("source"))?;
        let tokenizer = paths.model.join("tokenizer.json");
        let reads = vec![paths.pdfium.clone(), tokenizer.clone()];
        let request = Request { path: "source".into(), format, pdfium: paths.pdfium.clone(), tokenizer, budget: Budget::default() };
        let (request, limits) =
            (serde_json::to_value(request)?, Limits { reads, give_way: patience.unwrap_or(Duration::MAX), ..Limits::default() });
        let ended = child::run(&paths.program, "extract", &request, &limits, dir.path(), None, |_, _| {}).await;
        ended.outcome.map(drop).map_err(|failure| anyhow::anyhow!("{} of {}", failure.code, path.display()))
    }
}
