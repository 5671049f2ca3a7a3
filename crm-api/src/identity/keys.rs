//! The keys that sign access tokens: Ed25519 (RFC 8037), kept in the database so
//! that every process signs with the same one.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use housecall_platform::postgres::Pool;
use housecall_platform::token::{Claims, ISSUER};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::{Digest, Sha256};

use crate::storage::{self, StorageError};

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("storage of signing keys: {0}")]
    Storage(String),
    #[error("the system's cryptography refused to make a key")]
    Generate,
    #[error("a stored signing key cannot be read")]
    Unreadable,
    #[error("the token could not be signed: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

impl From<StorageError> for KeyError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error.to_string())
    }
}

impl From<tokio_postgres::Error> for KeyError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Storage(error.to_string())
    }
}

/// The current signing key and the set that verifies.
pub(crate) struct Keys {
    id: String,
    signing: EncodingKey,
    set: JwkSet,
    code_secret: hmac::Key,
}

impl Keys {
    /// Reads the keys; makes the first one when there is none. Processes that
    /// start together agree, since the check and the insert hold a lock.
    pub(crate) async fn load(pool: &Pool) -> Result<Self, KeyError> {
        let mut client = pool.get().await.map_err(StorageError::from)?;
        let transaction = client.transaction().await?;
        storage::keys::lock(&transaction).await?;
        let mut rows = storage::keys::list(&transaction).await?;
        if rows.iter().all(|row| row.retired) {
            let (id, der, jwk) = generate()?;
            storage::keys::insert(&transaction, &id, &der, &jwk).await?;
            rows = storage::keys::list(&transaction).await?;
        }
        transaction.commit().await?;
        Self::from_rows(&rows)
    }

    fn from_rows(rows: &[storage::keys::KeyRow]) -> Result<Self, KeyError> {
        let current = rows.iter().find(|row| !row.retired).ok_or(KeyError::Unreadable)?;
        Ed25519KeyPair::from_pkcs8(&current.private_der).map_err(|_| KeyError::Unreadable)?;
        let keys = rows
            .iter()
            .map(|row| serde_json::from_value::<Jwk>(row.public_jwk.clone()))
            .collect::<Result<_, _>>()
            .map_err(|_| KeyError::Unreadable)?;
        Ok(Self {
            id: current.id.clone(),
            signing: EncodingKey::from_ed_der(&current.private_der),
            set: JwkSet { keys },
            code_secret: derive_code_secret(&current.private_der),
        })
    }

    /// The public keys, as `/.well-known/jwks.json` shows them.
    pub(crate) const fn set(&self) -> &JwkSet {
        &self.set
    }

    /// A signed access token; `iss` and `aud` are filled in here.
    pub(crate) fn sign(&self, claims: Claims) -> Result<String, KeyError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.id.clone());
        let claims = Claims { iss: ISSUER.to_owned(), aud: ISSUER.to_owned(), ..claims };
        Ok(jsonwebtoken::encode(&header, &claims, &self.signing)?)
    }

    /// The key under which one-time codes are stored: a stolen table of codes
    /// is worthless without it, though there are only a million codes.
    pub(crate) const fn code_secret(&self) -> &hmac::Key {
        &self.code_secret
    }
}

/// Shared by all processes without being stored a second time: derived from the
/// signing key, under a label of its own.
fn derive_code_secret(private_der: &[u8]) -> hmac::Key {
    let label = hmac::Key::new(hmac::HMAC_SHA256, b"housecall one-time codes v1");
    let derived = SecretSlice::from(hmac::sign(&label, private_der).as_ref().to_vec());
    hmac::Key::new(hmac::HMAC_SHA256, derived.expose_secret())
}

fn generate() -> Result<(String, Vec<u8>, serde_json::Value), KeyError> {
    let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Generate)?;
    // Version 1: what every reader of PKCS #8 understands.
    let der = pair.to_pkcs8v1().map_err(|_| KeyError::Generate)?.as_ref().to_vec();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    // The thumbprint of RFC 7638: members in this order, no spaces.
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let id = URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes()));
    let jwk = serde_json::json!({
        "kty": "OKP", "crv": "Ed25519", "x": x, "use": "sig", "alg": "EdDSA", "kid": id,
    });
    Ok((id, der, jwk))
}
