//! Captions by a machine, with a real engine: Debian's pocketsphinx, through the adapter in contrib/.

use std::path::Path;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::program::{Person, Up, answer, command, data_folder, fixture};

/// A word that `spoken.m4a` says, and at what second: the engine understands it whatever becomes of the others.
const SAID: (&str, f64) = ("computer", 4.6);

async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut found: impl FnMut() -> F) -> T {
    let waiting = async {
        loop {
            match found().await {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(240), waiting).await.unwrap_or_else(|_| panic!("it never came about that {what}"))
}

/// The captions of a recording, as a player is told.
async fn captions(who: &Person, recording: &str) -> Vec<Value> {
    who.get(&format!("/assets/{recording}/playback")).await["captions"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn what_is_said_in_a_recording_is_found_at_its_second_and_marked_as_automatic_until_a_person_brings_captions() {
    let data = data_folder();
    let engine = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/speech/pocketsphinx-vtt");
    let mut program = command(data.path());
    program.env("LEARNHUB_SPEECH_COMMAND", format!("{},{{input}}", engine.display())).env("LEARNHUB_SPEECH_LANGUAGE", "en");
    let up = Up::start_with(program);
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Tides").await;
    let recording = teacher.publish(&course, "spoken.m4a", fixture("spoken.m4a")).await["id"].as_str().expect("an id").to_owned();
    let learner = Person::new(&up, "Grace", "student").await;
    learner.post(&format!("/courses/{course}/enrollments"), json!({})).await;

    let track = until("a player is offered automatic captions", async || captions(&learner, &recording).await.pop()).await;
    assert_eq!((&track["label"], &track["language"], &track["auto"]), (&json!("English"), &json!("en"), &json!(true)));
    let file = learner.fetch(track["url"].as_str().expect("an address")).await.text().await.expect("text");
    assert!(file.contains("<00:00:0"), "words have their times: {file}");
    let asset = track["asset_id"].as_str().expect("an id").to_owned();
    assert_eq!(teacher.get(&format!("/assets/{asset}")).await["auto"], json!(true));
    let master = teacher.get(&format!("/assets/{recording}/playback")).await["hls_url"].as_str().expect("an address").to_owned();
    let master = teacher.fetch(&master).await.text().await.expect("text");
    assert!(master.contains("NAME=\"English (automatic)\""), "{master}");

    let (word, said_at) = SAID;
    let found = learner.get(&format!("/search?q={word}")).await;
    let url = found["items"][0]["url"].as_str().unwrap_or_else(|| panic!("no hit: {found}"));
    let second: f64 = url.split_once("?t=").expect("a hit at a second").1.parse().expect("seconds");
    assert!(url.starts_with(&format!("/watch/{recording}")) && (second - said_at).abs() <= 1.5, "{url}");

    // A person's word counts more than a machine's.
    teacher.publish(&course, "spoken.en.vtt", b"WEBVTT\n\n00:00.500 --> 00:03.000\nThe zibbelin has a computer.\n".to_vec()).await;
    let brought = until("only the person's captions are left", async || {
        let mut tracks = captions(&learner, &recording).await;
        tracks.pop().filter(|track| tracks.is_empty() && track["auto"] == json!(false))
    })
    .await;
    assert_ne!(brought["asset_id"], json!(asset));
    let (status, _) = answer(teacher.request(Method::GET, &format!("/assets/{asset}"))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    until("search no longer knows what the machine understood", async || {
        let found = learner.get(&format!("/search?q={word}")).await;
        let hits: Vec<String> = found["items"].as_array()?.iter().map(|hit| hit["snippet"].to_string()).collect();
        (hits.len() == 1 && hits[0].contains("zibbelin")).then_some(())
    })
    .await;
}
