//! Whether a file is a certificate that was issued here, byte for byte.
//!
//! The stored SHA-256 decides. The mark inside the file only tells a changed certificate from a stranger's file.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use kernel::env::Env;
use kernel::id::CertificateId;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use crate::marker;

/// The largest file that is looked at, in bytes. Ours have some 30 thousand.
pub const MAX_BYTES: usize = 5_000_000;

/// What is to be said of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Exactly the file that was issued.
    Valid { certificate_id: CertificateId },
    /// It names a certificate that exists, but its bytes are not those that were issued.
    Altered { certificate_id: CertificateId },
    /// No certificate of ours.
    Unknown,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Valid { certificate_id } => write!(f, "valid: this is certificate {certificate_id}, as it was issued"),
            Self::Altered { certificate_id } => {
                write!(f, "not valid: it says that it is certificate {certificate_id}, but it is not the file that was issued")
            }
            Self::Unknown => f.write_str("not valid: no such certificate was issued here"),
        }
    }
}

/// The verdict on a file's bytes.
pub async fn verify(db: &PgPool, bytes: Vec<u8>) -> Result<Verdict> {
    let (sha256, claimed) =
        tokio::task::spawn_blocking(move || (Sha256::digest(&bytes), marker::find(&bytes))).await.context("look at the file")?;
    let issued = sqlx::query_scalar!("select id from certificates where sha256 = $1", &sha256[..])
        .fetch_optional(db)
        .await
        .context("look up the hash")?;
    if let Some(id) = issued {
        return Ok(Verdict::Valid { certificate_id: id.into() });
    }
    let Some(claimed) = claimed else { return Ok(Verdict::Unknown) };
    let known = sqlx::query_scalar!("select 1 as \"one!\" from certificates where id = $1 and issued_at is not null", claimed.0)
        .fetch_optional(db)
        .await
        .context("look up the certificate")?;
    Ok(match known {
        Some(_) => Verdict::Altered { certificate_id: claimed },
        None => Verdict::Unknown,
    })
}

/// The verdict on a file, for the command line. Fails when the file cannot be read or has more than 5 MB.
pub async fn verify_file(env: &Env, path: &Path) -> Result<Verdict> {
    let size = tokio::fs::metadata(path).await.with_context(|| format!("read {}", path.display()))?.len();
    if size > MAX_BYTES as u64 {
        bail!("{} has {size} bytes; a certificate has at most {MAX_BYTES}", path.display());
    }
    let bytes = tokio::fs::read(path).await.with_context(|| format!("read {}", path.display()))?;
    verify(&env.db, bytes).await
}
