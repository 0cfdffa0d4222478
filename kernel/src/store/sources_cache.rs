//! Sources that several jobs of a host read: fetched once, and linked into the scratch folder of each job. Objects never change
//! under their key, so what is here is right for ever; what nobody has asked for in a while, the janitor sweeps as any other
//! scratch file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use anyhow::{Context, Result};

use super::{Key, ObjectStore};

/// A host's fetched sources.
#[derive(Debug)]
pub struct SourcesCache {
    scratch: PathBuf,
    /// Who fetches a source now: others of this process wait for it. Two processes may both fetch one; either copy is right.
    fetching: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

/// Before the hash, in the names of files.
const PREFIX: &str = "source.";

impl SourcesCache {
    /// Keeps its files in the scratch folder.
    pub fn new(scratch: PathBuf) -> Self {
        Self { scratch, fetching: Mutex::default() }
    }

    /// Puts a source at `to`, on the same disk as the scratch folder; answers its length in bytes. The file is shared: it must
    /// not be written to.
    pub async fn link(&self, store: &dyn ObjectStore, key: &Key, to: &Path) -> Result<u64> {
        let turn = self.turn(key.as_str());
        let _turn = turn.lock().await;
        let kept = self.scratch.join(format!("{PREFIX}{}", key.file_name()));
        if !kept.exists() {
            let arriving = tempfile::Builder::new().prefix("fetch.").tempdir_in(&self.scratch).context("make a folder to fetch into")?;
            let fetched = arriving.path().join("source");
            store.fetch(key, &fetched).await?;
            std::fs::rename(&fetched, &kept).with_context(|| format!("keep {}", kept.display()))?;
        }
        // The janitor goes by the age.
        let file = std::fs::File::options().append(true).open(&kept).with_context(|| format!("open {}", kept.display()))?;
        file.set_modified(SystemTime::now()).with_context(|| format!("touch {}", kept.display()))?;
        std::fs::hard_link(&kept, to).with_context(|| format!("link {} to {}", kept.display(), to.display()))?;
        Ok(file.metadata().context("look at a source")?.len())
    }

    fn turn(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = all.get(name).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(tokio::sync::Mutex::new(()));
        all.insert(name.to_owned(), Arc::downgrade(&turn));
        turn
    }
}
