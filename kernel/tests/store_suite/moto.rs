//! moto, an S3 server by other people, as a process of the test's own: the second opinion on the protocol.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use kernel::config;
use kernel::config::Config;

/// Where `scripts/setup` puts it, in the cache folder.
const FOLDER: &str = "moto-5.2.5";

static PORT: OnceLock<u16> = OnceLock::new();

/// A fresh bucket, as the configuration of a store in it.
pub async fn bucket() -> config::Store {
    let port = tokio::task::spawn_blocking(|| *PORT.get_or_init(start)).await.unwrap();
    let bucket = format!("test-{}", uuid::Uuid::new_v4().simple());
    let settings = config::Store {
        bucket: bucket.clone(),
        endpoint: format!("http://127.0.0.1:{port}"),
        region: "us-east-1".into(),
        access_key_id: "anybody".into(),
        secret_access_key: "anything".into(),
        path_style: true,
        prefix: "learn/hub".into(),
        connect_timeout_seconds: 3.0,
        timeout_seconds: 30.0,
    };
    let made = reqwest::Client::new().put(format!("{}/{bucket}", settings.endpoint)).send().await.expect("moto makes a bucket");
    assert!(made.status().is_success(), "{}", made.status());
    settings
}

/// Starts it and waits until it answers. It dies with this process, however that ends: the kernel kills a child when
/// the thread that started it goes, so a thread that never goes starts it.
fn start() -> u16 {
    let cache = Config::load(None).expect("the default configuration").paths.postgres;
    let folder = cache.parent().expect("the cache folder").join(FOLDER);
    assert!(folder.exists(), "{} is missing: run `make build`, which installs it", folder.display());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (started, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut command = Command::new(folder.join("python"));
        command.args(["-c", "import sys; from moto.server import main; main(sys.argv[1:])", "-H", "127.0.0.1", "-p", &port.to_string()]);
        command.env("PYTHONPATH", &folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // SAFETY: prctl with plain numbers may be called between fork and exec.
        unsafe {
            command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        let child = command.spawn();
        let _ = started.send(child.map(drop));
        loop {
            std::thread::park();
        }
    });
    told.recv().expect("the thread that starts moto").expect("its Python starts");
    for _ in 0..600 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return port;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("moto does not listen after a minute");
}
