//! ONNX Runtime, loaded once per process from the path in the configuration.
//!
//! The `ort` crate panics when it has to find the library by itself and cannot, and allows one environment per
//! process, for ever: so the library is loaded here, by name, before anything else touches it, and the environment is
//! kept until the process ends.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;

/// Something that embedding needs is not there. Both parts are for the operator.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{what}: {fix}")]
pub struct Unavailable {
    /// What is missing or broken, with its path.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

impl Unavailable {
    pub(crate) fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into() }
    }
}

static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// The process's environment; the first call loads `library`, later ones use what it loaded.
pub(crate) fn environment(library: &Path) -> Result<Environment, Unavailable> {
    let install = "run `make setup`, or set assets.onnxruntime to a libonnxruntime.so of version 1.24 or newer";
    if !library.is_file() {
        return Err(Unavailable::new(format!("ONNX Runtime is not at {}", library.display()), install));
    }
    let mut slot = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = &*slot {
        return Ok(environment.clone());
    }
    let environment = ort::init_from(library)
        .map_err(|error| Unavailable::new(format!("cannot load {}: {error}", library.display()), install))?
        .with_name("learnhub")
        .with_telemetry(false)
        .build()
        .map_err(|error| Unavailable::new(format!("cannot start ONNX Runtime: {error}"), install))?;
    *slot = Some(environment.clone());
    Ok(environment)
}
