//! The whole index made anew from Postgres, aside, while the old one is still being searched.

use anyhow::{Context, Result};
use kernel::env::Env;
use kernel::events::Cause;
use kernel::id::AssetId;

use crate::entry::{self, Entry};
use crate::folder;
use crate::marks::{self, Held};
use crate::writer::{Exclusive, open_writer, put};

/// Assets read at a time.
const PAGE: i64 = 64;

/// What a rebuild came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Rebuilt {
    pub assets: u64,
    pub chunks: u64,
}

/// Reads every asset, writes a new index in a fresh folder, swaps, and then forgets the marks that were there before
/// reading began.
pub(crate) async fn rebuild(
    env: &Env,
    exclusive: &mut Exclusive<'_>,
    cause: &Cause,
    report: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<Rebuilt> {
    exclusive.root.sweep().context("remove abandoned indexes")?;
    let (seen, total) = {
        let mut conn = env.db.acquire().await?;
        (marks::oldest(&mut conn, i64::MAX).await?, entry::count(&mut conn).await?)
    };
    let fresh = exclusive.root.fresh().context("make a folder for the index")?;
    let (index, fields) = folder::create(&fresh).context("make an index")?;
    let mut writer = open_writer(&index)?;

    let mut rebuilt = Rebuilt::default();
    let mut held = Vec::new();
    let mut after: Option<AssetId> = None;
    loop {
        report(rebuilt.assets, total.max(rebuilt.assets));
        let entries = page(env, &mut after).await?;
        if entries.is_empty() {
            break;
        }
        rebuilt.assets += entries.len() as u64;
        rebuilt.chunks += entries.iter().map(|entry| entry.chunks.len() as u64).sum::<u64>();
        held.extend(entries.iter().map(|entry| Held::of(entry.asset_id, Some(entry))));
        writer = tokio::task::spawn_blocking(move || {
            for entry in &entries {
                put(&writer, &fields, entry.asset_id, Some(entry))?;
            }
            anyhow::Ok(writer)
        })
        .await
        .context("write the new index")??;
        exclusive.renew().await?;
    }
    tokio::task::spawn_blocking(move || {
        writer.commit().context("commit the new index")?;
        writer.wait_merging_threads().context("finish the new index")
    })
    .await
    .context("write the new index")??;
    exclusive.renew().await?;
    exclusive.close();
    exclusive.root.point_to(&fresh).context("swap the index")?;

    let mut tx = env.db.begin().await?;
    sqlx::query!("delete from index_state").execute(&mut *tx).await.context("forget what the old index held")?;
    marks::record(&mut tx, &held, cause).await?;
    marks::forget(&mut tx, &seen).await?;
    tx.commit().await?;
    tracing::info!(assets = rebuilt.assets, chunks = rebuilt.chunks, "made the full-text index anew");
    Ok(rebuilt)
}

/// The next assets after `after`, which moves on. Empty at the end.
async fn page(env: &Env, after: &mut Option<AssetId>) -> Result<Vec<Entry>> {
    let mut conn = env.db.acquire().await?;
    loop {
        let ids = entry::page(&mut conn, *after, PAGE).await?;
        let Some(last) = ids.last() else { return Ok(Vec::new()) };
        *after = Some(*last);
        let mut entries = Vec::new();
        for id in ids {
            entries.extend(entry::read(&mut conn, id).await?);
        }
        // a whole page may have gone between the two questions; the next one has not
        if !entries.is_empty() {
            return Ok(entries);
        }
    }
}
