//! A course from its making to its completion.

use axum::http::{StatusCode, header};
use kernel::id::{AssetId, LessonId};
use serde_json::{Value, json};

use super::{World, send};

#[tokio::test]
async fn a_course_is_made_edited_by_version_and_published() {
    let world = World::new().await;
    let made = world.ask(&world.owner, "POST", "/courses", json!({"title": "  Leases ", "summary": "On time."})).await;
    assert_eq!((made.status, &made.body["title"], &made.body["role_in_course"]), (StatusCode::CREATED, &"Leases".into(), &"editor".into()));
    let path = made.headers[header::LOCATION].to_str().unwrap().strip_prefix("/api/v1").unwrap().to_owned();
    let etag = made.headers[header::ETAG].to_str().unwrap().to_owned();

    let edit = |title: &'static str, etag: String| {
        let (world, path) = (&world, &path);
        async move { world.ask_with(&world.owner, "PATCH", path, json!({"title": title}), &[("if-match", &etag)]).await }
    };
    let edited = edit("Leases, second edition", etag.clone()).await;
    assert_eq!((edited.status, &edited.body["summary"]), (StatusCode::OK, &"On time.".into()), "what is not named stays");
    let late = edit("Leases, my edition", etag.clone()).await;
    assert_eq!((late.status, &late.body["code"]), (StatusCode::PRECONDITION_FAILED, &"version_conflict".into()));
    let missing = world.ask(&world.owner, "PATCH", &path, json!({"title": "x"})).await;
    assert_eq!((missing.status, &missing.body["code"]), (StatusCode::PRECONDITION_REQUIRED, &"if_match_required".into()));
    let wrong = edit("", "*".into()).await;
    assert_eq!((wrong.status, &wrong.body["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &"/title".into()));
    let smuggled = world
        .ask_with(&world.owner, "PATCH", &path, json!({"state": "published", "owner_id": world.rival.account_id}), &[("if-match", "*")])
        .await;
    assert_eq!(smuggled.status, StatusCode::UNPROCESSABLE_ENTITY, "fields that are not for editing are refused");

    assert_eq!(world.ask(&world.owner, "POST", &format!("{path}/publish"), Value::Null).await.body["state"], "published");
    let shown = world.ask(&world.outsider, "GET", &path, Value::Null).await;
    assert_eq!(shown.headers[header::ETAG], "\"3\"");
    let again = world.ask(&world.owner, "POST", &format!("{path}/publish"), Value::Null).await;
    assert_eq!(again.headers[header::ETAG], "\"3\"", "publishing again changes nothing");
}

#[tokio::test]
async fn of_edits_from_one_version_one_wins() {
    let world = World::new().await;
    let path = format!("/courses/{}", world.published);
    let edits =
        (0..10).map(|n| world.ask_with(&world.owner, "PATCH", &path, json!({"title": format!("edition {n}")}), &[("if-match", "\"1\"")]));
    let mut edits = edits.collect::<Vec<_>>();
    let mut won = 0;
    for answer in futures::future::join_all(edits.drain(..)).await {
        won += usize::from(answer.status == StatusCode::OK);
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_lesson_shows_assets_of_its_own_course_in_order() {
    let world = World::new().await;
    let (first, second) = (world.document(world.published).await, world.video(world.published).await);
    let (failed, _) = world.failed(world.published).await;
    let foreign = world.document(world.draft).await;
    let module = world.module(world.published).await;
    let lesson = world.lesson(module, &[second, first]).await;
    let path = format!("/lessons/{lesson}/assets");
    let wrong = world.ask(&world.owner, "PUT", &path, json!({"asset_ids": [first, foreign, first, AssetId::new()]})).await;
    let pointers: Vec<_> = wrong.body["errors"].as_array().unwrap().iter().map(|fault| fault["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/asset_ids/1", "/asset_ids/2", "/asset_ids/3"]);

    let of =
        |body: &Value| -> Vec<String> { body.as_array().unwrap().iter().map(|asset| asset["id"].as_str().unwrap().to_owned()).collect() };
    let course = format!("/courses/{}", world.published);
    let seen = world.ask(&world.learner, "GET", &course, Value::Null).await.body;
    assert_eq!(of(&seen["modules"][0]["lessons"][0]["assets"]), [second.to_string(), first.to_string()]);
    assert_eq!(of(&seen["materials"]), Vec::<String>::new(), "a learner sees neither what failed nor loose captions");
    assert!(seen["modules"][0]["lessons"][0]["assets"][0].get("stages").is_none());

    let answer = world.ask(&world.owner, "PUT", &path, json!({"asset_ids": [first, failed]})).await;
    assert_eq!(of(&answer.body), [first.to_string(), failed.to_string()]);
    let edited = world.ask(&world.owner, "GET", &course, Value::Null).await.body;
    assert_eq!(of(&edited["modules"][0]["lessons"][0]["assets"]).len(), 2);
    assert_eq!(of(&edited["materials"]).len(), 2, "the video and its captions are loose now");
    assert_eq!(edited["modules"][0]["lessons"][0]["assets"][1]["stages"][0]["stage"], "extract");
    assert_eq!(
        of(&world.ask(&world.learner, "GET", &course, Value::Null).await.body["modules"][0]["lessons"][0]["assets"]),
        [first.to_string()]
    );
}

#[tokio::test]
async fn modules_and_lessons_made_at_once_have_places_of_their_own() {
    let world = World::new().await;
    let path = format!("/courses/{}/modules", world.published);
    let made = futures::future::join_all((0..10).map(|_| world.ask(&world.owner, "POST", &path, json!({"title": "M"})))).await;
    let mut places: Vec<_> = made.iter().map(|answer| answer.body["position"].as_i64().unwrap()).collect();
    places.sort_unstable();
    assert_eq!(places, (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_last_lesson_completes_the_course_once() {
    let world = World::new().await;
    let module = world.module(world.published).await;
    let lessons: Vec<LessonId> = [world.lesson(module, &[]).await, world.lesson(module, &[]).await].into();
    let complete = |lesson: LessonId| {
        let world = &world;
        async move { world.ask(&world.learner, "POST", &format!("/lessons/{lesson}/completion"), Value::Null).await }
    };
    let half = complete(lessons[0]).await;
    assert_eq!(half.body, json!({"course_progress": {"done": 1, "total": 2}, "certificate_id": null}));

    let last = futures::future::join_all((0..20).map(|_| complete(lessons[1]))).await;
    let certificate = &last[0].body["certificate_id"];
    assert!(certificate.is_string());
    for answer in &last {
        assert_eq!((answer.status, &answer.body["certificate_id"]), (StatusCode::OK, certificate));
    }
    complete(lessons[0]).await;
    assert_eq!(world.count("select count(*) from certificates").await, 1);
    assert_eq!(world.count("select count(*) from events where kind = 'CourseCompleted'").await, 1);
    assert_eq!(world.count("select count(*) from jobs where kind = 'RenderCertificate'").await, 1);
    assert_eq!(world.count("select count(*) from enrollments where completed_at is not null").await, 1);

    // A lesson that comes later takes nothing back.
    world.lesson(module, &[]).await;
    let again = complete(lessons[1]).await;
    assert_eq!(again.body, json!({"course_progress": {"done": 2, "total": 3}, "certificate_id": certificate}));
    let listed = world.ask(&world.learner, "GET", "/courses", Value::Null).await;
    assert_eq!(listed.body["items"][0]["progress"], json!({"done": 2, "total": 3}));
}

/// Two last lessons at the same moment: without the lock each request would see the other's lesson undone, and the course
/// would never be complete.
#[tokio::test]
async fn a_completion_waits_for_another_one_of_the_same_learner() {
    let world = World::new().await;
    let module = world.module(world.published).await;
    let (first, last) = (world.lesson(module, &[]).await, world.lesson(module, &[]).await);
    let mut other = world.test.env.db.begin().await.unwrap();
    sqlx::query("insert into lesson_completions (enrollment_id, lesson_id) select id, $1 from enrollments")
        .bind(first.0)
        .execute(&mut *other)
        .await
        .unwrap();
    let (app, bearer) = (world.app.clone(), world.test.bearer(&world.learner));
    let request = tokio::spawn(async move {
        send(&app, "POST", &format!("/lessons/{last}/completion"), Value::Null, &[("authorization", &bearer)]).await
    });
    world
        .test
        .until("the request waits, or has not waited", async || {
            let waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
            request.is_finished() || world.count(waiting).await > 0
        })
        .await;
    other.commit().await.unwrap();
    let answer = request.await.unwrap();
    assert_eq!(answer.body["course_progress"], json!({"done": 2, "total": 2}));
    assert!(answer.body["certificate_id"].is_string());
}

#[tokio::test]
async fn of_enrollments_at_once_one_is_made() {
    let world = World::new().await;
    let path = format!("/courses/{}/enrollments", world.published);
    let answers = futures::future::join_all((0..20).map(|_| world.ask(&world.outsider, "POST", &path, Value::Null))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == StatusCode::CREATED).count(), 1);
    assert!(answers.iter().all(|answer| answer.status == StatusCode::CREATED || answer.body["code"] == "already_enrolled"));
}
