//! Assets about the same as one: the nearest to the middle of its vectors.

use indexer::Question;
use kernel::env::Env;
use kernel::http::Principal;
use kernel::id::AssetId;

use crate::answer::{Mode, SimilarAnswer};
use crate::hits;
use crate::legs::Legs;
use crate::nearest::{middle, nearest};
use crate::scope::Scope;
use crate::search::{Refused, Searcher};

/// Chunks that are looked at: enough for a page of different assets.
const DEPTH: usize = 1_000;

impl Searcher {
    /// The nearest assets that this person may see, except the asset itself, its video and its captions. That they
    /// may see the asset is the caller's to check.
    pub async fn similar(&self, env: &Env, who: &Principal, asset: AssetId, limit: usize) -> Result<SimilarAnswer, Refused> {
        let mut tx = env.db.begin().await?;
        let scope = Scope::of(&mut tx, who, None).await?;
        let family = family(&mut tx, asset).await?;
        let vectors = embedder::schema::present(&mut tx).await?;
        let centre = if vectors { middle(&mut tx, &family).await? } else { None };
        let (legs, mode, mode_reason) = match centre {
            Some(centre) => {
                let vector = nearest(&mut tx, &centre, &scope, &family, DEPTH).await?;
                (Legs { vector_cut: vector.len() >= DEPTH, vector, ..Legs::default() }, Mode::Vector, None)
            }
            None => {
                let reason = if vectors { "this asset has no vectors" } else { "the database has no pgvector" };
                let found = self.by_title(env, &mut tx, &scope, asset, &family).await?;
                (found, Mode::Lexical, Some(format!("assets are compared by their titles only, because {reason}")))
            }
        };
        let mut ranked = hits::rank(&mut tx, &scope, &legs).await?;
        ranked.retain(|(id, ..)| !family.contains(id));
        ranked.truncate(limit);
        let items = hits::render(&mut tx, &scope, &ranked, &Question::default()).await?;
        tx.rollback().await?;
        Ok(SimilarAnswer { items, mode, mode_reason })
    }

    async fn by_title(
        &self,
        env: &Env,
        conn: &mut sqlx::PgConnection,
        scope: &Scope,
        asset: AssetId,
        family: &[AssetId],
    ) -> Result<Legs, Refused> {
        let title = sqlx::query_scalar!("select title from assets where id = $1", asset.0).fetch_one(conn).await?;
        let question = Question::parse(&title, usize::MAX)?;
        let found = self.by_words(env, scope, &question, DEPTH).await.map_err(Refused::Unavailable)?;
        let lexical: Vec<_> = found.hits.into_iter().filter(|hit| !family.contains(&hit.asset_id)).collect();
        Ok(Legs { lexical_cut: lexical.len() >= DEPTH, lexical, ..Legs::default() })
    }
}

/// The asset with its captions, and of captions the video with all of its captions.
async fn family(conn: &mut sqlx::PgConnection, asset: AssetId) -> Result<Vec<AssetId>, Refused> {
    let ids = sqlx::query_scalar!(
        "with head as (select coalesce(parent_id, id) as id from assets where id = $1)
         select a.id from assets a, head where a.id = head.id or a.parent_id = head.id or a.id = $1",
        asset.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(AssetId).collect())
}
