//! What other cores tell this one.

use std::time::Instant;

use housecall_protocol::domain::TrackSource;
use housecall_protocol::ids::{CallId, PersonId};

use crate::codec::MAX_SPATIAL;
use crate::core::{Core, Failure};
use crate::inbound::{Source, Stream};
use crate::media::Plain;
use crate::participant::Participant;
use crate::relay::{Body, Publisher, RelayId, RelayMessage, RelayedPacket, Roster, Wish};
use crate::slab::Key;
use crate::track::{Content, Track};

impl Core {
    pub(crate) fn on_relayed(&mut self, now: Instant, from: RelayId, message: RelayMessage) {
        self.guard_relayed(now, from, message, |core, message| {
            core.take_relayed(now, from, message);
        });
    }

    pub(crate) fn take_relayed(&mut self, now: Instant, from: RelayId, message: RelayMessage) {
        let RelayMessage { room, body } = message;
        let Some(entry) = self.rooms.get_mut(&room) else { return };
        if matches!(body, Body::Hello { .. }) && !entry.relays.contains(&from) {
            entry.relays.push(from);
        }
        // What comes after a goodbye, or before a greeting, is said again after that.
        if !entry.relays.contains(&from) {
            return;
        }
        match body {
            Body::Hello { roster } => {
                self.on_roster(now, room, from, &roster);
                let roster = self.roster(now, room);
                self.tell(from, room, Body::Roster { roster });
            }
            Body::Roster { roster } => self.on_roster(now, room, from, &roster),
            Body::Published { publisher } => {
                self.on_published(now, room, from, &publisher);
                self.remap(now, room);
            }
            Body::Left { person } => {
                if let Some(key) = self.relayed(room, from, person) {
                    self.remove(now, key);
                    self.remap(now, room);
                }
            }
            Body::Forwarding { forwarding } => self.on_forwarding(now, room, from, forwarding),
            Body::Bye => self.unlink_room(now, room, from),
            Body::Wished { person, source, wish } => {
                self.on_wish(room, from, person, source, wish);
            }
            Body::KeyframeWanted { person, source, layer } => {
                self.on_keyframe_wanted(now, room, person, source, layer);
            }
            Body::LayersOn { person, source, layers } => {
                if let Some(key) = self.relayed(room, from, person)
                    && let Some(participant) = self.participants.get_mut(key)
                    && let Some(track) = participant.track_mut(source)
                {
                    track.set_on(now, layers);
                }
            }
            Body::Packet { person, packet } => {
                if let Some(key) = self.relayed(room, from, person) {
                    self.on_relayed_packet(now, key, packet);
                }
            }
            Body::Failed { person } => {
                if let Ok(key) = self.find(room, person)
                    && self.participants.get(key).is_some_and(|it| it.session.relay().is_none())
                {
                    self.fail(now, key, &Failure::Elsewhere);
                }
            }
        }
    }

    /// One whom another core relays to us.
    fn relayed(&self, room: CallId, from: RelayId, person: PersonId) -> Option<Key> {
        let key = self.rooms.get(&room)?.member(person)?;
        let relay = self.participants.get(key)?.session.relay();
        (relay == Some(from)).then_some(key)
    }

    /// All whom another core relays to us.
    pub(super) fn relayed_by(&self, room: CallId, relay: RelayId) -> Vec<Key> {
        let mut members = self.members(room);
        let is_its = |key: &Key| {
            self.participants.get(*key).is_some_and(|it| it.session.relay() == Some(relay))
        };
        members.retain(is_its);
        members
    }

    /// The room does not live at that core any more.
    fn unlink_room(&mut self, now: Instant, room: CallId, relay: RelayId) {
        for key in self.relayed_by(room, relay) {
            self.remove(now, key);
        }
        for key in self.members(room) {
            let Some(participant) = self.participants.get_mut(key) else { continue };
            participant.tracks.iter_mut().for_each(|track| track.relaying.forget(relay));
            participant.watched_changed = true;
        }
        if let Some(entry) = self.rooms.get_mut(&room) {
            entry.relays.retain(|known| *known != relay);
        }
        self.remap(now, room);
    }

    fn on_roster(&mut self, now: Instant, room: CallId, from: RelayId, roster: &Roster) {
        for key in self.relayed_by(room, from) {
            let person = self.participants.get(key).map(|participant| participant.person);
            if !roster.publishers.iter().any(|publisher| Some(publisher.person) == person) {
                self.remove(now, key);
            }
        }
        for publisher in &roster.publishers {
            self.on_published(now, room, from, publisher);
        }
        self.forget_told(room, from);
        if let Some(forwarding) = roster.forwarding {
            self.on_forwarding(now, room, from, forwarding);
        }
        self.remap(now, room);
    }

    fn on_forwarding(&mut self, now: Instant, room: CallId, from: RelayId, forwarding: bool) {
        if self.rooms.get(&room).is_some_and(|room| room.home == Some(from)) {
            // The room exists: it was just looked at.
            let _ = self.set_forwarding(now, room, forwarding);
        }
    }

    /// Takes a publisher of another core up, or how they publish now.
    fn on_published(&mut self, now: Instant, room: CallId, from: RelayId, told: &Publisher) {
        let known = self.rooms.get(&room).and_then(|room| room.member(told.person));
        let relay = known.and_then(|key| self.participants.get(key)).map(|it| it.session.relay());
        let key = match (known, relay) {
            (Some(key), Some(Some(relay))) if relay == from => key,
            // Their session is here: the other core will learn it.
            (Some(_), Some(None)) => return,
            (known, _) => {
                // They went from one core to another.
                if let Some(key) = known {
                    self.remove(now, key);
                }
                let Some(key) = self.add_relayed(now, room, from, told) else { return };
                key
            }
        };
        let Some(participant) = self.participants.get_mut(key) else { return };
        participant.take_tracks(now, told);
        self.set_sending(now, key, told.media);
    }

    fn add_relayed(
        &mut self,
        now: Instant,
        room: CallId,
        from: RelayId,
        told: &Publisher,
    ) -> Option<Key> {
        let person = told.person;
        if self.participants.len() >= self.config.limits.participants {
            tracing::error!(%room, participant = %person, "no place for a relayed participant");
            return None;
        }
        let mut participant = self.relayed_participant(now, room, person, from);
        let entry = self.rooms.get_mut(&room)?;
        participant.forwarding = entry.forwarding;
        participant.joined_at = now.checked_sub(told.age).unwrap_or(now);
        let key = self.participants.insert(participant);
        self.relayed += 1;
        self.add_member(room, key);
        let entry = self.rooms.get_mut(&room)?;
        if entry.home.is_none() {
            entry.expires = None;
        }
        Some(key)
    }

    fn on_wish(
        &mut self,
        room: CallId,
        from: RelayId,
        person: PersonId,
        source: TrackSource,
        wish: Wish,
    ) {
        let Ok(key) = self.find(room, person) else { return };
        let Some(participant) = self.participants.get_mut(key) else { return };
        if participant.session.relay().is_some() {
            return;
        }
        if let Some(track) = participant.track_mut(source) {
            track.relaying.note(from, wish);
            participant.watched_changed = true;
            self.touch(key);
        }
    }

    fn on_keyframe_wanted(
        &mut self,
        now: Instant,
        room: CallId,
        person: PersonId,
        source: TrackSource,
        layer: usize,
    ) {
        let Ok(publisher) = self.find(room, person) else { return };
        self.want_keyframe_of(now, crate::slots::TrackId { publisher, source }, layer);
    }

    fn on_relayed_packet(&mut self, now: Instant, key: Key, relayed: RelayedPacket) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        if !participant.forwarding || !participant.sends(relayed.source) {
            self.counters.gated_packets += 1;
            return;
        }
        match participant.receive_relayed(now, relayed) {
            Some(plain) if plain.received.fresh => self.pass_on_plain(now, key, &plain),
            // Twice, or of a track that was not told of yet.
            Some(_) | None => self.counters.unusable_packets += 1,
        }
        self.settle(now, key);
    }
}

impl Participant {
    /// Takes over how another core's participant publishes.
    fn take_tracks(&mut self, now: Instant, told: &Publisher) {
        for track in &mut self.tracks {
            track.published &= told.tracks.iter().any(|it| it.source == track.source);
        }
        for published in &told.tracks {
            let rids = published.rids.get(..MAX_SPATIAL).unwrap_or(&published.rids);
            let (source, mid) = (published.source, published.mid);
            let known = self.tracks.iter_mut().find(|track| track.source == source);
            let track = match known {
                Some(track) => {
                    let same = track.layers.iter().map(|layer| layer.rid).eq(rids.iter().copied());
                    if track.mid != mid || !same {
                        *track = Track::new(now, source, mid, published.published, rids);
                    }
                    track
                }
                None => {
                    let track = Track::new(now, source, mid, published.published, rids);
                    self.tracks.push_mut(track)
                }
            };
            track.published = published.published;
            track.set_on(now, published.on);
        }
    }

    /// Notes a packet in its stream.
    fn receive_relayed(&mut self, now: Instant, relayed: RelayedPacket) -> Option<Plain> {
        let RelayedPacket { ssrc, sequence, timestamp, format, packet, .. } = relayed;
        let track = self.tracks.iter().position(|track| track.source == relayed.source)?;
        let source = Source { track, layer: relayed.layer };
        let layer = self.layer_mut(source)?;
        if layer.stream.as_ref().is_none_or(|stream| stream.ssrc != ssrc) {
            // What is missing here was missing there, and is asked for there.
            layer.stream = Some(Stream::new(now, ssrc, format.clock_rate(), sequence, None));
            layer.reader = None;
        }
        let bytes = packet.payload().len();
        let received = layer.stream.as_mut()?.receive(now, sequence, timestamp, bytes);
        let (marker, redundant) = (relayed.marker, relayed.redundant);
        Some(Plain { packet, source, ssrc, timestamp, marker, redundant, received, format })
    }
}

impl Track {
    /// Notes which spatial layers the publisher was told to send, a bit for each.
    pub(crate) fn set_on(&mut self, now: Instant, layers: u8) {
        if let Content::Picture { meter, .. } = &mut self.content {
            for spatial in 0..MAX_SPATIAL as u8 {
                meter.set_on(now, spatial, layers >> spatial & 1 == 1);
            }
        }
    }
}
