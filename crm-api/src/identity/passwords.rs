//! Operators' passwords: Argon2id with the parameters OWASP recommends (the
//! library's defaults: 19 MiB, two passes), off the async threads, a few at once.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

/// The password could not be hashed: the system is out of memory or randomness.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct HashError;

/// Length of passwords in characters.
pub(crate) const LENGTH: std::ops::RangeInclusive<usize> = 10..=200;

/// Hashes and verifies. Clones share the bound.
#[derive(Clone)]
pub(crate) struct Passwords {
    permits: Arc<Semaphore>,
    /// Of no password: verified against when the account does not exist, so that
    /// an unknown e-mail takes as long as a wrong password.
    decoy: Arc<str>,
}

impl Passwords {
    pub(crate) fn new(at_once: u32) -> Result<Self, HashError> {
        let mut unguessable = [0_u8; 32];
        aws_lc_rs::rand::fill(&mut unguessable).map_err(|_| HashError)?;
        let decoy = hash(&SecretString::from(hex::encode(unguessable)))?;
        let permits = Arc::new(Semaphore::new(at_once.max(1) as usize));
        Ok(Self { permits, decoy: decoy.into() })
    }

    pub(crate) async fn hash(&self, password: SecretString) -> Result<String, HashError> {
        self.run(move || hash(&password)).await?
    }

    /// Whether `password` is the one of `stored`; without `stored`, a false that
    /// took as long.
    pub(crate) async fn verify(
        &self,
        password: SecretString,
        stored: Option<String>,
    ) -> Result<bool, HashError> {
        let exists = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.decoy.to_string());
        let matches = self
            .run(move || {
                PasswordHash::new(&stored).is_ok_and(|hash| {
                    Argon2::default()
                        .verify_password(password.expose_secret().as_bytes(), &hash)
                        .is_ok()
                })
            })
            .await?;
        Ok(exists && matches)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        // The permit goes with the work: a caller who hangs up does not free it early.
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| HashError)?;
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        })
        .await
        .map_err(|_| HashError)
    }
}

/// Hashes on this thread.
pub(crate) fn hash(password: &SecretString) -> Result<String, HashError> {
    Argon2::default()
        .hash_password(password.expose_secret().as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|_| HashError)
}
