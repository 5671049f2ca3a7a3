//! Telling publishers which layers of their tracks anybody watches.

use std::time::Instant;

use housecall_protocol::cluster::SfuEvent;

use crate::codec::MAX_SPATIAL;
use crate::core::Core;
use crate::layers::Stacking;
use crate::participant::Participant;
use crate::relay::{Body, RelayId};
use crate::slab::Key;
use crate::track::{Content, Track};

/// What spatial layers are called where they have no names of their own.
const NAMES: [&str; MAX_SPATIAL] = ["q", "h", "f"];

impl Core {
    /// Looks at who watches a participant's tracks, if that may have changed or a layer
    /// is due to be switched off.
    pub(crate) fn review_watched(&mut self, now: Instant, key: Key) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        if !participant.watched_is_due(now) {
            return;
        }
        participant.watched_changed = false;
        if let Some(relay) = participant.session.relay() {
            self.review_relayed(now, key, relay);
            return;
        }
        // While it rings nobody watches, but everybody is about to.
        if !participant.forwarding {
            return;
        }
        for index in 0..participant.tracks.len() {
            self.review_track(now, key, index);
        }
    }

    /// Tells their own core what is watched here of another's tracks; that one decides
    /// what they send.
    fn review_relayed(&mut self, now: Instant, key: Key, relay: RelayId) {
        for index in 0.. {
            let participant = self.participants.get(key);
            let Some(track) = participant.and_then(|it| it.tracks.get(index)) else { return };
            let layers = self.wanted_layers(now, track);
            self.tell_wish(key, index, relay, layers);
        }
    }

    fn review_track(&mut self, now: Instant, key: Key, index: usize) {
        let Some(participant) = self.participants.get(key) else { return };
        let Some(track) = participant.tracks.get(index) else { return };
        let wanted = self.wanted_layers(now, track);
        let Some(participant) = self.participants.get_mut(key) else { return };
        let (room, person) = (participant.room, participant.person);
        let Some(track) = participant.tracks.get_mut(index) else { return };
        let Content::Picture { dynacast, .. } = &mut track.content else { return };
        let Some(told) = dynacast.update(now, wanted) else { return };
        track.set_on(now, told);
        let rids = names(track, told);
        let source = track.source;
        self.tell_all(room, &Body::LayersOn { person, source, layers: told });
        self.emit(room, SfuEvent::LayersWanted { participant: person, source, rids });
    }

    /// A bit for each spatial layer that some slot gets or is to get.
    fn wanted_layers(&self, now: Instant, track: &Track) -> u8 {
        let Content::Picture { meter, dynacast } = &track.content else { return 0 };
        let mut wanted = track.relaying.layers();
        match meter.stacking() {
            Stacking::Simulcast => {
                for (index, layer) in track.layers.iter().enumerate() {
                    wanted |= u8::from(!layer.subscribers.is_empty()) << index;
                }
            }
            Stacking::Scalable => {
                let subscribers = track.layers.iter().flat_map(|layer| &layer.subscribers);
                let targets = subscribers.filter_map(|subscriber| {
                    self.participants
                        .get(subscriber.participant)?
                        .slots
                        .get(subscriber.slot)?
                        .target()
                });
                // Each needs those below it, and a lone layer is all there is.
                let lone = meter.count() == 1;
                let highest =
                    targets.map(|target| if lone { MAX_SPATIAL as u8 - 1 } else { target.spatial });
                wanted |= highest.max().map_or(0, |highest| (2_u8 << highest) - 1);
            }
        }
        if wanted == 0 {
            return 0;
        }
        // One that its publisher cannot send at the moment costs nothing, and comes back
        // by itself once the uplink is better.
        for spatial in 0..MAX_SPATIAL as u8 {
            if dynacast.is_on(spatial) && meter.is_missing(now, spatial) {
                wanted |= 1 << spatial;
            }
        }
        wanted
    }
}

impl Participant {
    fn watched_is_due(&self, now: Instant) -> bool {
        let due = |track: &Track| match &track.content {
            Content::Picture { dynacast, .. } => {
                dynacast.next_timeout().is_some_and(|at| at <= now)
            }
            Content::Sound(_) => false,
        };
        self.watched_changed || self.tracks.iter().any(due)
    }
}

/// The names of layers, as the publisher's offer gave them.
fn names(track: &Track, layers: u8) -> Vec<String> {
    let known = match track.stacking() {
        Stacking::Simulcast => track.layers.len(),
        Stacking::Scalable => MAX_SPATIAL,
    };
    (0..known)
        .filter(|layer| layers >> layer & 1 == 1)
        .filter_map(|layer| {
            let rid = track.layers.get(layer).and_then(|layer| layer.rid.as_ref());
            let name = NAMES.get(layer).map(|name| (*name).to_owned());
            rid.map(ToString::to_string).or(name)
        })
        .collect()
}
