//! Backups: a repository is a folder of objects, which never change and are shared, and of snapshots of the rows.
//!
//! ```text
//! DIR/objects/<key>                    bytes of an object, copied once
//! DIR/snapshots/<time>/manifest.json   what belongs to this moment, each file with its SHA-256
//! DIR/snapshots/<time>/<table>.copy    rows, in PostgreSQL's text format of COPY
//! ```
//! The manifest's own hash stands beside it. A snapshot is written under another name and renamed when it is whole.

pub mod make;
pub mod restore;
mod tables;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

/// The format of what is written here. A restore reads this one only.
const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
const MANIFEST_HASH: &str = "manifest.json.sha256";
const SECRET: &str = "secret";

/// One moment of the whole.
#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// The program that made it.
    version: String,
    /// The database's clock when the rows were read.
    #[serde(with = "time::serde::rfc3339")]
    pub taken_at: OffsetDateTime,
    /// The last migration that the database had.
    migration: i64,
    /// In the order in which they can be filled.
    tables: Vec<Table>,
    sequences: Vec<Sequence>,
    pub objects: Vec<Object>,
    /// The data folder's secret is part of it; an installation with `security.secret` keeps that itself.
    secret: Option<FileHash>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Table {
    name: String,
    columns: Vec<String>,
    rows: u64,
    file: FileHash,
}

#[derive(Debug, Serialize, Deserialize)]
struct Sequence {
    name: String,
    value: i64,
}

/// An object that the rows refer to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Object {
    pub key: String,
    pub bytes: u64,
    /// In hex.
    sha256: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct FileHash {
    bytes: u64,
    /// In hex.
    sha256: String,
}

/// A folder of backups.
pub struct Repository {
    root: PathBuf,
}

impl Repository {
    /// The repository in this folder, whether it is there yet or not.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn object(&self, key: &str) -> PathBuf {
        self.root.join("objects").join(key)
    }

    fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    /// The newest snapshot, or the newest that is not younger than `at`: its folder and manifest.
    pub fn newest(&self, at: Option<OffsetDateTime>) -> Result<Option<(PathBuf, Manifest)>> {
        let entries = match fs::read_dir(self.snapshots()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("list {}", self.snapshots().display())),
        };
        let mut newest: Option<(PathBuf, Manifest)> = None;
        for entry in entries {
            let folder = entry.context("list the snapshots")?.path();
            if !folder.join(MANIFEST_HASH).exists() {
                continue; // one that was never finished
            }
            let manifest = read_manifest(&folder)?;
            let early_enough = at.is_none_or(|at| manifest.taken_at <= at);
            if early_enough && newest.as_ref().is_none_or(|(_, best)| manifest.taken_at > best.taken_at) {
                newest = Some((folder, manifest));
            }
        }
        Ok(newest)
    }
}

fn read_manifest(folder: &Path) -> Result<Manifest> {
    let path = folder.join(MANIFEST);
    let text = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let wanted = fs::read_to_string(folder.join(MANIFEST_HASH)).context("read the manifest's hash")?;
    let found = hex(&Sha256::digest(&text));
    ensure!(found == wanted.trim(), "{} is damaged: its SHA-256 is {found}, not {}", path.display(), wanted.trim());
    let manifest: Manifest = serde_json::from_slice(&text).with_context(|| format!("read {}", path.display()))?;
    if manifest.format != FORMAT {
        bail!("{} has format {}, this program reads format {FORMAT}", path.display(), manifest.format);
    }
    Ok(manifest)
}

fn write_manifest(folder: &Path, manifest: &Manifest) -> Result<()> {
    let text = serde_json::to_vec_pretty(manifest).context("manifest to json")?;
    write_durably(&folder.join(MANIFEST), &text)?;
    write_durably(&folder.join(MANIFEST_HASH), hex(&Sha256::digest(&text)).as_bytes())
}

fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().with_context(|| format!("write {}", path.display()))
}

/// Length and hash of a file.
fn hash_file(path: &Path) -> Result<FileHash> {
    let mut file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 18]);
    loop {
        let read = file.read(&mut buffer).with_context(|| format!("read {}", path.display()))?;
        if read == 0 {
            return Ok(FileHash { bytes, sha256: hex(&hash.finalize()) });
        }
        hash.update(&buffer[..read]);
        bytes += read as u64;
    }
}

/// Fails, and names the file, unless it is what the manifest says.
fn verify(path: &Path, bytes: u64, sha256: &str) -> Result<()> {
    let found = hash_file(path)?;
    ensure!(
        found.sha256 == sha256,
        "{} is damaged: {} bytes with SHA-256 {}, not {bytes} bytes with {sha256}",
        path.display(),
        found.bytes,
        found.sha256
    );
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
