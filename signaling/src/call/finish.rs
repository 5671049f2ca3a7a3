//! The end of a call, as others learn of it.

use std::time::Duration;

use housecall_protocol::client::{Changed, ServerFrame, Topic};
use housecall_protocol::cluster::{
    ChatEvent, DeskEvent, PersonEvent, SfuReply, SfuRequest, subject,
};
use housecall_protocol::domain::{CallSubject, EndReason};
use housecall_protocol::{CallId, NodeId, PersonId};

use super::quality::Summary;
use crate::gateway::Gateway;
use crate::storage::calls::{self, Finished};

/// Pauses between tries to record an end. After the last one the owner stops
/// beating for the call, and a sweep records it.
const RETRY_PAUSES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2)];

/// Records the end. `None`: another ended it first, or the database stayed away.
pub(super) async fn record(
    gateway: &Gateway,
    call: CallId,
    reason: EndReason,
    quality: &[Summary],
    talked: Option<Duration>,
) -> Option<Finished> {
    let talked_s = talked.map(|talked| talked.as_secs_f64());
    let mut pauses = RETRY_PAUSES.into_iter();
    loop {
        match calls::finish(&gateway.context.pool, call, reason, quality, talked_s).await {
            Ok(finished) => {
                if finished.is_some() {
                    gateway.metrics.ended(reason);
                }
                return finished;
            }
            Err(error) => {
                tracing::error!(%call, %error, "record of a call's end");
                tokio::time::sleep(pauses.next()?).await;
            }
        }
    }
}

/// A call that never rang: its relay or its database failed.
pub(super) async fn record_failure(gateway: &Gateway, call: CallId) {
    let finished = record(gateway, call, EndReason::Failed, &[], None).await;
    if let Some(finished) = finished {
        let event = ChatEvent::Head {
            conversation: finished.conversation,
            head_seq: finished.seq,
            head_change: 0,
        };
        gateway.publish(&subject::chat_event(finished.conversation), &event).await;
    }
}

/// Tells the conversation of its new record, and whoever lists what it was about.
pub(super) async fn announce(
    gateway: &Gateway,
    about: CallSubject,
    patient: PersonId,
    finished: Finished,
) {
    let event = ChatEvent::Head {
        conversation: finished.conversation,
        head_seq: finished.seq,
        head_change: 0,
    };
    gateway.publish(&subject::chat_event(finished.conversation), &event).await;
    let (topic, id) = changed(gateway, about).await;
    if topic == Topic::Callbacks {
        // A talk has finished the callback: the patient's own list changes, too.
        let frame = ServerFrame::Changed(Changed { topic, id });
        let event = PersonEvent::Frame(Box::new(frame));
        gateway.publish(&subject::person_event(patient), &event).await;
    }
}

/// Tells every desk that what a call is about looks different now.
pub(super) async fn changed(gateway: &Gateway, about: CallSubject) -> (Topic, String) {
    let (topic, id) = match about {
        CallSubject::Consultation(id) => (Topic::Consultations, id.to_string()),
        CallSubject::Callback(id) => (Topic::Callbacks, id.to_string()),
    };
    gateway.publish(subject::DESK_EVENT, &DeskEvent { topic, id: id.clone() }).await;
    (topic, id)
}

/// Frees the room. Its relay may be gone with it.
pub(super) async fn close_room(gateway: &Gateway, call: CallId, relay: NodeId) {
    let request = SfuRequest::Close { room: call };
    if let Err(refusal) = gateway.ask::<_, SfuReply>(&subject::sfu_request(relay), &request).await {
        tracing::info!(%call, code = ?refusal.code, "room not closed");
    }
}
