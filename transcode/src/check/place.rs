//! Where a package lies: a folder here, a server in `http`. The rules ask for bytes and never know which.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use url::Url;

use super::playlist::Range;

/// Somewhere to get files from.
pub trait Place {
    /// The bytes behind an address, or a part of them.
    ///
    /// # Errors
    /// See [`Refusal`].
    fn get(&mut self, address: &Url, range: Option<Range>) -> Result<Answer, Refusal>;
}

/// What came.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Without the compression of the transport.
    pub bytes: Vec<u8>,
    /// How it was served; `None` for a file.
    pub head: Option<Head>,
}

/// What a server said along with the bytes.
#[derive(Debug, Clone, Default)]
pub struct Head {
    pub content_type: String,
    pub content_encoding: String,
    /// Where a redirect led.
    pub redirected: Option<String>,
}

/// Why nothing came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Not there, or not to be read.
    Missing(String),
    /// The range goes beyond the file, which has so many bytes.
    Beyond(u64),
}

/// Larger files are no playlists and no segments.
pub const LARGEST: u64 = 1 << 30;

/// The address of the multivariant playlist of a folder, or of a playlist's own file.
///
/// # Errors
/// When there is no such file.
pub fn start(path: &Path) -> Result<(Folder, Url)> {
    let file = if path.is_dir() { path.join(crate::playlist::MASTER) } else { path.to_owned() };
    if !file.is_file() {
        bail!("{} is not there", file.display());
    }
    let file = file.canonicalize().with_context(|| format!("read {}", file.display()))?;
    let root = file.parent().context("a file lies in a folder")?.to_owned();
    let Ok(address) = Url::from_file_path(&file) else { bail!("{} has no address", file.display()) };
    Ok((Folder { root }, address))
}

/// A package on this machine.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Place for Folder {
    fn get(&mut self, address: &Url, range: Option<Range>) -> Result<Answer, Refusal> {
        let missing = |why: &dyn std::fmt::Display| Refusal::Missing(why.to_string());
        if address.scheme() != "file" {
            return Err(missing(&"another place than the folder"));
        }
        let path = address.to_file_path().map_err(|()| missing(&"no path of a file"))?;
        let path = path.canonicalize().map_err(|error| missing(&error))?;
        if !path.starts_with(&self.root) {
            return Err(missing(&"outside of the folder"));
        }
        let mut file = File::open(&path).map_err(|error| missing(&error))?;
        let size = file.metadata().map_err(|error| missing(&error))?.len();
        let Range { start, length } = range.unwrap_or(Range { start: 0, length: size });
        if start.saturating_add(length) > size {
            return Err(Refusal::Beyond(size));
        }
        if length > LARGEST {
            return Err(missing(&format!("{length} bytes are too many")));
        }
        let mut bytes = Vec::with_capacity(length as usize);
        file.seek(SeekFrom::Start(start)).map_err(|error| missing(&error))?;
        file.take(length).read_to_end(&mut bytes).map_err(|error| missing(&error))?;
        Ok(Answer { bytes, head: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_what_is_in_it_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("package");
        std::fs::create_dir(&package).unwrap();
        assert!(start(&package).is_err());
        std::fs::write(package.join("master.m3u8"), "0123456789").unwrap();
        std::fs::write(dir.path().join("secret"), "x").unwrap();
        let (mut folder, address) = start(&package).unwrap();
        assert_eq!(folder.get(&address, Some(Range { start: 2, length: 3 })).unwrap().bytes, b"234");
        assert_eq!(folder.get(&address, Some(Range { start: 9, length: 3 })).unwrap_err(), Refusal::Beyond(10));
        for elsewhere in ["../secret", "none", "http://127.0.0.1/x", "/etc/passwd"] {
            let refused = folder.get(&address.join(elsewhere).unwrap(), None).unwrap_err();
            assert!(matches!(refused, Refusal::Missing(_)), "{elsewhere}");
        }
    }
}
