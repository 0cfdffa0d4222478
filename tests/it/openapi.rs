//! The API's description is kept as a snapshot: a change of the API shows in the diff of the same commit.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::program::PROGRAM;

fn described() -> String {
    let output = Command::new(PROGRAM).arg("openapi").output().expect("run the program");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("utf-8")
}

#[test]
fn the_snapshot_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api/openapi.json");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        described().trim() == kept.trim(),
        "the API has changed: run `bin/learnhub openapi > docs/api/openapi.json` and look at the diff"
    );
}

#[test]
fn every_operation_has_an_id_and_says_how_it_fails() {
    let api: Value = serde_json::from_str(&described()).expect("json");
    assert!(api["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let mut ids = std::collections::BTreeSet::new();
    for (path, operations) in api["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no operationId"));
            assert!(ids.insert(id.to_owned()), "{id} is used twice");
            let answers = operation["responses"].as_object().expect("responses");
            assert!(answers.keys().any(|status| status.starts_with('2')), "{method} {path} never succeeds");
        }
    }
    assert!(ids.len() > 30, "only {} operations", ids.len());
}
