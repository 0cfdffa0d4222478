//! Connections, migrations and the roles that hold them.
//!
//! Two roles: the owner of the tables migrates, the program's own role (`learnhub_app`) works. The latter is neither
//! superuser nor owner and cannot rewrite what happened (`events`).

mod embedded;
mod replica;

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};

use crate::config;

pub use embedded::Postgres;
pub use replica::Replica;

/// The program's role in the embedded database, and the one that migrations grant to when it exists.
pub const APP_ROLE: &str = "learnhub_app";
/// The owner of the tables in the embedded database.
pub const OWNER_ROLE: &str = "learnhub_owner";

/// How long the start waits for the database.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// The schema, compiled in.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

/// A pool of connections for this process, of which one is made now. Fails with the key to look at.
pub async fn connect(options: PgConnectOptions, settings: &config::Database) -> Result<PgPool> {
    let host = options.get_host().to_owned();
    let options = with_settings(options, settings);
    // Not through the pool: that would try again until its patience ends, and say nothing but that.
    let trial = tokio::time::timeout(START_PATIENCE, PgConnection::connect_with(&options)).await;
    match trial {
        Ok(Ok(conn)) => drop(conn.close().await),
        Ok(Err(error)) => return Err(refused(error, &host)),
        Err(_) => bail!(
            "the database at {host} does not answer within {START_PATIENCE:?}: check database.url, and that the server can be reached"
        ),
    }
    Ok(pool(options, settings))
}

/// A pool that makes its connections when they are asked for.
fn pool(options: PgConnectOptions, settings: &config::Database) -> PgPool {
    let or_never = |seconds: f64| (seconds > 0.0).then(|| Duration::from_secs_f64(seconds));
    PgPoolOptions::new()
        .max_connections(settings.max_connections)
        .acquire_timeout(Duration::from_secs_f64(settings.acquire_timeout_seconds))
        .idle_timeout(or_never(settings.idle_timeout_seconds))
        .max_lifetime(or_never(settings.max_lifetime_seconds))
        .connect_lazy_with(options)
}

fn with_settings(options: PgConnectOptions, settings: &config::Database) -> PgConnectOptions {
    let limit = (settings.statement_timeout_seconds * 1000.0) as u64;
    // A holder that was stopped, or whose host is gone, in the middle of its finishing transaction keeps its rows locked,
    // and whoever wants to rescue its job would wait for them: the server ends such a session, also one that nobody hears.
    let guards = [
        ("idle_in_transaction_session_timeout", "20000"),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
        ("tcp_user_timeout", "20000"),
    ];
    options.application_name("learnhub").options([("statement_timeout", limit.to_string())]).options(guards)
}

/// What is wrong with the configured database, and which key mends it. PostgreSQL's codes are those of its manual.
fn refused(error: sqlx::Error, host: &str) -> anyhow::Error {
    let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned()).unwrap_or_default();
    let fix = match code.as_str() {
        "28P01" | "28000" => "the user or the password in database.url is wrong, or the server's pg_hba.conf does not let this user in",
        "3D000" => "there is no such database: make it, or set database.url to one that exists",
        "53300" => "it has no connections left: lower database.max_connections here or elsewhere, or raise its max_connections",
        "57P03" => "it is starting up: try again in a moment",
        _ => "check database.url, and that the server runs",
    };
    anyhow::Error::from(error).context(format!("connect to the database at {host}: {fix}"))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::testing::TestEnv;

    #[tokio::test]
    async fn a_start_that_cannot_connect_names_the_key_and_what_is_wrong_and_not_the_password() {
        let test = TestEnv::new().await;
        let settings = &test.env.config.database;
        let cases = [
            (test.superuser.clone().database("nobody-made-this"), "no such database"),
            (test.superuser.clone().username("stranger").password("hushhush"), "user or the password"),
            (options("postgres://me:hushhush@127.0.0.1:1/x", "database.url").unwrap(), "that the server runs"),
        ];
        for (options, wanted) in cases {
            let error = format!("{:#}", connect(options, settings).await.unwrap_err());
            assert!(error.contains(wanted) && error.contains("database.url") || error.contains("no such database"), "{error}");
            assert!(!error.contains("hushhush"), "{error}");
        }
        let error = options("postgres://me:hush hush@host:port/x", "database.url").unwrap_err().to_string();
        assert!(error.contains("database.url") && !error.contains("hush"), "{error}");
    }

    #[tokio::test]
    async fn a_statement_that_takes_too_long_is_cancelled() {
        let test = TestEnv::new().await;
        let mut settings = test.env.config.database.clone();
        settings.statement_timeout_seconds = 0.05;
        let options = Arc::unwrap_or_clone(test.env.db.connect_options());
        let impatient = connect(options, &settings).await.unwrap();
        let error = sqlx::query("select pg_sleep(60)").execute(&impatient).await.unwrap_err();
        assert_eq!(error.as_database_error().and_then(|error| error.code()).as_deref(), Some("57014"));
    }
}
