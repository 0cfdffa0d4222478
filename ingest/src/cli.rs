//! `learnhub extract FILE [--json]`: what search would see of a file, without a server.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use kernel::config::Config;
use kernel::locator::Locator;

use crate::child::Reading;
use crate::read_document;
use crate::refusal::Refusal;
use crate::sniff::{self, Found};

/// Read a document or captions, cut it into chunks and print them.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  learnhub extract notes.pdf --json\n\n\
    A file that cannot be read is told as `code: sentence` on stderr, with exit code 3.")]
pub struct Args {
    /// PDF, HTML, Markdown, plain text, WebVTT or SRT; the type is told from the bytes.
    pub file: PathBuf,
    /// Print everything as one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// It was done, but the input was refused.
const REFUSED: u8 = 3;

/// Runs the command. Text goes to stdout, refusals to stderr as `code: sentence`.
///
/// # Errors
/// When the file or this installation cannot be read; a refused file is an exit code.
pub async fn run(config: &Config, args: &Args) -> Result<ExitCode> {
    let format = match sniff_file(&args.file)? {
        Ok(Found::Document(format)) => format,
        Ok(Found::Recording { .. }) => {
            return Ok(refuse("unsupported_type", "this is a recording; `learnhub transcode` reads those"));
        }
        Err(refusal) => return Ok(refuse(refusal.code(), &refusal.to_string())),
    };
    match read_document::from_path(config, &args.file, format, |_, _| {}).await {
        Ok(reading) if args.json => print_json(&reading)?,
        Ok(reading) => print_text(&reading)?,
        Err(failure) if failure.class == kernel::jobs::Class::Poison => return Ok(refuse(&failure.code, &failure.reason)),
        Err(failure) => anyhow::bail!("{failure}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// What a local file is, from its first bytes.
///
/// # Errors
/// Outer: the file cannot be read. Inner: it is nothing that this product takes.
pub fn sniff_file(path: &Path) -> Result<Result<Found, Refusal>> {
    let mut head = Vec::with_capacity(sniff::HEAD_BYTES);
    File::open(path)
        .and_then(|file| file.take(sniff::HEAD_BYTES as u64).read_to_end(&mut head))
        .with_context(|| format!("read {}", path.display()))?;
    Ok(sniff::sniff(&head, &path.file_name().unwrap_or_default().to_string_lossy()))
}

fn refuse(code: &str, sentence: &str) -> ExitCode {
    eprintln!("{code}: {sentence}");
    ExitCode::from(REFUSED)
}

fn print_json(reading: &Reading) -> Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, reading).context("write to stdout")?;
    writeln!(out).context("write to stdout")
}

fn print_text(reading: &Reading) -> Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let extracted = &reading.extracted;
    let unknown = || "unknown".to_owned();
    writeln!(out, "title: {}", extracted.title.clone().unwrap_or_else(unknown))?;
    writeln!(out, "type: {}, language: {}", extracted.format.media_type(), extracted.language.clone().unwrap_or_else(unknown))?;
    if let Some(notice) = extracted.notice {
        writeln!(out, "notice: {}", notice.code())?;
    }
    for chunk in &reading.chunks {
        let place = match &chunk.locator {
            Locator::Page { page, .. } => format!("page {page}"),
            Locator::Section { start, .. } => format!("character {start}"),
            Locator::Time { start, end, .. } => format!("{start:.1} s – {end:.1} s"),
        };
        let path: String = chunk.heading_path.iter().map(|heading| format!(" › {heading}")).collect();
        writeln!(out, "\n[{} · {place}{path}]\n{}", chunk.ordinal, chunk.text)?;
    }
    out.flush().context("write to stdout")
}
