//! `learnhub hls check DIR|URL [--json]` and `learnhub hls rules`.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;

use super::rules::ALL;

/// HLS packages against Apple's authoring rules and RFC 8216.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Hls {
    /// Read a whole package, every segment of it, and say which rules it breaks.
    #[command(
        after_help = "Examples:\n  learnhub hls check lecture-hls\n  learnhub hls check https://example.org/lecture/master.m3u8 --json\n\n\
        Exit code 0: no rule that MUST hold is broken; 3: one is; 1: there is no multivariant playlist there.\n\
        How files are served (compression, redirects, media types) is checked by address only."
    )]
    Check {
        /// Folder with master.m3u8, a multivariant playlist, or the address of one.
        #[arg(value_name = "DIR|URL")]
        target: String,
        #[arg(long)]
        json: bool,
    },
    /// List every rule that is checked.
    Rules {
        #[arg(long)]
        json: bool,
    },
}

/// It was done, and a rule that MUST hold is broken.
const BROKEN: u8 = 3;

/// Runs the command.
///
/// # Errors
/// When nothing can be checked; broken rules are an exit code.
pub fn run(command: &Hls) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    let text = match command {
        Hls::Check { target, json } => {
            let report = super::check(target)?;
            if !report.passed {
                code = ExitCode::from(BROKEN);
            }
            if *json { serde_json::to_string(&report)? } else { report.to_string() }
        }
        Hls::Rules { json: true } => serde_json::to_string(ALL)?,
        Hls::Rules { json: false } => {
            let line = |rule: &&super::Rule| format!("{:<6}  {:<20}  {}", rule.level.word(), rule.id, rule.sentence);
            ALL.iter().map(line).collect::<Vec<_>>().join("\n")
        }
    };
    // Whoever reads and goes away (`| head`) does not change the outcome.
    let _ = writeln!(io::stdout().lock(), "{text}");
    Ok(code)
}
