//! The task that drives one call: it gives the machine its inputs and does what
//! the machine says.
//!
//! Requests to the relay go one after another in a lane of their own, so that a
//! slow relay delays no hang-up. The inbox is bounded; what does not fit is
//! refused as unavailable.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use housecall_platform::bus::{Bus, Delivery, Subscription};
use housecall_protocol::client::ErrorCode;
use housecall_protocol::cluster::{
    Answer, CallCommand, CallReply, CallRequest, PersonEvent, Refusal, SfuEvent, SfuReply,
    SfuRequest, subject,
};
use housecall_protocol::domain::EndReason;
use housecall_protocol::media::ParticipantRole;
use housecall_protocol::{ConnectionId, NodeId, PersonId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::machine::{CallMachine, Effect, Input, RelayStep, Side, Ticket};
use super::{finish, not_found};
use crate::gateway::{Gateway, log_malformed};
use crate::lane::Lane;
use crate::storage::calls;

/// Messages a call's task may have waiting. Two people press few buttons.
pub(super) const INBOX_BOUND: usize = 64;
/// Requests to the relay that may wait behind a slow one.
const RELAY_BOUND: usize = 64;

/// What reaches a call's task.
pub(super) enum Message {
    Request {
        request: CallRequest,
        responder: Responder,
    },
    /// The caller's connection ended while the call was being started.
    CallerGone {
        connection: ConnectionId,
    },
    /// Another ended the call in the database.
    EndedElsewhere,
}

/// Where an answer goes.
pub(super) enum Responder {
    Local(oneshot::Sender<Answer<CallReply>>),
    Bus(Delivery),
    Nobody,
}

impl Responder {
    pub(super) async fn respond(self, bus: &Bus, answer: Answer<CallReply>) {
        match self {
            // The connection may have ended while its request was under way.
            Self::Local(sender) => drop(sender.send(answer)),
            Self::Bus(delivery) => {
                if let Err(error) = bus.reply(&delivery, &answer).await {
                    tracing::warn!(%error, "answer to another gateway");
                }
            }
            Self::Nobody => {}
        }
    }
}

/// What came of a request to the relay, or of a row that was written.
enum Done {
    Nothing,
    Answered { ticket: Ticket, answer: Answer<CallReply> },
    JoinFailed { side: Side, connection: ConnectionId, ticket: Ticket, refusal: Refusal },
}

/// See the module.
pub(super) struct CallActor {
    gateway: Arc<Gateway>,
    machine: CallMachine,
    relay: NodeId,
    events: Subscription,
    messages: mpsc::Receiver<Message>,
    steps: Lane<Done>,
    rows: Lane<Done>,
    responders: HashMap<Ticket, Responder>,
    tickets: u64,
}

impl CallActor {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        machine: CallMachine,
        relay: NodeId,
        events: Subscription,
        messages: mpsc::Receiver<Message>,
    ) -> Self {
        Self {
            gateway,
            machine,
            relay,
            events,
            messages,
            steps: Lane::new(RELAY_BOUND),
            rows: Lane::new(RELAY_BOUND),
            responders: HashMap::new(),
            tickets: 0,
        }
    }

    pub(super) async fn run(mut self) {
        self.gateway.metrics.calls_open.inc();
        while !self.machine.has_ended() {
            self.step().await;
        }
        self.gateway.calls.local_calls().remove(&self.machine.id());
        self.gateway.metrics.calls_open.dec();
        self.messages.close();
        self.refuse_the_rest().await;
        finish::close_room(&self.gateway, self.machine.id(), self.relay).await;
    }

    async fn step(&mut self) {
        let stop = self.gateway.calls.stop.clone();
        let timeout = self.machine.poll_timeout();
        tokio::select! {
            biased;
            () = stop.cancelled() => self.input(Input::Abort).await,
            () = sleep_until(timeout) => self.input(Input::Tick).await,
            done = self.steps.next() => self.done(done).await,
            done = self.rows.next() => self.done(done).await,
            message = self.messages.recv() => match message {
                Some(message) => self.message(message).await,
                None => self.input(Input::Abort).await,
            },
            event = self.events.next() => match event {
                Some(delivery) => match delivery.parse::<SfuEvent>() {
                    Ok(event) => self.input(Input::Relay(event)).await,
                    Err(error) => log_malformed(&error),
                },
                // The bus is closed: no more can be done for this call here.
                None => self.input(Input::Abort).await,
            },
        }
    }

    async fn message(&mut self, message: Message) {
        let (request, responder) = match message {
            Message::EndedElsewhere => return self.input(Input::Abort).await,
            Message::CallerGone { connection } => {
                let ticket = self.ticket(Responder::Nobody);
                let (side, command) = (Side::Caller, CallCommand::Disconnected);
                return self.input(Input::Command { side, connection, ticket, command }).await;
            }
            Message::Request { request, responder } => (request, responder),
        };
        let Some(side) = self.machine.side_of(request.actor.person) else {
            return responder.respond(&self.gateway.context.bus, Err(not_found())).await;
        };
        if let CallCommand::Report(report) = &request.command
            && let Some(first_frame_ms) = report.first_frame_ms
        {
            self.gateway.metrics.first_frame.observe(f64::from(first_frame_ms) / 1000.0);
        }
        let ticket = self.ticket(responder);
        let CallRequest { connection, command, .. } = request;
        self.input(Input::Command { side, connection, ticket, command }).await;
    }

    fn ticket(&mut self, responder: Responder) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.responders.insert(ticket, responder);
        ticket
    }

    async fn done(&mut self, done: Done) {
        match done {
            Done::Nothing => {}
            Done::Answered { ticket, answer } => self.reply(ticket, answer).await,
            Done::JoinFailed { side, connection, ticket, refusal } => {
                self.reply(ticket, Err(refusal)).await;
                self.input(Input::JoinFailed { side, connection }).await;
            }
        }
    }

    async fn input(&mut self, input: Input) {
        for effect in self.machine.handle(Instant::now().into_std(), input) {
            self.perform(effect).await;
        }
    }

    async fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Reply { ticket, reply } => self.reply(ticket, reply).await,
            Effect::Notify { to, frame } => {
                let event = PersonEvent::Frame(frame);
                let subject = subject::person_event(self.person(to));
                self.gateway.publish(&subject, &event).await;
            }
            Effect::Relay(step) => self.ask_relay(step).await,
            Effect::Accepted { rang } => {
                self.gateway.metrics.call_ring.observe(rang.as_secs_f64());
                let work = record_accept(Arc::clone(&self.gateway), self.machine.id()).boxed();
                // One accept per call always fits.
                let _ = self.rows.push(work);
            }
            Effect::Flowing { joined_in } => {
                self.gateway.metrics.call_join.observe(joined_in.as_secs_f64());
            }
            Effect::End { reason, talked } => self.end(reason, talked).await,
        }
    }

    fn person(&self, side: Side) -> PersonId {
        self.machine.party(side).who.person
    }

    async fn reply(&mut self, ticket: Ticket, answer: Answer<CallReply>) {
        if let Some(responder) = self.responders.remove(&ticket) {
            responder.respond(&self.gateway.context.bus, answer).await;
        }
    }

    async fn ask_relay(&mut self, step: RelayStep) {
        let ticket = match &step {
            RelayStep::Join { ticket, .. } | RelayStep::Offer { ticket, .. } => Some(*ticket),
            RelayStep::SetMedia { .. } | RelayStep::StartForwarding => None,
        };
        let work = relay_step(
            Arc::clone(&self.gateway),
            self.machine.id(),
            self.relay,
            [Side::Caller, Side::Callee].map(|side| self.person(side)),
            step,
        );
        if self.steps.push(work.boxed()).is_err()
            && let Some(ticket) = ticket
        {
            self.reply(ticket, Err(super::overloaded())).await;
        }
    }

    /// Recorded first, told second: whoever hears of the end may start a new call.
    async fn end(&mut self, reason: EndReason, talked: Option<Duration>) {
        // An accept that is still being written counts.
        while !self.rows.is_empty() {
            self.rows.next().await;
        }
        let call = self.machine.id();
        let quality = self.machine.quality().to_json();
        let finished = finish::record(&self.gateway, call, reason, &quality, talked).await;
        tracing::info!(%call, reason = reason.as_str(), "call ended");
        if let Some(talked) = talked {
            self.gateway.metrics.call_talk.observe(talked.as_secs_f64());
        }
        let Some(finished) = finished else { return };
        let view = self.machine.view();
        let patient = patient_of(&view);
        finish::announce(&self.gateway, view.subject, patient, finished).await;
    }

    async fn refuse_the_rest(&mut self) {
        let bus = self.gateway.context.bus.clone();
        let ended = || Err(Refusal::new(ErrorCode::Conflict, "the call has ended"));
        for (_, responder) in self.responders.drain() {
            responder.respond(&bus, ended()).await;
        }
        while let Ok(message) = self.messages.try_recv() {
            if let Message::Request { request, responder } = message {
                responder.respond(&bus, super::after_the_end(&request.command)).await;
            }
        }
    }
}

/// The patient of a call, who is one of its sides.
pub(super) fn patient_of(view: &housecall_protocol::domain::CallView) -> PersonId {
    use housecall_protocol::domain::PersonKind;
    match view.caller.kind {
        PersonKind::Patient => view.caller.person,
        PersonKind::Operator => view.callee.person,
    }
}

async fn sleep_until(at: Option<std::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(Instant::from_std(at)).await,
        None => std::future::pending().await,
    }
}

async fn record_accept(gateway: Arc<Gateway>, call: housecall_protocol::CallId) -> Done {
    match calls::accept(&gateway.context.pool, call).await {
        Ok(true) => {}
        Ok(false) => tracing::warn!(%call, "accepted, but ended in the database"),
        // The end will record it: it knows how long the talk was.
        Err(error) => tracing::error!(%call, %error, "record of an accept"),
    }
    Done::Nothing
}

async fn relay_step(
    gateway: Arc<Gateway>,
    room: housecall_protocol::CallId,
    relay: NodeId,
    [caller, callee]: [PersonId; 2],
    step: RelayStep,
) -> Done {
    let subject = subject::sfu_request(relay);
    let person = |side| match side {
        Side::Caller => caller,
        Side::Callee => callee,
    };
    match step {
        RelayStep::Join { side, connection, sdp, ticket, again } => {
            let participant = person(side);
            if again {
                let leave = SfuRequest::Leave { room, participant };
                // It may have left by itself; the join decides.
                let _ = gateway.ask::<_, SfuReply>(&subject, &leave).await;
            }
            let role = ParticipantRole::Member;
            let join = SfuRequest::Join { room, participant, sdp, role };
            match answer(gateway.ask(&subject, &join).await) {
                Ok(reply) => Done::Answered { ticket, answer: Ok(reply) },
                Err(refusal) => Done::JoinFailed { side, connection, ticket, refusal },
            }
        }
        RelayStep::Offer { side, sdp, ticket } => {
            let offer = SfuRequest::Offer { room, participant: person(side), sdp };
            Done::Answered { ticket, answer: answer(gateway.ask(&subject, &offer).await) }
        }
        RelayStep::SetMedia { side, media } => {
            let request = SfuRequest::SetMedia { room, participant: person(side), media };
            log_refusal(room, gateway.ask(&subject, &request).await)
        }
        RelayStep::StartForwarding => {
            let request = SfuRequest::SetForwarding { room, forwarding: true };
            log_refusal(room, gateway.ask(&subject, &request).await)
        }
    }
}

fn answer(answer: Answer<SfuReply>) -> Answer<CallReply> {
    Ok(match answer? {
        SfuReply::Answer { sdp } => CallReply::Answer { sdp },
        SfuReply::Done => CallReply::Done,
    })
}

fn log_refusal(call: housecall_protocol::CallId, answer: Answer<SfuReply>) -> Done {
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
