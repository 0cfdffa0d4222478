//! A backup is one moment of the whole: taken while uploads are being published, restored elsewhere, found again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::program::{Person, Up, data_folder, fixture, run};

fn ran(data: &Path, arguments: &[&str]) -> Value {
    let output = run(data, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said}"))
}

/// The command must fail; what it said.
fn refused(data: &Path, arguments: &[&str]) -> String {
    let output = run(data, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    said
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of plain letters")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => found.push(path),
        }
    }
    found.sort();
    found
}

/// Changes one bit in the middle, and gives the way back.
fn flip(path: &Path) -> Vec<u8> {
    let whole = std::fs::read(path).expect("read a file of the backup");
    let mut broken = whole.clone();
    let middle = broken.len() / 2;
    broken[middle] ^= 1;
    std::fs::write(path, broken).expect("break a file of the backup");
    whole
}

async fn finds(teacher: &Person, word: &str, wanted: i64) {
    let waiting = async {
        while teacher.get(&format!("/search?q={word}")).await["total"] != wanted {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap_or_else(|_| panic!("{word} is not found {wanted} times"));
}

#[tokio::test]
async fn what_was_backed_up_under_load_is_whole_elsewhere() {
    let (data, backups, elsewhere) = (data_folder(), data_folder(), data_folder());
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Kept").await;
    teacher.publish(&course, "first.md", b"# Zanzibar\n\nThe word is zyzzyva.\n".to_vec()).await;
    teacher.publish(&course, "tiny.mp4", fixture("tiny.mp4")).await;

    // Uploads go on while the backup runs: whatever it catches of them must be whole.
    let (busy, its_course) = (teacher.clone(), course.clone());
    let load = tokio::spawn(async move {
        for number in 0.. {
            let text = format!("# Lesson {number}\n\nquokka number {number}\n");
            busy.upload(&its_course, &format!("lesson-{number}.md"), text.into_bytes()).await;
        }
    });
    let (folder, repository) = (data.path().to_owned(), backups.path().to_owned());
    let made = tokio::task::spawn_blocking(move || ran(&folder, &["backup", text(&repository), "--json"])).await.expect("back up");
    load.abort();
    assert!(made["objects"].as_u64().is_some_and(|objects| objects > 5), "{made}");
    let metrics = teacher.fetch("/metrics").await.text().await.expect("metrics");
    assert!(!metrics.contains("learnhub_backup_last_success_timestamp_seconds 0"), "the backup is not known to the metrics");
    assert_eq!(up.stop(), Some(0));

    ran(elsewhere.path(), &["restore", text(backups.path()), "--json"]);
    let said = refused(elsewhere.path(), &["restore", text(backups.path())]);
    assert!(said.contains("not empty"), "{said}");
    ran(elsewhere.path(), &["restore", text(backups.path()), "--force", "--json"]);

    let up = Up::start(elsewhere.path());
    // The same secret and the same rows: the session goes on.
    let teacher = teacher.at(&up);
    finds(&teacher, "zyzzyva", 1).await;
    let assets = teacher.get(&format!("/courses/{course}/assets?limit=100")).await;
    for asset in assets["items"].as_array().expect("assets") {
        let id = asset["id"].as_str().expect("an id");
        assert_eq!(teacher.settled(id).await["state"], "published", "{asset}");
    }
    assert_eq!(up.stop(), Some(0));
    let findings = ran(elsewhere.path(), &["doctor", "--check", "--json"]);
    let failing: Vec<&Value> = findings.as_array().expect("findings").iter().filter(|finding| finding["health"] == "fail").collect();
    assert!(failing.is_empty(), "{failing:#?}");
}

#[tokio::test]
async fn snapshots_share_objects_and_a_time_chooses_among_them() {
    let (data, backups, elsewhere) = (data_folder(), data_folder(), data_folder());
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Kept").await;
    teacher.publish(&course, "first.md", b"# Zanzibar\n\nThe word is zyzzyva.\n".to_vec()).await;
    let first = ran(data.path(), &["backup", text(backups.path()), "--json"]);
    teacher.publish(&course, "second.md", b"# Quito\n\nThe word is quokka.\n".to_vec()).await;
    let second = ran(data.path(), &["backup", text(backups.path()), "--json"]);
    assert_eq!((first["objects"].as_u64(), first["copied"].as_u64()), (Some(1), Some(1)));
    assert_eq!((second["objects"].as_u64(), second["copied"].as_u64()), (Some(2), Some(1)), "the first object is copied once");
    assert_eq!(up.stop(), Some(0));

    let at = first["taken_at"].as_str().expect("a time");
    let restored = ran(elsewhere.path(), &["restore", text(backups.path()), "--at", at, "--json"]);
    assert_eq!(restored["snapshot"], first["snapshot"]);
    let up = Up::start(elsewhere.path());
    let teacher = teacher.at(&up);
    finds(&teacher, "zyzzyva", 1).await;
    finds(&teacher, "quokka", 0).await;
    assert_eq!(up.stop(), Some(0));
    let said = refused(data_folder().path(), &["restore", text(backups.path()), "--at", "2001-01-01T00:00:00Z"]);
    assert!(said.contains("no snapshot as old as"), "{said}");
}

#[tokio::test]
async fn a_flipped_bit_is_refused_by_name_before_anything_is_written() {
    let (data, backups, elsewhere) = (data_folder(), data_folder(), data_folder());
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Kept").await;
    teacher.publish(&course, "first.md", fixture("notes.md")).await;
    ran(data.path(), &["backup", text(backups.path()), "--json"]);
    assert_eq!(up.stop(), Some(0));

    for file in files(backups.path()) {
        if std::fs::metadata(&file).expect("a file").len() == 0 {
            continue;
        }
        let whole = flip(&file);
        let said = refused(elsewhere.path(), &["restore", text(backups.path())]);
        let name = file.file_name().expect("a name").to_string_lossy().replace(".sha256", "");
        assert!(said.contains("is damaged") && said.contains(&name), "{}: {said}", file.display());
        assert!(!elsewhere.path().join("objects").exists(), "{} was noticed too late", file.display());
        std::fs::write(&file, whole).expect("mend the file");
    }
    ran(elsewhere.path(), &["restore", text(backups.path()), "--json"]);
}
