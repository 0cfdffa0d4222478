//! What instructors make of a recording after its upload: captions, chapters, its picture; and where its viewers stopped.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::program::{Person, Up, answer, data_folder, fixture};

const CAPTIONS: &str = "WEBVTT\n\n00:00:00.200 --> 00:00:01.400\nThe zibbelin is a small bird of the northern coasts.\n\n\
                        00:00:01.400 --> 00:00:02.800\nIt builds its nest in the cliffs.\n";

struct World {
    up: Up,
    teacher: Person,
    learner: Person,
    stranger: Person,
    video: String,
    captions: String,
    _data: tempfile::TempDir,
}

impl World {
    /// A published video with captions, its instructor, an enrolled learner, and an instructor of something else.
    async fn new() -> Self {
        let data = data_folder();
        let up = Up::start(data.path());
        let teacher = Person::new(&up, "Ada", "instructor").await;
        let course = teacher.course("Birds").await;
        let video = teacher.publish(&course, "birds.mp4", fixture("tiny.mp4")).await["id"].as_str().expect("an id").to_owned();
        let captions = teacher.publish(&course, "birds.en.vtt", CAPTIONS.into()).await["id"].as_str().expect("an id").to_owned();
        let learner = Person::new(&up, "Grace", "student").await;
        learner.post(&format!("/courses/{course}/enrollments"), json!({})).await;
        let stranger = Person::new(&up, "Eve", "instructor").await;
        Self { up, teacher, learner, stranger, video, captions, _data: data }
    }

    /// How many hits in the recording a learner has for these words.
    async fn hits(&self, words: &str) -> usize {
        let found = self.learner.get(&format!("/search?q={words}")).await;
        let items = found["items"].as_array().expect("hits");
        items.iter().filter(|hit| hit["snippet"].as_str().is_some_and(|snippet| snippet.contains("<mark>"))).count()
    }

    async fn until<F: Future<Output = bool>>(&self, what: &str, mut holds: impl FnMut() -> F) {
        let waiting = async {
            while !holds().await {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(120), waiting)
            .await
            .unwrap_or_else(|_| panic!("it never came about that {what}"));
    }
}

async fn put(who: &Person, path: &str, body: &Value, etag: &str) -> (StatusCode, Value) {
    answer(who.request(Method::PUT, path).header("if-match", etag).json(body)).await
}

#[tokio::test]
async fn search_finds_the_words_of_edited_captions_and_the_old_ones_no_more() {
    let world = World::new().await;
    let path = format!("/assets/{}/captions", world.captions);
    assert_eq!((world.hits("zibbelin").await, world.hits("quarrion").await), (1, 0));
    let response = world.teacher.request(Method::GET, &path).send().await.expect("an answer");
    let etag = response.headers()["etag"].to_str().expect("ascii").to_owned();
    let mut edit: Value = response.json().await.expect("json");
    assert_eq!(edit["cues"].as_array().map(Vec::len), Some(2), "{edit}");
    edit.as_object_mut().expect("an object").remove("auto");
    edit["cues"][0]["text"] = json!("The quarrion is a small bird of the northern coasts.");
    edit["cues"][1]["start_s"] = json!(1.65);
    edit["label"] = json!("English, checked");
    edit["sdh"] = json!(true);
    let (status, saved) = put(&world.teacher, &path, &edit, &etag).await;
    assert_eq!(status, StatusCode::OK, "{saved}");
    world.until("search finds the new word", async || world.hits("quarrion").await == 1).await;
    assert_eq!(world.hits("zibbelin").await, 0, "the old word is gone");

    let playback = world.learner.get(&format!("/assets/{}/playback", world.video)).await;
    let track = &playback["captions"][0];
    assert_eq!((&track["label"], &track["sdh"], &track["auto"]), (&json!("English, checked"), &json!(true), &json!(false)));
    let file = world.learner.fetch(track["url"].as_str().expect("an address")).await.text().await.expect("text");
    assert!(file.contains("quarrion") && file.contains("00:00:01.650 --> 00:00:02.800") && !file.contains("zibbelin"), "{file}");

    // Down and up again: another course's captions say the same.
    let source = world.teacher.get(&format!("/assets/{}/source", world.captions)).await;
    assert_eq!((&source["file_name"], &source["media_type"]), (&json!("birds.en.vtt"), &json!("text/vtt")));
    let bytes = world.teacher.fetch(source["url"].as_str().expect("an address")).await.bytes().await.expect("bytes").to_vec();
    let copy = world.teacher.publish(&world.teacher.course("Copies").await, "copy.vtt", bytes).await;
    let copied = world.teacher.get(&format!("/assets/{}/captions", copy["id"].as_str().expect("an id"))).await;
    assert_eq!(copied["cues"], saved["cues"]);

    let (late, problem) = put(&world.teacher, &path, &edit, &etag).await;
    assert_eq!((late, &problem["code"]), (StatusCode::PRECONDITION_FAILED, &json!("version_conflict")));
}

#[tokio::test]
async fn only_who_teaches_a_course_edits_its_recordings() {
    let world = World::new().await;
    let (video, captions) = (&world.video, &world.captions);
    let cues = json!([{"start_s": 0, "end_s": 1, "text": "mine now"}]);
    let edits = [
        (format!("/assets/{captions}/captions"), json!({"label": "x", "language": null, "sdh": false, "cues": cues})),
        (format!("/assets/{video}/chapters"), json!({"chapters": [{"start_s": 0, "title": "mine now"}]})),
        (format!("/assets/{video}/poster"), json!({"file": "poster.jpg"})),
    ];
    let nobody = Person::stranger(&world.up);
    for (path, body) in &edits {
        for (who, expected) in [(&nobody, 401), (&world.stranger, 404), (&world.learner, 403)] {
            let (status, problem) = put(who, path, body, "*").await;
            assert_eq!(status.as_u16(), expected, "{path}: {problem}");
        }
    }
    assert_eq!(world.hits("mine").await, 0);
    let playback = world.learner.get(&format!("/assets/{video}/playback")).await;
    assert_eq!(playback["chapters"], json!([]));
    for (path, body) in &edits {
        let (status, answer) = put(&world.teacher, path, body, "*").await;
        assert_eq!(status, StatusCode::OK, "the protection was not what refused: {path}: {answer}");
    }
    let playback = world.learner.get(&format!("/assets/{video}/playback")).await;
    assert_eq!(playback["chapters"], json!([{"start_s": 0.0, "title": "mine now"}]));
}

#[tokio::test]
async fn where_one_stopped_is_known_after_a_restart_and_to_nobody_else() {
    let data = data_folder();
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Tides").await;
    let video = teacher.publish(&course, "tiny.mp4", fixture("tiny.mp4")).await["id"].as_str().expect("an id").to_owned();
    let learner = Person::new(&up, "Grace", "student").await;
    let path = format!("/assets/{video}/position");
    let (status, _) = put(&learner, &path, &json!({"at_s": 1.5}), "*").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "before they are enrolled it does not exist for them");
    learner.post(&format!("/courses/{course}/enrollments"), json!({})).await;
    assert_eq!(put(&learner, &path, &json!({"at_s": 1.5}), "*").await.0, StatusCode::NO_CONTENT);
    up.stop();
    let up = Up::start(data.path());
    assert_eq!(learner.at(&up).get(&path).await["at_s"], json!(1.5));
    assert_eq!(teacher.at(&up).get(&path).await["at_s"], json!(0.0));
}
