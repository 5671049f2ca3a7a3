//! Verification of access tokens: EdDSA JWTs (RFC 7519, RFC 8037) by key set.
//!
//! The key set comes over the bus from whoever issues tokens and is cached; an
//! unknown key id asks for it again, at most once a second. The issuer is never
//! called on the hot path.

use std::collections::HashMap;
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
    last_fetch: Mutex<Option<Instant>>,
}

impl Verifier {
    /// Asks for the key set on `subject` of the bus when needed.
    pub fn new(bus: Bus, subject: impl Into<String>) -> Self {
        Self {
            shared: Arc::new(Shared {
                bus,
                subject: subject.into(),
                keys: RwLock::default(),
                last_fetch: Mutex::new(None),
            }),
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
        if last_fetch.is_some_and(|at| at.elapsed() < REFETCH_INTERVAL) {
            return Ok(());
        }
        let set: JwkSet =
            self.shared.bus.request(&self.shared.subject, &(), REQUEST_TIMEOUT).await.map_err(
                |error| {
                    tracing::warn!(%error, "key set");
                    TokenError::KeysUnavailable
                },
            )?;
        *last_fetch = Some(Instant::now());
        let keys = set
            .keys
            .iter()
            .filter_map(|jwk| {
                let id = jwk.common.key_id.clone()?;
                DecodingKey::from_jwk(jwk).ok().map(|key| (id, key))
            })
            .collect();
        *self.shared.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }
}
