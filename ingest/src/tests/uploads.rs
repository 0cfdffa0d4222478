//! `POST /courses/{id}/assets`, and storing local files.

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use kernel::events::Cause;
use kernel::http::Role;
use kernel::store::Key;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io;
use std::sync::Arc;
use tower::ServiceExt;

use super::World;
use crate::upload;

/// Sends an upload: the query after `?`, headers, body.
async fn send(world: &World, bearer: &str, query: &str, headers: &[(&str, &str)], body: Body) -> (StatusCode, Value) {
    let app = crate::router().split_for_parts().0.with_state(world.env.clone());
    let uri = format!("/courses/{}/assets?{query}", world.course);
    let mut request = Request::post(uri).header(header::AUTHORIZATION, bearer);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = app.oneshot(request.body(body).unwrap()).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

async fn upload(world: &World, query: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> (StatusCode, Value) {
    send(world, &world.test.bearer(&world.teacher), query, headers, body.into()).await
}

#[tokio::test]
async fn an_upload_becomes_an_asset_over_stored_bytes() {
    let world = World::new().await;
    let bytes = b"# Tides\n\nThe sea rises twice a day.";
    let sha256: [u8; 32] = Sha256::digest(bytes).into();
    let announced = hex::encode(sha256);
    let (status, asset) = upload(&world, "file_name=Week%203.md", &[("x-content-sha256", &announced)], &bytes[..]).await;
    assert_eq!(status, StatusCode::CREATED, "{asset}");
    assert_eq!((asset["title"].as_str(), asset["state"].as_str()), (Some("Week 3"), Some("processing")));
    assert_eq!(asset["stages"][0]["kind"], "IngestUpload");
    assert_eq!(world.env.store.get(&Key::source(&sha256)).await.unwrap(), Bytes::from_static(bytes));
    assert_eq!(world.count("select count(*) from jobs where kind = 'IngestUpload' and state = 'queued'").await, 1);
    assert_eq!(world.count("select count(*) from events where kind = 'Uploaded'").await, 1);
}

#[tokio::test]
async fn the_same_bytes_twice_are_one_source() {
    let world = World::new().await;
    for name in ["a.txt", "b.txt"] {
        assert_eq!(upload(&world, &format!("file_name={name}"), &[], "same words").await.0, StatusCode::CREATED);
    }
    assert_eq!(world.count("select count(*) from sources").await, 1);
    assert_eq!(world.count("select count(*) from assets").await, 2);
    assert_eq!(world.env.store.list("sources").await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_not_taken_leaves_nothing() {
    let world = World::new().await;
    let mut small = world.env.clone();
    let mut config = (*small.config).clone();
    config.limits.upload_bytes = 10;
    small.config = Arc::new(config);
    let world = World { env: small, ..world };

    let broken = || Body::from_stream(futures::stream::iter([Ok(Bytes::from_static(b"1 KB")), Err(io::Error::other("gone"))]));
    let wrong = "00".repeat(32);
    for (query, headers, body, status, code) in [
        ("file_name=a", vec![], Body::empty(), 400, "empty_file"),
        ("file_name=a", vec![], Body::from("more than ten bytes"), 413, "upload_too_large"),
        ("file_name=a", vec![("content-length", "2000000000")], broken(), 413, "upload_too_large"),
        ("file_name=a", vec![("content-length", "9")], Body::from("short"), 400, "upload_incomplete"),
        ("file_name=a", vec![], broken(), 400, "upload_incomplete"),
        ("file_name=a", vec![("x-content-sha256", wrong.as_str())], Body::from("bytes"), 422, "checksum_mismatch"),
        ("file_name=a", vec![("x-content-sha256", "xyz")], Body::from("bytes"), 400, "checksum_invalid"),
        ("", vec![], Body::from("bytes"), 400, "query_invalid"),
        ("file_name=", vec![], Body::from("bytes"), 422, "file_name_invalid"),
        ("file_name=a%00b", vec![], Body::from("bytes"), 422, "file_name_invalid"),
        ("file_name=a&captions_for=0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10", vec![], Body::from("bytes"), 422, "captions_for_invalid"),
    ] {
        let (got, problem) = upload(&world, query, &headers, body).await;
        assert_eq!((got.as_u16(), problem["code"].as_str()), (status, Some(code)), "{query} {headers:?}: {problem}");
    }
    assert_eq!(world.count("select count(*) from assets").await, 0);
    assert_eq!(world.count("select count(*) from sources").await, 0);
    let left = std::fs::read_dir(&world.env.config.paths.scratch).map_or(0, Iterator::count);
    assert_eq!(left, 0, "nothing is left in scratch");
}

#[tokio::test]
async fn only_editors_upload() {
    let world = World::new().await;
    let (stranger, learner, admin) =
        (world.test.account(Role::Instructor).await, world.test.account(Role::Student).await, world.test.account(Role::Admin).await);
    world.test.enrol(&learner, world.course).await;
    for (who, status) in [(stranger, 404), (learner, 403), (admin, 201)] {
        let (got, answer) = send(&world, &world.test.bearer(&who), "file_name=a", &[], Body::from("bytes")).await;
        assert_eq!(got.as_u16(), status, "{answer}");
    }
    assert_eq!(send(&world, "Bearer nonsense", "file_name=a", &[], Body::from("x")).await.0.as_u16(), 401);
}

#[tokio::test]
async fn nasty_names_are_kept_word_for_word_and_never_become_keys() {
    let world = World::new().await;
    let names = ["../../etc/passwd", "a'; drop table assets; --", "two\nlines.pdf", "quote\".md", "-rf", "%s%n", "漢字.txt", "a/b\\c.txt"];
    for name in names {
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let (status, asset) = upload(&world, &format!("file_name={encoded}"), &[], format!("text of {name}")).await;
        assert_eq!((status, asset["file_name"].as_str()), (StatusCode::CREATED, Some(name)));
    }
    for (key, _) in world.env.store.list("sources").await.unwrap() {
        assert_eq!(key.file_name().len(), 64);
        assert!(key.file_name().bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
    }
}

#[tokio::test]
async fn local_files_are_stored_and_empty_ones_rejected() {
    let world = World::new().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.txt");
    for (text, code) in [("words", None), ("", Some("empty_file"))] {
        std::fs::write(&path, text).unwrap();
        let stored = upload::store_path(&world.env, world.course, world.teacher.account_id, &path, &Cause::default()).await.unwrap();
        assert_eq!(stored.err().map(|rejected| rejected.code), code);
    }
    let missing = upload::store_path(&world.env, world.course, world.teacher.account_id, &dir.path().join("none"), &Cause::default()).await;
    assert!(missing.is_err());
}
