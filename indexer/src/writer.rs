//! The one writer of the index. It is opened once and kept: opening it again for every change leaves half-merged
//! segments behind.
//!
//! Three things keep it the only one: within the process a mutex, on the machine a lock on a file (the kernel gives
//! it back when its holder dies), between machines a lease in Postgres. The lease belongs to the machine and folder,
//! so that a restarted process has it at once.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kernel::env::Env;
use kernel::leases::{self, Lease};
use tantivy::IndexWriter;
use tantivy::indexer::UserOperation;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::entry::Entry;
use crate::folder::{self, Root};
use crate::marks::Mark;
use crate::schema::Fields;

/// Memory for documents not yet written, in bytes.
const HEAP: usize = 50_000_000;
const LEASE: &str = "index-writer";
const LEASE_TTL: Duration = Duration::from_secs(60);
/// How long to wait for another writer, and how often to look.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The writer of a process. One per process and folder.
pub struct Writer {
    root: Root,
    holder: String,
    open: Mutex<Option<Open>>,
}

struct Open {
    folder: std::path::PathBuf,
    writer: IndexWriter,
    fields: Fields,
}

/// The right to write, until it is released.
pub(crate) struct Exclusive<'a> {
    env: &'a Env,
    pub root: &'a Root,
    open: MutexGuard<'a, Option<Open>>,
    lease: Lease,
    _lock: File,
}

/// A change of the index: what it is to hold of an asset from now on.
pub(crate) struct Change {
    pub mark: Mark,
    pub entry: Option<Entry>,
}

impl Writer {
    /// The writer of the index in this folder. Nothing is opened yet.
    pub fn new(path: &Path) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self { root: Root::new(path), holder: format!("{}:{}", host.trim(), path.display()), open: Mutex::new(None) }
    }

    /// Waits for the right to write.
    pub(crate) async fn exclusive<'a>(&'a self, env: &'a Env) -> Result<Exclusive<'a>> {
        let open = self.open.lock().await;
        let deadline = Instant::now() + PATIENCE;
        let lock = loop {
            match self.root.try_lock().with_context(|| format!("lock {}", self.root.path().display()))? {
                Some(lock) => break lock,
                None if Instant::now() > deadline => {
                    bail!("another process on this machine is writing the index in {}", self.root.path().display())
                }
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
        };
        let lease = loop {
            let mut conn = env.db.acquire().await?;
            match leases::acquire(&mut conn, LEASE, &self.holder, LEASE_TTL).await? {
                Some(lease) => break lease,
                None if Instant::now() > deadline => bail!("another machine is writing the index"),
                None => {
                    drop(conn);
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        };
        Ok(Exclusive { env, root: &self.root, open, lease, _lock: lock })
    }
}

impl Exclusive<'_> {
    /// Makes the lease last; fails when another machine has taken over.
    pub(crate) async fn renew(&self) -> Result<()> {
        let mut conn = self.env.db.acquire().await?;
        if !leases::renew(&mut conn, &self.lease, LEASE_TTL).await? {
            bail!("another machine has taken over the writing of the index");
        }
        Ok(())
    }

    /// Changes the index and commits. What fails half-way is as if it had not begun.
    pub(crate) async fn apply(&mut self, changes: Vec<Change>) -> Result<Vec<Change>> {
        let folder = self.root.current().context("there is no index to write to")?;
        // a rebuild by another process has moved the pointer: its folder is the one to write to
        let open = self.open.take().filter(|open| open.folder == folder);
        let (open, changes) = tokio::task::spawn_blocking(move || {
            let mut open = match open {
                Some(open) => open,
                None => Open::at(&folder)?,
            };
            for change in &changes {
                put(&open.writer, &open.fields, change.mark.asset_id, change.entry.as_ref())?;
            }
            kernel::crash_point!("index.written");
            open.writer.commit().context("commit the index")?;
            kernel::crash_point!("index.committed");
            anyhow::Ok((open, changes))
        })
        .await
        .context("write the index")??;
        *self.open = Some(open);
        Ok(changes)
    }

    /// Closes the writer: the folder it writes to is about to be replaced.
    pub(crate) fn close(&mut self) {
        *self.open = None;
    }

    /// Closes the writer for another process of this machine, and lets it finish its merges first.
    pub(crate) async fn hand_over(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        tokio::task::spawn_blocking(move || open.writer.wait_merging_threads()).await?.context("finish the merges of the index")
    }

    /// Gives the right back. Without this it is given back by time.
    pub(crate) async fn release(self) -> Result<()> {
        let mut conn = self.env.db.acquire().await?;
        leases::release(&mut conn, &self.lease).await
    }
}

impl Open {
    fn at(folder: &Path) -> Result<Self> {
        let (index, fields) = folder::open(folder).map_err(anyhow::Error::msg).context("open the index")?;
        let writer = open_writer(&index)?;
        Ok(Self { folder: folder.to_owned(), writer, fields })
    }
}

/// One thread: what limits is reading rows, and more threads make more small segments.
pub(crate) fn open_writer(index: &tantivy::Index) -> Result<IndexWriter> {
    let writer: IndexWriter = index.writer_with_num_threads(1, HEAP).context("open the writer of the index")?;
    writer.garbage_collect_files().wait().context("remove old files of the index")?;
    // tantivy 0.27 numbers its operations from the last commit's own number on. A deletion with that number counts as
    // done already in every segment which that commit deleted from, and a merge begun before the next commit (one that
    // a killed process left undone) loses it: the deleted document lives for ever. An empty run uses the number up.
    writer.run(std::iter::empty::<UserOperation>()).context("number the changes of the index")?;
    Ok(writer)
}

/// Replaces what the index holds of the asset; visible after a commit.
pub(crate) fn put(writer: &IndexWriter, fields: &Fields, asset: kernel::id::AssetId, entry: Option<&Entry>) -> Result<()> {
    writer.delete_term(fields.of_asset(asset));
    for document in entry.iter().flat_map(|entry| fields.documents(entry)) {
        writer.add_document(document).context("add a document to the index")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use kernel::id::{AssetId, CourseId};
    use tantivy::merge_policy::NoMergePolicy;
    use uuid::Uuid;

    use super::*;
    use crate::entry::Chunk;
    use crate::reader::Reader;

    /// An asset with this many chunks.
    fn entry(asset: u128, chunks: usize) -> Entry {
        let chunk = || Chunk { id: Uuid::now_v7(), heading_path: vec![], text: "gradient descent".into(), locator: serde_json::json!({}) };
        Entry {
            asset_id: AssetId(Uuid::from_u128(asset)),
            course_id: CourseId(Uuid::from_u128(1)),
            kind: "document".into(),
            title: "Lecture".into(),
            processing: true,
            chunks: (0..chunks).map(|_| chunk()).collect(),
        }
    }

    #[tokio::test]
    async fn a_second_process_of_the_machine_can_write_once_the_first_hands_over() {
        let test = kernel::testing::TestEnv::new().await;
        let path = &test.env.config.paths.index;
        let root = Root::new(path);
        let folder = root.fresh().unwrap();
        folder::create(&folder).unwrap();
        root.point_to(&folder).unwrap();
        // A writer each, as two processes have.
        let (one, other) = (Writer::new(path), Writer::new(path));
        let mut first = one.exclusive(&test.env).await.unwrap();
        first.apply(Vec::new()).await.unwrap();
        first.release().await.unwrap();
        let mut second = other.exclusive(&test.env).await.unwrap();
        assert!(second.apply(Vec::new()).await.is_err(), "the first keeps its writer open");
        second.release().await.unwrap();

        let mut first = one.exclusive(&test.env).await.unwrap();
        first.hand_over().await.unwrap();
        first.release().await.unwrap();
        let mut second = other.exclusive(&test.env).await.unwrap();
        second.apply(Vec::new()).await.unwrap();
    }

    #[test]
    fn the_first_change_after_dying_before_a_merge_replaces_what_was_there() {
        const FIRST: u128 = 100;
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        let folder = root.fresh().unwrap();
        let (index, fields) = folder::create(&folder).unwrap();
        let mut writer = open_writer(&index).unwrap();
        // a merge is due and does not happen, as when the process is killed
        writer.set_merge_policy(Box::new(NoMergePolicy));
        let commit = |writer: &mut IndexWriter, entries: &[Entry]| {
            for entry in entries {
                put(writer, &fields, entry.asset_id, Some(entry)).unwrap();
            }
            writer.commit().unwrap();
        };
        for asset in 0..8 {
            commit(&mut writer, &[entry(asset, 4)]);
        }
        // the last commit deletes from the segment that holds the old documents of the next change
        commit(&mut writer, &[entry(FIRST, 0), entry(101, 0), entry(102, 0)]);
        commit(&mut writer, &[entry(101, 4)]);
        drop(writer);

        let Open { mut writer, .. } = Open::at(&folder).unwrap();
        commit(&mut writer, &[entry(FIRST, 4)]);
        writer.wait_merging_threads().unwrap();
        root.point_to(&folder).unwrap();
        let reader = Reader::new(dir.path());
        assert!(reader.status().unwrap().segments < 9, "the merge took place");
        assert_eq!(reader.counts().unwrap()[&AssetId(Uuid::from_u128(FIRST))], 4);
    }
}
