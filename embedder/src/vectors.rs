//! The vectors' rows: which chunks lack one, and how they are stored. One row per text, model and version, so that an
//! unchanged chunk is never embedded again, whatever asset it turns up in.

use anyhow::{Context, Result};
use kernel::id::AssetId;
use sqlx::{PgConnection, Row};

use crate::model::{MODEL, VERSION, Vector};

/// A text without a vector.
pub struct Missing {
    /// SHA-256 of heading path and text, by which a chunk names what its vector is made of.
    pub content_hash: Vec<u8>,
    /// The heading path and, below it, the chunk's text: a heading often has the word that the text only means.
    pub text: String,
}

/// Characters of a heading path, counted from its end, that are embedded; chunks are cut to leave it about as many
/// tokens as that.
const PATH_CHARACTERS: i32 = 256;

/// How many different texts of the asset lack a vector of this model.
pub async fn count_missing(conn: &mut PgConnection, asset: AssetId) -> Result<i64> {
    sqlx::query_scalar(
        "select count(distinct c.content_hash) from chunks c
          where c.asset_id = $1
            and not exists (select from embeddings e where e.content_hash = c.content_hash and e.model = $2 and e.version = $3)",
    )
    .bind(asset.0)
    .bind(MODEL)
    .bind(VERSION)
    .fetch_one(conn)
    .await
    .context("count texts without vectors")
}

/// The next texts of the asset that lack a vector of this model, shortest first, at most `limit`.
pub async fn missing(conn: &mut PgConnection, asset: AssetId, limit: i64) -> Result<Vec<Missing>> {
    let rows = sqlx::query(
        "select content_hash, concat_ws(E'\\n', nullif(right(array_to_string(heading_path, ' '), $5), ''), text) from (
           select distinct on (c.content_hash) c.content_hash, c.heading_path, c.text, c.tokens from chunks c
            where c.asset_id = $1
              and not exists (select from embeddings e where e.content_hash = c.content_hash and e.model = $2 and e.version = $3)
            order by c.content_hash) lacking
          order by tokens, content_hash limit $4",
    )
    .bind(asset.0)
    .bind(MODEL)
    .bind(VERSION)
    .bind(limit)
    .bind(PATH_CHARACTERS)
    .fetch_all(conn)
    .await
    .context("read texts without vectors")?;
    rows.iter().map(|row| Ok(Missing { content_hash: row.try_get(0)?, text: row.try_get(1)? })).collect()
}

/// Stores vectors. One that another worker stored meanwhile stays: the same text has the same vector.
pub async fn store(conn: &mut PgConnection, made: &[(Vec<u8>, Vector)]) -> Result<()> {
    let hashes: Vec<&[u8]> = made.iter().map(|(hash, _)| hash.as_slice()).collect();
    let vectors: Vec<pgvector::Vector> = made.iter().map(|(_, vector)| pgvector::Vector::from(vector.clone())).collect();
    sqlx::query(
        "insert into embeddings (content_hash, model, version, embedding)
         select hash, $3, $4, embedding from unnest($1::bytea[], $2::vector[]) as made (hash, embedding)
         on conflict (content_hash, model, version) do nothing",
    )
    .bind(hashes)
    .bind(vectors)
    .bind(MODEL)
    .bind(VERSION)
    .execute(conn)
    .await
    .context("store vectors")?;
    Ok(())
}

/// Chunks of every asset that have a vector of this model: what the doctor compares with the chunks themselves.
pub async fn counts(conn: &mut PgConnection) -> Result<Vec<(AssetId, i64)>> {
    let rows = sqlx::query(
        "select c.asset_id, count(*) from chunks c
           join embeddings e on e.content_hash = c.content_hash and e.model = $1 and e.version = $2
          group by c.asset_id",
    )
    .bind(MODEL)
    .bind(VERSION)
    .fetch_all(conn)
    .await
    .context("count vectors")?;
    rows.iter().map(|row| Ok((AssetId(row.try_get(0)?), row.try_get(1)?))).collect()
}

/// Deletes vectors that belong to no chunk any more, and returns how many. Young ones are spared: their chunks may be
/// in a transaction that has not ended.
pub async fn sweep(conn: &mut PgConnection) -> Result<u64> {
    let deleted = sqlx::query(
        "delete from embeddings e
          where made_at < now() - interval '15 minutes'
            and not exists (select from chunks c where c.content_hash = e.content_hash)",
    )
    .execute(conn)
    .await
    .context("sweep vectors")?;
    Ok(deleted.rows_affected())
}
