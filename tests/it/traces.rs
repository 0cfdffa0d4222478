//! One id from the request to the child: in traces, which a collector here receives, and in the lines of the log.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use reqwest::Method;
use serde_json::Value;

use crate::program::{Person, Up, command, data_folder, fixture};

type Spans = Arc<Mutex<Vec<Span>>>;

/// An OTLP/HTTP collector on an address of its own, and what it has received.
async fn collector() -> (String, Spans) {
    let spans = Spans::default();
    let take = |State(spans): State<Spans>, body: Bytes| async move {
        let request = ExportTraceServiceRequest::decode(body).expect("an export of traces");
        let received = request.resource_spans.into_iter().flat_map(|of| of.scope_spans).flat_map(|of| of.spans);
        spans.lock().expect("the spans").extend(received);
        ""
    };
    let app = Router::new().route("/v1/traces", post(take)).with_state(spans.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("its address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, spans)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Uploads a document with these headers and waits until it is published; the request id of the answer.
async fn publish(teacher: &Person, course: &str, headers: &[(&str, &str)]) -> String {
    let mut request =
        teacher.request(Method::POST, &format!("/courses/{course}/assets")).query(&[("file_name", "notes.md")]).body(fixture("notes.md"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.expect("an answer");
    let id = answer.headers()["x-request-id"].to_str().expect("plain letters").to_owned();
    let asset: Value = answer.json().await.expect("an asset");
    assert_eq!(teacher.settled(asset["id"].as_str().expect("an id")).await["state"], "published");
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_sees_request_job_and_child_in_one_trace() {
    let (address, spans) = collector().await;
    let data = data_folder();
    let mut up = command(data.path());
    up.env("LEARNHUB_TELEMETRY_OTLP_ENDPOINT", &address);
    let up = Up::start_with(up);
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Traced").await;
    let ours = publish(&teacher, &course, &[]).await;
    let theirs = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("00-{theirs}-00f067aa0ba902b7-01");
    assert_eq!(publish(&teacher, &course, &[("traceparent", &traceparent), ("x-request-id", "something-else")]).await, theirs);
    assert_eq!(publish(&teacher, &course, &[("x-request-id", "order-4711-eu")]).await, "order-4711-eu");
    let malformed = publish(&teacher, &course, &[("traceparent", "00-nonsense-01")]).await;
    assert!(malformed.len() == 32 && malformed != theirs, "{malformed}");
    // Stopping sends what was not sent yet.
    assert_eq!(tokio::task::spawn_blocking(move || up.stop()).await.expect("stop"), Some(0));

    let spans = spans.lock().expect("the spans").clone();
    assert!(ours.len() == 32 && ours.bytes().all(|byte| byte.is_ascii_hexdigit()), "{ours}");
    for trace in [ours.as_str(), theirs] {
        let of_trace: Vec<&Span> = spans.iter().filter(|span| hex(&span.trace_id) == trace).collect();
        let names: BTreeSet<&str> = of_trace.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(names, ["child", "http", "job"].into(), "{trace}");
        let ids: BTreeSet<&[u8]> = of_trace.iter().map(|span| span.span_id.as_slice()).collect();
        assert_eq!(ids.len(), of_trace.len(), "no two spans of {trace} share an id");
        for child in of_trace.iter().filter(|span| span.name == "child") {
            let parent = of_trace.iter().find(|span| span.span_id == child.parent_span_id).expect("the child's parent");
            assert_eq!(parent.name, "job");
        }
    }
    let http = |trace: &str| spans.iter().find(|span| span.name == "http" && hex(&span.trace_id) == trace).expect("the request");
    assert!(http(&ours).parent_span_id.is_empty(), "a trace of ours begins with the request");
    assert_eq!(hex(&http(theirs).parent_span_id), "00f067aa0ba902b7", "a trace of theirs goes on");
    let jobs: Vec<&Span> = spans.iter().filter(|span| span.name == "job" && hex(&span.trace_id) == ours).collect();
    assert!(jobs.iter().all(|job| job.parent_span_id == http(&ours).span_id), "jobs follow from the request: {jobs:#?}");
}

#[tokio::test]
async fn a_collector_that_is_away_disturbs_nobody() {
    let data = data_folder();
    let mut up = command(data.path());
    up.env("LEARNHUB_TELEMETRY_OTLP_ENDPOINT", "http://127.0.0.1:9");
    let up = Up::start_with(up);
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Not traced").await;
    publish(&teacher, &course, &[]).await;
    assert_eq!(up.stop(), Some(0));
}

#[tokio::test]
async fn request_job_and_child_have_lines_under_one_id() {
    let data = data_folder();
    let log = data.path().join("log.json");
    let mut up = command(data.path());
    up.env("LEARNHUB_LOG_FORMAT", "json");
    let up = Up::start_logging(up, &log);
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Logged").await;
    let broken = teacher
        .request(Method::POST, &format!("/courses/{course}/assets"))
        .query(&[("file_name", "truncated.pdf")])
        .body(fixture("truncated.pdf"))
        .send()
        .await
        .expect("an answer");
    let id = broken.headers()["x-request-id"].to_str().expect("plain letters").to_owned();
    let asset: Value = broken.json().await.expect("an asset");
    teacher.settled(asset["id"].as_str().expect("an id")).await;
    assert_eq!(up.stop(), Some(0));

    let text = std::fs::read_to_string(&log).expect("the log");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect();
    let ours: Vec<&Value> = lines.iter().filter(|line| line["span"]["request_id"] == id.as_str()).collect();
    for span in ["http", "job", "child"] {
        assert!(ours.iter().any(|line| line["span"]["name"] == span), "no line of {span} under {id}:\n{text}");
    }
}
