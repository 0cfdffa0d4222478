//! The index as a searcher sees it: opened when first asked, followed when it is committed to or swapped.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use kernel::id::AssetId;
use serde::Serialize;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, IndexReader, ReloadPolicy, Searcher, TERMINATED};
use uuid::Uuid;

use crate::folder::{self, Root};
use crate::question::Question;
use crate::schema::{Fields, VERSION};
use crate::search::{self, Found, Scope};

/// The index cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error("there is no full-text index of version {VERSION}")]
    Missing,
    #[error("the full-text index at {} is damaged: {why}", folder.display())]
    Damaged { folder: PathBuf, why: String },
}

/// What there is to say about an index that is well.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    pub version: u32,
    pub documents: u64,
    pub segments: usize,
    pub bytes: u64,
}

/// Asks the index. One per process; its methods block and belong on a blocking thread.
///
/// Before each question it looks whether the index has been committed to (two calls of the system): what was
/// committed before the question is found by it.
#[derive(Debug)]
pub struct Reader {
    root: Root,
    open: Mutex<Option<Open>>,
}

struct Open {
    folder: PathBuf,
    commit: Commit,
    reader: IndexReader,
    fields: Fields,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Open({})", self.folder.display())
    }
}

/// Which commit a `meta.json` belongs to: each one is a new file.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Commit {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Reader {
    /// A reader of the index in this folder. Nothing is opened yet, and there need not be an index yet.
    pub fn new(path: &Path) -> Self {
        Self { root: Root::new(path), open: Mutex::new(None) }
    }

    /// The best `depth` documents for the question inside the scope.
    pub fn search(&self, question: &Question, scope: Scope<'_>, depth: usize) -> Result<Found, Trouble> {
        let (searcher, fields, folder) = self.searcher()?;
        search::search(&searcher, &fields, question, scope, depth).map_err(|error| Trouble::Damaged { folder, why: error.to_string() })
    }

    /// How many chunks the index holds of each asset that it holds.
    pub fn counts(&self) -> Result<HashMap<AssetId, u64>, Trouble> {
        let (searcher, fields, folder) = self.searcher()?;
        let documents = count_by_asset(&searcher, &fields).map_err(|error| Trouble::Damaged { folder, why: error.to_string() })?;
        // one document of an asset stands for the asset itself
        Ok(documents.into_iter().map(|(asset, documents)| (asset, documents.saturating_sub(1))).collect())
    }

    /// Size and state; reads the index when it is opened for the first time.
    pub fn status(&self) -> Result<Status, Trouble> {
        let (searcher, _, folder) = self.searcher()?;
        let damaged = |error: &dyn std::fmt::Display| Trouble::Damaged { folder: folder.clone(), why: error.to_string() };
        Ok(Status {
            version: VERSION,
            documents: searcher.num_docs(),
            segments: searcher.segment_readers().len(),
            bytes: searcher.space_usage().map_err(|error| damaged(&error))?.total().get_bytes(),
        })
    }

    fn searcher(&self) -> Result<(Searcher, Fields, PathBuf), Trouble> {
        let mut slot = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // a rebuild may remove the folder between reading the pointer and opening what it points to
        let open = match self.follow(slot.take()) {
            Err(Trouble::Damaged { .. }) => self.follow(None)?,
            open => open?,
        };
        let found = (open.reader.searcher(), open.fields, open.folder.clone());
        *slot = Some(open);
        Ok(found)
    }

    fn follow(&self, open: Option<Open>) -> Result<Open, Trouble> {
        let folder = self.root.current().ok_or(Trouble::Missing)?;
        let damaged = |why: String| Trouble::Damaged { folder: folder.clone(), why };
        let commit = Commit::of(&folder).map_err(|error| damaged(error.to_string()))?;
        match open {
            Some(open) if open.folder == folder && open.commit == commit => Ok(open),
            Some(open) if open.folder == folder => {
                open.reader.reload().map_err(|error| damaged(error.to_string()))?;
                Ok(Open { commit, ..open })
            }
            _ => {
                let (index, fields) = folder::open(&folder).map_err(damaged)?;
                let reader = index
                    .reader_builder()
                    .reload_policy(ReloadPolicy::Manual)
                    .try_into()
                    .map_err(|error: tantivy::TantivyError| damaged(error.to_string()))?;
                Ok(Open { folder, commit, reader, fields })
            }
        }
    }
}

impl Commit {
    fn of(folder: &Path) -> std::io::Result<Self> {
        let meta = std::fs::metadata(folder.join("meta.json"))?;
        Ok(Self { inode: meta.ino(), bytes: meta.len(), modified: (meta.mtime(), meta.mtime_nsec()) })
    }
}

fn count_by_asset(searcher: &Searcher, fields: &Fields) -> tantivy::Result<HashMap<AssetId, u64>> {
    let mut counts = HashMap::new();
    for reader in searcher.segment_readers() {
        let inverted = reader.inverted_index(fields.asset_id)?;
        let mut terms = inverted.terms().stream()?;
        while terms.advance() {
            let Ok(asset) = Uuid::from_slice(terms.key()) else { continue };
            let mut postings = inverted.read_postings_from_terminfo(terms.value(), IndexRecordOption::Basic)?;
            let mut living = 0;
            let mut document = postings.doc();
            while document != TERMINATED {
                living += u64::from(!reader.is_deleted(document));
                document = postings.advance();
            }
            if living > 0 {
                *counts.entry(AssetId(asset)).or_default() += living;
            }
        }
    }
    Ok(counts)
}
