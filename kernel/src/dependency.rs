//! What the stages depend on besides this program, and how its absence is told from a fault of the input.
//!
//! A backend that finds its service gone wraps the error in [`Down`]; whoever handles the error further up asks
//! [`blamed`]. A job that fails so keeps its attempts, a request is answered with 503 and when to come back.

use std::{fmt, io};

use serde::{Deserialize, Serialize};

use crate::jobs::Stage;

/// A service that may be away for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dependency {
    Database,
    Broker,
    Objects,
    Model,
    Smtp,
    /// What makes captions of speech, where an operator has set one up.
    Speech,
    /// The disk that children and uploads work on: a host's own, and full for a while.
    Scratch,
}

impl Dependency {
    pub const ALL: [Self; 7] = [Self::Database, Self::Broker, Self::Objects, Self::Model, Self::Smtp, Self::Speech, Self::Scratch];

    /// The word used in SQL, JSON, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Broker => "broker",
            Self::Objects => "objects",
            Self::Model => "model",
            Self::Smtp => "smtp",
            Self::Speech => "speech",
            Self::Scratch => "scratch",
        }
    }

    /// What is wrong when it cannot be used.
    pub fn trouble(self) -> &'static str {
        match self {
            Self::Scratch => "is full",
            Self::Database | Self::Broker | Self::Objects | Self::Model | Self::Smtp | Self::Speech => "does not answer",
        }
    }
}

impl fmt::Display for Dependency {
    /// As in "the object store does not answer".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Database => "the database",
            Self::Broker => "the message broker",
            Self::Objects => "the object store",
            Self::Model => "the embedding model",
            Self::Smtp => "the mail server",
            Self::Speech => "the speech-to-text engine",
            Self::Scratch => "the server's disk",
        })
    }
}

/// What a stage's jobs cannot do without. A doorbell that is away is none of it: the sweep rings instead.
pub fn needed_by(stage: Stage) -> &'static [Dependency] {
    use Dependency::{Database, Model, Objects, Scratch, Speech};
    match stage {
        Stage::Ingest => &[Database, Objects],
        Stage::Transcode | Stage::Extract | Stage::Certify => &[Database, Objects, Scratch],
        Stage::Transcribe => &[Database, Objects, Scratch, Speech],
        Stage::Embed => &[Database, Model],
        Stage::Index | Stage::Publish => &[Database],
    }
}

/// The service does not answer; nothing is known to be wrong with what was asked of it.
#[derive(Debug, thiserror::Error)]
#[error("{0} {trouble}", trouble = .0.trouble())]
pub struct Down(pub Dependency);

/// The service whose absence caused this error, if that is what caused it.
pub fn blamed(error: &anyhow::Error) -> Option<Dependency> {
    if let Some(Down(dependency)) = error.downcast_ref() {
        return Some(*dependency);
    }
    let named = error.chain().find_map(|cause| {
        if let Some(error) = cause.downcast_ref::<sqlx::Error>() {
            return database_gone(error).then_some(Dependency::Database);
        }
        // A stream of bytes can only fail with an I/O error, which does not name what it wraps as its cause.
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.and_then(|inner| inner.downcast_ref()).map(|Down(dependency)| *dependency)
    });
    // A store and a database without space name themselves.
    named.or_else(|| storage_full(error).then_some(Dependency::Scratch))
}

/// Whether the error comes from a disk, a quota or a database without space.
pub fn storage_full(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let full = |error: &io::Error| matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        cause.downcast_ref::<io::Error>().is_some_and(full)
            || matches!(cause.downcast_ref(), Some(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == DISK_FULL))
    })
}

/// PostgreSQL's code for a full disk.
const DISK_FULL: &str = "53100";

/// Whether the connection is to blame and not the statement. The codes are those with which PostgreSQL ends
/// sessions or refuses new ones (its manual, appendix A): admin shutdown, crash, cannot connect now, too many
/// connections, connections lost on the way, and no space left to write to.
fn database_gone(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("08") || code == "53300" || code == DISK_FULL)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn blame_is_found_below_any_context() {
        let error = Err::<(), _>(Down(Dependency::Objects)).context("fetch the source").unwrap_err();
        assert_eq!(blamed(&error), Some(Dependency::Objects));
        let error = anyhow::Error::from(sqlx::Error::PoolTimedOut).context("claim");
        assert_eq!(blamed(&error), Some(Dependency::Database));
        assert_eq!(blamed(&anyhow::Error::from(sqlx::Error::RowNotFound).context("read")), None);
        let stream = anyhow::Error::from(io::Error::other(Down(Dependency::Objects))).context("read object");
        assert_eq!(blamed(&stream), Some(Dependency::Objects));
        assert_eq!(blamed(&anyhow::anyhow!("a plain mistake")), None);
        assert_eq!(blamed(&anyhow::Error::from(io::Error::other("a broken pipe"))), None);
    }

    #[test]
    fn a_full_disk_is_told_from_other_trouble_with_files() {
        let full = anyhow::Error::from(io::Error::from(io::ErrorKind::StorageFull)).context("write x").context(Down(Dependency::Objects));
        assert!(storage_full(&full));
        assert_eq!(blamed(&full), Some(Dependency::Objects));
        assert!(!storage_full(&io::Error::from(io::ErrorKind::NotFound).into()));
    }
}
