//! The doctor names what is missing and what to do about it.

use serde_json::Value;

use crate::program::{command, data_folder};

fn examine(data: &std::path::Path, variables: &[(&str, &str)]) -> (Option<i32>, Vec<Value>) {
    let output = command(data).envs(variables.iter().copied()).args(["doctor", "--check", "--json"]).output().expect("run the doctor");
    let findings = serde_json::from_slice::<Vec<Value>>(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), findings)
}

fn find<'a>(findings: &'a [Value], name: &str) -> &'a Value {
    findings.iter().find(|finding| finding["name"] == name).unwrap_or_else(|| panic!("no finding is called {name}: {findings:?}"))
}

#[test]
fn a_healthy_folder_is_all_ok() {
    let data = data_folder();
    let (code, findings) = examine(data.path(), &[]);
    let bad: Vec<&Value> = findings.iter().filter(|finding| finding["health"] == "fail").collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert_eq!(code, Some(0));
    for name in ["database", "pgvector", "migrations", "store", "onnxruntime", "pdfium", "model", "encoders", "index", "disk", "fonts", "I1", "I2", "I3", "I4", "I5", "I7", "I8"] {
        find(&findings, name);
    }
}

#[test]
fn a_missing_model_library_and_disk_are_named_with_their_fix() {
    let data = data_folder();
    let missing = [("LEARNHUB_ASSETS_MODEL", "/nowhere/model"), ("LEARNHUB_ASSETS_PDFIUM", "/nowhere/libpdfium.so")];
    let (code, findings) = examine(data.path(), &missing);
    assert_eq!(code, Some(3));
    for name in ["model", "pdfium"] {
        let finding = find(&findings, name);
        assert_eq!(finding["health"], "fail");
        assert!(finding["seen"].as_str().is_some_and(|seen| seen.contains("/nowhere/")), "{finding}");
        assert!(finding["fix"].as_str().is_some_and(|fix| fix.contains("make build")), "{finding}");
    }
    assert_eq!(find(&findings, "onnxruntime")["health"], "ok", "what is there is not blamed");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let (code, findings) = examine(std::path::Path::new("/proc/nowhere"), &[]);
    assert_eq!(code, Some(3));
    let disk = find(&findings, "disk");
    assert_eq!(disk["health"], "fail");
    assert!(disk["fix"].as_str().is_some_and(|fix| fix.contains("data.dir")), "{disk}");
}
