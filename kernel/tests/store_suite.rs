//! What every object store must do, run against each: a directory, S3 (s3s in this process), and S3 as moto sees it.
//! What only S3 can get wrong (faults of the network, uploads in parts, presigned addresses) comes after it.

#[path = "store_suite/moto.rs"]
mod moto;
#[path = "store_suite/s3_only.rs"]
mod s3_only;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use kernel::id::{AssetId, CertificateId, JobId};
use kernel::store::{Directory, Key, ObjectStore, Prefix, S3};
use kernel::testing_s3::S3Server;
use sha2::{Digest, Sha256};

/// A store without objects.
struct Fresh {
    store: Arc<dyn ObjectStore>,
    dir: tempfile::TempDir,
}

impl Fresh {
    async fn directory() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { store: Arc::new(Directory::open(&dir.path().join("objects")).unwrap()), dir }
    }

    async fn s3() -> Self {
        let store = S3::new(&S3Server::shared().bucket()).await;
        store.check().await.unwrap();
        Self { store: Arc::new(store), dir: tempfile::tempdir().unwrap() }
    }

    async fn moto() -> Self {
        let store = S3::new(&moto::bucket().await).await;
        store.check().await.unwrap();
        Self { store: Arc::new(store), dir: tempfile::tempdir().unwrap() }
    }

    async fn read(&self, key: &Key, range: Option<Range<u64>>) -> Vec<u8> {
        let parts: Vec<Bytes> = self.store.open(key, range).await.unwrap().try_collect().await.unwrap();
        parts.concat()
    }

    async fn names(&self, prefix: &str) -> Vec<String> {
        self.store.list(prefix).await.unwrap().into_iter().map(|(key, _)| key.as_str().to_owned()).collect()
    }
}

fn attempt() -> Prefix {
    Prefix::attempt(AssetId::new(), JobId::new(), 1)
}

fn key(name: &str) -> Key {
    Key::in_prefix(&attempt(), name).unwrap()
}

/// Bytes of which no two pages are alike, and the same every time.
fn noise(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length);
    let mut block = 0u64;
    while bytes.len() < length {
        bytes.extend(Sha256::digest(block.to_be_bytes()));
        block += 1;
    }
    bytes.truncate(length);
    bytes
}

async fn what_is_put_can_be_read(fresh: &Fresh) {
    let key = key("hls/master.m3u8");
    fresh.store.put(&key, Bytes::from_static(b"0123456789")).await.unwrap();
    assert_eq!(fresh.store.get(&key).await.unwrap(), "0123456789");
    let to = fresh.dir.path().join("fetched");
    assert_eq!(fresh.store.fetch(&key, &to).await.unwrap(), 10);
    assert_eq!(std::fs::read(&to).unwrap(), b"0123456789");
    assert_eq!(fresh.read(&key, None).await, b"0123456789");
}

async fn ranges_reach_to_the_end_and_no_further(fresh: &Fresh) {
    let key = key("ten");
    fresh.store.put(&key, Bytes::from_static(b"0123456789")).await.unwrap();
    for (range, wanted) in
        [(0..10, "0123456789"), (2..5, "234"), (9..10, "9"), (0..1, "0"), (5..5, ""), (8..99, "89"), (10..12, ""), (50..60, "")]
    {
        assert_eq!(fresh.read(&key, Some(range.clone())).await, wanted.as_bytes(), "{range:?}");
    }
}

async fn head_tells_length_and_age(fresh: &Fresh) {
    let key = key("seven");
    assert_eq!(fresh.store.head(&key).await.unwrap(), None);
    fresh.store.put(&key, Bytes::from_static(b"seven b")).await.unwrap();
    let found = fresh.store.head(&key).await.unwrap().unwrap();
    assert_eq!(found.bytes, 7);
    assert!((time::OffsetDateTime::now_utc() - found.modified).abs() < time::Duration::minutes(2), "{}", found.modified);
}

async fn an_object_that_is_not_there_is_an_error_and_no_empty_one(fresh: &Fresh) {
    let key = key("nothing");
    assert!(fresh.store.get(&key).await.is_err());
    assert!(fresh.store.open(&key, None).await.is_err());
    assert!(fresh.store.open(&key, Some(0..1)).await.is_err());
    assert!(fresh.store.open(&key, Some(3..3)).await.is_err());
    let to = fresh.dir.path().join("nothing");
    let error = fresh.store.fetch(&key, &to).await.unwrap_err();
    assert_eq!(kernel::dependency::blamed(&error), None, "the store itself is there: {error:#}");
    assert!(!to.exists(), "nothing is left that looks like the object");
}

async fn an_empty_object_is_an_object(fresh: &Fresh) {
    let key = key("empty");
    fresh.store.put(&key, Bytes::new()).await.unwrap();
    assert_eq!(fresh.store.head(&key).await.unwrap().unwrap().bytes, 0);
    assert_eq!(fresh.store.get(&key).await.unwrap(), "");
    assert_eq!(fresh.read(&key, Some(0..5)).await, b"");
    assert_eq!(fresh.store.list(key.as_str()).await.unwrap().len(), 1);
    let file = fresh.dir.path().join("empty");
    std::fs::write(&file, b"").unwrap();
    let again = Key::in_prefix(&attempt(), "empty").unwrap();
    fresh.store.put_file(&again, &file).await.unwrap();
    assert_eq!(fresh.store.fetch(&again, &file).await.unwrap(), 0);
}

async fn deleting_twice_is_deleting_once(fresh: &Fresh) {
    let (key, other) = (key("gone"), key("stays"));
    fresh.store.put(&key, Bytes::from_static(b"x")).await.unwrap();
    fresh.store.put(&other, Bytes::from_static(b"y")).await.unwrap();
    fresh.store.delete(&key).await.unwrap();
    fresh.store.delete(&key).await.unwrap();
    assert_eq!(fresh.store.head(&key).await.unwrap(), None);
    assert_eq!(fresh.names("assets").await, [other.as_str()]);
}

async fn the_same_bytes_may_be_put_again(fresh: &Fresh) {
    let key = key("twice");
    for _ in 0..2 {
        fresh.store.put(&key, Bytes::from_static(b"the same")).await.unwrap();
    }
    assert_eq!(fresh.store.get(&key).await.unwrap(), "the same");
    assert_eq!(fresh.names("assets").await.len(), 1);
}

async fn many_who_put_one_key_leave_one_whole_object(fresh: &Fresh) {
    let (key, bytes) = (key("contended"), Bytes::from(noise(300_000)));
    let puts = (0..8).map(|_| fresh.store.put(&key, bytes.clone()));
    for put in futures::future::join_all(puts).await {
        put.unwrap();
    }
    assert_eq!(fresh.store.get(&key).await.unwrap(), bytes);
    assert_eq!(fresh.names("assets").await.len(), 1);
}

async fn a_large_file_arrives_whole(fresh: &Fresh) {
    let bytes = noise(40 << 20);
    let key = Key::source(&Sha256::digest(&bytes));
    let (from, to) = (fresh.dir.path().join("from"), fresh.dir.path().join("to"));
    std::fs::write(&from, &bytes).unwrap();
    fresh.store.put_file(&key, &from).await.unwrap();
    assert_eq!(fresh.store.head(&key).await.unwrap().unwrap().bytes, 40 << 20);
    assert_eq!(fresh.store.fetch(&key, &to).await.unwrap(), 40 << 20);
    assert!(std::fs::read(&to).unwrap() == bytes, "other bytes came back");
    let seam = (16 << 20) - 3..(16 << 20) + 3;
    assert_eq!(fresh.read(&key, Some(seam.clone())).await, bytes[seam.start as usize..seam.end as usize], "across two parts");
    assert_eq!(fresh.store.abort_stale_uploads(Duration::ZERO).await.unwrap(), 0, "nothing is left open");
}

async fn a_source_with_other_contents_than_its_name_is_not_fetched(fresh: &Fresh) {
    let (key, to) = (Key::source(&[7; 32]), fresh.dir.path().join("to"));
    fresh.store.put(&key, Bytes::from_static(b"something else")).await.unwrap();
    let error = format!("{:#}", fresh.store.fetch(&key, &to).await.unwrap_err());
    assert!(error.contains("other contents"), "{error}");
}

async fn every_letter_of_a_key_comes_back_as_it_is(fresh: &Fresh) {
    let prefix = attempt();
    let names = ["abcdefghijklmnopqrstuvwxyz0123456789-_.x", "a/b/c/d.m4s", "a..b", "-", "_", "0", "seg-00001.m4s"];
    let mut wanted: Vec<String> = names.iter().map(|name| format!("{prefix}/{name}")).collect();
    for name in &wanted {
        fresh.store.put(&Key::parse(name).unwrap(), Bytes::copy_from_slice(name.as_bytes())).await.unwrap();
    }
    wanted.sort();
    assert_eq!(fresh.names(prefix.as_str()).await, wanted);
    for name in wanted {
        assert_eq!(fresh.store.get(&Key::parse(&name).unwrap()).await.unwrap(), name);
    }
}

async fn a_list_goes_by_whole_parts_of_names_and_is_sorted(fresh: &Fresh) {
    let (one, job) = (AssetId::new(), JobId::new());
    let first = Prefix::attempt(one, job, 1);
    let eleventh = Prefix::attempt(one, job, 11);
    let mut put = Vec::new();
    for (prefix, name) in [(&first, "b"), (&first, "a/z"), (&first, "a-z"), (&eleventh, "a")] {
        let key = Key::in_prefix(prefix, name).unwrap();
        fresh.store.put(&key, Bytes::from_static(b"x")).await.unwrap();
        put.push(key.as_str().to_owned());
    }
    let certificate = Key::certificate(CertificateId::new(), job, 1);
    fresh.store.put(&certificate, Bytes::from_static(b"x")).await.unwrap();
    put.sort();
    let of_first: Vec<String> = put.iter().filter(|name| name.starts_with(&format!("{first}/"))).cloned().collect();
    assert_eq!(fresh.names(first.as_str()).await, of_first, "attempt 11 is not below attempt 1");
    assert_eq!(fresh.names(&format!("{first}/")).await, of_first);
    assert_eq!(fresh.names("assets").await, put);
    assert_eq!(fresh.names(&put[0]).await, put[..1], "an object's own name lists it");
    assert!(fresh.names("probes").await.is_empty());
}

async fn a_list_of_more_than_a_page_is_whole(fresh: &Fresh) {
    let prefix = attempt();
    let keys: Vec<Key> = (0..1005).map(|number| Key::in_prefix(&prefix, &format!("seg-{number:05}.m4s")).unwrap()).collect();
    for some in keys.chunks(32) {
        futures::future::try_join_all(some.iter().map(|key| fresh.store.put(key, Bytes::from_static(b"x")))).await.unwrap();
    }
    let listed: Vec<Key> = fresh.store.list(prefix.as_str()).await.unwrap().into_iter().map(|(key, _)| key).collect();
    assert!(listed == keys, "{} of {} listed, or in another order", listed.len(), keys.len());
}

async fn the_store_says_that_it_works(fresh: &Fresh) {
    fresh.store.probe().await.unwrap();
    assert!(fresh.store.list("probes").await.unwrap().is_empty(), "asking leaves nothing behind");
}

macro_rules! every_store {
    ($($behaviour:ident,)+) => {
        every_store! { @ directory: $($behaviour,)+ }
        every_store! { @ s3: $($behaviour,)+ }
        every_store! { @ moto: $($behaviour,)+ }
    };
    (@ $backend:ident: $($behaviour:ident,)+) => {
        mod $backend {
            $(#[tokio::test]
            async fn $behaviour() {
                super::$behaviour(&super::Fresh::$backend().await).await;
            })+
        }
    };
}

mod conformance {
    use super::*;

    every_store! {
        what_is_put_can_be_read,
        ranges_reach_to_the_end_and_no_further,
        head_tells_length_and_age,
        an_object_that_is_not_there_is_an_error_and_no_empty_one,
        an_empty_object_is_an_object,
        deleting_twice_is_deleting_once,
        the_same_bytes_may_be_put_again,
        many_who_put_one_key_leave_one_whole_object,
        a_large_file_arrives_whole,
        a_source_with_other_contents_than_its_name_is_not_fetched,
        every_letter_of_a_key_comes_back_as_it_is,
        a_list_goes_by_whole_parts_of_names_and_is_sorted,
        a_list_of_more_than_a_page_is_whole,
        the_store_says_that_it_works,
    }
}
