//! From a publisher's packet to its subscribers, and from their wish for a keyframe back.

use std::time::Instant;

use housecall_protocol::cluster::SfuEvent;
use housecall_protocol::domain::TrackSource;
use str0m::media::MediaKind;

use crate::codec::{Patch, red};
use crate::core::Core;
use crate::formats::Ours;
use crate::inbound::Source;
use crate::media::Media;
use crate::outbound::{Entry, Kind};
use crate::packet::Packet;
use crate::participant::Participant;
use crate::slab::Key;
use crate::slot::Fate;
use crate::slots::TrackId;
use crate::track::Subscriber;
use crate::wire::extensions::Extension;

/// Room for two frames of audio, far above what voices take.
const MAX_REPEATED_BYTES: usize = 1_100;

/// What became of a packet at one subscriber.
#[derive(Default)]
struct Delivery {
    outcome: Outcome,
    /// The subscriber waits for a keyframe of this stream.
    waits: bool,
    /// It is the first packet of its stream that they get: they need others no more.
    begins: bool,
}

#[derive(Default)]
enum Outcome {
    Queued {
        /// The first one that this subscriber gets of anything.
        first: bool,
    },
    Unusable,
    /// They are not there, or not sent this layer.
    #[default]
    NotSent,
}

impl Core {
    /// Passes a packet on to everybody whose slot carries its layer.
    pub(crate) fn forward(&mut self, now: Instant, key: Key, media: &Media<'_>) {
        let source = media.plain.source;
        let Some(participant) = self.participants.get_mut(key) else { return };
        let Some(track) = participant.tracks.get_mut(source.track) else { return };
        let carried = TrackId { publisher: key, source: track.source };
        let Some(layer) = track.layers.get_mut(source.layer) else { return };
        if media.starts {
            layer.keyframes.begin(media.plain.timestamp);
        }
        layer.keyframes.note(now, media.plain.timestamp, media.plain.marker);
        // Taken and put back, so that no list is copied for each packet.
        let subscribers = std::mem::take(&mut layer.subscribers);
        let mut waits = false;
        for subscriber in &subscribers {
            self.serving = Some(subscriber.participant);
            waits |= self.deliver(now, carried, *subscriber, media);
        }
        self.serving = None;
        if let Some(layer) = self.participants.get_mut(key).and_then(|it| it.layer_mut(source)) {
            layer.subscribers = subscribers;
        }
        self.relay_media(key, media);
        if waits {
            self.chase_keyframe(now, key, source);
        }
    }

    /// Passes a packet to one subscriber. Whether they wait for a keyframe.
    fn deliver(
        &mut self,
        now: Instant,
        carried: TrackId,
        subscriber: Subscriber,
        media: &Media<'_>,
    ) -> bool {
        let Some(participant) = self.participants.get_mut(subscriber.participant) else {
            return false;
        };
        let delivery = write(now, participant, subscriber.slot, media);
        match delivery.outcome {
            Outcome::Queued { first } => {
                self.counters.forwarded_packets += 1;
                self.counters.forwarded_bytes += media.plain.packet.payload().len() as u64;
                if first {
                    let (room, participant) = (participant.room, participant.person);
                    self.emit(room, SfuEvent::Flowing { participant });
                }
                self.touch(subscriber.participant);
            }
            Outcome::Unusable => self.counters.unusable_packets += 1,
            Outcome::NotSent => {}
        }
        if delivery.begins && carried.kind() == MediaKind::Video {
            self.link(subscriber, carried);
        }
        delivery.waits
    }

    /// Sees to it that a keyframe is on its way while a subscriber waits for one:
    /// the publisher may have started a new stream in the middle of a picture.
    fn chase_keyframe(&mut self, now: Instant, key: Key, source: Source) {
        let layer = self.participants.get_mut(key).and_then(|it| it.layer_mut(source));
        if layer.is_some_and(|layer| layer.keyframes.next().is_none()) {
            self.want_keyframe(now, key, source);
        }
    }

    /// A subscriber's decoder asked for a keyframe (PLI or FIR).
    pub(crate) fn keyframe_wanted(&mut self, now: Instant, key: Key, slot: usize) {
        let Some(subscriber) = self.participants.get(key) else { return };
        let Some(slot) = subscriber.slots.get(slot).filter(|slot| slot.kind == MediaKind::Video)
        else {
            return;
        };
        if let Some((carried, layer)) = slot.carries.zip(slot.source_of_keyframes()) {
            self.want_keyframe_of(now, carried, layer);
        }
    }

    pub(crate) fn want_keyframe(&mut self, now: Instant, key: Key, source: Source) {
        let Some(publisher) = self.participants.get_mut(key) else { return };
        let Some(layer) = publisher.layer_mut(source) else { return };
        layer.keyframes.want(now);
        if let Some(at) = layer.keyframes.next() {
            publisher.need_by(at);
        }
        self.touch(key);
    }

    /// Everything this participant receives begins anew: they just connected.
    pub(crate) fn restart_slots(&mut self, now: Instant, key: Key) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        for slot in &mut participant.slots {
            slot.restart();
        }
        let carried: Vec<_> = participant.slots.iter().filter_map(|slot| slot.carries).collect();
        self.allocate(now, key);
        for track in carried {
            self.request_keyframe_of(now, track.publisher, |source| source == track.source);
        }
    }

    /// Everything this participant sends begins anew for its subscribers: forwarding
    /// was switched on, or they connected.
    pub(crate) fn restart_tracks(&mut self, now: Instant, key: Key) {
        self.request_keyframe_of(now, key, |_| true);
    }

    /// Asks a publisher for keyframes of those layers that somebody waits for.
    pub(crate) fn request_keyframe_of(
        &mut self,
        now: Instant,
        key: Key,
        wanted: impl Fn(TrackSource) -> bool,
    ) {
        let Some(publisher) = self.participants.get(key) else { return };
        if !publisher.forwarding {
            return;
        }
        let mut due = Vec::new();
        for (index, track) in publisher.tracks.iter().enumerate() {
            if !wanted(track.source) || !publisher.sends(track.source) {
                continue;
            }
            let layers = track.layers.iter().enumerate();
            due.extend(
                layers
                    .filter(|(layer, of)| self.is_awaited(*layer, &of.subscribers))
                    .map(|(layer, _)| Source { track: index, layer }),
            );
        }
        for source in due {
            self.want_keyframe(now, key, source);
        }
    }

    fn is_awaited(&self, layer: usize, subscribers: &[Subscriber]) -> bool {
        subscribers.iter().any(|subscriber| {
            let participant = self.participants.get(subscriber.participant);
            let slot = participant.and_then(|participant| participant.slots.get(subscriber.slot));
            slot.is_some_and(|slot| slot.needs_keyframe() == Some(layer))
        })
    }
}

/// Queues a packet for a subscriber under the numbers of its slot.
fn write(now: Instant, to: &mut Participant, index: usize, media: &Media<'_>) -> Delivery {
    if !to.link.carries_media() || !to.outbound.is_open() {
        return Delivery::default();
    }
    if let Some(slot) = to.slots.get_mut(index) {
        slot.passing.offer();
    }
    let ours = payload_types(to, index, media);
    let Some((slot, ours)) = to.slots.get_mut(index).zip(ours) else {
        return Delivery { outcome: Outcome::Unusable, ..Delivery::default() };
    };
    let fate = slot.take(now, media);
    let waits = slot.needs_keyframe() == Some(media.plain.source.layer);
    let (numbers, marker, begins) = match fate {
        Fate::Sent { numbers, marker, begins } => (numbers, marker, begins),
        Fate::LeftOut => return Delivery { waits, ..Delivery::default() },
        Fate::Unusable => {
            return Delivery { outcome: Outcome::Unusable, waits, begins: false };
        }
    };
    slot.passing.pass();
    let mut packet = media.plain.packet.clone();
    let repeats = slot.loses_much();
    let (payload_type, patch) = encode(ours, media, repeats, &mut packet, numbers.patch);
    if let Some(descriptor) = slot.descriptor(media, &numbers) {
        packet.replace(Extension::DependencyDescriptor, &descriptor);
    }
    let entry = Entry {
        packet,
        patch,
        seq: numbers.seq,
        timestamp: numbers.timestamp,
        payload_type,
        // Slots are fewer than 256: see `read_slots`.
        slot: index as u8,
        marker,
        kind: match slot.kind {
            MediaKind::Audio => Kind::Audio,
            MediaKind::Video => Kind::Video,
        },
    };
    let slots = &mut to.slots;
    to.outbound.push(entry, |dropped| {
        // The picture is broken: it goes on with the next keyframe.
        if dropped.kind == Kind::Video
            && let Some(slot) = slots.get_mut(usize::from(dropped.slot))
        {
            slot.restart();
        }
    });
    let first = !std::mem::replace(&mut to.flowing, true);
    if begins {
        to.reports.start(now);
        if let Some(due) = to.reports.next() {
            to.need_by(due);
        }
    }
    Delivery { outcome: Outcome::Queued { first }, waits, begins }
}

/// Makes an audio packet what the subscriber takes: with its redundancy if they negotiated
/// that, else the newest frame alone. Who loses many gets the frame before again. Its
/// payload type, and what changes in its payload.
fn encode(
    ours: Ours,
    media: &Media<'_>,
    repeats: bool,
    packet: &mut Packet,
    patch: Patch,
) -> (u8, Patch) {
    let Some(redundant) = &media.redundant else {
        let repeated = media.earlier.as_ref().filter(|_| repeats).and_then(|earlier| {
            Some((ours.red?, repeat(ours.plain, earlier, &media.plain.packet)?))
        });
        let Some((red, repeated)) = repeated else { return (ours.plain, patch) };
        *packet = repeated;
        return (red, patch);
    };
    if let Some((red, patch)) = ours.red.zip(redundant.retype(ours.plain)) {
        return (red, patch);
    }
    packet.skip(redundant.newest_at);
    (ours.plain, patch)
}

/// A packet that carries the one before again.
fn repeat(payload_type: u8, (age, before): &(u32, Packet), newest: &Packet) -> Option<Packet> {
    let mut payload = [0; MAX_REPEATED_BYTES];
    let earlier = red::Earlier { age: *age, contents: before.payload() };
    let length = red::write(payload_type, &[earlier], newest.payload(), &mut payload)?;
    newest.with_payload(payload.get(..length)?)
}

/// The subscriber's payload types for the packet's codec; each peer connection has its
/// own numbers.
fn payload_types(to: &mut Participant, index: usize, media: &Media<'_>) -> Option<Ours> {
    let source = media.plain.format.payload_type;
    let slot = to.slots.get_mut(index)?;
    if let Some((known, ours)) = slot.translated
        && known == source
    {
        return ours;
    }
    let ours = to.inbound.formats.matching(&media.plain.format.spec, &slot.payload_types);
    slot.translated = Some((source, ours));
    ours
}
