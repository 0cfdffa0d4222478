//! Objects: bytes that never change under a key. What they mean is in the database's rows.
//!
//! There are two production backends, hence the trait. Keys come only from the constructors of [`Key`] and
//! [`Prefix`]; no file name or other text of a user ever becomes part of one.

mod directory;
mod incoming;
mod key;
mod metered;
mod s3;
pub mod serve;
mod signer;
pub mod sources;
mod sources_cache;

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use time::OffsetDateTime;

pub use directory::Directory;
pub use incoming::{Incoming, Received};
pub use key::{Key, Prefix};
pub use metered::Metered;
pub use s3::S3;
pub use signer::{Lives, Served, UrlSigner};
pub use sources_cache::SourcesCache;

/// The bytes of an object as they arrive.
pub type ByteStream = BoxStream<'static, std::io::Result<Bytes>>;

/// What is known of an object without reading it.
#[derive(Clone, Debug, PartialEq)]
pub struct Meta {
    pub bytes: u64,
    pub modified: OffsetDateTime,
}

/// What a presigned address is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presigned {
    Get,
    Put,
}

/// Where objects are kept. Every method may be retried: the same key always holds the same bytes.
#[async_trait]
pub trait ObjectStore: Send + Sync + 'static {
    /// Stores a file. When it returns, the bytes survive a power cut; a reader sees all of them or none.
    async fn put_file(&self, key: &Key, path: &Path) -> Result<()>;
    /// Stores bytes held in memory; otherwise as [`ObjectStore::put_file`].
    async fn put(&self, key: &Key, bytes: Bytes) -> Result<()>;
    /// Reads a whole, small object. Fails when there is none.
    async fn get(&self, key: &Key) -> Result<Bytes>;
    /// Copies an object into a file and returns its length in bytes.
    async fn fetch(&self, key: &Key, to: &Path) -> Result<u64>;
    /// Reads an object, or the given range of bytes of it, as a stream.
    async fn open(&self, key: &Key, range: Option<Range<u64>>) -> Result<ByteStream>;
    /// Length and age, or None when there is no such object.
    async fn head(&self, key: &Key) -> Result<Option<Meta>>;
    /// Everything whose key begins with `prefix` (whole path segments), in the order of keys.
    async fn list(&self, prefix: &str) -> Result<Vec<(Key, Meta)>>;
    /// Removes an object; one that is not there is no error.
    async fn delete(&self, key: &Key) -> Result<()>;
    /// Whether the store can be worked with: fails with [`crate::dependency::Down`] while it is away or full.
    async fn probe(&self) -> Result<()>;
    /// Takes away what is left of puts that were interrupted and of which nothing has come for this long; returns how
    /// many there were.
    async fn abort_stale_uploads(&self, untouched_for: Duration) -> Result<usize>;
    /// An address under which somebody without credentials may do one thing with one object for a while, straight at
    /// the store. None where the store has no addresses of its own.
    async fn presigned(&self, key: &Key, what: Presigned, valid_for: Duration) -> Result<Option<String>>;
}
