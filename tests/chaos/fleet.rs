//! The processes under fire, all of our own making: a private PostgreSQL, an API, a search server and workers of the
//! real program. Whoever dies is started again, as systemd would.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kernel::config::Config;
use kernel::db::{self, Postgres};
use kernel::testing::RabbitMq;
use kernel::testing_s3::S3Server;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

/// Seconds after which a silent worker has lost its jobs.
pub const LEASE_SECONDS: f64 = 3.0;
/// Seconds after which what no row names is swept.
pub const GRACE_SECONDS: u64 = 15;

/// One process that is kept running.
pub struct Member {
    pub name: &'static str,
    arguments: Vec<String>,
    child: Mutex<Option<Child>>,
    born: Mutex<Option<Instant>>,
}

pub struct Fleet {
    pub root: PathBuf,
    /// Objects, scratch files and the index.
    pub data: PathBuf,
    /// Where crash points are armed and leave word.
    pub chaos: PathBuf,
    pub db: PgPool,
    pub members: Vec<Member>,
    pub api: String,
    pub search: String,
    program: PathBuf,
    environment: Vec<(String, String)>,
    postgres: Mutex<Option<Postgres>>,
    /// Instead of the bell of the database.
    pub broker: Option<Arc<RabbitMq>>,
    /// Instead of the data folder's objects, and the bucket in it.
    pub s3: Option<(S3Server, String)>,
    installation: PathBuf,
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Fleet {
    /// Starts the database and lays everything out in `root`; members are started by [`Fleet::supervise`].
    pub async fn new(root: &Path, control: &str, rabbitmq: bool, s3: bool) -> Result<Self> {
        let (data, chaos, cluster) = (root.join("data"), root.join("chaos"), root.join("pg"));
        for folder in [&data, &chaos.join("armed"), &chaos.join("fired"), &cluster] {
            std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        }
        std::fs::set_permissions(&cluster, std::fs::Permissions::from_mode(0o755))?;
        // A build meanwhile must not change what runs here.
        let program = root.join("learnhub");
        std::fs::copy(env!("CARGO_BIN_EXE_learnhub"), &program).context("copy the program")?;
        let config = Config::from_parts(None, &std::env::vars().filter(|(key, _)| key == "HOME" || key == "LEARNHUB_CACHE").collect())?;
        let installation = config.paths.postgres.clone();
        let postgres = start_postgres(installation.clone(), cluster.clone()).await?;
        postgres.provision("learnhub").await?;
        let mut owner = db::connect_one(&Postgres::owner_options(&cluster)).await?;
        db::migrate(&mut owner).await?;
        if let Err(why) = embedder::schema::ensure(&mut owner).await? {
            anyhow::bail!("no vectors: {why}");
        }
        let db = PgPoolOptions::new()
            .max_connections(8)
            .acquire_timeout(Duration::from_secs(3))
            .connect_with(postgres.superuser_options("learnhub"))
            .await?;
        let (api, search) = (free_port()?, free_port()?);
        let mut environment: Vec<(String, String)> = [
            ("LEARNHUB_DATABASE_URL", format!("postgres://learnhub_app@localhost/learnhub?host={}", cluster.join("run").display())),
            ("LEARNHUB_DATABASE_MAX_CONNECTIONS", "10".into()),
            ("LEARNHUB_DATA_DIR", data.display().to_string()),
            ("LEARNHUB_SECURITY_SECRET", "a secret of the chaos harness, long enough".into()),
            ("LEARNHUB_JOBS_SWEEP_SECONDS", "1".into()),
            ("LEARNHUB_JOBS_JANITOR_SECONDS", "3".into()),
            ("LEARNHUB_JOBS_DRAIN_SECONDS", "0".into()),
            ("LEARNHUB_CHAOS_GRACE_SECONDS", GRACE_SECONDS.to_string()),
            ("LEARNHUB_CHAOS_WITHOUT", control.into()),
        ]
        .map(|(name, value): (&str, String)| (name.to_owned(), value))
        .into();
        for stage in kernel::jobs::Stage::ALL {
            let key = |name: &str| format!("LEARNHUB_STAGES_{stage}_{name}").to_uppercase();
            environment.push((key("LEASE_SECONDS"), LEASE_SECONDS.to_string()));
            environment.push((key("BACKOFF_SECONDS"), "0.2".into()));
            // A good file is killed many times here; it must come through all the same.
            environment.push((key("ATTEMPTS"), "1000".into()));
        }
        let broker = match rabbitmq {
            true => Some(tokio::task::spawn_blocking(RabbitMq::launch).await?),
            false => None,
        };
        if let Some(broker) = &broker {
            environment.push(("LEARNHUB_QUEUE_URL".into(), broker.url()));
        }
        let s3 = s3.then(|| {
            let server = S3Server::start();
            let bucket = server.bucket();
            for (key, value) in [
                ("BUCKET", &bucket.bucket),
                ("ENDPOINT", &bucket.endpoint),
                ("REGION", &bucket.region),
                ("ACCESS_KEY_ID", &bucket.access_key_id),
                ("SECRET_ACCESS_KEY", &bucket.secret_access_key),
                ("PREFIX", &bucket.prefix),
            ] {
                environment.push((format!("LEARNHUB_STORE_{key}"), value.clone()));
            }
            environment.push(("LEARNHUB_STORE_PATH_STYLE".into(), "true".into()));
            (server, bucket.bucket)
        });
        let worker = |name, stages: &str| member(name, &["worker", "--stages", stages]);
        let members = vec![
            member("api", &["serve", "--roles", "api", "--listen", &format!("127.0.0.1:{api}")]),
            member("search", &["serve", "--roles", "search", "--listen", &format!("127.0.0.1:{search}")]),
            worker("worker-1", "ingest,transcode,extract,index,publish,certify"),
            worker("worker-2", "ingest,transcode,extract,index,publish,certify"),
            worker("worker-3", "ingest,extract,embed,publish"),
        ];
        Ok(Self {
            root: root.to_owned(),
            data,
            chaos,
            db,
            members,
            api: format!("http://127.0.0.1:{api}/api/v1"),
            search: format!("http://127.0.0.1:{search}/api/v1"),
            program,
            environment,
            postgres: Mutex::new(Some(postgres)),
            broker,
            s3,
            installation,
        })
    }

    /// A command of the program in this world; `marked` when crash points may end it.
    pub fn command(&self, marked: bool) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LEARNHUB_") && name != "LEARNHUB_CACHE") {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().cloned()).stdin(Stdio::null());
        if marked {
            command.env("LEARNHUB_CHAOS", &self.chaos);
        }
        command
    }

    /// Starts what does not run and reports each death by name and pid, until the future is dropped.
    pub async fn supervise(&self, died: impl Fn(&'static str, i32)) {
        loop {
            for member in &self.members {
                let mut child = member.child.lock().expect("members");
                if let Some(running) = child.as_mut() {
                    if !matches!(running.try_wait(), Ok(Some(_))) {
                        continue;
                    }
                    died(member.name, running.id() as i32);
                    *child = None;
                }
                // Without a database it ends at once: not in a tight loop.
                let mut born = member.born.lock().expect("members");
                if born.is_some_and(|born| born.elapsed() < Duration::from_millis(500)) {
                    continue;
                }
                *born = Some(Instant::now());
                *child = self.spawn(member).ok();
            }
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    }

    fn spawn(&self, member: &Member) -> Result<Child> {
        let log = std::fs::File::options().create(true).append(true).open(self.root.join(format!("{}.log", member.name)))?;
        let mut command = self.command(true);
        command.args(&member.arguments).stdout(log.try_clone()?).stderr(log);
        Ok(command.spawn()?)
    }

    /// The process of a member, if it runs.
    pub fn pid(&self, name: &str) -> Option<i32> {
        let member = self.members.iter().find(|member| member.name == name)?;
        member.child.lock().expect("members").as_ref().map(|child| child.id() as i32)
    }

    /// Disposable children of all workers, now.
    pub fn disposable(&self) -> Vec<i32> {
        let workers = self.members.iter().filter_map(|member| self.pid(member.name));
        workers.flat_map(children).filter(|pid| argument(*pid).as_deref() == Some("child")).collect()
    }

    /// Sends a signal to a process of this world; false when it is gone. Held while no pid can be given away again:
    /// a member is only waited for under the same lock.
    pub fn signal(&self, name: &str, signal: i32) -> bool {
        let Some(member) = self.members.iter().find(|member| member.name == name) else { return false };
        let child = member.child.lock().expect("members");
        // SAFETY: kill takes plain numbers; the child has not been waited for, so that its pid is still its own.
        child.as_ref().is_some_and(|child| unsafe { libc::kill(child.id() as i32, signal) } == 0)
    }

    /// SIGKILL to the postmaster, and a new one on the same cluster.
    pub async fn restart_postgres(&self) -> Result<()> {
        let old = self.postgres.lock().expect("postgres").take();
        if let Some(old) = old {
            // SAFETY: kill takes plain numbers; the server was started by us and is waited for by `old`'s thread.
            unsafe { libc::kill(old.pid(), libc::SIGKILL) };
            tokio::task::spawn_blocking(move || drop(old)).await?;
        }
        for attempt in 0.. {
            // Orphaned backends keep the shared memory for a moment.
            match start_postgres(self.installation.clone(), self.root.join("pg")).await {
                Ok(started) => {
                    *self.postgres.lock().expect("postgres") = Some(started);
                    return Ok(());
                }
                Err(error) if attempt > 20 => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
            }
        }
        Ok(())
    }

    /// SIGKILL to the broker, and up again on what it had stored.
    pub async fn restart_broker(&self) -> bool {
        let Some(broker) = self.broker.clone() else { return false };
        let restarting = tokio::task::spawn_blocking(move || {
            broker.kill();
            broker.start();
        });
        restarting.await.is_ok()
    }

    /// Ends all members and then the database.
    pub async fn stop(&self) {
        for member in &self.members {
            if let Some(mut child) = member.child.lock().expect("members").take() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
        self.db.close().await;
        let postgres = self.postgres.lock().expect("postgres").take();
        if let Some(postgres) = postgres {
            let _ = tokio::task::spawn_blocking(move || postgres.stop()).await;
        }
    }
}

fn member(name: &'static str, arguments: &[&str]) -> Member {
    Member {
        name,
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        child: Mutex::new(None),
        born: Mutex::new(None),
    }
}

async fn start_postgres(installation: PathBuf, cluster: PathBuf) -> Result<Postgres> {
    tokio::task::spawn_blocking(move || Postgres::start(&installation, &cluster, "")).await?
}

fn children(pid: i32) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let texts = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    texts.flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()).collect()
}

fn argument(pid: i32) -> Option<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    line.split(|byte| *byte == 0).nth(1).map(|word| String::from_utf8_lossy(word).into_owned())
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Ok(mut child) = self.child.lock()
            && let Some(mut child) = child.take()
        {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
