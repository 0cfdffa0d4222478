//! Passwords: argon2id with the parameters that OWASP's Password Storage Cheat Sheet names first (19 MiB, two passes, one lane).
//!
//! Hashing is slow on purpose, so it runs outside of the async threads and in no more places at once than there
//! are cores: a flood of sign-ins queues up instead of taking 19 MiB each.

use std::sync::LazyLock;

use anyhow::{Context, Result, anyhow};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

/// The hash of a password that nobody knows, checked when there is no such account: the answer then takes as long
/// as for an account that exists.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdCEh$f1FmmqIZjYvG1XWLbjXn6vyFJTiXf5JbZnDSQ3jQGk0";

static CORES: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)));

/// The hash of a password, as a PHC string.
pub async fn hash(password: String) -> Result<String> {
    aside(move || Ok(Argon2::default().hash_password(password.as_bytes()).map_err(|e| anyhow!("hash a password: {e}"))?.to_string())).await
}

/// Whether the password is the one that was hashed. Without a hash it is never right, and takes as long to say.
pub async fn matches(password: String, hash: Option<String>) -> Result<bool> {
    aside(move || {
        let stored = hash.as_deref().unwrap_or(NOBODY);
        let parsed = PasswordHash::new(stored).map_err(|e| anyhow!("read a stored password hash: {e}"))?;
        Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && hash.is_some())
    })
    .await
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let _core = CORES.acquire().await.context("the password semaphore is never closed")?;
    tokio::task::spawn_blocking(work).await.context("hash a password")?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let hash = hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(matches("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!matches("correct horsf".into(), Some(hash)).await.unwrap());
        assert!(!matches("anything".into(), None).await.unwrap());
    }

    #[test]
    fn an_unknown_account_costs_the_same_work() {
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let real = Argon2::default().hash_password(b"x").unwrap();
        assert_eq!((nobody.algorithm, nobody.version, nobody.params), (real.algorithm, real.version, real.params));
        assert_eq!(nobody.hash.unwrap().len(), real.hash.unwrap().len());
    }
}
