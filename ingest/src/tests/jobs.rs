//! The jobs: what becomes of an upload.

use kernel::events::{self, Cause};
use kernel::id::AssetId;
use kernel::locator::Locator;
use kernel::pipeline::Event;
use kernel::store::{Key, Prefix};
use serde_json::Value;
use sqlx::Row;

use super::{World, fixture};

/// Stores a file, announces it and runs this room's jobs.
async fn ingest(world: &World, file_name: &str, bytes: &[u8]) -> AssetId {
    let asset_id = world.asset(file_name, bytes).await;
    announce(world, Event::Uploaded { asset_id }).await;
    world.drain().await;
    asset_id
}

async fn announce(world: &World, event: Event) {
    events::record(&mut world.env.db.acquire().await.unwrap(), &event, &Cause::default()).await.unwrap();
}

/// Plays the indexer, which is another room: every chunk is in the index.
async fn index(world: &World, asset_id: AssetId) {
    sqlx::query(
        "with forgotten as (delete from index_dirty where asset_id = $1)
         insert into index_state (asset_id, chunks) select $1, count(*) from chunks where asset_id = $1
         on conflict (asset_id) do update set chunks = excluded.chunks",
    )
    .bind(asset_id.0)
    .execute(&world.env.db)
    .await
    .unwrap();
    announce(world, Event::Indexed { asset_id }).await;
    world.drain().await;
}

async fn chunks(world: &World, asset_id: AssetId) -> Vec<(uuid::Uuid, String, Vec<String>, Locator)> {
    sqlx::query("select id, text, heading_path, locator from chunks where asset_id = $1 order by ordinal")
        .bind(asset_id.0)
        .fetch_all(&world.env.db)
        .await
        .unwrap()
        .into_iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), serde_json::from_value(row.get::<Value, _>(3)).unwrap()))
        .collect()
}

#[tokio::test]
async fn a_pdf_becomes_chunks_with_pages_and_is_published_when_it_is_indexed() {
    let world = World::new().await;
    let asset = ingest(&world, "two-pages.pdf", &fixture("two-pages.pdf")).await;
    let read = chunks(&world, asset).await;
    assert_eq!(read.len(), 2);
    assert!(read[0].1.contains("lighthouse") && matches!(read[0].3, Locator::Page { page: 1, .. }), "{read:?}");
    assert!(read[1].1.contains("foghorn") && matches!(read[1].3, Locator::Page { page: 2, .. }), "{read:?}");
    assert_eq!(world.state(asset).await, ("processing".into(), None), "not before it can be found");
    index(&world, asset).await;
    assert_eq!(world.state(asset).await, ("published".into(), None));
    assert_eq!(world.count("select count(*) from events where kind = 'Published'").await, 1);
}

#[tokio::test]
async fn reading_again_keeps_the_ids_of_unchanged_chunks() {
    let world = World::new().await;
    let asset = ingest(&world, "notes.md", &fixture("notes.md")).await;
    let first = chunks(&world, asset).await;
    assert!(first.iter().any(|(_, _, path, _)| path.len() == 2), "headings are kept: {first:?}");
    announce(&world, Event::Uploaded { asset_id: asset }).await;
    world.drain().await;
    assert_eq!(chunks(&world, asset).await, first);
    let (low, high, count): (i32, i32, i64) =
        sqlx::query_as("select min(ordinal), max(ordinal), count(*) from chunks").fetch_one(&world.env.db).await.unwrap();
    assert_eq!((low, i64::from(high)), (0, count - 1));
}

#[tokio::test]
async fn what_cannot_be_read_fails_with_its_code_and_the_worker_lives() {
    let world = World::new().await;
    for (name, code) in [
        ("encrypted.pdf", "pdf_encrypted"),
        ("truncated.pdf", "pdf_damaged"),
        ("spaces.pdf", "too_complex"),
        ("playlist-as.mp4", "unsupported_container"),
        ("unknown.bin", "unsupported_type"),
    ] {
        let asset = ingest(&world, name, &fixture(name)).await;
        assert_eq!(world.state(asset).await, ("failed".into(), Some(code.into())), "{name}");
        assert!(chunks(&world, asset).await.is_empty());
    }
    let good = ingest(&world, "page.html", &fixture("page.html")).await;
    assert!(!chunks(&world, good).await.is_empty());
}

#[tokio::test]
async fn a_scan_is_published_with_a_notice() {
    let world = World::new().await;
    let asset = ingest(&world, "scanned.pdf", &fixture("scanned.pdf")).await;
    index(&world, asset).await;
    assert_eq!(world.state(asset).await.0, "published");
    let (pages, notice): (i32, String) =
        sqlx::query_as("select pages, notice from documents where asset_id = $1").bind(asset.0).fetch_one(&world.env.db).await.unwrap();
    assert_eq!((pages, notice.as_str()), (1, "no_text_layer"));
}

#[tokio::test]
async fn scripts_in_a_page_are_not_text() {
    let world = World::new().await;
    let asset = ingest(&world, "page.html", &fixture("page.html")).await;
    for (_, text, ..) in chunks(&world, asset).await {
        for word in ["script", "alert", "onclick", "javascript:", "iframe"] {
            assert!(!text.contains(word), "{word} in {text}");
        }
    }
}

#[tokio::test]
async fn captions_become_timed_chunks_and_clean_webvtt() {
    let world = World::new().await;
    for name in ["captions.vtt", "captions.srt"] {
        let asset = ingest(&world, name, &fixture(name)).await;
        let read = chunks(&world, asset).await;
        assert!(!read.is_empty() && read.iter().all(|(.., locator)| matches!(locator, Locator::Time { .. })), "{read:?}");
        let prefix: String =
            sqlx::query_scalar("select prefix from documents where asset_id = $1").bind(asset.0).fetch_one(&world.env.db).await.unwrap();
        let key = Key::in_prefix(&Prefix::parse(&prefix).unwrap(), crate::CAPTIONS).unwrap();
        let file = String::from_utf8(world.env.store.get(&key).await.unwrap().to_vec()).unwrap();
        assert!(file.starts_with("WEBVTT\n") && file.contains("-->") && !file.contains("STYLE") && !file.contains("<b>"), "{file}");
    }
}

#[tokio::test]
async fn captions_are_paired_with_the_recording_they_are_called_like() {
    let world = World::new().await;
    let tone = fixture("tone.m4a");
    let early = ingest(&world, "talk.en.vtt", &fixture("captions.vtt")).await;
    let talk = ingest(&world, "talk.m4a", &tone).await;
    let late = ingest(&world, "Talk.srt", &fixture("captions.srt")).await;
    let other = ingest(&world, "else.vtt", &fixture("captions.vtt")).await;
    let parent = async |asset: AssetId| -> Option<uuid::Uuid> {
        sqlx::query_scalar("select parent_id from assets where id = $1").bind(asset.0).fetch_one(&world.env.db).await.unwrap()
    };
    assert_eq!(parent(early).await, Some(talk.0));
    assert_eq!(parent(late).await, Some(talk.0));
    assert_eq!(parent(other).await, None);
}

#[tokio::test]
async fn nothing_is_published_without_its_vectors_where_there_are_any() {
    let world = World::new().await;
    let mut owner = world.test.owner().await;
    sqlx::raw_sql("create table embeddings (content_hash bytea primary key); grant all on embeddings to public")
        .execute(&mut owner)
        .await
        .unwrap();
    let mut config = (*world.env.config).clone();
    config.embedder.enabled = true;
    let mut env = world.env.clone();
    env.config = std::sync::Arc::new(config);
    let world = World { env, ..world };
    let asset = ingest(&world, "notes.md", &fixture("notes.md")).await;
    index(&world, asset).await;
    assert_eq!(world.state(asset).await.0, "processing");
    sqlx::query("insert into embeddings select distinct content_hash from chunks").execute(&world.env.db).await.unwrap();
    index(&world, asset).await;
    assert_eq!(world.state(asset).await.0, "processing", "vectors of an older model are not enough");
    announce(&world, Event::Embedded { asset_id: asset }).await;
    world.drain().await;
    assert_eq!(world.state(asset).await.0, "published");
}

#[tokio::test]
async fn an_asset_that_is_gone_is_no_failure() {
    let world = World::new().await;
    let asset_id = world.asset("gone.txt", b"words").await;
    announce(&world, Event::Uploaded { asset_id }).await;
    sqlx::query("update jobs set asset_id = null").execute(&world.env.db).await.unwrap();
    sqlx::query("delete from assets where id = $1").bind(asset_id.0).execute(&world.env.db).await.unwrap();
    world.drain().await;
    assert_eq!(world.count("select count(*) from jobs where state = 'done'").await, 1);
}
