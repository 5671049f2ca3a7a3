//! What a call asks of its relay.

use std::sync::Arc;

use housecall_protocol::client::ErrorCode;
use housecall_protocol::cluster::{Answer, CallReply, Placement, SfuReply, SfuRequest, subject};
use housecall_protocol::{CallId, NodeId};

use super::actor::Done;
use super::machine::RelayStep;
use crate::gateway::Gateway;
use crate::storage::calls;

pub(super) async fn step(
    gateway: Arc<Gateway>,
    room: CallId,
    relay: NodeId,
    step: RelayStep,
) -> Done {
    let subject = subject::sfu_request(relay);
    let told = match step {
        RelayStep::Join { person: participant, role, connection, sdp, ticket, again } => {
            if again {
                let leave = SfuRequest::Leave { room, participant };
                // It may have left by itself; the join decides.
                let _ = gateway.ask::<_, SfuReply>(&subject, &leave).await;
            }
            let join = SfuRequest::Join { room, participant, sdp, role };
            return match answer(gateway.ask(&subject, &join).await) {
                Ok(reply) => Done::Answered { ticket, answer: Ok(reply) },
                Err(refusal) => {
                    Done::JoinFailed { person: participant, connection, ticket, refusal }
                }
            };
        }
        RelayStep::Offer { person: participant, sdp, ticket } => {
            let offer = SfuRequest::Offer { room, participant, sdp };
            let answer = answer(gateway.ask(&subject, &offer).await);
            return Done::Answered { ticket, answer };
        }
        RelayStep::SetMedia { person: participant, media } => {
            SfuRequest::SetMedia { room, participant, media }
        }
        RelayStep::SetAllowed { person: participant, allowed } => {
            SfuRequest::SetAllowed { room, participant, allowed }
        }
        RelayStep::SetTiles { person: participant, tiles } => {
            SfuRequest::SetTiles { room, participant, tiles }
        }
        RelayStep::Leave { person: participant } => SfuRequest::Leave { room, participant },
        RelayStep::StartForwarding => SfuRequest::SetForwarding { room, forwarding: true },
    };
    log_refusal(room, gateway.ask(&subject, &told).await)
}

/// Finds a relay that takes the room. Its events are subscribed to before anybody can
/// be sent there.
pub(super) async fn place(gateway: Arc<Gateway>, room: CallId) -> Done {
    let placed = gateway.ask::<_, Placement>(subject::SFU_PLACE, &()).await;
    let Ok(Placement { node }) = placed else { return Done::NotPlaced };
    let events = match gateway.context.bus.subscribe(&subject::sfu_event(node, room)).await {
        Ok(events) => events,
        Err(error) => {
            tracing::error!(%error, "relay events");
            return Done::NotPlaced;
        }
    };
    if let Err(error) = calls::set_relay(&gateway.context.pool, room, node).await {
        // Whoever reads the row finds the old relay, and then nobody there.
        tracing::error!(%room, %error, "record of a room's relay");
    }
    Done::Placed { relay: node, events }
}

fn answer(answer: Answer<SfuReply>) -> Answer<CallReply> {
    Ok(match answer? {
        SfuReply::Answer { sdp } => CallReply::Answer { sdp },
        SfuReply::Done => CallReply::Done,
    })
}

fn log_refusal(call: CallId, answer: Answer<SfuReply>) -> Done {
    if let Err(refusal) = answer {
        // The time-outs of the call bound what comes of it.
        if refusal.code == ErrorCode::NotFound {
            // The participant never joined: their offer was refused just before. Whoever
            // sends such offers must not fill the log with errors of ours.
            tracing::info!(%call, "the relay does not know the participant");
        } else {
            tracing::error!(%call, code = ?refusal.code, "relay refused");
        }
    }
    Done::Nothing
}
