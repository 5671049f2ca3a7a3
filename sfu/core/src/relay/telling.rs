//! What this core tells the others.

use std::time::Instant;

use housecall_protocol::domain::TrackSource;
use housecall_protocol::ids::CallId;

use crate::core::{Core, Pending};
use crate::media::Media;
use crate::participant::Participant;
use crate::relay::{
    Body, PublishedTrack, Publisher, RelayId, RelayMessage, RelayedPacket, Roster, Wish,
};
use crate::slab::Key;
use crate::track::{Content, Track};

impl Core {
    /// The room lives at another core as well, from now on or for long: nothing changes
    /// when that is known. `is_home`: it began there.
    pub fn link_room(&mut self, now: Instant, room: CallId, relay: RelayId, is_home: bool) {
        self.guard_room(now, room, |core| core.link_guarded(now, room, relay, is_home));
    }

    fn link_guarded(&mut self, now: Instant, room: CallId, relay: RelayId, is_home: bool) {
        let is_new = !self.rooms.contains_key(&room);
        if is_new && self.rooms.len() >= self.config.limits.rooms {
            return;
        }
        let entry = self.rooms.entry(room).or_default();
        if is_home {
            entry.home = Some(relay);
        }
        let knew = entry.relays.contains(&relay);
        if !knew {
            entry.relays.push(relay);
        }
        if is_new {
            self.expire_if_deserted(now, room);
        }
        if !knew {
            let roster = self.roster(now, room);
            self.tell(relay, room, Body::Hello { roster });
        }
    }

    /// The rooms that another core has, too.
    pub fn rooms_shared_with(&self, relay: RelayId) -> Vec<CallId> {
        let rooms = self.rooms.iter().filter(|(_, room)| room.relays.contains(&relay));
        rooms.map(|(id, _)| *id).collect()
    }

    /// Says again all that another core should know of a room: messages to it were lost.
    pub fn repeat_to(&mut self, now: Instant, relay: RelayId, room: CallId) {
        if self.rooms.get(&room).is_some_and(|room| room.relays.contains(&relay)) {
            self.guard_room(now, room, |core| {
                let roster = core.roster(now, room);
                core.tell(relay, room, Body::Hello { roster });
                core.forget_told(room, relay);
            });
        }
    }

    /// What was told of another core's tracks is to be told again.
    pub(super) fn forget_told(&mut self, room: CallId, relay: RelayId) {
        for key in self.relayed_by(room, relay) {
            let Some(participant) = self.participants.get_mut(key) else { continue };
            participant.tracks.iter_mut().for_each(|track| track.relaying.told = None);
            participant.watched_changed = true;
            self.touch(key);
        }
    }

    pub(crate) fn tell(&mut self, to: RelayId, room: CallId, body: Body) {
        self.outbox.push_back(Pending::Relay { to, message: RelayMessage { room, body } });
    }

    pub(crate) fn tell_all(&mut self, room: CallId, body: &Body) {
        let relays = self.rooms.get(&room).map(|room| room.relays.clone()).unwrap_or_default();
        for relay in relays {
            self.tell(relay, room, body.clone());
        }
    }

    pub(super) fn roster(&self, now: Instant, room: CallId) -> Roster {
        let Some(room) = self.rooms.get(&room) else {
            return Roster { publishers: Vec::new(), forwarding: None };
        };
        let members = room.members.iter().filter_map(|(_, key)| self.participants.get(*key));
        Roster {
            publishers: members.filter_map(|it| it.as_publisher(now)).collect(),
            forwarding: room.home.is_none().then_some(room.forwarding),
        }
    }

    /// Tells the others how one of ours publishes.
    pub(crate) fn tell_published(&mut self, now: Instant, key: Key) {
        let Some(participant) = self.participants.get(key) else { return };
        let room = participant.room;
        if self.rooms.get(&room).is_none_or(|room| room.relays.is_empty()) {
            return;
        }
        if let Some(publisher) = participant.as_publisher(now) {
            self.tell_all(room, &Body::Published { publisher });
        }
    }

    /// Passes a packet of one of ours on to the cores that want its track.
    pub(crate) fn relay_media(&mut self, key: Key, media: &Media<'_>) {
        let Some(participant) = self.participants.get(key) else { return };
        let Some(track) = participant.tracks.get(media.plain.source.track) else { return };
        if track.relaying.wishes.is_empty() {
            return;
        }
        let plain = media.plain;
        let packet = RelayedPacket {
            source: track.source,
            layer: plain.source.layer,
            ssrc: plain.ssrc,
            sequence: plain.received.seq as u16,
            timestamp: plain.timestamp,
            marker: plain.marker,
            redundant: plain.redundant,
            format: plain.format,
            packet: plain.packet.clone(),
        };
        for (relay, _) in &track.relaying.wishes {
            let body = Body::Packet { person: participant.person, packet: packet.clone() };
            let message = RelayMessage { room: participant.room, body };
            self.outbox.push_back(Pending::Relay { to: *relay, message });
            self.counters.relayed_packets += 1;
        }
    }

    /// Tells a track's own core what is wanted of it here, if that changed.
    pub(crate) fn tell_wish(&mut self, key: Key, index: usize, to: RelayId, layers: u8) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        let (room, person) = (participant.room, participant.person);
        let Some(track) = participant.tracks.get_mut(index) else { return };
        let carried = match track.content {
            // Who speaks is found out here, too: for that all voices must come.
            Content::Sound(_) => true,
            Content::Picture { .. } => track.relaying.carried,
        };
        let wish = Wish { carried, layers };
        if track.relaying.told.replace(wish) != Some(wish) {
            let source = track.source;
            self.tell(to, room, Body::Wished { person, source, wish });
        }
    }

    /// Asks for the keyframes of another core's participant that are due.
    pub(crate) fn tell_keyframes_wanted(&mut self, now: Instant, key: Key) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        let Some(relay) = participant.session.relay() else { return };
        let (room, person) = (participant.room, participant.person);
        let mut due: Vec<(TrackSource, usize)> = Vec::new();
        for track in &mut participant.tracks {
            for (index, layer) in track.layers.iter_mut().enumerate() {
                let flows = layer.flows(now);
                if layer.keyframes.take_due(now, flows) {
                    due.push((track.source, index));
                }
            }
        }
        for (source, layer) in due {
            self.tell(relay, room, Body::KeyframeWanted { person, source, layer });
        }
    }
}

impl Participant {
    /// What other cores are told of one of ours who may send.
    fn as_publisher(&self, now: Instant) -> Option<Publisher> {
        if self.session.relay().is_some() || !self.role.may_send() {
            return None;
        }
        let tracks = self.tracks.iter().map(Track::as_published).collect();
        let age = now.saturating_duration_since(self.joined_at);
        Some(Publisher { person: self.person, age, media: self.media, tracks })
    }
}

impl Track {
    fn as_published(&self) -> PublishedTrack {
        let on = match &self.content {
            Content::Picture { dynacast, .. } => dynacast.told(),
            Content::Sound(_) => 1,
        };
        PublishedTrack {
            source: self.source,
            mid: self.mid,
            published: self.published,
            rids: self.layers.iter().map(|layer| layer.rid).collect(),
            on,
        }
    }
}
