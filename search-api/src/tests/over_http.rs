//! The same over HTTP: who is let in, and what is refused with which code.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use serde_json::Value;
use tower::ServiceExt;

use super::*;

async fn get(app: &Router, bearer: Option<&str>, path: &str) -> (StatusCode, Value) {
    let mut request = Request::get(path);
    if let Some(bearer) = bearer {
        request = request.header(header::AUTHORIZATION, bearer);
    }
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{path}: no JSON: {body:?}")))
}

#[tokio::test]
async fn requests_are_answered_or_refused_with_a_code() {
    let world = World::new().await;
    let course = world.test.course(&world.owner, "published").await;
    let plants = world.asset(course, Kind::Document, "Leaves", None, &[section(PHOTOSYNTHESIS)]).await;
    world.settle().await;
    let (learner, stranger) = (world.test.account(Role::Student).await, world.test.account(Role::Student).await);
    world.test.enrol(&learner, course).await;
    let (learner, stranger) = (world.test.bearer(&learner), world.test.bearer(&stranger));
    let World { test, searcher, .. } = world;
    let (app, _) = crate::router(Arc::new(searcher)).with_state(test.env.clone()).split_for_parts();

    let (status, answer) = get(&app, Some(&learner), "/search?q=chlorophyll&limit=1").await;
    assert_eq!((status, &answer["total"], &answer["mode"]), (StatusCode::OK, &Value::from(1), &Value::from("hybrid")));
    let hit = &answer["items"][0];
    assert_eq!(hit["asset_id"], Value::from(plants.to_string()));
    assert_eq!(hit["locator"]["type"], Value::from("section"));
    let (_, answer) = get(&app, Some(&stranger), "/search?q=chlorophyll").await;
    assert_eq!(answer["total"], Value::from(0));
    let (_, answer) = get(&app, Some(&learner), &format!("/search?q=chlorophyll&course_id={}", CourseId::new())).await;
    assert_eq!(answer["total"], Value::from(0));

    let long = format!("/search?q={}", "x".repeat(2000));
    let similar = format!("/assets/{plants}/similar");
    for (who, path, status, code) in [
        (None, "/search?q=x", 401, "unauthorized"),
        (Some(&learner), "/search", 400, "query_invalid"),
        (Some(&learner), "/search?q=%20", 400, "query_empty"),
        (Some(&learner), &long, 400, "query_too_long"),
        (Some(&learner), "/search?q=x&limit=0", 400, "limit_invalid"),
        (Some(&learner), "/search?q=x&limit=many", 400, "query_invalid"),
        (Some(&learner), "/search?q=x&cursor=nonsense", 400, "cursor_invalid"),
        (Some(&learner), "/search?q=x&course_id=7", 400, "query_invalid"),
        (Some(&learner), "/assets/7/similar", 404, "not_found"),
        (Some(&stranger), &similar, 404, "not_found"),
        (None, &similar, 401, "unauthorized"),
    ] {
        let (got, problem) = get(&app, who.map(String::as_str), path).await;
        assert_eq!((got.as_u16(), problem["code"].as_str()), (status, Some(code)), "{path}");
    }
    let (status, answer) = get(&app, Some(&learner), &similar).await;
    assert_eq!((status, &answer["items"]), (StatusCode::OK, &Value::Array(vec![])));
}
