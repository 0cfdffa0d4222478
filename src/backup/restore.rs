//! `learnhub restore`: a snapshot into an empty installation. Everything is verified before anything is written.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use kernel::config::Config;
use kernel::db::{self, MIGRATIONS, Postgres};
use kernel::env::Env;
use kernel::events::Cause;
use kernel::jobs;
use kernel::pipeline::UpdateIndex;
use kernel::store::Key;
use serde::Serialize;
use sqlx::{Connection, PgConnection};
use time::OffsetDateTime;

use super::{Manifest, Repository, SECRET, tables, verify};
use crate::world::{Claim, World};

/// What a restore did.
#[derive(Debug, Serialize)]
pub struct Restored {
    pub snapshot: PathBuf,
    #[serde(with = "time::serde::rfc3339")]
    pub taken_at: OffsetDateTime,
    pub rows: u64,
    pub objects: usize,
}

/// Puts the newest snapshot, or the newest not younger than `at`, in place of what is there. What is there must be
/// empty unless `force`.
pub async fn restore(config: Config, root: &Path, at: Option<OffsetDateTime>, force: bool) -> Result<Restored> {
    let repository = Repository::new(root);
    let Some((folder, manifest)) = repository.newest(at)? else {
        match at {
            Some(at) => bail!("{} has no snapshot as old as {at}", root.display()),
            None => bail!("{} holds no backup", root.display()),
        }
    };
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
    ensure!(
        manifest.migration <= newest,
        "the backup was made by learnhub {}, whose schema is newer than this program's: use that version",
        manifest.version
    );
    let manifest = tokio::task::spawn_blocking({
        let folder = folder.clone();
        let repository = Repository::new(root);
        move || check(&repository, &folder, &manifest).map(|()| manifest)
    })
    .await??;
    if let Some(secret) = &manifest.secret
        && config.security.secret.is_empty()
    {
        place_secret(&config, &folder.join(SECRET), &secret.sha256, force)?;
    }
    let embedded = config.database.url.is_empty();
    if !embedded && config.database.owner_url.is_empty() {
        bail!("set database.owner_url: a restore makes the tables anew, as their owner");
    }
    let owner = match embedded {
        true => Postgres::owner_options(&config.paths.data),
        false => db::options(&config.database.owner_url, "database.owner_url")?,
    };
    let world = World::open(config, if embedded { Claim::Own } else { Claim::Join }).await?;
    let outcome = async {
        let mut conn = db::connect_one(&owner).await?;
        refuse_what_is_there(&mut conn, &world.env, force).await?;
        for object in &manifest.objects {
            world.env.store.put_file(&Key::parse(&object.key)?, &repository.object(&object.key)).await?;
        }
        fill(&mut conn, &folder, &manifest).await?;
        // It is about other rows; the next start makes one of these.
        match std::fs::remove_dir_all(&world.env.config.paths.index) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context("remove the old index"),
            _ => Ok(()),
        }
    }
    .await;
    world.close().await;
    outcome?;
    let rows = manifest.tables.iter().map(|table| table.rows).sum();
    Ok(Restored { snapshot: folder, taken_at: manifest.taken_at, rows, objects: manifest.objects.len() })
}

/// Reads every file of the snapshot once and names the first that is not what it was.
fn check(repository: &Repository, folder: &Path, manifest: &Manifest) -> Result<()> {
    for table in &manifest.tables {
        verify(&folder.join(format!("{}.copy", table.name)), table.file.bytes, &table.file.sha256)?;
    }
    if let Some(secret) = &manifest.secret {
        verify(&folder.join(SECRET), secret.bytes, &secret.sha256)?;
    }
    for object in &manifest.objects {
        Key::parse(&object.key)?;
        verify(&repository.object(&object.key), object.bytes, &object.sha256)?;
    }
    Ok(())
}

/// The signatures on addresses and tokens stay good only under the same secret.
fn place_secret(config: &Config, from: &Path, sha256: &str, force: bool) -> Result<()> {
    std::fs::create_dir_all(&config.paths.data).with_context(|| format!("create {}", config.paths.data.display()))?;
    let to = config.paths.data.join(SECRET);
    if to.exists() && !force && verify(&to, 0, sha256).is_err() {
        bail!("{} has a secret of its own, so it is in use: restore into an empty folder, or use --force", config.paths.data.display());
    }
    let secret = std::fs::read(from).with_context(|| format!("read {}", from.display()))?;
    super::write_durably(&to, &secret)?;
    std::fs::set_permissions(&to, std::os::unix::fs::PermissionsExt::from_mode(0o600)).context("close the secret to others")
}

async fn refuse_what_is_there(conn: &mut PgConnection, env: &Env, force: bool) -> Result<()> {
    if force {
        return Ok(());
    }
    let filled = tables::filled(conn).await?;
    ensure!(filled.is_empty(), "the database is not empty (rows in {}): use an empty one, or --force to replace it", filled.join(", "));
    for prefix in ["sources", "assets", "certificates"] {
        let listed = env.store.list(prefix).await?;
        ensure!(listed.is_empty(), "the object store is not empty ({} under {prefix}/): use an empty one, or --force", listed.len());
    }
    Ok(())
}

/// The schema of the backup's day, its rows, and then the migrations that came later.
async fn fill(conn: &mut PgConnection, folder: &Path, manifest: &Manifest) -> Result<()> {
    tables::drop_all(conn).await?;
    MIGRATIONS.run_to(manifest.migration, &mut *conn).await.context("make the tables of the backup's version")?;
    let vectors = embedder::schema::ensure(conn).await?.is_ok();
    let mut tx = conn.begin().await.context("begin to fill the tables")?;
    for table in &manifest.tables {
        if table.name == "embeddings" && !vectors {
            // Vectors are derived: where there is no pgvector, search is lexical until there is.
            continue;
        }
        tables::load(&mut tx, table, &folder.join(format!("{}.copy", table.name))).await?;
    }
    for sequence in &manifest.sequences {
        sqlx::query("select setval($1::regclass, $2)")
            .bind(tables::quoted(&sequence.name))
            .bind(sequence.value)
            .execute(&mut *tx)
            .await
            .with_context(|| format!("set sequence {}", sequence.name))?;
    }
    take_up(&mut tx).await?;
    tx.commit().await.context("fill the tables")?;
    db::migrate(conn).await?;
    embedder::schema::ensure(conn).await?.ok();
    let mut tx = conn.begin().await?;
    jobs::enqueue(&mut tx, UpdateIndex {}, &Cause::default()).await?;
    tx.commit().await.context("ask for a new index")
}

/// What ran when the backup was made runs nowhere now, and the full-text index is made anew.
async fn take_up(conn: &mut PgConnection) -> Result<()> {
    // One of each dedupe key may wait; the others are the same work.
    sqlx::query(
        "update jobs set state = 'cancelled', lease_until = null, ended_at = now(), failure_class = 'transient',
                failure_code = 'superseded', failure_reason = 'the same work was queued again meanwhile'
          where state = 'running' and dedupe_key is not null
            and exists (select from jobs other where other.dedupe_key = jobs.dedupe_key
                           and (other.state in ('queued', 'parked') or other.state = 'running' and other.id < jobs.id))",
    )
    .execute(&mut *conn)
    .await
    .context("end jobs that wait already")?;
    sqlx::query("update jobs set state = 'queued', lease_until = null, run_at = now() where state = 'running'")
        .execute(&mut *conn)
        .await
        .context("queue what ran")?;
    sqlx::query("delete from index_state").execute(&mut *conn).await.context("forget the old index")?;
    sqlx::query(
        "insert into index_dirty (asset_id) select id from assets on conflict (asset_id) do update set mark = nextval('index_marks')",
    )
    .execute(conn)
    .await
    .context("mark everything for the index")?;
    Ok(())
}
