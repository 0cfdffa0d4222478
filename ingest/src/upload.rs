//! Uploads: bytes in, one asset out.
//!
//! Owns the way from a stream of bytes to a stored source, an `assets` row and the first event, for HTTP and for the
//! command line alike. It does not look at what the bytes are: that is `ingest_upload`, a job, so that every accepted
//! upload ends published or failed with a reason that stays visible.

use std::io;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use kernel::env::Env;
use kernel::events::{self, Cause};
use kernel::id::{AccountId, AssetId, CourseId};
use kernel::pipeline::Event;
use kernel::store::{Received, sources};
use time::OffsetDateTime;
use tokio_util::io::ReaderStream;

use crate::replace::{self, Replacement};

/// Longest file name, in characters; more than any file system takes.
const MAX_NAME: usize = 255;
/// Longest title, in characters.
const MAX_TITLE: usize = 200;
/// A client that sends nothing for this long is gone.
const SILENCE: Duration = Duration::from_secs(60);
/// Bytes taken of a body that is refused.
const READ_A_LITTLE: usize = 1 << 20;
/// Bytes read at once from a local file.
const PIECE: usize = 256 * 1024;

/// What an upload is to become.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    pub course_id: CourseId,
    pub owner_id: AccountId,
    /// As the client sent it: kept word for word, shown, never a path.
    pub file_name: String,
    /// None: made of the file name.
    pub title: Option<String>,
    /// Captions: the recording they belong to.
    pub captions_for: Option<AssetId>,
}

/// An asset that has just been made.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    pub asset_id: AssetId,
    pub title: String,
    pub created_at: OffsetDateTime,
}

/// Why an upload was not taken. Nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("this file is larger than {:.1} MB, the most this server takes", *.limit as f64 / 1e6)]
    TooLarge { limit: u64 },
    #[error("the upload broke off before the end; send it again")]
    Incomplete,
    #[error("nothing came for a minute; the upload was given up, send it again")]
    Stalled,
    #[error("the file is empty")]
    Empty,
    #[error("the bytes that arrived have another SHA-256 than announced; send the file again")]
    ChecksumMismatch,
    #[error("the server's disk is full; tell its operator, and try again later")]
    DiskFull,
    #[error("a file name has 1 to 255 characters and no null character")]
    Name,
    #[error("a title has at most 200 characters and no null character")]
    Title,
    #[error("captions belong to a recording of the same course")]
    CaptionsFor,
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

impl UploadError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "upload_too_large",
            Self::Incomplete => "upload_incomplete",
            Self::Stalled => "upload_stalled",
            Self::Empty => "empty_file",
            Self::ChecksumMismatch => "checksum_mismatch",
            Self::DiskFull => "disk_full",
            Self::Name => "file_name_invalid",
            Self::Title => "title_invalid",
            Self::CaptionsFor => "captions_for_invalid",
            Self::Internal(_) => "internal",
        }
    }

    /// Tells a full disk from other trouble of ours.
    pub(crate) fn from_storage(error: anyhow::Error) -> Self {
        let is_full = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(is_disk_full);
        if is_full { Self::DiskFull } else { Self::Internal(error) }
    }
}

fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// What the command line shows of a refused file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub code: &'static str,
    pub reason: String,
}

/// Stores one local file as an asset of the course.
///
/// # Errors
/// Outer: the file cannot be read, or the server fails. Inner: the file is not taken, with code and sentence.
pub async fn store_path(
    env: &Env,
    course_id: CourseId,
    owner_id: AccountId,
    path: &Path,
    cause: &Cause,
) -> Result<Result<AssetId, Rejected>> {
    let intent = Intent { course_id, owner_id, file_name: name_of(path), title: None, captions_for: None };
    let stored = async { Ok(accept(env, &intent, receive_path(env, path).await?, cause).await?.asset_id) };
    told(stored.await, path)
}

/// As [`store_path`], for a file that is to take an asset's place; answers the asset that is being made of it.
///
/// # Errors
/// As [`store_path`].
pub async fn replace_by_path(
    env: &Env,
    asset_id: AssetId,
    owner_id: AccountId,
    path: &Path,
    cause: &Cause,
) -> Result<Result<AssetId, Rejected>> {
    let replacement = Replacement { asset_id, owner_id, file_name: name_of(path) };
    let stored = async { Ok(replace::accept(env, &replacement, receive_path(env, path).await?, cause).await?.asset_id) };
    told(stored.await, path)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().chars().take(MAX_NAME).collect()
}

async fn receive_path(env: &Env, path: &Path) -> Result<Received, UploadError> {
    let file = tokio::fs::File::open(path).await.with_context(|| format!("open {}", path.display()))?;
    let bytes = file.metadata().await.with_context(|| format!("look at {}", path.display()))?.len();
    receive(env, ReaderStream::with_capacity(file, PIECE), Some(bytes)).await
}

fn told(stored: Result<AssetId, UploadError>, path: &Path) -> Result<Result<AssetId, Rejected>> {
    match stored {
        Ok(asset_id) => Ok(Ok(asset_id)),
        Err(UploadError::Internal(error)) => Err(error.context(format!("store {}", path.display()))),
        Err(refused) => Ok(Err(Rejected { code: refused.code(), reason: refused.to_string() })),
    }
}

/// Takes a stream to its end, under the size limit, hashing as it comes. `declared` is the length announced.
pub async fn receive<E>(env: &Env, stream: impl Stream<Item = Result<Bytes, E>>, declared: Option<u64>) -> Result<Received, UploadError> {
    let limit = env.config.limits.upload_bytes;
    let mut stream = pin!(stream);
    if declared.is_some_and(|bytes| bytes > limit) {
        read_a_little(stream).await;
        return Err(UploadError::TooLarge { limit });
    }
    let mut incoming = env.incoming().await.map_err(UploadError::from_storage)?;
    loop {
        let piece = match tokio::time::timeout(SILENCE, stream.next()).await {
            Err(_) => return Err(UploadError::Stalled),
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(UploadError::Incomplete),
            Ok(Some(Ok(piece))) => piece,
        };
        if incoming.bytes() + piece.len() as u64 > limit {
            read_a_little(stream).await;
            return Err(UploadError::TooLarge { limit });
        }
        incoming.write(&piece).await.map_err(|error| UploadError::from_storage(error.into()))?;
    }
    let received = incoming.finish().await.map_err(UploadError::from_storage)?;
    match declared {
        _ if received.bytes == 0 => Err(UploadError::Empty),
        Some(bytes) if bytes != received.bytes => Err(UploadError::Incomplete),
        _ => Ok(received),
    }
}

/// A client that is still sending may never see the answer if the connection is closed on it: what is on its way
/// already is taken and forgotten, within reason.
async fn read_a_little<E>(mut stream: impl Stream<Item = Result<Bytes, E>> + Unpin) {
    let taking = async {
        let mut taken = 0;
        while let Some(Ok(piece)) = stream.next().await {
            taken += piece.len();
            if taken > READ_A_LITTLE {
                break;
            }
        }
    };
    // Whether it came to an end or not, the answer is the same.
    let _ = tokio::time::timeout(Duration::from_secs(1), taking).await;
}

/// Stores what was received and makes the asset. When this returns, the bytes and the row survive a power cut.
pub async fn accept(env: &Env, intent: &Intent, received: Received, cause: &Cause) -> Result<Accepted, UploadError> {
    let title = check(intent)?;
    check_parent(env, intent).await?;
    // Gigabytes are copied and synced before the transaction, not in it.
    received.store(env.store.as_ref()).await.map_err(UploadError::from_storage)?;
    kernel::crash_point!("upload.stored");
    let accepted = Accepted { asset_id: AssetId::new(), title, created_at: env.clock.now() };
    record(env, intent, &accepted, &received, cause).await?;
    kernel::crash_point!("upload.committed");
    Ok(accepted)
}

/// One transaction: source, asset, event and with it the first job.
async fn record(env: &Env, intent: &Intent, accepted: &Accepted, received: &Received, cause: &Cause) -> Result<()> {
    let mut tx = env.db.begin().await.context("begin an asset")?;
    sources::record(&mut tx, env.store.as_ref(), received).await?;
    sqlx::query!(
        "insert into assets (id, course_id, owner_id, parent_id, file_name, title, source_sha256, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        accepted.asset_id.0,
        intent.course_id.0,
        intent.owner_id.0,
        intent.captions_for.map(|id| id.0),
        intent.file_name,
        accepted.title,
        &received.sha256[..],
        accepted.created_at,
    )
    .execute(&mut *tx)
    .await
    .context("insert an asset")?;
    events::record(&mut tx, &Event::Uploaded { asset_id: accepted.asset_id }, cause).await?;
    kernel::crash_point!("upload.recorded");
    tx.commit().await.context("commit an asset")
}

/// The title that the asset will have.
fn check(intent: &Intent) -> Result<String, UploadError> {
    check_name(&intent.file_name)?;
    match intent.title.as_deref().map(str::trim).filter(|title| !title.is_empty()) {
        Some(title) if fits(title, MAX_TITLE) => Ok(title.to_owned()),
        Some(_) => Err(UploadError::Title),
        None => Ok(title_of(&intent.file_name)),
    }
}

/// Whether a file can be called so.
pub(crate) fn check_name(name: &str) -> Result<(), UploadError> {
    if name.is_empty() || !fits(name, MAX_NAME) { Err(UploadError::Name) } else { Ok(()) }
}

fn fits(text: &str, most: usize) -> bool {
    !text.contains('\0') && text.chars().count() <= most
}

async fn check_parent(env: &Env, intent: &Intent) -> Result<(), UploadError> {
    let Some(parent) = intent.captions_for else { return Ok(()) };
    let fits = sqlx::query_scalar!(
        "select exists (select 1 from assets where id = $1 and course_id = $2 and version_of is null and (kind is null or kind in ('video', 'audio'))) as \"fits!\"",
        parent.0,
        intent.course_id.0,
    )
    .fetch_one(&env.db)
    .await
    .context("look for the recording of captions")?;
    if fits { Ok(()) } else { Err(UploadError::CaptionsFor) }
}

/// A readable title: the last part of the name, without its ending, on one line.
fn title_of(file_name: &str) -> String {
    let name = file_name.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && ending.len() <= 8 => stem,
        _ => name,
    };
    let printable: String = stem.chars().map(|c| if c.is_control() || c == '_' { ' ' } else { c }).collect();
    let title: String = printable.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_TITLE).collect();
    if title.is_empty() { "Untitled".into() } else { title }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_made_of_names_and_never_of_paths() {
        for (name, title) in [
            ("Week 3_heaps.pdf", "Week 3 heaps"),
            ("../../etc/passwd", "passwd"),
            ("C:\\talks\\intro.final.mp4", "intro.final"),
            ("a\"quoted\"\nname.md", "a\"quoted\" name"),
            (".bashrc", ".bashrc"),
            ("///", "Untitled"),
            ("no ending at all. Really", "no ending at all"),
        ] {
            assert_eq!(title_of(name), title, "{name:?}");
        }
        assert_eq!(title_of(&"x".repeat(300)).len(), MAX_TITLE);
    }

    #[test]
    fn full_disk_is_told_from_other_trouble() {
        let full = anyhow::Error::from(io::Error::from(io::ErrorKind::StorageFull)).context("write the upload");
        assert_eq!(UploadError::from_storage(full).code(), "disk_full");
        assert_eq!(UploadError::from_storage(anyhow::anyhow!("other")).code(), "internal");
    }
}
