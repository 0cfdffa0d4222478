//! Bytes on their way in: written to a file and hashed as they come, kept under their hash or forgotten.

use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::{Key, ObjectStore};

/// An upload while it arrives. Dropped without [`Incoming::finish`], nothing of it stays.
pub struct Incoming {
    file: tokio::fs::File,
    path: tempfile::TempPath,
    hash: Sha256,
    bytes: u64,
}

/// An upload that has arrived but is not stored yet.
pub struct Received {
    pub sha256: [u8; 32],
    pub bytes: u64,
    path: tempfile::TempPath,
}

impl Incoming {
    /// Begins an upload in the scratch folder.
    pub async fn new(scratch: &Path) -> Result<Self> {
        tokio::fs::create_dir_all(scratch).await.with_context(|| format!("create {}", scratch.display()))?;
        let (file, path) = tempfile::Builder::new().prefix("upload.").tempfile_in(scratch).context("begin an upload")?.into_parts();
        Ok(Self { file: tokio::fs::File::from_std(file), path, hash: Sha256::new(), bytes: 0 })
    }

    /// Takes the next bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).await
    }

    /// How many bytes have come so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// No more bytes will come.
    pub async fn finish(mut self) -> Result<Received> {
        self.file.flush().await.context("write the upload")?;
        Ok(Received { sha256: self.hash.finalize().into(), bytes: self.bytes, path: self.path })
    }
}

impl Received {
    /// The file it lies in for now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Stores it under its hash, unless the same bytes are there already. Durable when this returns.
    /// [`super::sources::record`] then says that they are meant.
    pub async fn store(&self, store: &dyn ObjectStore) -> Result<Key> {
        let key = Key::source(&self.sha256);
        match store.head(&key).await? {
            Some(found) if found.bytes == self.bytes => {}
            _ => store.put_file(&key, &self.path).await?,
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Directory;

    #[tokio::test]
    async fn the_same_bytes_twice_are_one_object() {
        let dir = tempfile::tempdir().unwrap();
        let store = Directory::open(&dir.path().join("objects")).unwrap();
        let mut keys = Vec::new();
        for parts in [&[&b"hello "[..], b"world"][..], &[&b"hello world"[..]]] {
            let mut incoming = Incoming::new(&dir.path().join("scratch")).await.unwrap();
            for part in parts {
                incoming.write(part).await.unwrap();
            }
            keys.push(incoming.finish().await.unwrap().store(&store).await.unwrap());
        }
        assert_eq!(keys[0], keys[1]);
        assert!(keys[0].as_str().ends_with("b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"));
        assert_eq!(store.list("sources").await.unwrap().len(), 1);
        assert_eq!(std::fs::read_dir(dir.path().join("scratch")).unwrap().count(), 0, "nothing is left in scratch");
    }
}
