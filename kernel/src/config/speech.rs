//! `[speech]`: the door to an engine that makes captions of what is said. Closed unless an operator opens it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use serde::Deserialize;

/// Stands in `command` for the path of the sound.
pub const INPUT: &str = "{input}";
/// Stands in `command` for the language that is spoken.
pub const LANGUAGE: &str = "{language}";

/// Which engine there is, if there is one.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speech {
    pub command: Vec<String>,
    pub url: String,
    pub token: String,
    pub model: String,
    pub language: String,
    pub connect_timeout_seconds: f64,
}

impl std::fmt::Debug for Speech {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Addresses and arguments may carry passwords.
        let Self { command, url, model, language, .. } = self;
        let program = command.first();
        write!(f, "Speech {{ program: {program:?}, endpoint: {}, model: {model:?}, language: {language:?} }}", !url.is_empty())
    }
}

impl Speech {
    /// Whether captions are made by a machine at all.
    pub fn is_on(&self) -> bool {
        !self.command.is_empty() || !self.url.is_empty()
    }

    /// How long the endpoint may take to accept a connection.
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_secs_f64(self.connect_timeout_seconds)
    }

    pub(super) fn check(&self) -> Result<()> {
        if !self.command.is_empty() && !self.url.is_empty() {
            bail!("speech.command and speech.url are two ways to the same: set one of them");
        }
        if let Some(program) = self.command.first() {
            if !Path::new(program).is_absolute() {
                bail!("speech.command must begin with the full path of a program, not with \"{program}\"");
            }
            if !self.command.iter().any(|argument| argument.contains(INPUT)) {
                bail!("speech.command must say with {INPUT} where the path of the sound goes");
            }
        }
        if !self.url.is_empty() && !self.url.starts_with("http://") && !self.url.starts_with("https://") {
            bail!("speech.url must be a URL such as http://127.0.0.1:8081/inference, not \"{}\"", self.url);
        }
        if !self.language.is_empty() && crate::language::tag(Some(&self.language)) == crate::language::UNKNOWN {
            bail!("speech.language must be a language tag (BCP 47) such as en, or empty, not \"{}\"", self.language);
        }
        if !super::TIMEOUT.contains(&self.connect_timeout_seconds) {
            bail!("speech.connect_timeout_seconds must be more than 0");
        }
        Ok(())
    }
}
