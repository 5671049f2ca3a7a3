//! From `call.start` to ringing: may they, is there a relay, are both free.

use std::sync::Arc;

use housecall_protocol::client::{CallStart, CallStarted, CallUpdate, ErrorCode, ServerFrame};
use housecall_protocol::cluster::{
    Actor, Answer, PersonEvent, Placement, Refusal, SfuReply, SfuRequest, subject,
};
use housecall_protocol::domain::{CallSubject, EndReason, PersonKind, Role, TimestampMs};
use housecall_protocol::media::ParticipantRole;
use housecall_protocol::{CallId, ConnectionId, PersonId};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::actor::{CallActor, INBOX_BOUND, Message};
use super::machine::{CallInfo, CallMachine, Party};
use super::{Driven, finish, refuse, rules};
use crate::gateway::Gateway;
use crate::storage::calls::{self, Inserted, NewCall, Subject};

pub(super) async fn run(
    gateway: Arc<Gateway>,
    actor: Actor,
    connection: ConnectionId,
    start: CallStart,
) -> Answer<CallStarted> {
    if gateway.calls.local_calls().len() >= gateway.config.call.max_calls {
        return Err(Refusal::new(ErrorCode::Busy, "too many calls are open; try again later"));
    }
    let subject = calls::subject(&gateway.context.pool, start.subject)
        .await
        .map_err(|error| refuse(&error))?;
    let (conversation, callee) = authorise(&actor, start.subject, subject)?;
    // Placed before anything is written: without a relay there is no call to record.
    let placement: Placement = gateway.ask(subject::SFU_PLACE, &()).await?;
    let call = NewCall {
        id: CallId::generate(),
        conversation,
        subject: start.subject,
        caller: actor.person,
        callee,
        media: start.media,
        owner: gateway.node(),
        relay: placement.node,
    };
    match calls::insert(&gateway.context.pool, &call).await.map_err(|error| refuse(&error))? {
        Inserted::Rings => {}
        Inserted::CallerBusy => {
            return Err(Refusal::new(ErrorCode::Conflict, "you are in another call"));
        }
        Inserted::CalleeBusy(finished) => {
            gateway.metrics.ended(EndReason::Busy);
            finish::announce(&gateway, start.subject, callee, finished).await;
            return Err(Refusal::new(ErrorCode::Busy, "they are in another call"));
        }
    }
    let id = call.id;
    match ring(&gateway, call, connection, start).await {
        Ok(started) => Ok(started),
        Err(refusal) => {
            finish::record_failure(&gateway, id).await;
            Err(refusal)
        }
    }
}

/// Who calls whom: a patient the operator who holds their consultation, an
/// operator the patient of the consultation or callback they hold.
fn authorise(
    actor: &Actor,
    wanted: CallSubject,
    subject: Option<Subject>,
) -> Answer<(housecall_protocol::ConversationId, PersonId)> {
    let not_found = || Refusal::new(ErrorCode::NotFound, "there is nothing of yours to call about");
    let subject = subject.ok_or_else(not_found)?;
    // Who became an administrator still holds what they held, in the books only.
    if actor.role == Some(Role::Admin) {
        return Err(not_found());
    }
    let callee = match actor.kind {
        PersonKind::Patient if subject.patient == actor.person => subject.operator,
        PersonKind::Operator if subject.operator == Some(actor.person) => Some(subject.patient),
        // Not theirs: as if it were not there.
        PersonKind::Patient | PersonKind::Operator => return Err(not_found()),
    };
    if matches!(wanted, CallSubject::Callback(_)) && actor.kind == PersonKind::Patient {
        return Err(Refusal::new(ErrorCode::Forbidden, "the clinic calls back, not the patient"));
    }
    match callee {
        Some(callee) if subject.callable => Ok((subject.conversation, callee)),
        _ => Err(Refusal::new(ErrorCode::Conflict, "its state does not allow a call")),
    }
}

/// Connects the caller to the relay, starts the call's task and rings.
async fn ring(
    gateway: &Arc<Gateway>,
    call: NewCall,
    connection: ConnectionId,
    start: CallStart,
) -> Answer<CallStarted> {
    let pool = &gateway.context.pool;
    let mut caller = calls::party(pool, call.caller).await.map_err(|error| refuse(&error))?;
    let callee = calls::party(pool, call.callee).await.map_err(|error| refuse(&error))?;
    caller.media = start.state;
    // Subscribed before the room exists, so that its first event is heard.
    let events =
        gateway.context.bus.subscribe(&subject::sfu_event(call.relay, call.id)).await.map_err(
            |error| {
                tracing::error!(%error, "relay events");
                Refusal::new(ErrorCode::Unavailable, "the bus is away; try again")
            },
        )?;
    let sdp = join(gateway, &call, start.sdp.clone()).await?;
    set_media(gateway, &call, start.state).await?;
    let info = CallInfo {
        id: call.id,
        conversation: call.conversation,
        subject: call.subject,
        media: call.media,
        created_at: TimestampMs::now(),
    };
    let machine = CallMachine::ringing(
        Instant::now().into_std(),
        rules(gateway),
        info,
        Party::new(caller),
        Party::new(callee),
        connection,
        &start.sdp,
    );
    let view = machine.view();
    let (inbox, messages) = mpsc::channel(INBOX_BOUND);
    let driven = Driven { inbox: inbox.clone(), relay: call.relay };
    gateway.calls.local_calls().insert(call.id, driven);
    let task = CallActor::new(Arc::clone(gateway), machine, call.relay, events, messages);
    gateway.calls.tasks.spawn(task.run());
    gateway.registry.note_call(call.caller, call.id, true);
    if !gateway.registry.of_person(call.caller).iter().any(|handle| handle.id == connection) {
        // The caller's connection ended meanwhile, before anybody noted its call.
        let _ = inbox.try_send(Message::CallerGone { connection });
    }
    let frame = ServerFrame::CallIncoming(CallUpdate { call: view.clone() });
    let event = PersonEvent::Frame(Box::new(frame));
    gateway.publish(&subject::person_event(call.callee), &event).await;
    Ok(CallStarted { call: view, sdp })
}

async fn join(gateway: &Gateway, call: &NewCall, sdp: String) -> Answer<String> {
    let (room, participant, role) = (call.id, call.caller, ParticipantRole::Member);
    let request = SfuRequest::Join { room, participant, sdp, role };
    match gateway.ask(&subject::sfu_request(call.relay), &request).await? {
        SfuReply::Answer { sdp } => Ok(sdp),
        SfuReply::Done => Err(Refusal::new(ErrorCode::Internal, "the relay gave no answer")),
    }
}

async fn set_media(
    gateway: &Gateway,
    call: &NewCall,
    media: housecall_protocol::domain::MediaState,
) -> Answer<()> {
    let request = SfuRequest::SetMedia { room: call.id, participant: call.caller, media };
    gateway.ask::<_, SfuReply>(&subject::sfu_request(call.relay), &request).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use housecall_protocol::{ConsultationId, ConversationId, SessionId};

    use super::*;

    #[test]
    fn only_the_two_sides_of_an_active_consultation_call() {
        let [patient, operator, stranger] = [(); 3].map(|()| PersonId::generate());
        let ask = |person, kind, role, callable| {
            let actor = Actor { person, session: SessionId::generate(), kind, role };
            let conversation = ConversationId::generate();
            let subject = Subject { conversation, patient, operator: Some(operator), callable };
            let wanted = CallSubject::Consultation(ConsultationId::generate());
            let answer = authorise(&actor, wanted, Some(subject));
            answer.map(|(_, callee)| callee).map_err(|refusal| refusal.code)
        };
        let doctor = Some(Role::Doctor);
        assert_eq!(ask(patient, PersonKind::Patient, None, true), Ok(operator));
        assert_eq!(ask(operator, PersonKind::Operator, doctor, true), Ok(patient));
        for (person, kind, role, callable, code) in [
            (operator, PersonKind::Operator, doctor, false, ErrorCode::Conflict),
            (operator, PersonKind::Operator, Some(Role::Admin), true, ErrorCode::NotFound),
            (stranger, PersonKind::Operator, doctor, true, ErrorCode::NotFound),
            (stranger, PersonKind::Patient, None, true, ErrorCode::NotFound),
        ] {
            assert_eq!(ask(person, kind, role, callable), Err(code));
        }
    }
}
