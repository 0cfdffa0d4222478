//! A world for tests: a temporary folder and a temporary database on a private PostgreSQL that the test process
//! starts once and that ends with it. The same backends as in production; nothing is imitated.
//!
//! `LEARNHUB_TEST_QUEUE` chooses the doorbell, `postgres` (without it) or `rabbitmq`, so that any suite runs with both.

mod rabbitmq;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::{Connection, PgConnection};

use crate::breaker::Breakers;
use crate::config::Config;
use crate::db::{self, Postgres, Replica};
use crate::env::{Clock, Env};
use crate::http::{Principal, Role, Tokens};
use crate::id::{AccountId, AssetId, CourseId};
use crate::jobs::ledger::{self, Ask, Claimed};
use crate::jobs::{Lane, Pools, Stage};
use crate::queue::rabbitmq::Pace;
use crate::queue::{PostgresBell, Queue, RabbitBell};
use crate::store::{Directory, Lives, ObjectStore, SourcesCache, UrlSigner, sources};

pub use rabbitmq::RabbitMq;

/// Which implementations a test runs with.
#[derive(Clone)]
pub struct Backends {
    /// None: PostgreSQL's notifications.
    pub broker: Option<Arc<RabbitMq>>,
}

impl Backends {
    /// As the environment says. Blocks while servers start.
    pub fn chosen() -> Self {
        let broker = match std::env::var("LEARNHUB_TEST_QUEUE").as_deref() {
            Err(_) | Ok("" | "postgres") => None,
            Ok("rabbitmq") => Some(RabbitMq::shared()),
            Ok(other) => panic!("LEARNHUB_TEST_QUEUE is postgres or rabbitmq, not {other:?}"),
        };
        Self { broker }
    }
}

/// The times of a broker's bell in tests, so that nobody waits for long.
pub const PACE: Pace = Pace {
    hold: Duration::from_secs(5),
    again: Some(Duration::from_millis(300)),
    election: Duration::from_millis(50),
    retry: Duration::from_millis(300),
};

/// How long signed addresses live in tests.
pub const LIVES: Lives = Lives { media: time::Duration::minutes(10), stream: time::Duration::minutes(5) };

/// An [`Env`] of a test's own. Dropping it removes its folder; the database goes with the server.
pub struct TestEnv {
    pub env: Env,
    /// Superuser connection options to the test's database, for looking behind the curtain.
    pub superuser: sqlx::postgres::PgConnectOptions,
    _dir: tempfile::TempDir,
}

/// The server of this test process and the folder it lives in.
struct Server {
    postgres: Postgres,
    dir: PathBuf,
}

static SERVER: OnceLock<Server> = OnceLock::new();

/// Statics are never dropped: what the test process leaves is taken away when it exits.
extern "C" fn clear_away() {
    if let Some(server) = SERVER.get() {
        // SAFETY: kill takes plain numbers; the server was started by this process and ends with it at the latest.
        unsafe { libc::kill(server.postgres.pid(), libc::SIGQUIT) };
        let _ = std::fs::remove_dir_all(&server.dir);
    }
}

fn server() -> &'static Server {
    SERVER.get_or_init(|| {
        let config = config();
        // Short, world-reachable path: as root the server runs as somebody else, and sockets have short names.
        let dir = tempfile::Builder::new().prefix("lh-test.").tempdir_in("/tmp").expect("a folder in /tmp");
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("open the folder");
        let postgres = Postgres::start(&config.paths.postgres, dir.path(), "").expect("a private PostgreSQL: run `make build` first");
        // SAFETY: the handler is a plain function that lives as long as the process.
        unsafe { libc::atexit(clear_away) };
        Server { postgres, dir: dir.keep() }
    })
}

fn config() -> Config {
    let mut env: BTreeMap<String, String> =
        std::env::vars().filter(|(key, _)| !key.starts_with("LEARNHUB_") || key == "LEARNHUB_CACHE").collect();
    for stage in Stage::ALL {
        env.insert(format!("LEARNHUB_STAGES_{}_BACKOFF_SECONDS", stage.as_str().to_uppercase()), "0.01".into());
    }
    env.insert("LEARNHUB_DATABASE_MAX_CONNECTIONS".into(), "8".into());
    Config::from_parts(None, &env).expect("the default configuration")
}

fn bell(config: &Config) -> Arc<dyn Queue> {
    match config.queue.url.as_str() {
        "" => PostgresBell::silent(),
        url => RabbitBell::with_pace(url, &config.queue.prefix, PACE).expect("the address of the test's broker"),
    }
}

/// A fresh store of the kind that LEARNHUB_TEST_STORE names.
async fn store(config: &mut Config) -> Arc<dyn ObjectStore> {
    match std::env::var("LEARNHUB_TEST_STORE").as_deref() {
        Err(_) | Ok("" | "directory") => Arc::new(Directory::open(&config.paths.objects).expect("open the store")),
        #[cfg(feature = "testing")]
        Ok("s3") => {
            config.store = crate::testing_s3::S3Server::shared().bucket();
            Arc::new(crate::store::S3::new(&config.store).await)
        }
        Ok(other) => panic!("LEARNHUB_TEST_STORE is directory or s3 (with kernel's feature `testing`), not {other}"),
    }
}

impl TestEnv {
    /// A fresh folder and a fresh, migrated database, on the backends that the environment chooses.
    pub async fn new() -> Self {
        Self::with(tokio::task::spawn_blocking(Backends::chosen).await.expect("the backends")).await
    }

    /// As [`TestEnv::new`], on these backends.
    pub async fn with(backends: Backends) -> Self {
        let server = tokio::task::spawn_blocking(server).await.expect("the test server");
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        let vectors = server.postgres.provision(&name).await.expect("a database for the test");
        let as_role = |role: &str| server.postgres.superuser_options(&name).username(role);
        let mut owner = PgConnection::connect_with(&as_role(db::OWNER_ROLE)).await.expect("connect as owner");
        db::migrate(&mut owner).await.expect("migrate");
        assert!(vectors, "the runtime assets' PostgreSQL has pgvector");
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut config = config();
        config.paths.data = dir.path().to_owned();
        config.paths.objects = dir.path().join("objects");
        config.paths.scratch = dir.path().join("scratch");
        config.paths.index = dir.path().join("index");
        if let Some(broker) = &backends.broker {
            config.queue.url = broker.url();
            config.queue.prefix = name.clone();
        }
        let pool = db::connect(as_role(db::APP_ROLE), &config.database).await.expect("connect as the program");
        let store = store(&mut config).await;
        let config = Arc::new(config);
        let env = Env {
            pools: Pools::new(&config),
            forecaster: Arc::default(),
            replica: Replica::none(pool.clone()),
            db: pool,
            store,
            sources: Arc::new(SourcesCache::new(config.paths.scratch.clone())),
            signer: Arc::new(UrlSigner::new([1; 32], LIVES)),
            tokens: Arc::new(Tokens::new(&[2; 32], time::Duration::minutes(60))),
            bell: bell(&config),
            clock: Clock::real(),
            breakers: Breakers::new(),
            config,
        };
        Self { env, superuser: server.postgres.superuser_options(&name), _dir: dir }
    }

    /// The same world as another process sees it, with connections and a bell of its own, which listens. Closing its
    /// pool is that process' end.
    pub async fn another(&self) -> Env {
        let db =
            db::connect(self.superuser.clone().username(db::APP_ROLE), &self.env.config.database).await.expect("connect as the program");
        let env = Env { db, bell: bell(&self.env.config), ..self.env.clone() };
        env.bell.clone().listen(env.db.clone()).await.expect("listen");
        self.until("the bell is connected", async || env.bell.connected()).await;
        env
    }

    /// Connects as the owner of the tables, for what the program itself may not do.
    pub async fn owner(&self) -> PgConnection {
        PgConnection::connect_with(&self.superuser.clone().username(db::OWNER_ROLE)).await.expect("connect as owner")
    }

    /// An account of its own for a test, which cannot sign in.
    pub async fn account(&self, role: Role) -> Principal {
        let id = AccountId::new();
        sqlx::query("insert into accounts (id, email, name, password_hash, role) values ($1, $2, $3, 'x', $4)")
            .bind(id.0)
            .bind(format!("{id}@example.org"))
            .bind(format!("Person {id}"))
            .bind(role.as_str())
            .execute(&self.env.db)
            .await
            .expect("an account");
        Principal { account_id: id, role }
    }

    /// A course of this owner, in this state.
    pub async fn course(&self, owner: &Principal, state: &str) -> CourseId {
        let id = CourseId::new();
        sqlx::query("insert into courses (id, owner_id, title, state) values ($1, $2, 'A course', $3)")
            .bind(id.0)
            .bind(owner.account_id.0)
            .bind(state)
            .execute(&self.env.db)
            .await
            .expect("a course");
        id
    }

    /// Enrols the account in the course.
    pub async fn enrol(&self, who: &Principal, course: CourseId) {
        sqlx::query("insert into enrollments (id, course_id, account_id) values ($1, $2, $3)")
            .bind(crate::id::EnrollmentId::new().0)
            .bind(course.0)
            .bind(who.account_id.0)
            .execute(&self.env.db)
            .await
            .expect("an enrollment");
    }

    /// A stored source and a fresh asset over it, still in processing; no job is enqueued.
    pub async fn asset(&self, owner: &Principal, course: CourseId, file_name: &str, bytes: &[u8]) -> AssetId {
        let mut incoming = self.env.incoming().await.expect("an upload");
        incoming.write(bytes).await.expect("write the upload");
        let received = incoming.finish().await.expect("finish the upload");
        received.store(self.env.store.as_ref()).await.expect("store the upload");
        let mut conn = self.env.db.acquire().await.expect("a connection");
        sources::record(&mut conn, self.env.store.as_ref(), &received).await.expect("a source row");
        let id = AssetId::new();
        sqlx::query("insert into assets (id, course_id, owner_id, file_name, title, source_sha256) values ($1, $2, $3, $4, $4, $5)")
            .bind(id.0)
            .bind(course.0)
            .bind(owner.account_id.0)
            .bind(file_name)
            .bind(&received.sha256[..])
            .execute(&self.env.db)
            .await
            .expect("an asset row");
        id
    }

    /// A bearer token for this account.
    pub fn bearer(&self, who: &Principal) -> String {
        format!("Bearer {}", self.env.tokens.issue(who, self.env.clock.now()).expect("a token"))
    }

    /// Waits, without limit on count but on time, until the condition holds.
    pub async fn until<F, Fut>(&self, what: &str, mut holds: F)
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = bool>,
    {
        let waiting = async {
            while !holds().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap_or_else(|_| panic!("never came true: {what}"));
    }
}

/// Claims the next job of a stage as some worker would, after what the sweep would do before.
pub async fn claim_one(db: &sqlx::PgPool, stage: Stage, worker: &str, lease: Duration) -> Option<Claimed> {
    ledger::ripen(db).await.expect("queue what is due again");
    let kinds = crate::pipeline::kinds();
    let ask = Ask { stage, worker, lease, most: 1, lanes: &Lane::ALL, kinds: &kinds, waited: None, called: false, attempts: 0, cluster: 0 };
    ledger::claim(db, &ask).await.expect("claim a job").pop()
}
