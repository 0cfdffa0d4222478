//! Bad input: each gets a clear error or a visible failed state, with a stable code and a sentence; the worker lives.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::program::{Person, Up, answer, data_folder, fixture, objects, sample, walk};

#[tokio::test]
async fn every_bad_file_fails_with_its_code_and_a_good_one_still_goes_through() {
    let data = data_folder();
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Bad files").await;
    let cases: [(&str, Vec<u8>, &[&str]); 8] = [
        ("clip.mp4", fixture("playlist-as.mp4"), &["unsupported_container"]),
        ("broken.mp4", fixture("truncated.mp4"), &["media_unreadable", "media_truncated"]),
        ("broken.pdf", fixture("truncated.pdf"), &["pdf_damaged"]),
        ("secret.pdf", fixture("encrypted.pdf"), &["pdf_encrypted"]),
        ("spaces.pdf", fixture("spaces.pdf"), &["too_complex", "out_of_memory", "timeout"]),
        ("thing.bin", fixture("unknown.bin"), &["unsupported_type"]),
        ("program.pdf", b"\x7fELF\x02\x01\x01 and so on, which is no document".to_vec(), &["unsupported_type"]),
        ("archive.zip", b"PK\x03\x04\x14\0\0\0\0\0 and so on".to_vec(), &["unsupported_type"]),
    ];
    let mut uploads = Vec::new();
    for (name, bytes, codes) in cases {
        uploads.push((name, teacher.upload(&course, name, bytes).await, codes));
    }
    for (name, id, codes) in uploads {
        let asset = teacher.settled(&id).await;
        let failure = &asset["failure"];
        assert_eq!(asset["state"], "failed", "{name}: {asset}");
        assert!(codes.contains(&failure["code"].as_str().unwrap_or_default()), "{name}: {failure}");
        let reason = failure["reason"].as_str().unwrap_or_default();
        assert!(
            reason.len() > 20 && !reason.contains("Error") && !reason.contains('/'),
            "{name}: a sentence for a teacher, not {reason:?}"
        );
        assert!(failure["stage"].is_string());
    }
    // Nothing of them can be found, and the workers go on.
    assert_eq!(teacher.get("/search?q=clip").await["total"], json!(0));
    teacher.publish(&course, "notes.md", fixture("notes.md")).await;
}

#[tokio::test]
async fn a_wrong_extension_does_not_matter() {
    let data = data_folder();
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Names").await;
    let pdf = teacher.publish(&course, "lecture.mp4", fixture("two-pages.pdf")).await;
    assert_eq!((pdf["kind"].as_str(), pdf["pages"].as_i64()), (Some("document"), Some(2)));
    let video = teacher.publish(&course, "notes.txt", fixture("tiny.mp4")).await;
    assert_eq!(video["kind"], "video");
}

#[tokio::test]
async fn names_are_kept_as_they_are_and_never_become_paths() {
    let data = data_folder();
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Names").await;
    for name in ["../../etc/passwd", "a\"b'c.md", "line\nbreak.md", "-rf.md", "<b>bold</b>.md", "名前.md", "a;drop table jobs;.md"] {
        let bytes = format!("# A title\n\nSome words for {}.\n", name.len()).into_bytes();
        let asset = teacher.publish(&course, name, bytes).await;
        assert_eq!(asset["file_name"], json!(name));
    }
    for bad in ["", &"x".repeat(300)] {
        let (status, problem) = teacher.try_upload(&course, bad, b"words".to_vec()).await;
        assert_eq!((status.as_u16(), problem["code"].as_str()), (422, Some("file_name_invalid")), "{problem}");
    }
    let keys: Vec<String> = walk(&objects(data.path())).iter().map(|path| path.display().to_string()).collect();
    assert!(keys.iter().all(|key| !key.contains("passwd") && !key.contains("bold")), "{keys:?}");
}

#[tokio::test]
async fn uploads_that_are_empty_too_large_or_not_what_was_promised_are_refused() {
    let data = data_folder();
    let mut command = crate::program::command(data.path());
    command.env("LEARNHUB_LIMITS_UPLOAD_BYTES", "100000");
    let up = Up::start_with(command);
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Uploads").await;
    let (status, problem) = teacher.try_upload(&course, "empty.mp4", Vec::new()).await;
    assert_eq!((status.as_u16(), problem["code"].as_str()), (400, Some("empty_file")));
    let (status, problem) = teacher.try_upload(&course, "large.bin", vec![7; 100_001]).await;
    assert_eq!((status.as_u16(), problem["code"].as_str()), (413, Some("upload_too_large")));
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("0.1 MB")), "the limit is named: {problem}");
    let wrong = teacher
        .request(Method::POST, &format!("/courses/{course}/assets"))
        .query(&[("file_name", "notes.md")])
        .header("X-Content-SHA256", "0".repeat(64))
        .body("words");
    let (status, problem) = answer(wrong).await;
    assert_eq!((status.as_u16(), problem["code"].as_str()), (422, Some("checksum_mismatch")));
    assert_eq!(teacher.get(&format!("/courses/{course}/assets")).await["items"], json!([]), "nothing is left of them");
    assert!(walk(&objects(data.path()).join("sources")).is_empty());
}

#[tokio::test]
async fn two_gigabytes_declared_and_one_kilobyte_sent_leave_nothing() {
    let data = data_folder();
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Liar").await;
    let request = teacher.request(Method::POST, &format!("/courses/{course}/assets?file_name=lecture.mp4")).build().expect("a request");
    let bearer = request.headers()["authorization"].to_str().expect("ascii").to_owned();
    let host = up.address.strip_prefix("http://").expect("http").to_owned();
    let mut stream = tokio::net::TcpStream::connect(&host).await.expect("connect");
    let head = format!(
        "POST {}?file_name=lecture.mp4 HTTP/1.1\r\nHost: {host}\r\nAuthorization: {bearer}\r\nContent-Length: 2147483648\r\n\r\n",
        request.url().path()
    );
    stream.write_all(head.as_bytes()).await.expect("send");
    stream.write_all(&[7; 1024]).await.expect("send");
    stream.shutdown().await.expect("no more to send");
    let mut said = String::new();
    let _ = stream.read_to_string(&mut said).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    assert_eq!(teacher.get(&format!("/courses/{course}/assets")).await["items"], json!([]));
    let scratch_is_empty = async {
        while !walk(&data.path().join("scratch")).is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), scratch_is_empty).await.expect("nothing is left of it");
}

#[tokio::test]
async fn the_same_bytes_twice_are_one_stored_source() {
    let data = data_folder();
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Twins").await;
    let first = teacher.upload(&course, "one.md", fixture("notes.md")).await;
    let second = teacher.upload(&course, "two.md", fixture("notes.md")).await;
    assert_ne!(first, second);
    for asset in [first, second] {
        assert_eq!(teacher.settled(&asset).await["state"], "published");
    }
    assert_eq!(walk(&objects(data.path()).join("sources")).len(), 1);
}

#[tokio::test]
async fn questions_that_are_nonsense_or_enormous_are_answered() {
    let data = data_folder();
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Questions").await;
    teacher.publish(&course, "notes.md", sample("notes.md")).await;
    for query in ["((((((", "a* OR b* AND NOT", "\"unclosed", "+-&&||!(){}[]^~*?:\\/", "'; drop table jobs; --", "\u{0}", "🦀🦀🦀", "   "]
    {
        let (status, found) = answer(teacher.request(Method::GET, "/search").query(&[("q", query)])).await;
        assert!(status == 200 || status == 400, "{query:?}: {status} {found}");
    }
    for huge in ["x".repeat(2000), "word ".repeat(12_000)] {
        let (status, problem) = answer(teacher.request(Method::GET, "/search").query(&[("q", &huge)])).await;
        assert!(matches!(status.as_u16(), 400 | 414 | 431), "{status} {problem}");
    }
    // A megabyte does not fit into an address: the server says so, or hangs up, and goes on.
    let _ = teacher.request(Method::GET, "/search").query(&[("q", "x".repeat(1 << 20))]).send().await;
    assert_eq!(teacher.get("/search?q=tide").await["mode"], "hybrid");
}

#[tokio::test]
async fn wrong_tokens_and_other_peoples_things_are_refused() {
    let data = data_folder();
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Mine").await;
    let stranger = Person::stranger(&up);
    for path in ["/me", "/courses", "/search?q=x", "/jobs", "/me/certificates"] {
        let (status, problem) = answer(stranger.request(Method::GET, path)).await;
        assert_eq!((status.as_u16(), problem["code"].as_str()), (401, Some("unauthorized")), "{path}");
        let (status, problem) = answer(stranger.with_token("eyJhbGciOiJub25lIn0.e30.").request(Method::GET, path)).await;
        assert_eq!((status.as_u16(), problem["code"].as_str()), (401, Some("token_invalid")), "{path}");
    }
    let thief = Person::new(&up, "Mallory", "instructor").await;
    let learner = Person::new(&up, "Grace", "student").await;
    learner.post(&format!("/courses/{course}/enrollments"), json!({})).await;
    let attempts: [(&Person, u16); 2] = [(&thief, 404), (&learner, 403)];
    for (person, wanted) in attempts {
        let (status, _) = person.try_upload(&course, "mine.md", b"words".to_vec()).await;
        assert_eq!(status.as_u16(), wanted);
        let (status, _) = answer(person.request(Method::POST, &format!("/courses/{course}/modules")).json(&json!({"title": "x"}))).await;
        assert_eq!(status.as_u16(), wanted);
        // That there is such a course, the catalogue tells everybody.
        let (status, _) = answer(person.request(Method::POST, &format!("/courses/{course}/publish")).json(&json!({}))).await;
        assert_eq!(status.as_u16(), 403);
    }
}

#[tokio::test]
async fn errors_are_problems_with_a_code_and_the_request_id() {
    let data = data_folder();
    let up = Up::start(data.path());
    let stranger = Person::stranger(&up);
    let response =
        stranger.request(Method::GET, "/nothing/here").header("X-Request-Id", "my-own-request-id").send().await.expect("an answer");
    assert_eq!(response.status(), 404);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["x-request-id"], "my-own-request-id");
    let problem: Value = response.json().await.expect("json");
    assert_eq!(
        (problem["code"].as_str(), problem["status"].as_i64(), problem["request_id"].as_str()),
        (Some("not_found"), Some(404), Some("my-own-request-id"))
    );
    let (status, problem) =
        answer(stranger.request(Method::POST, "/auth/register").json(&json!({"email": "nope", "name": "", "password": "short"}))).await;
    assert_eq!(status.as_u16(), 422);
    assert!(problem["errors"].as_array().is_some_and(|errors| errors.len() >= 3), "all that is wrong, at once: {problem}");
}
