//! Who changed what at the pools and the ledger: one row in `events` per operator's action, in the transaction of that
//! action or right after it, and one line in the log. Nothing follows from these events.

use anyhow::{Context, Result};
use serde::Serialize;
use sqlx::PgConnection;
use tracing::info;

/// What an operator did. Stored under the variant's name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind")]
pub enum Deed {
    SettingChanged {
        key: String,
        host: Option<String>,
        value: serde_json::Value,
    },
    SettingRemoved {
        key: String,
        host: Option<String>,
    },
    /// Without a stage the host drains.
    StagePaused {
        stage: Option<String>,
        host: Option<String>,
        reason: String,
    },
    StageResumed {
        stage: Option<String>,
        host: Option<String>,
    },
    /// Many jobs or assets at once.
    JobsChanged {
        action: String,
        filter: serde_json::Value,
        changed: usize,
    },
}

impl Deed {
    fn kind(&self) -> &'static str {
        match self {
            Self::SettingChanged { .. } => "SettingChanged",
            Self::SettingRemoved { .. } => "SettingRemoved",
            Self::StagePaused { .. } => "StagePaused",
            Self::StageResumed { .. } => "StageResumed",
            Self::JobsChanged { .. } => "JobsChanged",
        }
    }
}

/// Records a deed and who did it.
pub async fn record(conn: &mut PgConnection, deed: &Deed, by: &str, request_id: Option<&str>) -> Result<()> {
    let mut payload = serde_json::to_value(deed).context("a deed becomes json")?;
    payload["by"] = by.into();
    info!(%payload, "an operator acted");
    sqlx::query!("insert into events (kind, request_id, payload) values ($1, $2, $3)", deed.kind(), request_id, payload)
        .execute(conn)
        .await
        .with_context(|| format!("record {}", deed.kind()))?;
    Ok(())
}
