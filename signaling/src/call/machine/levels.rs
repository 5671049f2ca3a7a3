//! A participant's quality in one word, told to everybody when it changes.

use housecall_protocol::PersonId;
use housecall_protocol::client::{CallQuality, ServerFrame};
use housecall_protocol::domain::QualityLevel;
use housecall_protocol::media::ParticipantRole;

use super::{CallMachine, Effect};
use crate::call::quality::Sample;

/// What is known of one participant.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Levels {
    /// By the relay's measurement.
    relay: Option<QualityLevel>,
    /// By what they hear.
    heard: Option<QualityLevel>,
    told: Option<QualityLevel>,
}

impl Levels {
    fn now(self) -> QualityLevel {
        let worse = |a, b| if rank(a) >= rank(b) { a } else { b };
        let known = [self.relay, self.heard].into_iter().flatten();
        known.reduce(worse).unwrap_or(QualityLevel::Excellent)
    }
}

impl CallMachine {
    pub(super) fn relay_level(
        &mut self,
        person: PersonId,
        level: QualityLevel,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(party) = self.party_mut(person) {
            party.levels.relay = Some(level);
        }
        self.tell_level(person, effects);
    }

    /// The figures go to the person themselves each time.
    pub(super) fn judged(&mut self, person: PersonId, sample: Sample, effects: &mut Vec<Effect>) {
        effects.push(Effect::Judged(sample));
        let call = self.info.id;
        let Some(party) = self.party_mut(person) else { return };
        party.levels.heard = Some(level_of(sample.mos));
        let quality = CallQuality {
            call,
            person,
            level: party.levels.now(),
            mos: Some(sample.mos),
            loss: Some(sample.loss),
            rtt_ms: sample.rtt_ms,
        };
        effects.push(Effect::notify(person, ServerFrame::CallQuality(quality)));
        self.tell_level(person, effects);
    }

    fn tell_level(&mut self, person: PersonId, effects: &mut Vec<Effect>) {
        let call = self.info.id;
        let Some(party) = self.party(person) else { return };
        let (level, hidden) = (party.levels.now(), party.who.role == ParticipantRole::Hidden);
        if !self.counts_as_joined(party) || party.levels.told == Some(level) {
            return;
        }
        if let Some(party) = self.party_mut(person) {
            party.levels.told = Some(level);
        }
        for to in self.parties().map(|party| party.who.person) {
            if hidden && to != person {
                continue;
            }
            let quality = CallQuality { call, person, level, mos: None, loss: None, rtt_ms: None };
            effects.push(Effect::notify(to, ServerFrame::CallQuality(quality)));
        }
    }
}

const fn rank(level: QualityLevel) -> u8 {
    match level {
        QualityLevel::Excellent => 0,
        QualityLevel::Good => 1,
        QualityLevel::Poor => 2,
        QualityLevel::Lost => 3,
    }
}

/// G.107 annex B, table B.1: many are dissatisfied below 3.60, nearly all below 2.58.
fn level_of(mos: f32) -> QualityLevel {
    if mos < 2.58 {
        QualityLevel::Poor
    } else if mos < 3.60 {
        QualityLevel::Good
    } else {
        QualityLevel::Excellent
    }
}
