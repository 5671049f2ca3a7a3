//! Guests of a call: who is asked in, who listens, who leaves.
//!
//! A guest is looked up and written down in the database between the request and
//! their coming; nobody is let in twice meanwhile. When a guest goes, the call goes on.

use std::time::Instant;

use housecall_protocol::ConnectionId;
use housecall_protocol::PersonId;
use housecall_protocol::client::{CallUpdate, ErrorCode, ServerFrame};
use housecall_protocol::cluster::{Answer, CallReply, Refusal};
use housecall_protocol::domain::{CallParty, MediaState, PersonKind};
use housecall_protocol::media::ParticipantRole;

use super::commands::{conflict, forbidden};
use super::{Ask, CallMachine, Effect, Party, Place, RelayStep, Seek, State, Ticket};

/// Supervisors who listen to one call at once.
const MAX_LISTENERS: usize = 4;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Guest {
    pub(super) party: Party,
    pub(super) invited_by: PersonId,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Ringing { until: Instant },
    In,
}

impl Guest {
    /// Until when it rings for them; `None` once they are in.
    pub(super) const fn rings_until(&self) -> Option<Instant> {
        match self.stage {
            Stage::Ringing { until } => Some(until),
            Stage::In => None,
        }
    }

    pub(super) const fn come_in(&mut self) {
        self.stage = Stage::In;
    }

    fn is_hidden(&self) -> bool {
        self.party.who.role == ParticipantRole::Hidden
    }
}

/// Somebody who is being looked up.
#[derive(Clone, Debug)]
pub(super) enum Sought {
    Invited { person: PersonId, by: PersonId, role: ParticipantRole },
    Listener { person: PersonId, connection: ConnectionId, sdp: String },
}

impl Sought {
    const fn person(&self) -> PersonId {
        match self {
            Self::Invited { person, .. } | Self::Listener { person, .. } => *person,
        }
    }

    const fn listens(&self) -> bool {
        matches!(self, Self::Listener { .. })
    }
}

impl CallMachine {
    pub(super) fn guest(&self, person: PersonId) -> Option<&Guest> {
        self.guests.iter().find(|guest| guest.party.who.person == person)
    }

    pub(super) fn guest_mut(&mut self, person: PersonId) -> Option<&mut Guest> {
        self.guests.iter_mut().find(|guest| guest.party.who.person == person)
    }

    /// An operator who is a side of the call asks somebody in.
    pub(super) fn invite(
        &mut self,
        ask: Ask,
        person: PersonId,
        role: ParticipantRole,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        self.check_host(ask.person)?;
        if role == ParticipantRole::Hidden {
            return Err(forbidden("nobody is invited unseen"));
        }
        if !matches!(self.state, State::Active { .. }) {
            return Err(conflict("invite once the call is connected"));
        }
        self.check_room_for(person, false)?;
        let by = ask.person;
        self.sought.insert(ask.ticket, Sought::Invited { person, by, role });
        let seek = Seek::Invited { person, by, role };
        effects.push(Effect::Seek { ticket: ask.ticket, seek });
        Ok(None)
    }

    /// A supervisor wants to listen. Whether they are one, the database says.
    pub(super) fn listen(
        &mut self,
        ask: Ask,
        sdp: String,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        if !self.rules.listen_in {
            return Err(forbidden("nobody listens to calls here"));
        }
        if !matches!(self.state, State::Connecting { .. } | State::Active { .. }) {
            return Err(conflict("there is nothing to hear yet"));
        }
        self.check_room_for(ask.person, true)?;
        let (person, connection) = (ask.person, ask.connection);
        self.sought.insert(ask.ticket, Sought::Listener { person, connection, sdp });
        effects.push(Effect::Seek { ticket: ask.ticket, seek: Seek::Listener { person } });
        Ok(None)
    }

    fn check_room_for(&self, person: PersonId, listens: bool) -> Answer<()> {
        let sought = |sought: &&Sought| sought.person() == person;
        if self.place_of(person).is_some() || self.sought.values().any(|one| sought(&one)) {
            return Err(conflict("they are in the call or on their way"));
        }
        let guests = self.guests.iter().filter(|guest| guest.is_hidden() == listens).count();
        let coming = self.sought.values().filter(|one| one.listens() == listens).count();
        let most = if listens { MAX_LISTENERS } else { self.rules.max_guests };
        if guests + coming >= most {
            return Err(conflict("the call has no place left"));
        }
        Ok(())
    }

    /// Only the operator of the call decides who is in it and who may speak.
    pub(super) fn check_host(&self, person: PersonId) -> Answer<()> {
        let side = self.sides().into_iter().find(|party| party.who.person == person);
        match side.map(|party| party.who.kind) {
            Some(PersonKind::Operator) => Ok(()),
            Some(PersonKind::Patient) | None => Err(forbidden("the call's operator decides that")),
        }
    }

    pub(super) fn on_found(
        &mut self,
        now: Instant,
        ticket: Ticket,
        found: Answer<CallParty>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(sought) = self.sought.remove(&ticket) else { return };
        if self.has_ended() {
            // Its end has freed them already.
            let reply = Err(conflict("the call has ended"));
            return effects.push(Effect::Reply { ticket, reply });
        }
        match found {
            Ok(who) => self.let_in(now, ticket, sought, who, effects),
            Err(refusal) => effects.push(Effect::Reply { ticket, reply: Err(refusal) }),
        }
    }

    fn let_in(
        &mut self,
        now: Instant,
        ticket: Ticket,
        sought: Sought,
        who: CallParty,
        effects: &mut Vec<Effect>,
    ) {
        match sought {
            Sought::Invited { person, by, role } => {
                let party = Party::new(CallParty { role, ..who });
                let stage = Stage::Ringing { until: now + self.rules.ring };
                self.guests.push(Guest { party, invited_by: by, stage });
                let incoming = CallUpdate { call: self.view_for(person) };
                effects.push(Effect::notify(person, ServerFrame::CallIncoming(incoming)));
                effects.push(Effect::Reply { ticket, reply: Ok(CallReply::Done) });
            }
            Sought::Listener { person, connection, sdp } => {
                let role = ParticipantRole::Hidden;
                let party = Party::new(CallParty { role, ..who });
                self.guests.push(Guest { party, invited_by: person, stage: Stage::In });
                let ask = Ask { now, person, connection, ticket };
                self.start_media(ask, sdp, effects);
            }
        }
    }

    /// The guest accepts; the offer joins them to a room that forwards already, so
    /// there is nothing to prepare while it rings.
    pub(super) fn guest_accepts(
        &mut self,
        ask: Ask,
        media: MediaState,
        sdp: Option<String>,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        let Some(guest) = self.guest_mut(ask.person) else {
            return Err(conflict("you are not invited any more"));
        };
        if guest.stage == Stage::In {
            return Err(conflict("the call was answered already"));
        }
        let Some(sdp) = sdp else { return Err(conflict("a guest accepts with an offer")) };
        guest.come_in();
        guest.party.media = media;
        self.start_media(ask, sdp, effects);
        Ok(None)
    }

    pub(super) fn remove_guest(
        &mut self,
        ask: Ask,
        person: PersonId,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        self.check_host(ask.person)?;
        // Who listens unseen is not there to be removed.
        if self.place_of(person) != Some(Place::Guest) || self.is_hidden(person) {
            return Err(Refusal::new(ErrorCode::NotFound, "they are no guest of this call"));
        }
        self.part(person, effects);
        Ok(Some(CallReply::Done))
    }

    /// A guest goes.
    pub(super) fn part(&mut self, person: PersonId, effects: &mut Vec<Effect>) {
        let Some(index) = self.guests.iter().position(|guest| guest.party.who.person == person)
        else {
            return;
        };
        let guest = self.guests.remove(index);
        self.forget_faults_of(person);
        if guest.party.link.held_by().is_some() {
            effects.push(Effect::Relay(RelayStep::Leave { person }));
        }
        effects.push(Effect::Left { person });
    }

    pub(super) fn expire_guests(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let due = |guest: &&Guest| {
            let until = guest.rings_until().or_else(|| self.missing_until(&guest.party));
            until.is_some_and(|until| now >= until)
        };
        let gone: Vec<_> =
            self.guests.iter().filter(due).map(|guest| guest.party.who.person).collect();
        gone.into_iter().for_each(|person| self.part(person, effects));
    }
}
