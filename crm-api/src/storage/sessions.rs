//! Sessions (signed-in devices) and their refresh tokens.

use deadpool_postgres::{GenericClient, Transaction};
use housecall_protocol::rest::DeviceSession;
use housecall_protocol::{PersonId, SessionId};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::Result;

/// What every request asks of its session.
pub(crate) struct LiveSession {
    /// An operator's role as it is now, whatever the token says.
    pub(crate) role: Option<String>,
}

/// The session when it is neither revoked nor expired, belongs to the person and
/// that person is not disabled.
pub(crate) async fn live(
    client: &impl GenericClient,
    session: SessionId,
    person: PersonId,
) -> Result<Option<LiveSession>> {
    let statement = client
        .prepare_cached(
            "SELECT o.role FROM crm.sessions s LEFT JOIN crm.operators o ON o.id = s.person_id
             WHERE s.id = $1 AND s.person_id = $2 AND s.revoked_at IS NULL
               AND s.expires_at > now() AND NOT coalesce(o.disabled, false)",
        )
        .await?;
    let row = client.query_opt(&statement, &[&session.0, &person.0]).await?;
    Ok(row.map(|row| LiveSession { role: row.get("role") }))
}

pub(crate) async fn insert(
    transaction: &Transaction<'_>,
    session: SessionId,
    person: PersonId,
    device: &str,
    user_agent: &str,
    days: u32,
) -> Result<()> {
    transaction
        .execute(
            "INSERT INTO crm.sessions (id, person_id, device, user_agent, expires_at)
             VALUES ($1, $2, $3, $4, now() + make_interval(days => $5))",
            &[&session.0, &person.0, &device, &user_agent, &as_int(days)],
        )
        .await?;
    Ok(())
}

pub(crate) async fn insert_token(
    transaction: &Transaction<'_>,
    hash: &[u8],
    session: SessionId,
) -> Result<()> {
    transaction
        .execute(
            "INSERT INTO crm.refresh_tokens (hash, session_id) VALUES ($1, $2)",
            &[&hash, &session.0],
        )
        .await?;
    Ok(())
}

/// A presented refresh token, its row locked until the transaction ends.
pub(crate) struct TokenRow {
    pub(crate) session: SessionId,
    pub(crate) person: PersonId,
    pub(crate) kind: String,
    /// How long ago the token was used up, seconds.
    pub(crate) used_ago_s: Option<f64>,
    /// Not revoked, not expired, and the person is not disabled.
    pub(crate) live: bool,
}

pub(crate) async fn lock_token(
    transaction: &Transaction<'_>,
    hash: &[u8],
) -> Result<Option<TokenRow>> {
    let row = transaction
        .query_opt(
            "SELECT s.id, s.person_id, p.kind,
                    extract(epoch FROM clock_timestamp() - t.used_at)::float8 AS used_ago_s,
                    s.revoked_at IS NULL AND s.expires_at > now()
                      AND NOT coalesce(o.disabled, false) AS live
             FROM crm.refresh_tokens t
             JOIN crm.sessions s ON s.id = t.session_id
             JOIN crm.people p ON p.id = s.person_id
             LEFT JOIN crm.operators o ON o.id = p.id
             WHERE t.hash = $1 FOR UPDATE OF t",
            &[&hash],
        )
        .await?;
    Ok(row.map(|row| TokenRow {
        session: SessionId(row.get("id")),
        person: PersonId(row.get("person_id")),
        kind: row.get("kind"),
        used_ago_s: row.get("used_ago_s"),
        live: row.get("live"),
    }))
}

/// Marks the token used (its first use counts) and slides the session's end.
pub(crate) async fn rotate(
    transaction: &Transaction<'_>,
    old_hash: &[u8],
    new_hash: &[u8],
    session: SessionId,
    days: u32,
) -> Result<()> {
    transaction
        .execute(
            "UPDATE crm.refresh_tokens SET used_at = coalesce(used_at, clock_timestamp())
             WHERE hash = $1",
            &[&old_hash],
        )
        .await?;
    insert_token(transaction, new_hash, session).await?;
    transaction
        .execute(
            "UPDATE crm.sessions SET last_used_at = now(),
                    expires_at = now() + make_interval(days => $2) WHERE id = $1",
            &[&session.0, &as_int(days)],
        )
        .await?;
    Ok(())
}

/// Ends one session of the person; false when it had ended or is another's.
pub(crate) async fn revoke(
    client: &impl GenericClient,
    session: SessionId,
    person: PersonId,
) -> Result<bool> {
    let ended = client
        .execute(
            "UPDATE crm.sessions SET revoked_at = now()
             WHERE id = $1 AND person_id = $2 AND revoked_at IS NULL",
            &[&session.0, &person.0],
        )
        .await?;
    Ok(ended > 0)
}

/// Ends every session of the person.
pub(crate) async fn revoke_all(client: &impl GenericClient, person: PersonId) -> Result<()> {
    client
        .execute(
            "UPDATE crm.sessions SET revoked_at = now()
             WHERE person_id = $1 AND revoked_at IS NULL",
            &[&person.0],
        )
        .await?;
    Ok(())
}

/// Ends earlier sessions of the same person on the same device: signing in again
/// there replaces them.
pub(crate) async fn revoke_device(
    client: &impl GenericClient,
    person: PersonId,
    device: &str,
) -> Result<Vec<SessionId>> {
    let rows = client
        .query(
            "UPDATE crm.sessions SET revoked_at = now()
             WHERE person_id = $1 AND device = $2 AND revoked_at IS NULL RETURNING id",
            &[&person.0, &device],
        )
        .await?;
    Ok(rows.iter().map(|row| SessionId(row.get("id"))).collect())
}

/// The person's live sessions, last used first.
pub(crate) async fn list(
    client: &impl GenericClient,
    person: PersonId,
    current: SessionId,
) -> Result<Vec<DeviceSession>> {
    let rows = client
        .query(
            "SELECT id, user_agent, created_at, last_used_at FROM crm.sessions
             WHERE person_id = $1 AND revoked_at IS NULL AND expires_at > now()
             ORDER BY last_used_at DESC, id LIMIT 100",
            &[&person.0],
        )
        .await?;
    Ok(rows.iter().map(|row| device_session(row, current)).collect())
}

fn device_session(row: &Row, current: SessionId) -> DeviceSession {
    let id = SessionId(row.get("id"));
    DeviceSession {
        id,
        user_agent: row.get("user_agent"),
        created_at: row.get::<_, Timestamp>("created_at").into(),
        last_used_at: row.get::<_, Timestamp>("last_used_at").into(),
        current: id == current,
    }
}

/// Removes sessions that ended more than a month ago, with their tokens.
pub(crate) async fn sweep(client: &impl GenericClient) -> Result<u64> {
    Ok(client
        .execute(
            "DELETE FROM crm.sessions
             WHERE coalesce(revoked_at, expires_at) < now() - interval '30 days'",
            &[],
        )
        .await?)
}

fn as_int(days: u32) -> i32 {
    i32::try_from(days).unwrap_or(i32::MAX)
}
