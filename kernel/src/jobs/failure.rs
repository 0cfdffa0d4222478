//! How an attempt can fail, and what that means for the next one.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::child::ending;
use crate::dependency::{self, Dependency};

/// How often an input may break its reader before it is given up.
const MOST_CRASHES: i32 = 3;

/// The class decides what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// This input can never work: dead at once, with a sentence for the instructor.
    Poison,
    /// May work next time: retried with growing, jittered pauses.
    Transient,
    /// Needed more than it was given: retried like a transient failure.
    Resource,
    /// Something this stage depends on is down: retried like a transient failure.
    Dependency,
    /// The lease was lost; nothing is written, since somebody else may hold the job by now.
    Lost,
}

impl Class {
    /// The word used in SQL and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Poison => "poison",
            Self::Transient => "transient",
            Self::Resource => "resource",
            Self::Dependency => "dependency",
            Self::Lost => "lost",
        }
    }
}

/// Failures that are alike: as their class, but an input that breaks the process which reads it is told from other
/// mishaps that may go right next time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Poison,
    Crash,
    Resource,
    Other,
}

impl Sort {
    /// Of a failure as the ledger keeps it.
    pub fn of(class: &str, code: &str) -> Self {
        match class {
            "poison" => Self::Poison,
            "resource" => Self::Resource,
            _ if ending::code::CRASHES.contains(&code) => Self::Crash,
            _ => Self::Other,
        }
    }

    /// After how many of them in a row a job is dead; `None`: only its own limit for all failures decides.
    pub fn most(self) -> Option<i32> {
        match self {
            Self::Poison => Some(1),
            // What was too much once mostly is so again, unless the second attempt is given more.
            Self::Resource => Some(3),
            Self::Crash => Some(MOST_CRASHES),
            Self::Other => None,
        }
    }
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub class: Class,
    /// Stable, for translation: `pdf_encrypted`.
    pub code: String,
    /// A sentence that an instructor understands.
    pub reason: String,
    /// For operators: the chain of errors, the end of a child's stderr.
    pub detail: Option<String>,
}

impl Failure {
    /// The input is hopeless.
    pub fn poison(code: &str, reason: impl Into<String>) -> Self {
        Self { class: Class::Poison, code: code.into(), reason: reason.into(), detail: None }
    }

    /// Something went wrong that may go right next time.
    pub fn transient(code: &str, reason: impl Into<String>) -> Self {
        Self { class: Class::Transient, code: code.into(), reason: reason.into(), detail: None }
    }

    /// A limit of memory, time or disk was met.
    pub fn resource(code: &str, reason: impl Into<String>) -> Self {
        Self { class: Class::Resource, code: code.into(), reason: reason.into(), detail: None }
    }

    /// A service that this stage needs is away.
    pub fn dependency(dependency: Dependency) -> Self {
        Self {
            class: Class::Dependency,
            code: format!("{}_down", dependency.as_str()),
            reason: format!("{dependency} {}; processing goes on by itself afterwards", dependency.trouble()),
            detail: None,
        }
    }

    /// The service that is away, if that is why.
    pub fn dependency_down(&self) -> Option<Dependency> {
        let name = self.code.strip_suffix("_down").filter(|_| self.class == Class::Dependency)?;
        Dependency::ALL.into_iter().find(|dependency| dependency.as_str() == name)
    }

    /// The lease is gone; see [`Class::Lost`].
    pub fn lost() -> Self {
        Self { class: Class::Lost, code: "lease_lost".into(), reason: "another worker took over".into(), detail: None }
    }

    /// What repeats when this happens again.
    pub fn sort(&self) -> Sort {
        Sort::of(self.class.as_str(), &self.code)
    }

    /// Adds what an operator wants to know.
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.reason)?;
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

/// Whatever went wrong unforeseen is retried; a service that is away is told from a mistake.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let detail = format!("{error:#}");
        if let Some(dependency) = dependency::blamed(&error) {
            return Self::dependency(dependency).with_detail(detail);
        }
        Self::transient("internal", "something went wrong on our side; it is being tried again").with_detail(detail)
    }
}

/// Turns an error of a core into a hopeless input.
pub trait OrFail<T> {
    /// The value, or a [`Class::Poison`] failure with this code and sentence.
    fn or_fail(self, code: &str, reason: &str) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> OrFail<T> for Result<T, E> {
    fn or_fail(self, code: &str, reason: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure::poison(code, reason).with_detail(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_its_reader_is_given_up_sooner_than_what_waits_for_a_service() {
        assert_eq!(Failure::poison("pdf_encrypted", "x").sort().most(), Some(1));
        for code in ending::code::CRASHES {
            assert_eq!(Failure::transient(code, "x").sort().most(), Some(3), "{code}");
        }
        assert_eq!(Failure::transient("internal", "x").sort().most(), None);
        assert_eq!(Failure::transient(ending::code::KILLED, "x").sort().most(), None);
    }
}
