//! Starting, stopping and being killed.

use crate::program::{Person, Up, data_folder, fixture, run};

#[tokio::test]
async fn a_second_up_on_the_same_folder_is_refused_with_the_pid_that_holds_it() {
    let data = data_folder();
    let up = Up::start(data.path());
    let second = run(data.path(), &["up", "--listen", "127.0.0.1:0"]);
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("pid {}", up.pid())), "{said}");
    assert_eq!(Person::stranger(&up).fetch("/livez").await.status(), 200, "the first is not disturbed");
}

#[tokio::test]
async fn it_drains_on_sigterm_and_leaves_no_database_behind() {
    let data = data_folder();
    let up = Up::start(data.path());
    assert_eq!(Person::stranger(&up).fetch("/readyz").await.status(), 200);
    assert_eq!(up.stop(), Some(0));
    assert!(!data.path().join("postgres/postmaster.pid").exists());
}

#[tokio::test]
async fn after_kill_nine_the_next_start_has_everything() {
    let data = data_folder();
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Kept").await;
    let asset = teacher.upload(&course, "notes.md", fixture("notes.md")).await;
    up.kill();
    let up = Up::start(data.path());
    let teacher = teacher.at(&up);
    assert_eq!(teacher.settled(&asset).await["state"], "published");
    assert_eq!(up.stop(), Some(0));
}

#[test]
fn a_configuration_that_is_wrong_stops_the_start_with_key_and_line() {
    let data = data_folder();
    let file = data.path().join("wrong.toml");
    std::fs::write(&file, "[http]\nlisten = \"127.0.0.1:0\"\nlissten = 1\n").expect("write a file");
    let output = run(data.path(), &["up", "--config", file.to_str().expect("a path")]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("wrong.toml:3: unknown key http.lissten"), "{said}");
}

#[test]
fn a_database_that_is_not_there_is_named() {
    let data = data_folder();
    let output = crate::program::command(data.path())
        .env("LEARNHUB_DATABASE_URL", "postgres://somebody:secretword@127.0.0.1:9/learnhub")
        .args(["jobs", "ls"])
        .output()
        .expect("run the program");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("database.url"), "{said}");
    assert!(!said.contains("secretword"), "the password is in the message: {said}");
}
