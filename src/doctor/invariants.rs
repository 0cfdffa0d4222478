//! The invariants of everything stored, as `docs` and ARCHITECTURE.md name them. Each is a question to rows, objects
//! and index that must have no answer; what is found is named by id.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result};
use futures::StreamExt;
use kernel::env::Env;
use kernel::store::{Key, Prefix};
use sha2::{Digest, Sha256};

use super::{Finding, effects};
use crate::janitor;

/// How many offenders a line names.
const NAMED: usize = 5;

/// All invariants that hold whenever nothing is in flight, and most while something is.
pub async fn all(env: &Env) -> Vec<Finding> {
    vec![
        finding("I1", "every accepted upload is in work, published or failed with a reason", i1(env).await),
        finding("I2", "stored bytes equal the SHA-256 that was acknowledged", i2(env).await),
        finding("I3", "exactly one live version per asset, and it is whole", i3(env).await),
        finding("I4", "what is published has all its parts, and nothing else is visible", i4(env).await),
        finding("I5", "chunks = index documents = vectors, ordinals without gaps", i5(env).await),
        finding("I6", "each outward effect happened once per key", effects::i6(env).await),
        finding("I7", "no object and no scratch file is orphaned", i7(env).await),
        finding("I8", "attempts within their limit, and what is dead has a reason", i8(env).await),
        finding("I9", "an event is recorded if and only if its transaction committed", effects::i9(env).await),
    ]
}

fn finding(name: &'static str, meaning: &str, offenders: Result<Vec<String>>) -> Finding {
    match offenders {
        Ok(offenders) if offenders.is_empty() => Finding::ok(name, meaning),
        Ok(offenders) => {
            let more = if offenders.len() > NAMED { format!(" and {} more", offenders.len() - NAMED) } else { String::new() };
            let named = offenders.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
            Finding::fail(
                name,
                format!("{meaning}: not so for {named}{more}"),
                if name == "I5" {
                    "run `learnhub index rebuild`, and please report it"
                } else {
                    "please report this: it should not be possible"
                },
            )
        }
        Err(error) => Finding::fail(name, format!("{meaning}: cannot be checked: {error:#}"), "mend that and look again"),
    }
}

async fn i1(env: &Env) -> Result<Vec<String>> {
    sqlx::query_scalar!(
        "select 'asset ' || a.id || ' is ' || case a.state when 'published' then 'not complete' else 'processing' end || ', but nothing works for it' as \"offender!\"
           from assets a
          where (a.state = 'processing' or exists (select 1 from streams s where s.asset_id = a.id and not s.complete))
            and not exists (select 1 from jobs j where j.asset_id = a.id and j.state in ('queued', 'running', 'parked'))
            and not exists (select 1 from index_dirty d where d.asset_id = a.id)"
    )
    .fetch_all(&env.db)
    .await
    .context("look for forgotten assets")
}

async fn i2(env: &Env) -> Result<Vec<String>> {
    let mut offenders = Vec::new();
    for row in sqlx::query!("select sha256, bytes from sources order by sha256").fetch_all(&env.db).await.context("list sources")? {
        let key = Key::source(&row.sha256);
        match digest(env, &key).await {
            Ok((hash, bytes)) if hash == row.sha256 && bytes == row.bytes as u64 => {}
            Ok((_, bytes)) => offenders.push(format!("{key} ({bytes} bytes) has other contents")),
            Err(error) => offenders.push(format!("{key}: {error:#}")),
        }
    }
    for row in sqlx::query!("select object_key as \"key!\", sha256 as \"sha256!\" from certificates where object_key is not null")
        .fetch_all(&env.db)
        .await?
    {
        match digest(env, &Key::parse(&row.key)?).await {
            Ok((hash, _)) if hash == row.sha256 => {}
            Ok(_) => offenders.push(format!("{} has other contents", row.key)),
            Err(error) => offenders.push(format!("{}: {error:#}", row.key)),
        }
    }
    Ok(offenders)
}

async fn digest(env: &Env, key: &Key) -> Result<(Vec<u8>, u64)> {
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut stream = env.store.open(key, None).await?;
    while let Some(part) = stream.next().await {
        let part = part.context("read the object")?;
        hash.update(&part);
        bytes += part.len() as u64;
    }
    Ok((hash.finalize().to_vec(), bytes))
}

async fn i3(env: &Env) -> Result<Vec<String>> {
    let mut offenders = sqlx::query_scalar!(
        "select 'asset ' || v.id || ' is a version of ' || s.id || ', which is a version itself' as \"offender!\"
           from assets v join assets s on s.id = v.version_of where s.version_of is not null
         union all
         select 'asset ' || coalesce(version_of, id) || ' has version ' || version || ' ' || count(*) || ' times'
           from assets group by coalesce(version_of, id), version having count(*) > 1
         union all
         select 'asset ' || a.id || ' waits for version ' || a.next_version || ', which is none of its own or not in work'
           from assets a left join assets n on n.id = a.next_version and n.version_of = a.id and n.state in ('processing', 'failed')
          where a.next_version is not null and n.id is null
         union all
         select 'version ' || a.id || ' is kept without its ' || case when a.kind in ('video', 'audio') then 'stream' else 'document' end
           from assets a
          where a.state = 'kept'
            and case when a.kind in ('video', 'audio') then not exists (select 1 from streams s where s.asset_id = a.id and s.complete)
                     else not exists (select 1 from documents d where d.asset_id = a.id) end"
    )
    .fetch_all(&env.db)
    .await
    .context("look at the versions of assets")?;
    for row in sqlx::query!("select asset_id, prefix, manifest from streams").fetch_all(&env.db).await.context("list streams")? {
        let prefix = Prefix::parse(&row.prefix)?;
        let manifest: transcode::Manifest =
            serde_json::from_value(row.manifest).with_context(|| format!("manifest of asset {}", row.asset_id))?;
        let stored: HashSet<Key> = env.store.list(prefix.as_str()).await?.into_iter().map(|(key, _)| key).collect();
        for file in manifest.files() {
            if !stored.contains(&Key::in_prefix(&prefix, &file)?) {
                offenders.push(format!("asset {} lacks {file}", row.asset_id));
            }
        }
    }
    Ok(offenders)
}

async fn i4(env: &Env) -> Result<Vec<String>> {
    sqlx::query_scalar!(
        "select 'asset ' || a.id || ' is published without its ' || case when a.kind in ('video', 'audio') then 'stream' else 'document' end as \"offender!\"
           from assets a
          where a.state = 'published'
            and case when a.kind in ('video', 'audio') then not exists (select 1 from streams s where s.asset_id = a.id)
                     else not exists (select 1 from documents d where d.asset_id = a.id) end"
    )
    .fetch_all(&env.db)
    .await
    .context("look for assets that are published in part")
}

async fn i5(env: &Env) -> Result<Vec<String>> {
    let indexed = super::index(env).await?.map(|(_, counts)| counts).unwrap_or_default();
    let mut conn = env.db.acquire().await?;
    let vectors: Option<HashMap<_, _>> = if env.config.embedder.enabled && embedder::schema::present(&mut conn).await? {
        Some(embedder::vectors::counts(&mut conn).await?.into_iter().collect())
    } else {
        None
    };
    let rows = sqlx::query!(
        "select a.id, a.state, count(c.id) as \"chunks!\", coalesce(max(c.ordinal) + 1, 0) as \"ordinals!\"
           from assets a left join chunks c on c.asset_id = a.id
          where a.state <> 'processing' and not exists (select 1 from index_dirty d where d.asset_id = a.id)
          group by a.id"
    )
    .fetch_all(&mut *conn)
    .await
    .context("count chunks")?;
    let mut offenders = Vec::new();
    for row in rows {
        let id = row.id.into();
        if i64::from(row.ordinals) != row.chunks {
            offenders.push(format!("asset {id} has {} chunks and ordinals up to {}", row.chunks, row.ordinals));
        }
        let wanted = if row.state == "published" { row.chunks } else { 0 };
        let documents = indexed.get(&id).copied().unwrap_or(0) as i64;
        if documents != wanted {
            offenders.push(format!("asset {id} has {wanted} chunks and {documents} index documents"));
        }
        if let Some(vectors) = &vectors
            && row.state == "published"
        {
            let made = vectors.get(&id).copied().unwrap_or(0);
            if made != row.chunks {
                offenders.push(format!("asset {id} has {} chunks and {made} vectors", row.chunks));
            }
        }
    }
    Ok(offenders)
}

async fn i7(env: &Env) -> Result<Vec<String>> {
    let mut offenders: Vec<String> = janitor::orphans(env).await?.into_iter().map(|key| key.to_string()).collect();
    offenders.extend(janitor::stale_scratch(&env.config.paths.scratch)?.into_iter().map(|path| path.display().to_string()));
    Ok(offenders)
}

async fn i8(env: &Env) -> Result<Vec<String>> {
    sqlx::query_scalar!(
        "select 'job ' || id || ' (' || kind || ')' as \"offender!\" from jobs
          where failures > max_failures or (state = 'dead' and (failure_code is null or failure_reason is null))"
    )
    .fetch_all(&env.db)
    .await
    .context("look for jobs beyond their limit")
}
