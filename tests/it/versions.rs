//! Another source under the same address: what learners see meanwhile and afterwards, and what is left when the program is
//! killed on the way. And a picture of the instructor's own.

use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::program::{Person, Up, answer, data_folder, fixture, fixture_path, run};

struct World {
    up: Up,
    teacher: Person,
    learner: Person,
    course: String,
    data: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let data = data_folder();
        let up = Up::start(data.path());
        let teacher = Person::new(&up, "Ada", "instructor").await;
        let course = teacher.course("Tides").await;
        let learner = Person::new(&up, "Grace", "student").await;
        learner.post(&format!("/courses/{course}/enrollments"), json!({})).await;
        Self { up, teacher, learner, course, data }
    }

    async fn publish(&self, name: &str, bytes: Vec<u8>) -> String {
        self.teacher.publish(&self.course, name, bytes).await["id"].as_str().expect("an id").to_owned()
    }

    /// The program ends in the middle of whatever it does, and starts again.
    fn killed(mut self) -> Self {
        self.up.kill();
        self.up = Up::start(self.data.path());
        (self.teacher, self.learner) = (self.teacher.at(&self.up), self.learner.at(&self.up));
        self
    }

    /// Everything stored is as it must be, and nothing is left over.
    fn sound(self) {
        self.up.stop();
        let output = run(self.data.path(), &["doctor", "--check", "--json"]);
        let findings: Value = serde_json::from_slice(&output.stdout).expect("findings");
        assert!(findings.as_array().expect("findings").iter().all(|finding| finding["health"] != "fail"), "{findings:#}");
    }
}

async fn replace(who: &Person, asset: &str, name: &str, bytes: Vec<u8>) -> Value {
    let (status, version) =
        answer(who.request(Method::PUT, &format!("/assets/{asset}/source")).query(&[("file_name", name)]).body(bytes)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{version}");
    version
}

async fn shown(who: &Person, asset: &str) -> Value {
    let versions = who.get(&format!("/assets/{asset}/versions")).await;
    versions.as_array().expect("versions").iter().find(|version| version["shown"] == true).expect("one that is shown").clone()
}

/// Looks at what there is until this version is shown. What one sees meanwhile is looked at as well.
async fn until_shown<F: Future<Output = ()>>(who: &Person, asset: &str, number: i64, meanwhile: impl Fn() -> F) {
    let waiting = async {
        loop {
            meanwhile().await;
            let versions = who.get(&format!("/assets/{asset}/versions")).await;
            let all = versions.as_array().expect("versions");
            assert!(all.iter().all(|version| version["state"] != "failed"), "{versions:#}");
            if all.iter().any(|version| version["shown"] == true && version["number"] == number) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(180), waiting).await.unwrap_or_else(|_| panic!("version {number} is never shown"));
}

/// The first segment that a player comes to.
async fn first_segment(who: &Person, master: &str) -> (StatusCode, Vec<u8>) {
    let text = |path: String| async move {
        let response = who.fetch(&path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.text().await.expect("text")
    };
    let beside = |path: &str, name: &str| format!("{}/{name}", path.rsplit_once('/').expect("a folder").0);
    let entry = |playlist: &str| playlist.lines().find(|line| !line.starts_with('#') && !line.is_empty()).expect("an entry").to_owned();
    let variant = beside(master, &entry(&text(master.to_owned()).await));
    let segment = beside(&variant, &entry(&text(variant.clone()).await));
    let response = who.fetch(&segment).await;
    (response.status(), response.bytes().await.expect("bytes").to_vec())
}

#[tokio::test]
async fn a_replaced_video_keeps_its_address_and_can_be_restored_without_being_made_again() {
    let world = World::new().await;
    let (teacher, learner) = (&world.teacher, &world.learner);
    let video = world.publish("tides.mp4", fixture("tiny.mp4")).await;
    let path = format!("/assets/{video}/playback");
    answer(learner.request(Method::PUT, &format!("/assets/{video}/position")).json(&json!({"at_s": 1.5}))).await;
    let old = learner.get(&path).await;
    let old_master = old["hls_url"].as_str().expect("an address").to_owned();
    let (_, old_bytes) = first_segment(learner, &old_master).await;

    replace(teacher, &video, "tides, mended.mp4", fixture("runs.mp4")).await;
    until_shown(teacher, &video, 2, || async {
        let (status, playback) = answer(learner.request(Method::GET, &path)).await;
        assert_eq!(status, StatusCode::OK, "there is always one: {playback}");
        assert_eq!(playback["complete"], true, "and it is whole");
    })
    .await;
    let new = learner.get(&path).await;
    let (status, new_bytes) = first_segment(learner, new["hls_url"].as_str().expect("an address")).await;
    assert!(status == StatusCode::OK && new_bytes != old_bytes && new["duration_ms"] != old["duration_ms"]);
    assert_eq!(learner.get(&format!("/assets/{video}/position")).await["at_s"], json!(1.5), "where they stopped");
    assert_eq!(
        first_segment(learner, &old_master).await,
        (StatusCode::OK, old_bytes.clone()),
        "who is in the middle of the old one may finish"
    );
    let listed = learner.get(&format!("/courses/{}/assets", world.course)).await;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["title"]), (&json!(video), &json!("tides")));
    let outline = teacher.get(&format!("/courses/{}", world.course)).await;
    assert_eq!(outline["materials"].as_array().map(Vec::len), Some(1), "{outline}");

    let encoded = async || teacher.get("/jobs?kind=EncodeRun&limit=100").await["items"].as_array().expect("jobs").len();
    let before = encoded().await;
    teacher.post(&format!("/assets/{video}/versions/1/restore"), json!({})).await;
    until_shown(teacher, &video, 1, || async {}).await;
    let restored = learner.get(&path).await;
    assert_eq!(first_segment(learner, restored["hls_url"].as_str().expect("an address")).await, (StatusCode::OK, old_bytes));
    assert_eq!(encoded().await, before, "nothing was encoded again");
    let kept = teacher.get(&format!("/assets/{video}/versions")).await[0]["asset_id"].as_str().expect("an id").to_owned();
    assert_eq!(answer(learner.request(Method::GET, &format!("/assets/{kept}"))).await.0, StatusCode::NOT_FOUND);

    let (status, _) = answer(teacher.request(Method::DELETE, &format!("/assets/{video}/versions/2"))).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(first_segment(learner, restored["hls_url"].as_str().expect("an address")).await.0, StatusCode::OK);
    world.sound();
}

#[tokio::test]
async fn search_finds_the_old_words_or_the_new_ones_and_never_none_or_both() {
    let world = World::new().await;
    let notes = |word: &str| format!("# Birds\n\nThe quarrion {word} on the northern coasts.\n").into_bytes();
    let document = world.publish("birds.md", notes("nests")).await;
    let hit = async || -> String {
        let found = world.learner.get("/search?q=quarrion").await;
        let items = found["items"].as_array().expect("hits");
        assert_eq!(items.len(), 1, "{found:#}");
        assert_eq!(items[0]["asset_id"], json!(document));
        let snippet = items[0]["snippet"].as_str().expect("a snippet").to_owned();
        assert!(snippet.contains("nests") != snippet.contains("sleeps"), "{snippet}");
        snippet
    };
    assert!(hit().await.contains("nests"));
    replace(&world.teacher, &document, "birds.md", notes("sleeps")).await;
    until_shown(&world.teacher, &document, 2, || async { drop(hit().await) }).await;
    assert!(hit().await.contains("sleeps"), "at once, before the index knows of it");
    world.teacher.post(&format!("/assets/{document}/versions/1/restore"), json!({})).await;
    until_shown(&world.teacher, &document, 1, || async { drop(hit().await) }).await;
    for _ in 0..40 {
        assert!(hit().await.contains("nests"));
    }
    world.sound();
}

#[tokio::test]
async fn a_program_that_is_killed_on_the_way_leaves_the_old_version_or_the_new_one_whole() {
    let mut world = World::new().await;
    let video = world.publish("tides.mp4", fixture("tiny.mp4")).await;
    let path = format!("/assets/{video}/playback");
    let version = replace(&world.teacher, &video, "mended.mp4", fixture("runs.mp4")).await;
    let made = version["asset_id"].as_str().expect("an id").to_owned();
    // Right after the upload was accepted, while it is planned or encoded, and as late as one can look.
    for stage in [None, Some("transcode"), Some("publish"), None] {
        world = world.killed();
        let playback = world.learner.get(&path).await;
        assert_eq!(
            (&playback["complete"], first_segment(&world.learner, playback["hls_url"].as_str().expect("an address")).await.0),
            (&json!(true), StatusCode::OK)
        );
        let waiting = async {
            while let Some(stage) = stage {
                let (_, asset) = answer(world.teacher.request(Method::GET, &format!("/assets/{made}"))).await;
                let met = asset["stages"].as_array().into_iter().flatten().any(|one| one["stage"] == stage);
                if met || asset["state"] == "kept" {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(120), waiting).await.expect("the stage is met");
    }
    until_shown(&world.teacher, &video, 2, || async {}).await;
    let playback = world.learner.get(&path).await;
    assert_eq!(first_segment(&world.learner, playback["hls_url"].as_str().expect("an address")).await.0, StatusCode::OK);
    assert_eq!(shown(&world.teacher, &video).await["file_name"], "mended.mp4");
    world.sound();
}

#[tokio::test]
async fn the_command_line_replaces_too() {
    let world = World::new().await;
    let document = world.publish("notes.md", fixture("notes.md")).await;
    let other = world.publish("other.md", b"# Other\n\nSomething else.\n".to_vec()).await;
    let data: &Path = world.data.path();
    let file = fixture_path("page.html");
    let output = run(data, &["ingest", file.to_str().expect("utf-8"), "--replace", &document, "--wait", "--json"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let outcomes: Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!(outcomes[0]["state"], "published", "{outcomes}");
    assert_eq!(shown(&world.teacher, &document).await["file_name"], "page.html");
    assert_eq!(shown(&world.teacher, &other).await["number"], 1);
    let wrong = run(data, &["ingest", fixture_path("tiny.mp4").to_str().expect("utf-8"), "--replace", &document, "--wait", "--json"]);
    assert_eq!(wrong.status.code(), Some(3));
    let outcomes: Value = serde_json::from_slice(&wrong.stdout).expect("json");
    assert_eq!(outcomes[0]["code"], "replacement_of_another_kind");
    assert_eq!(shown(&world.teacher, &document).await["file_name"], "page.html");
    world.sound();
}

#[tokio::test]
async fn an_instructor_shows_a_video_by_a_picture_of_their_own() {
    let world = World::new().await;
    let (teacher, learner) = (&world.teacher, &world.learner);
    let video = world.publish("tides.mp4", fixture("tiny.mp4")).await;
    let path = format!("/assets/{video}/poster/picture");
    let poster = async || learner.get(&format!("/assets/{video}/playback")).await["poster_url"].as_str().expect("a poster").to_owned();
    let made = poster().await;
    let picture = learner.fetch(&made).await.bytes().await.expect("a picture").to_vec();
    let put = async |who: &Person, bytes: Vec<u8>| answer(who.request(Method::PUT, &path).body(bytes)).await;

    let nobody = Person::stranger(&world.up);
    let stranger = Person::new(&world.up, "Eve", "instructor").await;
    for (who, expected) in [(&nobody, 401), (&stranger, 404), (learner, 403)] {
        assert_eq!(put(who, picture.clone()).await.0.as_u16(), expected);
    }
    for (bytes, status, code) in [
        (b"%PDF-1.7".to_vec(), StatusCode::UNPROCESSABLE_ENTITY, "picture_unsupported"),
        (picture[..picture.len() / 3].to_vec(), StatusCode::UNPROCESSABLE_ENTITY, "picture_damaged"),
        (Vec::new(), StatusCode::UNPROCESSABLE_ENTITY, "empty_file"),
        (vec![0; 17 << 20], StatusCode::PAYLOAD_TOO_LARGE, "picture_too_heavy"),
    ] {
        let (got, problem) = put(teacher, bytes).await;
        assert_eq!((got, &problem["code"]), (status, &json!(code)), "{problem}");
    }
    assert!(poster().await.ends_with("/poster.jpg"), "nothing was changed");

    for _ in 0..2 {
        let (status, problem) = put(teacher, picture.clone()).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{problem}");
    }
    let own = poster().await;
    assert!(own.ends_with("/uploaded.jpg"), "{own}");
    let response = learner.fetch(&own).await;
    assert_eq!((response.status(), response.headers()["content-type"].to_str().expect("ascii")), (StatusCode::OK, "image/jpeg"));
    let posters = teacher.get(&format!("/assets/{video}/posters")).await;
    let chosen: Vec<_> =
        posters.as_array().expect("posters").iter().filter(|poster| poster["chosen"] == true).map(|poster| &poster["file"]).collect();
    assert_eq!(chosen, [&json!("uploaded.jpg")]);
    let shown = learner.get(&format!("/assets/{video}")).await;
    assert!(shown["poster_url"].as_str().is_some_and(|url| url.ends_with("/uploaded.jpg")), "on cards as well");

    replace(teacher, &video, "mended.mp4", fixture("silent.mp4")).await;
    until_shown(teacher, &video, 2, || async {}).await;
    assert!(poster().await.ends_with("/uploaded.jpg"), "it is of the lesson, not of the file");
    let (status, _) = answer(teacher.request(Method::PUT, &format!("/assets/{video}/poster")).json(&json!({"file": null}))).await;
    assert_eq!(status, StatusCode::OK);
    assert!(poster().await.ends_with("/poster.jpg"));
    world.sound();
}
