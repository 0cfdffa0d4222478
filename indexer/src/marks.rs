//! The marks that say which assets changed: taken before reading, forgotten after the index is committed, and only if
//! they are still the ones that were taken. A mark made meanwhile has a higher number and stays.

use anyhow::{Context, Result};
use kernel::events::{self, Cause};
use kernel::id::AssetId;
use kernel::pipeline::Event;
use sqlx::PgConnection;

use crate::entry::Entry;

/// A mark as it was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mark {
    pub asset_id: AssetId,
    pub number: i64,
}

/// What the index holds of an asset after a commit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Held {
    pub asset_id: AssetId,
    /// None when it holds nothing.
    pub chunks: Option<i32>,
    pub processing: bool,
}

impl Held {
    pub(crate) fn of(asset_id: AssetId, entry: Option<&Entry>) -> Self {
        Self { asset_id, chunks: entry.map(|entry| entry.chunks.len() as i32), processing: entry.is_some_and(|entry| entry.processing) }
    }
}

/// The oldest marks, at most `limit`.
pub(crate) async fn oldest(conn: &mut PgConnection, limit: i64) -> Result<Vec<Mark>> {
    let rows = sqlx::query!("select asset_id, mark from index_dirty order by mark limit $1", limit)
        .fetch_all(conn)
        .await
        .context("read index marks")?;
    Ok(rows.into_iter().map(|row| Mark { asset_id: AssetId(row.asset_id), number: row.mark }).collect())
}

/// How many assets are marked.
pub(crate) async fn count(conn: &mut PgConnection) -> Result<u64> {
    let count = sqlx::query_scalar!("select count(*) as \"count!\" from index_dirty").fetch_one(conn).await.context("count index marks")?;
    Ok(count as u64)
}

/// Forgets these marks, unless they were renewed since.
pub(crate) async fn forget(conn: &mut PgConnection, marks: &[Mark]) -> Result<()> {
    let (ids, numbers): (Vec<_>, Vec<_>) = marks.iter().map(|mark| (mark.asset_id.0, mark.number)).unzip();
    sqlx::query!(
        "delete from index_dirty d using unnest($1::uuid[], $2::bigint[]) as seen (asset_id, mark)
          where d.asset_id = seen.asset_id and d.mark <= seen.mark",
        &ids,
        &numbers,
    )
    .execute(conn)
    .await
    .context("forget index marks")?;
    Ok(())
}

/// Writes down what the index holds now, and tells who waits for it: an asset in processing may be complete.
pub(crate) async fn record(conn: &mut PgConnection, held: &[Held], cause: &Cause) -> Result<()> {
    let (present, counts): (Vec<_>, Vec<_>) = held.iter().filter_map(|held| Some((held.asset_id.0, held.chunks?))).unzip();
    let absent: Vec<_> = held.iter().filter(|held| held.chunks.is_none()).map(|held| held.asset_id.0).collect();
    sqlx::query!(
        "insert into index_state (asset_id, chunks, indexed_at)
         select a.id, held.chunks, now() from unnest($1::uuid[], $2::integer[]) as held (asset_id, chunks)
           join assets a on a.id = held.asset_id
         on conflict (asset_id) do update set chunks = excluded.chunks, indexed_at = excluded.indexed_at",
        &present,
        &counts,
    )
    .execute(&mut *conn)
    .await
    .context("record what the index holds")?;
    sqlx::query!("delete from index_state where asset_id = any($1)", &absent)
        .execute(&mut *conn)
        .await
        .context("record what the index no longer holds")?;
    for held in held.iter().filter(|held| held.processing) {
        events::record(conn, &Event::Indexed { asset_id: held.asset_id }, cause).await?;
    }
    Ok(())
}
