//! The doctor names what is missing and what to do about it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::program::{PROGRAM, Person, Up, command, data_folder, fixture};

fn examine(data: &std::path::Path, variables: &[(&str, &str)]) -> (Option<i32>, Vec<Value>) {
    let output = command(data).envs(variables.iter().copied()).args(["doctor", "--check", "--json"]).output().expect("run the doctor");
    let findings =
        serde_json::from_slice::<Vec<Value>>(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
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
    for name in [
        "database",
        "pgvector",
        "migrations",
        "store",
        "onnxruntime",
        "pdfium",
        "model",
        "encoders",
        "index",
        "disk",
        "fonts",
        "sandbox",
        "I1",
        "I2",
        "I3",
        "I4",
        "I5",
        "I6",
        "I7",
        "I8",
        "I9",
    ] {
        find(&findings, name);
    }
}

#[test]
fn a_broker_that_does_not_answer_is_named_and_its_password_is_not() {
    let data = data_folder();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let (code, findings) = examine(data.path(), &[("LEARNHUB_QUEUE_URL", &format!("amqp://somebody:secret@{nobody}/"))]);
    assert_eq!(code, Some(3));
    let finding = find(&findings, "broker").to_string();
    assert!(finding.contains("fail") && finding.contains("queue.url") && finding.contains(&nobody.to_string()), "{finding}");
    assert!(!finding.contains("secret"), "{finding}");
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

/// A copy of the private PostgreSQL in `folder` that never heard of pgvector.
fn postgres_without_vectors(folder: &Path) -> PathBuf {
    let config = kernel::config::Config::load(None).expect("the default configuration");
    let installed = config.paths.postgres.canonicalize().expect("PostgreSQL is installed: run `make build`");
    // Its programs find their libraries relative to the package that they came in.
    let package = installed.ancestors().nth(2).expect("a package folder");
    let copied = Command::new("cp").arg("-r").arg(package).arg(folder.join("package")).status().expect("run cp");
    assert!(copied.success());
    let copy = folder.join("package").join(installed.strip_prefix(package).expect("inside the package"));
    let found = Command::new("find").arg(&copy).args(["-name", "vector.control", "-print", "-delete"]).output().expect("run find");
    assert!(!found.stdout.is_empty(), "there was no extension to take away");
    copy
}

#[tokio::test]
async fn without_the_extension_search_is_lexical_and_says_so_and_the_doctor_names_the_fix() {
    let (data, elsewhere) = (data_folder(), data_folder());
    let postgres = postgres_without_vectors(elsewhere.path());
    let postgres = postgres.to_str().expect("a path");
    let (code, findings) = examine(data.path(), &[("LEARNHUB_ASSETS_POSTGRES", postgres)]);
    let finding = find(&findings, "pgvector");
    assert_eq!((code, finding["health"].as_str()), (Some(3), Some("fail")));
    assert!(finding["fix"].as_str().is_some_and(|fix| fix.contains("install pgvector")), "{finding}");

    let mut up = command(data.path());
    up.env("LEARNHUB_ASSETS_POSTGRES", postgres);
    let up = Up::start_with(up);
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Words").await;
    teacher.publish(&course, "notes.md", fixture("notes.md")).await;
    let found = teacher.get("/search?q=notes").await;
    assert_eq!(found["mode"], json!("lexical"));
    assert!(found["mode_reason"].is_string(), "{found}");
}

#[tokio::test]
async fn without_the_model_what_is_published_is_found_by_its_words() {
    let data = data_folder();
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Words").await;
    teacher.publish(&course, "notes.md", b"# Zanzibar\n\nThe word is zyzzyva.\n".to_vec()).await;
    assert_eq!(up.stop(), Some(0));
    let mut up = command(data.path());
    up.env("LEARNHUB_ASSETS_MODEL", "/nowhere/model");
    let up = Up::start_with(up);
    let found = teacher.at(&up).get("/search?q=zyzzyva").await;
    assert_eq!((found["mode"].as_str(), found["total"].as_i64()), (Some("lexical"), Some(1)), "{found}");
    assert!(found["mode_reason"].is_string());
}

#[test]
fn a_full_disk_is_named() {
    let data = data_folder();
    // A small disk of its own, in a mount namespace that ends with the command.
    let script = "mount -t tmpfs -o size=100m,mode=755 tmpfs \"$0\" && exec \"$1\" doctor --json";
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script])
        .arg(data.path())
        .arg(PROGRAM)
        .env("LEARNHUB_DATA_DIR", data.path())
        .stdin(Stdio::null())
        .output()
        .expect("run unshare");
    let findings =
        serde_json::from_slice::<Vec<Value>>(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let disk = find(&findings, "disk");
    assert_eq!(disk["health"], "fail", "{disk}");
    assert!(disk["fix"].as_str().is_some_and(|fix| fix.contains("free some space")), "{disk}");
    assert_eq!(output.status.code(), Some(3));
}
