//! Steering a running program at the command line.

use std::path::Path;

use serde_json::Value;

use crate::program::{Person, Up, data_folder, fixture, run};

/// Exit code, stdout as JSON if it is any, stderr.
fn say(data: &Path, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let output = run(data, arguments);
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), json, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn stage(data: &Path, name: &str) -> Value {
    let stages = say(data, &["stages", "ls", "--json"]).1;
    stages.as_array().expect("a list").iter().find(|view| view["stage"] == name).expect("the stage").clone()
}

#[tokio::test]
async fn a_stage_is_set_paused_and_drained_and_what_waited_goes_on_after() {
    let data = data_folder();
    let data = data.path();
    let up = Up::start(data);
    let (code, _, said) = say(data, &["stages", "set", "extract.concurrency=3", "extract.concurency=3"]);
    assert!(code == Some(1) && said.contains("there is no key stages.extract.concurency"), "{said}");
    assert_eq!(stage(data, "extract")["settings"], serde_json::json!([]), "all pairs or none");
    assert_eq!(say(data, &["stages", "set", "extract.concurrency=3"]).0, Some(0));
    let host = say(data, &["workers", "--json"]).1[0]["host"].as_str().expect("a host").to_owned();
    assert_eq!(say(data, &["stages", "pause", "extract", "--reason", "a new library"]).0, Some(0));
    let extract = stage(data, "extract");
    assert_eq!((extract["concurrency"].as_i64(), extract["pauses"][0]["reason"].as_str()), (Some(3), Some("a new library")));
    assert!(extract["pauses"][0]["paused_by"].as_str().expect("a name").starts_with("command line"), "{extract}");
    assert_eq!(say(data, &["stages", "drain", &host, "--wait"]).0, Some(0), "nothing runs, so it comes back");

    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Waits").await;
    let asset = teacher.upload(&course, "notes.md", fixture("notes.md")).await;
    let waiting = say(data, &["jobs", "ls", "--asset", &asset, "--state", "queued,parked", "--json"]).1;
    assert_eq!(waiting[0]["stage"], "ingest", "a drained host takes nothing at all");
    assert_eq!(say(data, &["stages", "undrain", &host]).0, Some(0));
    assert_eq!(say(data, &["stages", "resume", "extract"]).0, Some(0));
    assert_eq!(teacher.settled(&asset).await["state"], "published");

    let (code, _, said) = say(data, &["jobs", "retry"]);
    assert!(code == Some(1) && said.contains("say which jobs"), "{said}");
    let again = say(data, &["jobs", "rerun", "--asset", &asset, "--stage", "extract", "--json"]).1;
    assert_eq!(again[0]["ok"], true);
    assert_eq!(teacher.get(&format!("/assets/{asset}")).await["state"], "published", "it stays while it is made anew");
}
