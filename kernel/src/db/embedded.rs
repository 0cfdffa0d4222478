//! A private PostgreSQL: initialised, started and stopped by this program, reachable only through a socket in the
//! data folder. It never outlives the program, and a program that was killed finds it again.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};
use tracing::{info, warn};

use super::{APP_ROLE, OWNER_ROLE};

/// A running private server. Dropping it stops it.
pub struct Postgres {
    socket_dir: PathBuf,
    pid: i32,
    stop: Option<Stop>,
}

/// How to stop the server, and the thread that does it.
type Stop = (mpsc::Sender<()>, thread::JoinHandle<()>);

/// An unprivileged user to run as when this program is root.
struct User {
    name: String,
    uid: u32,
    gid: u32,
}

const SUPERUSER: &str = "postgres";
const DATABASE: &str = "learnhub";
/// Start-up includes crash recovery; a large log takes a while.
const START_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(20);

impl Postgres {
    /// Starts the server of `data`, making it first if there is none. `installation` holds `bin/postgres`.
    /// As root it runs as `user`, or as the first of learnhub, postgres and nobody that exists.
    pub fn start(installation: &Path, data: &Path, user: &str) -> Result<Self> {
        let installation = find_installation(installation)?;
        let user = unprivileged_user(user)?;
        let cluster = data.join("postgres");
        let socket_dir = socket_dir(data);
        for dir in [&cluster, &socket_dir] {
            fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
            fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).with_context(|| format!("chmod {}", dir.display()))?;
            if let Some(user) = &user {
                chown(dir, Some(user.uid), Some(user.gid)).with_context(|| format!("chown {}", dir.display()))?;
            }
        }
        if !cluster.join("PG_VERSION").exists() {
            initialise(&installation, &cluster, user.as_ref())?;
        }
        wait_for_predecessor(&cluster)?;
        let mut command = Command::new(installation.join("bin/postgres"));
        command
            .arg("-D")
            .arg(&cluster)
            .arg("-k")
            .arg(&socket_dir)
            .args(["-c", "listen_addresses="])
            .args(["-c", "unix_socket_permissions=0700", "-c", "max_connections=80", "-c", "shared_buffers=128MB"])
            .args(["-c", "log_min_messages=warning", "-c", "jit=off"]);
        let (pid, stop) = spawn(command, user.as_ref(), &cluster.join("server.log"))?;
        let server = Self { socket_dir, pid, stop: Some(stop) };
        server.wait_until_ready(&cluster.join("server.log"))?;
        info!(pid, "the private database runs");
        Ok(server)
    }

    /// How the program itself connects to the server of `data`, also from another process.
    pub fn app_options(data: &Path) -> PgConnectOptions {
        socket_options(&socket_dir(data), APP_ROLE, DATABASE)
    }

    /// How migrations connect.
    pub fn owner_options(data: &Path) -> PgConnectOptions {
        socket_options(&socket_dir(data), OWNER_ROLE, DATABASE)
    }

    /// How the server's superuser connects, to any database.
    pub fn superuser_options(&self, database: &str) -> PgConnectOptions {
        socket_options(&self.socket_dir, SUPERUSER, database)
    }

    /// Process id of the server.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Makes roles, database and, where the server has it, the vector extension. Returns whether it has.
    pub async fn provision(&self, database: &str) -> Result<bool> {
        let mut postgres =
            PgConnection::connect_with(&self.superuser_options("postgres")).await.context("connect to the private database")?;
        for role in [OWNER_ROLE, APP_ROLE] {
            // Roles of this server only: the socket's folder keeps everybody else out.
            let sql = format!(
                "do $$ begin create role {role} login nosuperuser; exception when duplicate_object or unique_violation then null; end $$"
            );
            postgres.execute(sqlx::AssertSqlSafe(sql)).await.with_context(|| format!("create role {role}"))?;
        }
        let exists: bool = sqlx::query_scalar("select exists (select 1 from pg_database where datname = $1)")
            .bind(database)
            .fetch_one(&mut postgres)
            .await?;
        if !exists {
            let sql = format!("create database \"{database}\" owner {OWNER_ROLE}");
            postgres.execute(sqlx::AssertSqlSafe(sql)).await.context("create the database")?;
        }
        let mut inside = PgConnection::connect_with(&self.superuser_options(database)).await?;
        let available: bool = sqlx::query_scalar("select exists (select 1 from pg_available_extensions where name = 'vector')")
            .fetch_one(&mut inside)
            .await?;
        if available {
            inside.execute("create extension if not exists vector").await.context("create the vector extension")?;
        } else {
            warn!("this PostgreSQL has no pgvector: search will be lexical only");
        }
        Ok(available)
    }

    /// Stops the server and waits for it.
    pub fn stop(mut self) {
        self.stop_now();
    }

    fn stop_now(&mut self) {
        if let Some((stop, thread)) = self.stop.take() {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }

    fn wait_until_ready(&self, log: &Path) -> Result<()> {
        let begun = Instant::now();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime to wait in")?;
        // A thread of its own, since the caller may stand in a runtime already.
        let options = self.superuser_options("postgres");
        let pid = self.pid;
        thread::scope(|scope| {
            scope
                .spawn(move || {
                    runtime.block_on(async {
                        loop {
                            if PgConnection::connect_with(&options).await.is_ok() {
                                return Ok(());
                            }
                            if !alive(pid) || begun.elapsed() > START_LIMIT {
                                let tail = fs::read_to_string(log).unwrap_or_default();
                                let tail: Vec<&str> = tail.lines().rev().take(5).collect();
                                bail!(
                                    "the private database does not start; the end of {} says: {}",
                                    log.display(),
                                    tail.into_iter().rev().collect::<Vec<_>>().join(" | ")
                                );
                            }
                            tokio::time::sleep(Duration::from_millis(30)).await;
                        }
                    })
                })
                .join()
                .unwrap_or_else(|_| bail!("waiting for the private database failed"))
        })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop_now();
    }
}

fn socket_options(dir: &Path, user: &str, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass().socket(dir).username(user).database(database)
}

/// In the data folder, unless its path is too long for a socket (107 bytes): then in the system's temporary folder,
/// under a name made from the path.
fn socket_dir(data: &Path) -> PathBuf {
    let dir = data.join("run");
    if dir.as_os_str().len() + "/.s.PGSQL.5432.lock".len() < 100 {
        return dir;
    }
    use sha2::{Digest, Sha256};
    let name = hex::encode(&Sha256::digest(data.as_os_str().as_encoded_bytes())[..6]);
    std::env::temp_dir().join(format!("learnhub-{name}"))
}

/// The configured folder, else the newest of the system's that has the extension.
fn find_installation(configured: &Path) -> Result<PathBuf> {
    if configured.join("bin/postgres").exists() {
        return Ok(configured.to_owned());
    }
    let mut system: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path()).filter(|dir| dir.join("bin/postgres").exists()).collect())
        .unwrap_or_default();
    system.sort_by_key(|dir| dir.file_name().and_then(|name| name.to_string_lossy().parse::<u32>().ok()));
    system.pop().with_context(|| {
        format!(
            "no PostgreSQL in {} or /usr/lib/postgresql: run `make build`, or set assets.postgres or database.url",
            configured.display()
        )
    })
}

fn unprivileged_user(configured: &str) -> Result<Option<User>> {
    // SAFETY: geteuid has no preconditions and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
    let find = |name: &str| {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name))
                .then(|| Some(User { name: name.into(), uid: fields.nth(1)?.parse().ok()?, gid: fields.next()?.parse().ok()? }))?
        })
    };
    let candidates = if configured.is_empty() { vec!["learnhub", "postgres", "nobody"] } else { vec![configured] };
    let user = candidates.iter().find_map(|name| find(name));
    user.map(Some).with_context(|| {
        format!("PostgreSQL does not run as root and there is no user {}: set database.embedded_user", candidates.join(", "))
    })
}

fn become_user(command: &mut Command, user: Option<&User>) {
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid).env("HOME", "/").env("USER", &user.name);
    }
}

fn initialise(installation: &Path, cluster: &Path, user: Option<&User>) -> Result<()> {
    info!("initialising a private database in {}", cluster.display());
    let mut command = Command::new(installation.join("bin/initdb"));
    command.arg("-D").arg(cluster).args([
        "-U",
        SUPERUSER,
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--data-checksums",
        "--no-instructions",
    ]);
    command.current_dir("/").stdin(Stdio::null());
    become_user(&mut command, user);
    let output = command.output().with_context(|| format!("run {}/bin/initdb", installation.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let hint = user
            .map(|user| format!(" (it runs as {}, who must be able to reach that folder: choose another data.dir)", user.name))
            .unwrap_or_default();
        bail!("cannot initialise a database in {}{hint}: {}", cluster.display(), said.trim());
    }
    Ok(())
}

/// A killed program's server stops by itself when its parent dies; this waits for that, and helps.
fn wait_for_predecessor(cluster: &Path) -> Result<()> {
    let pid_of = || -> Option<i32> { fs::read_to_string(cluster.join("postmaster.pid")).ok()?.lines().next()?.trim().parse().ok() };
    let Some(pid) = pid_of() else { return Ok(()) };
    let is_ours =
        || fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(&*cluster.to_string_lossy()));
    let begun = Instant::now();
    let mut asked = false;
    while is_ours() && alive(pid) {
        if !asked {
            warn!(pid, "a database server of an earlier run is still there; waiting for it to stop");
            // SAFETY: kill takes plain numbers; the process was just seen to serve our own cluster.
            unsafe { libc::kill(pid, libc::SIGINT) };
            asked = true;
        }
        if begun.elapsed() > STOP_LIMIT {
            bail!("an earlier database server (pid {pid}) does not stop; end it and start again");
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

/// Starts the server from a thread of its own: the parent-death signal belongs to the thread that forks, and this
/// one lives until the server is stopped.
fn spawn(mut command: Command, user: Option<&User>, log: &Path) -> Result<(i32, Stop)> {
    let log = fs::OpenOptions::new().create(true).append(true).open(log).with_context(|| format!("open {}", log.display()))?;
    command.stdin(Stdio::null()).stdout(log.try_clone().context("share the server's log")?).stderr(log).current_dir("/");
    become_user(&mut command, user);
    // SAFETY: the closure runs between fork and exec and only calls async-signal-safe system calls.
    unsafe {
        command.pre_exec(|| {
            // Its own process group: Ctrl-C in a terminal is for us, who stop the server last.
            if libc::setpgid(0, 0) != 0 || libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGINT) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    let (started, wait_started) = mpsc::channel();
    let (stop, wait_stop) = mpsc::channel();
    let thread = thread::Builder::new()
        .name("postgres".into())
        .spawn(move || match command.spawn() {
            Ok(mut child) => {
                let _ = started.send(Ok(child.id() as i32));
                while child.try_wait().ok().flatten().is_none() {
                    match wait_stop.recv_timeout(Duration::from_millis(200)) {
                        Err(mpsc::RecvTimeoutError::Timeout) => {}
                        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => return stop_child(&mut child),
                    }
                }
                warn!("the private database has ended by itself");
            }
            Err(error) => drop(started.send(Err(error))),
        })
        .context("a thread for the private database")?;
    let pid = wait_started.recv().context("the database's thread ended early")?.context("start bin/postgres")?;
    Ok((pid, (stop, thread)))
}

fn stop_child(child: &mut Child) {
    let begun = Instant::now();
    for (signal, limit) in [(libc::SIGINT, STOP_LIMIT), (libc::SIGQUIT, STOP_LIMIT * 2)] {
        // SAFETY: kill takes plain numbers, and the child has not been waited for, so its pid is still its own.
        unsafe { libc::kill(child.id() as i32, signal) };
        while begun.elapsed() < limit {
            if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}
