//! Rows of `crm.stream_links`, as their sessions change them.

use housecall_platform::postgres::Pool;
use housecall_protocol::media::StreamDirection;
use housecall_protocol::{CallId, NodeId, PersonId, StreamLinkId};
use uuid::Uuid;

use super::StorageError;

/// A link that is good now.
pub(crate) struct Link {
    pub(crate) id: StreamLinkId,
    pub(crate) room: CallId,
    pub(crate) of_call: bool,
    pub(crate) direction: StreamDirection,
    /// Of a call always there; of a test stream since its first session.
    pub(crate) relay: Option<NodeId>,
    pub(crate) session: Option<Session>,
}

/// The session that uses a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// Its participant in the room.
    pub(crate) id: PersonId,
    /// Entity tag of its ICE session.
    pub(crate) tag: String,
    /// Its offer, without addresses.
    pub(crate) offer: String,
}

/// The link that this token opens, unless it has expired, was revoked, or its call has
/// ended.
pub(crate) async fn find(
    pool: &Pool,
    link: StreamLinkId,
    token_hash: &[u8],
) -> Result<Option<Link>, StorageError> {
    let client = pool.get().await?;
    let statement = client
        .prepare_cached(
            "SELECT l.room_id, l.call_id IS NOT NULL AS of_call, l.direction,
                    coalesce(c.relay_node, l.relay_node) AS relay,
                    l.session_id, l.session_tag, l.session_offer
             FROM crm.stream_links l LEFT JOIN crm.calls c ON c.id = l.call_id
             WHERE l.id = $1 AND l.token_hash = $2 AND l.revoked_at IS NULL
               AND l.expires_at > now() AND c.ended_at IS NULL",
        )
        .await?;
    let Some(row) = client.query_opt(&statement, &[&link.0, &token_hash]).await? else {
        return Ok(None);
    };
    let direction = StreamDirection::parse(row.get("direction"));
    let session = row.get::<_, Option<Uuid>>("session_id").map(|id| Session {
        id: PersonId(id),
        tag: row.get("session_tag"),
        offer: row.get("session_offer"),
    });
    Ok(Some(Link {
        id: link,
        room: CallId(row.get("room_id")),
        of_call: row.get("of_call"),
        direction: direction.ok_or(StorageError::Unreadable("crm.stream_links"))?,
        relay: row.get::<_, Option<Uuid>>("relay").map(NodeId),
        session,
    }))
}

/// Places the room of a test stream, unless another did so meanwhile; returns where it is.
/// `lost`: the relay that was tried before.
pub(crate) async fn place(
    pool: &Pool,
    room: CallId,
    lost: Option<NodeId>,
    relay: NodeId,
) -> Result<Option<NodeId>, StorageError> {
    let client = pool.get().await?;
    client
        .execute(
            "UPDATE crm.stream_links SET relay_node = $2
             WHERE room_id = $1 AND relay_node IS NOT DISTINCT FROM $3",
            &[&room.0, &relay.0, &lost.map(|node| node.0)],
        )
        .await?;
    let placed = client
        .query_one(
            "SELECT relay_node FROM crm.stream_links WHERE room_id = $1 ORDER BY id LIMIT 1",
            &[&room.0],
        )
        .await?;
    Ok(placed.get::<_, Option<Uuid>>(0).map(NodeId))
}

/// Puts a session in the place of another (or of none). `false`: the link was revoked or
/// used by somebody else meanwhile.
pub(crate) async fn replace(
    pool: &Pool,
    link: StreamLinkId,
    before: Option<PersonId>,
    session: Option<&Session>,
) -> Result<bool, StorageError> {
    let client = pool.get().await?;
    let statement = client
        .prepare_cached(
            "UPDATE crm.stream_links
             SET session_id = $3, session_tag = $4, session_offer = $5
             WHERE id = $1 AND session_id IS NOT DISTINCT FROM $2 AND revoked_at IS NULL",
        )
        .await?;
    let rows = client
        .execute(
            &statement,
            &[
                &link.0,
                &before.map(|id| id.0),
                &session.map(|session| session.id.0),
                &session.map(|session| &session.tag),
                &session.map(|session| &session.offer),
            ],
        )
        .await?;
    Ok(rows == 1)
}
