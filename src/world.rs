//! Puts the world together: which database, which store, whose secret. The one place that decides each backend.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use kernel::breaker::Breakers;
use kernel::config::Config;
use kernel::db::{self, Postgres, Replica};
use kernel::env::{Clock, Env};
use kernel::http::Tokens;
use kernel::jobs::Pools;
use kernel::queue::{PostgresBell, Queue, RabbitBell};
use kernel::store::{Directory, Lives, Metered, ObjectStore, S3, SourcesCache, UrlSigner};
use sha2::{Digest, Sha256};

/// How a command relates to the data folder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Claim {
    /// It runs everything: nobody else may.
    Own,
    /// It joins whoever runs; alone, it runs the database for as long as it takes.
    Either,
    /// It needs a database that runs: a configured one, or somebody else's `up`.
    Join,
}

/// An [`Env`] and what keeps it alive.
pub struct World {
    pub env: Env,
    /// This process runs the database, so nobody else runs workers.
    pub alone: bool,
    /// Why there are no vectors, if there are none.
    pub no_vectors: Option<String>,
    // Dropped in this order: the database stops before the folder is given free.
    _postgres: Option<Postgres>,
    _lock: Option<Lock>,
}

impl World {
    /// Opens the world of this configuration.
    pub async fn open(config: Config, claim: Claim) -> Result<Self> {
        let data = config.paths.data.clone();
        fs::create_dir_all(&data)
            .with_context(|| format!("create the data folder {}: set data.dir to a folder you may write to", data.display()))?;
        let secret = secret(&config)?;
        let mut no_vectors = None;
        let (postgres, lock, options) = if config.database.url.is_empty() {
            match Lock::take(&data)? {
                Ok(lock) if claim != Claim::Join => {
                    let (postgres, missing) = start_database(&config).await?;
                    no_vectors = missing;
                    (Some(postgres), Some(lock), Postgres::app_options(&data))
                }
                Ok(_) => bail!("no database: set database.url, or start `learnhub up` on {} first", data.display()),
                Err(held) if claim == Claim::Own => bail!(
                    "{} is in use by another learnhub (pid {held}); stop that one, or choose another folder with --data",
                    data.display()
                ),
                Err(_) => (None, None, Postgres::app_options(&data)),
            }
        } else {
            if !config.database.owner_url.is_empty() {
                no_vectors = migrate(&config).await?;
            }
            (None, None, db::options(&config.database.url, "database.url")?)
        };
        let pool = db::connect(options, &config.database).await?;
        db::refuse_superuser(&pool).await?;
        let pending = db::pending_migrations(&pool).await?;
        if pending > 0 {
            bail!("the database lacks {pending} migrations: run `learnhub migrate` with database.owner_url set");
        }
        let bell: Arc<dyn Queue> = match config.queue.url.as_str() {
            "" => PostgresBell::silent(),
            url => RabbitBell::new(url, &config.queue.prefix)?,
        };
        let minutes = |count: u32| time::Duration::minutes(count.into());
        let replica = match config.database.replica_url.as_str() {
            "" => Replica::none(pool.clone()),
            url => Replica::new(pool.clone(), db::options(url, "database.replica_url")?, &config.database),
        };
        let config = Arc::new(config);
        let env = Env {
            pools: Pools::new(&config),
            forecaster: Arc::default(),
            replica,
            db: pool,
            store: store(&config).await?,
            sources: Arc::new(SourcesCache::new(config.paths.scratch.clone())),
            signer: Arc::new(UrlSigner::new(
                derived(&secret, "media"),
                Lives { media: minutes(config.http.media_url_minutes), stream: config.delivery.token_life() },
            )),
            tokens: Arc::new(Tokens::new(&derived(&secret, "access tokens"), minutes(config.http.access_token_minutes))),
            bell,
            clock: Clock::real(),
            breakers: Breakers::new(),
            config,
        };
        Ok(Self { env, alone: postgres.is_some(), no_vectors, _postgres: postgres, _lock: lock })
    }

    /// Closes connections first, then stops what this process started.
    pub async fn close(self) {
        self.env.db.close().await;
        let Self { _postgres: postgres, .. } = self;
        if let Some(postgres) = postgres {
            let _ = tokio::task::spawn_blocking(|| postgres.stop()).await;
        }
    }
}

/// The configured bucket, or the data folder.
async fn store(config: &Config) -> Result<Arc<dyn ObjectStore>> {
    Ok(match config.store.bucket.as_str() {
        "" => Arc::new(Metered::new(Directory::open(&config.paths.objects)?, "directory")),
        _ => {
            let bucket = S3::new(&config.store).await;
            bucket.check().await?;
            Arc::new(Metered::new(bucket, "s3"))
        }
    })
}

async fn start_database(config: &Config) -> Result<(Postgres, Option<String>)> {
    let (installation, data, user) = (config.paths.postgres.clone(), config.paths.data.clone(), config.database.embedded_user.clone());
    let postgres = tokio::task::spawn_blocking(move || Postgres::start(&installation, &data, &user)).await??;
    postgres.provision("learnhub").await?;
    let mut owner = db::connect_one(&Postgres::owner_options(&config.paths.data)).await?;
    db::migrate(&mut owner).await?;
    let vectors = embedder::schema::ensure(&mut owner).await?;
    Ok((postgres, vectors.err().map(|why| why.to_string())))
}

/// Migrates a configured database as its owner. Returns why it has no vectors, if it has none.
pub async fn migrate(config: &Config) -> Result<Option<String>> {
    let options = db::options(&config.database.owner_url, "database.owner_url")?;
    let mut owner = db::connect_one(&options).await?;
    db::migrate(&mut owner).await?;
    Ok(embedder::schema::ensure(&mut owner).await?.err().map(|why| why.to_string()))
}

/// The configured secret, or the data folder's own, made at the first start.
fn secret(config: &Config) -> Result<Vec<u8>> {
    if !config.security.secret.is_empty() {
        return Ok(config.security.secret.as_bytes().to_vec());
    }
    let path = config.paths.data.join("secret");
    if let Ok(secret) = fs::read(&path)
        && secret.len() >= 32
    {
        return Ok(secret);
    }
    let mut fresh = [0; 32];
    File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut fresh)).context("draw a secret")?;
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .tempfile_in(&config.paths.data)
        .context("write the secret")?;
    file.write_all(&fresh).context("write the secret")?;
    // Two first starts at once: the one that renames first wins, the other reads what is there.
    match file.persist_noclobber(&path) {
        Ok(_) => Ok(fresh.to_vec()),
        Err(_) => fs::read(&path).with_context(|| format!("read {}", path.display())),
    }
}

fn derived(secret: &[u8], purpose: &str) -> [u8; 32] {
    Sha256::new().chain_update((secret.len() as u64).to_be_bytes()).chain_update(secret).chain_update(purpose).finalize().into()
}

/// The right to run a data folder, held as long as the process lives, however it ends.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the folder, or says which process has it.
    pub fn take(data: &Path) -> Result<Result<Self, String>> {
        let path = data.join("learnhub.pid");
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))?;
        // SAFETY: the descriptor is open for the length of the call.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0 {
            let mut pid = String::new();
            file.read_to_string(&mut pid).context("read the pid of the other")?;
            return Ok(Err(pid.trim().to_owned()));
        }
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id())).context("write our pid")?;
        Ok(Ok(Self { _file: file }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder_and_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path()).unwrap().ok().unwrap();
        let held = Lock::take(dir.path()).unwrap().err().unwrap();
        assert_eq!(held, std::process::id().to_string());
        drop(first);
        assert!(Lock::take(dir.path()).unwrap().is_ok());
    }
}
