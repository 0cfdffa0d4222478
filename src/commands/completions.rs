//! What shells and `man` are told about the command line, out of its one description.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Arguments;

/// Prints the completions of a shell.
pub fn completions(shell: Shell) -> Result<ExitCode> {
    clap_complete::generate(shell, &mut Arguments::command(), "learnhub", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}

/// Writes `learnhub.1` and a page per command into a folder.
pub fn manual(dir: &Path) -> Result<ExitCode> {
    std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    clap_mangen::generate_to(Arguments::command(), dir).with_context(|| format!("write into {}", dir.display()))?;
    Ok(ExitCode::SUCCESS)
}
