//! What each subscriber is sent of what they could be sent: their link's estimate and
//! their tiles go in, a layer for each of their slots comes out.

use std::time::{Duration, Instant};

use str0m::media::MediaKind;

use crate::core::Core;
use crate::inbound::Source;
use crate::layers::{Allocation, Allocator, Choice, Demand, Encodings, Stacking};
use crate::participant::Participant;
use crate::slab::Key;
use crate::slot::Slot;
use crate::slots::TrackId;
use crate::track::{Content, Subscriber, shows};

/// Time between two looks at a subscriber whose link seems to suffice.
const INTERVAL: Duration = Duration::from_millis(250);
/// Set aside for each voice, though it be silent at the moment: it may speak in the next.
const VOICE_BPS: u64 = 24_000;
/// The estimator is asked to find at least this much, so that a link is known before
/// there is a picture.
const MIN_DESIRED_BPS: u64 = 300_000;

/// The state of one subscriber's choices.
#[derive(Debug, Default)]
pub(crate) struct Steering {
    allocator: Allocator,
    /// What is chosen takes this much.
    chosen_bps: u64,
    next: Option<Instant>,
}

impl Steering {
    /// When to look again.
    pub(crate) const fn next(&self) -> Option<Instant> {
        self.next
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| next <= now)
    }
}

/// A slot that could be sent video now.
pub(crate) struct Candidate {
    slot: usize,
    track: TrackId,
    stacking: Stacking,
}

impl Core {
    /// The estimate of a subscriber's link may have changed. When it does not suffice
    /// any more for what they get, that is no matter for later.
    pub(crate) fn on_estimate(&mut self, now: Instant, key: Key) {
        let Some(participant) = self.participants.get(key) else { return };
        let steering = &participant.steering;
        if steering.is_due(now) || participant.estimate_bps() < steering.chosen_bps {
            self.allocate(now, key);
        }
    }

    /// Chooses a layer for each of a subscriber's slots.
    pub(crate) fn allocate(&mut self, now: Instant, key: Key) {
        let mut candidates = std::mem::take(&mut self.candidates);
        let mut demands = std::mem::take(&mut self.demands);
        let audio_bps = self.find_candidates(now, key, &mut candidates, &mut demands);
        if let Some(participant) = self.participants.get_mut(key) {
            let estimate = participant.estimate_bps();
            let allocator = &mut participant.steering.allocator;
            let allocation = allocator.allocate(now, estimate, audio_bps, &mut demands);
            participant.note_allocation(now, &allocation, !candidates.is_empty());
        }
        let mut paused = false;
        for (candidate, demand) in candidates.iter().zip(&demands) {
            let subscriber = Subscriber { participant: key, slot: candidate.slot };
            paused |= self.choose(now, subscriber, candidate, demand.choice);
        }
        (self.candidates, self.demands) = (candidates, demands);
        if paused {
            self.announce_slots(key);
        }
    }

    /// Finds the video slots of a subscriber whose tracks are sent at the moment; returns
    /// what their audio slots take.
    fn find_candidates(
        &mut self,
        now: Instant,
        key: Key,
        candidates: &mut Vec<Candidate>,
        demands: &mut Vec<Demand>,
    ) -> u64 {
        candidates.clear();
        demands.clear();
        let mut audio_bps = 0;
        for slot in 0.. {
            let known = self.participants.get(key).and_then(|it| it.slots.get(slot));
            let Some(Slot { kind, carries, tile, choice, .. }) = known else { break };
            let (kind, tile, choice) = (*kind, *tile, *choice);
            let Some(track) = *carries else { continue };
            let Some(publisher) = self.participants.get_mut(track.publisher) else { continue };
            if !publisher.forwarding || !publisher.sends(track.source) {
                continue;
            }
            if kind == MediaKind::Audio {
                audio_bps += publisher.voice_bps(now);
            } else if let Some((encodings, stacking)) = publisher.encodings(now, track) {
                let content = shows(track.source);
                demands.push(Demand { content, tile, encodings, choice });
                candidates.push(Candidate { slot, track, stacking });
            }
        }
        audio_bps
    }

    /// Takes a choice for a slot. Whether it began or ended to be paused.
    fn choose(
        &mut self,
        now: Instant,
        subscriber: Subscriber,
        candidate: &Candidate,
        choice: Choice,
    ) -> bool {
        let slot = self
            .participants
            .get_mut(subscriber.participant)
            .and_then(|participant| participant.slots.get_mut(subscriber.slot));
        let Some(slot) = slot else { return false };
        let before = slot.pause();
        if !slot.choose(choice, candidate.stacking) {
            return false;
        }
        let (after, keyframe) = (slot.pause(), slot.needs_keyframe());
        self.link(subscriber, candidate.track);
        if let Some(layer) = keyframe {
            self.want_keyframe_of(now, candidate.track, layer);
        }
        before != after
    }

    /// Puts a slot on the lists of those of a track's streams that it needs, and off the
    /// others'.
    pub(crate) fn link(&mut self, subscriber: Subscriber, carried: TrackId) {
        let slot = self
            .participants
            .get(subscriber.participant)
            .and_then(|participant| participant.slots.get(subscriber.slot));
        let wanted = slot.map_or([false; 3], |slot| [0, 1, 2].map(|stream| slot.wants(stream)));
        let Some(publisher) = self.participants.get_mut(carried.publisher) else { return };
        let Some(track) = publisher.track_mut(carried.source) else { return };
        for (layer, wanted) in track.layers.iter_mut().zip(wanted) {
            let known = layer.subscribers.iter().position(|known| *known == subscriber);
            match known {
                Some(index) if !wanted => {
                    layer.subscribers.swap_remove(index);
                }
                None if wanted => layer.subscribers.push(subscriber),
                Some(_) | None => {}
            }
        }
        publisher.watched_changed = true;
        self.touch(carried.publisher);
    }

    /// Asks for a keyframe of one of a track's streams.
    pub(crate) fn want_keyframe_of(&mut self, now: Instant, carried: TrackId, layer: usize) {
        let Some(publisher) = self.participants.get(carried.publisher) else { return };
        let track = publisher.tracks.iter().position(|known| known.source == carried.source);
        if let Some(track) = track
            && publisher.forwarding
            && publisher.sends(carried.source)
        {
            self.want_keyframe(now, carried.publisher, Source { track, layer });
        }
    }
}

impl Participant {
    /// What their link carries.
    fn estimate_bps(&self) -> u64 {
        self.outbound.estimate_bps().unwrap_or(u64::from(u32::MAX))
    }

    fn note_allocation(&mut self, now: Instant, allocation: &Allocation, video: bool) {
        self.outbound.set_desired_bps(now, allocation.desired_bps.max(MIN_DESIRED_BPS));
        self.steering.chosen_bps = allocation.chosen_bps;
        let regular = now + INTERVAL;
        let next = allocation.again_at.map_or(regular, |at| at.min(regular));
        // Nothing to choose from: whatever brings a track brings a look.
        self.steering.next = video.then_some(next);
        if let Some(next) = self.steering.next {
            self.need_by(next);
        }
    }

    /// What the microphone takes.
    fn voice_bps(&mut self, now: Instant) -> u64 {
        let microphone =
            self.tracks.iter_mut().find(|track| matches!(track.content, Content::Sound(_)));
        let stream = microphone.and_then(|track| track.layers.first_mut()?.stream.as_mut());
        stream.map_or(0, |stream| stream.bps(now).max(VOICE_BPS))
    }

    /// The layers of a track that it publishes.
    fn encodings(&self, now: Instant, track: TrackId) -> Option<(Encodings, Stacking)> {
        let track = self.tracks.iter().find(|known| known.source == track.source)?;
        let meter = track.meter()?;
        Some((meter.encodings(now), meter.stacking()))
    }
}
