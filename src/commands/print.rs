//! How results look: JSON for programs, a few plain lines for people.

use std::fmt::Arguments;
use std::io::{self, Write};

use anyhow::Result;
use search_api::SearchAnswer;
use serde::Serialize;

/// `println!` for data: whoever read it and went away (`| head`) does not stop what the command still has to do.
macro_rules! say {
    ($($words:tt)*) => { $crate::commands::print::line(format_args!($($words)*)) };
}
pub(crate) use say;

/// One line to stdout, see [`say`].
pub fn line(words: Arguments) {
    let mut out = io::stdout().lock();
    let _ = out.write_fmt(words).and_then(|()| out.write_all(b"\n"));
}

/// JSON on one line.
pub fn json(value: &impl Serialize) -> Result<()> {
    say!("{}", serde_json::to_string(value)?);
    Ok(())
}

/// Search hits, best first.
pub fn hits(found: &SearchAnswer, as_json: bool) -> Result<()> {
    if as_json {
        return json(found);
    }
    if let Some(why) = &found.mode_reason {
        eprintln!("lexical only: {why}");
    }
    if found.items.is_empty() {
        say!("nothing found");
    }
    for hit in &found.items {
        say!("{}  ({}, {})", hit.title, hit.label, hit.course_title);
        say!("   {}", plain(&hit.snippet));
        say!("   {}", hit.url);
    }
    Ok(())
}

/// A snippet without its markup.
fn plain(snippet: &str) -> String {
    snippet
        .replace("<mark>", "")
        .replace("</mark>", "")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

/// Whether a certificate holds.
pub fn verdict(verdict: &certgen::Verdict, as_json: bool) -> Result<()> {
    if as_json {
        return json(verdict);
    }
    say!("{verdict}");
    Ok(())
}

/// The state of the index.
pub fn index_status(status: &indexer::Status, assets: usize, waiting: i64, as_json: bool) -> Result<()> {
    #[derive(Serialize)]
    struct Index<'a> {
        status: &'a indexer::Status,
        assets: usize,
        waiting: i64,
    }
    let index = Index { status, assets, waiting };
    if as_json {
        return json(&index);
    }
    say!("{}", serde_json::to_string_pretty(&index)?);
    Ok(())
}

/// Columns wide enough for what stands in them.
pub fn table(header: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).chain([header[column].len()]).max().unwrap_or(0);
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let cells: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        say!("{}", cells.join("  ").trim_end());
    };
    line(header.to_vec());
    for row in rows {
        line(row.iter().map(String::as_str).collect());
    }
}
