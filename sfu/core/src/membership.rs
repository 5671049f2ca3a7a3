//! Coming and going: joins, leaves, rooms, mute, and who receives what.

use std::time::Instant;

use housecall_protocol::cluster::{SfuEvent, SfuReply};
use housecall_protocol::domain::{MediaSlot, MediaState, TrackSource};
use housecall_protocol::ids::{CallId, PersonId};
use housecall_protocol::media::{ParticipantRole, SlotPause, Tile};
use str0m::media::MediaKind;

use crate::codec::Size;
use crate::core::{Core, Pending, RequestError, guarded};
use crate::layers::{Pause, Tile as Shown};
use crate::participant::Participant;
use crate::relay::Body;
use crate::room::Room;
use crate::slab::Key;
use crate::slot::Slot;
use crate::slots::{TrackId, assign};
use crate::track::{Content, Subscriber};

impl Core {
    /// Adds a participant, in place of their earlier session if there is one.
    pub(crate) fn join(
        &mut self,
        now: Instant,
        room: CallId,
        person: PersonId,
        sdp: &str,
        role: ParticipantRole,
    ) -> Result<SfuReply, RequestError> {
        let earlier = self.rooms.get(&room).and_then(|room| room.member(person));
        self.check_space(room, earlier.is_some())?;
        let (mut participant, answer, ufrag) = self.new_participant(now, room, person, sdp)?;
        participant.role = role;
        if let Some(earlier) = earlier {
            self.remove(now, earlier);
        }
        self.tracks += participant.published();
        let key = self.participants.insert(participant);
        self.routes.set_ufrag(key, ufrag);
        let joined = self.rooms.entry(room).or_default();
        joined.expires = None;
        let forwarding = joined.forwarding;
        if let Some(participant) = self.participants.get_mut(key) {
            participant.forwarding = forwarding;
        }
        self.add_member(room, key);
        self.touch(key);
        self.tell_published(now, key);
        self.remap(now, room);
        Ok(SfuReply::Answer { sdp: answer })
    }

    /// Puts a participant in their place among the members: by when they joined, at
    /// whichever core.
    pub(crate) fn add_member(&mut self, room: CallId, key: Key) {
        let since = |key: Key| self.participants.get(key).map(|it| (it.joined_at, it.person));
        let Some(entry) = self.rooms.get_mut(&room) else { return };
        let (Some(own), members) = (since(key), &mut entry.members) else { return };
        let place = members.partition_point(|(_, other)| since(*other) < Some(own));
        members.insert(place, (own.1, key));
    }

    fn check_space(&self, room: CallId, rejoins: bool) -> Result<(), RequestError> {
        let limits = &self.config.limits;
        let Some(room) = self.rooms.get(&room) else {
            let full =
                self.rooms.len() >= limits.rooms || self.participants.len() >= limits.participants;
            return if full { Err(RequestError::Full) } else { Ok(()) };
        };
        if rejoins {
            return Ok(());
        }
        if room.members.len() >= limits.room_participants {
            return Err(RequestError::RoomFull);
        }
        if self.participants.len() >= limits.participants {
            return Err(RequestError::Full);
        }
        Ok(())
    }

    pub(crate) fn find(&self, room: CallId, person: PersonId) -> Result<Key, RequestError> {
        let room = self.rooms.get(&room).ok_or(RequestError::UnknownRoom)?;
        room.member(person).ok_or(RequestError::UnknownParticipant)
    }

    pub(crate) fn set_forwarding(
        &mut self,
        now: Instant,
        room: CallId,
        forwarding: bool,
    ) -> Result<SfuReply, RequestError> {
        let entry = self.rooms.get_mut(&room).ok_or(RequestError::UnknownRoom)?;
        if std::mem::replace(&mut entry.forwarding, forwarding) == forwarding {
            return Ok(SfuReply::Done);
        }
        let members: Vec<_> = entry.members.iter().map(|(_, key)| *key).collect();
        for key in &members {
            let Some(participant) = self.participants.get_mut(*key) else { continue };
            participant.forwarding = forwarding;
            participant.slots.iter_mut().for_each(Slot::restart);
            if !forwarding {
                let layers = participant.tracks.iter_mut().flat_map(|track| &mut track.layers);
                layers.for_each(|layer| layer.keyframes.settle());
            }
        }
        for key in &members {
            self.allocate(now, *key);
            self.touch(*key);
        }
        for key in members {
            self.restart_tracks(now, key);
        }
        if self.rooms.get(&room).is_some_and(|room| room.home.is_none()) {
            self.tell_all(room, &Body::Forwarding { forwarding });
        }
        Ok(SfuReply::Done)
    }

    pub(crate) fn set_media(
        &mut self,
        now: Instant,
        room: CallId,
        person: PersonId,
        media: MediaState,
    ) -> Result<SfuReply, RequestError> {
        let key = self.find(room, person)?;
        let Some(participant) = self.participants.get_mut(key) else {
            return Err(RequestError::UnknownParticipant);
        };
        (participant.says, participant.said) = (media, true);
        self.sends_changed(now, key);
        Ok(SfuReply::Done)
    }

    pub(crate) fn set_allowed(
        &mut self,
        now: Instant,
        room: CallId,
        person: PersonId,
        allowed: MediaState,
    ) -> Result<SfuReply, RequestError> {
        let key = self.find(room, person)?;
        let Some(participant) = self.participants.get_mut(key) else {
            return Err(RequestError::UnknownParticipant);
        };
        participant.allowed = allowed;
        self.sends_changed(now, key);
        Ok(SfuReply::Done)
    }

    /// What a participant says or may do changed: what of it is passed on now?
    fn sends_changed(&mut self, now: Instant, key: Key) {
        let Some(participant) = self.participants.get(key) else { return };
        let media = participant.says.and(participant.allowed);
        if self.set_sending(now, key, media) {
            self.tell_published(now, key);
        }
    }

    /// Takes what is passed on of a participant from now on. Whether it is anything else.
    pub(crate) fn set_sending(&mut self, now: Instant, key: Key, media: MediaState) -> bool {
        let Some(participant) = self.participants.get_mut(key) else { return false };
        let room = participant.room;
        let before = std::mem::replace(&mut participant.media, media);
        for (source, was, is) in [
            (TrackSource::Microphone, before.microphone, media.microphone),
            (TrackSource::Camera, before.camera, media.camera),
            (TrackSource::Screen, before.screen, media.screen),
        ] {
            if was != is {
                self.muted_or_unmuted(now, key, source, is);
            }
        }
        if before.screen != media.screen {
            self.remap(now, room);
        }
        before != media
    }

    /// Notes how large the participant shows their slots. Tiles of unknown m-lines are of
    /// a negotiation that is under way; the client names them again after it.
    pub(crate) fn set_tiles(
        &mut self,
        now: Instant,
        room: CallId,
        person: PersonId,
        tiles: &[Tile],
    ) -> Result<SfuReply, RequestError> {
        let key = self.find(room, person)?;
        let Some(participant) = self.participants.get_mut(key) else {
            return Err(RequestError::UnknownParticipant);
        };
        for slot in participant.slots.iter_mut().filter(|slot| slot.kind == MediaKind::Video) {
            if let Some(tile) = tiles.iter().find(|tile| *slot.mid == *tile.mid) {
                slot.tile = shown(tile);
            }
        }
        self.allocate(now, key);
        self.touch(key);
        Ok(SfuReply::Done)
    }

    fn muted_or_unmuted(&mut self, now: Instant, key: Key, source: TrackSource, sends: bool) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        let Some(track) = participant.track_mut(source) else { return };
        track.arriving.turned_on();
        if !sends {
            track.layers.iter_mut().for_each(|layer| layer.keyframes.settle());
            if let Content::Sound(voice) = &mut track.content {
                voice.mute();
            }
            return;
        }
        self.restart_track(now, TrackId { publisher: key, source });
    }

    /// What subscribers get of a track begins anew: it was not sent for a while.
    fn restart_track(&mut self, now: Instant, track: TrackId) {
        let Some(publisher) = self.participants.get(track.publisher) else { return };
        let room = publisher.room;
        for key in self.members(room) {
            let Some(participant) = self.participants.get_mut(key) else { continue };
            let carrying = participant.slots.iter_mut().filter(|slot| slot.carries == Some(track));
            let mut any = false;
            for slot in carrying {
                slot.restart();
                any = true;
            }
            if any {
                self.allocate(now, key);
                self.touch(key);
            }
        }
        self.request_keyframe_of(now, track.publisher, |source| source == track.source);
    }

    pub(crate) fn members(&self, room: CallId) -> Vec<Key> {
        let room = self.rooms.get(&room);
        room.map_or_else(Vec::new, |room| room.members.iter().map(|(_, key)| *key).collect())
    }

    /// A participant leaves by their own wish. Unknown ones have left already.
    pub(crate) fn leave(&mut self, now: Instant, room: CallId, person: PersonId) {
        if let Ok(key) = self.find(room, person) {
            self.say_goodbye(now, key);
            self.remove(now, key);
            self.remap(now, room);
        }
    }

    /// A participant's session ended by itself.
    pub(crate) fn end(&mut self, now: Instant, key: Key) {
        let Some(participant) = self.participants.get(key) else { return };
        let (room, person) = (participant.room, participant.person);
        let relayed = participant.session.relay().is_some();
        self.remove(now, key);
        // Of those who joined at another core, that one tells.
        if !relayed {
            self.emit(room, SfuEvent::Gone { participant: person });
        }
        self.remap(now, room);
    }

    pub(crate) fn close_room(&mut self, now: Instant, room: CallId) {
        let Some(closed) = self.rooms.get(&room) else { return };
        let members: Vec<_> = closed.members.iter().map(|(_, key)| *key).collect();
        for key in members {
            self.say_goodbye(now, key);
            self.remove(now, key);
        }
        self.forget_room(room);
    }

    fn forget_room(&mut self, room: CallId) {
        self.tell_all(room, &Body::Bye);
        self.rooms.remove(&room);
        self.emit(room, SfuEvent::RoomClosed);
    }

    /// Sends RTCP BYE and the DTLS close alert, so that the other side need not
    /// find out by timeout. One try: they are not repeated.
    fn say_goodbye(&mut self, now: Instant, key: Key) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        if !participant.link.carries_media() {
            return;
        }
        participant.outbound.clear();
        participant.say_bye();
        while let Some(flow) = self.flush(now, key) {
            let contents = self.burst.bytes().to_vec();
            self.outbox.push_back(Pending::Datagram { flow, contents });
        }
        let Some(participant) = self.participants.get_mut(key) else { return };
        let Some(rtc) = participant.session.rtc_mut() else { return };
        let mut goodbye = Vec::new();
        let said = guarded(|| {
            rtc.close()?;
            rtc.handle_input(str0m::Input::Timeout(now))?;
            loop {
                match rtc.poll_output()? {
                    str0m::Output::Transmit(transmit) => goodbye.push(transmit),
                    str0m::Output::Event(_) => {}
                    str0m::Output::Timeout(_) => return Ok(()),
                }
            }
        });
        if let Err(failure) = said {
            tracing::debug!(%failure, "goodbye failed");
        }
        for transmit in goodbye {
            self.transmit(transmit);
        }
    }

    pub(crate) fn remove(&mut self, now: Instant, key: Key) {
        let Some(participant) = self.participants.remove(key) else { return };
        let (id, person) = (participant.room, participant.person);
        self.routes.remove(key);
        self.timers.remove(key);
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.members.retain(|(_, member)| *member != key);
        if participant.session.relay().is_some() {
            self.relayed -= 1;
        } else {
            self.tracks -= participant.published();
            self.tell_all(id, &Body::Left { person });
        }
        self.expire_if_deserted(now, id);
    }

    /// A room is kept for a while after the last one has gone; where it did not begin,
    /// after the last one who had joined there.
    pub(crate) fn expire_if_deserted(&mut self, now: Instant, id: CallId) {
        let Some(room) = self.rooms.get(&id) else { return };
        let counts = |(_, key): &(PersonId, Key)| room.home.is_none() || !self.is_relayed(*key);
        if room.members.iter().any(counts) {
            return;
        }
        let expires = now + self.config.room_linger;
        if let Some(room) = self.rooms.get_mut(&id) {
            room.expires = Some(expires);
        }
        self.next_expiry = Some(self.next_expiry.map_or(expires, |next| next.min(expires)));
    }

    /// Forgets rooms that were empty for too long, one by one.
    pub(crate) fn forget_rooms(
        &mut self,
        now: Instant,
        forget: impl Fn(&mut Self, Instant, CallId),
    ) {
        if self.next_expiry.is_none_or(|next| next > now) {
            return;
        }
        let expired = |room: &Room| room.expires.is_some_and(|expires| expires <= now);
        let gone: Vec<_> =
            self.rooms.iter().filter(|(_, room)| expired(room)).map(|(id, _)| *id).collect();
        for room in gone {
            self.guard_room(now, room, |core| forget(core, now, room));
        }
        self.next_expiry = self.rooms.values().filter_map(|room| room.expires).min();
    }

    pub(crate) fn forget_expired(&mut self, now: Instant, room: CallId) {
        self.members(room).into_iter().for_each(|key| self.remove(now, key));
        self.forget_room(room);
    }

    /// Decides anew what everybody in a room receives, after anything that may
    /// have changed it, and tells those for whom it did.
    pub(crate) fn remap(&mut self, now: Instant, room: CallId) {
        let Some(members) = self.rooms.get(&room).map(|room| room.members.clone()) else { return };
        let offered = self.offered_tracks(room);
        let (relayed, joined): (Vec<_>, Vec<_>) =
            members.iter().copied().partition(|(_, key)| self.is_relayed(*key));
        for (_, key) in &joined {
            self.remap_one(*key, &offered);
        }
        self.link_subscribers(&members);
        relayed.iter().for_each(|(_, key)| self.touch(*key));
        for (_, key) in &joined {
            // New tracks get their first layer here, and with it a keyframe.
            self.allocate(now, *key);
            self.touch(*key);
        }
        for (person, key) in &joined {
            self.announce_slots(*key);
            self.ask_for_slots(room, *person, *key, &offered);
        }
    }

    /// Whether a participant's session is at another core.
    fn is_relayed(&self, key: Key) -> bool {
        self.participants.get(key).is_some_and(|it| it.session.relay().is_some())
    }

    /// All tracks of a room, most important first: voices and faces by who spoke last.
    /// Shared screens come after the first face, since one can be negotiated for, and
    /// before the others, of whom there may be more than anybody has slots.
    fn offered_tracks(&self, room: CallId) -> Vec<TrackId> {
        let Some(room) = self.rooms.get(&room) else { return Vec::new() };
        let joined = || room.members.iter().map(|(_, key)| *key);
        let offers = |publisher: Key, source: TrackSource| {
            let participant = self.participants.get(publisher)?;
            let mut tracks = participant.tracks.iter();
            let track = tracks.find(|track| track.source == source && participant.offers(track));
            track.map(|_| TrackId { publisher, source })
        };
        let by = |order: Vec<Key>, source: TrackSource| -> Vec<TrackId> {
            let late = joined().filter(|key| !order.contains(key)).collect::<Vec<_>>();
            order.into_iter().chain(late).filter_map(|key| offers(key, source)).collect()
        };
        let mut offered = by(room.floor.order().collect(), TrackSource::Microphone);
        let mut faces = by(room.floor.stage().collect(), TrackSource::Camera).into_iter();
        offered.extend(faces.next());
        offered.extend(joined().filter_map(|key| offers(key, TrackSource::Screen)));
        offered.extend(faces);
        offered
    }

    /// Fills one participant's slots.
    fn remap_one(&mut self, key: Key, offered: &[TrackId]) {
        let wanted: Vec<_> =
            offered.iter().filter(|track| track.publisher != key).copied().collect();
        let Some(participant) = self.participants.get_mut(key) else { return };
        let closed = participant.slots.iter_mut().filter(|slot| !slot.open);
        closed.filter(|slot| slot.carries.is_some()).for_each(|slot| slot.carry(None));
        let open = || participant.slots.iter().filter(|slot| slot.open);
        let mut slots: Vec<_> = open().map(|slot| (slot.kind, slot.carries)).collect();
        participant.is_short = !assign(&mut slots, &wanted);
        let open = participant.slots.iter_mut().filter(|slot| slot.open);
        for (slot, (_, carries)) in open.zip(slots) {
            if slot.carries != carries {
                slot.carry(carries);
            }
        }
    }

    /// Rebuilds each layer's list of subscribers from the slots.
    fn link_subscribers(&mut self, members: &[(PersonId, Key)]) {
        for (_, key) in members {
            let Some(participant) = self.participants.get_mut(*key) else { continue };
            let layers = participant.tracks.iter_mut().flat_map(|track| &mut track.layers);
            layers.for_each(|layer| layer.subscribers.clear());
            participant.tracks.iter_mut().for_each(|track| track.relaying.carried = false);
            participant.watched_changed = true;
        }
        for (_, key) in members {
            let carried: Vec<_> = self.participants.get(*key).map_or_else(Vec::new, carried);
            for (slot, track) in carried {
                self.link(Subscriber { participant: *key, slot }, track);
                let publisher = self.participants.get_mut(track.publisher);
                if let Some(carried) = publisher.and_then(|it| it.track_mut(track.source)) {
                    carried.relaying.carried = true;
                }
            }
        }
    }

    /// Tells a participant what their slots carry, if that changed.
    pub(crate) fn announce_slots(&mut self, key: Key) {
        let Some(participant) = self.participants.get(key) else { return };
        let person_of = |track: TrackId| Some(self.participants.get(track.publisher)?.person);
        let slots: Vec<_> = participant
            .slots
            .iter()
            .filter(|slot| slot.open)
            .map(|slot| MediaSlot {
                mid: slot.mid.to_string(),
                person: slot.carries.and_then(person_of),
                source: slot.carries.map(|track| track.source),
                pause: slot.pause().and_then(announced),
            })
            .collect();
        let Some(participant) = self.participants.get_mut(key) else { return };
        if participant.announced != slots {
            participant.announced.clone_from(&slots);
            let (room, participant) = (participant.room, participant.person);
            self.emit(room, SfuEvent::Slots { participant, slots });
        }
    }

    /// Asks a participant for more slots, once, when there are more tracks.
    fn ask_for_slots(&mut self, room: CallId, person: PersonId, key: Key, offered: &[TrackId]) {
        let lines = self.config.limits.media_lines;
        let Some(participant) = self.participants.get_mut(key) else { return };
        let asked = missing_slots(participant, key, offered, lines);
        let ask = asked.is_some() && asked != participant.slots_asked;
        participant.slots_asked = asked;
        if let Some((audio_slots, video_slots)) = asked.filter(|_| ask) {
            let participant = person;
            self.emit(room, SfuEvent::OfferNeeded { participant, audio_slots, video_slots });
        }
    }
}

/// A tile in the words of layers. Without a size it is off the screen.
const fn shown(tile: &Tile) -> Shown {
    if tile.width == 0 || tile.height == 0 {
        return Shown::OffScreen;
    }
    Shown::Shown(Size { width: tile.width, height: tile.height })
}

/// What the client is told of a pause. That a publisher sends nothing is told by their
/// own state.
const fn announced(pause: Pause) -> Option<SlotPause> {
    match pause {
        Pause::OffScreen => Some(SlotPause::OffScreen),
        Pause::Bandwidth => Some(SlotPause::Bandwidth),
        Pause::Absent => None,
    }
}

fn carried(participant: &Participant) -> Vec<(usize, TrackId)> {
    let slots = participant.slots.iter().enumerate();
    slots.filter_map(|(index, slot)| Some((index, slot.carries?))).collect()
}

/// How many audio and video slots to ask for, where one of them does not suffice for
/// the tracks of others; `None` when all fit or no m-line is left.
fn missing_slots(
    participant: &Participant,
    key: Key,
    offered: &[TrackId],
    media_lines: usize,
) -> Option<(u8, u8)> {
    let has = |kind| participant.slots.iter().filter(|slot| slot.open && slot.kind == kind).count();
    let others = |kind| {
        offered.iter().filter(|track| track.publisher != key && track.kind() == kind).count()
    };
    let (audio_has, video_has) = (has(MediaKind::Audio), has(MediaKind::Video));
    // Voices first; one m-line of each kind at least stays for the other.
    let audio = others(MediaKind::Audio).min(media_lines.saturating_sub(1)).max(audio_has);
    let video = others(MediaKind::Video).min(media_lines.saturating_sub(audio.max(1)));
    let video = video.max(video_has);
    let count = |slots| u8::try_from(slots).unwrap_or(u8::MAX);
    (audio > audio_has || video > video_has).then(|| (count(audio), count(video)))
}
