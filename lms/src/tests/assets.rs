//! What people get of an asset, and following one until it is published.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use futures::StreamExt;
use kernel::id::{AssetId, JobId};
use kernel::store::{Key, Prefix, Served};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::World;

#[tokio::test]
async fn a_video_comes_with_signed_addresses_and_captions() {
    let world = World::new().await;
    let video = world.video(world.published).await;
    let playback = world.ask(&world.learner, "GET", &format!("/assets/{video}/playback"), Value::Null).await.body;
    assert_eq!((&playback["kind"], &playback["duration_ms"]), (&"video".into(), &1500.into()));
    assert_eq!(playback["captions"][0]["language"], "en", "as BCP 47 has it");
    assert_eq!(playback["expires_in"], 300);
    let env = &world.test.env;
    for url in [&playback["hls_url"], &playback["poster_url"], &playback["captions"][0]["url"]] {
        let parts: Vec<&str> = url.as_str().unwrap().split('/').collect();
        assert_eq!((parts[1], parts[3]), ("stream", video.to_string().as_str()), "{url}");
        let prefix = Prefix::parse(&format!("assets/{}/{}", parts[3], parts[4])).unwrap();
        assert_eq!(env.signer.stream_account(parts[2], &prefix, env.clock.now()), Some(world.learner.account_id), "{url}");
    }
    let listed = world.ask(&world.learner, "GET", &format!("/assets/{video}"), Value::Null).await.body;
    assert!(listed["poster_url"].as_str().unwrap().starts_with("/stream/"), "{listed}");
}

#[tokio::test]
async fn a_picture_that_was_not_made_with_the_stream_has_an_address_of_its_own() {
    let world = World::new().await;
    let video = world.video(world.published).await;
    let chosen = Key::in_prefix(&Prefix::attempt(AssetId::new(), JobId::new(), 1), "poster.jpg").unwrap();
    sqlx::query("update streams set poster = $2 where asset_id = $1")
        .bind(video.0)
        .bind(chosen.as_str())
        .execute(&world.test.env.db)
        .await
        .unwrap();
    let playback = world.ask(&world.learner, "GET", &format!("/assets/{video}/playback"), Value::Null).await.body;
    let (token, key) = playback["poster_url"].as_str().unwrap().strip_prefix("/media/").unwrap().split_once('/').unwrap();
    let env = &world.test.env;
    assert_eq!(key, chosen.as_str());
    assert!(env.signer.verify(token, &chosen, &Served::default(), env.clock.now()));
}

#[tokio::test]
async fn a_source_is_saved_unless_it_is_a_pdf() {
    let world = World::new().await;
    let document = world.document(world.published).await;
    let path = format!("/assets/{document}/source");
    let page = world.ask(&world.learner, "GET", &path, Value::Null).await.body;
    assert!(!page["url"].as_str().unwrap().contains("inline"), "{page}");
    world.publish(document, "document", "application/pdf").await;
    let pdf = world.ask(&world.learner, "GET", &path, Value::Null).await.body;
    assert!(pdf["url"].as_str().unwrap().ends_with("inline=true"), "{pdf}");
    assert_eq!(pdf["file_name"], "notes.md");
}

#[tokio::test]
async fn text_comes_in_pages() {
    let world = World::new().await;
    let document = world.document(world.published).await;
    let first = world.ask(&world.learner, "GET", &format!("/assets/{document}/chunks?limit=2"), Value::Null).await.body;
    assert_eq!(
        first["items"][1],
        json!({"ordinal": 1, "text": "text", "heading_path": ["Leases"], "locator": {"type": "page", "page": 2, "start": 0, "end": 4}})
    );
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = world.ask(&world.learner, "GET", &format!("/assets/{document}/chunks?limit=2&cursor={cursor}"), Value::Null).await.body;
    assert_eq!((second["items"].as_array().unwrap().len(), &second["next_cursor"]), (1, &Value::Null));
    for (query, code) in [("limit=0", "limit_invalid"), ("limit=x", "query_invalid"), ("cursor=!", "cursor_invalid")] {
        let answer = world.ask(&world.learner, "GET", &format!("/assets/{document}/chunks?{query}"), Value::Null).await;
        assert_eq!((answer.status, &answer.body["code"]), (StatusCode::BAD_REQUEST, &code.into()));
    }
}

#[tokio::test]
async fn an_asset_says_why_it_failed_and_is_tried_again() {
    let world = World::new().await;
    let (asset, _) = world.failed(world.published).await;
    let path = format!("/assets/{asset}");
    let shown = world.ask(&world.owner, "GET", &path, Value::Null).await.body;
    assert_eq!(shown["failure"], json!({"code": "pdf_broken", "reason": "broken", "stage": "extract", "attempt": 1}));
    assert_eq!(shown["stages"][0]["state"], "dead");
    let again = world.ask(&world.owner, "POST", &format!("{path}/retry"), Value::Null).await;
    assert_eq!(
        (again.status, &again.body["state"], &again.body["stages"][0]["state"]),
        (StatusCode::ACCEPTED, &"processing".into(), &"queued".into())
    );
    assert_eq!(again.body["failure"], Value::Null);
}

#[tokio::test]
async fn a_failure_without_a_job_is_taken_up_from_the_start() {
    let world = World::new().await;
    let (asset, job) = world.failed(world.published).await;
    sqlx::query("delete from jobs where id = $1").bind(job.0).execute(&world.test.env.db).await.unwrap();
    let again = world.ask(&world.owner, "POST", &format!("/assets/{asset}/retry"), Value::Null).await;
    assert_eq!((&again.body["state"], &again.body["stages"][0]["kind"]), (&"processing".into(), &"IngestUpload".into()));
}

#[tokio::test]
async fn an_asset_is_followed_until_it_is_published() {
    let world = World::new().await;
    let asset = world.test.asset(&world.owner, world.published, "notes.md", b"# Notes").await;
    let request = Request::get(format!("/assets/{asset}/progress"))
        .header(header::AUTHORIZATION, world.test.bearer(&world.owner))
        .body(Body::empty())
        .unwrap();
    let answer = world.app.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut stream = answer.into_body().into_data_stream();
    let mut next = async || -> Option<Value> {
        let text = String::from_utf8(stream.next().await?.unwrap().to_vec()).unwrap();
        Some(serde_json::from_str(text.strip_prefix("event: asset\ndata: ").unwrap_or_else(|| panic!("{text}")).trim()).unwrap())
    };
    assert_eq!(next().await.unwrap()["state"], "processing");
    world.job(asset, "ExtractDocument", "extract", "queued").await;
    assert_eq!(next().await.unwrap()["stages"][0]["state"], "queued");
    world.publish(asset, "document", "text/markdown").await;
    assert_eq!(next().await.unwrap()["state"], "published");
    assert_eq!(next().await, None, "the stream ends with the last change");
}
