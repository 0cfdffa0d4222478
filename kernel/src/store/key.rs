//! Names of objects. The only way to get one is to say what it is for.

use std::fmt;

use anyhow::{Result, bail};

use crate::id::{AssetId, CertificateId, JobId};

/// The name of one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// The folder of one attempt at one asset: fresh for every attempt, so that nothing is ever written over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(String);

impl Key {
    /// The stored bytes of an upload, named by their SHA-256.
    pub fn source(sha256: &[u8]) -> Self {
        Self(format!("sources/{}", hex::encode(sha256)))
    }

    /// A rendered certificate.
    pub fn certificate(id: CertificateId, job: JobId, attempt: i32) -> Self {
        Self(format!("certificates/{id}/{job}.{attempt}/certificate.pdf"))
    }

    /// An object for checking that the store works.
    pub fn probe(nonce: uuid::Uuid) -> Self {
        Self(format!("probes/{nonce}"))
    }

    /// An object in an attempt's folder. `name` is relative, of lower-case letters, digits and `-_./`.
    pub fn in_prefix(prefix: &Prefix, name: &str) -> Result<Self> {
        Self::parse(&format!("{}/{name}", prefix.0))
    }

    /// A key that was stored as text before. Refuses whatever no constructor makes.
    pub fn parse(text: &str) -> Result<Self> {
        let known = ["sources/", "assets/", "certificates/", "probes/"].iter().any(|root| text.starts_with(root));
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_./".contains(&b));
        let parts = text.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
        if !known || !plain || !parts || text.len() > 512 {
            bail!("not an object key: {text:?}");
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The SHA-256 (in hexadecimal) that a source's bytes must have; None for other objects.
    pub fn source_hash(&self) -> Option<&str> {
        self.0.strip_prefix("sources/")
    }

    /// The part after the last slash.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The attempt's folder this object lies in (`assets/<asset>/<job>.<attempt>`), or the key itself.
    pub fn scope(&self) -> &str {
        if !self.0.starts_with("assets/") {
            return &self.0;
        }
        let end = self.0.match_indices('/').nth(2).map_or(self.0.len(), |(at, _)| at);
        &self.0[..end]
    }
}

impl Prefix {
    /// The folder for what this attempt of this job makes of this asset.
    pub fn attempt(asset: AssetId, job: JobId, attempt: i32) -> Self {
        Self(format!("assets/{asset}/{job}.{attempt}"))
    }

    /// A prefix that was stored as text before.
    pub fn parse(text: &str) -> Result<Self> {
        let key = Key::parse(text)?;
        if key.scope() != text || text.matches('/').count() != 2 {
            bail!("not an attempt's prefix: {text:?}");
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_climbs_out_of_the_store() {
        for bad in ["", "/etc/passwd", "sources/../x", "assets//x", "assets/.hidden", "other/x", "assets/a b", "assets/é", "sources/x\n"] {
            assert!(Key::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_scope_of_a_segment_is_its_attempt() {
        let prefix = Prefix::attempt(AssetId::new(), JobId::new(), 3);
        let key = Key::in_prefix(&prefix, "hls/720p/seg-00001.m4s").unwrap();
        assert_eq!(key.scope(), prefix.as_str());
        assert_eq!(Prefix::parse(key.scope()).unwrap(), prefix);
        assert!(Prefix::parse(key.as_str()).is_err());
        let source = Key::source(&[7; 32]);
        assert_eq!(source.scope(), source.as_str());
    }
}
