//! What the participants ask of a call, and whether its state allows it.
//!
//! Each answers with its reply, or with `None` when the relay's answer to the step
//! it asked for will be the reply.

use housecall_protocol::ConnectionId;
use housecall_protocol::PersonId;
use housecall_protocol::client::{
    CallAccept, CallLayers, CallOfferNeeded, CallReport, CallSlots, ErrorCode, ServerFrame,
};
use housecall_protocol::cluster::{Answer, CallCommand, CallReply, Refusal};
use housecall_protocol::domain::{EndReason, MediaState};
use housecall_protocol::media::ParticipantRole;

use super::party::Signaling;
use super::{Ask, CallMachine, Effect, Place, RelayStep, State};

impl CallMachine {
    pub(super) fn on_command(&mut self, ask: Ask, command: CallCommand, effects: &mut Vec<Effect>) {
        let done = match (self.place_of(ask.person), command) {
            (None, CallCommand::Listen { .. }) if self.has_ended() => {
                Err(conflict("the call has ended"))
            }
            (None, CallCommand::Listen { sdp }) => self.listen(ask, sdp, effects),
            (None, _) => Err(not_found()),
            (Some(place), command) => self.command_of(ask, place, command, effects),
        };
        // Without a reply here, the relay's answer will be the reply.
        if let Some(reply) = done.transpose() {
            effects.push(Effect::Reply { ticket: ask.ticket, reply });
        }
    }

    fn command_of(
        &mut self,
        ask: Ask,
        place: Place,
        command: CallCommand,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        if !matches!(command, CallCommand::Disconnected | CallCommand::Connected { .. })
            && let Some(party) = self.party_mut(ask.person)
        {
            party.heard_from(ask.connection);
        }
        match command {
            CallCommand::Connected { previous } => self.connected(ask, previous, effects),
            CallCommand::Disconnected => {
                if let Some(party) = self.party_mut(ask.person) {
                    party.disconnected(ask.connection, ask.now);
                }
                Ok(Some(CallReply::Done))
            }
            CallCommand::Report(report) => self.report(ask.person, &report, effects),
            CallCommand::HangUp => self.hang_up(ask, place, effects),
            _ if self.has_ended() => Err(conflict("the call has ended")),
            CallCommand::Prepare { sdp } => match place {
                Place::Caller | Place::Callee => self.join(ask, sdp, effects),
                Place::Guest => Err(conflict("a guest accepts with an offer")),
            },
            CallCommand::Accept(accept) => self.accept(ask, place, accept, effects),
            CallCommand::Decline => self.decline(ask, place, effects),
            CallCommand::Offer { sdp } => self.offer(ask, sdp, effects),
            CallCommand::Media(media) => self.set_media(ask, media, effects),
            CallCommand::Tiles(tiles) => self.set_tiles(ask, tiles, effects),
            CallCommand::Data { topic, payload, to } => {
                self.pass_data(ask, topic, payload, to, effects)
            }
            CallCommand::Mute { person, allowed } => self.mute(ask, person, allowed, effects),
            CallCommand::Invite { person, role } => self.invite(ask, person, role, effects),
            CallCommand::Remove { person } => self.remove_guest(ask, person, effects),
            CallCommand::Listen { .. } => Err(conflict("you are in the call")),
        }
    }

    fn connected(
        &mut self,
        ask: Ask,
        previous: Option<ConnectionId>,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        let (call, over) = (self.info.id, self.has_ended());
        let Some(party) = self.party_mut(ask.person) else { return Err(not_found()) };
        party.connected(ask.connection, previous);
        if !over {
            // What it may have missed while it was away.
            let slots = party.slots.clone();
            let slots = slots.map(|slots| ServerFrame::CallSlots(CallSlots { call, slots }));
            let layers = party.layers.iter().map(|(source, rids)| {
                let (source, rids) = (*source, rids.clone());
                ServerFrame::CallLayers(CallLayers { call, source, rids })
            });
            let needed = party.lines_needed.map(|(audio_slots, video_slots)| {
                ServerFrame::CallOfferNeeded(CallOfferNeeded { call, audio_slots, video_slots })
            });
            let missed: Vec<_> = slots.into_iter().chain(needed).chain(layers).collect();
            let missed = missed.into_iter().chain(self.faults_for(ask.person));
            effects.extend(missed.map(|frame| Effect::notify(ask.person, frame)));
        }
        Ok(Some(CallReply::View(Box::new(self.view_for(ask.person)))))
    }

    fn report(
        &mut self,
        person: PersonId,
        report: &CallReport,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        let sample = self.quality.report(person, report);
        if !self.has_ended() {
            if let Some(sample) = sample {
                self.judged(person, sample, effects);
            }
            self.faults_reported(person, &report.faults, effects);
        }
        Ok(Some(CallReply::Done))
    }

    fn hang_up(
        &mut self,
        ask: Ask,
        place: Place,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        let reason = match (self.state, place) {
            (State::Ended { .. }, Place::Guest) => return Ok(Some(CallReply::Done)),
            (_, Place::Guest) => {
                self.part(ask.person, effects);
                return Ok(Some(CallReply::Done));
            }
            (State::Ringing { .. }, Place::Caller) => EndReason::Cancelled,
            (State::Ringing { .. }, Place::Callee) => EndReason::Declined,
            _ => EndReason::HungUp,
        };
        // To hang up what has ended is no error: the goal is reached.
        self.end(ask.now, reason, effects);
        Ok(Some(CallReply::Done))
    }

    fn decline(
        &mut self,
        ask: Ask,
        place: Place,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        match (self.state, place) {
            (State::Ringing { .. }, Place::Callee) => {
                self.end(ask.now, EndReason::Declined, effects);
                Ok(Some(CallReply::Done))
            }
            (_, Place::Caller) => Err(forbidden("only the callee declines")),
            (_, Place::Guest)
                if self.guest(ask.person).is_some_and(|guest| guest.rings_until().is_some()) =>
            {
                self.part(ask.person, effects);
                Ok(Some(CallReply::Done))
            }
            _ => Err(conflict("the call was answered already")),
        }
    }

    /// A fresh media session of a participant: early while it rings, or again
    /// after a reload of the page.
    fn join(
        &mut self,
        ask: Ask,
        sdp: String,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        let elsewhere =
            self.party(ask.person).is_some_and(|party| party.holds_media_elsewhere(ask.connection));
        if elsewhere {
            return Err(Refusal::new(ErrorCode::Busy, "another device of yours is connected"));
        }
        self.start_media(ask, sdp, effects);
        Ok(None)
    }

    /// Joins the room anew. A new session of the relay knows no mute: who was muted,
    /// by themselves or by the house, stays so.
    pub(super) fn start_media(&mut self, ask: Ask, sdp: String, effects: &mut Vec<Effect>) {
        let (person, connection, ticket) = (ask.person, ask.connection, ask.ticket);
        let Some(party) = self.party_mut(person) else { return };
        let again = party.start_joining(connection, &sdp, ask.now);
        let (role, media, allowed) = (party.who.role, party.media, party.allowed);
        effects.push(Effect::Relay(RelayStep::Join {
            person,
            role,
            connection,
            sdp,
            ticket,
            again,
        }));
        if role.may_send() {
            effects.push(Effect::Relay(RelayStep::SetMedia { person, media }));
            if allowed != MediaState::ALL {
                effects.push(Effect::Relay(RelayStep::SetAllowed { person, allowed }));
            }
        }
        if self.moved && matches!(self.state, State::Connecting { .. } | State::Active { .. }) {
            // Another relay knows nothing of the accept.
            effects.push(Effect::Relay(RelayStep::StartForwarding));
        }
    }

    fn accept(
        &mut self,
        ask: Ask,
        place: Place,
        accept: CallAccept,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        let CallAccept { state: media, sdp, .. } = accept;
        match place {
            Place::Caller => return Err(forbidden("only the callee accepts")),
            Place::Guest => return self.guest_accepts(ask, media, sdp, effects),
            Place::Callee => {}
        }
        if !matches!(self.state, State::Ringing { .. }) {
            return Err(conflict("the call was answered already"));
        }
        let person = ask.person;
        let reply = match sdp {
            Some(sdp) => {
                self.callee.media = media;
                self.start_media(ask, sdp, effects);
                None
            }
            None if self.callee.link.held_by() == Some(ask.connection) => {
                // The mute is known to the relay before the first packet may pass.
                effects.push(Effect::Relay(RelayStep::SetMedia { person, media }));
                Some(CallReply::Done)
            }
            None => return Err(conflict("prepare first, or accept with an offer")),
        };
        self.callee.media = media;
        self.callee.signaling = Signaling::Here(ask.connection);
        let until = ask.now + self.rules.connecting;
        self.state = State::Connecting { accepted_at: ask.now, until };
        effects.push(Effect::Relay(RelayStep::StartForwarding));
        let rang = ask.now.saturating_duration_since(self.started);
        effects.push(Effect::Accepted { rang });
        Ok(reply)
    }

    /// More slots or an ICE restart; or a whole new peer connection, after a reload.
    fn offer(
        &mut self,
        ask: Ask,
        sdp: String,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        if self.guest(ask.person).is_some_and(|guest| guest.rings_until().is_some()) {
            return Err(conflict("accept first"));
        }
        let Some(party) = self.party_mut(ask.person) else { return Err(not_found()) };
        if party.is_fresh(&sdp) {
            return self.join(ask, sdp, effects);
        }
        if party.holds_media_elsewhere(ask.connection) {
            return Err(conflict("another device of yours is in the call"));
        }
        party.link.pass_to(ask.connection);
        let (person, ticket) = (ask.person, ask.ticket);
        effects.push(Effect::Relay(RelayStep::Offer { person, sdp, ticket }));
        Ok(None)
    }

    fn set_media(
        &mut self,
        ask: Ask,
        media: MediaState,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        let person = ask.person;
        let Some(party) = self.party_mut(person) else { return Err(not_found()) };
        if party.signaling != Signaling::Here(ask.connection) {
            return Err(conflict("another device of yours is in the call"));
        }
        if !party.who.role.may_send() {
            return Err(forbidden("a listener sends nothing"));
        }
        // What is said while it is not allowed does not count once it is.
        party.media = media.and(party.allowed);
        let media = party.media;
        effects.push(Effect::Relay(RelayStep::SetMedia { person, media }));
        Ok(Some(CallReply::Done))
    }

    /// The operator of the call says what somebody else may send.
    fn mute(
        &mut self,
        ask: Ask,
        person: PersonId,
        allowed: MediaState,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        self.check_host(ask.person)?;
        if person == ask.person {
            return Err(forbidden("turn your own devices off yourself"));
        }
        let visible = |role| role != ParticipantRole::Hidden;
        let Some(party) = self.party_mut(person).filter(|party| visible(party.who.role)) else {
            return Err(Refusal::new(ErrorCode::NotFound, "they are not in the call"));
        };
        if !party.who.role.may_send() {
            return Err(conflict("a listener sends nothing"));
        }
        let taken = MediaState::ALL.without(allowed);
        party.allowed = allowed;
        // What was taken stays off when it is allowed again: the person themselves
        // turns it on, nobody opens their microphone for them.
        party.media = party.media.without(taken);
        let media = party.media;
        if party.link.held_by().is_some() {
            effects.push(Effect::Relay(RelayStep::SetAllowed { person, allowed }));
            effects.push(Effect::Relay(RelayStep::SetMedia { person, media }));
        }
        Ok(Some(CallReply::Done))
    }
}

pub(super) fn conflict(message: &str) -> Refusal {
    Refusal::new(ErrorCode::Conflict, message)
}

pub(super) fn forbidden(message: &str) -> Refusal {
    Refusal::new(ErrorCode::Forbidden, message)
}

fn not_found() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "there is no such call of yours")
}
