//! The way to the model: opened when somebody asks for it, and again when it was not there before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::config::Config;

use crate::model::Embedder;
use crate::runtime::Unavailable;

/// The model of this process. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Handle {
    config: Arc<Config>,
    open: Arc<Mutex<Option<Arc<Embedder>>>>,
    /// One at a time opens it, and the others find it open.
    opening: Arc<tokio::sync::Mutex<()>>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle({:?})", self.ready())
    }
}

impl Handle {
    /// The way to the configured model. Nothing is opened yet.
    pub fn new(config: Arc<Config>) -> Self {
        Self { config, open: Arc::default(), opening: Arc::default() }
    }

    /// A model that is open already.
    pub fn of(embedder: Arc<Embedder>, config: Arc<Config>) -> Self {
        let handle = Self::new(config);
        *handle.lock() = Some(embedder);
        handle
    }

    /// The model, if it is open. Costs nothing: this is what a search asks, which must not wait.
    pub fn ready(&self) -> Option<Arc<Embedder>> {
        self.lock().clone()
    }

    /// The model, opened now if it is not; takes about half a second then.
    pub async fn open(&self) -> Result<Arc<Embedder>, Unavailable> {
        let _one = self.opening.lock().await;
        if let Some(embedder) = self.ready() {
            return Ok(embedder);
        }
        let config = self.config.clone();
        let opened = tokio::task::spawn_blocking(move || Embedder::open(&config)).await;
        let opened = opened.unwrap_or_else(|gone| Err(Unavailable::new(format!("opening the model broke off: {gone}"), "report this")));
        let embedder = Arc::new(opened?);
        *self.lock() = Some(embedder.clone());
        Ok(embedder)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Embedder>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
