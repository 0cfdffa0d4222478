//! The door for speech-to-text engines: an HTTP endpoint in this process, programs that are shell scripts, and one real engine of
//! Debian's. The child is the room's own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use kernel::breaker;
use kernel::config::Speech;
use kernel::dependency::Dependency;
use kernel::env::Env;
use kernel::events::Cause;
use kernel::http::Role;
use kernel::id::AssetId;
use kernel::jobs::{Runner, enqueue};
use kernel::pipeline::{TranscodeMedia, TranscribeSpeech};
use kernel::store::Key;
use kernel::testing::TestEnv;

const ANSWER: &str =
    "WEBVTT\n\n00:00.500 --> 00:02.000\nEbb <00:00:01.000>and <00:00:01.250>flow.\n\n00:02.000 --> 00:02.900\nTwice a day.\n";

struct World {
    _test: TestEnv,
    /// With our child as the program, and with an engine.
    env: Env,
    recording: AssetId,
    _dir: tempfile::TempDir,
}

impl World {
    /// A recording that was uploaded and not looked at yet, and this engine.
    async fn new(file: &str, engine: impl FnOnce(&mut Speech)) -> Self {
        let test = TestEnv::new().await;
        let owner = test.account(Role::Instructor).await;
        let course = test.course(&owner, "published").await;
        let recording = test.asset(&owner, course, file, &fs::read(fixture(file)).unwrap()).await;
        let dir = tempfile::tempdir().unwrap();
        let mut config = (*test.env.config).clone();
        config.paths.program = dir.path().join("program");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_transcode-child"), &config.paths.program).unwrap();
        config.speech.language = "en".into();
        engine(&mut config.speech);
        let env = Env { config: Arc::new(config), ..test.env.clone() };
        Self { _test: test, env, recording, _dir: dir }
    }

    async fn with_endpoint(file: &str, endpoint: &Endpoint) -> Self {
        let url = endpoint.url.clone();
        Self::new(file, |speech| speech.url = url).await
    }

    /// A shell script as the engine; it is given the sound and the language.
    async fn with_script(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        let program = folder.join("engine");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self::new("tone.m4a", |speech| speech.command = [&program.display().to_string(), "{input}", "{language}"].map(str::to_owned).into())
            .await
    }

    async fn drain(&self) {
        let mut runner = Runner::new(self.env.clone());
        transcode::register(&mut runner);
        runner.drain().await.unwrap();
    }

    /// From the upload to all that this room makes of it.
    async fn transcode(&self) {
        let asset_id = self.recording;
        enqueue(&mut self.env.db.acquire().await.unwrap(), TranscodeMedia { asset_id }, &Cause::default()).await.unwrap();
        self.drain().await;
    }

    async fn again(&self) {
        let asset_id = self.recording;
        enqueue(&mut self.env.db.acquire().await.unwrap(), TranscribeSpeech { asset_id }, &Cause::default()).await.unwrap();
        self.drain().await;
    }

    async fn count(&self, select: &'static str) -> i64 {
        sqlx::query_scalar(select).bind(self.recording.0).fetch_one(&self.env.db).await.unwrap()
    }

    /// The last job: state, failures, code, lane.
    async fn job(&self) -> (String, i32, Option<String>, String) {
        let select = "select state, failures, failure_code, lane from jobs where kind = 'TranscribeSpeech' and asset_id = $1 order by id desc limit 1";
        sqlx::query_as(select).bind(self.recording.0).fetch_one(&self.env.db).await.unwrap()
    }

    /// The automatic captions: id, title, language, file name, and what is in them.
    async fn captions(&self) -> (AssetId, String, Option<String>, String, String) {
        let select = "select id, title, language, file_name, source_sha256 from assets where parent_id = $1 and auto and kind = 'captions'";
        let (id, title, language, file_name, source): (sqlx::types::Uuid, String, Option<String>, String, Vec<u8>) =
            sqlx::query_as(select).bind(self.recording.0).fetch_one(&self.env.db).await.unwrap();
        let text = self.env.store.get(&Key::source(&source)).await.unwrap();
        (id.into(), title, language, file_name, String::from_utf8(text.to_vec()).unwrap())
    }

    /// Nothing came of it, and the recording is as good as before.
    async fn assert_spared(&self, wanted: (&str, i32, &str)) {
        let (state, failures, code, _) = self.job().await;
        assert_eq!((state.as_str(), failures, code.as_deref()), (wanted.0, wanted.1, Some(wanted.2)));
        assert_eq!(self.count("select count(*) from assets where parent_id = $1").await, 0);
        assert_eq!(self.count("select count(*) from streams where complete and asset_id = $1").await, 1);
        assert_eq!(self.count("select count(*) from assets where id = $1 and state <> 'failed'").await, 1);
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name)
}

/// An endpoint of this process: what it will answer, and what it was sent.
#[derive(Clone)]
struct Endpoint {
    url: String,
    answer: Arc<Mutex<(u16, Vec<u8>)>>,
    sent: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

impl Endpoint {
    async fn start(status: u16, answer: &[u8]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/inference", listener.local_addr().unwrap());
        let endpoint = Self { url, answer: Arc::new(Mutex::new((status, answer.to_vec()))), sent: Arc::default() };
        let router = Router::new().route("/inference", post(answered)).layer(axum::extract::DefaultBodyLimit::disable());
        let router = router.with_state(endpoint.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        endpoint
    }

    fn will(&self, status: u16, answer: &[u8]) {
        *self.answer.lock().unwrap() = (status, answer.to_vec());
    }
}

async fn answered(State(endpoint): State<Endpoint>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    endpoint.sent.lock().unwrap().push((headers, body));
    let (status, answer) = endpoint.answer.lock().unwrap().clone();
    (StatusCode::from_u16(status).unwrap(), answer)
}

#[tokio::test]
async fn an_endpoint_gets_a_form_and_what_it_answers_becomes_automatic_captions() {
    let endpoint = Endpoint::start(200, ANSWER.as_bytes()).await;
    let url = endpoint.url.clone();
    let world = World::new("tone.m4a", |speech| {
        (speech.url, speech.token, speech.model) = (url, "hush".into(), "base.en".into());
    })
    .await;
    world.transcode().await;

    let (headers, body) = endpoint.sent.lock().unwrap().pop().expect("a request");
    assert_eq!(headers["authorization"], "Bearer hush");
    assert_eq!(headers["content-length"].to_str().unwrap(), body.len().to_string());
    let boundary = headers["content-type"].to_str().unwrap().strip_prefix("multipart/form-data; boundary=").unwrap().to_owned();
    let parts: Vec<Vec<u8>> = split(&body, format!("--{boundary}").as_bytes());
    let field = |name: &str| {
        let head = format!("\r\nContent-Disposition: form-data; name=\"{name}\"");
        let part = parts.iter().find(|part| part.starts_with(head.as_bytes())).unwrap_or_else(|| panic!("no field {name}"));
        split(part, b"\r\n\r\n")[1..].join(&b"\r\n\r\n"[..])
    };
    assert_eq!((field("response_format"), field("model"), field("language")), (b"vtt\r\n".into(), b"base.en\r\n".into(), b"en\r\n".into()));
    let sound = field("file");
    assert_eq!((&sound[..4], &sound[8..16]), (&b"RIFF"[..], &b"WAVEfmt "[..]));
    assert!((sound.len() as i64 - 3 * 32_000).abs() < 4000, "three seconds: {}", sound.len());
    assert_eq!(parts.last().unwrap(), b"--\r\n");

    let (id, title, language, file_name, text) = world.captions().await;
    assert_eq!((title.as_str(), language.as_deref(), file_name.as_str()), ("English", Some("en"), "tone.en.vtt"));
    assert!(text.contains("00:00:00.500 --> 00:00:02.000\nEbb <00:00:01.000>and <00:00:01.250>flow.\n"), "{text}");
    assert_eq!(world.job().await.3, "backfill", "nobody waits for it");
    let follows = "select count(*) from jobs where kind = 'ExtractDocument' and lane = 'backfill' and asset_id = (select id from assets where parent_id = $1)";
    assert_eq!(world.count(follows).await, 1);

    // Once more, the same, and then another answer: nothing is doubled, and what it said is replaced.
    world.again().await;
    assert_eq!(world.captions().await, (id, title.clone(), language.clone(), file_name.clone(), text));
    assert_eq!(
        world
            .count("select count(*) from events where kind = 'CaptionsEdited' and asset_id = (select id from assets where parent_id = $1)")
            .await,
        0
    );
    endpoint.will(200, b"WEBVTT\n\n00:01.000 --> 00:02.000\nOther words.\n");
    world.again().await;
    let (same, .., text) = world.captions().await;
    assert!(same == id && text.ends_with("00:00:01.000 --> 00:00:02.000\nOther words.\n"), "{text}");
    assert_eq!(
        world
            .count("select count(*) from events where kind = 'CaptionsEdited' and asset_id = (select id from assets where parent_id = $1)")
            .await,
        1
    );

    // What a person has corrected stays, and is not asked for again.
    sqlx::query("update assets set auto = false where id = $1").bind(id.0).execute(&world.env.db).await.unwrap();
    let asked = endpoint.sent.lock().unwrap().len();
    world.again().await;
    let state = world.job().await.0;
    assert_eq!((endpoint.sent.lock().unwrap().len(), state.as_str()), (asked, "done"));
    assert_eq!(world.count("select count(*) from assets where parent_id = $1").await, 1);
}

fn split(bytes: &[u8], at: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = vec![];
    let mut rest = bytes;
    while let Some(found) = rest.windows(at.len()).position(|window| window == at) {
        parts.push(rest[..found].to_vec());
        rest = &rest[found + at.len()..];
    }
    parts.push(rest.to_vec());
    parts
}

#[tokio::test]
async fn nonsense_and_refusals_end_in_a_sentence_and_cost_the_recording_nothing() {
    let endpoint = Endpoint::start(200, b"{\"error\": \"no such file\"}").await;
    let world = World::with_endpoint("tone.m4a", &endpoint).await;
    world.transcode().await;
    world.assert_spared(("dead", 1, "speech_nonsense")).await;
    let reason =
        "select count(*) from jobs where asset_id = $1 and failure_reason like '%the recording stays as it is, without automatic captions'";
    assert_eq!(world.count(reason).await, 1);
    let flood = [b"WEBVTT\n\n00:01.000 --> 00:02.000\n".to_vec(), vec![b'x'; 50 << 20]].concat();
    for (status, answer, code) in [
        (200, &b"\xff\xfe\x00W"[..], "speech_nonsense"),
        (200, b"WEBVTT\n\n99:00:00.000 --> 99:00:01.000\nlong after the end\n", "speech_nonsense"),
        (200, &flood, "speech_nonsense"),
        (422, b"", "speech_refused"),
    ] {
        endpoint.will(status, answer);
        world.again().await;
        world.assert_spared(("dead", 1, code)).await;
    }
    // Something that holds no speech is answered with nothing, which is no failure.
    endpoint.will(200, b"WEBVTT\n");
    world.again().await;
    assert_eq!((world.job().await.0.as_str(), world.count("select count(*) from assets where parent_id = $1").await), ("done", 0));
}

#[tokio::test]
async fn a_service_that_is_away_parks_its_job_and_uses_up_no_attempt() {
    let endpoint = Endpoint::start(503, b"loading the model").await;
    let world = World::with_endpoint("tone.m4a", &endpoint).await;
    world.transcode().await;
    world.assert_spared(("parked", 0, "speech_down")).await;
    assert_ne!(world.env.breakers.state(Dependency::Speech), breaker::State::Closed);
    assert_eq!(world.env.breakers.open_for(kernel::jobs::Stage::Transcode), None, "encoding goes on");
    // A failure of its own counts; then it is back.
    endpoint.will(500, b"");
    due(&world).await;
    world.assert_spared(("parked", 1, "speech_failed")).await;
    endpoint.will(200, ANSWER.as_bytes());
    due(&world).await;
    assert_eq!((world.job().await.0.as_str(), world.captions().await.1.as_str()), ("done", "English"));
    assert_eq!(world.env.breakers.state(Dependency::Speech), breaker::State::Closed);

    let nobody = World::new("tone.m4a", |speech| speech.url = "http://127.0.0.1:9/inference".into()).await;
    nobody.transcode().await;
    nobody.assert_spared(("parked", 0, "speech_down")).await;
}

/// The pause is over.
async fn due(world: &World) {
    sqlx::query("update jobs set run_at = now() where state = 'parked'").execute(&world.env.db).await.unwrap();
    world.drain().await;
}

#[tokio::test]
async fn no_job_is_queued_while_the_door_is_closed_or_somebody_has_brought_captions() {
    let queued = "select count(*) from jobs where kind = 'TranscribeSpeech' and asset_id = $1";
    let closed = World::new("tone.m4a", |_| {}).await;
    closed.transcode().await;
    assert_eq!(closed.count(queued).await, 0);
    assert_eq!(
        closed.count("select count(*) from events where kind = 'Transcoded' and asset_id = $1").await,
        1,
        "the control: it was transcoded"
    );
    closed.again().await;
    assert_eq!(closed.job().await.0, "done", "queued by hand it does nothing");

    let endpoint = Endpoint::start(200, ANSWER.as_bytes()).await;
    for (file, language, forced, wanted) in [
        ("tone.m4a", "en-GB", false, 0),
        ("tone.m4a", "de", false, 1),
        ("tone.m4a", "en", true, 1),
        ("silent.mp4", "de", false, 0),
        ("captioned.mkv", "de", true, 0),
    ] {
        let world = World::with_endpoint(file, &endpoint).await;
        let brought = world.bring(language, forced).await;
        world.transcode().await;
        assert_eq!(world.count(queued).await, wanted, "{file} with captions {brought} in {language}");
    }
}

impl World {
    /// Captions that somebody has uploaded for the recording.
    async fn bring(&self, language: &str, forced: bool) -> AssetId {
        let id = AssetId::new();
        sqlx::query(
            "insert into assets (id, course_id, owner_id, parent_id, file_name, title, kind, source_sha256, language, forced)
             select $2, course_id, owner_id, id, 'x.vtt', 'x', 'captions', source_sha256, $3, $4 from assets where id = $1",
        )
        .bind(self.recording.0)
        .bind(id.0)
        .bind(language)
        .bind(forced)
        .execute(&self.env.db)
        .await
        .unwrap();
        id
    }
}

#[tokio::test]
async fn a_program_gets_the_path_and_the_language_and_its_output_is_read() {
    let script = r#"test "$(head -c 4 "$1")" = RIFF || exit 1
        echo talk >&2
        printf 'WEBVTT\n\n00:00.500 --> 00:02.000\nEbb <00:00:01.000>and <00:00:01.250>flow.\n\n00:02.000 --> 00:02.900\n%s: twice a day.\n' "$2""#;
    let world = World::with_script(script).await;
    world.transcode().await;
    let (_, title, .., text) = world.captions().await;
    assert_eq!(title, "English");
    assert!(text.contains("Ebb <00:00:01.000>and <00:00:01.250>flow.\n") && text.contains("en: twice a day."), "{text}");
    let left = fs::read_dir(&world.env.config.paths.scratch).unwrap().flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).filter(|name| name.to_string_lossy().starts_with("transcode.")).collect();
    assert!(left.is_empty(), "{left:?} is left in scratch");
}

#[tokio::test]
async fn a_program_that_fails_is_tried_a_few_times_and_one_that_is_missing_is_waited_for() {
    let failing = World::with_script("echo 'no model' >&2; exit 3").await;
    failing.transcode().await;
    failing.assert_spared(("parked", 1, "speech_failed")).await;
    let detail = "select count(*) from jobs where asset_id = $1 and failure_detail like '%exit status: 3%no model%'";
    assert_eq!(failing.count(detail).await, 1);
    for _ in 0..2 {
        due(&failing).await;
    }
    failing.assert_spared(("dead", 3, "speech_failed")).await;

    let missing = World::new("tone.m4a", |speech| speech.command = vec!["/nowhere/engine".into(), "{input}".into()]).await;
    missing.transcode().await;
    missing.assert_spared(("parked", 0, "speech_down")).await;
}

#[tokio::test]
async fn a_real_engine_hears_what_is_said_and_when() {
    let adapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/speech/pocketsphinx-vtt").canonicalize().unwrap();
    let world = World::new("spoken.m4a", |speech| speech.command = vec![adapter.display().to_string(), "{input}".into()]).await;
    world.transcode().await;
    let (_, title, language, _, text) = world.captions().await;
    assert_eq!((title.as_str(), language.as_deref()), ("English", Some("en")));
    let (before, _) = text.split_once(">computer").unwrap_or_else(|| panic!("“computer” is not heard, or without its time: {text}"));
    assert!(before.ends_with(|c: char| c.is_ascii_digit()) && before.rsplit_once('<').unwrap().1.starts_with("00:00:04."), "{text}");
}
