//! What was found, and how it looks to people and programs.

use std::fmt::{self, Write};

use serde::Serialize;

use super::rules::{Level, Rule, as_id};

/// A rule that is broken, where, and by how much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    #[serde(serialize_with = "as_id")]
    pub rule: &'static Rule,
    pub level: Level,
    /// Playlist or segment, relative to the package where it can be.
    pub file: String,
    pub measured: String,
    pub expected: String,
}

/// Collects findings.
#[derive(Debug, Default)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// Notes that `rule` is broken in `file`.
    pub fn add(&mut self, rule: &'static Rule, file: &str, measured: impl Into<String>, expected: impl Into<String>) {
        let (measured, expected) = (measured.into(), expected.into());
        self.0.push(Finding { rule, level: rule.level, file: file.to_owned(), measured, expected });
    }
}

/// The outcome for a whole package.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What was checked.
    pub address: String,
    /// No MUST is broken.
    pub passed: bool,
    /// Distinct rules broken, and rules known.
    pub musts_broken: usize,
    pub shoulds_broken: usize,
    pub rules: usize,
    /// What was looked at.
    pub playlists: usize,
    pub segments: usize,
    pub bytes: u64,
    pub findings: Vec<Finding>,
}

impl Report {
    /// Puts findings into the order of rules.
    pub fn new(address: String, findings: Findings, playlists: usize, segments: usize, bytes: u64) -> Self {
        let mut findings = findings.0;
        let place = |finding: &Finding| super::rules::ALL.iter().position(|rule| *rule == finding.rule);
        findings.sort_by_key(|finding| (finding.level != Level::Must, place(finding)));
        findings.dedup();
        let broken = |level: Level| {
            let mut ids: Vec<_> = findings.iter().filter(|finding| finding.level == level).map(|finding| finding.rule.id).collect();
            ids.dedup();
            ids.len()
        };
        let (musts_broken, shoulds_broken) = (broken(Level::Must), broken(Level::Should));
        let rules = super::rules::ALL.len();
        Self { address, passed: musts_broken == 0, musts_broken, shoulds_broken, rules, playlists, segments, bytes, findings }
    }
}

/// So many findings of one rule are written out; programs get them all.
const SHOWN: usize = 4;

impl fmt::Display for Report {
    /// A heading per broken rule, a line per finding.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mut rest = &self.findings[..];
        while let Some(first) = rest.first() {
            let count = rest.iter().take_while(|finding| finding.rule == first.rule).count();
            let (same, others) = rest.split_at(count);
            writeln!(f, "{:<6}  {}  {}", first.level.word(), first.rule.id, first.rule.sentence)?;
            let shown = &same[..same.len().min(SHOWN)];
            let width = shown.iter().map(|finding| finding.file.chars().count()).max().unwrap_or(0);
            for finding in shown {
                writeln!(f, "        {:<width$}  {}  (expected: {})", finding.file, plain(&finding.measured), plain(&finding.expected))?;
            }
            if same.len() > SHOWN {
                writeln!(f, "        and {} more", same.len() - SHOWN)?;
            }
            rest = others;
        }
        let verdict = if self.passed { "passed" } else { "failed" };
        write!(
            f,
            "{verdict}: {} of {} rules broken that MUST hold, {} that SHOULD; {} playlists, {} segments, {:.1} MB",
            self.musts_broken,
            self.rules,
            self.shoulds_broken,
            self.playlists,
            self.segments,
            self.bytes as f64 / 1e6
        )
    }
}

/// Text of a stranger's playlist must not steer the terminal.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        if c.is_control() {
            let _ = write!(plain, "{}", c.escape_default());
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::super::rules;
    use super::*;

    #[test]
    fn musts_come_first_repetitions_are_counted_and_control_characters_are_spelt() {
        let mut findings = Findings::default();
        findings.add(&rules::CAPTIONS, "master.m3u8", "none", "captions");
        for i in 0..6 {
            findings.add(&rules::IDR_FIRST, &format!("v/{i}.m4s"), "\u{1b}[2J", "an IDR");
        }
        let report = Report::new("x".into(), findings, 1, 6, 2_000_000);
        let text = report.to_string();
        assert!(
            text.starts_with("MUST    7.4  each video segment starts with an IDR\n        v/0.m4s  \\u{1b}[2J  (expected: an IDR)\n"),
            "{text}"
        );
        assert!(text.contains("        and 2 more\nSHOULD  4.1  "), "{text}");
        assert!(text.ends_with(&format!(
            "failed: 1 of {} rules broken that MUST hold, 1 that SHOULD; 1 playlists, 6 segments, 2.0 MB",
            rules::ALL.len()
        )));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!((json["findings"][0]["rule"].as_str(), json["findings"][0]["level"].as_str()), (Some("7.4"), Some("MUST")));
    }
}
