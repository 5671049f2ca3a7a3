//! From a publisher's packet to its subscribers, and from their wish for a keyframe back.

use std::time::Instant;

use housecall_protocol::cluster::SfuEvent;
use housecall_protocol::domain::TrackSource;
use str0m::media::MediaKind;

use crate::core::Core;
use crate::inbound::Source;
use crate::media::Media;
use crate::outbound::{Entry, Kind};
use crate::participant::{Participant, Subscriber};
use crate::rewrite::Incoming;
use crate::slab::Key;

/// What became of a packet at one subscriber.
enum Written {
    Queued {
        /// The first one that this subscriber gets.
        first: bool,
        /// The layer that the slot left for this packet's.
        left: Option<usize>,
    },
    /// Until a decoder can start.
    Waits,
    Unusable,
    NotConnected,
    /// The subscriber does not show it.
    Paused,
    /// The slot is sent another layer.
    OtherLayer,
}

impl Core {
    /// Passes a packet on to everybody whose slot carries its layer.
    pub(crate) fn forward(&mut self, now: Instant, key: Key, media: &Media) {
        let source = media.source;
        let Some(layer) = self.participants.get_mut(key).and_then(|it| it.layer_mut(source)) else {
            return;
        };
        if media.starts {
            layer.keyframes.settle();
        }
        // Taken and put back, so that no list is copied for each packet.
        let subscribers = std::mem::take(&mut layer.subscribers);
        let mut waits = false;
        for subscriber in &subscribers {
            waits |= self.deliver(now, key, *subscriber, media);
        }
        if let Some(layer) = self.participants.get_mut(key).and_then(|it| it.layer_mut(source)) {
            layer.subscribers = subscribers;
        }
        if waits {
            self.chase_keyframe(now, key, source);
        }
    }

    /// Passes a packet to one subscriber. Whether they wait for a keyframe.
    fn deliver(
        &mut self,
        now: Instant,
        publisher: Key,
        subscriber: Subscriber,
        media: &Media,
    ) -> bool {
        let Some(participant) = self.participants.get_mut(subscriber.participant) else {
            return false;
        };
        match write(now, participant, subscriber.slot, media) {
            Written::Queued { first, left } => {
                self.counters.forwarded_packets += 1;
                self.counters.forwarded_bytes += media.packet.payload().len() as u64;
                if first {
                    let (room, participant) = (participant.room, participant.person);
                    self.emit(room, SfuEvent::Flowing { participant });
                }
                if let Some(layer) = left {
                    let source = Source { layer, ..media.source };
                    self.unsubscribe(publisher, source, subscriber);
                }
                self.touch(subscriber.participant);
            }
            Written::Waits => {
                self.counters.unusable_packets += 1;
                return true;
            }
            Written::Unusable => self.counters.unusable_packets += 1,
            Written::NotConnected | Written::Paused | Written::OtherLayer => {}
        }
        false
    }

    /// A slot is no longer sent a layer.
    fn unsubscribe(&mut self, publisher: Key, source: Source, subscriber: Subscriber) {
        let layer = self.participants.get_mut(publisher).and_then(|it| it.layer_mut(source));
        if let Some(layer) = layer {
            layer.subscribers.retain(|known| *known != subscriber);
        }
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
        let layer = slot.current.or(slot.target);
        let Some((carried, layer)) = slot.carries.zip(layer) else { return };
        let Some(publisher) = self.participants.get(carried.publisher) else { return };
        let track = publisher.tracks.iter().position(|known| known.source == carried.source);
        if let Some(track) = track
            && publisher.forwarding
            && publisher.sends(carried.source)
        {
            self.want_keyframe(now, carried.publisher, Source { track, layer });
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
        for track in carried {
            if track.kind() == MediaKind::Video {
                self.request_keyframe_of(now, track.publisher, |source| source == track.source);
            }
        }
    }

    /// Everything this participant sends begins anew for its subscribers: forwarding
    /// was switched on, or they connected.
    pub(crate) fn restart_tracks(&mut self, now: Instant, key: Key) {
        self.request_keyframe_of(now, key, |_| true);
    }

    /// Asks a publisher for keyframes of those layers that are sent and watched.
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
            let asked = track.source != TrackSource::Microphone
                && wanted(track.source)
                && publisher.sends(track.source);
            let layers = track.layers.iter().enumerate();
            due.extend(
                layers
                    .filter(|(_, layer)| asked && !layer.subscribers.is_empty())
                    .map(|(layer, _)| Source { track: index, layer }),
            );
        }
        for source in due {
            self.want_keyframe(now, key, source);
        }
    }
}

/// Queues a packet for a subscriber under the numbers of its slot.
fn write(now: Instant, to: &mut Participant, index: usize, media: &Media) -> Written {
    if !to.link.carries_media() || !to.outbound.is_open() {
        return Written::NotConnected;
    }
    let Some(payload_type) = payload_type(to, index, media) else {
        return Written::Unusable;
    };
    let Some(slot) = to.slots.get_mut(index) else { return Written::Unusable };
    if slot.off_screen {
        return Written::Paused;
    }
    let before = slot.current;
    if !slot.admits(media.source.layer, media.starts) {
        let waits = slot.kind == MediaKind::Video && slot.target == Some(media.source.layer);
        return if waits { Written::Waits } else { Written::OtherLayer };
    }
    let left = before.filter(|layer| *layer != media.source.layer);
    let incoming = Incoming {
        ssrc: media.ssrc,
        seq: media.seq,
        timestamp: media.timestamp,
        clock_rate: media.format.clock_rate(),
        starts: media.starts,
        detail: media.frame.as_ref().map(|frame| &frame.detail),
    };
    let Some(outgoing) = slot.rewriter.rewrite(now, incoming) else {
        let waits = slot.kind == MediaKind::Video && slot.rewriter.waits_for_start();
        return if waits { Written::Waits } else { Written::Unusable };
    };
    let kind = match slot.kind {
        MediaKind::Audio => Kind::Audio,
        MediaKind::Video => Kind::Video,
    };
    let entry = Entry {
        packet: media.packet.clone(),
        patch: outgoing.patch,
        seq: outgoing.seq,
        timestamp: outgoing.timestamp,
        payload_type,
        // Slots are fewer than 256: see `read_slots`.
        slot: index as u8,
        marker: media.marker,
        kind,
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
    if first || left.is_some() || before.is_none() {
        to.reports.start(now);
        if let Some(due) = to.reports.next() {
            to.need_by(due);
        }
    }
    Written::Queued { first, left }
}

/// The subscriber's payload type for the packet's codec; each peer connection
/// has its own numbers.
fn payload_type(to: &mut Participant, index: usize, media: &Media) -> Option<u8> {
    let source = media.format.payload_type;
    let slot = to.slots.get_mut(index)?;
    if let Some((known, ours)) = slot.translated
        && known == source
    {
        return ours;
    }
    let ours = to.inbound.formats.matching(&media.format.spec, &slot.payload_types);
    slot.translated = Some((source, ours));
    ours
}
