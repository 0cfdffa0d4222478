//! What only a store across a network can get wrong.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use kernel::config;
use kernel::dependency::{Dependency, blamed, storage_full};
use kernel::store::{Key, ObjectStore, Presigned, S3};
use kernel::testing_s3::{S3Server, Trouble};
use reqwest::{Method, StatusCode};

use super::{key, noise};

/// More than two parts.
const LARGE: usize = 40 << 20;

struct World {
    server: S3Server,
    store: S3,
    dir: tempfile::TempDir,
}

impl World {
    /// A server of the test's own, which it may spoil.
    async fn new() -> Self {
        let server = S3Server::start();
        let store = S3::new(&config::Store { timeout_seconds: 2.0, ..server.bucket() }).await;
        Self { server, store, dir: tempfile::tempdir().unwrap() }
    }

    fn file(&self, length: usize) -> PathBuf {
        let path = self.dir.path().join("large");
        std::fs::write(&path, noise(length)).unwrap();
        path
    }
}

fn any(_: &Method, _: &str) -> bool {
    true
}

fn parts(method: &Method, asked: &str) -> bool {
    method == Method::PUT && asked.contains("partNumber=")
}

#[tokio::test]
async fn an_answer_of_500_or_503_is_tried_again() {
    let world = World::new().await;
    for status in [500, 503] {
        let key = key("tried");
        world.server.trouble(2, Trouble::Answer(status), any);
        world.store.put(&key, Bytes::from_static(b"arrived")).await.unwrap();
        assert_eq!(world.server.trouble_left(), 0, "the trouble came about");
        world.server.trouble(2, Trouble::Answer(status), any);
        assert_eq!(world.store.get(&key).await.unwrap(), "arrived");
    }
}

#[tokio::test]
async fn a_store_that_goes_on_failing_is_down_whatever_is_asked_of_it() {
    let world = World::new().await;
    let key = key("there");
    world.store.put(&key, Bytes::from_static(b"x")).await.unwrap();
    for trouble in [Trouble::Answer(500), Trouble::Answer(503), Trouble::HangUp] {
        world.server.trouble(usize::MAX, trouble, any);
        let errors = [
            world.store.put(&key, Bytes::from_static(b"x")).await.unwrap_err(),
            world.store.get(&key).await.unwrap_err(),
            world.store.head(&key).await.unwrap_err(),
            world.store.list("assets").await.unwrap_err(),
            world.store.delete(&key).await.unwrap_err(),
            world.store.probe().await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(blamed(&error), Some(Dependency::Objects), "{trouble:?}: {error:#}");
        }
        world.server.behave();
    }
    assert_eq!(world.store.get(&key).await.unwrap(), "x", "and up again without being told");
}

#[tokio::test]
async fn a_store_that_never_answers_is_down_after_its_timeout() {
    let world = World::new().await;
    let impatient = S3::new(&config::Store { timeout_seconds: 0.05, ..world.server.bucket() }).await;
    world.server.trouble(usize::MAX, Trouble::Stall, any);
    let error = impatient.head(&key("never")).await.unwrap_err();
    assert_eq!(blamed(&error), Some(Dependency::Objects), "{error:#}");
}

#[tokio::test]
async fn a_store_that_nobody_listens_for_is_down_and_the_start_names_the_key() {
    let world = World::new().await;
    let settings = world.server.bucket();
    let store = S3::new(&settings).await;
    drop(world);
    let error = store.check().await.unwrap_err();
    assert_eq!(blamed(&error), Some(Dependency::Objects));
    assert!(format!("{error:#}").contains("store.endpoint"), "{error:#}");
}

#[tokio::test]
async fn a_full_store_is_told_from_a_broken_one() {
    let world = World::new().await;
    world.server.trouble(usize::MAX, Trouble::Answer(507), any);
    let error = world.store.put(&key("x"), Bytes::from_static(b"x")).await.unwrap_err();
    assert!(storage_full(&error), "{error:#}");
    assert_eq!(blamed(&error), Some(Dependency::Objects), "jobs wait for space");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_read_on_from_there() {
    let world = World::new().await;
    let (key, bytes) = (key("long"), noise(1 << 20));
    world.store.put(&key, bytes.clone().into()).await.unwrap();
    world.server.trouble(2, Trouble::Truncate(100_000), |method, _| method == Method::GET);
    assert!(world.store.get(&key).await.unwrap() == bytes);
    assert_eq!(world.server.trouble_left(), 0);
    world.server.trouble(1, Trouble::Truncate(0), |method, _| method == Method::GET);
    let part: Vec<Bytes> = world.store.open(&key, Some(5000..700_000)).await.unwrap().try_collect().await.unwrap();
    assert!(part.concat() == bytes[5000..700_000]);
}

#[tokio::test]
async fn a_body_that_always_breaks_off_is_an_error_and_never_a_short_file() {
    let world = World::new().await;
    let key = key("cut");
    world.store.put(&key, noise(1 << 20).into()).await.unwrap();
    world.server.trouble(1, Trouble::Truncate(100_000), |method, _| method == Method::GET);
    world.server.trouble(usize::MAX / 2, Trouble::Truncate(0), |method, _| method == Method::GET);
    let error = world.store.get(&key).await.unwrap_err();
    assert_eq!(blamed(&error), Some(Dependency::Objects), "{error:#}");
    assert!(world.store.fetch(&key, &world.dir.path().join("cut")).await.is_err());
}

#[tokio::test]
async fn a_part_that_fails_once_is_sent_again() {
    let world = World::new().await;
    let (key, file) = (key("parts"), world.file(LARGE));
    world.server.trouble(2, Trouble::HangUp, parts);
    world.store.put_file(&key, &file).await.unwrap();
    assert_eq!(world.server.trouble_left(), 0);
    assert!(world.store.get(&key).await.unwrap() == noise(LARGE));
    assert_eq!(world.server.open_uploads(), 0);
}

#[tokio::test]
async fn an_upload_that_fails_is_aborted_and_leaves_no_object() {
    let world = World::new().await;
    let (key, file) = (key("parts"), world.file(LARGE));
    world.server.trouble(usize::MAX, Trouble::Answer(500), |method, asked| parts(method, asked) && asked.contains("partNumber=2"));
    let error = world.store.put_file(&key, &file).await.unwrap_err();
    assert_eq!(blamed(&error), Some(Dependency::Objects), "{error:#}");
    until(|| world.server.open_uploads() == 0).await;
    assert_eq!(world.store.head(&key).await.unwrap(), None);
}

#[tokio::test]
async fn an_upload_that_nobody_waits_for_any_more_is_aborted() {
    let world = World::new().await;
    let (key, file) = (key("parts"), world.file(LARGE));
    world.server.trouble(usize::MAX, Trouble::Stall, parts);
    {
        let put = world.store.put_file(&key, &file);
        tokio::pin!(put);
        tokio::select! {
            _ = &mut put => panic!("its parts are never taken"),
            () = until(|| world.server.open_uploads() == 1) => {}
        }
    }
    until(|| world.server.open_uploads() == 0).await;
}

#[tokio::test]
async fn what_a_killed_upload_leaves_stays_until_the_sweep_finds_it_old_enough() {
    let world = World::new().await;
    let (key, file) = (key("parts"), world.file(LARGE));
    world.server.trouble(usize::MAX, Trouble::Stall, |method, asked| parts(method, asked) && asked.contains("partNumber=3"));
    // As if killed: the runtime goes before the abort that the dropped upload asks for has begun.
    let (store, killed) = (world.store.clone(), key.clone());
    let open = world.server.open_uploads_watch();
    let worker = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            tokio::select! {
                _ = store.put_file(&killed, &file) => panic!("its third part is never taken"),
                () = until(|| open() == 1) => {}
            }
        });
    });
    worker.join().unwrap();
    world.server.behave();
    assert_eq!(world.server.open_uploads(), 1, "without the sweep it is there");
    assert_eq!(world.store.abort_stale_uploads(Duration::from_secs(600)).await.unwrap(), 0);
    assert_eq!(world.server.open_uploads(), 1, "it may still be somebody's");
    assert_eq!(world.store.abort_stale_uploads(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(world.server.open_uploads(), 0);
    assert_eq!(world.store.abort_stale_uploads(Duration::ZERO).await.unwrap(), 0);
}

#[tokio::test]
async fn the_start_names_the_key_that_is_wrong_and_not_the_secret() {
    let world = World::new().await;
    let right = world.server.bucket();
    let wrong = [
        (config::Store { bucket: "nobody-made-this".into(), ..right.clone() }, "store.bucket"),
        (config::Store { access_key_id: "stranger".into(), ..right.clone() }, "store.access_key_id"),
        (config::Store { secret_access_key: "not-the-secret".into(), ..right.clone() }, "store.secret_access_key"),
        (config::Store { endpoint: "http://127.0.0.1:1".into(), ..right.clone() }, "store.endpoint"),
    ];
    for (settings, wanted) in wrong {
        let error = format!("{:#}", S3::new(&settings).await.check().await.unwrap_err());
        assert!(error.contains(wanted), "{wanted} is not named: {error}");
        assert!(!error.contains(&settings.secret_access_key), "{error}");
    }
    S3::new(&right).await.check().await.unwrap();
}

#[tokio::test]
async fn a_folder_of_a_bucket_is_a_store_of_its_own() {
    let world = World::new().await;
    let whole = world.server.bucket();
    let store = S3::new(&config::Store { prefix: "/one/two/".into(), ..whole.clone() }).await;
    let key = Key::source(&[1; 32]);
    store.put(&key, Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(store.list("sources").await.unwrap().len(), 1);
    assert_eq!(S3::new(&config::Store { prefix: "one".into(), ..whole.clone() }).await.list("sources").await.unwrap().len(), 0);
    assert_eq!(S3::new(&whole).await.head(&key).await.unwrap(), None);
}

#[tokio::test]
async fn a_presigned_address_is_good_for_one_thing_and_for_a_while() {
    let world = World::new().await;
    let http = reqwest::Client::new();
    let (key, life) = (key("signed"), Duration::from_secs(60));
    let address = |what, life| {
        let (store, key) = (&world.store, &key);
        async move { store.presigned(key, what, life).await.unwrap().unwrap() }
    };
    let (read, write) = (address(Presigned::Get, life).await, address(Presigned::Put, life).await);
    let put = http.put(&write).body("by somebody").send().await.unwrap();
    assert_eq!(put.status(), StatusCode::OK);
    let got = http.get(&read).send().await.unwrap();
    assert_eq!(got.text().await.unwrap(), "by somebody");

    let refused = [
        (http.get(&write), "reading with an address for writing"),
        (http.put(&read).body("spoilt"), "writing with an address for reading"),
        (http.delete(&write), "deleting"),
        (http.get(read.replace("signed", "other")), "another object"),
        (http.get(read.replace("X-Amz-Expires=60", "X-Amz-Expires=9999")), "a longer life"),
        (http.get(read.split('?').next().unwrap()), "no signature"),
    ];
    for (request, what) in refused {
        assert_eq!(request.send().await.unwrap().status(), StatusCode::FORBIDDEN, "{what}");
    }
    assert_eq!(world.store.get(&key).await.unwrap(), "by somebody");

    let short = address(Presigned::Get, Duration::from_secs(1)).await;
    let expired = async {
        loop {
            let status = http.get(&short).send().await.unwrap().status();
            if status == StatusCode::FORBIDDEN {
                break;
            }
            assert_eq!(status, StatusCode::OK);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), expired).await.expect("it expires");
}

/// Waits until it holds.
async fn until(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it comes true");
}
