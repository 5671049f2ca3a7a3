//! From a publisher's packet to its subscribers, and from their wish for a keyframe back.

use std::time::Instant;

use housecall_protocol::cluster::SfuEvent;
use housecall_protocol::domain::TrackSource;
use str0m::format::{Codec, CodecSpec};
use str0m::media::{MediaKind, Mid, Pt};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite, Vp8Descriptor};

use crate::core::Core;
use crate::keyframe::starts_keyframe;
use crate::participant::{Participant, Subscriber};
use crate::rewrite::Incoming;
use crate::slab::Key;

/// A packet with what is the same for all subscribers.
struct Parsed {
    packet: RtpPacket,
    spec: CodecSpec,
    vp8: Option<Vp8Descriptor>,
    starts: bool,
}

/// What became of a packet at one subscriber.
enum Written {
    Sent {
        first: bool,
    },
    /// Until a decoder can start.
    Waits,
    Unusable,
    NotConnected,
    /// The subscriber does not show it.
    Paused,
}

impl Core {
    /// Passes a received packet on to everybody whose slot carries its track.
    pub(crate) fn forward(&mut self, now: Instant, key: Key, packet: RtpPacket) {
        let Some(publisher) = self.participants.get_mut(key) else { return };
        let Some(index) = publisher.track_of(packet.header.ssrc) else { return };
        if !publisher.forwarding || !publisher.sends(publisher.tracks[index].source) {
            self.counters.gated_packets += 1;
            return;
        }
        let Some(parsed) = parse(publisher, packet) else { return };
        if parsed.starts {
            publisher.tracks[index].keyframes.settle();
        }
        // Taken and put back, so that no list is copied for each packet.
        let subscribers = std::mem::take(&mut publisher.tracks[index].subscribers);
        let mut waits = false;
        for subscriber in &subscribers {
            waits |= self.deliver(now, *subscriber, &parsed);
        }
        if let Some(publisher) = self.participants.get_mut(key) {
            publisher.tracks[index].subscribers = subscribers;
        }
        if waits {
            self.chase_keyframe(now, key, index);
        }
    }

    /// Passes a packet to one subscriber. Whether they wait for a keyframe.
    fn deliver(&mut self, now: Instant, subscriber: Subscriber, parsed: &Parsed) -> bool {
        let Some(participant) = self.participants.get_mut(subscriber.participant) else {
            return false;
        };
        match write(now, participant, subscriber.slot, parsed) {
            Written::Sent { first } => {
                self.counters.forwarded_packets += 1;
                self.counters.forwarded_bytes += parsed.packet.payload.len() as u64;
                if first {
                    let (room, participant) = (participant.room, participant.person);
                    self.emit(room, SfuEvent::Flowing { participant });
                }
                self.touch(subscriber.participant);
            }
            Written::Waits => {
                self.counters.unusable_packets += 1;
                return true;
            }
            Written::Unusable => self.counters.unusable_packets += 1,
            Written::NotConnected | Written::Paused => {}
        }
        false
    }

    /// Sees to it that a keyframe is on its way while a subscriber waits for one:
    /// the publisher may have started a new stream in the middle of a picture.
    fn chase_keyframe(&mut self, now: Instant, key: Key, index: usize) {
        let track = self.participants.get(key).and_then(|from| from.tracks.get(index));
        if track.is_some_and(|track| track.keyframes.next().is_none()) {
            self.want_keyframe(now, key, index);
        }
    }

    /// A subscriber's decoder asked for a keyframe (PLI or FIR).
    pub(crate) fn keyframe_wanted(&mut self, now: Instant, key: Key, mid: Mid) {
        let Some(subscriber) = self.participants.get(key) else { return };
        let carried = subscriber
            .slots
            .iter()
            .find(|slot| slot.mid == mid && slot.kind == MediaKind::Video)
            .and_then(|slot| slot.carries);
        let Some(track) = carried else { return };
        let Some(publisher) = self.participants.get(track.publisher) else { return };
        let index = publisher.tracks.iter().position(|known| known.source == track.source);
        if let Some(index) = index
            && publisher.forwarding
            && publisher.sends(track.source)
        {
            self.want_keyframe(now, track.publisher, index);
        }
    }

    pub(crate) fn want_keyframe(&mut self, now: Instant, key: Key, index: usize) {
        let Some(publisher) = self.participants.get_mut(key) else { return };
        let Some(track) = publisher.tracks.get_mut(index) else { return };
        track.keyframes.want(now);
        self.touch(key);
    }

    /// Everything this participant receives begins anew: they just connected.
    pub(crate) fn restart_slots(&mut self, now: Instant, key: Key) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        for slot in &mut participant.slots {
            slot.rewriter.restart();
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

    /// Asks a publisher for keyframes of those sources that are sent and watched.
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
        let due: Vec<_> = publisher
            .tracks
            .iter()
            .enumerate()
            .filter(|(_, track)| {
                track.source != TrackSource::Microphone
                    && wanted(track.source)
                    && publisher.sends(track.source)
                    && !track.subscribers.is_empty()
            })
            .map(|(index, _)| index)
            .collect();
        for index in due {
            self.want_keyframe(now, key, index);
        }
    }
}

fn parse(publisher: &Participant, packet: RtpPacket) -> Option<Parsed> {
    let payload_type = packet.header.payload_type;
    let spec = publisher.rtc.codec_config().find(|params| params.pt() == payload_type)?.spec();
    let vp8 = match spec.codec {
        Codec::Vp8 => Vp8Descriptor::parse(&packet.payload).ok(),
        _ => None,
    };
    let starts = starts_keyframe(spec.codec, &packet.payload, vp8.as_ref());
    Some(Parsed { packet, spec, vp8, starts })
}

fn write(now: Instant, to: &mut Participant, slot_index: usize, parsed: &Parsed) -> Written {
    if !to.link.carries_media() {
        return Written::NotConnected;
    }
    let Some(payload_type) = payload_type(to, slot_index, parsed) else {
        return Written::Unusable;
    };
    let Some(slot) = to.slots.get_mut(slot_index) else { return Written::Unusable };
    if slot.off_screen {
        return Written::Paused;
    }
    let Some(ssrc) = slot.ssrc else { return Written::Unusable };
    let packet = &parsed.packet;
    let incoming = Incoming {
        ssrc: packet.header.ssrc,
        seq: *packet.seq_no,
        timestamp: packet.header.timestamp,
        clock_rate: parsed.spec.clock_rate.get(),
        starts: parsed.starts,
        vp8: parsed.vp8.as_ref(),
    };
    let Some(outgoing) = slot.rewriter.rewrite(now, incoming) else {
        let waits = slot.kind == MediaKind::Video && slot.rewriter.waits_for_start();
        return if waits { Written::Waits } else { Written::Unusable };
    };
    let mut direct = to.rtc.direct_api();
    let Some(stream) = direct.stream_tx(&ssrc) else { return Written::Unusable };
    // The wall clock of a packet is when it reached us: one clock for all that a
    // subscriber receives, so that sender reports line voice and picture up.
    let mut write = RtpWrite::new(
        payload_type,
        outgoing.seq.into(),
        outgoing.timestamp,
        packet.timestamp,
        packet.payload.clone(),
    )
    .marker(packet.header.marker)
    .ext_vals(forwarded_extensions(&packet.header.ext_vals))
    .nackable(slot.kind == MediaKind::Video);
    if let Some(patch) = outgoing.vp8 {
        write = write.vp8_patch(patch);
    }
    stream.write_rtp(write);
    Written::Sent { first: !std::mem::replace(&mut to.flowing, true) }
}

/// Extensions that describe the media. Those that describe the publisher's
/// transport (MID, transport sequence number, send time) are made anew.
fn forwarded_extensions(values: &ExtensionValues) -> ExtensionValues {
    ExtensionValues {
        audio_level: values.audio_level,
        voice_activity: values.voice_activity,
        video_orientation: values.video_orientation,
        ..ExtensionValues::default()
    }
}

/// The subscriber's payload type for the packet's codec; each peer connection
/// has its own numbers.
fn payload_type(to: &mut Participant, slot_index: usize, parsed: &Parsed) -> Option<Pt> {
    let source = parsed.packet.header.payload_type;
    let slot = to.slots.get(slot_index)?;
    if let Some((known, ours)) = slot.payload_type
        && known == source
    {
        return ours;
    }
    let ours = matching_payload_type(to, slot.mid, &parsed.spec);
    to.slots[slot_index].payload_type = Some((source, ours));
    ours
}

fn matching_payload_type(to: &Participant, mid: Mid, spec: &CodecSpec) -> Option<Pt> {
    let negotiated = to.rtc.media(mid)?.remote_pts();
    let candidates = || {
        to.rtc
            .codec_config()
            .params()
            .iter()
            .filter(|params| negotiated.contains(&params.pt()))
            .map(|params| (params.pt(), params.spec()))
            .filter(|(_, ours)| ours.codec == spec.codec)
    };
    if spec.codec != Codec::H264 {
        return candidates().next().map(|(pt, _)| pt);
    }
    // Same packetisation (RFC 6184 section 5.4), best with the same profile. Decoders
    // in browsers take any profile they offered, so another one is better than none.
    let mode = |spec: &CodecSpec| spec.format.packetization_mode.unwrap_or(0);
    let profile = |spec: &CodecSpec| spec.format.profile_level_id.map(|id| id >> 8);
    candidates()
        .filter(|(_, ours)| mode(ours) == mode(spec))
        .max_by_key(|(_, ours)| profile(ours) == profile(spec))
        .map(|(pt, _)| pt)
}
