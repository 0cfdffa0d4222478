//! From ids to hits: the last look into Postgres before anything leaves, and what is shown of it.
//!
//! The index may be behind and a process may have been paused: whatever the legs found, only assets that are
//! published in a course of the scope, and chunks that exist, are shown.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result};
use indexer::Question;
use kernel::id::{AssetId, CourseId, LessonId};
use kernel::media::Kind;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::answer::Hit;
use crate::legs::{Legs, Ranked};
use crate::place::{Spot, place};
use crate::scope::Scope;
use crate::snippet::snippet;

/// Ranks what the legs found, after asking Postgres which of it may be shown.
pub(crate) async fn rank(conn: &mut PgConnection, scope: &Scope, legs: &Legs) -> Result<Ranked> {
    // what the index found may be gone, and what the vectors found too: a replica may be behind
    let chunks: HashSet<Uuid> =
        legs.lexical.iter().filter_map(|hit| hit.chunk_id).chain(legs.vector.iter().map(|near| near.chunk_id)).collect();
    // whose they are now: the index may still have them under another version of an asset
    let owners: HashMap<Uuid, AssetId> =
        sqlx::query!("select id, asset_id from chunks where id = any($1)", &chunks.iter().copied().collect::<Vec<_>>())
            .fetch_all(&mut *conn)
            .await
            .context("check what was found")?
            .into_iter()
            .map(|row| (row.id, AssetId(row.asset_id)))
            .collect();
    let assets: HashSet<Uuid> = legs.lexical.iter().map(|hit| hit.asset_id.0).chain(owners.values().map(|asset| asset.0)).collect();
    let documents: HashMap<AssetId, AssetId> = sqlx::query!(
        "select a.id, coalesce(p.id, a.id) as \"document!\" from assets a
           left join assets p on a.kind = 'captions' and p.id = a.parent_id and p.course_id = a.course_id and p.state = 'published'
          where a.id = any($1) and a.course_id = any($2) and a.state = 'published'",
        &assets.into_iter().collect::<Vec<_>>(),
        &scope.course_ids(),
    )
    .fetch_all(conn)
    .await
    .context("check what was found")?
    .into_iter()
    .map(|row| (AssetId(row.id), AssetId(row.document)))
    .collect();
    Ok(legs.rank(|asset| documents.get(&asset).copied(), |chunk| owners.get(&chunk).copied()))
}

struct Asset {
    course_id: Uuid,
    course_title: String,
    lesson_id: Option<Uuid>,
    lesson_title: Option<String>,
    title: String,
    kind: Kind,
}

struct Chunk {
    ordinal: i32,
    text: String,
    heading_path: Vec<String>,
    locator: Json<kernel::locator::Locator>,
}

/// Reads and renders ranked documents. One that went away in this very moment is left out.
pub(crate) async fn render(
    conn: &mut PgConnection,
    scope: &Scope,
    ranked: &[(AssetId, f64, Option<Uuid>)],
    question: &Question,
) -> Result<Vec<Hit>> {
    let assets = assets(conn, scope, ranked).await?;
    let mut chunks = chunks(conn, ranked).await?;
    let mut hits = Vec::new();
    for (asset_id, score, chunk_id) in ranked {
        let Some(asset) = assets.get(asset_id) else { continue };
        let chunk = chunk_id.and_then(|id| chunks.remove(&id));
        let shown = chunk.as_ref().map_or_else(|| snippet(&asset.title, question), |chunk| snippet(&chunk.text, question));
        let spot = chunk.as_ref().map(|chunk| Spot {
            ordinal: chunk.ordinal,
            text: &chunk.text,
            heading_path: &chunk.heading_path,
            locator: chunk.locator.0.clone(),
        });
        let place = place(*asset_id, asset.kind, spot, question);
        hits.push(Hit {
            asset_id: *asset_id,
            course_id: CourseId(asset.course_id),
            course_title: asset.course_title.clone(),
            lesson_id: asset.lesson_id.map(LessonId),
            lesson_title: asset.lesson_title.clone(),
            title: asset.title.clone(),
            kind: asset.kind,
            locator: place.locator,
            label: place.label,
            snippet: shown,
            score: *score,
            url: place.url,
        });
    }
    Ok(hits)
}

async fn assets(conn: &mut PgConnection, scope: &Scope, ranked: &[(AssetId, f64, Option<Uuid>)]) -> Result<HashMap<AssetId, Asset>> {
    let ids: Vec<_> = ranked.iter().map(|(id, ..)| id.0).collect();
    let rows = sqlx::query!(
        "select a.id, a.course_id, c.title as course_title, a.title, a.kind as \"kind!: Kind\",
                l.id as \"lesson_id?\", l.title as \"lesson_title?\"
           from assets a join courses c on c.id = a.course_id
           left join lateral (
             select l.id, l.title from lesson_assets la join lessons l on l.id = la.lesson_id join modules m on m.id = l.module_id
              where la.asset_id = a.id order by m.position, l.position, l.id limit 1) l on true
          where a.id = any($1) and a.course_id = any($2) and a.state = 'published'",
        &ids,
        &scope.course_ids(),
    )
    .fetch_all(conn)
    .await
    .context("read what was found")?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let asset = Asset {
                course_id: row.course_id,
                course_title: row.course_title,
                lesson_id: row.lesson_id,
                lesson_title: row.lesson_title,
                title: row.title,
                kind: row.kind,
            };
            (AssetId(row.id), asset)
        })
        .collect())
}

async fn chunks(conn: &mut PgConnection, ranked: &[(AssetId, f64, Option<Uuid>)]) -> Result<HashMap<Uuid, Chunk>> {
    let ids: Vec<_> = ranked.iter().filter_map(|(.., chunk)| *chunk).collect();
    let rows = sqlx::query!(
        "select id, ordinal, text, heading_path, locator as \"locator: Json<kernel::locator::Locator>\" from chunks where id = any($1)",
        &ids,
    )
    .fetch_all(conn)
    .await
    .context("read what was found")?;
    Ok(rows
        .into_iter()
        .map(|row| (row.id, Chunk { ordinal: row.ordinal, text: row.text, heading_path: row.heading_path, locator: row.locator }))
        .collect())
}
