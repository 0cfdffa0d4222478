//! What operators do over the API: look at the ledger and the stages, change many jobs at once, set, pause, drain.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, World};

fn ids(answer: &Answer) -> BTreeSet<String> {
    answer.body["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

impl World {
    async fn state(&self, job: kernel::id::JobId) -> String {
        sqlx::query_scalar("select state from jobs where id = $1").bind(job.0).fetch_one(&self.test.env.db).await.unwrap()
    }
}

#[tokio::test]
async fn the_ledger_is_filtered_by_what_is_asked_and_a_slip_of_the_pen_is_refused() {
    let world = World::new().await;
    let (asset, dead) = world.failed(world.published).await;
    let running = world.job(asset, "EmbedChunks", "embed", "queued").await;
    world.job(asset, "PublishAsset", "publish", "done").await;
    let list = async |query: &str| ids(&world.ask(&world.admin, "GET", &format!("/jobs?{query}"), Value::Null).await);
    let both = BTreeSet::from([dead.to_string(), running.to_string()]);
    assert_eq!(list("state=dead&state=queued").await, both, "a key that is repeated means any of its values");
    for query in ["failure_code=pdf_broken&stage=extract", "failure_class=poison&state=dead&lane=default", "kind=ExtractDocument"] {
        assert_eq!(list(query).await, BTreeSet::from([dead.to_string()]), "{query}");
    }
    assert_eq!(list(&format!("course_id={}", world.draft)).await, BTreeSet::new());
    assert_eq!(list(&format!("course_id={}", world.published)).await.len(), 3);
    for query in ["state=deed", "stage=extrakt", "lane=fast", "limit=x"] {
        let answer = world.ask(&world.admin, "GET", &format!("/jobs?{query}"), Value::Null).await;
        assert_eq!((answer.status, answer.body["code"].as_str()), (StatusCode::BAD_REQUEST, Some("query_invalid")), "{query}");
    }
}

#[tokio::test]
async fn a_job_names_its_input_its_host_and_its_owner() {
    let world = World::new().await;
    let (_, dead) = world.failed(world.published).await;
    sqlx::query("update jobs set worker = 'encoder-1:42:7', owner_id = $2 where id = $1")
        .bind(dead.0)
        .bind(world.owner.account_id.0)
        .execute(&world.test.env.db)
        .await
        .unwrap();
    let job = world.ask(&world.admin, "GET", &format!("/jobs/{dead}"), Value::Null).await.body;
    let name: String = sqlx::query_scalar("select name from accounts where id = $1")
        .bind(world.owner.account_id.0)
        .fetch_one(&world.test.env.db)
        .await
        .unwrap();
    assert_eq!(
        (job["host"].as_str(), job["owner_name"].as_str(), job["lane"].as_str()),
        (Some("encoder-1"), Some(name.as_str()), Some("default"))
    );
    assert_eq!(job["input_sha256"].as_str().map(str::len), Some(64));
}

#[tokio::test]
async fn the_dead_are_grouped_by_cause_and_one_request_takes_them_up_again() {
    let world = World::new().await;
    let ((_, first), (_, second)) = (world.failed(world.published).await, world.failed(world.draft).await);
    let groups = world.ask(&world.admin, "GET", "/jobs/dead", Value::Null).await.body;
    assert_eq!(
        (groups[0]["code"].as_str(), groups[0]["count"].as_i64(), groups[0]["reason"].as_str()),
        (Some("pdf_broken"), Some(2), Some("broken"))
    );
    assert_eq!(world.ask(&world.rival, "GET", "/jobs/dead", Value::Null).await.body, json!([]), "others' courses");

    let mut action =
        json!({"action": "retry", "filter": {"state": ["dead"], "stage": "extract", "failure_code": "pdf_broken"}, "dry_run": true});
    let dry = world.ask(&world.admin, "POST", "/jobs/actions", action.clone()).await.body;
    assert_eq!((&dry["matched"], &dry["done"], &dry["dry_run"]), (&json!(2), &json!(2), &json!(true)));
    assert_eq!(world.state(first).await, "dead", "a dry run changes nothing");
    assert_eq!(world.ask(&world.rival, "POST", "/jobs/actions", action.clone()).await.body["matched"], 0, "others' courses");

    action["dry_run"] = false.into();
    assert_eq!(world.ask(&world.admin, "POST", "/jobs/actions", action.clone()).await.body["done"], 2);
    assert_eq!((world.state(first).await.as_str(), world.state(second).await.as_str()), ("queued", "queued"));
    assert_eq!(
        world.count("select count(*) from events where kind = 'JobsChanged' and payload ->> 'changed' = '2'").await,
        1,
        "it is on record"
    );
    assert_eq!(world.ask(&world.admin, "POST", "/jobs/actions", action).await.body["matched"], 0, "there are none any more");
}

#[tokio::test]
async fn an_instructor_changes_the_jobs_of_own_courses_only() {
    let world = World::new().await;
    let (_, dead) = world.failed(world.published).await;
    let action = json!({"action": "retry", "ids": [dead]});
    assert_eq!(world.ask(&world.rival, "POST", "/jobs/actions", action.clone()).await.body["matched"], 0);
    assert_eq!(world.state(dead).await, "dead");
    assert_eq!(world.ask(&world.owner, "POST", "/jobs/actions", action).await.body["done"], 1);
    assert_eq!(world.state(dead).await, "queued");
}

#[tokio::test]
async fn assets_are_made_anew_from_a_stage_and_stay_published() {
    let world = World::new().await;
    let document = world.document(world.published).await;
    let rerun = |from: &str| json!({"action": "rerun", "assets": {"asset_id": document}, "from": from});
    assert_eq!(world.ask(&world.rival, "POST", "/jobs/actions", rerun("extract")).await.body["matched"], 0, "others' courses");
    let missing = world.ask(&world.admin, "POST", "/jobs/actions", json!({"action": "rerun", "assets": {"asset_id": document}})).await;
    assert_eq!((missing.status, &missing.body["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/from")));
    assert_eq!(
        world.ask(&world.owner, "POST", "/jobs/actions", rerun("transcode")).await.body["skipped"],
        1,
        "a document has no such stage"
    );
    assert_eq!(world.ask(&world.owner, "POST", "/jobs/actions", rerun("extract")).await.body["done"], 1);
    assert_eq!(world.ask(&world.owner, "POST", "/jobs/actions", rerun("extract")).await.body["skipped"], 1, "it is in work already");
    let jobs = world.ask(&world.owner, "GET", &format!("/jobs?asset_id={document}&lane=backfill&stage=extract"), Value::Null).await;
    assert_eq!(ids(&jobs).len(), 1);
    let asset = world.ask(&world.learner, "GET", &format!("/assets/{document}"), Value::Null).await;
    assert_eq!((asset.status, asset.body["state"].as_str()), (StatusCode::OK, Some("published")));
}

#[tokio::test]
async fn a_pause_says_who_and_why_until_somebody_resumes() {
    let world = World::new().await;
    let find = async |stage: &str| {
        let stages = world.ask(&world.admin, "GET", "/stages", Value::Null).await.body;
        stages.as_array().unwrap().iter().find(|view| view["stage"] == stage).unwrap().clone()
    };
    world.ask(&world.admin, "PUT", "/stages/transcode/pause?host=h1", json!({"reason": "new graphics card"})).await;
    let pause = &find("transcode").await["pauses"][0];
    let by = pause["paused_by"].as_str().unwrap();
    assert!(by.starts_with("Person "), "{by}");
    assert_eq!((pause["reason"].as_str(), pause["host"].as_str()), (Some("new graphics card"), Some("h1")));
    assert_eq!(find("extract").await["pauses"], json!([]));
    let elsewhere = world.ask(&world.admin, "DELETE", "/stages/transcode/pause", Value::Null).await;
    assert_eq!(elsewhere.body["code"], "not_paused", "it is paused on one host, not on all");
    world.ask(&world.admin, "DELETE", "/stages/transcode/pause?host=h1", Value::Null).await;
    assert_eq!(find("transcode").await["pauses"], json!([]));
    assert_eq!(world.count("select count(*) from events where kind in ('StagePaused', 'StageResumed')").await, 2);

    world.ask(&world.admin, "PUT", "/hosts/h1/drain", json!({})).await;
    let hosts = world.ask(&world.admin, "GET", "/workers", Value::Null).await.body;
    assert_eq!((hosts[0]["host"].as_str(), hosts[0]["drain"]["paused_by"].as_str()), (Some("h1"), Some(by)));
}

#[tokio::test]
async fn a_setting_is_felt_here_and_a_wrong_one_names_the_key() {
    let world = World::new().await;
    let path = "/settings/stages.transcode.concurrency";
    let concurrency = async || world.ask(&world.admin, "GET", "/stages", Value::Null).await.body[1]["concurrency"].clone();
    let of_the_file = concurrency().await;
    let set = world.ask(&world.admin, "PUT", path, json!({"value": 4})).await.body;
    assert_eq!((set["set"][0]["value"].as_i64(), set["set"][0]["host"].is_null()), (Some(4), true));
    let transcode = world.ask(&world.admin, "GET", "/stages", Value::Null).await.body[1].clone();
    assert_eq!((transcode["stage"].as_str(), transcode["concurrency"].as_i64()), (Some("transcode"), Some(4)));
    let wrong = world.ask(&world.admin, "PUT", path, json!({"value": 4000})).await.body;
    assert!(wrong["errors"][0]["detail"].as_str().unwrap().contains("stages.transcode.concurrency must be at most 1000"), "{wrong}");
    let lanes = world.ask(&world.admin, "PUT", "/settings/stages.embed.lanes", json!({"value": ["default", "backfill"]})).await;
    assert_eq!(lanes.body["set"][0]["value"], json!(["default", "backfill"]));
    world.ask(&world.admin, "DELETE", path, Value::Null).await;
    assert_eq!(concurrency().await, of_the_file, "the file's value again");
}
