//! The program under test: a process of its own on a data folder of its own, and a client that speaks to it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use kernel::testing::RabbitMq;
use kernel::testing_s3::S3Server;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// The program's own binary.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_learnhub");

/// A small file made for tests.
pub fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(fixture_path(name)).unwrap_or_else(|error| panic!("fixture {name}: {error}"))
}

/// Where a fixture lies.
pub fn fixture_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A file of the sample course.
pub fn sample(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)).unwrap_or_else(|error| panic!("sample {name}: {error}"))
}

/// A data folder that the unprivileged user of the private database can reach, removed when dropped unless
/// LEARNHUB_TEST_KEEP is set.
pub fn data_folder() -> tempfile::TempDir {
    let mut dir = tempfile::Builder::new().prefix("lh-it.").tempdir_in("/tmp").expect("a data folder");
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("open the data folder");
    dir.disable_cleanup(std::env::var_os("LEARNHUB_TEST_KEEP").is_some());
    dir
}

/// A command of the program on this data folder, with nothing of the developer's own configuration.
pub fn command(data: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LEARNHUB_") && name != "LEARNHUB_CACHE") {
        command.env_remove(name);
    }
    command
        .env("LEARNHUB_DATA_DIR", data)
        .envs(kernel::jobs::Stage::ALL.map(|stage| (format!("LEARNHUB_STAGES_{stage}_BACKOFF_SECONDS").to_uppercase(), "0.2")))
        .env("LEARNHUB_JOBS_JANITOR_SECONDS", "5")
        .stdin(Stdio::null());
    if std::env::var("LEARNHUB_TEST_QUEUE").is_ok_and(|queue| queue == "rabbitmq") {
        let name = data.file_name().expect("a data folder has a name").to_string_lossy();
        command.env("LEARNHUB_QUEUE_URL", RabbitMq::shared().url()).env("LEARNHUB_QUEUE_PREFIX", format!("of-{}", hex(name.as_bytes())));
    }
    if let Some(bucket) = bucket(data) {
        let set = |name: &str| format!("LEARNHUB_STORE_{name}");
        command
            .env(set("BUCKET"), bucket.bucket)
            .env(set("ENDPOINT"), bucket.endpoint)
            .env(set("PATH_STYLE"), "true")
            .env(set("ACCESS_KEY_ID"), bucket.access_key_id)
            .env(set("SECRET_ACCESS_KEY"), bucket.secret_access_key);
    }
    command
}

/// With LEARNHUB_TEST_STORE=s3, each data folder has a bucket on this process's own S3 server.
fn bucket(data: &Path) -> Option<kernel::config::Store> {
    let wanted = std::env::var("LEARNHUB_TEST_STORE").is_ok_and(|store| store == "s3");
    let name = data.file_name().expect("a data folder has a name").to_string_lossy();
    wanted.then(|| S3Server::shared().bucket_named(&format!("of-{}", hex(name.as_bytes()))))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where the objects lie as files, whichever store it is.
pub fn objects(data: &Path) -> PathBuf {
    bucket(data).map_or_else(|| data.join("objects"), |bucket| S3Server::shared().folder(&bucket.bucket))
}

/// All files below a folder; none where there is no such folder.
pub fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.flat_map(|entry| if entry.path().is_dir() { walk(&entry.path()) } else { vec![entry.path()] }).collect()
}

/// Runs a command to its end.
pub fn run(data: &Path, arguments: &[&str]) -> Output {
    command(data).args(arguments).output().expect("run the program")
}

/// `learnhub up`, running.
pub struct Up {
    child: Child,
    pub address: String,
}

impl Up {
    /// Starts it and waits until it listens.
    pub fn start(data: &Path) -> Self {
        Self::start_with(command(data))
    }

    /// As [`Up::start`], with variables of the test's own.
    pub fn start_with(mut command: Command) -> Self {
        command.args(["up", "--listen", "127.0.0.1:0"]);
        Self::spawn(command)
    }

    /// Any command that says where it listens.
    pub fn spawn(command: Command) -> Self {
        Self::listening(command, std::env::var_os("LEARNHUB_TEST_LOG").map(PathBuf::from))
    }

    /// As [`Up::start_with`], with its log in a file.
    pub fn start_logging(mut command: Command, log: &Path) -> Self {
        command.args(["up", "--listen", "127.0.0.1:0"]);
        Self::listening(command, Some(log.to_owned()))
    }

    fn listening(mut command: Command, log: Option<PathBuf>) -> Self {
        let log = log.map(|path| std::fs::File::options().create(true).append(true).open(path).expect("open the log"));
        let mut child =
            command.stdout(Stdio::piped()).stderr(log.map_or_else(Stdio::null, Stdio::from)).spawn().expect("start the program");
        let stdout = child.stdout.take().expect("stdout is piped");
        let (found, address) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("listening on ") {
                    let _ = found.send(address.to_owned());
                }
            }
        });
        let address = address
            .recv_timeout(Duration::from_secs(120))
            .expect("the program says where it listens; LEARNHUB_TEST_LOG=FILE shows why not");
        Self { child, address }
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// SIGKILL: no goodbye.
    pub fn kill(mut self) {
        self.child.kill().expect("kill the program");
        self.child.wait().expect("wait for the program");
    }

    /// SIGTERM, and the exit code.
    pub fn stop(mut self) -> Option<i32> {
        // SAFETY: kill takes plain numbers; the child has not been waited for.
        unsafe { libc::kill(self.pid(), libc::SIGTERM) };
        self.child.wait().expect("wait for the program").code()
    }

    /// Its disposable children, now.
    pub fn disposable_children(&self) -> Vec<i32> {
        let tasks = format!("/proc/{}/task", self.pid());
        let threads = std::fs::read_dir(tasks).into_iter().flatten().flatten();
        let children = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
        let pids: Vec<i32> =
            children.flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect();
        let is_disposable =
            |pid: &i32| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.split(|b| *b == 0).nth(1) == Some(b"child"));
        pids.into_iter().filter(is_disposable).collect()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            // SAFETY: as in `stop`.
            unsafe { libc::kill(self.pid(), libc::SIGTERM) };
            let _ = self.child.wait();
        }
    }
}

/// Somebody who uses the program.
#[derive(Clone)]
pub struct Person {
    http: reqwest::Client,
    pub address: String,
    token: Option<String>,
}

impl Person {
    /// Somebody who has not signed in.
    pub fn stranger(up: &Up) -> Self {
        Self { http: reqwest::Client::new(), address: up.address.clone(), token: None }
    }

    /// Registers a new account and signs in.
    pub async fn new(up: &Up, name: &str, role: &str) -> Self {
        let mut person = Self::stranger(up);
        let email = format!("{}@example.org", uuid::Uuid::new_v4().simple());
        let password = "correct horse battery";
        person.post("/auth/register", json!({"email": email, "name": name, "password": password, "role": role})).await;
        let session = person.post("/auth/login", json!({"email": email, "password": password})).await;
        person.token = Some(session["access_token"].as_str().expect("a token").to_owned());
        person
    }

    /// The same person, speaking to the program after it was started again.
    pub fn at(&self, up: &Up) -> Self {
        Self { address: up.address.clone(), ..self.clone() }
    }

    /// The same requests with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// A request to the API, not yet sent.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}/api/v1{path}", self.address));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// A GET that must succeed.
    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = answer(self.request(Method::GET, path)).await;
        assert!(status.is_success(), "GET {path}: {status} {body}");
        body
    }

    /// A POST that must succeed.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = answer(self.request(Method::POST, path).json(&body)).await;
        assert!(status.is_success(), "POST {path}: {status} {answer}");
        answer
    }

    /// A GET outside of the API, such as a signed address.
    pub async fn fetch(&self, path: &str) -> reqwest::Response {
        self.http.get(format!("{}{path}", self.address)).send().await.expect("an answer")
    }

    /// A course of their own, published.
    pub async fn course(&self, title: &str) -> String {
        let course = self.post("/courses", json!({"title": title, "summary": "for a test"})).await;
        let id = course["id"].as_str().expect("a course id").to_owned();
        self.post(&format!("/courses/{id}/publish"), json!({})).await;
        id
    }

    /// An upload, and whatever the answer is.
    pub async fn try_upload(&self, course: &str, file_name: &str, bytes: Vec<u8>) -> (StatusCode, Value) {
        answer(self.request(Method::POST, &format!("/courses/{course}/assets")).query(&[("file_name", file_name)]).body(bytes)).await
    }

    /// An upload that must be accepted; the asset's id.
    pub async fn upload(&self, course: &str, file_name: &str, bytes: Vec<u8>) -> String {
        let (status, asset) = self.try_upload(course, file_name, bytes).await;
        assert_eq!(status, StatusCode::CREATED, "{file_name}: {asset}");
        asset["id"].as_str().expect("an asset id").to_owned()
    }

    /// The asset once it is published and complete, or failed.
    pub async fn settled(&self, asset: &str) -> Value {
        let waiting = async {
            loop {
                let asset = self.get(&format!("/assets/{asset}")).await;
                if asset["state"] != "processing" && asset["complete"] == true {
                    return asset;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(180), waiting).await.unwrap_or_else(|_| panic!("asset {asset} is never settled"))
    }

    /// Uploads and waits until it is published.
    pub async fn publish(&self, course: &str, file_name: &str, bytes: Vec<u8>) -> Value {
        let id = self.upload(course, file_name, bytes).await;
        let asset = self.settled(&id).await;
        assert_eq!(asset["state"], "published", "{file_name}: {asset}");
        asset
    }
}

/// Sends; an empty body is null.
pub async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.expect("an answer");
    let status = response.status();
    let body = response.text().await.expect("a body");
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}
