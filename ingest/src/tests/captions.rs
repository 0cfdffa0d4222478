//! Captions corrected in the browser: what is stored, what is read again, and who may not.

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use kernel::events::{self, Cause};
use kernel::http::{Principal, Role};
use kernel::id::AssetId;
use kernel::pipeline::Event;
use kernel::store::{Key, Prefix};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{World, fixture};

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

async fn ask(world: &World, who: &Principal, method: &str, asset: AssetId, body: Option<Value>, if_match: Option<&str>) -> Answer {
    let app = crate::router().split_for_parts().0.with_state(world.env.clone());
    let mut request = Request::builder().method(method).uri(format!("/assets/{asset}/captions"));
    request = request.header(header::AUTHORIZATION, world.test.bearer(who)).header(header::CONTENT_TYPE, "application/json");
    if let Some(etag) = if_match {
        request = request.header(header::IF_MATCH, etag);
    }
    let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
    let answer = app.oneshot(request.body(body).unwrap()).await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap() }
}

async fn show(world: &World, asset: AssetId) -> Answer {
    ask(world, &world.teacher, "GET", asset, None, None).await
}

async fn save(world: &World, asset: AssetId, body: &Value, etag: &str) -> Answer {
    ask(world, &world.teacher, "PUT", asset, Some(body.clone()), Some(etag)).await
}

fn etag(answer: &Answer) -> String {
    answer.headers[header::ETAG].to_str().unwrap().to_owned()
}

/// Captions of a published course, read and shown to learners.
async fn captions(world: &World, file_name: &str, bytes: &[u8]) -> AssetId {
    let asset_id = world.asset(file_name, bytes).await;
    announce(world, Event::Uploaded { asset_id }).await;
    world.drain().await;
    sqlx::query("update assets set state = 'published', published_at = now() where id = $1")
        .bind(asset_id.0)
        .execute(&world.env.db)
        .await
        .unwrap();
    asset_id
}

async fn announce(world: &World, event: Event) {
    events::record(&mut world.env.db.acquire().await.unwrap(), &event, &Cause::default()).await.unwrap();
}

/// What players get.
async fn clean(world: &World, asset: AssetId) -> String {
    let prefix: String =
        sqlx::query_scalar("select prefix from documents where asset_id = $1").bind(asset.0).fetch_one(&world.env.db).await.unwrap();
    let key = Key::in_prefix(&Prefix::parse(&prefix).unwrap(), crate::CAPTIONS).unwrap();
    String::from_utf8(world.env.store.get(&key).await.unwrap().to_vec()).unwrap()
}

async fn text(world: &World, asset: AssetId) -> String {
    let chunks: Vec<String> = sqlx::query_scalar("select text from chunks where asset_id = $1 order by ordinal")
        .bind(asset.0)
        .fetch_all(&world.env.db)
        .await
        .unwrap();
    chunks.join(" ")
}

fn edit(cues: Value) -> Value {
    json!({"label": "English, checked", "language": "de", "sdh": true, "cues": cues})
}

#[tokio::test]
async fn an_edit_is_stored_read_again_and_comes_back_as_it_was_saved() {
    let world = World::new().await;
    let asset = captions(&world, "talk.en.srt", &fixture("captions.srt")).await;
    sqlx::query("update assets set auto = true where id = $1").bind(asset.0).execute(&world.env.db).await.unwrap();
    let before = show(&world, asset).await;
    assert_eq!((before.status, &before.body["auto"], &before.body["label"]), (StatusCode::OK, &true.into(), &"talk.en.srt".into()));
    assert!(!before.body["cues"].as_array().unwrap().is_empty());

    let cues = json!([
        {"start_s": 1.0, "end_s": 3.0, "text": "Quokkas <never> worry & hurry.", "speaker": "Ann"},
        {"start_s": 3.0, "end_s": 4.5, "text": "Yes.", "speaker": null},
        {"start_s": 4.5, "end_s": 6.0, "text": "Yes.", "speaker": null},
    ]);
    let saved = save(&world, asset, &edit(cues.clone()), &etag(&before)).await;
    assert_eq!(saved.status, StatusCode::OK, "{}", saved.body);
    assert_eq!((&saved.body["cues"], &saved.body["auto"], &saved.body["sdh"]), (&cues, &false.into(), &true.into()));
    assert_eq!(show(&world, asset).await.body["cues"], cues, "before it is read again");
    assert_ne!(etag(&saved), etag(&before));

    world.drain().await;
    let shown = show(&world, asset).await;
    assert_eq!((&shown.body["cues"], &shown.body["language"]), (&cues, &"de".into()), "what a person says of the language stays");
    assert_eq!(etag(&shown), etag(&saved));
    let file = clean(&world, asset).await;
    assert_eq!(file.matches("Yes.").count(), 2, "a repeated line is meant: {file}");
    assert!(file.contains("<v Ann>Quokkas &lt;never&gt; worry &amp; hurry."), "{file}");
    assert_eq!(text(&world, asset).await, "Quokkas <never> worry & hurry. Yes. Yes.");
    assert_eq!(world.state(asset).await.0, "published", "learners have it all the while");
    assert_eq!(world.count("select count(*) from index_dirty").await, 1);
    assert_eq!(world.count("select count(*) from events where kind = 'CaptionsEdited'").await, 1);

    // What is downloaded now, uploaded elsewhere, says the same.
    let (name, sha256): (String, Vec<u8>) =
        sqlx::query_as("select file_name, source_sha256 from assets where id = $1").bind(asset.0).fetch_one(&world.env.db).await.unwrap();
    assert_eq!(name, "talk.en.vtt");
    let source = world.env.store.get(&Key::source(&sha256)).await.unwrap();
    let copy = captions(&world, "copy.vtt", &source).await;
    assert_eq!(show(&world, copy).await.body["cues"], cues);
    assert_eq!(world.count("select count(*) from sources").await, 2, "the first upload stays stored");
}

#[tokio::test]
async fn of_edits_from_one_version_one_wins() {
    let world = World::new().await;
    let asset = captions(&world, "talk.vtt", &fixture("captions.vtt")).await;
    let first = etag(&show(&world, asset).await);
    let words = |text: &str| edit(json!([{"start_s": 0.0, "end_s": 2.0, "text": text}]));
    let (one, two) = {
        let (a, b) = (words("one"), words("two"));
        tokio::join!(save(&world, asset, &a, &first), save(&world, asset, &b, &first))
    };
    let mut statuses = [one.status, two.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::PRECONDITION_FAILED]);
    let missing = ask(&world, &world.teacher, "PUT", asset, Some(words("three")), None).await;
    assert_eq!((missing.status, &missing.body["code"]), (StatusCode::PRECONDITION_REQUIRED, &"if_match_required".into()));
    let wrong = save(&world, asset, &edit(json!([{"start_s": 2.0, "end_s": 1.0, "text": ""}])), "*").await;
    let pointers: Vec<_> = wrong.body["errors"].as_array().unwrap().iter().map(|fault| fault["pointer"].as_str().unwrap()).collect();
    assert_eq!((wrong.status, pointers), (StatusCode::UNPROCESSABLE_ENTITY, vec!["/cues/0/text", "/cues/0/end_s"]));
}

/// A job that has read the file of yesterday must not write over what was saved while it read.
#[tokio::test]
async fn what_was_read_of_a_replaced_source_is_forgotten() {
    let world = World::new().await;
    let asset = captions(&world, "talk.vtt", &fixture("captions.vtt")).await;
    world.asset("other.vtt", b"WEBVTT\n\n00:01.000 --> 00:02.000\nsomething else\n").await;
    let prefix = async || -> String {
        sqlx::query_scalar("select prefix from documents where asset_id = $1").bind(asset.0).fetch_one(&world.env.db).await.unwrap()
    };
    let first = prefix().await;
    announce(&world, Event::CaptionsEdited { asset_id: asset }).await;
    world.drain().await;
    let second = prefix().await;
    assert_ne!(first, second, "as long as the source is the same, it is read again");
    // The last moment at which somebody else can save: the job is about to write what it has read.
    sqlx::raw_sql(
        "create function replace_source() returns trigger language plpgsql as $$ begin
           update assets set source_sha256 = (select source_sha256 from assets where file_name = 'other.vtt') where file_name = 'talk.vtt';
           return new; end $$;
         create trigger replaced before update on jobs for each row
           when (new.kind = 'ExtractDocument' and new.state = 'done' and old.state = 'running') execute function replace_source();",
    )
    .execute(&mut world.test.owner().await)
    .await
    .unwrap();
    announce(&world, Event::CaptionsEdited { asset_id: asset }).await;
    world.drain().await;
    assert_eq!(prefix().await, second);
    assert_eq!(world.count("select count(*) from jobs where kind = 'ExtractDocument' and state = 'done'").await, 3);
}

#[tokio::test]
async fn only_editors_read_and_write_them_and_only_of_captions() {
    let world = World::new().await;
    let asset = captions(&world, "talk.vtt", &fixture("captions.vtt")).await;
    let (learner, stranger) = (world.test.account(Role::Student).await, world.test.account(Role::Instructor).await);
    world.test.enrol(&learner, world.course).await;
    let body = edit(json!([{"start_s": 0.0, "end_s": 2.0, "text": "mine now"}]));
    for (who, expected) in [(&learner, StatusCode::FORBIDDEN), (&stranger, StatusCode::NOT_FOUND)] {
        assert_eq!(ask(&world, who, "GET", asset, None, None).await.status, expected);
        assert_eq!(ask(&world, who, "PUT", asset, Some(body.clone()), Some("*")).await.status, expected);
    }
    assert!(!text(&world, asset).await.contains("mine now"));
    let notes = captions(&world, "notes.md", &fixture("notes.md")).await;
    let refused = save(&world, notes, &body, "*").await;
    assert_eq!((refused.status, &refused.body["code"]), (StatusCode::CONFLICT, &"asset_not_captions".into()));
    let unread = world.asset("later.vtt", &fixture("captions.vtt")).await;
    assert_eq!(show(&world, unread).await.body["code"], "captions_not_read", "nobody has looked what it is");
    sqlx::query("update assets set kind = 'captions' where id = $1").bind(unread.0).execute(&world.env.db).await.unwrap();
    assert_eq!(show(&world, unread).await.body["code"], "captions_not_read");
}

#[tokio::test]
async fn what_a_person_uploads_takes_the_place_of_what_a_machine_has_made_in_that_language() {
    let cues = "WEBVTT\n\n00:01.000 --> 00:03.000\nThe tide is <00:01.500>the sea that <00:02.000>comes and goes twice a day.\n";
    for (file_name, is_replaced) in
        [("talk.en.vtt", true), ("talk.en-GB.srt", true), ("talk.vtt", true), ("talk.de.vtt", false), ("talk.en.forced.vtt", false)]
    {
        let world = World::new().await;
        let film = world.asset("talk.mp4", b"a film").await;
        let automatic = captions(&world, "film.en.vtt", cues.as_bytes()).await;
        assert!(
            clean(&world, automatic).await.contains("The tide is <00:00:01.500>the sea that <00:00:02.000>comes"),
            "players get the times of words"
        );
        assert!(text(&world, automatic).await.contains("is the sea that comes"), "search gets words");
        for update in [
            "update assets set kind = 'video' where id = $2",
            "update assets set auto = true, parent_id = $2 where id = $1",
            "delete from index_dirty where asset_id in ($1, $2)",
        ] {
            sqlx::query(update).bind(automatic.0).bind(film.0).execute(&world.env.db).await.unwrap();
        }
        let brought = world.asset(file_name, cues.as_bytes()).await;
        announce(&world, Event::Uploaded { asset_id: brought }).await;
        world.drain().await;
        assert_eq!(world.count("select count(*) from assets where auto").await, 1, "{file_name}: both are there until the switch");
        for update in [
            "insert into index_state (asset_id, chunks) select $1, count(*) from chunks where asset_id = $1",
            "delete from index_dirty where asset_id = $1",
            "update jobs set state = 'done' where kind = 'UpdateIndex' and $1::uuid is not null",
        ] {
            sqlx::query(update).bind(brought.0).execute(&world.env.db).await.unwrap();
        }
        announce(&world, Event::Indexed { asset_id: brought }).await;
        world.drain().await;
        assert_eq!(world.state(brought).await.0, "published");
        let left = (
            world.count("select count(*) from assets where auto").await,
            world.count("select count(*) from index_dirty").await,
            world.count("select count(*) from jobs where kind = 'UpdateIndex' and state = 'queued'").await,
        );
        assert_eq!(left, if is_replaced { (0, 1, 1) } else { (1, 0, 0) }, "{file_name}");
    }
}
