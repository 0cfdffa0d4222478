//! Connections, migrations and the roles that hold them.
//!
//! Two roles: the owner of the tables migrates, the program's own role (`learnhub_app`) works. The latter is neither
//! superuser nor owner and cannot rewrite what happened (`events`).

mod embedded;

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, Executor, PgConnection, PgPool};

pub use embedded::Postgres;

/// The program's role in the embedded database, and the one that migrations grant to when it exists.
pub const APP_ROLE: &str = "learnhub_app";
/// The owner of the tables in the embedded database.
pub const OWNER_ROLE: &str = "learnhub_owner";

/// The schema, compiled in.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

/// A pool of connections for this process.
pub async fn connect(options: PgConnectOptions, max_connections: u32) -> Result<PgPool> {
    let host = options.get_host().to_owned();
    // A holder that was stopped, or whose host is gone, in the middle of its finishing transaction keeps its rows locked,
    // and whoever wants to rescue its job would wait for them: the server ends such a session, also one that nobody hears.
    let guards = "set idle_in_transaction_session_timeout = '20s'; set tcp_keepalives_idle = 10; \
                  set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3; set tcp_user_timeout = '20s'";
    PgPoolOptions::new()
        .after_connect(move |conn, _| Box::pin(async move { conn.execute(guards).await.map(drop) }))
        .max_connections(max_connections)
        .acquire_timeout(Duration::from_secs(5))
        .connect_with(options.application_name("learnhub"))
        .await
        .with_context(|| format!("connect to the database at {host}: check database.url, and that the server runs"))
}

/// Options out of a URL, whose password never gets into a message.
pub fn options(url: &str, key: &str) -> Result<PgConnectOptions> {
    PgConnectOptions::from_str(url)
        .map_err(|_| anyhow::anyhow!("{key} is not a PostgreSQL URL such as postgres://user:password@host/database"))
}

/// Brings the schema up to date as its owner and grants to the program's role what it needs.
pub async fn migrate(owner: &mut PgConnection) -> Result<()> {
    MIGRATIONS.run(&mut *owner).await.context("migrate the database")?;
    let app_exists: bool = sqlx::query_scalar("select exists (select 1 from pg_roles where rolname = $1)")
        .bind(APP_ROLE)
        .fetch_one(&mut *owner)
        .await
        .context("look for the program's role")?;
    if app_exists {
        for grant in [
            "grant usage on schema public to learnhub_app",
            "grant select, insert, update, delete on all tables in schema public to learnhub_app",
            "grant usage, select on all sequences in schema public to learnhub_app",
            "revoke update, delete on events from learnhub_app",
            "revoke insert, update, delete on _sqlx_migrations from learnhub_app",
        ] {
            sqlx::query(grant).execute(&mut *owner).await.with_context(|| grant.to_owned())?;
        }
    }
    Ok(())
}

/// How many migrations the database lacks; zero when it is up to date.
pub async fn pending_migrations(db: &PgPool) -> Result<usize> {
    let applied: Vec<i64> = sqlx::query_scalar("select version from _sqlx_migrations where success")
        .fetch_all(db)
        .await
        .context("read the applied migrations")?;
    Ok(MIGRATIONS.iter().filter(|migration| !applied.contains(&migration.version)).count())
}

/// Refuses to work as a role that row security and grants do not bind.
pub async fn refuse_superuser(db: &PgPool) -> Result<()> {
    let superuser: bool = sqlx::query_scalar("select rolsuper from pg_roles where rolname = current_user")
        .fetch_one(db)
        .await
        .context("look at our own role")?;
    if superuser {
        bail!("database.url connects as a superuser; use a role of its own, as docs/operations.md shows");
    }
    Ok(())
}

/// One connection outside of any pool.
pub async fn connect_one(options: &PgConnectOptions) -> Result<PgConnection> {
    PgConnection::connect_with(options).await.context("connect to the database as the owner of its tables")
}
