//! Reading: one stream over as many requests as it takes.

use std::io;
use std::ops::Range;

use anyhow::{Context, Result};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use bytes::Bytes;
use futures::{StreamExt, stream};

use super::fault::{self, At, fault};
use super::{S3, TRIES, upload::pause};
use crate::dependency::{Dependency, Down};
use crate::store::{ByteStream, Key};

/// A body that is being read.
struct Reading {
    store: S3,
    key: Key,
    body: aws_sdk_s3::primitives::ByteStream,
    /// The next byte that the reader gets, and the one at which it has got all.
    at: u64,
    end: u64,
    /// Requests that may still be sent for the rest. Progress fills it up again.
    tries: u32,
}

/// Opens an object, or a range of it, which may reach beyond its end.
pub(super) async fn open(store: S3, key: Key, range: Option<Range<u64>>) -> Result<ByteStream> {
    let start = range.as_ref().map_or(0, |range| range.start);
    if range.as_ref().is_some_and(|range| range.is_empty()) {
        // Such a range cannot be said in HTTP; whether there is an object is still to be told.
        return match crate::store::ObjectStore::head(&store, &key).await? {
            Some(_) => Ok(stream::empty().boxed()),
            None => anyhow::bail!("open object {key}: there is no such object"),
        };
    }
    let Some(answer) = ask(&store, &key, range).await? else { return Ok(stream::empty().boxed()) };
    let length: u64 = answer.content_length().and_then(|length| length.try_into().ok()).context("an object has a length")?;
    let reading = Reading { store, key, body: answer.body, at: start, end: start + length, tries: TRIES };
    Ok(stream::try_unfold(reading, |mut reading| async move { Ok(reading.next().await?.map(|part| (part, reading))) }).boxed())
}

/// None when the object ends before the range begins.
async fn ask(store: &S3, key: &Key, range: Option<Range<u64>>) -> Result<Option<GetObjectOutput>> {
    let range = range.map(|range| format!("bytes={}-{}", range.start, range.end - 1));
    let answer = store.client.get_object().bucket(&*store.bucket).key(store.name(key)).set_range(range).send().await;
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if fault::status(&error) == Some(416) => Ok(None),
        Err(error) => Err(fault(error, At::Object("open", key))),
    }
}

impl Reading {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let broken = match self.body.next().await {
                Some(Ok(part)) => {
                    self.at += part.len() as u64;
                    if self.at > self.end {
                        return Err(io::Error::new(io::ErrorKind::InvalidData, "the object store sent more than it announced"));
                    }
                    self.tries = TRIES;
                    return Ok(Some(part));
                }
                None if self.at == self.end => return Ok(None),
                // All bytes came and the checksum that came with them is another: no second look would mend that.
                Some(Err(error)) if self.at == self.end => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
                None => "it ended too early".to_owned(),
                Some(Err(error)) => error.to_string(),
            };
            self.resume(&broken).await?;
        }
    }

    /// Asks for the rest, which never changes under its key.
    async fn resume(&mut self, broken: &str) -> io::Result<()> {
        let down = || io::Error::other(Down(Dependency::Objects));
        loop {
            if self.tries == 0 {
                tracing::debug!("gave up reading object {} at byte {} of {}: {broken}", self.key, self.at, self.end);
                return Err(down());
            }
            self.tries -= 1;
            pause(TRIES - self.tries).await;
            if let Ok(Some(answer)) = ask(&self.store, &self.key, Some(self.at..self.end)).await {
                if answer.content_length() != i64::try_from(self.end - self.at).ok() {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "the object has another length than before"));
                }
                self.body = answer.body;
                return Ok(());
            }
        }
    }
}
