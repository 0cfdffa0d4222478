//! The way in: small objects in one request, large ones in parts, a few at a time.
//!
//! Every part carries its SHA-256, which the server checks. An upload in parts is invisible until it is completed; one
//! that fails, or whose future is dropped, is aborted. What a killed process leaves, [`abort_stale`] finds.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::fault::{self, At, fault};
use super::{S3, moment};
use crate::store::Key;

/// Length of a part. 10,000 parts are allowed, hence objects of up to 156 GiB.
const PART: u64 = 16 << 20;
/// Parts in memory and on their way at the same time.
const AT_ONCE: usize = 3;

/// Stores bytes held in memory.
pub(super) async fn whole(store: &S3, key: &Key, bytes: Bytes) -> Result<()> {
    let length = bytes.len() as u64;
    store
        .client
        .put_object()
        .bucket(&*store.bucket)
        .key(store.name(key))
        .checksum_sha256(sha256(&bytes))
        .body(bytes.into())
        .customize()
        .config_override(store.patience_for(length))
        .send()
        .await
        .map(drop)
        .map_err(|error| fault(error, At::Object("put", key)))
}

/// Stores a file.
pub(super) async fn file(store: &S3, key: &Key, path: &Path) -> Result<()> {
    let from = path.to_owned();
    let (file, length) = tokio::task::spawn_blocking(move || {
        let file = std::fs::File::open(&from)?;
        let length = file.metadata()?.len();
        std::io::Result::Ok((Arc::new(file), length))
    })
    .await?
    .with_context(|| format!("open {}", path.display()))?;
    if length <= PART {
        return whole(store, key, slice(file, 0, length).await.with_context(|| format!("read {}", path.display()))?).await;
    }
    let upload = Upload::begin(store, key).await?;
    let parts: Vec<CompletedPart> = stream::iter((0..length).step_by(PART as usize).zip(1..))
        .map(|(start, number)| {
            let (file, upload) = (file.clone(), &upload);
            async move {
                let bytes = slice(file, start, PART.min(length - start)).await.context("read a part of an upload")?;
                upload.part(number, bytes).await
            }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    upload.complete(parts).await
}

async fn slice(file: Arc<std::fs::File>, start: u64, length: u64) -> Result<Bytes> {
    tokio::task::spawn_blocking(move || {
        let mut bytes = vec![0; usize::try_from(length)?];
        file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    })
    .await?
}

fn sha256(bytes: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(bytes))
}

/// An upload in parts. Dropped before it is complete, it is aborted.
struct Upload {
    store: S3,
    key: Key,
    id: String,
    complete: bool,
}

impl Upload {
    async fn begin(store: &S3, key: &Key) -> Result<Self> {
        let begun = store
            .client
            .create_multipart_upload()
            .bucket(&*store.bucket)
            .key(store.name(key))
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .send()
            .await
            .map_err(|error| fault(error, At::Object("begin to put", key)))?;
        let id = begun.upload_id.context("an upload has an id")?;
        Ok(Self { store: store.clone(), key: key.clone(), id, complete: false })
    }

    async fn part(&self, number: i32, bytes: Bytes) -> Result<CompletedPart> {
        let (length, sum) = (bytes.len() as u64, sha256(&bytes));
        let sent = self
            .store
            .client
            .upload_part()
            .bucket(&*self.store.bucket)
            .key(self.store.name(&self.key))
            .upload_id(&self.id)
            .part_number(number)
            .checksum_sha256(&sum)
            .body(bytes.into())
            .customize()
            .config_override(self.store.patience_for(length))
            .send()
            .await
            .map_err(|error| fault(error, At::Object("put a part of", &self.key)))?;
        Ok(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).checksum_sha256(sum).build())
    }

    async fn complete(mut self, parts: Vec<CompletedPart>) -> Result<()> {
        self.store
            .client
            .complete_multipart_upload()
            .bucket(&*self.store.bucket)
            .key(self.store.name(&self.key))
            .upload_id(&self.id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .customize()
            // Putting the parts together is the server's work, and takes it longer than an answer.
            .config_override(self.store.patience_for(100 * PART))
            .send()
            .await
            .map_err(|error| fault(error, At::Object("complete", &self.key)))?;
        self.complete = true;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !self.complete {
            let (store, name, id) = (self.store.clone(), self.store.name(&self.key), self.id.clone());
            runtime.spawn(async move {
                // Should this fail too, the sweep finds the upload later.
                let _ = store.client.abort_multipart_upload().bucket(&*store.bucket).key(name).upload_id(id).send().await;
            });
        }
    }
}

/// Aborts uploads of which nothing has come for this long, and returns how many.
pub(super) async fn abort_stale(store: &S3, untouched_for: Duration) -> Result<usize> {
    let (mut aborted, mut after) = (0, (None, None));
    loop {
        let page = store
            .client
            .list_multipart_uploads()
            .bucket(&*store.bucket)
            .prefix(&*store.prefix)
            .set_key_marker(after.0.take())
            .set_upload_id_marker(after.1.take())
            .send()
            .await
            .map_err(|error| fault(error, At::Listing("uploads")))?;
        for upload in page.uploads() {
            let (Some(name), Some(id)) = (upload.key(), upload.upload_id()) else { continue };
            let Some(key) = store.key(name) else { continue };
            let begun = moment(upload.initiated())?;
            let touched = newest_part(store, name, &key, id).await?.map_or(begun, |part| part.max(begun));
            if OffsetDateTime::now_utc() - touched < untouched_for {
                continue;
            }
            match store.client.abort_multipart_upload().bucket(&*store.bucket).key(name).upload_id(id).send().await {
                Ok(_) => aborted += 1,
                // Completed or aborted in the meantime.
                Err(error) if fault::status(&error) == Some(404) => {}
                Err(error) => return Err(fault(error, At::Object("abort the upload of", &key))),
            }
        }
        if page.is_truncated() != Some(true) {
            return Ok(aborted);
        }
        after = (page.next_key_marker, page.next_upload_id_marker);
    }
}

/// When the last part of an upload came.
async fn newest_part(store: &S3, name: &str, key: &Key, id: &str) -> Result<Option<OffsetDateTime>> {
    let mut pages = store.client.list_parts().bucket(&*store.bucket).key(name).upload_id(id).into_paginator().send();
    let mut newest = None;
    while let Some(page) = pages.next().await {
        let page = match page {
            Err(error) if fault::status(&error) == Some(404) => break,
            page => page.map_err(|error| fault(error, At::Object("look at the upload of", key)))?,
        };
        for part in page.parts() {
            newest = newest.max(Some(moment(part.last_modified())?));
        }
    }
    Ok(newest)
}

/// Waits before the given try: longer each time, and never for the same time as others.
pub(super) async fn pause(attempt: u32) {
    let longest = Duration::from_millis(100) * 2u32.pow(attempt.min(6));
    tokio::time::sleep(longest.mul_f64(rand::random_range(0.5..1.0))).await;
}
