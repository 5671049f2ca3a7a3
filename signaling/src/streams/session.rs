//! A session of a link: into the room, to a new ICE session, out of it. The relay is
//! asked, and the link's row keeps what the next request needs.

use housecall_protocol::client::ErrorCode;
use housecall_protocol::cluster::{Answer, Placement, SfuReply, SfuRequest, subject};
use housecall_protocol::media::{ParticipantRole, StreamDirection};
use housecall_protocol::{NodeId, PersonId};

use super::fragment::Fragment;
use super::refusal::Refusal;
use super::sdp;
use crate::gateway::Gateway;
use crate::storage::streams::{self, Link, Session};

/// What an offer came to.
pub(super) struct Opened {
    pub(super) session: PersonId,
    pub(super) tag: String,
    pub(super) answer: String,
}

/// What a fragment came to.
pub(super) enum Patched {
    /// Candidates, which the relay does not need.
    Noted,
    Restarted {
        tag: String,
        fragment: String,
    },
}

/// Brings a session into the link's room, in place of the one that used the link.
pub(super) async fn open(gateway: &Gateway, link: &Link, offer: &str) -> Result<Opened, Refusal> {
    let offer = sdp::one_way(offer, link.direction)
        .map_err(|error| Refusal::BadOffer(error.to_string()))?;
    let offer = sdp::without_ambiguous_extensions(&offer);
    let participant = PersonId::generate();
    let (relay, answer) = join(gateway, link, participant, &offer).await?;
    let Some(credentials) = sdp::credentials(&answer) else {
        tracing::error!(room = %link.room, "an answer without ICE credentials");
        return Err(Refusal::Internal);
    };
    let session = Session {
        id: participant,
        tag: credentials.ufrag.to_owned(),
        offer: sdp::without_addresses(&offer),
    };
    let before = link.session.as_ref().map(|session| session.id);
    let stored = streams::replace(&gateway.context.pool, link.id, before, Some(&session)).await;
    if !matches!(stored, Ok(true)) {
        leave(gateway, link, relay, participant).await;
        // Revoked, or another request with the same token was faster: whoever tries again
        // is told which.
        return Err(stored.map_or_else(Refusal::from, |_| Refusal::Unavailable));
    }
    if let Some(before) = before {
        leave(gateway, link, relay, before).await;
    }
    tracing::info!(
        link = %link.id,
        room = %link.room,
        direction = link.direction.as_str(),
        "stream session"
    );
    Ok(Opened { session: participant, tag: session.tag, answer })
}

/// Takes a fragment: candidates, or the restart of ICE.
pub(super) async fn patch(
    gateway: &Gateway,
    link: &Link,
    session: &Session,
    fragment: Fragment<'_>,
) -> Result<Patched, Refusal> {
    let known = sdp::credentials(&session.offer);
    let fresh = fragment.credentials.filter(|fresh| Some(*fresh) != known);
    let Some(fresh) = fresh else { return Ok(Patched::Noted) };
    let offer = sdp::restarted(&session.offer, fresh);
    let relay = link.relay.ok_or(Refusal::NotFound)?;
    let request =
        SfuRequest::Offer { room: link.room, participant: session.id, sdp: offer.clone() };
    let answer = answer_of(gateway.ask(&subject::sfu_request(relay), &request).await)?;
    let restarted = sdp::credentials(&answer).zip(sdp::fragment_of(&answer));
    let (credentials, fragment) = restarted.ok_or(Refusal::Internal)?;
    let tag = credentials.ufrag.to_owned();
    let next = Session { id: session.id, tag: tag.clone(), offer };
    let pool = &gateway.context.pool;
    if !streams::replace(pool, link.id, Some(session.id), Some(&next)).await? {
        return Err(Refusal::NotFound);
    }
    Ok(Patched::Restarted { tag, fragment })
}

/// Takes the session out of the room.
pub(super) async fn close(
    gateway: &Gateway,
    link: &Link,
    session: &Session,
) -> Result<(), Refusal> {
    let pool = &gateway.context.pool;
    if !streams::replace(pool, link.id, Some(session.id), None).await? {
        return Err(Refusal::NotFound);
    }
    if let Some(relay) = link.relay {
        leave(gateway, link, relay, session.id).await;
    }
    Ok(())
}

/// Joins at the room's relay. That of a test stream may be gone: then at another.
async fn join(
    gateway: &Gateway,
    link: &Link,
    participant: PersonId,
    offer: &str,
) -> Result<(NodeId, String), Refusal> {
    if let Some(relay) = link.relay {
        match join_at(gateway, link, relay, participant, offer).await {
            Err(refusal) if refusal.code == ErrorCode::Unavailable && !link.of_call => {}
            joined => return Ok((relay, answer_of(joined)?)),
        }
    } else if link.of_call {
        return Err(Refusal::Unavailable);
    }
    let placement: Placement = gateway.ask(subject::SFU_PLACE, &()).await?;
    let pool = &gateway.context.pool;
    let relay = streams::place(pool, link.room, link.relay, placement.node).await?;
    let relay = relay.ok_or(Refusal::Unavailable)?;
    let joined = join_at(gateway, link, relay, participant, offer).await;
    Ok((relay, answer_of(joined)?))
}

async fn join_at(
    gateway: &Gateway,
    link: &Link,
    relay: NodeId,
    participant: PersonId,
    offer: &str,
) -> Answer<SfuReply> {
    let subject = subject::sfu_request(relay);
    let role = match link.direction {
        StreamDirection::Publish => ParticipantRole::Member,
        StreamDirection::Play => ParticipantRole::Listener,
    };
    let join = SfuRequest::Join { room: link.room, participant, sdp: offer.to_owned(), role };
    let joined = gateway.ask(&subject, &join).await?;
    if !link.of_call {
        // Nobody has to accept a test stream.
        let open = SfuRequest::SetForwarding { room: link.room, forwarding: true };
        gateway.ask::<_, SfuReply>(&subject, &open).await?;
    }
    Ok(joined)
}

/// Best effort: who is gone anyway is noticed by the relay.
async fn leave(gateway: &Gateway, link: &Link, relay: NodeId, participant: PersonId) {
    let leave = SfuRequest::Leave { room: link.room, participant };
    let left = gateway.ask::<_, SfuReply>(&subject::sfu_request(relay), &leave).await;
    if let Err(refusal) = left {
        tracing::info!(room = %link.room, code = ?refusal.code, "stream session not ended");
    }
}

fn answer_of(answer: Answer<SfuReply>) -> Result<String, Refusal> {
    match answer? {
        SfuReply::Answer { sdp } => Ok(sdp),
        SfuReply::Done => {
            tracing::error!("the relay gave no answer to an offer");
            Err(Refusal::Internal)
        }
    }
}
