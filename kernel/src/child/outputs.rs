//! The files that a child says it has made: listed by the child with length and hash, checked by the parent before
//! anything is stored. A disk that filled up, or a child that lies, is noticed here.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ending::{self, code};
use crate::jobs::Failure;

/// One file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Relative to the folder of the outputs.
    pub path: String,
    pub bytes: u64,
    /// Hexadecimal.
    pub sha256: String,
}

/// The child's side: what these files of `dir` hold.
///
/// # Errors
/// When one is missing or cannot be read.
pub fn list(dir: &Path, paths: impl IntoIterator<Item = String>) -> io::Result<Vec<Output>> {
    paths.into_iter().map(|path| describe(dir, path)).collect()
}

/// The parent's side: are they all there, as they were listed, as plain files inside `dir`?
///
/// # Errors
/// Transient when one is missing, shortened, changed or no plain file.
pub async fn check(dir: &Path, outputs: Vec<Output>) -> Result<(), Failure> {
    let dir = dir.to_owned();
    tokio::task::spawn_blocking(move || {
        outputs.iter().try_for_each(|output| {
            let seen = describe(&dir, output.path.clone()).map_err(|error| incomplete(&output.path, &error.to_string()))?;
            if seen == *output {
                Ok(())
            } else {
                Err(incomplete(&output.path, &format!("{} bytes instead of {}", seen.bytes, output.bytes)))
            }
        })
    })
    .await?
}

fn incomplete(path: &str, detail: &str) -> Failure {
    ending::failure(code::OUTPUT_INCOMPLETE).with_detail(format!("{path}: {detail}"))
}

fn describe(dir: &Path, path: String) -> io::Result<Output> {
    let inside: PathBuf = Path::new(&path).components().filter(|part| matches!(part, Component::Normal(_))).collect();
    if inside != Path::new(&path) {
        return Err(io::Error::other("not a path inside the folder"));
    }
    let full = dir.join(&inside);
    if !fs::symlink_metadata(&full)?.is_file() {
        return Err(io::Error::other("not a plain file"));
    }
    let mut file = File::open(full)?;
    let (mut hash, mut buffer, mut bytes) = (Sha256::new(), vec![0; 64 << 10], 0);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(Output { path, bytes, sha256: hex::encode(hash.finalize()) });
        }
        hash.update(&buffer[..read]);
        bytes += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_missing_shortened_changed_or_elsewhere_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let write = |text: &str| fs::write(dir.path().join("a"), text).unwrap();
        write("whole");
        let listed = list(dir.path(), ["a".to_owned()]).unwrap();
        check(dir.path(), listed.clone()).await.unwrap();
        for spoilt in ["whol", "wh0le", "whole and more"] {
            write(spoilt);
            assert_eq!(check(dir.path(), listed.clone()).await.unwrap_err().code, code::OUTPUT_INCOMPLETE, "{spoilt}");
        }
        fs::remove_file(dir.path().join("a")).unwrap();
        assert!(check(dir.path(), listed.clone()).await.is_err());
        fs::write(dir.path().join("b"), "whole").unwrap();
        std::os::unix::fs::symlink("b", dir.path().join("a")).unwrap();
        assert!(check(dir.path(), listed).await.unwrap_err().detail.unwrap().contains("plain file"));
        for outside in ["../b", "/etc/passwd", "./b"] {
            assert!(list(dir.path(), [outside.to_owned()]).is_err(), "{outside}");
        }
    }
}
