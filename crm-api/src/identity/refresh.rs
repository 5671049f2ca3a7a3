//! Refresh tokens: 256 random bits, stored as their SHA-256, a new one at every
//! use. The use of an old one means that two hold it, and ends the session.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use housecall_protocol::domain::PersonKind;
use housecall_protocol::{PersonId, SessionId};
use sha2::{Digest, Sha256};

use super::sessions::kind_name;
use crate::announce;
use crate::app::App;
use crate::problem::ApiError;
use crate::storage;

/// A new token, and what is stored of it.
pub(crate) struct Fresh {
    pub(crate) token: String,
    pub(crate) hash: Vec<u8>,
}

pub(crate) fn generate() -> Result<Fresh, ApiError> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| ApiError::Internal)?;
    let token = URL_SAFE_NO_PAD.encode(bytes);
    let hash = hash(&token);
    Ok(Fresh { token, hash })
}

pub(crate) fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// What a refresh gives.
pub(crate) struct Rotated {
    pub(crate) person: PersonId,
    pub(crate) session: SessionId,
    pub(crate) token: String,
}

/// Exchanges a refresh token for its successor.
///
/// A token that was used a moment ago gets a successor too: two tabs that woke
/// together, or an answer that was lost on the way. Whoever could abuse these
/// seconds holds the live token anyway.
pub(crate) async fn rotate(
    app: &App,
    presented: &str,
    kind: PersonKind,
) -> Result<Rotated, ApiError> {
    let hash = hash(presented);
    let mut client = app.client().await?;
    let transaction = client.transaction().await?;
    let row = storage::sessions::lock_token(&transaction, &hash)
        .await?
        .filter(|row| row.live && row.kind == kind_name(kind))
        .ok_or(ApiError::SessionEnded)?;
    let grace_s = f64::from(app.config.refresh_reuse_grace_s);
    if row.used_ago_s.is_some_and(|used_ago_s| used_ago_s > grace_s) {
        storage::sessions::revoke(&transaction, row.session, row.person).await?;
        transaction.commit().await?;
        tracing::warn!(session = %row.session, "a used refresh token came back: session ended");
        announce::session_revoked(&app.context.bus, row.person, Some(row.session)).await;
        return Err(ApiError::SessionEnded);
    }
    let fresh = generate()?;
    let days = app.config.session_days;
    storage::sessions::rotate(&transaction, &hash, &fresh.hash, row.session, days).await?;
    transaction.commit().await?;
    Ok(Rotated { person: row.person, session: row.session, token: fresh.token })
}
