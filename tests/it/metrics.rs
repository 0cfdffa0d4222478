//! `/metrics` says what `docs/metrics.md` promises, all of it and nothing else, and tools can read it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use kernel::telemetry::CATALOGUE;

use crate::program::{Person, Up, command, data_folder, fixture};

/// Names and types by the `# TYPE` lines.
fn types(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    lines.filter_map(|line| line.split_once(' ')).map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// What promtool says, and whether it is content.
fn promtool(text: &str) -> (bool, String) {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is missing: run `make setup`, which installs Debian's package prometheus");
    child.stdin.take().expect("stdin is piped").write_all(text.as_bytes()).expect("write to promtool");
    let output = child.wait_with_output().expect("wait for promtool");
    (output.status.success(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

async fn scrape(up: &Up) -> String {
    Person::stranger(up).fetch("/metrics").await.text().await.expect("the metrics")
}

#[tokio::test]
async fn every_metric_of_the_catalogue_is_there_and_no_other_and_promtool_reads_them() {
    let data = data_folder();
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Measured").await;
    teacher.publish(&course, "notes.md", fixture("notes.md")).await;
    let text = scrape(&up).await;

    let expected: BTreeMap<String, String> =
        CATALOGUE.iter().map(|metric| (metric.name.to_owned(), metric.kind.as_str().to_owned())).collect();
    assert_eq!(types(&text), expected);
    let (content, said) = promtool(&text);
    assert!(content, "{said}");
    let store = std::env::var("LEARNHUB_TEST_STORE").ok().filter(|store| store == "s3").unwrap_or_else(|| "directory".to_owned());
    let stored = format!(r#"learnhub_store_call_seconds_count{{backend="{store}",op="put_file",outcome="ok"}}"#);
    for seen in [
        &stored,
        r#"learnhub_job_attempts_total{stage="extract",outcome="done",class="none"} 1"#,
        r#"learnhub_job_run_seconds_count{stage="publish"}"#,
        r#"learnhub_jobs{stage="transcode",lane="default",state="dead"} 0"#,
        r#"learnhub_worker_slots{stage="extract"} 3"#,
    ] {
        assert!(text.contains(seen), "{seen} is missing in\n{text}");
    }
    // An empty scrape would satisfy promtool as well.
    assert!(!promtool("learnhub_jobs{stage=\"x\" 1\n").0, "promtool does not see a broken line");
}

#[tokio::test]
async fn labels_have_the_documented_names_and_no_ids() {
    let data = data_folder();
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Measured").await;
    teacher.get(&format!("/courses/{course}")).await;
    reqwest::Client::new()
        .request(reqwest::Method::from_bytes(b"INVENTED").expect("a method"), format!("{}/api/v1/courses/{course}", up.address))
        .send()
        .await
        .expect("an answer");
    let text = scrape(&up).await;
    assert!(!text.contains(&course), "an id is a label: every course would be a series of its own");
    assert!(!text.contains("INVENTED"), "a client's method is a label");
    for line in text.lines().filter(|line| !line.starts_with('#') && line.contains('{')) {
        let (name, rest) = line.split_once('{').expect("has labels");
        let labels: BTreeSet<&str> = rest.split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name).collect();
        let base = ["_bucket", "_count", "_sum"].into_iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let metric = CATALOGUE.iter().find(|metric| metric.name == name || metric.name == base).expect("in the catalogue");
        let extra: Vec<&&str> = labels.iter().filter(|label| **label != "le" && !metric.labels.contains(label)).collect();
        assert!(extra.is_empty(), "{name} has undocumented labels {extra:?}");
    }
}

#[test]
fn the_documentation_lists_the_catalogue() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let text = std::fs::read_to_string(&path).expect("docs/metrics.md");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    let wanted: Vec<String> = CATALOGUE
        .iter()
        .map(|metric| {
            let labels = metric.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
            format!("| `{}` | {} | {} | {} |", metric.name, metric.kind.as_str(), labels, metric.help)
        })
        .collect();
    assert_eq!(rows, wanted, "docs/metrics.md should read:\n{}", wanted.join("\n"));
}

#[tokio::test]
async fn a_worker_answers_probes_and_metrics_where_it_is_told_to_and_nowhere_else() {
    let data = data_folder();
    let _up = Up::start(data.path());
    let mut worker = command(data.path());
    worker.args(["worker", "--stages", "extract"]).env("LEARNHUB_METRICS_LISTEN", "127.0.0.1:0");
    let worker = Up::spawn(worker);
    let stranger = Person::stranger(&worker);
    assert_eq!(stranger.fetch("/livez").await.status(), 200);
    assert_eq!(stranger.fetch("/readyz").await.status(), 200);
    assert_eq!(stranger.fetch("/api/v1/courses").await.status(), 404, "a worker serves no API");
    let text = scrape(&worker).await;
    assert!(text.contains(r#"learnhub_worker_slots{stage="extract"} 3"#), "{text}");
    assert!(text.contains(r#"learnhub_worker_slots{stage="transcode"} 0"#), "{text}");
    assert_eq!(worker.stop(), Some(0));
}
