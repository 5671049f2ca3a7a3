//! The task that drives one call: it gives the machine its inputs and does what
//! the machine says.
//!
//! Requests to the relay go one after another in a lane of their own, so that a
//! slow relay delays no hang-up. The inbox is bounded; what does not fit is
//! refused as unavailable.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use housecall_platform::bus::{Bus, Delivery, Subscription};
use housecall_protocol::client::ErrorCode;
use housecall_protocol::cluster::{
    Answer, CallCommand, CallReply, CallRequest, PersonEvent, Refusal, SfuEvent, subject,
};
use housecall_protocol::domain::{CallParty, EndReason};
use housecall_protocol::{ConnectionId, NodeId, PersonId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::machine::{CallMachine, Effect, Input, RelayStep, Seek, Ticket};
use super::{finish, relay, seek};
use crate::gateway::{Gateway, log_malformed};
use crate::lane::Lane;
use crate::storage::calls;

/// Messages a call's task may have waiting. Two people press few buttons.
pub(super) const INBOX_BOUND: usize = 64;
/// Requests to the relay that may wait behind a slow one.
const RELAY_BOUND: usize = 64;

/// How long participants have to move to another relay before the old one lets go.
const MOVE_PATIENCE: Duration = Duration::from_secs(10);

/// What reaches a call's task.
pub(super) enum Message {
    Request {
        request: Box<CallRequest>,
        responder: Responder,
    },
    /// The caller's connection ended while the call was being started.
    CallerGone {
        connection: ConnectionId,
    },
    /// Another ended the call in the database.
    EndedElsewhere,
    /// This relay does not have the call's room any more.
    RelayLost {
        relay: NodeId,
    },
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
pub(super) enum Done {
    Nothing,
    Answered { ticket: Ticket, answer: Answer<CallReply> },
    JoinFailed { person: PersonId, connection: ConnectionId, ticket: Ticket, refusal: Refusal },
    Found { ticket: Ticket, found: Answer<CallParty> },
    Placed { relay: NodeId, events: Subscription },
    NotPlaced,
}

/// The relay that the room leaves, where media goes on until all have moved.
struct Left {
    relay: NodeId,
    until: Instant,
}

/// See the module.
pub(super) struct CallActor {
    gateway: Arc<Gateway>,
    machine: CallMachine,
    relay: NodeId,
    /// Another relay is being sought.
    placing: bool,
    left: Option<Left>,
    events: Subscription,
    messages: mpsc::Receiver<Message>,
    steps: Lane<Done>,
    rows: Lane<Done>,
    responders: HashMap<Ticket, Responder>,
    /// Requests that are answered by the call beside the relay's answer.
    listens: HashSet<(Ticket, PersonId)>,
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
            placing: false,
            left: None,
            events,
            messages,
            steps: Lane::new(RELAY_BOUND),
            rows: Lane::new(RELAY_BOUND),
            responders: HashMap::new(),
            listens: HashSet::new(),
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
        if let Some(left) = self.left {
            finish::close_room(&self.gateway, self.machine.id(), left.relay).await;
        }
    }

    async fn step(&mut self) {
        let stop = self.gateway.calls.stop.clone();
        let left = self.left.as_ref().map(|left| left.until.into_std());
        let timeout = self.machine.poll_timeout().into_iter().chain(left).min();
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
            Message::RelayLost { relay } if relay == self.relay => {
                return self.input(Input::RelayLost).await;
            }
            // It has moved meanwhile.
            Message::RelayLost { .. } => return,
            Message::CallerGone { connection } => {
                let ticket = self.ticket(Responder::Nobody);
                let person = self.machine.view().caller.person;
                let command = CallCommand::Disconnected;
                return self.input(Input::Command { person, connection, ticket, command }).await;
            }
            Message::Request { request, responder } => (request, responder),
        };
        let person = request.actor.person;
        if let CallCommand::Report(report) = &request.command
            && let Some(first_frame_ms) = report.first_frame_ms
            && self.machine.place_of(person).is_some()
        {
            self.gateway.metrics.first_frame.observe(f64::from(first_frame_ms) / 1000.0);
        }
        let ticket = self.ticket(responder);
        let CallRequest { connection, command, .. } = *request;
        self.input(Input::Command { person, connection, ticket, command }).await;
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
            Done::JoinFailed { person, connection, ticket, refusal } => {
                self.reply(ticket, Err(refusal)).await;
                self.input(Input::JoinFailed { person, connection }).await;
            }
            Done::Found { ticket, found } => self.input(Input::Found { ticket, found }).await,
            Done::Placed { relay, events } => self.placed(relay, events).await,
            // The next look at the relays tries again.
            Done::NotPlaced => self.placing = false,
        }
    }

    async fn input(&mut self, input: Input) {
        for effect in self.machine.handle(Instant::now().into_std(), input) {
            self.perform(effect).await;
        }
        self.leave_old_relay();
    }

    fn place(&mut self) {
        if self.placing {
            return;
        }
        let work = relay::place(Arc::clone(&self.gateway), self.machine.id()).boxed();
        self.placing = self.rows.push(work).is_ok();
    }

    /// The room is at `relay` from now on; the participants are told to go there.
    async fn placed(&mut self, relay: NodeId, events: Subscription) {
        self.placing = false;
        tracing::info!(call = %self.machine.id(), from = %self.relay, to = %relay, "room moves");
        self.events = events;
        let before = std::mem::replace(&mut self.relay, relay);
        if let Some(driven) = self.gateway.calls.local_calls().get_mut(&self.machine.id()) {
            driven.relay = relay;
        }
        if before != relay {
            let until = Instant::now() + MOVE_PATIENCE;
            if let Some(older) = self.left.replace(Left { relay: before, until }) {
                self.close_at(older.relay);
            }
        }
        self.input(Input::RelayFound).await;
    }

    /// Closes the room at the relay it has left, once nobody needs it there.
    fn leave_old_relay(&mut self) {
        let now = Instant::now();
        let over = |left: &mut Left| self.machine.has_settled() || left.until <= now;
        if let Some(left) = self.left.take_if(over) {
            self.close_at(left.relay);
        }
    }

    fn close_at(&mut self, relay: NodeId) {
        let (gateway, call) = (Arc::clone(&self.gateway), self.machine.id());
        let work = async move {
            finish::close_room(&gateway, call, relay).await;
            Done::Nothing
        };
        // A full lane: the relay closes a room that everybody has left.
        let _ = self.rows.push(work.boxed());
    }

    async fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Reply { ticket, reply } => self.reply(ticket, reply).await,
            Effect::Notify { to, frame } => {
                let event = PersonEvent::Frame(frame);
                self.gateway.publish(&subject::person_event(to), &event).await;
            }
            Effect::Relay(step) => self.ask_relay(step).await,
            Effect::Place => self.place(),
            Effect::Seek { ticket, seek } => self.seek(ticket, seek).await,
            // Freed first, told second: whoever hears of it may start a new call.
            Effect::Left { person } => seek::free(&self.gateway, self.machine.id(), person).await,
            Effect::Accepted { rang } => {
                self.gateway.metrics.call_ring.observe(rang.as_secs_f64());
                let work = record_accept(Arc::clone(&self.gateway), self.machine.id()).boxed();
                // One accept per call always fits.
                let _ = self.rows.push(work);
            }
            Effect::Flowing { joined_in } => {
                self.gateway.metrics.call_join.observe(joined_in.as_secs_f64());
                // Lists show that the call runs.
                finish::changed(&self.gateway, self.machine.view().subject).await;
            }
            Effect::Judged(sample) => self.gateway.metrics.judged(sample),
            Effect::Stuck { source, fault } => self.gateway.metrics.stuck(source, fault),
            Effect::End { reason, talked } => self.end(reason, talked).await,
        }
    }

    async fn seek(&mut self, ticket: Ticket, seek: Seek) {
        if let Seek::Listener { person } = seek {
            self.listens.insert((ticket, person));
        }
        let work = seek::find(Arc::clone(&self.gateway), self.machine.id(), ticket, seek);
        if self.rows.push(work.boxed()).is_err() {
            let found = Err(super::overloaded());
            Box::pin(self.input(Input::Found { ticket, found })).await;
        }
    }

    async fn reply(&mut self, ticket: Ticket, answer: Answer<CallReply>) {
        let listens = self.listens.iter().find(|(listens, _)| *listens == ticket).copied();
        let answer = match (listens, answer) {
            (Some((_, person)), Ok(CallReply::Answer { sdp })) => {
                Ok(CallReply::Joined { view: Box::new(self.machine.view_for(person)), sdp })
            }
            (_, answer) => answer,
        };
        if let Some(listens) = listens {
            self.listens.remove(&listens);
        }
        if let Some(responder) = self.responders.remove(&ticket) {
            responder.respond(&self.gateway.context.bus, answer).await;
        }
    }

    async fn ask_relay(&mut self, step: RelayStep) {
        let ticket = match &step {
            RelayStep::Join { ticket, .. } | RelayStep::Offer { ticket, .. } => Some(*ticket),
            RelayStep::SetMedia { .. }
            | RelayStep::SetAllowed { .. }
            | RelayStep::SetTiles { .. }
            | RelayStep::Leave { .. }
            | RelayStep::StartForwarding => None,
        };
        let work = relay::step(Arc::clone(&self.gateway), self.machine.id(), self.relay, step);
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
        let quality = self.machine.quality().summaries();
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
