//! The chunks nearest to a vector, among those that may be seen. Vector-typed, hence queries without a compile-time
//! check.
//!
//! Few visible chunks are compared one by one: that is exact, and fast enough. Many go through the HNSW index, whose
//! scan goes on past what the filter refuses until enough is found; without that, a filter to 0.5 % of the chunks
//! left a recall of .035, measured. The plan is made for each question, since a generic one knows nothing of how much
//! the filter lets through.

use anyhow::{Context, Result};
use kernel::id::AssetId;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::scope::Scope;

/// Visible chunks that are compared one by one, at 2 to 6 µs each. (Filtered to 17 % of 60,000 chunks the index took as
/// long and had a recall@100 of .85.)
const EXACT_UP_TO: i64 = 20_000;

/// Cosine under which texts have nothing to do with each other, and a neighbour is none. Of the judged answers to 100
/// questions (Cranfield) 95 % were above it.
pub(crate) const LEAST_SIMILARITY: f32 = 0.2;
/// Cosine that the nearest of all must reach, or the question means nothing here: the nearest of the same questions
/// was always above .33, while letters typed at random came to .28.
const LEAST_BEST: f32 = 0.3;

/// A chunk and how near it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Near {
    pub chunk_id: Uuid,
    pub asset_id: AssetId,
    /// Cosine, at most 1.
    pub similarity: f32,
}

/// How neighbours are looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    OneByOne,
    Index,
}

/// For the transaction of a search through the index.
const SETTINGS: [&str; 4] = [
    "set local plan_cache_mode = force_custom_plan",
    "set local hnsw.iterative_scan = relaxed_order",
    "set local hnsw.ef_search = 400",
    "set local hnsw.max_scan_tuples = 200000",
];

/// The `depth` nearest chunks of published assets in the scope, except those of `except`; nearest first.
pub(crate) async fn nearest(conn: &mut PgConnection, vector: &[f32], scope: &Scope, except: &[AssetId], depth: usize) -> Result<Vec<Near>> {
    if scope.courses.is_empty() {
        return Ok(Vec::new());
    }
    let way = if visible_chunks(conn, scope).await? <= EXACT_UP_TO { Way::OneByOne } else { Way::Index };
    if way == Way::Index {
        for setting in SETTINGS {
            sqlx::query(setting).execute(&mut *conn).await.context("set up the search of vectors")?;
        }
    }
    search(conn, vector, scope, except, depth, way).await
}

async fn search(conn: &mut PgConnection, vector: &[f32], scope: &Scope, except: &[AssetId], depth: usize, way: Way) -> Result<Vec<Near>> {
    let by = match way {
        // the sum keeps the sorted expression from being the index's, and so the index from being used
        Way::OneByOne => "(e.embedding <=> $1) + 0",
        Way::Index => "e.embedding <=> $1",
    };
    let sql = format!(
        "select c.id, c.asset_id, (1 - (e.embedding <=> $1))::real
           from embeddings e
           join chunks c on c.content_hash = e.content_hash
           join assets a on a.id = c.asset_id
          where e.model = $2 and e.version = $3
            and a.course_id = any($4) and a.state = 'published' and a.id <> all($5)
          order by {by} limit $6"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(pgvector::Vector::from(vector.to_vec()))
        .bind(embedder::MODEL)
        .bind(embedder::VERSION)
        .bind(scope.course_ids())
        .bind(except.iter().map(|id| id.0).collect::<Vec<_>>())
        .bind(depth as i64)
        .fetch_all(conn)
        .await
        .context("search the vectors")?;
    let mut near: Vec<Near> = rows
        .iter()
        .map(|row| Ok(Near { chunk_id: row.try_get(0)?, asset_id: AssetId(row.try_get(1)?), similarity: row.try_get(2)? }))
        .collect::<Result<_>>()?;
    near.retain(|near| near.similarity >= LEAST_SIMILARITY);
    // a relaxed scan gives nearly the order
    near.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then_with(|| a.chunk_id.cmp(&b.chunk_id)));
    if near.first().is_none_or(|best| best.similarity < LEAST_BEST) {
        near.clear();
    }
    Ok(near)
}

/// The middle of the vectors of all chunks of these assets; None when they have none.
pub(crate) async fn middle(conn: &mut PgConnection, assets: &[AssetId]) -> Result<Option<Vec<f32>>> {
    let mean: Option<pgvector::Vector> = sqlx::query_scalar(
        "select avg(e.embedding) from chunks c
           join embeddings e on e.content_hash = c.content_hash and e.model = $2 and e.version = $3
          where c.asset_id = any($1)",
    )
    .bind(assets.iter().map(|id| id.0).collect::<Vec<_>>())
    .bind(embedder::MODEL)
    .bind(embedder::VERSION)
    .fetch_one(conn)
    .await
    .context("take the mean of an asset's vectors")?;
    Ok(mean.map(|vector| vector.to_vec()))
}

/// About how many chunks the scope holds, from the book that the index keeps: to choose a way, not to be shown.
async fn visible_chunks(conn: &mut PgConnection, scope: &Scope) -> Result<i64> {
    sqlx::query_scalar!(
        "select coalesce(sum(s.chunks), 0) as \"sum!\" from assets a join index_state s on s.asset_id = a.id
          where a.course_id = any($1) and a.state = 'published'",
        &scope.course_ids(),
    )
    .fetch_one(conn)
    .await
    .context("count visible chunks")
}

#[cfg(test)]
mod tests {
    use kernel::http::{Principal, Role};
    use kernel::id::CourseId;
    use kernel::testing::TestEnv;

    use super::*;

    /// A vector with some noise; the greater `n`, the further from the first axis.
    fn vector(n: usize, of: usize) -> Vec<f32> {
        let mut state = n as u32 + 1;
        let mut noise = || {
            state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let mut vector: Vec<f32> = (0..embedder::WIDTH).map(|_| noise() * n as f32 / of as f32).collect();
        vector[0] += 6.0;
        vector
    }

    struct Crowd {
        test: TestEnv,
        few: Scope,
        /// Chunks of the few, nearest first.
        wanted: Vec<Uuid>,
    }

    /// 3,000 chunks, of which 20 may be seen. The others are in a course that is closed or in an asset of the open one
    /// that is not published, and some of them stand nearer to the question.
    async fn crowd() -> Crowd {
        let test = TestEnv::new().await;
        embedder::schema::ensure(&mut test.owner().await).await.unwrap().expect("pgvector");
        let owner = test.account(Role::Instructor).await;
        let (open, closed) = (published(&test, &owner).await, published(&test, &owner).await);
        let draft = test.asset(&owner, open.0, "draft", b"draft").await;
        let (count, every) = (3000, 150);
        let mut wanted = Vec::new();
        let (mut ids, mut owners, mut ordinals, mut hashes, mut vectors) = (vec![], vec![], vec![], vec![], vec![]);
        for n in 0..count {
            let id = Uuid::new_v4();
            let visible = n % every == every - 1;
            if visible {
                wanted.push(id);
            }
            ids.push(id);
            owners.push(match n % 2 {
                _ if visible => open.1.0,
                0 => draft.0,
                _ => closed.1.0,
            });
            ordinals.push(n as i32);
            hashes.push([id.into_bytes(); 2].concat());
            vectors.push((hashes[n].clone(), vector(n, count)));
        }
        let mut conn = test.env.db.acquire().await.unwrap();
        sqlx::query(
            "insert into chunks (id, asset_id, ordinal, text, locator, content_hash, tokens)
             select id, asset, ordinal, 'x', '{}', hash, 1 from unnest($1::uuid[], $2::uuid[], $3::int[], $4::bytea[]) as c (id, asset, ordinal, hash)",
        )
        .bind(&ids)
        .bind(&owners)
        .bind(&ordinals)
        .bind(&hashes)
        .execute(&mut *conn)
        .await
        .unwrap();
        embedder::vectors::store(&mut conn, &vectors).await.unwrap();
        sqlx::query("analyze chunks, embeddings, assets").execute(&mut test.owner().await).await.unwrap();
        let few = Scope { courses: vec![open.0], unpublished: vec![] };
        Crowd { test, few, wanted }
    }

    async fn published(test: &TestEnv, owner: &Principal) -> (CourseId, AssetId) {
        let course = test.course(owner, "published").await;
        let asset = test.asset(owner, course, "x", course.to_string().as_bytes()).await;
        sqlx::query("update assets set kind = 'document', state = 'published', published_at = now() where id = $1")
            .bind(asset.0)
            .execute(&test.env.db)
            .await
            .unwrap();
        (course, asset)
    }

    fn ids(near: &[Near]) -> Vec<Uuid> {
        near.iter().map(|near| near.chunk_id).collect()
    }

    #[tokio::test]
    async fn who_may_see_little_still_finds_the_nearest_of_it() {
        let Crowd { test, few, wanted } = crowd().await;
        let question = vector(0, 1);
        let mut tx = test.env.db.begin().await.unwrap();
        assert_eq!(ids(&nearest(&mut tx, &question, &few, &[], 10).await.unwrap()), wanted[..10]);
        let nothing = Scope { courses: vec![], unpublished: vec![] };
        assert!(nearest(&mut tx, &question, &nothing, &[], 10).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_index_goes_on_past_what_the_filter_refuses() {
        let Crowd { test, few, wanted } = crowd().await;
        let question = vector(0, 1);
        let mut tx = test.env.db.begin().await.unwrap();
        // a planner that sees so few rows would not use the index by itself
        for setting in [
            "set local enable_seqscan = off",
            "set local enable_sort = off",
            "set local enable_hashjoin = off",
            "set local enable_mergejoin = off",
        ] {
            sqlx::query(setting).execute(&mut *tx).await.unwrap();
        }
        let without = search(&mut tx, &question, &few, &[], 10, Way::Index).await.unwrap();
        for setting in SETTINGS {
            sqlx::query(setting).execute(&mut *tx).await.unwrap();
        }
        let with = search(&mut tx, &question, &few, &[], 10, Way::Index).await.unwrap();
        let recall = ids(&with).iter().filter(|id| wanted[..10].contains(id)).count();
        assert!(recall >= 9, "{recall} of 10 found");
        assert!(without.len() < 5, "without the settings the index gives up: {} found", without.len());
    }
}
