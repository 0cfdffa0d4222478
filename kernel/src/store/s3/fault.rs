//! What an answer of the server, or the lack of one, means: away for a while, set up wrongly, or simply not there.

use std::io;

use anyhow::{Error, anyhow};
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::dependency::{Dependency, Down};
use crate::store::Key;

/// What was being done.
pub(super) enum At<'a> {
    /// Something with one object; the verb comes first.
    Object(&'static str, &'a Key),
    Listing(&'a str),
    /// Looking whether the bucket is there and ours.
    Bucket(&'a str),
}

impl std::fmt::Display for At<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Object(verb, key) => write!(f, "{verb} object {key}"),
            Self::Listing(prefix) => write!(f, "list objects below {prefix}"),
            Self::Bucket(bucket) => write!(f, "look into bucket {bucket}"),
        }
    }
}

/// The HTTP status that came back, if one did.
pub(super) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// The server's own word for what is wrong.
pub(super) fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::code)
}

/// The error for a reader and for [`crate::dependency::blamed`]: it is [`Down`] when trying again later is the cure.
/// A refusal of our credentials or of the bucket is down as well: an operator has to mend it, and until then no job
/// should lose its attempts. Its message names the key of the configuration.
pub(super) fn fault<E>(error: SdkError<E, HttpResponse>, at: At<'_>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let (status, code) = (status(&error), code(&error).unwrap_or_default().to_owned());
    let said = DisplayErrorContext(&error).to_string();
    let down = |cause: Error| cause.context(Down(Dependency::Objects)).context(at.to_string());
    match (status, code.as_str()) {
        (None, _) if said.contains("credentials") => down(anyhow!(
            "no credentials for the object store: set store.access_key_id and store.secret_access_key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )),
        (None, _) => down(anyhow!("check store.endpoint, and that the server runs and can be reached: {}", short(&said))),
        (_, "NoSuchBucket") => down(anyhow!("there is no such bucket: make it, or set store.bucket to one that exists")),
        (_, "InvalidAccessKeyId") => down(anyhow!("the server does not know store.access_key_id: check it")),
        (_, "SignatureDoesNotMatch") => down(anyhow!(
            "store.secret_access_key does not belong to store.access_key_id (or store.region is not the server's): check them"
        )),
        (Some(401 | 403), _) => down(anyhow!(
            "access is refused ({code}): check store.access_key_id, and that it may list, read, write and delete in store.bucket"
        )),
        (Some(301 | 307), _) => down(anyhow!("the bucket is somewhere else: set store.region or store.endpoint to its own")),
        (Some(507), _) => down(io::Error::new(io::ErrorKind::StorageFull, "the object store has no space left").into()),
        (_, code) if code.contains("StorageFull") || code.contains("QuotaExceeded") => {
            down(io::Error::new(io::ErrorKind::StorageFull, "the object store has no space left").into())
        }
        (Some(429 | 500..), _) | (_, "RequestTimeout" | "SlowDown") => down(anyhow!("it answered {} {code}", status.unwrap_or_default())),
        (_, "NoSuchKey") => anyhow!("there is no such object").context(at.to_string()),
        // A whole answer with another status and no error in it is what a server of another kind gives.
        (_, "") if matches!(at, At::Bucket(_)) => {
            down(anyhow!("what answers at store.endpoint is no S3 server, or store.path_style is wrong for it (status {status:?})"))
        }
        _ => anyhow!("{}", short(&said)).context(at.to_string()),
    }
}

/// The chain of causes without the dump of the answer that the client library appends to it.
fn short(said: &str) -> &str {
    said.split_once(" (").map_or(said, |(head, _)| head)
}
