//! Tracks that should flow and do not: who finds out, and who is told.
//!
//! The relay knows what arrives and what it passes on; each client knows what it
//! receives and decodes, and whether its own devices deliver anything.

use housecall_protocol::PersonId;
use housecall_protocol::client::{CallTrouble, ServerFrame};
use housecall_protocol::domain::TrackSource;
use housecall_protocol::media::{MediaFault, ParticipantRole, TrackFault};

use super::{CallMachine, Effect};

/// Faults of one call at a time. Each participant reports at most
/// [`MAX_REPORTED`]; with the relay's own, a call of ten has room.
const MAX_FAULTS: usize = 128;
/// Faults that one report may name.
const MAX_REPORTED: usize = 16;

/// A track that does not flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fault {
    /// Whose track.
    pub(super) person: PersonId,
    pub(super) source: TrackSource,
    /// Who does not get it; absent: nobody does.
    pub(super) receiver: Option<PersonId>,
    pub(super) fault: MediaFault,
}

impl Fault {
    /// What a client may know: of what it receives, and of its own devices.
    fn reported(reporter: PersonId, report: TrackFault) -> Option<Self> {
        let TrackFault { person, source, fault } = report;
        let receiver = match fault {
            MediaFault::NotReceived | MediaFault::NotDecoded if person != reporter => {
                Some(reporter)
            }
            MediaFault::NoSignal if person == reporter => None,
            _ => return None,
        };
        Some(Self { person, source, receiver, fault })
    }

    fn is_reported_by(self, person: PersonId) -> bool {
        match self.fault {
            MediaFault::NotReceived | MediaFault::NotDecoded => self.receiver == Some(person),
            MediaFault::NoSignal => self.person == person,
            MediaFault::NotArriving | MediaFault::NotForwarded => false,
        }
    }

    /// In whose record it is kept: of the one whose device or path it is about.
    fn concerns(self) -> PersonId {
        self.receiver.unwrap_or(self.person)
    }
}

impl CallMachine {
    /// All that a client finds wrong now; what it no longer names is over.
    pub(super) fn faults_reported(
        &mut self,
        reporter: PersonId,
        reports: &[TrackFault],
        effects: &mut Vec<Effect>,
    ) {
        let now: Vec<Fault> = reports
            .iter()
            .take(MAX_REPORTED)
            .filter_map(|report| Fault::reported(reporter, *report))
            .collect();
        let over: Vec<Fault> = self
            .faults
            .iter()
            .filter(|fault| fault.is_reported_by(reporter) && !now.contains(fault))
            .copied()
            .collect();
        over.into_iter().for_each(|fault| self.set_fault(fault, false, effects));
        now.into_iter().for_each(|fault| self.set_fault(fault, true, effects));
    }

    pub(super) fn set_fault(&mut self, fault: Fault, there: bool, effects: &mut Vec<Effect>) {
        if there {
            if !self.knows(fault) || self.faults.len() >= MAX_FAULTS || !self.faults.insert(fault) {
                return;
            }
            self.quality.fault(fault.concerns(), fault.source, fault.fault);
            effects.push(Effect::Stuck { source: fault.source, fault: fault.fault });
        } else if !self.faults.remove(&fault) {
            return;
        }
        for to in self.parties().map(|party| party.who.person) {
            if self.may_hear_of(to, fault) {
                effects.push(Effect::notify(to, self.trouble(fault, !there)));
            }
        }
    }

    /// For a participant who comes back: what is wrong now.
    pub(super) fn faults_for(&self, person: PersonId) -> impl Iterator<Item = ServerFrame> {
        let told = self.faults.iter().filter(move |fault| self.may_hear_of(person, **fault));
        told.map(|fault| self.trouble(*fault, false))
    }

    pub(super) fn forget_faults_of(&mut self, person: PersonId) {
        self.faults.retain(|fault| fault.person != person && fault.receiver != Some(person));
    }

    fn knows(&self, fault: Fault) -> bool {
        [Some(fault.person), fault.receiver]
            .into_iter()
            .flatten()
            .all(|person| self.place_of(person).is_some())
    }

    /// Of a hidden listener's troubles nobody else hears.
    fn may_hear_of(&self, person: PersonId, fault: Fault) -> bool {
        let hidden = |person| {
            self.party(person).is_some_and(|party| party.who.role == ParticipantRole::Hidden)
        };
        fault.receiver.is_none_or(|receiver| receiver == person || !hidden(receiver))
    }

    fn trouble(&self, fault: Fault, over: bool) -> ServerFrame {
        let Fault { person, source, receiver, fault } = fault;
        let call = self.info.id;
        ServerFrame::CallTrouble(CallTrouble { call, person, source, receiver, fault, over })
    }
}
