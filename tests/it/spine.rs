//! The spine: uploads become playable, readable and findable, for those who may see them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::program::{Person, Up, answer, data_folder, fixture, sample};

#[tokio::test]
async fn a_video_and_its_captions_become_watchable_and_a_hit_opens_at_the_second() {
    let data = data_folder();
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Tides").await;
    let video = teacher.upload(&course, "lecture.mp4", sample("lecture.mp4")).await;
    let captions = teacher.upload(&course, "lecture.en.vtt", sample("lecture.en.vtt")).await;
    for asset in [&video, &captions] {
        assert_eq!(teacher.settled(asset).await["state"], "published");
    }
    assert_eq!(teacher.get(&format!("/assets/{captions}")).await["parent_id"], json!(video), "captions find their video by name");

    let learner = Person::new(&up, "Grace", "student").await;
    learner.post(&format!("/courses/{course}/enrollments"), json!({})).await;
    let found = learner.get("/search?q=highest%20tides%20in%20the%20world%20Bay%20of%20Fundy").await;
    assert_eq!(found["mode"], "hybrid", "{found}");
    let hit = &found["items"][0];
    let second: f64 = hit["url"].as_str().and_then(|url| url.split_once("?t=")).expect("a hit in the video").1.parse().expect("seconds");
    assert!(hit["url"].as_str().is_some_and(|url| url.starts_with(&format!("/watch/{video}"))), "{hit}");
    // The captions say when the words are spoken.
    assert!((second - 71.1).abs() <= 2.0, "opens at {second}");
    assert!(hit["snippet"].as_str().is_some_and(|snippet| snippet.contains("<mark>")), "{hit}");

    let playback = learner.get(&format!("/assets/{video}/playback")).await;
    let master_url = playback["hls_url"].as_str().expect("an address");
    let master = learner.fetch(master_url).await;
    assert_eq!(master.headers()["content-type"], "application/vnd.apple.mpegurl");
    let master = master.text().await.expect("text");
    assert!(master.matches("#EXT-X-STREAM-INF").count() >= 4, "{master}");
    let base = &master_url[..master_url.rfind('/').expect("a slash")];
    let variant = master.lines().find(|line| !line.starts_with('#') && !line.is_empty()).expect("a variant");
    let media = learner.fetch(&format!("{base}/{variant}")).await.text().await.expect("text");
    let media_base = format!("{base}/{}", variant.rsplit_once('/').map_or("", |(folder, _)| folder));
    let segment = media.lines().find(|line| line.ends_with(".m4s")).expect("a segment");
    let segment = learner.fetch(&format!("{}/{segment}", media_base.trim_end_matches('/'))).await;
    assert_eq!((segment.status().as_u16(), segment.headers()["content-type"].to_str().expect("ascii")), (200, "video/iso.segment"));
    assert_eq!(playback["captions"][0]["language"].as_str().map(|language| language.starts_with("en")), Some(true), "{playback}");
}

#[tokio::test]
async fn a_document_hit_opens_at_the_page_and_similar_things_are_found() {
    let data = data_folder();
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Tides").await;
    let handout = teacher.publish(&course, "handout.pdf", sample("handout.pdf")).await;
    let notes = teacher.publish(&course, "notes.md", sample("notes.md")).await;
    teacher.publish(&course, "page.html", sample("page.html")).await;
    let found = teacher.get("/search?q=Is%20there%20a%20spot%20in%20the%20North%20Sea%20where%20the%20level%20never%20changes%3F").await;
    let hit = &found["items"][0];
    assert_eq!(hit["url"], json!(format!("/read/{}?page=4", handout["id"].as_str().expect("an id"))), "{found}");
    let similar = teacher.get(&format!("/assets/{}/similar", notes["id"].as_str().expect("an id"))).await;
    assert!(!similar["items"].as_array().expect("items").is_empty(), "{similar}");
    let chunks = teacher.get(&format!("/assets/{}/chunks?limit=100", notes["id"].as_str().expect("an id"))).await;
    let ordinals: Vec<i64> = chunks["items"].as_array().expect("chunks").iter().filter_map(|chunk| chunk["ordinal"].as_i64()).collect();
    assert_eq!(ordinals, (0..ordinals.len() as i64).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_is_not_enrolled_finds_and_opens_nothing() {
    let data = data_folder();
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Secret").await;
    let notes = teacher.publish(&course, "notes.md", b"# Zanzibar\n\nThe word is zyzzyva, and nobody else has it.\n".to_vec()).await;
    let id = notes["id"].as_str().expect("an id");
    let outsider = Person::new(&up, "Eve", "student").await;
    let other_teacher = Person::new(&up, "Mallory", "instructor").await;
    for person in [&outsider, &other_teacher] {
        let found = person.get("/search?q=zyzzyva").await;
        assert_eq!((found["total"].as_i64(), found["items"].as_array().map(Vec::len)), (Some(0), Some(0)), "{found}");
        for path in [
            format!("/assets/{id}"),
            format!("/assets/{id}/chunks"),
            format!("/assets/{id}/source"),
            format!("/assets/{id}/similar"),
            format!("/courses/{course}/assets"),
        ] {
            let (status, problem) = answer(person.request(Method::GET, &path)).await;
            assert_eq!((status.as_u16(), problem["code"].as_str()), (404, Some("not_found")), "{path}");
        }
    }
    // The control: once enrolled, the same questions have answers.
    outsider.post(&format!("/courses/{course}/enrollments"), json!({})).await;
    assert_eq!(outsider.get("/search?q=zyzzyva").await["total"], json!(1));
    assert_eq!(outsider.get(&format!("/assets/{id}")).await["state"], "published");
}

#[tokio::test]
async fn nothing_can_be_seen_of_an_upload_before_it_is_published() {
    let data = data_folder();
    // Workers that never publish: the stage has no slots.
    let mut command = crate::program::command(data.path());
    command.env("LEARNHUB_STAGES_PUBLISH_CONCURRENCY", "0");
    let up = Up::start_with(command);
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Almost").await;
    let learner = Person::new(&up, "Grace", "student").await;
    learner.post(&format!("/courses/{course}/enrollments"), json!({})).await;
    let id = teacher.upload(&course, "notes.md", b"# Zanzibar\n\nThe word is zyzzyva.\n".to_vec()).await;
    let ready = async {
        while !teacher.get(&format!("/events?asset_id={id}")).await["items"].as_array().is_some_and(|events| {
            let kinds: Vec<&Value> = events.iter().map(|event| &event["kind"]).collect();
            kinds.contains(&&json!("Indexed")) && kinds.contains(&&json!("Embedded"))
        }) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), ready).await.expect("indexed and embedded");
    assert_eq!(learner.get("/search?q=zyzzyva").await["total"], json!(0));
    assert_eq!(answer(learner.request(Method::GET, &format!("/assets/{id}"))).await.0, 404);
    assert_eq!(up.stop(), Some(0));
    // The control: with a slot it is published and found.
    let up = Up::start(data.path());
    let (teacher, learner) = (teacher.at(&up), learner.at(&up));
    assert_eq!(teacher.settled(&id).await["state"], "published");
    assert_eq!(learner.get("/search?q=zyzzyva").await["total"], json!(1));
}

#[tokio::test]
async fn media_addresses_are_signed_ranged_and_bound_to_their_object() {
    let data = data_folder();
    let up = Up::start(data.path());
    let teacher = Person::new(&up, "Ada", "instructor").await;
    let course = teacher.course("Media").await;
    let page = teacher.publish(&course, "page.html", fixture("page.html")).await;
    let source = teacher.get(&format!("/assets/{}/source", page["id"].as_str().expect("an id"))).await;
    let url = source["url"].as_str().expect("an address");
    let whole = teacher.fetch(url).await;
    assert_eq!(whole.headers()["x-content-type-options"], "nosniff");
    assert!(
        whole.headers()["content-disposition"].to_str().expect("ascii").starts_with("attachment"),
        "an uploaded page is never shown as a page"
    );
    assert!(whole.headers()["content-security-policy"].to_str().expect("ascii").contains("sandbox"));
    assert_eq!(whole.bytes().await.expect("bytes"), fixture("page.html"));
    let part = reqwest::Client::new().get(format!("{}{url}", up.address)).header("Range", "bytes=2-5").send().await.expect("an answer");
    assert_eq!((part.status().as_u16(), part.bytes().await.expect("bytes").to_vec()), (206, fixture("page.html")[2..6].to_vec()));
    let (token, rest) = url.strip_prefix("/media/").and_then(|rest| rest.split_once('/')).expect("a token");
    for bad in [
        format!("/media/{token}x/{rest}"),
        format!("/media/9{token}/{rest}"),
        url.replace("file_name=", "file_name=x"),
        url.replace("sources/", "sources/..%2f"),
    ] {
        let status = teacher.fetch(&bad).await.status().as_u16();
        assert!(status == 403 || status == 404, "{bad}: {status}");
    }
}
