//! Where the index lies on disk, and what state it is in.
//!
//! ```text
//! index/lock                 held by whoever writes or rebuilds
//! index/current -> v1-…      the one that is searched
//! index/v1-…/                an index of version 1
//! index/distrusted           present when a reader met damage: to be made again
//! ```
//! A rebuild works in a fresh folder and then replaces `current` by a rename: a reader finds the old index or the
//! whole new one.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tantivy::directory::META_LOCK;
use tantivy::{Directory, Index};
use uuid::Uuid;

use crate::schema::{Fields, VERSION, schema};
use crate::words;

const CURRENT: &str = "current";

/// The folder of the index.
#[derive(Clone, Debug)]
pub(crate) struct Root(PathBuf);

impl Root {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The index that is searched: None when there is none, or one of another version.
    pub(crate) fn current(&self) -> Option<PathBuf> {
        let name = fs::read_link(self.0.join(CURRENT)).ok()?;
        let ours = name.to_str()?.starts_with(&format!("v{VERSION}-"));
        ours.then(|| self.0.join(name))
    }

    /// Whether the index is missing, of another version, or has been found damaged.
    pub(crate) fn needs_rebuild(&self) -> bool {
        self.distrusted().exists() || !self.current().is_some_and(|folder| folder.join("meta.json").exists())
    }

    /// Leaves the word that the index is damaged.
    pub(crate) fn distrust(&self) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        File::create(self.distrusted()).map(drop)
    }

    /// A new, empty folder for an index of this version.
    pub(crate) fn fresh(&self) -> io::Result<PathBuf> {
        let folder = self.0.join(format!("v{VERSION}-{}", Uuid::now_v7().simple()));
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Makes `folder` the index that is searched and removes all others. For the holder of the lock.
    pub(crate) fn point_to(&self, folder: &Path) -> io::Result<()> {
        let name = folder.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let link = self.0.join(format!("{CURRENT}.{}", Uuid::now_v7().simple()));
        symlink(name, &link)?;
        fs::rename(&link, self.0.join(CURRENT))?;
        File::open(&self.0)?.sync_all()?;
        remove_if_there(&self.distrusted())?;
        self.sweep()
    }

    /// Removes what killed rebuilds left. For the holder of the lock.
    pub(crate) fn sweep(&self) -> io::Result<()> {
        let current = fs::read_link(self.0.join(CURRENT)).ok();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(&format!("{CURRENT}.")) {
                remove_if_there(&entry.path())?;
            } else if name.starts_with('v') && entry.file_type()?.is_dir() && current.as_deref() != Some(Path::new(&*name)) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    /// The lock on writing, if nobody on this machine holds it. It is given back with the file, or by dying.
    pub(crate) fn try_lock(&self) -> io::Result<Option<File>> {
        fs::create_dir_all(&self.0)?;
        let file = File::options().create(true).truncate(false).write(true).open(self.0.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn distrusted(&self) -> PathBuf {
        self.0.join("distrusted")
    }
}

/// Opens the index in `folder` and reads every byte of it against its checksums.
pub(crate) fn open(folder: &Path) -> Result<(Index, Fields), String> {
    let (wanted, fields) = schema();
    let index = Index::open_in_dir(folder).map_err(|error| error.to_string())?;
    if index.schema() != wanted {
        return Err("it has other fields than this program's".into());
    }
    // while we hold this, a writer in another process does not remove what we are about to read
    let _reading = index.directory().acquire_lock(&META_LOCK).map_err(|error| error.to_string())?;
    let damaged = index.validate_checksum().map_err(|error| error.to_string())?;
    if !damaged.is_empty() {
        return Err(format!("{} of its files are damaged", damaged.len()));
    }
    index.tokenizers().register(words::ANALYSER, words::analyser());
    Ok((index, fields))
}

/// Makes an empty index in `folder`.
pub(crate) fn create(folder: &Path) -> tantivy::Result<(Index, Fields)> {
    let (schema, fields) = schema();
    let index = Index::create_in_dir(folder, schema)?;
    index.tokenizers().register(words::ANALYSER, words::analyser());
    Ok((index, fields))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pointer_moves_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(&dir.path().join("index"));
        assert!(root.needs_rebuild());
        let first = root.fresh().unwrap();
        create(&first).unwrap();
        root.point_to(&first).unwrap();
        assert!(!root.needs_rebuild());
        assert_eq!(root.current(), Some(first.clone()));

        let abandoned = root.fresh().unwrap();
        let second = root.fresh().unwrap();
        create(&second).unwrap();
        root.point_to(&second).unwrap();
        assert_eq!(root.current(), Some(second));
        assert!(!first.exists() && !abandoned.exists());
    }

    #[test]
    fn an_index_of_another_version_is_none_of_ours() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        fs::create_dir(dir.path().join("v0-old")).unwrap();
        symlink("v0-old", dir.path().join(CURRENT)).unwrap();
        assert_eq!(root.current(), None);
        assert!(root.needs_rebuild());
    }

    #[test]
    fn distrust_lasts_until_a_new_index_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        let folder = root.fresh().unwrap();
        create(&folder).unwrap();
        root.point_to(&folder).unwrap();
        root.distrust().unwrap();
        assert!(root.needs_rebuild());
        root.point_to(&folder).unwrap();
        assert!(!root.needs_rebuild());
    }

    #[test]
    fn only_one_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        let held = root.try_lock().unwrap().expect("it is free");
        assert!(root.try_lock().unwrap().is_none());
        drop(held);
        assert!(root.try_lock().unwrap().is_some());
    }

    #[test]
    fn a_flipped_byte_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let (index, fields) = create(dir.path()).unwrap();
        let mut writer: tantivy::IndexWriter = index.writer_with_num_threads(1, 15_000_000).unwrap();
        let mut document = tantivy::TantivyDocument::default();
        document.add_text(fields.text, "gradient descent");
        writer.add_document(document).unwrap();
        writer.commit().unwrap();
        drop(writer);
        open(dir.path()).expect("it is well");
        let file =
            fs::read_dir(dir.path()).unwrap().flatten().map(|e| e.path()).find(|p| p.extension().is_some_and(|e| e == "idx")).unwrap();
        let mut bytes = fs::read(&file).unwrap();
        bytes[0] ^= 0xff;
        fs::write(&file, bytes).unwrap();
        assert!(open(dir.path()).unwrap_err().contains("damaged"));
    }
}
