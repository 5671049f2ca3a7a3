//! What the service tells the others after a commit. Best effort: whoever missed
//! it reads the database.

use housecall_platform::bus::{Bus, BusError};
use housecall_protocol::client::{Changed, ServerFrame, Topic};
use housecall_protocol::cluster::{ChatEvent, DeskEvent, PersonEvent, subject};
use housecall_protocol::{ConversationId, PersonId, SessionId};

/// A message was appended to the conversation.
pub(crate) async fn appended(bus: &Bus, conversation: ConversationId, head_seq: i64) {
    let event = ChatEvent::Head { conversation, head_seq, head_change: 0 };
    log(bus.publish(&subject::chat_event(conversation), &event).await);
}

/// An item of a desk list changed: operators and the patient concerned fetch it.
pub(crate) async fn changed(bus: &Bus, topic: Topic, id: String, patient: Option<PersonId>) {
    log(bus.publish(subject::DESK_EVENT, &DeskEvent { topic, id: id.clone() }).await);
    if let Some(patient) = patient {
        changed_for(bus, topic, id, patient).await;
    }
}

/// One person's own item changed.
pub(crate) async fn changed_for(bus: &Bus, topic: Topic, id: String, person: PersonId) {
    let frame = Box::new(ServerFrame::Changed(Changed { topic, id }));
    log(bus.publish(&subject::person_event(person), &PersonEvent::Frame(frame)).await);
}

/// Sessions ended: gateways close their connections. All of the person's when
/// `session` is absent.
pub(crate) async fn session_revoked(bus: &Bus, person: PersonId, session: Option<SessionId>) {
    let event = PersonEvent::SessionRevoked { session };
    log(bus.publish(&subject::person_event(person), &event).await);
}

fn log(outcome: Result<(), BusError>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "announcement");
    }
}
