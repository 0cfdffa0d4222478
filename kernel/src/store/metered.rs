//! A store that says how long each call took, around any other.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use async_trait::async_trait;
use bytes::Bytes;

use super::{ByteStream, Key, Meta, ObjectStore, Presigned};
use crate::telemetry;

/// Measures every call of the store inside; otherwise it is that store.
pub struct Metered<S> {
    inner: S,
    backend: &'static str,
}

impl<S: ObjectStore> Metered<S> {
    /// `backend` is the word under which its calls are counted: directory, s3.
    pub fn new(inner: S, backend: &'static str) -> Self {
        Self { inner, backend }
    }

    async fn measured<T>(&self, op: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        let begun = Instant::now();
        let answer = call.await;
        telemetry::store_call(self.backend, op, answer.is_ok(), begun.elapsed().as_secs_f64());
        answer
    }
}

#[async_trait]
impl<S: ObjectStore> ObjectStore for Metered<S> {
    async fn put_file(&self, key: &Key, path: &Path) -> Result<()> {
        self.measured("put_file", self.inner.put_file(key, path)).await
    }

    async fn put(&self, key: &Key, bytes: Bytes) -> Result<()> {
        self.measured("put", self.inner.put(key, bytes)).await
    }

    async fn get(&self, key: &Key) -> Result<Bytes> {
        self.measured("get", self.inner.get(key)).await
    }

    async fn fetch(&self, key: &Key, to: &Path) -> Result<u64> {
        self.measured("fetch", self.inner.fetch(key, to)).await
    }

    /// Measured until the stream begins.
    async fn open(&self, key: &Key, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.measured("open", self.inner.open(key, range)).await
    }

    async fn head(&self, key: &Key) -> Result<Option<Meta>> {
        self.measured("head", self.inner.head(key)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(Key, Meta)>> {
        self.measured("list", self.inner.list(prefix)).await
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        self.measured("delete", self.inner.delete(key)).await
    }

    async fn probe(&self) -> Result<()> {
        self.measured("probe", self.inner.probe()).await
    }

    async fn abort_stale_uploads(&self, untouched_for: Duration) -> Result<usize> {
        self.measured("abort_stale_uploads", self.inner.abort_stale_uploads(untouched_for)).await
    }

    /// Not measured: no server is asked.
    async fn presigned(&self, key: &Key, what: Presigned, valid_for: Duration) -> Result<Option<String>> {
        self.inner.presigned(key, what, valid_for).await
    }
}
