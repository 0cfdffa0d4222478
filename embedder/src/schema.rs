//! The vectors' table. It is made when the server starts, not by a migration, so that a server without pgvector
//! starts and searches lexically.

use anyhow::{Context, Result};
use kernel::db::APP_ROLE;
use sqlx::{Connection, PgConnection};

use crate::runtime::Unavailable;

/// Iterative scans, without which a filtered HNSW query returns too few rows, came with this version.
const PGVECTOR_AT_LEAST: (u32, u32) = (0, 8);

/// Makes the extension, the table, its HNSW index and the program's rights on it, where they are missing.
///
/// `conn` belongs to the owner of the tables. The inner error says that the database has no usable pgvector, which is
/// no failure of the start.
pub async fn ensure(conn: &mut PgConnection) -> Result<Result<(), Unavailable>> {
    if let Some(unavailable) = extension(conn).await? {
        return Ok(Err(unavailable));
    }
    let mut tx = conn.begin().await.context("begin to make the vectors' table")?;
    // two starting processes would trip over each other's `create if not exists`
    sqlx::query("select pg_advisory_xact_lock(hashtext('embeddings'))").execute(&mut *tx).await?;
    for statement in [
        "create table if not exists embeddings (
           content_hash bytea not null check (length(content_hash) = 32), -- as in chunks; chunks that say the same share a vector
           model        text not null,
           version      integer not null,
           embedding    vector(384) not null,
           made_at      timestamptz not null default now(),
           primary key (content_hash, model, version)
         )",
        "create index if not exists embeddings_near on embeddings using hnsw (embedding vector_cosine_ops)",
    ] {
        sqlx::query(statement).execute(&mut *tx).await.context("make the vectors' table")?;
    }
    let app_exists: bool =
        sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)").bind(APP_ROLE).fetch_one(&mut *tx).await?;
    if app_exists {
        let grant = format!("grant select, insert, update, delete on embeddings to {APP_ROLE}");
        sqlx::query(sqlx::AssertSqlSafe(grant)).execute(&mut *tx).await.context("grant rights on the vectors' table")?;
    }
    tx.commit().await.context("make the vectors' table")?;
    Ok(Ok(()))
}

/// Whether the vectors' table is there: what decides, on every machine alike, whether an asset needs vectors.
pub async fn present(conn: &mut PgConnection) -> Result<bool> {
    sqlx::query_scalar("select to_regclass('embeddings') is not null").fetch_one(conn).await.context("look for the vectors' table")
}

/// Installs the extension if the server offers it and says what is wrong otherwise.
async fn extension(conn: &mut PgConnection) -> Result<Option<Unavailable>> {
    let installed: Option<String> = sqlx::query_scalar("select extversion from pg_extension where extname = 'vector'")
        .fetch_optional(&mut *conn)
        .await
        .context("look for pgvector")?;
    let version = match installed {
        Some(version) => version,
        None => {
            let offered: Option<String> = sqlx::query_scalar("select default_version from pg_available_extensions where name = 'vector'")
                .fetch_optional(&mut *conn)
                .await
                .context("look for pgvector")?;
            let Some(offered) = offered else {
                return Ok(Some(Unavailable::new(
                    "the database server has no pgvector",
                    "install pgvector 0.8 or newer on it and restart; until then search is lexical",
                )));
            };
            if let Err(error) = sqlx::query("create extension if not exists vector").execute(&mut *conn).await {
                return Ok(Some(Unavailable::new(
                    format!("pgvector is on the database server but not in this database: {error}"),
                    "run `create extension vector` there as a superuser and restart; until then search is lexical",
                )));
            }
            offered
        }
    };
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Ok((found < PGVECTOR_AT_LEAST).then(|| {
        Unavailable::new(
            format!("pgvector in this database is {version}"),
            "install 0.8 or newer and run `alter extension vector update`; until then search is lexical",
        )
    }))
}
