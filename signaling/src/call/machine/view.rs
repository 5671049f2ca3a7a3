//! The call as each of its participants sees it.

use std::collections::BTreeSet;
use std::time::Instant;

use housecall_protocol::PersonId;
use housecall_protocol::client::{CallUpdate, ServerFrame};
use housecall_protocol::domain::{CallGuest, CallState, CallView, TimestampMs};
use housecall_protocol::media::ParticipantRole;

use super::{CallMachine, Effect, State};

impl CallMachine {
    /// As anybody sees it: without hidden listeners.
    pub(crate) fn view(&self) -> CallView {
        seen_by(&self.whole_view(), None)
    }

    pub(crate) fn view_for(&self, person: PersonId) -> CallView {
        seen_by(&self.whole_view(), Some(person))
    }

    /// With everybody in it. Not for anybody's eyes.
    pub(super) fn whole_view(&self) -> CallView {
        let (state, accepted, ended) = match self.state {
            State::Ringing { .. } => (CallState::Ringing, None, None),
            State::Connecting { accepted_at, .. } => {
                (CallState::Connecting, Some(accepted_at), None)
            }
            State::Active { accepted_at } => (CallState::Active, Some(accepted_at), None),
            State::Ended { accepted_at, reason } => (CallState::Ended, accepted_at, Some(reason)),
        };
        let guests = self.guests.iter().map(|guest| CallGuest {
            party: guest.party.view(self.counts_as_joined(&guest.party)),
            invited_by: guest.invited_by,
            ringing: guest.rings_until().is_some(),
        });
        CallView {
            id: self.info.id,
            conversation: self.info.conversation,
            subject: self.info.subject,
            media: self.info.media,
            state,
            caller: self.caller.view(self.counts_as_joined(&self.caller)),
            callee: self.callee.view(self.counts_as_joined(&self.callee)),
            guests: guests.collect(),
            created_at: self.info.created_at,
            accepted_at: accepted.map(|at| self.wall_time(at)),
            ended,
        }
    }

    fn wall_time(&self, at: Instant) -> TimestampMs {
        let since_ms = at.saturating_duration_since(self.started).as_millis();
        let since_ms = i64::try_from(since_ms).unwrap_or(i64::MAX);
        TimestampMs(self.info.created_at.0.saturating_add(since_ms))
    }

    /// Always the whole state, to everybody for whom it changed: also to the other
    /// devices of the callee, which stop ringing when they see `connecting` without
    /// having accepted, and to a guest who has just left. Who sees no change is told
    /// nothing, or the news would tell of a hidden listener.
    pub(super) fn tell_changes(&self, before: &CallView, effects: &mut Vec<Effect>) {
        let after = self.whole_view();
        if after == *before {
            return;
        }
        let people: BTreeSet<PersonId> = people(before).chain(people(&after)).collect();
        for to in people {
            let call = seen_by(&after, Some(to));
            if call != seen_by(before, Some(to)) {
                effects.push(Effect::notify(to, ServerFrame::CallUpdated(CallUpdate { call })));
            }
        }
    }
}

fn people(view: &CallView) -> impl Iterator<Item = PersonId> {
    let guests = view.guests.iter().map(|guest| guest.party.person);
    [view.caller.person, view.callee.person].into_iter().chain(guests)
}

fn seen_by(whole: &CallView, reader: Option<PersonId>) -> CallView {
    let mut view = whole.clone();
    view.guests.retain(|guest| {
        guest.party.role != ParticipantRole::Hidden || Some(guest.party.person) == reader
    });
    view
}
