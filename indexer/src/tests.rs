//! The index as a whole: what is found in it, and how it follows the rows.

use std::path::Path;

use kernel::http::Role;
use kernel::id::{AssetId, CourseId};
use kernel::index_marks;
use kernel::jobs::Runner;
use kernel::testing::TestEnv;
use tantivy::merge_policy::NoMergePolicy;
use uuid::Uuid;

use crate::entry::{Chunk, Entry};
use crate::folder::{self, Root};
use crate::question::Question;
use crate::reader::{Reader, Trouble};
use crate::search::{Found, Scope};
use crate::writer::{Change, Writer, open_writer, put};

fn chunk(text: &str) -> Chunk {
    Chunk { id: Uuid::new_v5(&Uuid::nil(), text.as_bytes()), heading_path: vec![], text: text.into(), locator: serde_json::json!({}) }
}

fn entry(asset: u128, course: u128, title: &str, texts: &[&str]) -> Entry {
    Entry {
        asset_id: AssetId(Uuid::from_u128(asset)),
        course_id: CourseId(Uuid::from_u128(course)),
        kind: "document".into(),
        title: title.into(),
        processing: false,
        chunks: texts.iter().map(|text| chunk(text)).collect(),
    }
}

/// An index in `dir` with one segment per group; `deleted` are put in first and then deleted.
fn index(dir: &Path, groups: &[&[Entry]], deleted: &[Entry]) -> Reader {
    let root = Root::new(dir);
    let folder = root.fresh().unwrap();
    let (index, fields) = folder::create(&folder).unwrap();
    let mut writer = open_writer(&index).unwrap();
    writer.set_merge_policy(Box::new(NoMergePolicy));
    for entry in deleted {
        put(&writer, &fields, entry.asset_id, Some(entry)).unwrap();
    }
    writer.commit().unwrap();
    for group in groups {
        for entry in *group {
            put(&writer, &fields, entry.asset_id, Some(entry)).unwrap();
        }
        writer.commit().unwrap();
    }
    for entry in deleted {
        put(&writer, &fields, entry.asset_id, None).unwrap();
    }
    writer.commit().unwrap();
    drop(writer);
    root.point_to(&folder).unwrap();
    Reader::new(dir)
}

fn ask(reader: &Reader, text: &str, courses: &[u128], unpublished: &[u128]) -> Found {
    let courses: Vec<_> = courses.iter().map(|id| CourseId(Uuid::from_u128(*id))).collect();
    let unpublished: Vec<_> = unpublished.iter().map(|id| AssetId(Uuid::from_u128(*id))).collect();
    let question = Question::parse(text, 1 << 20).unwrap();
    reader.search(&question, Scope { courses: &courses, unpublished: &unpublished }, 100).unwrap()
}

fn assets(found: &Found) -> Vec<u128> {
    found.hits.iter().map(|hit| hit.asset_id.0.as_u128()).collect()
}

#[test]
fn words_phrases_titles_and_headings_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut entries = vec![
        entry(1, 1, "Optimisation", &["Gradient descent steps down the slope.", "The learning rate decides how far."]),
        entry(2, 1, "Biology", &["Descent with modification, by a gradient of traits."]),
    ];
    entries[1].chunks[0].heading_path = vec!["Evolution".into(), "Darwin's finches".into()];
    let reader = index(dir.path(), &[&entries], &[]);
    assert_eq!(assets(&ask(&reader, "learned rates ", &[1], &[])), [1]);
    assert_eq!(assets(&ask(&reader, "\"gradient descent\"", &[1], &[])), [1]);
    assert_eq!(ask(&reader, "gradient descent ", &[1], &[]).matching, 2);
    assert_eq!(assets(&ask(&reader, "finch ", &[1], &[])), [2]);
    let title = ask(&reader, "biology ", &[1], &[]);
    assert_eq!((assets(&title), title.hits[0].chunk_id), (vec![2], None));
    assert!(ask(&reader, "\"descent gradient\"", &[1], &[]).hits.is_empty());
    assert_eq!(ask(&reader, "((((( *** ", &[1], &[]), Found::default());
}

#[test]
fn nothing_outside_the_scope_is_found_or_counted() {
    let dir = tempfile::tempdir().unwrap();
    let entries = [
        entry(1, 1, "One", &["secret of course one"]),
        entry(2, 2, "Two", &["secret of course two"]),
        entry(3, 1, "Three", &["secret that is not published"]),
    ];
    let reader = index(dir.path(), &[&entries], &[]);
    let found = ask(&reader, "secret", &[1], &[3]);
    assert_eq!((assets(&found), found.matching), (vec![1], 1));
    assert_eq!(ask(&reader, "secret", &[], &[]), Found::default());
    assert_eq!(ask(&reader, "\"course two\"", &[1], &[3]), Found::default());
    // the filter is what hides them
    assert_eq!(ask(&reader, "secret", &[1, 2], &[]).matching, 3);
}

#[test]
fn scores_tell_nothing_of_what_is_hidden() {
    let visible: Vec<Entry> = (1..30)
        .map(|n| {
            entry(
                n,
                1,
                &format!("Lesson {n} on rates"),
                &[&format!("gradient number {n} meets loss {}", n % 5), &format!("momentum {n} helps")],
            )
        })
        .collect();
    let hidden: Vec<Entry> = (100..140)
        .map(|n| entry(n, 2, "rates rates", &[&format!("gradient gradient momentum loss {n}"), "confidential gradientish"]))
        .collect();
    let [here, there] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let alone = index(here.path(), &[&visible], &[]);
    let crowded = index(
        there.path(),
        &[&hidden[..20], &visible[..10], &hidden[20..], &visible[10..]],
        &[entry(99, 1, "old gradient", &["gradient was here"])],
    );
    for text in ["gradient", "momentum loss 3", "rates", "\"gradient number\"", "gradi", "confid", "lesson 7 gradient momentum"] {
        let (a, b) = (ask(&alone, text, &[1], &[]), ask(&crowded, text, &[1], &[]));
        assert_eq!(a.matching, b.matching, "{text}");
        assert_eq!(rounded(&a), rounded(&b), "{text}");
    }
    // statistics do follow what is visible: for somebody who sees both courses the words are less rare
    assert_ne!(rounded(&ask(&crowded, "gradient", &[1], &[])), rounded(&ask(&crowded, "gradient", &[1, 2], &[])));
}

/// Sums of floats in another order differ in the last digits; `search-api` rounds its scores coarser than this.
fn rounded(found: &Found) -> Vec<(Uuid, Option<Uuid>, i64)> {
    found.hits.iter().map(|hit| (hit.asset_id.0, hit.chunk_id, (hit.score * 1e4).round() as i64)).collect()
}

#[test]
fn of_equal_documents_the_same_ones_are_taken_whatever_the_segments() {
    let entries: Vec<Entry> = (1..300).map(|n| entry(n, 1, "x", &[&format!("equal w{n}")])).collect();
    let reversed: Vec<Entry> = entries.iter().rev().cloned().collect();
    let [here, there] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let a = ask(&index(here.path(), &[&entries], &[]), "equal ", &[1], &[]);
    let b = ask(&index(there.path(), &[&reversed[..100], &reversed[100..]], &[]), "equal ", &[1], &[]);
    assert_eq!((a.hits.len(), a.matching), (100, 299));
    assert_eq!(a, b);
}

#[test]
fn a_word_is_found_while_it_is_being_typed() {
    let dir = tempfile::tempdir().unwrap();
    let reader =
        index(dir.path(), &[&[entry(1, 1, "Plants", &["photosynthesis makes sugar"]), entry(2, 2, "Light", &["photons fly"])]], &[]);
    assert_eq!(assets(&ask(&reader, "photosyn", &[1], &[])), [1]);
    assert_eq!(assets(&ask(&reader, "sugar phot", &[1], &[])), [1]);
    assert!(ask(&reader, "photosyn ", &[1], &[]).hits.is_empty(), "a finished word is taken as it is");
    assert!(ask(&reader, "photon", &[1], &[]).hits.is_empty(), "what begins like it is hidden");
}

#[test]
fn whatever_is_typed_there_is_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let reader = index(dir.path(), &[&[entry(1, 1, "t", &["some text"])]], &[]);
    let bombs = [
        "(".repeat(5000),
        "a* OR ".repeat(10_000),
        "\"".repeat(999),
        "text ".repeat(100_000),
        "\u{0}\u{202e}text".into(),
        "~^\\/:[]{}+-!&|?*\"".into(),
    ];
    for bomb in &bombs {
        ask(&reader, bomb, &[1], &[]);
    }
}

struct World {
    test: TestEnv,
    runner: Runner,
    reader: Reader,
    owner: kernel::http::Principal,
    course: CourseId,
}

async fn world() -> World {
    let test = TestEnv::new().await;
    let owner = test.account(Role::Instructor).await;
    let course = test.course(&owner, "published").await;
    let mut runner = Runner::new(test.env.clone());
    crate::register(&mut runner);
    let reader = Reader::new(&test.env.config.paths.index);
    World { test, runner, reader, owner, course }
}

impl World {
    async fn asset(&self, name: &str, texts: &[&str]) -> AssetId {
        let id = self.test.asset(&self.owner, self.course, name, name.as_bytes()).await;
        self.write(id, texts).await;
        id
    }

    /// Replaces the asset's chunks and marks it, as extracting does.
    async fn write(&self, asset: AssetId, texts: &[&str]) {
        let mut tx = self.test.env.db.begin().await.unwrap();
        sqlx::query("update assets set kind = 'document' where id = $1").bind(asset.0).execute(&mut *tx).await.unwrap();
        sqlx::query("delete from chunks where asset_id = $1").bind(asset.0).execute(&mut *tx).await.unwrap();
        for (ordinal, text) in texts.iter().enumerate() {
            sqlx::query(
                "insert into chunks (id, asset_id, ordinal, text, locator, content_hash, tokens) values ($1, $2, $3, $4, $5, $6, 9)",
            )
            .bind(Uuid::new_v5(&asset.0, format!("{ordinal} {text}").as_bytes()))
            .bind(asset.0)
            .bind(ordinal as i32)
            .bind(text)
            .bind(serde_json::json!({"type": "section", "start": 0, "end": 9}))
            .bind([0u8; 32].as_slice())
            .execute(&mut *tx)
            .await
            .unwrap();
        }
        index_marks::mark(&mut tx, asset).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn state(&self, asset: AssetId, sql: &'static str) {
        let mut tx = self.test.env.db.begin().await.unwrap();
        sqlx::query(sql).bind(asset.0).execute(&mut *tx).await.unwrap();
        index_marks::mark(&mut tx, asset).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn update(&self) {
        crate::ask_for_update(&self.test.env).await.unwrap();
        self.runner.drain().await.unwrap();
        assert_eq!(self.count("jobs where state not in ('done', 'queued')").await, 0, "no job of the index failed");
    }

    async fn count(&self, what: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select count(*) from {what}"))).fetch_one(&self.test.env.db).await.unwrap()
    }

    fn ask(&self, text: &str) -> Result<Found, Trouble> {
        let question = Question::parse(text, 1024).unwrap();
        self.reader.search(&question, Scope { courses: &[self.course], unpublished: &[] }, 100)
    }

    fn found(&self, text: &str) -> usize {
        self.ask(text).unwrap().hits.len()
    }
}

#[tokio::test]
async fn the_index_follows_the_rows() {
    let world = world().await;
    let asset = world.asset("notes", &["alpha one", "alpha two"]).await;
    world.update().await;
    assert_eq!(world.found("alpha "), 2);
    assert_eq!(world.count("index_dirty").await, 0);
    assert_eq!(world.count("index_state where chunks = 2").await, 1);
    assert_eq!(world.count("events where kind = 'Indexed'").await, 1);
    assert_eq!(world.count("jobs where kind = 'PublishAsset' and state = 'queued'").await, 1, "who waits for the index is told");

    world.write(asset, &["beta"]).await;
    world.update().await;
    assert_eq!((world.found("alpha "), world.found("beta ")), (0, 1));
    assert_eq!(world.reader.counts().unwrap()[&asset], 1);

    world
        .state(asset, "update assets set state = 'failed', failure_code = 'x', failure_reason = 'x', failure_stage = 'x' where id = $1")
        .await;
    world.update().await;
    assert_eq!((world.found("beta "), world.count("index_state").await), (0, 0));

    let other = world.asset("other", &["gamma"]).await;
    world.update().await;
    world.state(other, "delete from assets where id = $1").await;
    world.update().await;
    assert_eq!(world.found("gamma "), 0);
    assert!(world.reader.counts().unwrap().is_empty());
}

#[tokio::test]
async fn dying_between_the_commit_and_the_forgetting_is_harmless() {
    let world = world().await;
    let asset = world.asset("notes", &["alpha one", "alpha two"]).await;
    world.update().await;
    world.write(asset, &["alpha three", "alpha four", "alpha five"]).await;
    let World { test, runner, reader, .. } = world;
    drop(runner); // and with it the writer, as when a process ends
    let mut second = Runner::new(test.env.clone());
    let writer = std::sync::Arc::new(Writer::new(&test.env.config.paths.index));
    crate::update_index::register(&mut second, writer.clone());
    {
        let mut exclusive = writer.exclusive(&test.env).await.unwrap();
        let mut conn = test.env.db.acquire().await.unwrap();
        let mark = crate::marks::oldest(&mut conn, 1).await.unwrap()[0];
        let entry = crate::entry::read(&mut conn, mark.asset_id).await.unwrap();
        exclusive.apply(vec![Change { mark, entry }]).await.unwrap();
        // here the process dies: the index is committed, the marks are still there, the lease is not released
    }
    assert_eq!(reader.counts().unwrap()[&asset], 3);
    crate::ask_for_update(&test.env).await.unwrap();
    second.drain().await.unwrap();
    assert_eq!(reader.counts().unwrap()[&asset], 3, "nothing twice, nothing lost");
    let dirty: i64 = sqlx::query_scalar("select count(*) from index_dirty").fetch_one(&test.env.db).await.unwrap();
    assert_eq!(dirty, 0);
}

#[tokio::test]
async fn a_mark_made_while_the_writer_worked_stays() {
    let world = world().await;
    let asset = world.asset("notes", &["alpha"]).await;
    let mut conn = world.test.env.db.acquire().await.unwrap();
    let seen = crate::marks::oldest(&mut conn, 10).await.unwrap();
    index_marks::mark(&mut conn, asset).await.unwrap();
    crate::marks::forget(&mut conn, &seen).await.unwrap();
    assert_eq!(world.count("index_dirty").await, 1);
    let seen = crate::marks::oldest(&mut conn, 10).await.unwrap();
    crate::marks::forget(&mut conn, &seen).await.unwrap();
    assert_eq!(world.count("index_dirty").await, 0);
}

#[tokio::test]
async fn a_rebuilt_index_answers_the_same_and_the_running_writer_follows_it() {
    let world = world().await;
    let mut ids = Vec::new();
    for n in 0..12 {
        ids.push(world.asset(&format!("lesson {n}"), &[&format!("alpha w{n} beta"), &format!("gamma alpha {}", n % 3)]).await);
        world.update().await;
    }
    world.write(ids[3], &["alpha anew"]).await;
    world.update().await;
    let before = rounded(&world.ask("alpha gamma ").unwrap());
    assert_eq!(before.len(), 23);

    world.write(ids[4], &["written before the rebuild"]).await;
    world.write(ids[4], &["alpha w4 beta", "gamma alpha 1"]).await;
    let rebuilt = crate::rebuild(&world.test.env, |_, _| {}).await.unwrap();
    assert_eq!((rebuilt.assets, rebuilt.chunks), (12, 23));
    assert_eq!(rounded(&world.ask("alpha gamma ").unwrap()), before);
    assert_eq!(world.count("index_dirty").await, 0);
    assert_eq!(world.count("index_state").await, 12);

    world.write(ids[5], &["after the swap"]).await;
    world.update().await;
    assert_eq!(world.found("\"after the swap\""), 1);
    let (status, counts) = crate::status(&world.test.env).await.unwrap();
    assert_eq!((status.version, counts.len()), (crate::VERSION, 12));
}

#[tokio::test]
async fn a_deleted_or_damaged_index_is_noticed_and_made_anew() {
    let world = world().await;
    let path = world.test.env.config.paths.index.clone();
    assert!(matches!(world.ask("alpha"), Err(Trouble::Missing)));
    world.asset("notes", &["alpha"]).await;
    crate::start(&world.test.env).await.unwrap();
    world.runner.drain().await.unwrap();
    assert_eq!(world.found("alpha "), 1);

    std::fs::remove_dir_all(&path).unwrap();
    assert!(matches!(world.ask("alpha"), Err(Trouble::Missing)));
    crate::repair(&world.test.env).await.unwrap();
    world.runner.drain().await.unwrap();
    assert_eq!(world.found("alpha "), 1);

    let current = Root::new(&path).current().unwrap();
    for file in std::fs::read_dir(&current).unwrap().flatten().filter(|f| f.path().extension().is_some_and(|e| e == "term")) {
        let mut bytes = std::fs::read(file.path()).unwrap();
        bytes[3] ^= 0x40;
        std::fs::write(file.path(), bytes).unwrap();
    }
    let fresh = Reader::new(&path);
    let question = Question::parse("alpha ", 1024).unwrap();
    let scope = Scope { courses: &[world.course], unpublished: &[] };
    assert!(matches!(fresh.search(&question, scope, 10), Err(Trouble::Damaged { .. })));
    crate::repair(&world.test.env).await.unwrap();
    world.runner.drain().await.unwrap();
    assert_eq!(fresh.search(&question, scope, 10).unwrap().hits.len(), 1);
    crate::start(&world.test.env).await.unwrap();
    assert_eq!(world.count("jobs where kind = 'UpdateIndex' and state = 'queued'").await, 0, "a sound index asks for nothing");
}
