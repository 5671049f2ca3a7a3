//! Signing keys of access tokens.

use deadpool_postgres::Transaction;

use super::Result;

/// Advisory lock under which the first key is made.
const KEY_LOCK: i64 = 0x686f_7573_6b65_7973;

/// A stored key.
pub(crate) struct KeyRow {
    pub(crate) id: String,
    pub(crate) private_der: Vec<u8>,
    pub(crate) public_jwk: serde_json::Value,
    pub(crate) retired: bool,
}

/// Makes this transaction the only one that may add a key until it ends.
pub(crate) async fn lock(transaction: &Transaction<'_>) -> Result<()> {
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&KEY_LOCK]).await?;
    Ok(())
}

/// Keys that sign or may still verify, newest first. A retired one verifies for
/// a day more, far beyond the life of a token.
pub(crate) async fn list(client: &impl deadpool_postgres::GenericClient) -> Result<Vec<KeyRow>> {
    let rows = client
        .query(
            "SELECT id, private_der, public_jwk, retired_at IS NOT NULL AS retired
             FROM crm.signing_keys
             WHERE retired_at IS NULL OR retired_at > now() - interval '1 day'
             ORDER BY created_at DESC, id",
            &[],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| KeyRow {
            id: row.get("id"),
            private_der: row.get("private_der"),
            public_jwk: row.get("public_jwk"),
            retired: row.get("retired"),
        })
        .collect())
}

pub(crate) async fn insert(
    transaction: &Transaction<'_>,
    id: &str,
    private_der: &[u8],
    public_jwk: &serde_json::Value,
) -> Result<()> {
    transaction
        .execute(
            "INSERT INTO crm.signing_keys (id, private_der, public_jwk) VALUES ($1, $2, $3)",
            &[&id, &private_der, &public_jwk],
        )
        .await?;
    Ok(())
}
