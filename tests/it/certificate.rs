//! From the last lesson to a certificate that a stranger can verify.

use serde_json::{Value, json};

use crate::program::{Person, Up, answer, data_folder, fixture, run};

#[tokio::test]
async fn finishing_a_course_earns_one_certificate_that_a_stranger_can_verify() {
    let data = data_folder();
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada Lovelace", "instructor").await;
    let course = teacher.course("Analytical engines").await;
    let module = teacher.post(&format!("/courses/{course}/modules"), json!({"title": "Only"})).await;
    let module = module["id"].as_str().expect("an id");
    let notes = teacher.publish(&course, "notes.md", fixture("notes.md")).await;
    let mut lessons = Vec::new();
    for title in ["First", "Second"] {
        let lesson = teacher.post(&format!("/modules/{module}/lessons"), json!({"title": title, "asset_ids": [notes["id"]]})).await;
        lessons.push(lesson["id"].as_str().expect("an id").to_owned());
    }
    let learner = Person::new(&up, "Łukasz Żółć-O'Neill", "student").await;
    learner.post(&format!("/courses/{course}/enrollments"), json!({})).await;
    let half = learner.post(&format!("/lessons/{}/completion", lessons[0]), json!({})).await;
    assert_eq!(half["certificate_id"], Value::Null);
    // Twenty at once: one certificate.
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (learner, path) = (learner.clone(), format!("/lessons/{}/completion", lessons[1]));
        racers.spawn(async move { learner.post(&path, json!({})).await["certificate_id"].as_str().map(str::to_owned) });
    }
    let mut ids: Vec<_> = racers.join_all().await.into_iter().flatten().collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");

    let issued = async {
        loop {
            let mine = learner.get("/me/certificates").await;
            if let Some(url) = mine["items"][0]["pdf_url"].as_str() {
                return (mine["items"].clone(), url.to_owned());
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let (mine, url) = tokio::time::timeout(std::time::Duration::from_secs(60), issued).await.expect("issued");
    assert_eq!(mine.as_array().map(Vec::len), Some(1));
    let pdf = learner.fetch(&url).await.bytes().await.expect("bytes").to_vec();
    assert!(pdf.starts_with(b"%PDF-"));

    let stranger = Person::stranger(&up);
    let verdict = stranger.get(&format!("/certificates/{}/verify", ids[0])).await;
    assert_eq!(
        (verdict["valid"].as_bool(), verdict["learner_name"].as_str(), verdict["instructor_name"].as_str()),
        (Some(true), Some("Łukasz Żółć-O'Neill"), Some("Ada Lovelace"))
    );
    let by_file = |bytes: Vec<u8>| {
        answer(stranger.request(reqwest::Method::POST, "/certificates/verify").header("Content-Type", "application/pdf").body(bytes))
    };
    assert_eq!(by_file(pdf.clone()).await.1["valid"], json!(true));
    let mut forged = pdf.clone();
    let middle = forged.len() / 2;
    forged[middle] ^= 1;
    let (_, verdict) = by_file(forged).await;
    assert_eq!((verdict["valid"].as_bool(), verdict["reason"].as_str()), (Some(false), Some("altered")), "{verdict}");
    assert_eq!(by_file(fixture("two-pages.pdf")).await.1["reason"], json!("unknown"));
    let (status, _) = answer(stranger.request(reqwest::Method::GET, &format!("/certificates/{}/verify", uuid::Uuid::new_v4()))).await;
    assert_eq!(status.as_u16(), 404);

    let file = data.path().join("mine.pdf");
    std::fs::write(&file, &pdf).expect("write");
    let verified = run(data.path(), &["certificate", "verify", file.to_str().expect("a path")]);
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stderr));
    std::fs::write(&file, b"%PDF-1.7 nothing").expect("write");
    assert_eq!(run(data.path(), &["certificate", "verify", file.to_str().expect("a path")]).status.code(), Some(3));
}
