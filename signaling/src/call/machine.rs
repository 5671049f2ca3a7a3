//! The state machine of one call: `ringing -> connecting -> active -> ended`.
//!
//! Pure: the time comes in with each [`Input`], what is to be done goes out as
//! [`Effect`]s in order. It knows nothing of sockets, the bus or the database.

mod commands;
mod party;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use housecall_protocol::client::{
    CallOfferNeeded, CallQuality, CallSlots, CallUpdate, ServerFrame,
};
use housecall_protocol::cluster::{Answer, CallCommand, CallReply, SfuEvent};
use housecall_protocol::domain::{
    CallMedia, CallState, CallSubject, CallView, EndReason, MediaState, QualityLevel, TimestampMs,
};
use housecall_protocol::{CallId, ConnectionId, ConversationId, PersonId};

use super::quality::Quality;
pub(crate) use party::Party;
use party::Signaling;

/// How long each state may last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) ring: Duration,
    pub(crate) connecting: Duration,
    pub(crate) away: Duration,
    pub(crate) media_lost: Duration,
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

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Caller,
    Callee,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Caller, Self::Callee];

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

/// Names the request that a later reply answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ticket(pub(crate) u64);

#[derive(Clone, Debug)]
pub(crate) enum Input {
    Command {
        side: Side,
        connection: ConnectionId,
        ticket: Ticket,
        command: CallCommand,
    },
    /// The relay's word.
    Relay(SfuEvent),
    /// The relay refused a join that [`RelayStep::Join`] asked for.
    JoinFailed {
        side: Side,
        connection: ConnectionId,
    },
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
        to: Side,
        frame: Box<ServerFrame>,
    },
    Relay(RelayStep),
    /// Record that the callee accepted, after ringing this long.
    Accepted {
        rang: Duration,
    },
    /// Media flows both ways, this long after the accept.
    Flowing {
        joined_in: Duration,
    },
    /// Record the end; `talked` since the accept. The last effects are the
    /// notifications of it.
    End {
        reason: EndReason,
        talked: Option<Duration>,
    },
}

impl Effect {
    pub(super) fn notify(to: Side, frame: ServerFrame) -> Self {
        Self::Notify { to, frame: Box::new(frame) }
    }
}

/// Requests to the relay, to be made one after another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RelayStep {
    /// `again`: an earlier session of this participant must leave first.
    Join {
        side: Side,
        connection: ConnectionId,
        sdp: String,
        ticket: Ticket,
        again: bool,
    },
    Offer {
        side: Side,
        sdp: String,
        ticket: Ticket,
    },
    SetMedia {
        side: Side,
        media: MediaState,
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
    timing: Timing,
    info: CallInfo,
    started: Instant,
    state: State,
    caller: Party,
    callee: Party,
    quality: Quality,
}

impl CallMachine {
    /// A call that rings; the caller has joined the room from `connection` by `sdp`.
    pub(crate) fn ringing(
        now: Instant,
        timing: Timing,
        info: CallInfo,
        mut caller: Party,
        callee: Party,
        connection: ConnectionId,
        sdp: &str,
    ) -> Self {
        caller.start_joining(connection, sdp, now);
        let state = State::Ringing { until: now + timing.ring };
        Self { timing, info, started: now, state, caller, callee, quality: Quality::default() }
    }

    pub(crate) const fn id(&self) -> CallId {
        self.info.id
    }

    pub(crate) fn side_of(&self, person: PersonId) -> Option<Side> {
        Side::BOTH.into_iter().find(|side| self.party(*side).who.person == person)
    }

    pub(crate) const fn party(&self, side: Side) -> &Party {
        match side {
            Side::Caller => &self.caller,
            Side::Callee => &self.callee,
        }
    }

    const fn party_mut(&mut self, side: Side) -> &mut Party {
        match side {
            Side::Caller => &mut self.caller,
            Side::Callee => &mut self.callee,
        }
    }

    pub(crate) const fn quality(&self) -> &Quality {
        &self.quality
    }

    pub(crate) const fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended { .. })
    }

    /// The whole call as its participants see it.
    pub(crate) fn view(&self) -> CallView {
        let (state, accepted, ended) = match self.state {
            State::Ringing { .. } => (CallState::Ringing, None, None),
            State::Connecting { accepted_at, .. } => {
                (CallState::Connecting, Some(accepted_at), None)
            }
            State::Active { accepted_at } => (CallState::Active, Some(accepted_at), None),
            State::Ended { accepted_at, reason } => (CallState::Ended, accepted_at, Some(reason)),
        };
        CallView {
            id: self.info.id,
            conversation: self.info.conversation,
            subject: self.info.subject,
            media: self.info.media,
            state,
            caller: self.caller.view(self.counts_as_joined(Side::Caller)),
            callee: self.callee.view(self.counts_as_joined(Side::Callee)),
            created_at: self.info.created_at,
            accepted_at: accepted.map(|at| self.wall_time(at)),
            ended,
            guests: Vec::new(),
        }
    }

    fn wall_time(&self, at: Instant) -> TimestampMs {
        let since_ms = at.saturating_duration_since(self.started).as_millis();
        let since_ms = i64::try_from(since_ms).unwrap_or(i64::MAX);
        TimestampMs(self.info.created_at.0.saturating_add(since_ms))
    }

    /// A callee whom it only rings for is not missed when they go.
    const fn counts_as_joined(&self, side: Side) -> bool {
        match self.state {
            State::Ringing { .. } => matches!(side, Side::Caller),
            State::Connecting { .. } | State::Active { .. } => true,
            State::Ended { .. } => false,
        }
    }

    /// When [`Input::Tick`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let own = match self.state {
            State::Ringing { until } | State::Connecting { until, .. } => Some(until),
            State::Active { .. } => None,
            State::Ended { .. } => return None,
        };
        Side::BOTH.into_iter().filter_map(|side| self.missing_until(side)).chain(own).min()
    }

    /// Until when the others wait for a participant who is away.
    fn missing_until(&self, side: Side) -> Option<Instant> {
        if !self.counts_as_joined(side) {
            return None;
        }
        let party = self.party(side);
        // While it connects, the connecting time bounds a join that drags on.
        let joining_counts = matches!(self.state, State::Active { .. });
        let down_since = party.link.down_since(joining_counts)?;
        Some(match party.signaling {
            Signaling::Away { since } => since.max(down_since) + self.timing.away,
            Signaling::Here(_) | Signaling::Unseen => down_since + self.timing.media_lost,
        })
    }

    /// Takes one input and says what is to be done, in order.
    pub(crate) fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        let before = self.view();
        let mut effects = Vec::new();
        match input {
            Input::Command { side, connection, ticket, command } => {
                self.on_command(now, side, connection, ticket, command, &mut effects);
            }
            Input::Relay(event) => self.on_relay(now, event, &mut effects),
            Input::JoinFailed { side, connection } => {
                self.party_mut(side).join_failed(connection, now);
            }
            Input::Tick => {}
            Input::Abort => self.end(now, EndReason::Failed, &mut effects),
        }
        self.settle(now, &mut effects);
        self.expire(now, &mut effects);
        let after = self.view();
        if after != before {
            // Always the whole state, to both: also to the callee's other devices,
            // which stop ringing when they see `connecting` without having accepted.
            for to in Side::BOTH {
                let update = CallUpdate { call: after.clone() };
                effects.push(Effect::notify(to, ServerFrame::CallUpdated(update)));
            }
        }
        effects
    }

    /// Connecting becomes active once media flows both ways. From a participant
    /// who sends nothing there is nothing to wait for.
    fn settle(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let State::Connecting { accepted_at, .. } = self.state else { return };
        let settled = Side::BOTH.into_iter().all(|side| {
            let party = self.party(side);
            let silent = self.party(side.other()).media == MediaState::default();
            party.link.is_up() && (party.flowing || silent)
        });
        if settled {
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
                let lost = |side| self.missing_until(side).is_some_and(|until| now >= until);
                if !Side::BOTH.into_iter().any(lost) {
                    return;
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

    fn on_relay(&mut self, now: Instant, event: SfuEvent, effects: &mut Vec<Effect>) {
        if self.has_ended() {
            return;
        }
        let call = self.info.id;
        match event {
            SfuEvent::Connected { participant, .. } => {
                self.with_party(participant, |party| party.link.up());
            }
            SfuEvent::Flowing { participant } => self.with_party(participant, |party| {
                party.link.up();
                party.flowing = true;
            }),
            SfuEvent::Disconnected { participant } | SfuEvent::Gone { participant } => {
                self.with_party(participant, |party| party.link.down(now));
                self.level(participant, QualityLevel::Lost, effects);
            }
            SfuEvent::Slots { participant, slots } => {
                let Some(to) = self.side_of(participant) else { return };
                self.party_mut(to).slots = Some(slots.clone());
                let frame = ServerFrame::CallSlots(CallSlots { call, slots });
                effects.push(Effect::notify(to, frame));
            }
            SfuEvent::OfferNeeded { participant, audio_slots, video_slots } => {
                let Some(to) = self.side_of(participant) else { return };
                let needed = CallOfferNeeded { call, audio_slots, video_slots };
                effects.push(Effect::notify(to, ServerFrame::CallOfferNeeded(needed)));
            }
            SfuEvent::Quality { participant, quality } => {
                self.quality.sample(participant, &quality);
                self.level(participant, quality.level(), effects);
            }
            SfuEvent::LayersWanted { .. }
            | SfuEvent::Speakers { .. }
            | SfuEvent::StuckMedia { .. } => {}
            SfuEvent::RoomClosed => self.end(now, EndReason::Failed, effects),
        }
    }

    fn with_party(&mut self, person: PersonId, change: impl FnOnce(&mut Party)) {
        if let Some(side) = self.side_of(person) {
            change(self.party_mut(side));
        }
    }

    /// Tells both of a participant's quality when it has changed.
    fn level(&mut self, person: PersonId, level: QualityLevel, effects: &mut Vec<Effect>) {
        let Some(side) = self.side_of(person) else { return };
        if !self.counts_as_joined(side) || self.party(side).level == Some(level) {
            return;
        }
        self.party_mut(side).level = Some(level);
        for to in Side::BOTH {
            let quality = CallQuality {
                call: self.info.id,
                person,
                level,
                mos: None,
                loss: None,
                rtt_ms: None,
            };
            effects.push(Effect::notify(to, ServerFrame::CallQuality(quality)));
        }
    }
}
