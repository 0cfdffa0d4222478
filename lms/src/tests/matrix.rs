//! Every operation by every kind of person. An operation that is missing here fails the test.

use std::collections::BTreeSet;

use kernel::id::{AssetId, CourseId, JobId};
use serde_json::{Value, json};

use super::{World, send};

/// Status by person, in the order: nobody, outsider, learner, rival instructor, owner, admin.
type Expected = [u16; 6];

struct Row {
    /// As in the OpenAPI document.
    operation: &'static str,
    path: String,
    body: Value,
    expected: Expected,
}

fn row(operation: &'static str, id: impl ToString, body: Value, expected: Expected) -> Row {
    let path = operation.split_once(' ').unwrap().1.replace("{id}", &id.to_string());
    Row { operation, path, body, expected }
}

/// As [`row`], for a path with names in it.
fn at(operation: &'static str, path: &str, body: Value, expected: Expected) -> Row {
    Row { operation, path: path.to_owned(), body, expected }
}

/// For those who run the server.
const ADMINS: Expected = [401, 403, 403, 403, 403, 200];
const HIDDEN: Expected = [401, 404, 404, 404, 404, 404];
/// Seen by those in the course.
const SEEN: Expected = [401, 404, 200, 404, 200, 200];
/// Seen by those who may edit.
const EDITORS: Expected = [401, 404, 404, 404, 200, 200];
const EVERYBODY: Expected = [401, 200, 200, 200, 200, 200];

#[tokio::test]
async fn everybody_gets_what_is_theirs_and_nothing_else() {
    let world = World::new().await;
    let (open, draft) = (world.published, world.draft);
    let (document, video) = (world.document(open).await, world.video(open).await);
    let secret = world.document(draft).await;
    let (broken, dead) = world.failed(open).await;
    let (other_broken, other_dead) = world.failed(draft).await;
    let waiting = world.job(secret, "EmbedChunks", "embed", "queued").await;
    let (module, hidden_module) = (world.module(open).await, world.module(draft).await);
    let (lesson, hidden_lesson) = (world.lesson(module, &[document]).await, world.lesson(hidden_module, &[secret]).await);
    let title = json!({"title": "A title"});
    let no_assets = json!({"asset_ids": []});
    let none = Value::Null;
    let rows = vec![
        row("POST /auth/register", "", none.clone(), [415; 6]),
        row("POST /auth/login", "", none.clone(), [415; 6]),
        row("POST /auth/refresh", "", none.clone(), [401; 6]),
        row("POST /auth/logout", "", none.clone(), [204; 6]),
        row("GET /me", "", none.clone(), EVERYBODY),
        // Courses: the published ones are a catalogue.
        row("GET /courses", "", none.clone(), EVERYBODY),
        row("POST /courses", "", title.clone(), [401, 403, 403, 201, 201, 201]),
        row("GET /courses/{id}", open, none.clone(), EVERYBODY),
        row("GET /courses/{id}", draft, none.clone(), EDITORS),
        row("GET /courses/{id}", CourseId::new(), none.clone(), HIDDEN),
        row("GET /courses/{id}", "nonsense", none.clone(), HIDDEN),
        row("PATCH /courses/{id}", open, title.clone(), [401, 403, 403, 403, 200, 200]),
        row("PATCH /courses/{id}", draft, title.clone(), EDITORS),
        row("POST /courses/{id}/publish", open, none.clone(), [401, 403, 403, 403, 200, 200]),
        row("POST /courses/{id}/modules", open, title.clone(), [401, 404, 403, 404, 201, 201]),
        row("POST /courses/{id}/modules", draft, title.clone(), [401, 404, 404, 404, 201, 201]),
        row("POST /modules/{id}/lessons", module, title.clone(), [401, 404, 403, 404, 201, 201]),
        row("POST /modules/{id}/lessons", hidden_module, title.clone(), [401, 404, 404, 404, 201, 201]),
        row("POST /modules/{id}/lessons", CourseId::new(), title.clone(), HIDDEN),
        row("PUT /lessons/{id}/assets", lesson, no_assets.clone(), [401, 404, 403, 404, 200, 200]),
        row("PUT /lessons/{id}/assets", hidden_lesson, no_assets.clone(), EDITORS),
        row("PUT /lessons/{id}/assets", hidden_lesson, json!({"asset_ids": [document]}), [401, 404, 404, 404, 422, 422]),
        row("POST /lessons/{id}/completion", lesson, none.clone(), [401, 404, 200, 404, 403, 403]),
        row("POST /lessons/{id}/completion", hidden_lesson, none.clone(), [401, 404, 404, 404, 403, 403]),
        // Assets: for those in the course, once published.
        row("GET /courses/{id}/assets", open, none.clone(), SEEN),
        row("GET /courses/{id}/assets", draft, none.clone(), EDITORS),
        row("GET /assets/{id}", document, none.clone(), SEEN),
        row("GET /assets/{id}", secret, none.clone(), EDITORS),
        row("GET /assets/{id}", broken, none.clone(), EDITORS),
        row("GET /assets/{id}", AssetId::new(), none.clone(), HIDDEN),
        row("GET /assets/{id}/source", document, none.clone(), SEEN),
        row("GET /assets/{id}/source", secret, none.clone(), EDITORS),
        row("GET /assets/{id}/source", broken, none.clone(), EDITORS),
        row("GET /assets/{id}/chunks", document, none.clone(), SEEN),
        row("GET /assets/{id}/chunks", secret, none.clone(), EDITORS),
        row("GET /assets/{id}/chunks", broken, none.clone(), [401, 404, 404, 404, 409, 409]),
        row("GET /assets/{id}/playback", video, none.clone(), SEEN),
        row("GET /assets/{id}/playback", document, none.clone(), [401, 404, 409, 404, 409, 409]),
        row("GET /assets/{id}/playback", secret, none.clone(), [401, 404, 404, 404, 409, 409]),
        row("GET /assets/{id}/progress", document, none.clone(), SEEN),
        row("GET /assets/{id}/progress", broken, none.clone(), EDITORS),
        row("POST /assets/{id}/retry", document, none.clone(), [401, 404, 403, 404, 409, 409]),
        row("POST /assets/{id}/retry", broken, none.clone(), [401, 404, 404, 404, 202, 409]),
        // Watching: chapters, posters, where one stopped.
        row("GET /assets/{id}/chapters", video, none.clone(), SEEN),
        row("GET /assets/{id}/chapters", document, none.clone(), [401, 404, 409, 404, 409, 409]),
        row("GET /assets/{id}/chapters.vtt", video, none.clone(), SEEN),
        row("GET /assets/{id}/chapters.vtt", secret, none.clone(), [401, 404, 404, 404, 409, 409]),
        row("PUT /assets/{id}/chapters", video, json!({"chapters": []}), [401, 404, 403, 404, 200, 200]),
        row("PUT /assets/{id}/chapters", secret, json!({"chapters": []}), [401, 404, 404, 404, 409, 409]),
        row("GET /assets/{id}/posters", video, none.clone(), [401, 404, 403, 404, 200, 200]),
        row("PUT /assets/{id}/poster", video, json!({"file": "poster.jpg"}), [401, 404, 403, 404, 200, 200]),
        row("PUT /assets/{id}/poster", video, json!({"file": "../poster.jpg"}), [401, 404, 403, 404, 422, 422]),
        row("PUT /assets/{id}/poster", document, json!({"file": "poster.jpg"}), [401, 404, 403, 404, 409, 409]),
        row("GET /assets/{id}/position", video, none.clone(), SEEN),
        row("PUT /assets/{id}/position", video, json!({"at_s": 1.0}), [401, 404, 204, 404, 204, 204]),
        row("PUT /assets/{id}/position", secret, json!({"at_s": 1.0}), [401, 404, 404, 404, 409, 409]),
        // Jobs and events: for instructors, of their own courses.
        row("GET /jobs", "", none.clone(), [401, 403, 403, 200, 200, 200]),
        row("GET /jobs/summary", "", none.clone(), [401, 403, 403, 200, 200, 200]),
        row("GET /jobs/{id}", dead, none.clone(), [401, 403, 403, 404, 200, 200]),
        row("GET /jobs/{id}", JobId::new(), none.clone(), [401, 403, 403, 404, 404, 404]),
        row("POST /jobs/{id}/retry", other_dead, none.clone(), [401, 403, 403, 404, 202, 409]),
        row("POST /jobs/{id}/cancel", waiting, none.clone(), [401, 403, 403, 404, 202, 409]),
        row("GET /jobs/dead", "", none.clone(), [401, 403, 403, 200, 200, 200]),
        row("POST /jobs/actions", "", json!({"action": "cancel", "filter": {"lane": "backfill"}}), [401, 403, 403, 200, 200, 200]),
        row("POST /jobs/actions", "", json!({"action": "prioritise", "filter": {"lane": "backfill"}, "front": true}), ADMINS),
        row("POST /jobs/actions", "", json!({"action": "retry"}), [401, 403, 403, 422, 422, 422]),
        row("POST /jobs/actions", "", json!({"action": "retry", "filter": {}}), [401, 403, 403, 422, 422, 422]),
        // Stages and hosts: for admins.
        row("GET /backlogs", "", none.clone(), ADMINS),
        row("GET /stages", "", none.clone(), ADMINS),
        row("GET /workers", "", none.clone(), ADMINS),
        at("GET /settings/{key}", "/settings/stages.embed.concurrency", none.clone(), ADMINS),
        at("GET /settings/{key}", "/settings/data.dir", none.clone(), [401, 403, 403, 403, 403, 404]),
        at("PUT /settings/{key}", "/settings/stages.embed.concurrency", json!({"value": 3}), ADMINS),
        at("PUT /settings/{key}", "/settings/stages.embed.concurency", json!({"value": 3}), [401, 403, 403, 403, 403, 404]),
        at("PUT /settings/{key}", "/settings/stages.embed.concurrency", json!({"value": "many"}), [401, 403, 403, 403, 403, 422]),
        at("DELETE /settings/{key}", "/settings/stages.embed.concurrency", none.clone(), [401, 403, 403, 403, 403, 204]),
        at("DELETE /settings/{key}", "/settings/stages.embed.concurrency", none.clone(), [401, 403, 403, 403, 403, 404]),
        at("PUT /stages/{stage}/pause", "/stages/embed/pause", json!({"reason": "x"}), ADMINS),
        at("PUT /stages/{stage}/pause", "/stages/embet/pause", json!({"reason": "x"}), [401, 403, 403, 403, 403, 404]),
        at("DELETE /stages/{stage}/pause", "/stages/embed/pause", none.clone(), [401, 403, 403, 403, 403, 204]),
        at("DELETE /stages/{stage}/pause", "/stages/embed/pause", none.clone(), [401, 403, 403, 403, 403, 404]),
        at("PUT /hosts/{host}/drain", "/hosts/h1/drain", json!({}), ADMINS),
        at("DELETE /hosts/{host}/drain", "/hosts/h1/drain", none.clone(), [401, 403, 403, 403, 403, 204]),
        row("GET /events", "", none.clone(), [401, 403, 403, 200, 200, 200]),
        // Last, since these open doors.
        row("POST /courses/{id}/enrollments", draft, none.clone(), [401, 404, 404, 404, 409, 409]),
        row("POST /courses/{id}/enrollments", open, none.clone(), [401, 201, 409, 201, 201, 201]),
        row("POST /courses/{id}/publish", draft, none.clone(), EDITORS),
    ];
    let people = [None, Some(&world.outsider), Some(&world.learner), Some(&world.rival), Some(&world.owner), Some(&world.admin)];
    for Row { operation, path, body, expected } in &rows {
        let method = operation.split_once(' ').unwrap().0;
        for (who, expected) in people.iter().zip(expected) {
            let answer = match who {
                Some(who) => world.ask_with(who, method, path, body.clone(), &[("if-match", "*")]).await,
                None => send(&world.app, method, path, body.clone(), &[]).await,
            };
            assert_eq!(answer.status.as_u16(), *expected, "{method} {path} by {who:?}: {}", answer.body);
        }
    }
    let asked: BTreeSet<String> = rows.iter().map(|row| row.operation.to_owned()).collect();
    assert_eq!(asked, operations(), "every operation needs a row");
    assert_ne!(other_broken, broken);
}

/// All operations of the OpenAPI document.
fn operations() -> BTreeSet<String> {
    let document = serde_json::to_value(crate::router().into_openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase())))
        .collect()
}

#[tokio::test]
async fn lists_hold_only_what_one_may_see() {
    let world = World::new().await;
    let (open, _) = world.failed(world.published).await;
    world.failed(world.draft).await;
    let ids = |answer: super::Answer| -> BTreeSet<String> {
        answer.body["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    for (who, courses, jobs) in [
        (&world.outsider, 1, None),
        (&world.learner, 1, None),
        (&world.rival, 1, Some(0)),
        (&world.owner, 2, Some(2)),
        (&world.admin, 2, Some(2)),
    ] {
        assert_eq!(ids(world.ask(who, "GET", "/courses", Value::Null).await).len(), courses);
        if let Some(jobs) = jobs {
            assert_eq!(ids(world.ask(who, "GET", "/jobs?state=dead", Value::Null).await).len(), jobs);
        }
    }
    let one = world.ask(&world.owner, "GET", &format!("/jobs?asset_id={open}&stage=extract"), Value::Null).await;
    assert_eq!(one.body["items"][0]["failure"], json!({"class": "poison", "code": "pdf_broken", "reason": "broken", "detail": null}));
    let admin = world.ask(&world.admin, "GET", &format!("/jobs?asset_id={open}"), Value::Null).await;
    assert_eq!(admin.body["items"][0]["failure"]["detail"], "at /some/where", "details are for admins");
    let summary = world.ask(&world.rival, "GET", "/jobs/summary", Value::Null).await;
    assert!(summary.body.as_array().unwrap().iter().all(|stage| stage["dead"] == 0), "{}", summary.body);
    let catalogue = world.ask(&world.outsider, "GET", &format!("/courses/{}", world.published), Value::Null).await;
    assert_eq!((&catalogue.body["role_in_course"], &catalogue.body["materials"]), (&Value::Null, &json!([])));
}
