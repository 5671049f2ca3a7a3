//! The room goes to another relay: because its relay is gone, or is about to go.

use std::time::Instant;

use housecall_protocol::client::{CallMoved, ServerFrame};

use super::party::Link;
use super::{CallMachine, Effect};

impl CallMachine {
    /// The relay does not have the room any more: nobody's media flows.
    pub(super) fn relay_lost(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.has_ended() {
            return;
        }
        for party in self.parties_mut() {
            party.link.down(now);
            party.flowing = false;
        }
        effects.push(Effect::Place);
    }

    /// The room has another relay: everybody who had media is to make their way there.
    /// Until they have, what the old relay still carries goes on.
    pub(super) fn relay_found(&mut self, effects: &mut Vec<Effect>) {
        if self.has_ended() {
            return;
        }
        self.moved = true;
        let call = self.info.id;
        for party in self.parties_mut().filter(|party| party.link != Link::Absent) {
            party.moving = true;
            let frame = ServerFrame::CallMoved(CallMoved { call });
            effects.push(Effect::notify(party.who.person, frame));
        }
    }

    /// Whether all who are in the call hear by its present relay.
    pub(crate) fn has_settled(&self) -> bool {
        let hears = |party: &super::Party| party.link.is_up() && party.flowing;
        self.parties().all(|party| !party.moving && (hears(party) || !self.waits_for(party)))
    }

    fn waits_for(&self, party: &super::Party) -> bool {
        self.counts_as_joined(party) && party.link != Link::Absent
    }
}
