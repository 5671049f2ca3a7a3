//! What the participants ask of a call, and whether its state allows it.
//!
//! Each answers with its reply, or with `None` when the relay's answer to the step
//! it asked for will be the reply.

use std::time::Instant;

use housecall_protocol::ConnectionId;
use housecall_protocol::client::{CallAccept, CallSlots, ErrorCode, ServerFrame};
use housecall_protocol::cluster::{Answer, CallCommand, CallReply, Refusal};
use housecall_protocol::domain::{EndReason, MediaState};

use super::party::Signaling;
use super::{CallMachine, Effect, RelayStep, Side, State, Ticket};

impl CallMachine {
    pub(super) fn on_command(
        &mut self,
        now: Instant,
        side: Side,
        connection: ConnectionId,
        ticket: Ticket,
        command: CallCommand,
        effects: &mut Vec<Effect>,
    ) {
        if !matches!(command, CallCommand::Disconnected | CallCommand::Connected { .. }) {
            self.party_mut(side).heard_from(connection);
        }
        let done = match command {
            CallCommand::Connected { previous } => {
                self.connected(side, connection, previous, effects)
            }
            CallCommand::Disconnected => {
                self.party_mut(side).disconnected(connection, now);
                Ok(Some(CallReply::Done))
            }
            CallCommand::Report(report) => {
                self.quality.report(self.party(side).who.person, &report);
                Ok(Some(CallReply::Done))
            }
            CallCommand::HangUp => self.hang_up(now, side, effects),
            _ if self.has_ended() => Err(conflict("the call has ended")),
            CallCommand::Prepare { sdp } => self.join(now, side, connection, sdp, ticket, effects),
            CallCommand::Accept(accept) => {
                self.accept(now, side, connection, accept, ticket, effects)
            }
            CallCommand::Decline => self.decline(now, side, effects),
            CallCommand::Offer { sdp } => self.offer(now, side, connection, sdp, ticket, effects),
            CallCommand::Media(media) => self.set_media(side, connection, media, effects),
            CallCommand::Tiles(_)
            | CallCommand::Data { .. }
            | CallCommand::Mute { .. }
            | CallCommand::Invite { .. }
            | CallCommand::Remove { .. }
            | CallCommand::Listen { .. } => {
                Err(Refusal::new(ErrorCode::Unavailable, "this call cannot do that"))
            }
        };
        // Without a reply here, the relay's answer will be the reply.
        if let Some(reply) = done.transpose() {
            effects.push(Effect::Reply { ticket, reply });
        }
    }

    fn connected(
        &mut self,
        side: Side,
        connection: ConnectionId,
        previous: Option<ConnectionId>,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        let (call, over) = (self.info.id, self.has_ended());
        let party = self.party_mut(side);
        party.connected(connection, previous);
        // What it may have missed while it was away.
        if let Some(slots) = party.slots.clone().filter(|_| !over) {
            let frame = ServerFrame::CallSlots(CallSlots { call, slots });
            effects.push(Effect::notify(side, frame));
        }
        Ok(Some(CallReply::View(Box::new(self.view()))))
    }

    fn hang_up(
        &mut self,
        now: Instant,
        side: Side,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        let reason = match (self.state, side) {
            (State::Ringing { .. }, Side::Caller) => EndReason::Cancelled,
            (State::Ringing { .. }, Side::Callee) => EndReason::Declined,
            _ => EndReason::HungUp,
        };
        // To hang up what has ended is no error: the goal is reached.
        self.end(now, reason, effects);
        Ok(Some(CallReply::Done))
    }

    fn decline(
        &mut self,
        now: Instant,
        side: Side,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        match (self.state, side) {
            (State::Ringing { .. }, Side::Callee) => {
                self.end(now, EndReason::Declined, effects);
                Ok(Some(CallReply::Done))
            }
            (_, Side::Caller) => Err(forbidden("only the callee declines")),
            _ => Err(conflict("the call was answered already")),
        }
    }

    /// A fresh media session of a participant: early while it rings, or again
    /// after a reload of the page.
    fn join(
        &mut self,
        now: Instant,
        side: Side,
        connection: ConnectionId,
        sdp: String,
        ticket: Ticket,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        let party = self.party_mut(side);
        if party.holds_media_elsewhere(connection) {
            return Err(Refusal::new(ErrorCode::Busy, "another device of yours is connected"));
        }
        let again = party.start_joining(connection, &sdp, now);
        let media = party.media;
        effects.push(Effect::Relay(RelayStep::Join { side, connection, sdp, ticket, again }));
        // A new session of the relay knows no mute: who was muted stays so.
        effects.push(Effect::Relay(RelayStep::SetMedia { side, media }));
        Ok(None)
    }

    fn accept(
        &mut self,
        now: Instant,
        side: Side,
        connection: ConnectionId,
        accept: CallAccept,
        ticket: Ticket,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        if side == Side::Caller {
            return Err(forbidden("only the callee accepts"));
        }
        if !matches!(self.state, State::Ringing { .. }) {
            return Err(conflict("the call was answered already"));
        }
        let CallAccept { state: media, sdp, .. } = accept;
        let reply = match sdp {
            Some(sdp) => {
                let again = self.callee.start_joining(connection, &sdp, now);
                effects.push(Effect::Relay(RelayStep::Join {
                    side,
                    connection,
                    sdp,
                    ticket,
                    again,
                }));
                None
            }
            None if self.callee.link.held_by() == Some(connection) => Some(CallReply::Done),
            None => return Err(conflict("prepare first, or accept with an offer")),
        };
        self.callee.media = media;
        self.callee.signaling = Signaling::Here(connection);
        self.state = State::Connecting { accepted_at: now, until: now + self.timing.connecting };
        // The mute is known to the relay before the first packet may pass.
        effects.push(Effect::Relay(RelayStep::SetMedia { side, media }));
        effects.push(Effect::Relay(RelayStep::StartForwarding));
        let rang = now.saturating_duration_since(self.started);
        effects.push(Effect::Accepted { rang });
        Ok(reply)
    }

    /// More slots or an ICE restart; or a whole new peer connection, after a reload.
    fn offer(
        &mut self,
        now: Instant,
        side: Side,
        connection: ConnectionId,
        sdp: String,
        ticket: Ticket,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        if self.party(side).is_fresh(&sdp) {
            return self.join(now, side, connection, sdp, ticket, effects);
        }
        let party = self.party_mut(side);
        if party.holds_media_elsewhere(connection) {
            return Err(conflict("another device of yours is in the call"));
        }
        party.link.pass_to(connection);
        effects.push(Effect::Relay(RelayStep::Offer { side, sdp, ticket }));
        Ok(None)
    }

    fn set_media(
        &mut self,
        side: Side,
        connection: ConnectionId,
        media: MediaState,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        let party = self.party_mut(side);
        if party.signaling != Signaling::Here(connection) {
            return Err(conflict("another device of yours is in the call"));
        }
        party.media = media;
        effects.push(Effect::Relay(RelayStep::SetMedia { side, media }));
        Ok(Some(CallReply::Done))
    }
}

fn conflict(message: &str) -> Refusal {
    Refusal::new(ErrorCode::Conflict, message)
}

fn forbidden(message: &str) -> Refusal {
    Refusal::new(ErrorCode::Forbidden, message)
}
