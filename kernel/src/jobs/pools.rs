//! What is set for each stage's pool, here and now: `workers.toml`, what operators set over it for every host or for
//! this one, and what they paused. Tables: `settings`, `pauses`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use serde::Serialize;
use sqlx::{PgExecutor, PgPool};
use time::OffsetDateTime;
use tokio::sync::watch;
use tracing::{info, warn};

use super::Stage;
use crate::config::{Config, Pool};

/// The pools of this process. Whoever waits for a change subscribes.
pub struct Pools {
    host: String,
    base: Mutex<Arc<Config>>,
    now: watch::Sender<Arc<Now>>,
}

/// The pools at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Now {
    pub pools: BTreeMap<Stage, Pool>,
    /// Stages that take no new jobs on this host.
    pub paused: BTreeMap<Stage, Pause>,
}

/// Who paused a stage, where, and why.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Pause {
    /// Null: all stages of the host, which drains.
    pub stage: Option<Stage>,
    /// Null: on every host.
    pub host: Option<String>,
    pub reason: String,
    /// A person's name, or `command line`.
    pub paused_by: String,
    #[serde(with = "time::serde::rfc3339")]
    pub paused_at: OffsetDateTime,
}

/// What an operator set over `workers.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Setting {
    /// As in `workers.toml`.
    #[schema(example = "stages.transcode.concurrency")]
    pub key: String,
    /// Null: on every host.
    pub host: Option<String>,
    #[schema(value_type = Object)]
    pub value: serde_json::Value,
    pub set_by: String,
    #[serde(with = "time::serde::rfc3339")]
    pub set_at: OffsetDateTime,
}

impl Pools {
    /// The pools of the configuration; [`Pools::refresh`] adds what operators set.
    pub fn new(config: &Arc<Config>) -> Arc<Self> {
        let now = Now { pools: config.stages.clone(), paused: BTreeMap::new() };
        Arc::new(Self { host: host(config), base: Mutex::new(config.clone()), now: watch::Sender::new(Arc::new(now)) })
    }

    /// The name of this host in `settings`, `pauses` and `workers`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// A stage's pool as it is set now.
    pub fn get(&self, stage: Stage) -> Pool {
        self.now.borrow().pools[&stage].clone()
    }

    /// Everything as it is set now.
    pub fn now(&self) -> Arc<Now> {
        self.now.borrow().clone()
    }

    /// Hears of every change.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Now>> {
        self.now.subscribe()
    }

    /// Takes a changed file as the base; the next [`Pools::refresh`] makes it felt.
    pub fn reload(&self, config: Config) {
        *self.base.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// Reads what operators set and paused.
    pub async fn refresh(&self, db: &PgPool) -> Result<()> {
        let base = self.base.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut fitting: Vec<(String, serde_json::Value)> = Vec::new();
        // Those of every host first, so that the host's own lie on top.
        for setting in settings(db).await?.into_iter().filter(|s| s.host.as_ref().is_none_or(|host| *host == self.host)) {
            let one = (setting.key, setting.value);
            match base.pools_with(std::slice::from_ref(&one)) {
                Ok(_) => fitting.push(one),
                Err(error) => warn!("a setting does not fit this version and is left out: {error:#}"),
            }
        }
        let pools = base.pools_with(&fitting)?;
        let mut paused = BTreeMap::new();
        for pause in pauses(db).await?.into_iter().filter(|p| p.host.as_ref().is_none_or(|host| *host == self.host)) {
            for stage in pause.stage.map_or(Stage::ALL.to_vec(), |stage| vec![stage]) {
                paused.entry(stage).or_insert_with(|| pause.clone());
            }
        }
        let next = Now { pools, paused };
        self.now.send_if_modified(|now| {
            let changed = **now != next;
            if changed {
                info!("the pools are set anew");
                *now = Arc::new(next);
            }
            changed
        });
        Ok(())
    }
}

/// What this host is called: by configuration, or by the machine.
fn host(config: &Config) -> String {
    match config.workers.host.as_str() {
        "" => std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned(),
        name => name.to_owned(),
    }
}

/// Sets a value over `workers.toml`, for one host or for all. It is not checked here: see [`Config::setting`].
pub async fn set(db: &PgPool, key: &str, host: Option<&str>, value: &serde_json::Value, by: &str) -> Result<()> {
    sqlx::query!(
        "insert into settings (key, host, value, set_by) values ($1, $2, $3, $4)
         on conflict (key, host) do update set value = excluded.value, set_by = excluded.set_by, set_at = now()",
        key,
        host.unwrap_or_default(),
        value,
        by,
    )
    .execute(db)
    .await
    .with_context(|| format!("set {key}"))?;
    Ok(())
}

/// Takes a setting back; false when there was none.
pub async fn unset(db: &PgPool, key: &str, host: Option<&str>) -> Result<bool> {
    let gone = sqlx::query!("delete from settings where key = $1 and host = $2", key, host.unwrap_or_default())
        .execute(db)
        .await
        .with_context(|| format!("take back {key}"))?;
    Ok(gone.rows_affected() > 0)
}

/// All settings; those of every host before those of one.
pub async fn settings(db: &PgPool) -> Result<Vec<Setting>> {
    let rows = sqlx::query!("select key, host, value, set_by, set_at from settings order by host, key")
        .fetch_all(db)
        .await
        .context("read the settings")?;
    let settings = rows.into_iter().map(|row| Setting {
        key: row.key,
        host: Some(row.host).filter(|host| !host.is_empty()),
        value: row.value,
        set_by: row.set_by,
        set_at: row.set_at,
    });
    Ok(settings.collect())
}

/// Lets a stage, on a host or on all, take no new jobs; what runs goes on. Without a stage the whole host drains.
pub async fn pause(db: &PgPool, stage: Option<Stage>, host: Option<&str>, reason: &str, by: &str) -> Result<()> {
    sqlx::query!(
        "insert into pauses (stage, host, reason, paused_by) values ($1, $2, $3, $4)
         on conflict (stage, host) do update set reason = excluded.reason, paused_by = excluded.paused_by, paused_at = now()",
        stage.map_or("", |stage| stage.as_str()),
        host.unwrap_or_default(),
        reason,
        by,
    )
    .execute(db)
    .await
    .context("pause a stage")?;
    Ok(())
}

/// Takes a pause back; false when there was none.
pub async fn resume(db: &PgPool, stage: Option<Stage>, host: Option<&str>) -> Result<bool> {
    let gone = sqlx::query!(
        "delete from pauses where stage = $1 and host = $2",
        stage.map_or("", |stage| stage.as_str()),
        host.unwrap_or_default()
    )
    .execute(db)
    .await
    .context("resume a stage")?;
    Ok(gone.rows_affected() > 0)
}

/// All pauses.
pub async fn pauses(db: impl PgExecutor<'_>) -> Result<Vec<Pause>> {
    let rows = sqlx::query!("select stage, host, reason, paused_by, paused_at from pauses order by stage, host")
        .fetch_all(db)
        .await
        .context("read the pauses")?;
    let pauses = rows.into_iter().map(|row| Pause {
        stage: row.stage.parse().ok(),
        host: Some(row.host).filter(|host| !host.is_empty()),
        reason: row.reason,
        paused_by: row.paused_by,
        paused_at: row.paused_at,
    });
    Ok(pauses.collect())
}
