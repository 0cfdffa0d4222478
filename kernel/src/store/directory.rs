//! Objects as files of a directory: written beside, synced, then renamed into place.

use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Error, Result};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use sha2::{Digest, Sha256};

use super::{ByteStream, Key, Meta, ObjectStore, Presigned};
use crate::dependency::{Dependency, Down, storage_full};

/// The store of the embedded mode.
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// Opens the directory, making it if need be.
    pub fn open(root: &Path) -> Result<Self> {
        std::fs::create_dir_all(root.join(TEMPORARY)).with_context(|| format!("create {}", root.display()))?;
        Ok(Self { root: root.to_owned() })
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }
}

/// Half-written files lie here; [`Directory::list`] never shows them.
const TEMPORARY: &str = ".incoming";

/// Written to find out whether there is space: as much as a segment of a lecture, so that a disk on which nothing
/// useful fits does not pass for one with space.
const PROBE: usize = 1 << 20;

/// How much of a file is read at a time. It goes to the network from the buffer that it is read into.
const PIECE: u64 = 256 << 10;

/// What stands there, at most this much; nothing at the end of the file.
fn read_piece(file: &std::fs::File, from: u64, most: u64) -> std::io::Result<Bytes> {
    let left = file.metadata()?.len().saturating_sub(from);
    let mut piece = vec![0; most.min(left) as usize];
    let read = file.read_at(&mut piece, from)?;
    piece.truncate(read);
    Ok(piece.into())
}

/// Passes bytes on and hashes them on the way, if there is something to compare the hash with.
struct Hashing<'a> {
    to: &'a mut std::fs::File,
    hash: Option<Sha256>,
}

impl std::io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(bytes)?;
        if let Some(hash) = &mut self.hash {
            hash.update(&bytes[..written]);
        }
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// A full disk is nobody's mistake and may have space again later: whoever put something is to wait, not to give up.
fn may_be_full(error: Error) -> Error {
    if storage_full(&error) { error.context(Down(Dependency::Objects)) } else { error }
}

/// Writes through `fill` into a temporary file and makes it durable under its final name.
fn place(root: &Path, target: &Path, fill: impl FnOnce(&mut std::fs::File) -> std::io::Result<()>) -> Result<()> {
    let folder = target.parent().context("an object key has a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let mut file = tempfile::NamedTempFile::new_in(root.join(TEMPORARY)).context("create a temporary object")?;
    fill(file.as_file_mut()).with_context(|| format!("write {}", target.display()))?;
    // After a failed sync the pages may be lost and a second sync would lie: give up, the caller starts over.
    file.as_file().sync_all().with_context(|| format!("sync {}", target.display()))?;
    crate::crash_point!("object.written");
    let kept = file.persist(target).with_context(|| format!("rename to {}", target.display()))?;
    drop(kept);
    crate::crash_point!("object.placed");
    std::fs::File::open(folder).and_then(|dir| dir.sync_all()).with_context(|| format!("sync {}", folder.display()))
}

#[async_trait]
impl ObjectStore for Directory {
    async fn put_file(&self, key: &Key, path: &Path) -> Result<()> {
        let (root, target, path) = (self.root.clone(), self.path(key), path.to_owned());
        tokio::task::spawn_blocking(move || {
            let mut from = std::fs::File::open(&path).with_context(|| format!("open {}", path.display()))?;
            place(&root, &target, |to| std::io::copy(&mut from, to).map(drop)).map_err(may_be_full)
        })
        .await?
    }

    async fn put(&self, key: &Key, bytes: Bytes) -> Result<()> {
        let (root, target) = (self.root.clone(), self.path(key));
        tokio::task::spawn_blocking(move || place(&root, &target, |to| std::io::Write::write_all(to, &bytes)).map_err(may_be_full)).await?
    }

    async fn get(&self, key: &Key) -> Result<Bytes> {
        tokio::fs::read(self.path(key)).await.map(Bytes::from).with_context(|| format!("read object {key}"))
    }

    async fn fetch(&self, key: &Key, to: &Path) -> Result<u64> {
        let (from, to, key) = (self.path(key), to.to_owned(), key.clone());
        tokio::task::spawn_blocking(move || {
            let mut from = std::fs::File::open(&from).with_context(|| format!("fetch object {key}"))?;
            let copying = std::fs::File::create(&to).and_then(|mut to| {
                let mut to = Hashing { to: &mut to, hash: key.source_hash().map(|_| Sha256::new()) };
                let bytes = std::io::copy(&mut from, &mut to)?;
                Ok((bytes, to.hash))
            });
            let (bytes, hash) = copying.with_context(|| format!("fetch object {key} into {}", to.display()))?;
            let hash = hash.map(|hash| hex::encode(hash.finalize()));
            anyhow::ensure!(hash.as_deref() == key.source_hash(), "object {key} has other contents than its name says");
            Ok(bytes)
        })
        .await?
    }

    async fn open(&self, key: &Key, range: Option<Range<u64>>) -> Result<ByteStream> {
        let file = tokio::fs::File::open(self.path(key)).await.with_context(|| format!("open object {key}"))?;
        let range = range.unwrap_or(0..u64::MAX);
        let pieces = futures::stream::try_unfold((Arc::new(file.into_std().await), range), |(file, left)| async move {
            let most = PIECE.min(left.end.saturating_sub(left.start));
            if most == 0 {
                return Ok(None);
            }
            let (reading, from) = (file.clone(), left.start);
            let piece = tokio::task::spawn_blocking(move || read_piece(&reading, from, most)).await.map_err(std::io::Error::other)??;
            let next = from + piece.len() as u64..left.end;
            Ok((!piece.is_empty()).then_some((piece, (file, next))))
        });
        Ok(pieces.boxed())
    }

    async fn head(&self, key: &Key) -> Result<Option<Meta>> {
        match tokio::fs::metadata(self.path(key)).await {
            Ok(found) if found.is_file() => {
                Ok(Some(Meta { bytes: found.len(), modified: found.modified().context("age of object")?.into() }))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("look at object {key}")),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(Key, Meta)>> {
        let (root, prefix) = (self.root.clone(), prefix.trim_end_matches('/').to_owned());
        tokio::task::spawn_blocking(move || {
            let mut found = Vec::new();
            walk(&root, &root.join(prefix), &mut found)?;
            found.sort_by(|a: &(Key, Meta), b| a.0.cmp(&b.0));
            Ok(found)
        })
        .await?
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        let path = self.path(key);
        match tokio::fs::remove_file(&path).await {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("delete object {key}")),
        }
        // Folders are no objects: the last one out takes them along.
        let mut folder = path.parent();
        while let Some(dir) = folder.filter(|dir| *dir != self.root) {
            if tokio::fs::remove_dir(dir).await.is_err() {
                break;
            }
            folder = dir.parent();
        }
        Ok(())
    }

    async fn probe(&self) -> Result<()> {
        let root = self.root.clone();
        tokio::task::spawn_blocking(move || {
            let mut file = tempfile::tempfile_in(root.join(TEMPORARY))?;
            std::io::Write::write_all(&mut file, &vec![0; PROBE])?;
            file.sync_all()
        })
        .await?
        .context("write a probe into the objects' folder")
        .context(Down(Dependency::Objects))
    }

    async fn abort_stale_uploads(&self, untouched_for: Duration) -> Result<usize> {
        let folder = self.root.join(TEMPORARY);
        tokio::task::spawn_blocking(move || {
            let mut removed = 0;
            for entry in std::fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
                let path = entry.with_context(|| format!("list {}", folder.display()))?.path();
                // One that is gone by now was renamed into place by whoever was at it.
                let touched = std::fs::metadata(&path).and_then(|meta| meta.modified());
                let stale = touched.is_ok_and(|at| at.elapsed().is_ok_and(|age| age >= untouched_for));
                if stale && std::fs::remove_file(&path).is_ok() {
                    removed += 1;
                }
            }
            Ok(removed)
        })
        .await?
    }

    async fn presigned(&self, _: &Key, _: Presigned, _: Duration) -> Result<Option<String>> {
        Ok(None)
    }
}

fn walk(root: &Path, at: &Path, found: &mut Vec<(Key, Meta)>) -> Result<()> {
    let meta = match std::fs::metadata(at) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("look at {}", at.display())),
    };
    if meta.is_file() {
        let name = at.strip_prefix(root).context("object below the root")?.to_string_lossy().into_owned();
        // A file that is no object was put there by somebody else; it is not ours to list or delete.
        if let Ok(key) = Key::parse(&name) {
            found.push((key, Meta { bytes: meta.len(), modified: meta.modified().context("age")?.into() }));
        }
        return Ok(());
    }
    let entries = match std::fs::read_dir(at) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("list {}", at.display())),
    };
    for entry in entries {
        let entry = entry.with_context(|| format!("list {}", at.display()))?;
        if entry.file_name() != TEMPORARY {
            walk(root, &entry.path(), found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AssetId, JobId};
    use crate::store::Prefix;

    #[tokio::test]
    async fn what_is_put_can_be_read_whole_in_part_listed_and_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let store = Directory::open(dir.path()).unwrap();
        let asset = AssetId::new();
        let prefix = Prefix::attempt(asset, JobId::new(), 1);
        let key = Key::in_prefix(&prefix, "hls/master.m3u8").unwrap();
        assert_eq!(store.head(&key).await.unwrap(), None);
        assert!(store.get(&key).await.is_err());
        store.put(&key, Bytes::from_static(b"0123456789")).await.unwrap();
        assert_eq!(store.get(&key).await.unwrap(), "0123456789");
        let part: Vec<Bytes> = store.open(&key, Some(2..5)).await.unwrap().map(|b| b.unwrap()).collect().await;
        assert_eq!(part.concat(), b"234");
        assert_eq!(store.head(&key).await.unwrap().unwrap().bytes, 10);
        let listed = store.list(&format!("assets/{asset}")).await.unwrap();
        assert_eq!(listed.iter().map(|(k, _)| k.clone()).collect::<Vec<_>>(), std::slice::from_ref(&key));
        store.delete(&key).await.unwrap();
        store.delete(&key).await.unwrap();
        assert!(store.list("assets").await.unwrap().is_empty());
        assert!(!dir.path().join("assets").exists(), "empty folders go");
    }
}
