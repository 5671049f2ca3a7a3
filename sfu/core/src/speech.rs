//! Listening to a room: who speaks, and who is given an audio slot because of it.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use housecall_protocol::cluster::SfuEvent;
use housecall_protocol::ids::CallId;
use housecall_protocol::media::Speaker;

use crate::core::Core;
use crate::packet::Packet;
use crate::slab::Key;
use crate::voices::Voice;
use crate::wire::extensions::Extension;

/// Shortest time between two looks at a room: three packets of a voice.
const INTERVAL: Duration = Duration::from_millis(60);
/// When to look at a room again in which somebody spoke and nothing comes any more.
const SILENCE: Duration = Duration::from_millis(500);
/// The level in the extension, below the bit that says "voice" (RFC 6464 section 3).
const LEVEL_MASK: u8 = 0x7f;

impl Core {
    /// Takes the loudness of a packet of a microphone.
    pub(crate) fn hear(&mut self, now: Instant, key: Key, track: usize, packet: &Packet) {
        let Some(level) = packet.extension(Extension::AudioLevel).and_then(|it| it.first()) else {
            return;
        };
        let Some(participant) = self.participants.get_mut(key) else { return };
        let Some(voice) = participant.tracks.get_mut(track).and_then(|it| it.voice_mut()) else {
            return;
        };
        voice.note(now, level & LEVEL_MASK);
        if participant.voice_due.is_some_and(|due| now < due) {
            return;
        }
        participant.voice_due = Some(now + INTERVAL);
        let room = participant.room;
        self.listen(now, room);
    }

    /// Looks at rooms in which somebody spoke and which may have fallen silent.
    pub(crate) fn listen_again(
        &mut self,
        now: Instant,
        listen: impl Fn(&mut Self, Instant, CallId),
    ) {
        while let Some(Reverse((at, room))) = self.lively.peek().copied() {
            if at > now {
                return;
            }
            self.lively.pop();
            if let Some(room) = self.rooms.get_mut(&room) {
                room.is_lively = false;
            }
            self.guard_room(now, room, |core| listen(core, now, room));
        }
    }

    /// Looks at the voices of a room, unless that was done a moment ago.
    pub(crate) fn listen(&mut self, now: Instant, id: CallId) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if room.listened_at.is_some_and(|at| now.saturating_duration_since(at) < INTERVAL) {
            return;
        }
        room.listened_at = Some(now);
        for (_, key) in &room.members {
            if let Some(voice) = self.participants.get_mut(*key).and_then(|it| it.microphone_mut())
            {
                voice.update(now);
            }
        }
        let voices: Vec<(Key, &Voice)> = room
            .members
            .iter()
            .filter_map(|(_, key)| Some((*key, self.participants.get(*key)?.microphone()?)))
            .collect();
        let report = room.floor.update(now, &voices);
        if room.floor.is_lively() && !room.is_lively {
            room.is_lively = true;
            self.lively.push(Reverse((now + SILENCE, id)));
        }
        // One core speaks for the room.
        let is_home = room.home.is_none();
        if let Some(speakers) = report.speakers.filter(|_| is_home) {
            let speakers = speakers
                .into_iter()
                .filter_map(|speaking| {
                    let person = self.participants.get(speaking.voice)?.person;
                    Some(Speaker { person, level: speaking.level })
                })
                .collect();
            self.emit(id, SfuEvent::Speakers { speakers });
        }
        if report.reordered {
            self.reseat(now, id);
        }
    }

    /// The order of voices changed. Whoever has a slot for everybody need not care.
    fn reseat(&mut self, now: Instant, id: CallId) {
        let Some(room) = self.rooms.get(&id) else { return };
        let members = room.members.iter();
        let short =
            members.filter_map(|(_, key)| self.participants.get(*key)).any(|it| it.is_short);
        if short {
            self.remap(now, id);
        }
    }
}
