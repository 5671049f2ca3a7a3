//! The state machine of one call: `ringing -> connecting -> active -> ended`, between a
//! caller and a callee, with guests who come and go while it is active.
//!
//! Pure: the time comes in with each [`Input`], what is to be done goes out as
//! [`Effect`]s in order. It knows nothing of sockets, the bus or the database.

mod allowance;
mod commands;
mod data;
mod faults;
mod guests;
mod levels;
mod moves;
mod party;
mod relay;
#[cfg(test)]
mod tests;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use housecall_protocol::client::ServerFrame;
use housecall_protocol::cluster::{Answer, CallCommand, CallReply, SfuEvent};
use housecall_protocol::domain::{
    CallMedia, CallParty, CallSubject, EndReason, MediaState, TimestampMs, TrackSource,
};
use housecall_protocol::media::{MediaFault, ParticipantRole, Tile};
use housecall_protocol::{CallId, ConnectionId, ConversationId, PersonId};

use super::quality::{Quality, Sample};
use faults::Fault;
use guests::{Guest, Sought};
pub(crate) use party::Party;
use party::Signaling;

/// How long each state may last, and how much of what there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) ring: Duration,
    pub(crate) connecting: Duration,
    pub(crate) away: Duration,
    pub(crate) media_lost: Duration,
    pub(crate) max_guests: usize,
    pub(crate) listen_in: bool,
    /// Data messages of one participant: on average per second, and at once.
    pub(crate) data_per_second: u32,
    pub(crate) data_burst: u32,
}

/// What does not change in a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallInfo {
    pub(crate) id: CallId,
    pub(crate) conversation: ConversationId,
    pub(crate) subject: CallSubject,
    pub(crate) media: CallMedia,
    pub(crate) created_at: TimestampMs,
}

/// What somebody is in a call: the call is between the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Caller,
    Callee,
    Guest,
}

/// Names the request that a later reply answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(pub(crate) u64);

#[derive(Clone, Debug)]
pub(crate) enum Input {
    Command {
        person: PersonId,
        connection: ConnectionId,
        ticket: Ticket,
        command: CallCommand,
    },
    /// The relay's word.
    Relay(SfuEvent),
    /// The relay refused a join that [`RelayStep::Join`] asked for.
    JoinFailed {
        person: PersonId,
        connection: ConnectionId,
    },
    /// What [`Effect::Seek`] found: they may come and are written down, or why not.
    Found {
        ticket: Ticket,
        found: Answer<CallParty>,
    },
    /// The relay does not have the room any more.
    RelayLost,
    /// What [`Effect::Place`] wanted: the room is at another relay, or at a fresh one.
    RelayFound,
    /// The time of [`CallMachine::poll_timeout`] has come.
    Tick,
    /// The call cannot go on here: the process stops, or another ended it.
    Abort,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    Reply {
        ticket: Ticket,
        reply: Answer<CallReply>,
    },
    Notify {
        to: PersonId,
        frame: Box<ServerFrame>,
    },
    Relay(RelayStep),
    /// Find a relay that takes the room.
    Place,
    /// Find out whether somebody may come into the call, and write them down.
    Seek {
        ticket: Ticket,
        seek: Seek,
    },
    /// A guest is no longer in the call.
    Left {
        person: PersonId,
    },
    /// Record that the callee accepted, after ringing this long.
    Accepted {
        rang: Duration,
    },
    /// Media flows both ways, this long after the accept.
    Flowing {
        joined_in: Duration,
    },
    /// A participant's hearing was judged.
    Judged(Sample),
    /// A track does not flow.
    Stuck {
        source: TrackSource,
        fault: MediaFault,
    },
    /// Record the end; `talked` since the accept. The last effects are the
    /// notifications of it.
    End {
        reason: EndReason,
        talked: Option<Duration>,
    },
}

impl Effect {
    pub(super) fn notify(to: PersonId, frame: ServerFrame) -> Self {
        Self::Notify { to, frame: Box::new(frame) }
    }
}

/// Who is to come into the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seek {
    Invited { person: PersonId, by: PersonId, role: ParticipantRole },
    Listener { person: PersonId },
}

/// Requests to the relay, to be made one after another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RelayStep {
    /// `again`: an earlier session of this participant must leave first.
    Join {
        person: PersonId,
        role: ParticipantRole,
        connection: ConnectionId,
        sdp: String,
        ticket: Ticket,
        again: bool,
    },
    Offer {
        person: PersonId,
        sdp: String,
        ticket: Ticket,
    },
    SetMedia {
        person: PersonId,
        media: MediaState,
    },
    SetAllowed {
        person: PersonId,
        allowed: MediaState,
    },
    SetTiles {
        person: PersonId,
        tiles: Vec<Tile>,
    },
    Leave {
        person: PersonId,
    },
    StartForwarding,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Ringing { until: Instant },
    Connecting { accepted_at: Instant, until: Instant },
    Active { accepted_at: Instant },
    Ended { accepted_at: Option<Instant>, reason: EndReason },
}

/// See the module.
pub(crate) struct CallMachine {
    rules: Rules,
    info: CallInfo,
    started: Instant,
    state: State,
    caller: Party,
    callee: Party,
    guests: Vec<Guest>,
    /// Who is being looked up, by the request that wants them in.
    sought: BTreeMap<Ticket, Sought>,
    faults: BTreeSet<Fault>,
    quality: Quality,
    /// The room is not at its first relay, which alone was told to forward.
    moved: bool,
}

impl CallMachine {
    /// A call that rings; the caller has joined the room from `connection` by `sdp`.
    pub(crate) fn ringing(
        now: Instant,
        rules: Rules,
        info: CallInfo,
        mut caller: Party,
        callee: Party,
        connection: ConnectionId,
        sdp: &str,
    ) -> Self {
        caller.start_joining(connection, sdp, now);
        Self {
            rules,
            info,
            started: now,
            state: State::Ringing { until: now + rules.ring },
            caller,
            callee,
            guests: Vec::new(),
            sought: BTreeMap::new(),
            faults: BTreeSet::new(),
            quality: Quality::default(),
            moved: false,
        }
    }

    pub(crate) const fn id(&self) -> CallId {
        self.info.id
    }

    pub(crate) const fn quality(&self) -> &Quality {
        &self.quality
    }

    pub(crate) const fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended { .. })
    }

    pub(crate) fn place_of(&self, person: PersonId) -> Option<Place> {
        if person == self.caller.who.person {
            Some(Place::Caller)
        } else if person == self.callee.who.person {
            Some(Place::Callee)
        } else {
            self.guest(person).map(|_| Place::Guest)
        }
    }

    fn party(&self, person: PersonId) -> Option<&Party> {
        self.parties().find(|party| party.who.person == person)
    }

    fn party_mut(&mut self, person: PersonId) -> Option<&mut Party> {
        self.parties_mut().find(|party| party.who.person == person)
    }

    fn parties_mut(&mut self) -> impl Iterator<Item = &mut Party> {
        let guests = self.guests.iter_mut().map(|guest| &mut guest.party);
        [&mut self.caller, &mut self.callee].into_iter().chain(guests)
    }

    fn parties(&self) -> impl Iterator<Item = &Party> {
        self.sides().into_iter().chain(self.guests.iter().map(|guest| &guest.party))
    }

    const fn sides(&self) -> [&Party; 2] {
        [&self.caller, &self.callee]
    }

    /// When [`Input::Tick`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let own = match self.state {
            State::Ringing { until } | State::Connecting { until, .. } => Some(until),
            State::Active { .. } => None,
            State::Ended { .. } => return None,
        };
        let missing = self.parties().filter_map(|party| self.missing_until(party));
        let ringing = self.guests.iter().filter_map(Guest::rings_until);
        missing.chain(ringing).chain(own).min()
    }

    /// Until when the others wait for a participant who is away.
    fn missing_until(&self, party: &Party) -> Option<Instant> {
        if !self.counts_as_joined(party) {
            return None;
        }
        // While it connects, the connecting time bounds a join that drags on.
        let joining_counts = matches!(self.state, State::Active { .. });
        let down_since = party.link.down_since(joining_counts)?;
        Some(match party.signaling {
            Signaling::Away { since } => since.max(down_since) + self.rules.away,
            Signaling::Here(_) | Signaling::Unseen => down_since + self.rules.media_lost,
        })
    }

    /// Whom it only rings for is not missed when they go.
    fn counts_as_joined(&self, party: &Party) -> bool {
        let person = party.who.person;
        match self.state {
            State::Ringing { .. } => person == self.caller.who.person,
            State::Connecting { .. } | State::Active { .. } => {
                self.guest(person).is_none_or(|guest| guest.rings_until().is_none())
            }
            State::Ended { .. } => false,
        }
    }

    /// Takes one input and says what is to be done, in order.
    pub(crate) fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        let before = self.whole_view();
        let mut effects = Vec::new();
        match input {
            Input::Command { person, connection, ticket, command } => {
                let ask = Ask { now, person, connection, ticket };
                self.on_command(ask, command, &mut effects);
            }
            Input::Relay(event) => self.on_relay(now, event, &mut effects),
            Input::JoinFailed { person, connection } => {
                if let Some(party) = self.party_mut(person) {
                    party.join_failed(connection, now);
                }
            }
            Input::Found { ticket, found } => self.on_found(now, ticket, found, &mut effects),
            Input::RelayLost => self.relay_lost(now, &mut effects),
            Input::RelayFound => self.relay_found(&mut effects),
            Input::Tick => {}
            Input::Abort => self.end(now, EndReason::Failed, &mut effects),
        }
        self.settle(now, &mut effects);
        self.expire(now, &mut effects);
        self.tell_changes(&before, &mut effects);
        effects
    }

    /// Connecting becomes active once media flows both ways. From a participant
    /// who sends nothing there is nothing to wait for.
    fn settle(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let State::Connecting { accepted_at, .. } = self.state else { return };
        let [caller, callee] = self.sides();
        let hears = |party: &Party, other: &Party| {
            let silent = other.sends() == MediaState::default();
            party.link.is_up() && (party.flowing || silent)
        };
        if hears(caller, callee) && hears(callee, caller) {
            self.state = State::Active { accepted_at };
            let joined_in = now.saturating_duration_since(accepted_at);
            effects.push(Effect::Flowing { joined_in });
        }
    }

    fn expire(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let reason = match self.state {
            State::Ringing { until } if now >= until => EndReason::NoAnswer,
            State::Connecting { until, .. } if now >= until => EndReason::Failed,
            State::Ended { .. } => return,
            _ => {
                let lost = |party| self.missing_until(party).is_some_and(|until| now >= until);
                if !self.sides().into_iter().any(lost) {
                    return self.expire_guests(now, effects);
                }
                EndReason::ConnectionLost
            }
        };
        self.end(now, reason, effects);
    }

    fn end(&mut self, now: Instant, reason: EndReason, effects: &mut Vec<Effect>) {
        let accepted_at = match self.state {
            State::Ringing { .. } => None,
            State::Connecting { accepted_at, .. } | State::Active { accepted_at } => {
                Some(accepted_at)
            }
            State::Ended { .. } => return,
        };
        self.state = State::Ended { accepted_at, reason };
        let talked = accepted_at.map(|at| now.saturating_duration_since(at));
        effects.push(Effect::End { reason, talked });
    }
}

/// A request and who makes it.
#[derive(Clone, Copy, Debug)]
struct Ask {
    now: Instant,
    person: PersonId,
    connection: ConnectionId,
    ticket: Ticket,
}
