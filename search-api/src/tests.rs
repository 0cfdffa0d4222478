//! Searching as a whole: real rows, a real index, the real model.

mod finding;
mod over_http;
mod visibility;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use embedder::{Embedder, Handle};
use kernel::config::Config;
use kernel::events::Cause;
use kernel::http::{Principal, Role};
use kernel::id::{AssetId, CourseId};
use kernel::index_marks;
use kernel::jobs::{self, Runner};
use kernel::locator::Locator;
use kernel::media::Kind;
use kernel::pipeline::{EmbedChunks, UpdateIndex};
use kernel::testing::TestEnv;
use uuid::Uuid;

use crate::answer::{Mode, SearchAnswer};
use crate::search::{Query, Refused, Searcher};

/// The model that `make setup` installs. Its absence fails these tests, on purpose.
static MODEL: LazyLock<Arc<Embedder>> = LazyLock::new(|| {
    Arc::new(Embedder::open(&Config::load(None).expect("the default configuration")).expect("the embedding model; run `make setup`"))
});

fn model(test: &TestEnv) -> Handle {
    Handle::of(MODEL.clone(), test.env.config.clone())
}

struct World {
    test: TestEnv,
    runner: Runner,
    searcher: Searcher,
    admin: Principal,
    owner: Principal,
}

struct Draft<'a> {
    text: &'a str,
    locator: Locator,
}

fn section(text: &str) -> Draft<'_> {
    Draft { text, locator: Locator::Section { start: 0, end: text.len() as u32 } }
}

impl World {
    async fn new() -> Self {
        let test = TestEnv::new().await;
        embedder::schema::ensure(&mut test.owner().await).await.unwrap().expect("pgvector");
        let model = model(&test);
        Self::over(test, model).await
    }

    async fn over(test: TestEnv, model: Handle) -> Self {
        let mut runner = Runner::new(test.env.clone());
        indexer::register(&mut runner);
        embedder::register(&mut runner, self::model(&test));
        let searcher = Searcher::new(&test.env, model);
        let (admin, owner) = (test.account(Role::Admin).await, test.account(Role::Instructor).await);
        Self { test, runner, searcher, admin, owner }
    }

    async fn asset(&self, course: CourseId, kind: Kind, title: &str, parent: Option<AssetId>, chunks: &[Draft<'_>]) -> AssetId {
        let id = self.test.asset(&self.owner, course, title, title.as_bytes()).await;
        let mut tx = self.test.env.db.begin().await.unwrap();
        sqlx::query("update assets set kind = $2, parent_id = $3, state = 'published', published_at = now() where id = $1")
            .bind(id.0)
            .bind(kind.as_str())
            .bind(parent.map(|id| id.0))
            .execute(&mut *tx)
            .await
            .unwrap();
        for (ordinal, chunk) in chunks.iter().enumerate() {
            let hash = [Uuid::new_v5(&Uuid::nil(), chunk.text.as_bytes()).into_bytes(); 2].concat();
            sqlx::query(
                "insert into chunks (id, asset_id, ordinal, text, locator, content_hash, tokens) values ($1, $2, $3, $4, $5, $6, 9)",
            )
            .bind(Uuid::new_v5(&id.0, format!("{ordinal} {}", chunk.text).as_bytes()))
            .bind(id.0)
            .bind(ordinal as i32)
            .bind(chunk.text)
            .bind(serde_json::to_value(&chunk.locator).unwrap())
            .bind(hash)
            .execute(&mut *tx)
            .await
            .unwrap();
        }
        index_marks::mark(&mut tx, id).await.unwrap();
        jobs::enqueue(&mut tx, EmbedChunks { asset_id: id }, &Cause::default()).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Lets index and vectors catch up.
    async fn settle(&self) {
        jobs::enqueue(&mut self.test.env.db.acquire().await.unwrap(), UpdateIndex {}, &Cause::default()).await.unwrap();
        self.runner.drain().await.unwrap();
    }

    async fn set(&self, sql: &'static str, id: Uuid) {
        sqlx::query(sql).bind(id).execute(&self.test.env.db).await.unwrap();
    }

    async fn search(&self, who: &Principal, text: &str) -> SearchAnswer {
        let query = Query { text: text.into(), limit: 100, ..Query::default() };
        self.searcher.search(&self.test.env, who, &query).await.unwrap()
    }
}

const PHOTOSYNTHESIS: &str = "Chlorophyll absorbs light, and the chloroplast turns water and carbon dioxide into sugar.";
const REVOLUTION: &str = "In 1789 the Third Estate declared itself a National Assembly, and the Bastille fell.";
const DESCENT: &str = "The learning rate decides how far each step goes down the slope of the loss.";
