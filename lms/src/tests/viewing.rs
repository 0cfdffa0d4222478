//! Chapters, posters and where one stopped, over HTTP.

use axum::http::{StatusCode, header};
use kernel::id::AssetId;
use serde_json::{Value, json};

use super::{World, send};

async fn video(world: &World, manifest: Value) -> AssetId {
    let id = world.video(world.published).await;
    sqlx::query("update streams set manifest = $2, duration_ms = 600000 where asset_id = $1")
        .bind(id.0)
        .bind(manifest)
        .execute(&world.test.env.db)
        .await
        .unwrap();
    id
}

async fn playback(world: &World, id: AssetId) -> Value {
    world.ask(&world.learner, "GET", &format!("/assets/{id}/playback"), Value::Null).await.body
}

#[tokio::test]
async fn chapters_come_from_the_file_until_somebody_edits_them() {
    let world = World::new().await;
    let id = video(&world, json!({"chapters": [{"start_ms": 0, "end_ms": 9000, "title": "Opening"}, {"start_ms": 9000, "end_ms": 600000, "title": "The rest"}]})).await;
    let path = format!("/assets/{id}/chapters");
    let first = world.ask(&world.learner, "GET", &path, Value::Null).await;
    assert_eq!(
        first.body,
        json!({"chapters": [{"start_s": 0.0, "title": "Opening"}, {"start_s": 9.0, "title": "The rest"}], "edited": false})
    );
    assert_eq!(playback(&world, id).await["chapters"], first.body["chapters"]);

    let etag = first.headers[header::ETAG].to_str().unwrap().to_owned();
    let edit = json!({"chapters": [{"start_s": 120.25, "title": "Later"}, {"start_s": 0, "title": " Hello "}]});
    let edited = world.ask_with(&world.owner, "PUT", &path, edit.clone(), &[("if-match", &etag)]).await;
    assert_eq!(
        edited.body,
        json!({"chapters": [{"start_s": 0.0, "title": "Hello"}, {"start_s": 120.25, "title": "Later"}], "edited": true})
    );
    assert_eq!(playback(&world, id).await["chapters"], edited.body["chapters"]);
    let late = world.ask_with(&world.owner, "PUT", &path, edit.clone(), &[("if-match", &etag)]).await;
    assert_eq!((late.status, &late.body["code"]), (StatusCode::PRECONDITION_FAILED, &"version_conflict".into()));
    let missing = world.ask(&world.owner, "PUT", &path, edit).await;
    assert_eq!(missing.status, StatusCode::PRECONDITION_REQUIRED);
    let outside = json!({"chapters": [{"start_s": 600, "title": "After the end"}]});
    let wrong = world.ask_with(&world.owner, "PUT", &path, outside, &[("if-match", "*")]).await;
    assert_eq!((wrong.status, &wrong.body["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &"/chapters/0/start_s".into()));

    let none = world.ask_with(&world.owner, "PUT", &path, json!({"chapters": []}), &[("if-match", "*")]).await;
    assert_eq!(none.body, json!({"chapters": [], "edited": true}), "none is an edit, too: those of the file do not come back");
    assert_eq!(playback(&world, id).await["chapters"], json!([]));
    let webvtt = world.ask(&world.learner, "GET", &format!("{path}.vtt"), Value::Null).await;
    assert_eq!((webvtt.body, &webvtt.headers[header::CONTENT_TYPE]), ("WEBVTT\n".into(), &"text/vtt; charset=utf-8".parse().unwrap()));
}

#[tokio::test]
async fn of_chapter_edits_from_one_version_one_wins() {
    let world = World::new().await;
    let id = video(&world, json!({})).await;
    let path = format!("/assets/{id}/chapters");
    let edits = (0..8)
        .map(|n| world.ask_with(&world.owner, "PUT", &path, json!({"chapters": [{"start_s": n, "title": "C"}]}), &[("if-match", "\"0\"")]));
    let answers = futures::future::join_all(edits).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == StatusCode::OK).count(), 1);
    assert_eq!(world.count("select count(*) from chapters").await, 1);
}

#[tokio::test]
async fn each_person_goes_on_where_they_stopped() {
    let world = World::new().await;
    let id = video(&world, json!({})).await;
    let path = format!("/assets/{id}/position");
    assert_eq!(playback(&world, id).await["resume_s"], Value::Null);
    for (at, resumed) in
        [(json!(2.0), Value::Null), (json!(123.4567), json!(123.457)), (json!(599.0), Value::Null), (json!(300), json!(300.0))]
    {
        let kept = world.ask(&world.learner, "PUT", &path, json!({"at_s": at})).await;
        assert_eq!(kept.status, StatusCode::NO_CONTENT);
        assert_eq!(playback(&world, id).await["resume_s"], resumed);
    }
    assert_eq!(world.ask(&world.learner, "GET", &path, Value::Null).await.body["at_s"], 300.0);
    let other = world.ask(&world.owner, "GET", &path, Value::Null).await;
    assert_eq!(other.body, json!({"at_s": 0.0, "updated_at": null}), "it is nobody else's");
    for wrong in
        [json!({"at_s": -1}), json!({"at_s": 1e300}), json!({"at_s": "x"}), json!({"at_s": 1, "account_id": world.owner.account_id})]
    {
        assert_eq!(world.ask(&world.learner, "PUT", &path, wrong).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(world.count("select count(*) from positions").await, 1);
}

#[tokio::test]
async fn a_poster_is_one_of_the_packages_own_and_is_shown_everywhere() {
    let world = World::new().await;
    let id = video(&world, json!({"posters": ["poster-1.jpg", "poster-2.jpg"]})).await;
    let listed = world.ask(&world.owner, "GET", &format!("/assets/{id}/posters"), Value::Null).await.body;
    let chosen = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().filter(|one| one["chosen"] == true).map(|one| one["file"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((listed.as_array().unwrap().len(), chosen(&listed)), (3, vec!["poster.jpg".to_owned()]));
    let path = format!("/assets/{id}/poster");
    let picked = world.ask(&world.owner, "PUT", &path, json!({"file": "poster-2.jpg"})).await;
    assert_eq!((picked.status, chosen(&picked.body)), (StatusCode::OK, vec!["poster-2.jpg".to_owned()]));
    for body in [playback(&world, id).await, world.ask(&world.learner, "GET", &format!("/assets/{id}"), Value::Null).await.body] {
        assert!(body["poster_url"].as_str().unwrap().ends_with("/poster-2.jpg"), "{body}");
    }
    // The video is made anew, without that picture: it stands by its own choice, and not by a picture that is gone.
    world.run("update streams set manifest = '{\"posters\": [\"poster-1.jpg\"]}' where asset_id = $1", id).await;
    assert!(playback(&world, id).await["poster_url"].as_str().unwrap().ends_with("/poster.jpg"));
    let again = world.ask(&world.owner, "PUT", &path, json!({"file": null})).await;
    assert_eq!(chosen(&again.body), ["poster.jpg"]);
    let nobody = send(&world.app, "PUT", &path, json!({"file": "poster-1.jpg"}), &[]).await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
}
