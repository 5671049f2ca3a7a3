//! RTCP that comes in: what a client says of what it gets and of what it sends.

use std::time::{Duration, Instant};

use crate::core::Core;
use crate::inbound::Role;
use crate::participant::Participant;
use crate::slab::Key;
use crate::wire::rtcp::{self, Packet, ReportBlock};

impl Core {
    /// Reads a decrypted compound.
    pub(crate) fn on_rtcp(&mut self, now: Instant, key: Key, compound: &[u8]) {
        for packet in rtcp::packets(compound) {
            let Some(participant) = self.participants.get_mut(key) else { return };
            match packet {
                Packet::SenderReport { info, reports } => {
                    participant.on_sender_report(now, &info);
                    reports.for_each(|report| participant.on_report(now, &report));
                    self.on_estimate(now, key);
                }
                Packet::ReceiverReport { reports, .. } => {
                    reports.for_each(|report| participant.on_report(now, &report));
                    self.on_estimate(now, key);
                }
                Packet::ReceiverEstimate { bps } => {
                    participant.outbound.on_remb(now, bps);
                    self.on_estimate(now, key);
                }
                Packet::Nack { media, lost, .. } => {
                    if let Some(slot) = participant.slot_of(media) {
                        let repeated = participant.outbound.repeat(now, slot, lost);
                        self.counters.repeated_packets += repeated as u64;
                    }
                }
                Packet::Transport(feedback) => {
                    let arrivals = feedback.arrivals().map(|one| (one.sequence, one.at_us));
                    participant.outbound.on_feedback(now, arrivals);
                    self.on_estimate(now, key);
                }
                Packet::PictureLoss { media, .. } => self.on_picture_loss(now, key, media),
                Packet::FullIntra { requests, .. } => {
                    requests.for_each(|(media, _)| self.on_picture_loss(now, key, media));
                }
                // A publisher that ends a stream leaves or renegotiates.
                Packet::Other => {}
            }
        }
    }

    fn on_picture_loss(&mut self, now: Instant, key: Key, media: u32) {
        let slot = self.participants.get(key).and_then(|participant| participant.slot_of(media));
        if let Some(slot) = slot {
            self.keyframe_wanted(now, key, slot);
        }
    }
}

impl Participant {
    /// The slot that an SSRC of ours belongs to.
    fn slot_of(&self, ssrc: u32) -> Option<usize> {
        self.outbound.streams.iter().position(|stream| stream.owns(ssrc))
    }

    fn on_sender_report(&mut self, now: Instant, info: &rtcp::SenderInfo) {
        let Some(Role::Media(source)) = self.inbound.bindings.find(info.ssrc) else { return };
        let track = self.tracks.get_mut(source.track);
        let layer = track.and_then(|track| track.layers.get_mut(source.layer));
        if let Some(stream) = layer.and_then(|layer| layer.stream.as_mut()) {
            stream.sender_report(now, info);
        }
    }

    fn on_report(&mut self, now: Instant, report: &ReportBlock) {
        let Some(slot) = self.slot_of(report.ssrc) else { return };
        let (expected, lost) = self.outbound.streams[slot].heard(report);
        self.outbound.on_report(now, slot, expected, lost);
        self.slots[slot].note_loss(report.fraction_lost);
        if report.last_sender_report == 0 {
            return;
        }
        // RFC 3550 section 6.4.1, in 1/65536 s, modulo 18 hours.
        let middle = (self.ntp(now) >> 16) as u32;
        let ticks = middle.wrapping_sub(report.last_sender_report);
        let ticks = ticks.wrapping_sub(report.delay_since_last).cast_signed();
        // A receiver whose clock is off by a little may say less than nothing.
        if ticks >= 0 {
            let micros = u64::from(ticks.unsigned_abs()) * 1_000_000 / 65_536;
            self.outbound.on_rtt(Duration::from_micros(micros));
        }
    }
}
