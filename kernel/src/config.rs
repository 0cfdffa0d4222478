//! The configuration: `workers.toml` compiled in as the defaults, a file over it, the environment over both.
//!
//! A key that the defaults do not have is refused with its line, so that a slip of the pen never means "ignored".

mod speech;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::jobs::{Lane, Stage};
use crate::queue::RabbitBell;

pub use speech::{INPUT, LANGUAGE, Speech};

/// The defaults, as commented in the project's root.
pub const DEFAULTS: &str = include_str!("../../workers.toml");

/// Everything that can be set. See `workers.toml` for the meaning of each key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub data: Data,
    pub assets: Assets,
    pub database: Database,
    pub queue: Queue,
    pub store: Store,
    pub http: Http,
    pub transcode: Transcode,
    pub delivery: Delivery,
    pub speech: Speech,
    pub security: Security,
    pub limits: Limits,
    pub embedder: Embedder,
    pub jobs: Jobs,
    pub workers: Workers,
    pub stages: BTreeMap<Stage, Pool>,
    pub log: Log,
    pub metrics: Metrics,
    pub telemetry: Telemetry,
    /// Resolved from `data` and `assets`; not a key.
    #[serde(skip)]
    pub paths: Paths,
    /// What the fields were read from, for settings that come on top of it later.
    #[serde(skip)]
    table: Raw,
}

/// The configuration as text has it. It holds passwords and is never shown.
#[derive(Clone, Default)]
struct Raw(toml::Table);

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    pub dir: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assets {
    pub cache: String,
    pub postgres: String,
    pub onnxruntime: String,
    pub pdfium: String,
    pub model: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub url: String,
    pub owner_url: String,
    pub max_connections: u32,
    pub acquire_timeout_seconds: f64,
    pub idle_timeout_seconds: f64,
    pub max_lifetime_seconds: f64,
    pub statement_timeout_seconds: f64,
    pub replica_url: String,
    pub replica_max_lag_seconds: f64,
    pub embedded_user: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    pub url: String,
    pub prefix: String,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address holds a password.
        let url = if self.url.is_empty() { "\"\"" } else { "…" };
        write!(f, "Queue {{ url: {url}, prefix: {:?} }}", self.prefix)
    }
}

/// Seconds that something may take; neither nothing nor for ever.
const TIMEOUT: std::ops::Range<f64> = 0.001..1e6;

impl Database {
    fn check(&self) -> Result<()> {
        if self.max_connections == 0 {
            bail!("database.max_connections must be at least 1");
        }
        if !TIMEOUT.contains(&self.acquire_timeout_seconds) {
            bail!("database.acquire_timeout_seconds must be more than 0");
        }
        let others = [
            ("idle_timeout_seconds", self.idle_timeout_seconds),
            ("max_lifetime_seconds", self.max_lifetime_seconds),
            ("statement_timeout_seconds", self.statement_timeout_seconds),
            ("replica_max_lag_seconds", self.replica_max_lag_seconds),
        ];
        for (key, seconds) in others {
            if !(0.0..1e9).contains(&seconds) {
                bail!("database.{key} must not be negative; 0 is for none");
            }
        }
        if !self.replica_url.is_empty() && self.url.is_empty() {
            bail!("database.replica_url needs database.url: the private database has no replica");
        }
        Ok(())
    }
}

/// Where objects are kept: in the bucket, or in the data folder when there is none.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    pub bucket: String,
    pub endpoint: String,
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key: String,
    pub path_style: bool,
    pub prefix: String,
    pub connect_timeout_seconds: f64,
    pub timeout_seconds: f64,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Store {{ bucket: {:?}, endpoint: {:?}, region: {:?}, prefix: {:?}, credentials: … }}",
            self.bucket, self.endpoint, self.region, self.prefix
        )
    }
}

impl Store {
    fn check(&self) -> Result<()> {
        if self.bucket.is_empty() {
            return Ok(());
        }
        if !self.endpoint.is_empty() && !self.endpoint.starts_with("http://") && !self.endpoint.starts_with("https://") {
            bail!("store.endpoint must be a URL such as https://s3.example.org, not \"{}\"", self.endpoint);
        }
        if self.region.is_empty() {
            bail!("store.region must not be empty: leave it out for us-east-1, which most servers take");
        }
        match (self.access_key_id.is_empty(), self.secret_access_key.is_empty()) {
            (true, false) => bail!("store.access_key_id is missing: set it, or leave store.secret_access_key empty too"),
            (false, true) => bail!("store.secret_access_key is missing: set it, or leave store.access_key_id empty too"),
            _ => {}
        }
        if !(TIMEOUT.contains(&self.connect_timeout_seconds) && TIMEOUT.contains(&self.timeout_seconds)) {
            bail!("store.connect_timeout_seconds and store.timeout_seconds must be more than 0");
        }
        Ok(())
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    pub listen: String,
    pub public_url: String,
    pub access_token_minutes: u32,
    pub refresh_token_days: u32,
    pub media_url_minutes: u32,
}

/// How films become streams.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transcode {
    pub loudness_lufs: f64,
    pub remux: bool,
}

/// What sound can be brought to, in LUFS: outside of this it is a slip of the keyboard.
pub const LOUDNESS: std::ops::RangeInclusive<f64> = -40.0..=-5.0;

impl Transcode {
    /// What the sound of films is brought to, in LUFS; `None`: it stays as it is.
    pub fn loudness(&self) -> Option<f64> {
        (self.loudness_lufs != 0.0).then_some(self.loudness_lufs)
    }

    fn check(&self) -> Result<()> {
        if self.loudness().is_some_and(|lufs| !LOUDNESS.contains(&lufs)) {
            bail!("transcode.loudness_lufs must be from {} to {}, or 0 to leave sound as it is", LOUDNESS.start(), LOUDNESS.end());
        }
        Ok(())
    }
}

/// How streams get to players.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    pub token_seconds: u32,
    pub encrypt: bool,
}

/// Somebody who has lost the right to a stream loses its segments after this long at the latest, in seconds.
const LONGEST_TOKEN: u32 = 300;

impl Delivery {
    /// How long a token opens an asset's streams.
    pub fn token_life(&self) -> time::Duration {
        time::Duration::seconds(self.token_seconds.into())
    }

    /// How long a package stays after it was replaced: who plays it can finish, with a token made just before and one
    /// renewal of it.
    pub fn replaced_grace(&self) -> Duration {
        Duration::from_secs(2 * u64::from(self.token_seconds))
    }

    fn check(&self) -> Result<()> {
        if !(1..=LONGEST_TOKEN).contains(&self.token_seconds) {
            bail!("delivery.token_seconds must be from 1 to {LONGEST_TOKEN}: who is no longer allowed to watch must not for longer");
        }
        Ok(())
    }
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Security {
    pub secret: String,
}

impl std::fmt::Debug for Security {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Security { secret: … }")
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub upload_bytes: u64,
    pub versions: u16,
    pub query_bytes: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedder {
    pub enabled: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jobs {
    pub sweep_seconds: f64,
    pub janitor_seconds: f64,
    pub drain_seconds: f64,
    pub ageing_seconds: u64,
}

/// What the workers of one process may use.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workers {
    pub host: String,
    pub memory_mb: u64,
    pub cpus: f64,
}

/// The pool of one stage.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    pub concurrency: usize,
    pub cluster_concurrency: usize,
    pub lanes: Vec<Lane>,
    pub memory_mb: u64,
    pub cpus: f64,
    pub attempts: i32,
    pub backoff_seconds: f64,
    pub lease_seconds: f64,
    pub timeout_seconds: u64,
    pub stalled_seconds: u64,
}

impl Pool {
    /// How long a worker may be silent before it has lost its job.
    pub fn lease(&self) -> Duration {
        Duration::from_secs_f64(self.lease_seconds)
    }

    /// The first pause after a failure.
    pub fn backoff(&self) -> Duration {
        Duration::from_secs_f64(self.backoff_seconds)
    }

    /// The wall-clock limit of an attempt.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }

    /// The longest time without progress.
    pub fn stalled(&self) -> Duration {
        Duration::from_secs(self.stalled_seconds)
    }

    fn check(&self, stage: Stage) -> Result<()> {
        let key = |name: &str| format!("stages.{stage}.{name}");
        let atleast = |name: &str, value: f64, least: f64| match value >= least && value <= 1e9 {
            true => Ok(()),
            false => bail!("{} must be at least {least}, not {value}", key(name)),
        };
        atleast("timeout_seconds", self.timeout_seconds as f64, 1.0)?;
        atleast("stalled_seconds", self.stalled_seconds as f64, 1.0)?;
        atleast("lease_seconds", self.lease_seconds, 1.0)?;
        atleast("backoff_seconds", self.backoff_seconds, 0.0)?;
        atleast("cpus", self.cpus, 0.0)?;
        atleast("memory_mb", self.memory_mb as f64, 1.0)?;
        atleast("attempts", self.attempts.into(), 0.0)?;
        if self.concurrency > 1000 {
            bail!("{} must be at most 1000", key("concurrency"));
        }
        if self.lanes.is_empty() {
            bail!("{} must name at least one of interactive, default, backfill; concurrency = 0 takes no jobs at all", key("lanes"));
        }
        Ok(())
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub format: String,
    pub level: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    pub listen: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    pub otlp_endpoint: String,
}

/// Where things lie on this machine.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    /// The data folder; everything below it is this program's.
    pub data: PathBuf,
    /// Objects of the directory store.
    pub objects: PathBuf,
    /// Working files of running jobs.
    pub scratch: PathBuf,
    /// The full-text index.
    pub index: PathBuf,
    /// Folder with `bin/postgres`.
    pub postgres: PathBuf,
    /// `libonnxruntime.so`.
    pub onnxruntime: PathBuf,
    /// `libpdfium.so`.
    pub pdfium: PathBuf,
    /// Folder with `model.onnx` and `tokenizer.json`.
    pub model: PathBuf,
    /// This program, which runs its own disposable children.
    pub program: PathBuf,
    /// The configuration file, if there is one.
    pub file: Option<PathBuf>,
}

impl Config {
    /// Defaults, then the file, then the environment.
    ///
    /// Fails with the key, the line and what is wrong when the file or a variable cannot be used.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        Self::from_parts(file, &std::env::vars().collect())
    }

    /// As [`Config::load`], with the environment given.
    pub fn from_parts(file: Option<&Path>, env: &BTreeMap<String, String>) -> Result<Self> {
        let mut table: toml::Table = DEFAULTS.parse().context("the compiled-in workers.toml")?;
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
            let over: toml::Table = text.parse().with_context(|| format!("parse {}", path.display()))?;
            merge(&mut table, over, &mut Vec::new(), &|key| format!("{}:{}", path.display(), line_of(&text, key).unwrap_or(1)))?;
        }
        override_from(&mut table, &mut Vec::new(), env)?;
        let mut config: Config = toml::Value::Table(table.clone()).try_into().context("configuration")?;
        config.check()?;
        config.paths = Paths::resolve(&config, env)?;
        config.paths.file = file.map(std::path::absolute).transpose().context("path of the configuration file")?;
        config.table = Raw(table);
        Ok(config)
    }

    /// The pools with these settings on top, each a key as in `workers.toml` (`stages.transcode.concurrency`) and its
    /// value. Fails with the key when there is no such key of a stage, or the value does not fit it.
    pub fn pools_with(&self, settings: &[(String, serde_json::Value)]) -> Result<BTreeMap<Stage, Pool>> {
        let mut table = self.table.0.clone();
        for (key, value) in settings {
            if !key.starts_with("stages.") {
                bail!("{key} cannot be set at run time; only keys of a stage can, such as stages.transcode.concurrency");
            }
            let value: toml::Value = serde_json::from_value(value.clone()).with_context(|| format!("{key}: this is no value"))?;
            let over = key.rsplit('.').fold(value, |inner, part| toml::Value::Table([(part.to_owned(), inner)].into_iter().collect()));
            let toml::Value::Table(over) = over else { bail!("{key} is no key") };
            merge(&mut table, over, &mut Vec::new(), &|_| "settings".into())?;
        }
        let stages = table.remove("stages").context("the configuration has stages")?;
        let pools: BTreeMap<Stage, Pool> = stages.try_into().map_err(|error: toml::de::Error| anyhow::anyhow!("{}", error.message()))?;
        pools.iter().try_for_each(|(stage, pool)| pool.check(*stage))?;
        Ok(pools)
    }

    /// A value for [`Config::pools_with`], read from text as in the environment: `4`, `2.5`, `default,backfill`.
    pub fn setting(&self, key: &str, text: &str) -> Result<serde_json::Value> {
        let slot = self.slot(key).with_context(|| format!("there is no key {key}; workers.toml lists every key"))?;
        let value = parse_like(slot, text).with_context(|| format!("{key} is of type {}, which {text:?} is not", slot.type_str()))?;
        let value = serde_json::to_value(value).context("a setting becomes json")?;
        self.pools_with(&[(key.to_owned(), value.clone())])?;
        Ok(value)
    }

    /// Whether `workers.toml` has such a key with a value.
    pub fn has_key(&self, key: &str) -> bool {
        self.slot(key).is_some_and(|value| !value.is_table())
    }

    fn slot(&self, key: &str) -> Option<&toml::Value> {
        let (first, rest) = key.split_once('.').unwrap_or((key, ""));
        rest.split('.').filter(|part| !part.is_empty()).try_fold(self.table.0.get(first)?, |value, part| value.get(part))
    }

    /// The pool of a stage.
    pub fn pool(&self, stage: Stage) -> &Pool {
        &self.stages[&stage]
    }

    /// Base of absolute links, without a slash at the end.
    pub fn public_url(&self) -> String {
        match self.http.public_url.trim_end_matches('/') {
            "" => format!("http://{}", self.http.listen),
            url => url.to_owned(),
        }
    }

    fn check(&self) -> Result<()> {
        for stage in Stage::ALL {
            self.stages.get(&stage).with_context(|| format!("stages.{stage} is missing"))?.check(stage)?;
        }
        if !self.security.secret.is_empty() && self.security.secret.len() < 32 {
            bail!("security.secret must have at least 32 characters");
        }
        if !self.queue.url.is_empty() {
            RabbitBell::new(&self.queue.url, &self.queue.prefix)?;
        }
        self.database.check()?;
        self.store.check()?;
        self.transcode.check()?;
        self.delivery.check()?;
        self.speech.check()?;
        if !matches!(self.log.format.as_str(), "text" | "json") {
            bail!("log.format must be \"text\" or \"json\", not \"{}\"", self.log.format);
        }
        Ok(())
    }
}

impl Paths {
    fn resolve(config: &Config, env: &BTreeMap<String, String>) -> Result<Self> {
        let root = is_root();
        let home = || env.get("HOME").map(PathBuf::from).context("HOME is not set: set data.dir and assets.cache");
        let data = match config.data.dir.as_str() {
            "" if root => PathBuf::from("/var/lib/learnhub"),
            "" => env.get("XDG_DATA_HOME").map(PathBuf::from).map_or_else(|| home().map(|h| h.join(".local/share")), Ok)?.join("learnhub"),
            dir => std::path::absolute(dir).context("data.dir")?,
        };
        let cache = match (config.assets.cache.as_str(), env.get("LEARNHUB_CACHE")) {
            ("", Some(dir)) => std::path::absolute(dir).context("LEARNHUB_CACHE")?,
            ("", None) if root => PathBuf::from("/var/cache/learnhub"),
            ("", None) => {
                env.get("XDG_CACHE_HOME").map(PathBuf::from).map_or_else(|| home().map(|h| h.join(".cache")), Ok)?.join("learnhub")
            }
            (dir, _) => std::path::absolute(dir).context("assets.cache")?,
        };
        let asset = |set: &str, default: &str| if set.is_empty() { cache.join(default) } else { PathBuf::from(set) };
        Ok(Self {
            objects: data.join("objects"),
            scratch: data.join("scratch"),
            index: data.join("index"),
            postgres: asset(&config.assets.postgres, "postgresql-18.4"),
            onnxruntime: asset(&config.assets.onnxruntime, "onnxruntime-1.31.1/libonnxruntime.so.1.31.1"),
            pdfium: asset(&config.assets.pdfium, "pdfium/libpdfium.so"),
            model: asset(&config.assets.model, "model/all-minilm-l6-v2"),
            program: std::env::current_exe().context("path of this program")?,
            file: None,
            data,
        })
    }
}

fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Puts `over` onto `base`; a key that `base` does not have, or has with another type, is an error.
fn merge(base: &mut toml::Table, over: toml::Table, at: &mut Vec<String>, place: &dyn Fn(&[String]) -> String) -> Result<()> {
    for (key, value) in over {
        at.push(key.clone());
        let dotted = at.join(".");
        match (base.get_mut(&key), value) {
            (None, _) => bail!("{}: unknown key {dotted}; workers.toml in the source lists every key", place(at)),
            (Some(toml::Value::Table(base)), toml::Value::Table(over)) => merge(base, over, at, place)?,
            (Some(toml::Value::Float(slot)), toml::Value::Integer(number)) => *slot = number as f64,
            (Some(slot), value) if slot.same_type(&value) => *slot = value,
            (Some(slot), value) => {
                bail!("{}: {dotted} must be a {}, not a {}", place(at), slot.type_str(), value.type_str())
            }
        }
        at.pop();
    }
    Ok(())
}

/// Sets every leaf for which the environment has a variable.
fn override_from(table: &mut toml::Table, at: &mut Vec<String>, env: &BTreeMap<String, String>) -> Result<()> {
    for (key, slot) in table.iter_mut() {
        at.push(key.clone());
        if let toml::Value::Table(inner) = slot {
            override_from(inner, at, env)?;
        } else {
            let name = format!("LEARNHUB_{}", at.join("_").to_uppercase());
            if let Some(text) = env.get(&name) {
                *slot = parse_like(slot, text).with_context(|| format!("{name}={text:?} must be a {}", slot.type_str()))?;
            }
        }
        at.pop();
    }
    Ok(())
}

fn parse_like(slot: &toml::Value, text: &str) -> Option<toml::Value> {
    Some(match slot {
        toml::Value::String(_) => toml::Value::String(text.to_owned()),
        toml::Value::Integer(_) => toml::Value::Integer(text.parse().ok()?),
        toml::Value::Float(_) => toml::Value::Float(text.parse().ok()?),
        toml::Value::Boolean(_) => toml::Value::Boolean(text.parse().ok()?),
        toml::Value::Array(_) => toml::Value::Array(text.split(',').map(|item| toml::Value::String(item.trim().to_owned())).collect()),
        _ => return None,
    })
}

/// The line (from 1) on which a key stands.
fn line_of(text: &str, key: &[String]) -> Option<usize> {
    let document = toml_edit::Document::parse(text).ok()?;
    let mut table: &dyn toml_edit::TableLike = document.as_table();
    let (last, path) = key.split_last()?;
    for part in path {
        table = table.get(part)?.as_table_like()?;
    }
    let (key, _) = table.get_key_value(last)?;
    Some(text[..key.span()?.start].matches('\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, env: &[(&str, &str)]) -> Result<Config> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("learnhub.toml");
        std::fs::write(&file, text)?;
        let mut all: BTreeMap<_, _> = env.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        all.insert("HOME".into(), "/home/somebody".into());
        Config::from_parts(Some(&file), &all)
    }

    #[test]
    fn the_defaults_are_complete() {
        let config = load("", &[]).unwrap();
        assert_eq!(config.stages.len(), Stage::ALL.len());
        assert_eq!(config.http.listen, "127.0.0.1:8080");
    }

    #[test]
    fn a_file_and_then_the_environment_override() {
        let config = load(
            "[stages.transcode]\nconcurrency = 3\nlease_seconds = 20\n",
            &[("LEARNHUB_STAGES_TRANSCODE_CONCURRENCY", "5"), ("LEARNHUB_HTTP_LISTEN", "0.0.0.0:1")],
        )
        .unwrap();
        assert_eq!(config.pool(Stage::Transcode).concurrency, 5);
        assert_eq!(config.pool(Stage::Transcode).lease_seconds, 20.0);
        assert_eq!(config.http.listen, "0.0.0.0:1");
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let error = load("[http]\n# a slip\nlistn = \"x\"\n", &[]).unwrap_err().to_string();
        assert!(error.contains(":3: unknown key http.listn"), "{error}");
    }

    #[test]
    fn a_wrong_type_is_refused_in_file_and_environment() {
        let error = load("[limits]\nupload_bytes = \"many\"\n", &[]).unwrap_err().to_string();
        assert!(error.contains(":2: limits.upload_bytes must be a integer, not a string"), "{error}");
        let error = load("", &[("LEARNHUB_LIMITS_UPLOAD_BYTES", "many")]).unwrap_err().to_string();
        assert!(error.contains("LEARNHUB_LIMITS_UPLOAD_BYTES"), "{error}");
    }

    #[test]
    fn a_broker_address_is_checked_and_its_password_never_shown() {
        let error = format!("{:#}", load("[queue]\nurl = \"http://u:pa55word@h/\"\n", &[]).unwrap_err());
        assert!(error.contains("queue.url") && !error.contains("pa55word"), "{error}");
        let config = load("", &[("LEARNHUB_QUEUE_URL", "amqp://u:pa55word@h:1/v")]).unwrap();
        assert_eq!(config.queue.url, "amqp://u:pa55word@h:1/v");
        assert!(!format!("{config:?}").contains("pa55word"));
    }

    #[test]
    fn half_a_pair_of_credentials_is_refused_and_a_whole_one_is_not_shown() {
        let error = load("[store]\nbucket = \"b\"\naccess_key_id = \"me\"\n", &[]).unwrap_err().to_string();
        assert!(error.contains("store.secret_access_key is missing"), "{error}");
        let whole = load("[store]\nbucket = \"b\"\naccess_key_id = \"me\"\nsecret_access_key = \"hushhush\"\n", &[]).unwrap();
        assert!(!format!("{whole:?}").contains("hushhush"));
        let error = load("[store]\nbucket = \"b\"\nendpoint = \"localhost:9000\"\n", &[]).unwrap_err().to_string();
        assert!(error.contains("store.endpoint must be a URL"), "{error}");
    }

    #[test]
    fn loudness_is_off_by_default_and_never_absurd() {
        assert_eq!(load("", &[]).unwrap().transcode.loudness(), None);
        assert_eq!(load("[transcode]\nloudness_lufs = -16.0\n", &[]).unwrap().transcode.loudness(), Some(-16.0));
        for lufs in ["16", "-160", "nan"] {
            let error = load("", &[("LEARNHUB_TRANSCODE_LOUDNESS_LUFS", lufs)]).unwrap_err().to_string();
            assert!(error.contains("transcode.loudness_lufs"), "{error}");
        }
    }

    #[test]
    fn a_stream_token_lives_for_five_minutes_at_most() {
        assert_eq!(load("[delivery]\ntoken_seconds = 20\n", &[]).unwrap().delivery.replaced_grace(), Duration::from_secs(40));
        for life in ["0", "301"] {
            let error = load("", &[("LEARNHUB_DELIVERY_TOKEN_SECONDS", life)]).unwrap_err().to_string();
            assert!(error.contains("delivery.token_seconds must be from 1 to 300"), "{error}");
        }
    }

    #[test]
    fn the_door_for_speech_is_closed_and_opens_to_one_engine() {
        assert!(!load("", &[]).unwrap().speech.is_on());
        for good in ["command = [\"/bin/engine\", \"{input}\"]", "url = \"http://127.0.0.1:1/inference\"\ntoken = \"hushhush\""] {
            let config = load(&format!("[speech]\n{good}\n"), &[]).unwrap();
            assert!(config.speech.is_on() && !format!("{config:?}").contains("hushhush"));
        }
        for (wrong, said) in [
            ("command = [\"engine\", \"{input}\"]", "full path"),
            ("command = [\"/bin/engine\"]", "{input}"),
            ("command = [\"/bin/engine\", \"{input}\"]\nurl = \"http://x/\"", "set one of them"),
            ("url = \"x:1\"", "must be a URL"),
            ("language = \"English\"", "language tag"),
        ] {
            let error = load(&format!("[speech]\n{wrong}\n"), &[]).unwrap_err().to_string();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }

    #[test]
    fn every_key_of_the_defaults_is_explained() {
        let lines: Vec<&str> = DEFAULTS.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let Some((key, _)) = line.split_once(" = ") else { continue };
            // The keys of a pool are the same in every stage and explained once, in front of the first.
            let explained =
                lines[number - 1].starts_with('#') || lines.iter().any(|l| l.starts_with('#') && l.contains(&format!("{key}:")));
            assert!(line.starts_with('#') || explained, "line {} has no comment: {line}", number + 1);
        }
    }

    #[test]
    fn settings_lie_over_the_file_and_are_checked_like_it() {
        let config = load("[stages.transcode]\nconcurrency = 3\n", &[]).unwrap();
        let four = config.setting("stages.transcode.concurrency", "4").unwrap();
        let pools = config.pools_with(&[("stages.transcode.concurrency".into(), four)]).unwrap();
        assert_eq!(pools[&Stage::Transcode].concurrency, 4);
        assert_eq!(pools[&Stage::Extract], *config.pool(Stage::Extract));
        let lanes = config.setting("stages.embed.lanes", "interactive, default").unwrap();
        let pools = config.pools_with(&[("stages.embed.lanes".into(), lanes)]).unwrap();
        assert_eq!(pools[&Stage::Embed].lanes, [Lane::Interactive, Lane::Default]);
        for (key, text) in [
            ("stages.transcode.concurency", "4"),
            ("stages.cooking.concurrency", "4"),
            ("stages.transcode.concurrency", "many"),
            ("stages.transcode.lease_seconds", "0"),
            ("stages.transcode.lanes", "vip"),
            ("http.listen", "0.0.0.0:1"),
        ] {
            let error = format!("{:#}", config.setting(key, text).unwrap_err());
            assert!(error.contains(key.rsplit('.').next().unwrap()) || error.contains("vip"), "{key}={text}: {error}");
        }
    }
}
