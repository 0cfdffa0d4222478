//! The arrows between the rooms, as ARCHITECTURE.md draws them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What each room may import of the others. Everything else is a wall.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("kernel", &[]),
    ("ingest", &["kernel"]),
    ("transcode", &["kernel"]),
    ("embedder", &["kernel"]),
    ("indexer", &["kernel"]),
    ("certgen", &["kernel"]),
    ("lms", &["kernel"]),
    ("search-api", &["kernel", "embedder", "indexer"]),
    ("learnhub", &["kernel", "ingest", "transcode", "embedder", "indexer", "certgen", "lms", "search-api"]),
];

/// Third-party crates that live in one room only.
const AT_HOME: [(&str, &str); 8] = [
    ("ffmpeg-next", "transcode"),
    ("ebur128", "transcode"),
    ("tantivy", "indexer"),
    ("fastembed", "embedder"),
    ("printpdf", "certgen"),
    ("scraper", "ingest"),
    ("argon2", "lms"),
    ("jsonwebtoken", "kernel"),
];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo metadata");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata is json");
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    let packages = metadata["packages"].as_array().expect("packages");
    packages.iter().map(|package| (name(package), package["dependencies"].as_array().into_iter().flatten().map(name).collect())).collect()
}

#[test]
fn rooms_import_only_what_the_picture_allows() {
    let found = dependencies();
    let rooms: BTreeSet<&str> = ALLOWED.iter().map(|(room, _)| *room).collect();
    assert_eq!(found.keys().map(String::as_str).collect::<BTreeSet<_>>(), rooms, "a room that the picture does not show");
    for (room, allowed) in ALLOWED {
        let others: BTreeSet<&str> = found[room].iter().map(String::as_str).filter(|name| rooms.contains(name) && *name != room).collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        assert!(others.is_subset(&allowed), "{room} imports {:?}", others.difference(&allowed).collect::<Vec<_>>());
    }
}

#[test]
fn a_technology_lives_in_one_room() {
    let found = dependencies();
    for (technology, home) in AT_HOME {
        let users: Vec<&str> = found.iter().filter(|(_, imports)| imports.contains(technology)).map(|(room, _)| room.as_str()).collect();
        assert_eq!(users, [home], "{technology}");
    }
}
