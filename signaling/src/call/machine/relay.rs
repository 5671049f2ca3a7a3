//! What the relay says of a call's room.

use std::time::Instant;

use housecall_protocol::PersonId;
use housecall_protocol::client::{
    CallLayers, CallOfferNeeded, CallSlots, CallSpeakers, ServerFrame,
};
use housecall_protocol::cluster::SfuEvent;
use housecall_protocol::domain::QualityLevel;
use housecall_protocol::media::Speaker;

use super::faults::Fault;
use super::{CallMachine, Effect, Party};

impl CallMachine {
    pub(super) fn on_relay(&mut self, now: Instant, event: SfuEvent, effects: &mut Vec<Effect>) {
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
                self.relay_level(participant, QualityLevel::Lost, effects);
            }
            SfuEvent::Slots { participant, slots } => {
                let Some(party) = self.party_mut(participant) else { return };
                party.slots = Some(slots.clone());
                let frame = ServerFrame::CallSlots(CallSlots { call, slots });
                effects.push(Effect::notify(participant, frame));
            }
            SfuEvent::OfferNeeded { participant, audio_slots, video_slots } => {
                let Some(party) = self.party_mut(participant) else { return };
                party.lines_needed = Some((audio_slots, video_slots));
                let needed = CallOfferNeeded { call, audio_slots, video_slots };
                effects.push(Effect::notify(participant, ServerFrame::CallOfferNeeded(needed)));
            }
            SfuEvent::Quality { participant, quality } => {
                if self.place_of(participant).is_some() {
                    self.quality.sample(participant, &quality);
                    self.relay_level(participant, quality.level(), effects);
                }
            }
            SfuEvent::LayersWanted { participant, source, rids } => {
                let Some(party) = self.party_mut(participant) else { return };
                party.layers.insert(source, rids.clone());
                let frame = ServerFrame::CallLayers(CallLayers { call, source, rids });
                effects.push(Effect::notify(participant, frame));
            }
            SfuEvent::Speakers { speakers } => self.tell_speakers(&speakers, effects),
            SfuEvent::StuckMedia { participant, source, receiver, fault, over } => {
                let fault = Fault { person: participant, source, receiver, fault };
                self.set_fault(fault, !over, effects);
            }
            SfuEvent::Moving => effects.push(Effect::Place),
            SfuEvent::RoomClosed => self.relay_lost(now, effects),
        }
    }

    fn with_party(&mut self, person: PersonId, change: impl FnOnce(&mut Party)) {
        if let Some(party) = self.party_mut(person) {
            change(party);
        }
    }

    fn tell_speakers(&self, speakers: &[Speaker], effects: &mut Vec<Effect>) {
        for party in self.parties().filter(|party| self.counts_as_joined(party)) {
            let speakers = speakers.to_vec();
            let frame = ServerFrame::CallSpeakers(CallSpeakers { call: self.info.id, speakers });
            effects.push(Effect::notify(party.who.person, frame));
        }
    }
}
