//! Objects in a bucket of S3, or of a server that speaks its protocol.
//!
//! Owns the client and how an object is read, named, listed and deleted; `upload` owns the way in, `fault` what an
//! answer of the server means. A body that breaks off is asked for again from where it broke off, so that a reader
//! gets every byte once or an error, never fewer bytes than there are.

mod fault;
mod read;
mod upload;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Credentials, Region, RequestChecksumCalculation, StalledStreamProtectionConfig, retry::RetryConfig};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::DateTime;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tokio::io::AsyncWriteExt;

use super::{ByteStream, Key, Meta, ObjectStore, Presigned};
use crate::config;
use fault::{At, fault};

/// How often a request is sent, and a body that broke off is asked for, before the store counts as down.
const TRIES: u32 = 3;

/// The slowest connection that still counts as one, in bytes per second: it bounds how long a part may take.
const SLOWEST: u64 = 256 << 10;

/// A bucket. Cheap to clone.
#[derive(Clone)]
pub struct S3 {
    client: Client,
    bucket: Arc<str>,
    /// Empty, or a folder in the bucket with a slash at its end.
    prefix: Arc<str>,
    /// How long the server may take to answer.
    patience: Duration,
}

impl S3 {
    /// A client as configured. Nothing is asked of the server yet: [`S3::check`] does.
    pub async fn new(config: &config::Store) -> Self {
        let patience = Duration::from_secs_f64(config.timeout_seconds);
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs_f64(config.connect_timeout_seconds))
            .operation_attempt_timeout(patience)
            .build();
        // The pauses between tries are random, so that many workers do not come back at the same moment.
        let retries = RetryConfig::standard()
            .with_max_attempts(TRIES)
            .with_initial_backoff(Duration::from_millis(100))
            .with_max_backoff(Duration::from_secs(5));
        let mut loader = aws_config::defaults(aws_config::BehaviorVersion::latest()).region(Region::new(config.region.clone()));
        if !config.access_key_id.is_empty() {
            loader = loader.credentials_provider(Credentials::new(
                config.access_key_id.clone(),
                config.secret_access_key.clone(),
                None,
                None,
                "configuration",
            ));
        }
        let mut settings = aws_sdk_s3::config::Builder::from(&loader.load().await)
            .force_path_style(config.path_style)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .timeout_config(timeouts)
            .retry_config(retries)
            .stalled_stream_protection(StalledStreamProtectionConfig::enabled().grace_period(patience).build());
        if !config.endpoint.is_empty() {
            settings = settings.endpoint_url(config.endpoint.clone());
        }
        let prefix = config.prefix.trim_matches('/');
        Self {
            client: Client::from_conf(settings.build()),
            bucket: config.bucket.as_str().into(),
            prefix: if prefix.is_empty() { "".into() } else { format!("{prefix}/").into() },
            patience,
        }
    }

    /// Asks the bucket for one name. Fails with the key of the configuration to look at, and what to do about it.
    pub async fn check(&self) -> Result<()> {
        self.client
            .list_objects_v2()
            .bucket(&*self.bucket)
            .prefix(&*self.prefix)
            .max_keys(1)
            .send()
            .await
            .map(drop)
            .map_err(|error| fault(error, At::Bucket(&self.bucket)))
    }

    /// The name of an object in the bucket.
    fn name(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }

    /// An object's key out of its name; None when somebody else put it there.
    fn key(&self, name: &str) -> Option<Key> {
        Key::parse(name.strip_prefix(&*self.prefix)?).ok()
    }

    /// Time to send this many bytes over the slowest connection that counts as one, and to get the answer.
    fn patience_for(&self, bytes: u64) -> aws_sdk_s3::config::Builder {
        let limit = self.patience + Duration::from_secs(bytes / SLOWEST);
        aws_sdk_s3::config::Builder::new().timeout_config(TimeoutConfig::builder().operation_attempt_timeout(limit).build())
    }
}

#[async_trait]
impl ObjectStore for S3 {
    async fn put_file(&self, key: &Key, path: &Path) -> Result<()> {
        upload::file(self, key, path).await
    }

    async fn put(&self, key: &Key, bytes: Bytes) -> Result<()> {
        upload::whole(self, key, bytes).await
    }

    async fn get(&self, key: &Key) -> Result<Bytes> {
        let parts: Vec<Bytes> = self.open(key, None).await?.try_collect().await.with_context(|| format!("read object {key}"))?;
        Ok(match <[Bytes; 1]>::try_from(parts) {
            Ok([only]) => only,
            Err(parts) => parts.concat().into(),
        })
    }

    async fn fetch(&self, key: &Key, to: &Path) -> Result<u64> {
        let mut parts = self.open(key, None).await?;
        let mut file = tokio::fs::File::create(to).await.with_context(|| format!("create {}", to.display()))?;
        let (mut bytes, mut hash) = (0, key.source_hash().map(|wanted| (wanted, Sha256::new())));
        while let Some(part) = parts.next().await {
            let part = part.with_context(|| format!("fetch object {key}"))?;
            if let Some((_, hash)) = &mut hash {
                hash.update(&part);
            }
            bytes += part.len() as u64;
            file.write_all(&part).await.with_context(|| format!("write {}", to.display()))?;
        }
        file.flush().await.with_context(|| format!("write {}", to.display()))?;
        if let Some((wanted, hash)) = hash {
            anyhow::ensure!(hex::encode(hash.finalize()) == wanted, "object {key} has other contents than its name says");
        }
        Ok(bytes)
    }

    async fn open(&self, key: &Key, range: Option<Range<u64>>) -> Result<ByteStream> {
        read::open(self.clone(), key.clone(), range).await
    }

    async fn head(&self, key: &Key) -> Result<Option<Meta>> {
        let answer = self.client.head_object().bucket(&*self.bucket).key(self.name(key)).send().await;
        match answer {
            Ok(found) => Ok(Some(Meta {
                bytes: found.content_length().and_then(|length| length.try_into().ok()).context("an object has a length")?,
                modified: moment(found.last_modified()).with_context(|| format!("age of object {key}"))?,
            })),
            Err(error) if fault::status(&error) == Some(404) => Ok(None),
            Err(error) => Err(fault(error, At::Object("look at", key))),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(Key, Meta)>> {
        let prefix = prefix.trim_end_matches('/');
        let below = format!("{prefix}/");
        let mut pages =
            self.client.list_objects_v2().bucket(&*self.bucket).prefix(format!("{}{prefix}", self.prefix)).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            for object in page.map_err(|error| fault(error, At::Listing(prefix)))?.contents.unwrap_or_default() {
                // The server compares letters, not path segments; and what is no key of ours is not ours to list.
                let Some(key) = object.key().and_then(|name| self.key(name)) else { continue };
                if key.as_str() != prefix && !key.as_str().starts_with(&below) {
                    continue;
                }
                let bytes = object.size().and_then(|size| size.try_into().ok()).context("an object has a length")?;
                let modified = moment(object.last_modified()).with_context(|| format!("age of object {key}"))?;
                found.push((key, Meta { bytes, modified }));
            }
        }
        Ok(found)
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        match self.client.delete_object().bucket(&*self.bucket).key(self.name(key)).send().await {
            Ok(_) => Ok(()),
            Err(error) if fault::code(&error) == Some("NoSuchKey") => Ok(()),
            Err(error) => Err(fault(error, At::Object("delete", key))),
        }
    }

    async fn probe(&self) -> Result<()> {
        self.check().await
    }

    async fn abort_stale_uploads(&self, untouched_for: Duration) -> Result<usize> {
        upload::abort_stale(self, untouched_for).await
    }

    async fn presigned(&self, key: &Key, what: Presigned, valid_for: Duration) -> Result<Option<String>> {
        let terms = PresigningConfig::expires_in(valid_for).context("life of a presigned address")?;
        let (bucket, name) = (&*self.bucket, self.name(key));
        let signed = match what {
            Presigned::Get => {
                let asked = self.client.get_object().bucket(bucket).key(name).presigned(terms).await;
                asked.map_err(|error| fault(error, At::Object("presign reading", key)))
            }
            Presigned::Put => {
                let asked = self.client.put_object().bucket(bucket).key(name).presigned(terms).await;
                asked.map_err(|error| fault(error, At::Object("presign writing", key)))
            }
        };
        Ok(Some(signed?.uri().to_owned()))
    }
}

fn moment(at: Option<&DateTime>) -> Result<OffsetDateTime> {
    let at = at.context("the server names no time")?;
    Ok(OffsetDateTime::from_unix_timestamp(at.secs())? + time::Duration::nanoseconds(at.subsec_nanos().into()))
}
