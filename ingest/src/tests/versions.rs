//! Another source for an asset: what stays, what is shown when, and what can be taken up again.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use kernel::events::{self, Cause};
use kernel::http::{Principal, Role};
use kernel::id::{AssetId, JobId};
use kernel::jobs::enqueue;
use kernel::pipeline::{Event, TranscribeSpeech};
use kernel::store::Prefix;
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

use super::{World, fixture};

async fn call(world: &World, who: &Principal, method: &str, path: &str, body: impl Into<Body>) -> (StatusCode, Value) {
    let app = crate::router().split_for_parts().0.with_state(world.env.clone());
    let request = Request::builder().method(method).uri(path).header(header::AUTHORIZATION, world.test.bearer(who));
    let answer = app.oneshot(request.body(body.into()).unwrap()).await.unwrap();
    let status = answer.status();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

/// Sends another source; the version that it is.
async fn replace(world: &World, asset: AssetId, name: &str, bytes: &[u8]) -> Value {
    let path = format!("/assets/{asset}/source?file_name={name}");
    let (status, version) = call(world, &world.teacher, "PUT", &path, bytes.to_vec()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{version}");
    version
}

async fn versions(world: &World, asset: AssetId) -> Vec<Value> {
    let (status, list) = call(world, &world.teacher, "GET", &format!("/assets/{asset}/versions"), Body::empty()).await;
    assert_eq!(status, StatusCode::OK, "{list}");
    list.as_array().unwrap().clone()
}

/// Number, state and whether it is shown, of each version.
async fn states(world: &World, asset: AssetId) -> Vec<(i64, String, bool)> {
    let row = |version: &Value| {
        (version["number"].as_i64().unwrap(), version["state"].as_str().unwrap().to_owned(), version["shown"].as_bool().unwrap())
    };
    versions(world, asset).await.iter().map(row).collect()
}

async fn restore(world: &World, asset: AssetId, number: i64) {
    let path = format!("/assets/{asset}/versions/{number}/restore");
    let (status, version) = call(world, &world.teacher, "POST", &path, Body::empty()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{version}");
}

/// Plays the indexer, which is another room, for everything that is marked; then what follows.
async fn index(world: &World) {
    for _ in 0..2 {
        world.drain().await;
        let marked: Vec<(Uuid, String)> = sqlx::query_as(
            "with forgotten as (delete from index_dirty returning asset_id),
                  held as (select a.id, a.state, (select count(*) from chunks c where c.asset_id = a.id) as chunks
                             from forgotten f join assets a on a.id = f.asset_id),
                  kept as (insert into index_state (asset_id, chunks) select id, chunks from held
                           on conflict (asset_id) do update set chunks = excluded.chunks)
             select id, state from held",
        )
        .fetch_all(&world.env.db)
        .await
        .unwrap();
        for (id, _) in marked.into_iter().filter(|(_, state)| state == "processing") {
            announce(world, Event::Indexed { asset_id: AssetId(id) }).await;
        }
        world.drain().await;
    }
}

async fn announce(world: &World, event: Event) {
    events::record(&mut world.env.db.acquire().await.unwrap(), &event, &Cause::default()).await.unwrap();
}

/// A published asset of these bytes.
async fn published(world: &World, name: &str, bytes: &[u8]) -> AssetId {
    let asset_id = world.asset(name, bytes).await;
    announce(world, Event::Uploaded { asset_id }).await;
    index(world).await;
    asset_id
}

async fn text(world: &World, asset: AssetId) -> String {
    let all: Vec<String> = sqlx::query_scalar("select text from chunks where asset_id = $1 order by ordinal")
        .bind(asset.0)
        .fetch_all(&world.env.db)
        .await
        .unwrap();
    all.join(" ")
}

/// Everything that is stored of an asset and its versions: each row, as it is.
async fn everything(world: &World) -> BTreeMap<&'static str, Value> {
    let mut all = BTreeMap::new();
    for (name, sql) in [
        (
            "assets",
            "select coalesce(jsonb_agg(to_jsonb(t) - 'next_version' - 'state' - 'failure_code' - 'failure_reason' - 'failure_stage' - 'failure_attempt' order by id), '[]') from assets t",
        ),
        ("documents", "select coalesce(jsonb_agg(to_jsonb(t) order by asset_id), '[]') from documents t"),
        ("streams", "select coalesce(jsonb_agg(to_jsonb(t) order by asset_id), '[]') from streams t"),
        ("chunks", "select coalesce(jsonb_agg(to_jsonb(t) order by id), '[]') from chunks t"),
    ] {
        all.insert(name, sqlx::query_scalar(sql).fetch_one(&world.env.db).await.unwrap());
    }
    all
}

async fn prefix(world: &World, table: &'static str, asset: AssetId) -> String {
    let sql = if table == "streams" {
        "select prefix from streams where asset_id = $1"
    } else {
        "select prefix from documents where asset_id = $1"
    };
    sqlx::query_scalar(sql).bind(asset.0).fetch_one(&world.env.db).await.unwrap()
}

async fn run(world: &World, sql: &'static str, asset: AssetId) {
    sqlx::query(sql).bind(asset.0).execute(&world.env.db).await.unwrap();
}

#[tokio::test]
async fn a_new_source_is_shown_when_all_of_it_is_there_and_the_old_one_can_be_restored() {
    let world = World::new().await;
    let asset = published(&world, "tides.md", b"# Tides\n\nThe sea rises twice a day.\n").await;
    let first: Vec<Uuid> = sqlx::query_scalar("select id from chunks").fetch_all(&world.env.db).await.unwrap();
    let version = replace(&world, asset, "tides%202.md", b"# Tides\n\nThe moon pulls at the sea.\n").await;
    assert_eq!((&version["number"], &version["state"], &version["wanted"]), (&2.into(), &"processing".into(), &true.into()));
    world.drain().await;
    assert_eq!(text(&world, asset).await, "The sea rises twice a day.", "the index lacks the new one still");
    assert_eq!(world.state(asset).await.0, "published");

    index(&world).await;
    assert_eq!(text(&world, asset).await, "The moon pulls at the sea.");
    assert_eq!(states(&world, asset).await, [(2, "published".into(), true), (1, "kept".into(), false)]);
    let row: (String, String, i64) =
        sqlx::query_as("select file_name, title, octet_length(source_sha256)::bigint from assets where id = $1")
            .bind(asset.0)
            .fetch_one(&world.env.db)
            .await
            .unwrap();
    assert_eq!((row.0.as_str(), row.1.as_str()), ("tides 2.md", "tides.md"), "the title is the asset's own");
    let kept = AssetId(versions(&world, asset).await[1]["asset_id"].as_str().unwrap().parse().unwrap());
    for (id, expected) in [(asset, 1), (kept, 0)] {
        let waiting: i64 =
            sqlx::query_scalar("select count(*) from jobs where kind = 'EmbedChunks' and asset_id = $1 and state = 'queued'")
                .bind(id.0)
                .fetch_one(&world.env.db)
                .await
                .unwrap();
        assert_eq!(waiting, expected, "what is still to be made of the new source goes on under its new id");
    }
    assert_eq!(text(&world, kept).await, "The sea rises twice a day.");
    assert_eq!(world.count("select count(*) from events where kind = 'Replaced'").await, 1);
    assert_eq!(world.count("select count(*) from events where kind = 'Published'").await, 1);

    let jobs = world.count("select count(*) from jobs where kind = 'ExtractDocument'").await;
    restore(&world, asset, 1).await;
    assert_eq!(text(&world, asset).await, "The moon pulls at the sea.");
    index(&world).await;
    assert_eq!(text(&world, asset).await, "The sea rises twice a day.");
    let again: Vec<Uuid> =
        sqlx::query_scalar("select id from chunks where asset_id = $1").bind(asset.0).fetch_all(&world.env.db).await.unwrap();
    assert_eq!(again, first, "chunks keep their ids");
    assert_eq!(world.count("select count(*) from jobs where kind = 'ExtractDocument'").await, jobs, "nothing was read again");
    assert_eq!(states(&world, asset).await, [(2, "kept".into(), false), (1, "published".into(), true)]);
}

/// What both say alike would have the same name.
#[tokio::test]
async fn versions_that_say_the_same_in_places_can_each_be_read_again() {
    let world = World::new().await;
    let notes = String::from_utf8(fixture("notes.md")).unwrap();
    let asset = published(&world, "notes.md", notes.as_bytes()).await;
    replace(&world, asset, "notes.md", format!("{notes}\n\nAnd one word more.\n").as_bytes()).await;
    index(&world).await;
    let shown = text(&world, asset).await;
    announce(&world, Event::Ingested { asset_id: asset, media: kernel::media::Kind::Document }).await;
    index(&world).await;
    assert_eq!(text(&world, asset).await, shown);
    assert_eq!(world.count("select count(*) from jobs where state = 'dead'").await, 0);
    let gaps =
        "select count(*) from (select asset_id from chunks group by asset_id having max(ordinal) + 1 <> count(*) or min(ordinal) <> 0) t";
    assert_eq!(world.count(gaps).await, 0);
}

#[tokio::test]
async fn the_same_upload_finished_twice_is_one_version() {
    let world = World::new().await;
    let asset = published(&world, "a.md", b"# One\n\nThe first words.\n").await;
    let (one, two) = tokio::join!(
        replace(&world, asset, "b.md", b"# Two\n\nOther words.\n"),
        replace(&world, asset, "b.md", b"# Two\n\nOther words.\n")
    );
    assert_eq!((&one["number"], &two["number"]), (&json!(2), &json!(2)));
    assert_eq!(world.count("select count(*) from jobs where kind = 'IngestUpload'").await, 2, "one for each source");
    // The bytes that are shown call off what was to replace them.
    let same = replace(&world, asset, "a.md", b"# One\n\nThe first words.\n").await;
    assert_eq!((&same["number"], &same["shown"]), (&json!(1), &json!(true)));
    index(&world).await;
    assert_eq!(text(&world, asset).await, "The first words.");
    assert_eq!(states(&world, asset).await, [(2, "kept".into(), false), (1, "published".into(), true)]);
    // And those of an earlier version restore it.
    replace(&world, asset, "b.md", b"# Two\n\nOther words.\n").await;
    index(&world).await;
    assert_eq!(states(&world, asset).await, [(2, "published".into(), true), (1, "kept".into(), false)]);
}

#[tokio::test]
async fn what_fails_leaves_the_old_version_and_says_why() {
    let world = World::new().await;
    let asset = published(&world, "notes.md", &fixture("notes.md")).await;
    let before = everything(&world).await;
    for (name, code, word) in [
        ("two-pages.pdf", None, ""),
        ("encrypted.pdf", Some("pdf_encrypted"), "password"),
        ("tone.m4a", Some("replacement_of_another_kind"), "recording"),
    ] {
        let number = replace(&world, asset, name, &fixture(name)).await["number"].clone();
        world.drain().await;
        let version = versions(&world, asset).await.into_iter().find(|version| version["number"] == number).unwrap();
        assert_eq!(version["failure"]["code"].as_str(), code, "{name}");
        assert!(version["failure"]["reason"].as_str().unwrap_or_default().contains(word), "{version}");
        assert_eq!(world.state(asset).await.0, "published");
        let (status, _) = call(&world, &world.teacher, "DELETE", &format!("/assets/{asset}/versions/{number}"), Body::empty()).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
    }
    assert_eq!(everything(&world).await, before);
    assert_eq!(world.count("select count(*) from sources").await, 1, "what nobody has any more is forgotten");
}

#[tokio::test]
async fn the_last_version_that_was_asked_for_is_shown_and_the_oldest_go() {
    let mut world = World::new().await;
    let mut config = (*world.env.config).clone();
    config.limits.versions = 1;
    world.env.config = Arc::new(config);
    let asset = published(&world, "1.md", b"# One\n\nWords of one.\n").await;
    replace(&world, asset, "2.md", b"# Two\n\nWords of two.\n").await;
    replace(&world, asset, "3.md", b"# Three\n\nWords of three.\n").await;
    index(&world).await;
    assert_eq!(text(&world, asset).await, "Words of three.", "whichever was ready first");
    assert_eq!(states(&world, asset).await, [(3, "published".into(), true), (2, "kept".into(), false)]);
    assert_eq!(world.count("select count(*) from sources").await, 2);
    assert_eq!(world.count("select count(*) from chunks").await, 2);
    let (status, problem) = call(&world, &world.teacher, "DELETE", &format!("/assets/{asset}/versions/3"), Body::empty()).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &"version_is_shown".into()));
}

/// A worker that dies in the middle of the switch: its transaction is undone, whatever it had written.
#[tokio::test]
async fn a_switch_that_breaks_off_changes_nothing_and_is_made_good() {
    let world = World::new().await;
    let asset = published(&world, "a.md", b"# One\n\nThe first words.\n").await;
    replace(&world, asset, "b.md", b"# Two\n\nOther words.\n").await;
    world.drain().await;
    let before = everything(&world).await;
    let mut owner = world.test.owner().await;
    sqlx::raw_sql(
        "create function die() returns trigger language plpgsql as $$ begin raise exception 'the worker died'; end $$;
         create trigger dies before update on assets for each row when (new.version <> old.version) execute function die()",
    )
    .execute(&mut owner)
    .await
    .unwrap();
    index(&world).await;
    assert_eq!(everything(&world).await, before, "neither chunks nor documents have changed hands");
    assert_eq!((world.state(asset).await.0.as_str(), text(&world, asset).await.as_str()), ("published", "The first words."));
    assert!(world.count("select count(*) from jobs where kind = 'PublishAsset' and failure_detail like '%the worker died%'").await > 0);
    sqlx::raw_sql("drop trigger dies on assets").execute(&mut owner).await.unwrap();
    restore(&world, asset, 2).await;
    index(&world).await;
    assert_eq!(text(&world, asset).await, "Other words.");
}

/// Puts a package of this length under the name of whoever is being made; plays the room that encodes.
async fn stream(world: &World, asset: AssetId, duration_ms: i64) -> String {
    let prefix = Prefix::attempt(asset, JobId::new(), 1);
    sqlx::query("insert into streams (asset_id, prefix, duration_ms, width, height, poster, manifest, made_by) values ($1, $2, $3, 640, 360, 'x', '{}', 1)")
        .bind(asset.0)
        .bind(prefix.as_str())
        .bind(duration_ms)
        .execute(&world.env.db)
        .await
        .unwrap();
    prefix.as_str().to_owned()
}

/// A recording of ten seconds with captions and chapters, and where somebody stopped.
async fn recording(world: &World) -> (AssetId, AssetId) {
    let film = world.asset("talk.mp4", &fixture("tiny.mp4")).await;
    announce(world, Event::Uploaded { asset_id: film }).await;
    stream(world, film, 10_000).await;
    let captions = published(world, "talk.en.vtt", &fixture("captions.vtt")).await;
    run(world, "insert into chapters (asset_id, start_ms, title) values ($1, 0, 'Welcome')", film).await;
    run(world, "update assets set chapters_version = 1, poster_file = 'uploaded.jpg' where id = $1", film).await;
    run(
        world,
        "insert into positions (account_id, asset_id, at_ms, updated_at) select owner_id, id, 5000, now() from assets where id = $1",
        film,
    )
    .await;
    assert_eq!(world.state(film).await.0, "published");
    (film, captions)
}

/// Whose the captions are, in what state; and how many chapters the film has.
async fn follows(world: &World, film: AssetId, captions: AssetId) -> (bool, String, i64) {
    let (parent, state): (Option<Uuid>, String) =
        sqlx::query_as("select parent_id, state from assets where id = $1").bind(captions.0).fetch_one(&world.env.db).await.unwrap();
    let chapters: i64 =
        sqlx::query_scalar("select count(*) from chapters join assets on id = asset_id where id = $1 and chapters_version = 1")
            .bind(film.0)
            .fetch_one(&world.env.db)
            .await
            .unwrap();
    (parent == Some(film.0), state, chapters)
}

#[tokio::test]
async fn captions_and_chapters_stay_with_a_recording_that_is_cut_alike_and_go_with_one_that_is_not() {
    let world = World::new().await;
    let (film, captions) = recording(&world).await;
    let first = prefix(&world, "streams", film).await;
    let next = async |name: &str, source: &str, length: i64| -> String {
        let version = replace(&world, film, name, &fixture(source)).await;
        let id = AssetId(version["asset_id"].as_str().unwrap().parse().unwrap());
        world.drain().await;
        let prefix = stream(&world, id, length).await;
        index(&world).await;
        prefix
    };
    let second = next("alike.mp4", "silent.mp4", 10_400).await;
    assert_eq!(prefix(&world, "streams", film).await, second);
    assert_eq!(follows(&world, film, captions).await, (true, "published".into(), 1));

    let third = next("longer.mp4", "rotated.mp4", 30_000).await;
    assert_eq!(prefix(&world, "streams", film).await, third);
    assert_eq!(follows(&world, film, captions).await, (false, "kept".into(), 0), "they were timed for another one");
    assert_eq!(world.count("select count(*) from replaced_streams").await, 2, "whoever watches may finish");

    restore(&world, film, 2).await;
    index(&world).await;
    assert_eq!(prefix(&world, "streams", film).await, second);
    assert_eq!(follows(&world, film, captions).await, (true, "published".into(), 1));
    restore(&world, film, 1).await;
    index(&world).await;
    assert_eq!(prefix(&world, "streams", film).await, first);
    assert_eq!(world.count("select count(*) from positions where at_ms = 5000").await, 1);
    assert_eq!(world.count("select count(*) from assets where poster_file = 'uploaded.jpg' and version_of is null").await, 1);
}

/// As a machine makes them, for a recording that is not shown yet.
#[tokio::test]
async fn captions_of_a_version_are_shown_with_it_and_not_before() {
    let world = World::new().await;
    let (film, old) = recording(&world).await;
    run(&world, "update assets set auto = true where id = $1", old).await;
    let version = replace(&world, film, "new.mp4", &fixture("silent.mp4")).await;
    let id = AssetId(version["asset_id"].as_str().unwrap().parse().unwrap());
    let new = world.asset("new.vtt", &fixture("captions.srt")).await;
    sqlx::query("update assets set parent_id = $2, auto = true where id = $1").bind(new.0).bind(id.0).execute(&world.env.db).await.unwrap();
    announce(&world, Event::Uploaded { asset_id: new }).await;
    index(&world).await;
    assert_eq!(world.state(new).await.0, "processing", "they are read and indexed, and wait");
    assert_eq!(follows(&world, film, old).await, (true, "published".into(), 1));
    stream(&world, id, 10_000).await;
    announce(&world, Event::Transcoded { asset_id: id }).await;
    world.drain().await;
    assert_eq!(follows(&world, film, new).await, (true, "published".into(), 1));
    assert_eq!(follows(&world, film, old).await.1, "kept", "a machine has written anew what it had written");
    restore(&world, film, 1).await;
    index(&world).await;
    assert_eq!((follows(&world, film, old).await.1.as_str(), follows(&world, film, new).await.1.as_str()), ("published", "kept"));
}

#[tokio::test]
async fn no_draft_takes_the_place_of_a_whole_recording_and_work_on_the_old_one_ends() {
    let world = World::new().await;
    let (film, _) = recording(&world).await;
    let first = prefix(&world, "streams", film).await;
    let version = replace(&world, film, "new.mp4", &fixture("silent.mp4")).await;
    let id = AssetId(version["asset_id"].as_str().unwrap().parse().unwrap());
    world.drain().await;
    let second = stream(&world, id, 10_000).await;
    run(&world, "update streams set complete = false where asset_id = $1", id).await;
    index(&world).await;
    assert_eq!(prefix(&world, "streams", film).await, first);
    run(&world, "update streams set complete = true where asset_id = $1", id).await;
    announce(&world, Event::Ingested { asset_id: film, media: kernel::media::Kind::Video }).await;
    announce(&world, Event::Transcoded { asset_id: id }).await;
    world.drain().await;
    assert_eq!(prefix(&world, "streams", film).await, second);
    let count = async |sql: &'static str| -> i64 { sqlx::query_scalar(sql).bind(film.0).fetch_one(&world.env.db).await.unwrap() };
    let stopped = "select count(*) from jobs where asset_id = $1 and kind = 'TranscodeMedia' and failure_code = 'superseded'";
    assert_eq!(count(stopped).await, 2, "what was being made of the old source would be written over the new one");
    let live = "select count(*) from jobs where asset_id = $1 and kind = 'TranscodeMedia' and state = 'queued'";
    assert_eq!(count(live).await, 1, "what waited to be made of the new one still does");
}

#[tokio::test]
async fn only_who_may_edit_replaces_and_restores() {
    let world = World::new().await;
    let asset = published(&world, "a.md", b"# One\n\nThe first words.\n").await;
    let version = replace(&world, asset, "b.md", b"# Two\n\nOther words.\n").await;
    let hidden = version["asset_id"].as_str().unwrap().to_owned();
    let (learner, stranger, admin) =
        (world.test.account(Role::Student).await, world.test.account(Role::Instructor).await, world.test.account(Role::Admin).await);
    world.test.enrol(&learner, world.course).await;
    let calls = |id: &str| {
        [
            ("PUT", format!("/assets/{id}/source?file_name=c.md")),
            ("GET", format!("/assets/{id}/versions")),
            ("POST", format!("/assets/{id}/versions/1/restore")),
            ("DELETE", format!("/assets/{id}/versions/2")),
        ]
    };
    for (method, path) in calls(&asset.to_string()) {
        for (who, expected) in [(&learner, StatusCode::FORBIDDEN), (&stranger, StatusCode::NOT_FOUND)] {
            assert_eq!(call(&world, who, method, &path, "# Mine\n").await.0, expected, "{method} {path}");
        }
    }
    for (method, path) in calls(&hidden) {
        assert_eq!(call(&world, &learner, method, &path, "# Mine\n").await.0, StatusCode::NOT_FOUND, "no learner knows of it");
        let (status, problem) = call(&world, &world.teacher, method, &path, "# Mine\n").await;
        assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &"asset_is_version".into()), "{method} {path}");
    }
    assert_eq!(world.count("select count(*) from assets").await, 2, "nobody changed anything");
    for (method, path) in calls(&asset.to_string()) {
        let (status, answer) = call(&world, &admin, method, &path, "# Mine\n\nNow.\n").await;
        assert!(status.is_success(), "the protection was not what refused: {method} {path}: {answer}");
    }
    for path in [format!("/assets/{asset}/versions/9"), format!("/assets/{asset}/versions/x")] {
        assert_eq!(call(&world, &admin, "DELETE", &path, Body::empty()).await.0, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn what_is_said_in_another_version_is_written_when_it_is_shown_and_not_before() {
    let mut world = World::new().await;
    let mut config = (*world.env.config).clone();
    config.speech.command = vec!["engine".into()];
    world.env.config = Arc::new(config);
    let (film, _) = recording(&world).await;
    enqueue(&mut world.env.db.acquire().await.unwrap(), TranscribeSpeech { asset_id: film }, &Cause::default()).await.unwrap();
    let version = replace(&world, film, "new.mp4", &fixture("silent.mp4")).await;
    let id = AssetId(version["asset_id"].as_str().unwrap().parse().unwrap());
    world.drain().await;
    stream(&world, id, 30_000).await;
    run(&world, r#"update streams set manifest = '{"source": {"audio": {"language": "en"}}}' where asset_id = $1"#, id).await;
    let asked = async || -> Vec<(bool, String, String)> {
        let sql = "select asset_id = $1, state, lane from jobs where kind = 'TranscribeSpeech' order by id";
        sqlx::query_as(sql).bind(film.0).fetch_all(&world.env.db).await.unwrap()
    };
    let row = |state: &str, lane: &str| (true, state.to_owned(), lane.to_owned());
    let queued = asked().await;
    assert_eq!(queued.len(), 1, "{queued:?}");
    announce(&world, Event::Transcoded { asset_id: id }).await;
    index(&world).await;
    let now = asked().await;
    assert_eq!(now, [row("cancelled", &queued[0].2), row("queued", "backfill")], "what was to be written of the old one is not");

    // The earlier one has its own captions by a machine, and takes them along.
    run(&world, "update assets set auto = true where kind = 'captions' and parent_id <> $1", film).await;
    restore(&world, film, 1).await;
    index(&world).await;
    let last = asked().await;
    assert_eq!(last, [row("cancelled", &queued[0].2), row("cancelled", "backfill")], "and nothing anew");
}
