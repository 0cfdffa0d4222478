//! `learnhub transcode FILE --out DIR [--json]`: an HLS package without a server, by the same child that a worker runs.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kernel::child::{self, Limits, outputs};
use kernel::jobs::{Class, Failure};

use crate::child::{CHILD, Done, Request, Task};
use crate::shell::{SUSPECT, final_word, package_bytes};
use crate::{Manifest, Options};

/// Turn a video or audio file into an HLS package.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  learnhub transcode lecture.mp4 --out lecture-hls\n\n\
    The package is complete when DIR/master.m3u8 is there. A file that cannot be converted is told as\n\
    `code: sentence` on stderr, with exit code 3, and leaves DIR as it was.")]
pub struct Args {
    /// Video or audio file.
    pub file: PathBuf,
    /// Folder for the package; made when missing.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Print the manifest as JSON.
    #[arg(long)]
    pub json: bool,
    /// Processor cores to use.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub threads: u8,
    /// Encode every picture, also those that equal the one before.
    #[arg(long)]
    pub every_picture: bool,
    /// Encode every rendition, also where the source's own pictures could be copied.
    #[arg(long)]
    pub no_remux: bool,
    /// Bring the sound to this loudness (EBU R128), such as -16; true peaks stay below -1 dBTP.
    #[arg(long, value_name = "LUFS", allow_negative_numbers = true, value_parser = loudness)]
    pub loudness: Option<f64>,
}

fn loudness(text: &str) -> Result<f64, String> {
    let lufs = text.parse().ok().filter(|lufs| kernel::config::LOUDNESS.contains(lufs));
    lufs.ok_or_else(|| "a loudness is a number from -40 to -5, such as -16".into())
}

/// It was done, but the input was refused.
const REFUSED: u8 = 3;

/// Folder of the package in the working folder.
const PACKAGE: &str = "package";

/// A file handed over by hand is the user's own: generous, but finite.
fn limits(source_bytes: u64) -> Limits {
    Limits {
        memory_bytes: 4 << 30,
        cpu_seconds: 48 * 3600,
        file_bytes: 256 << 20,
        scratch_bytes: package_bytes(source_bytes),
        wall: Duration::from_secs(24 * 3600),
        stall: Duration::from_secs(300),
        suspect: SUSPECT,
        writes: vec![PACKAGE.into()],
        ..Limits::default()
    }
}

/// Runs the command; `program` is the binary whose child does the work.
///
/// # Errors
/// When the folder cannot be written or our own machinery fails; a refused file is an exit code.
pub fn run(args: &Args, program: &Path) -> Result<ExitCode> {
    let input = args.file.canonicalize().with_context(|| format!("read {}", args.file.display()))?;
    if !input.is_file() {
        bail!("{} is not a file", args.file.display());
    }
    let made_here = !args.out.exists();
    fs::create_dir_all(&args.out).with_context(|| format!("make {}", args.out.display()))?;
    // Made aside and moved when whole, so that a failure leaves nothing half made.
    let aside = tempfile::Builder::new().prefix(".transcode.").tempdir_in(&args.out).context("make a working folder")?;
    let dir = aside.path().canonicalize()?;
    // The child sees a file without a name, alone in its folder.
    fs::hard_link(&input, dir.join("source")).or_else(|_| fs::copy(&input, dir.join("source")).map(drop)).context("copy the file")?;
    let options = Options {
        threads: args.threads.into(),
        hold_repeats: !args.every_picture,
        loudness_lufs: args.loudness,
        remux: !args.no_remux,
        ..Options::default()
    };
    let request = serde_json::to_value(Request { input: "source".into(), out: PACKAGE.into(), options, task: Task::Everything })?;
    let meter = Meter::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let package = dir.join(PACKAGE);
    fs::create_dir(&package).context("make a folder for the package")?;
    let made = runtime.block_on(async {
        let limits = limits(input.metadata()?.len());
        let ended = child::run(program, CHILD, &request, &limits, &dir, None, |done, total| meter.show(done, total)).await;
        let Done { made, files } = serde_json::from_value(ended.outcome?)?;
        outputs::check(&package, files).await?;
        Ok(made)
    });
    meter.clear();
    let manifest: Manifest = match made.map_err(|failure| final_word(failure, 1)) {
        Ok(manifest) => manifest,
        Err(Failure { class: Class::Poison, code, reason, .. }) => {
            eprintln!("{code}: {reason}");
            drop(aside);
            if made_here {
                // Only a folder that nobody put anything into in the meantime.
                let _ = fs::remove_dir(&args.out);
            }
            return Ok(ExitCode::from(REFUSED));
        }
        Err(failure) => bail!("{failure}"),
    };
    move_into(&package, &args.out)?;
    if args.json {
        let mut out = io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &manifest)?;
        writeln!(out)?;
    } else {
        print(&manifest, &args.out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Moves what is in `from`, the multivariant playlist last.
fn move_into(from: &Path, to: &Path) -> Result<()> {
    let mut names: Vec<_> = fs::read_dir(from)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    names.sort_by_key(|name| (name == crate::playlist::MASTER, name.clone()));
    for name in names {
        let target = to.join(&name);
        // What an earlier run left is replaced.
        if target.is_dir() {
            fs::remove_dir_all(&target)?;
        }
        fs::rename(from.join(&name), &target).with_context(|| format!("move {} into place", target.display()))?;
    }
    Ok(())
}

fn print(manifest: &Manifest, out: &Path) -> Result<()> {
    let mut text = io::stdout().lock();
    let seconds = manifest.duration_ms as f64 / 1000.0;
    writeln!(
        text,
        "{} · {seconds:.1} s · {} renditions · {:.1} MB",
        out.join(crate::playlist::MASTER).display(),
        manifest.renditions.len(),
        manifest.bytes as f64 / 1e6
    )?;
    for rendition in &manifest.renditions {
        let what = rendition.picture.map_or_else(|| "sound".into(), |p| format!("{}x{} at {:.2} fps", p.width, p.height, p.frame_rate));
        writeln!(
            text,
            "  {what:<28} {:<14} {:>5} kbit/s on average, {:>5} at most, {} segments{}",
            rendition.codec,
            rendition.average_bandwidth / 1000,
            rendition.peak_bandwidth / 1000,
            rendition.segments,
            if rendition.copied { ", copied" } else { "" }
        )?;
    }
    if let Some((measured, loudness)) = manifest.loudness.and_then(|loudness| Some((loudness.measured?, loudness))) {
        let (lufs, peak) = (measured.lufs, measured.true_peak_dbtp);
        writeln!(text, "  sound measured {lufs:.1} LUFS, true peak {peak:.1} dBTP; made {:+.1} dB louder", loudness.gain_db)?;
    }
    if let Some(why) = manifest.not_copied {
        writeln!(text, "  the source was encoded, not copied: {}", why.words())?;
    }
    for notice in &manifest.notices {
        writeln!(text, "  note: {}", notice.sentence())?;
    }
    Ok(())
}

/// Progress for human eyes; silent when stderr is no terminal.
struct Meter {
    terminal: bool,
}

impl Meter {
    fn start() -> Self {
        Self { terminal: io::stderr().is_terminal() }
    }

    fn show(&self, done: u64, total: u64) {
        if self.terminal && total > 0 {
            eprint!("\r{:3} %  {done} of {total} frames ", done * 100 / total);
        }
    }

    fn clear(&self) {
        if self.terminal {
            eprint!("\r{:40}\r", "");
        }
    }
}
