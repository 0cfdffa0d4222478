//! Commands of operators: sweeping, making anew, and what shells and `man` are told.

use std::path::Path;

use serde_json::Value;

use crate::program::{Person, Up, command, data_folder, fixture, objects, run};

fn ran(data: &Path, arguments: &[&str]) -> Value {
    let output = run(data, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said}"))
}

#[tokio::test]
async fn gc_names_an_orphan_removes_it_and_leaves_the_rest() {
    let data = data_folder();
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Swept").await;
    teacher.publish(&course, "notes.md", fixture("notes.md")).await;
    assert_eq!(up.stop(), Some(0));
    let orphan = "assets/0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10/0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a11.1/poster.jpg";
    let path = objects(data.path()).join(orphan);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("make a folder");
    std::fs::write(&path, b"left behind").expect("leave an orphan behind");

    assert_eq!(ran(data.path(), &["gc", "--dry-run", "--json"])["objects"], serde_json::json!([orphan]));
    assert!(path.exists(), "a dry run removes nothing");
    assert_eq!(ran(data.path(), &["gc", "--json"])["objects"], 1);
    assert!(!path.exists());
    assert_eq!(ran(data.path(), &["gc", "--dry-run", "--json"])["objects"], serde_json::json!([]));
    let findings = ran(data.path(), &["doctor", "--check", "--json"]);
    assert!(findings.as_array().expect("findings").iter().all(|finding| finding["health"] != "fail"), "{findings}");
}

#[tokio::test]
async fn backfill_queues_exactly_what_lacks_the_present_version() {
    let data = data_folder();
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Again").await;
    let old = teacher.publish(&course, "old.md", b"# Old\n\nmade by an older program\n".to_vec()).await;
    teacher.publish(&course, "new.md", b"# New\n\nmade by this one\n".to_vec()).await;
    let old = old["id"].as_str().expect("an id").to_owned();
    let none = serde_json::json!([]);
    for stage in ["transcode", "extract", "embed", "index"] {
        assert_eq!(ran(data.path(), &["backfill", "--stage", stage, "--json"])["assets"], none, "{stage}: nothing lacks anything");
    }

    let options = kernel::db::Postgres::app_options(data.path());
    let pool = sqlx::PgPool::connect_with(options).await.expect("connect");
    let id: uuid::Uuid = old.parse().expect("an id");
    sqlx::query("update documents set made_by = 0 where asset_id = $1").bind(id).execute(&pool).await.expect("make it old");
    let dry = ran(data.path(), &["backfill", "--stage", "extract", "--dry-run", "--json"]);
    assert_eq!(dry["assets"], serde_json::json!([old]));
    let before = teacher.get(&format!("/assets/{old}")).await;
    let queued = ran(data.path(), &["backfill", "--stage", "extract", "--json"]);
    assert_eq!(queued["assets"], serde_json::json!([old]));
    let made: &str = "select exists (select from documents where asset_id = $1 and made_by > 0)";
    let waiting = async {
        while !sqlx::query_scalar::<_, bool>(made).bind(id).fetch_one(&pool).await.expect("ask") {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), waiting).await.expect("it is made again");
    let lane: String =
        sqlx::query_scalar("select lane from jobs where asset_id = $1 and kind = 'ExtractDocument' order by id desc limit 1")
            .bind(id)
            .fetch_one(&pool)
            .await
            .expect("its job");
    assert_eq!((lane.as_str(), &before["state"]), ("backfill", &teacher.get(&format!("/assets/{old}")).await["state"]));
    pool.close().await;
    assert_eq!(up.stop(), Some(0));
}

#[test]
fn shells_and_man_know_every_command() {
    let data = data_folder();
    for shell in ["bash", "zsh", "fish"] {
        let output = run(data.path(), &["completions", shell]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("backfill"), "{shell}: {text}");
    }
    let pages = data.path().join("man");
    assert!(run(data.path(), &["man", pages.to_str().expect("a path")]).status.success());
    let page = std::fs::read_to_string(pages.join("learnhub.1")).expect("the manual page");
    assert!(page.contains("backup") && pages.join("learnhub-backup.1").exists(), "{page}");
}

#[tokio::test]
async fn systemd_is_told_when_it_is_ready_that_it_works_and_when_it_stops() {
    let data = data_folder();
    let path = data.path().join("notify.sock");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(std::time::Duration::from_secs(60))).expect("a limit to waiting");
    let mut up = command(data.path());
    up.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "600000");
    let up = Up::start_with(up);
    let hear = || {
        let mut message = [0; 256];
        let length = socket.recv(&mut message).expect("a message within a minute");
        String::from_utf8_lossy(&message[..length]).trim().to_owned()
    };
    assert_eq!((hear().as_str(), hear().as_str()), ("READY=1", "WATCHDOG=1"));
    assert_eq!(Person::stranger(&up).fetch("/readyz").await.status(), 200, "ready means that requests are answered");
    let told = std::thread::scope(|scope| {
        let stopping = scope.spawn(|| std::iter::repeat_with(hear).find(|message| message == "STOPPING=1"));
        assert_eq!(up.stop(), Some(0));
        stopping.join().expect("a listener")
    });
    assert_eq!(told.as_deref(), Some("STOPPING=1"));
}
