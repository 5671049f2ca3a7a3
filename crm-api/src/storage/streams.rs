//! Rows of `crm.stream_links`. The gateway that serves the streams keeps their sessions;
//! here links are made, listed and revoked.

use deadpool_postgres::GenericClient;
use housecall_protocol::media::StreamDirection;
use housecall_protocol::{CallId, NodeId, PersonId, StreamLinkId};
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Result, StorageError};

/// A link as its row tells it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkRow {
    pub(crate) id: StreamLinkId,
    pub(crate) call: Option<CallId>,
    pub(crate) direction: StreamDirection,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) in_use: bool,
}

pub(crate) struct NewLink<'a> {
    pub(crate) id: StreamLinkId,
    pub(crate) room: CallId,
    pub(crate) call: Option<CallId>,
    pub(crate) direction: StreamDirection,
    pub(crate) token_hash: &'a [u8],
    pub(crate) created_by: PersonId,
    pub(crate) life_s: f64,
}

/// An operator's place in a running call.
pub(crate) struct Place {
    pub(crate) patient: PersonId,
    /// They send, too.
    pub(crate) member: bool,
}

/// Where a session that must end is.
pub(crate) struct Session {
    pub(crate) room: CallId,
    pub(crate) participant: PersonId,
    pub(crate) relay: NodeId,
}

/// The operator's place in a call that runs; `None` when they are not in it.
pub(crate) async fn place(
    client: &impl GenericClient,
    call: CallId,
    operator: PersonId,
) -> Result<Option<Place>> {
    let row = client
        .query_opt(
            "SELECT v.patient_id, $2 IN (c.caller_id, c.callee_id) OR g.role = 'member' AS member
             FROM crm.calls c
             JOIN chat.conversations v ON v.id = c.conversation_id
             LEFT JOIN LATERAL (
                 SELECT role FROM crm.call_guests
                 WHERE call_id = c.id AND person_id = $2 AND left_at IS NULL
                 ORDER BY id DESC LIMIT 1) g ON true
             WHERE c.id = $1 AND c.ended_at IS NULL
               AND ($2 IN (c.caller_id, c.callee_id) OR g.role IS NOT NULL)",
            &[&call.0, &operator.0],
        )
        .await?;
    Ok(row.map(|row| Place { patient: PersonId(row.get(0)), member: row.get(1) }))
}

const COLUMNS: &str =
    "id, call_id, direction, created_at, expires_at, session_id IS NOT NULL AS in_use";

const GOOD: &str = "revoked_at IS NULL AND expires_at > now()";

/// Writes a link unless the room has `limit` good ones already.
pub(crate) async fn insert(
    client: &impl GenericClient,
    link: &NewLink<'_>,
    limit: i64,
) -> Result<Option<LinkRow>> {
    let row = client
        .query_opt(
            &format!(
                "INSERT INTO crm.stream_links (id, room_id, call_id, direction, token_hash,
                                               created_by, expires_at)
                 SELECT $1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7)
                 WHERE (SELECT count(*) FROM crm.stream_links WHERE room_id = $2 AND {GOOD}) < $8
                 RETURNING {COLUMNS}"
            ),
            &[
                &link.id.0,
                &link.room.0,
                &link.call.map(|call| call.0),
                &link.direction.as_str(),
                &link.token_hash,
                &link.created_by.0,
                &link.life_s,
                &limit,
            ],
        )
        .await?;
    row.as_ref().map(parse).transpose()
}

/// The good links of a call, oldest first.
pub(crate) async fn of_call(client: &impl GenericClient, call: CallId) -> Result<Vec<LinkRow>> {
    let query =
        format!("SELECT {COLUMNS} FROM crm.stream_links WHERE call_id = $1 AND {GOOD} ORDER BY id");
    let rows = client.query(&query, &[&call.0]).await?;
    rows.iter().map(parse).collect()
}

/// The call of a good link: `Some(None)` for a test stream.
pub(crate) async fn call_of(
    client: &impl GenericClient,
    link: StreamLinkId,
) -> Result<Option<Option<CallId>>> {
    let query = format!("SELECT call_id FROM crm.stream_links WHERE id = $1 AND {GOOD}");
    let row = client.query_opt(&query, &[&link.0]).await?;
    Ok(row.map(|row| row.get::<_, Option<Uuid>>(0).map(CallId)))
}

/// Ends a link; returns the session that used it.
pub(crate) async fn revoke(
    client: &impl GenericClient,
    link: StreamLinkId,
) -> Result<Option<Session>> {
    let row = client
        .query_opt(
            "WITH before AS (
                 SELECT l.id, l.room_id, l.session_id, coalesce(c.relay_node, l.relay_node) AS relay
                 FROM crm.stream_links l LEFT JOIN crm.calls c ON c.id = l.call_id
                 WHERE l.id = $1 FOR UPDATE OF l)
             UPDATE crm.stream_links l
             SET revoked_at = coalesce(l.revoked_at, now()),
                 session_id = NULL, session_tag = NULL, session_offer = NULL
             FROM before WHERE l.id = before.id
             RETURNING before.room_id, before.session_id, before.relay",
            &[&link.0],
        )
        .await?;
    Ok(row.and_then(|row| {
        Some(Session {
            room: CallId(row.get(0)),
            participant: PersonId(row.get::<_, Option<Uuid>>(1)?),
            relay: NodeId(row.get::<_, Option<Uuid>>(2)?),
        })
    }))
}

fn parse(row: &Row) -> Result<LinkRow> {
    let direction = StreamDirection::parse(row.get("direction"));
    Ok(LinkRow {
        id: StreamLinkId(row.get("id")),
        call: row.get::<_, Option<Uuid>>("call_id").map(CallId),
        direction: direction.ok_or(StorageError::Corrupt("stream_links.direction"))?,
        created_at: row.get("created_at"),
        expires_at: row.get("expires_at"),
        in_use: row.get("in_use"),
    })
}
