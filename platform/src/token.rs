//! Verification of access tokens: EdDSA JWTs (RFC 7519, RFC 8037) by key set.
//!
//! The key set comes over the bus from whoever issues tokens and is cached; an
//! unknown key id asks for it again, at most once a second. The issuer is never
//! called on the hot path. The set, which is public, may be kept in a file, so that a
//! process that starts while the issuer is away knows the keys of yesterday.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::bus::Bus;

/// `iss` and `aud` of our own tokens.
pub const ISSUER: &str = "housecall";

const REFETCH_INTERVAL: Duration = Duration::from_secs(1);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    /// The person.
    pub sub: Uuid,
    /// The session: one signed-in device.
    pub sid: Uuid,
    /// `patient` or `operator`.
    pub kind: String,
    /// An operator's role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Seconds since the Unix epoch.
    pub iat: i64,
    pub exp: i64,
}

/// Why a token was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid")]
    Invalid,
    #[error("the keys that verify tokens cannot be had now")]
    KeysUnavailable,
}

/// Verifies access tokens. Cheap to clone.
#[derive(Clone)]
pub struct Verifier {
    shared: Arc<Shared>,
}

struct Shared {
    bus: Bus,
    subject: String,
    keys: RwLock<HashMap<String, DecodingKey>>,
    last_fetch: Mutex<Option<Fetch>>,
    file: Option<PathBuf>,
}

/// The last time the issuer was asked.
#[derive(Clone, Copy)]
struct Fetch {
    at: Instant,
    outcome: Result<(), TokenError>,
}

impl Verifier {
    /// Asks for the key set on `subject` of the bus when needed.
    pub fn new(bus: Bus, subject: impl Into<String>) -> Self {
        Self::with_file(bus, subject.into(), None)
    }

    /// As [`Self::new`]; keeps the set in a file too, and begins with what is in it.
    pub fn kept_in(bus: Bus, subject: impl Into<String>, file: PathBuf) -> Self {
        Self::with_file(bus, subject.into(), Some(file))
    }

    fn with_file(bus: Bus, subject: String, file: Option<PathBuf>) -> Self {
        let known = file.as_deref().and_then(read_set).map(|set| keys_of(&set));
        let keys = RwLock::new(known.unwrap_or_default());
        let shared = Shared { bus, subject, keys, last_fetch: Mutex::new(None), file };
        Self { shared: Arc::new(shared) }
    }

    /// Whether any token can be verified now.
    pub fn has_keys(&self) -> bool {
        !self.shared.keys.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Asks the issuer until it has answered once: keys from a file may be old.
    pub async fn fetch_first(&self) {
        while self.fetch().await.is_err() {
            tokio::time::sleep(REFETCH_INTERVAL).await;
        }
    }

    /// The token's claims, when its signature, issuer, audience and time are right.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        let key_id = header.kid.ok_or(TokenError::Invalid)?;
        let key = match self.cached(&key_id) {
            Some(key) => key,
            None => {
                self.fetch().await?;
                self.cached(&key_id).ok_or(TokenError::Invalid)?
            }
        };
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[ISSUER]);
        // Clocks of one deployment agree to a few seconds.
        validation.leeway = 5;
        match jsonwebtoken::decode::<Claims>(token, &key, &validation) {
            Ok(data) => Ok(data.claims),
            Err(error) => Err(match error.kind() {
                jsonwebtoken::errors::ErrorKind::ExpiredSignature => TokenError::Expired,
                _ => TokenError::Invalid,
            }),
        }
    }

    fn cached(&self, key_id: &str) -> Option<DecodingKey> {
        self.shared.keys.read().unwrap_or_else(PoisonError::into_inner).get(key_id).cloned()
    }

    /// Single flight: whoever waits for the lock finds the keys already fetched.
    #[expect(clippy::disallowed_methods, reason = "the shell's clock, for a refetch bound")]
    async fn fetch(&self) -> Result<(), TokenError> {
        let mut last_fetch = self.shared.last_fetch.lock().await;
        // An answer that failed is repeated for as long as one that did not: an issuer
        // that hangs must not hold up every hello in turn.
        if let Some(last) = last_fetch.filter(|last| last.at.elapsed() < REFETCH_INTERVAL) {
            return last.outcome;
        }
        let outcome = self.ask().await;
        *last_fetch = Some(Fetch { at: Instant::now(), outcome });
        outcome
    }

    async fn ask(&self) -> Result<(), TokenError> {
        let Shared { bus, subject, file, .. } = &*self.shared;
        let set: JwkSet = bus.request(subject, &(), REQUEST_TIMEOUT).await.map_err(|error| {
            tracing::warn!(%error, "key set");
            TokenError::KeysUnavailable
        })?;
        *self.shared.keys.write().unwrap_or_else(PoisonError::into_inner) = keys_of(&set);
        if let Some(file) = file
            && let Err(error) = write_set(file, &set)
        {
            tracing::warn!(%error, "the key set is not kept");
        }
        Ok(())
    }
}

fn keys_of(set: &JwkSet) -> HashMap<String, DecodingKey> {
    let keys = set.keys.iter().filter_map(|jwk| {
        let id = jwk.common.key_id.clone()?;
        DecodingKey::from_jwk(jwk).ok().map(|key| (id, key))
    });
    keys.collect()
}

/// Nothing when there is no such file, or half of one: then the issuer is asked.
fn read_set(file: &Path) -> Option<JwkSet> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

/// Beside it first: a process that dies meanwhile leaves the old one.
fn write_set(file: &Path, set: &JwkSet) -> std::io::Result<()> {
    let beside = file.with_extension("new");
    std::fs::write(&beside, serde_json::to_vec(set)?)?;
    std::fs::rename(beside, file)
}
