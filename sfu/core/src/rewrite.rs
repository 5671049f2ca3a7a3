//! Making one continuous RTP stream for a subscriber out of whatever its slot carries.
//!
//! A slot keeps one SSRC for its life. The sources behind it change (another
//! participant, a publisher that restarted, a pause while muted); this module
//! rewrites sequence number, timestamp and the VP8 picture id so that the receiver
//! sees no seam. It knows RTP numbers only, no participants and no sockets.

use std::time::{Duration, Instant};

use str0m::rtp::{Ssrc, Vp8Descriptor, Vp8Patch};

const VP8_PICTURE_ID_MASK: u16 = 0x7fff;
const VP8_SHORT_PICTURE_ID_MASK: u16 = 0x7f;

/// What of an incoming packet decides its new numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming<'a> {
    pub(crate) ssrc: Ssrc,
    /// Extended sequence number.
    pub(crate) seq: u64,
    pub(crate) timestamp: u32,
    /// Ticks of `timestamp` in a second.
    pub(crate) clock_rate: u32,
    /// A decoder may start here: a keyframe's first packet, or any audio packet.
    pub(crate) starts: bool,
    pub(crate) vp8: Option<&'a Vp8Descriptor>,
}

/// The numbers to send with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) seq: u64,
    pub(crate) timestamp: u32,
    pub(crate) vp8: Option<Vp8Patch>,
}

/// The rewriting of one slot.
#[derive(Debug)]
pub(crate) struct Rewriter {
    /// The first sequence number. Below 2^15, so that the rollover counter of the
    /// stream is 0 for whoever hears it first (RFC 3711 section 3.3.1): the
    /// counter is not sent, and a receiver that assumes 0 could not decrypt.
    first_seq: u64,
    following: Option<Mapping>,
    newest: Option<Newest>,
}

/// How numbers of the current source become ours.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    ssrc: Ssrc,
    /// The source's packet at which we began, and the number it got. Earlier
    /// packets that arrive late are not sent: their numbers are taken.
    seq_in: u64,
    seq_out: u64,
    timestamp_offset: u32,
    picture_id_offset: u16,
    tl0_offset: u8,
}

/// The newest packet sent in this slot.
#[derive(Clone, Copy, Debug)]
struct Newest {
    seq: u64,
    timestamp: u32,
    at: Instant,
    picture_id: u16,
    tl0: u8,
}

impl Rewriter {
    /// `random` chooses the first sequence number.
    pub(crate) const fn new(random: u64) -> Self {
        Self { first_seq: random & 0x7fff, following: None, newest: None }
    }

    /// The next packet begins anew: a pause ended, or the slot carries another source.
    pub(crate) const fn restart(&mut self) {
        self.following = None;
    }

    /// Whether packets are dropped until one comes that a decoder may start at.
    pub(crate) const fn waits_for_start(&self) -> bool {
        self.following.is_none()
    }

    /// The numbers to send a packet with; `None` when it must not be sent.
    pub(crate) fn rewrite(&mut self, now: Instant, packet: Incoming<'_>) -> Option<Outgoing> {
        let mapping = match self.following {
            Some(mapping) if mapping.ssrc == packet.ssrc => mapping,
            _ if packet.starts => self.begin(now, packet),
            Some(_) => {
                // The publisher changed its SSRC: what follows needs a new start.
                self.restart();
                return None;
            }
            None => return None,
        };
        let seq = mapping.seq_out + packet.seq.checked_sub(mapping.seq_in)?;
        let timestamp = packet.timestamp.wrapping_add(mapping.timestamp_offset);
        let (picture_id, tl0) = mapping.picture(packet.vp8);
        self.note(Newest { seq, timestamp, at: now, picture_id, tl0 });
        Some(Outgoing { seq, timestamp, vp8: mapping.patch(packet.vp8, picture_id, tl0) })
    }

    fn begin(&mut self, now: Instant, packet: Incoming<'_>) -> Mapping {
        let mapping = match &self.newest {
            None => Mapping {
                ssrc: packet.ssrc,
                seq_in: packet.seq,
                seq_out: self.first_seq,
                timestamp_offset: 0,
                picture_id_offset: 0,
                tl0_offset: 0,
            },
            Some(newest) => newest.continue_with(now, packet),
        };
        self.following = Some(mapping);
        mapping
    }

    fn note(&mut self, sent: Newest) {
        if self.newest.is_none_or(|newest| sent.seq > newest.seq) {
            self.newest = Some(sent);
        }
    }
}

impl Newest {
    fn continue_with(&self, now: Instant, packet: Incoming<'_>) -> Mapping {
        // Time went on while nothing was sent: at least one tick, since two frames
        // with one timestamp would be taken for one.
        let elapsed = ticks(now.saturating_duration_since(self.at), packet.clock_rate).max(1);
        let timestamp = self.timestamp.wrapping_add(elapsed);
        let picture_id = packet.vp8.and_then(Vp8Descriptor::picture_id).unwrap_or(0);
        let tl0 = packet.vp8.and_then(Vp8Descriptor::tl0_pic_idx).unwrap_or(0);
        Mapping {
            ssrc: packet.ssrc,
            seq_in: packet.seq,
            seq_out: self.seq + 1,
            timestamp_offset: timestamp.wrapping_sub(packet.timestamp),
            picture_id_offset: self.picture_id.wrapping_add(1).wrapping_sub(picture_id)
                & VP8_PICTURE_ID_MASK,
            tl0_offset: self.tl0.wrapping_add(1).wrapping_sub(tl0),
        }
    }
}

impl Mapping {
    fn picture(&self, vp8: Option<&Vp8Descriptor>) -> (u16, u8) {
        let picture_id = vp8.and_then(Vp8Descriptor::picture_id).unwrap_or(0);
        let tl0 = vp8.and_then(Vp8Descriptor::tl0_pic_idx).unwrap_or(0);
        (
            picture_id.wrapping_add(self.picture_id_offset) & VP8_PICTURE_ID_MASK,
            tl0.wrapping_add(self.tl0_offset),
        )
    }

    /// The bytes to change in the payload descriptor (RFC 7741 section 4.2);
    /// `None` when it can go as it is, which is the rule for a call of two.
    fn patch(&self, vp8: Option<&Vp8Descriptor>, picture_id: u16, tl0: u8) -> Option<Vp8Patch> {
        let descriptor = vp8?;
        if self.picture_id_offset == 0 && self.tl0_offset == 0 {
            return None;
        }
        let build = |picture_id| {
            let mut patch = descriptor.patch();
            if descriptor.picture_id().is_some() {
                patch = patch.picture_id(picture_id);
            }
            if descriptor.tl0_pic_idx().is_some() {
                patch = patch.tl0_pic_idx(tl0);
            }
            patch.build().ok()
        };
        // The long form does not fit a source that writes seven bits.
        build(picture_id).or_else(|| build(picture_id & VP8_SHORT_PICTURE_ID_MASK))
    }
}

fn ticks(elapsed: Duration, clock_rate: u32) -> u32 {
    let ticks = elapsed.as_micros() * u128::from(clock_rate) / 1_000_000;
    // Timestamps are modulo 2^32 (RFC 3550 section 5.1).
    (ticks & u128::from(u32::MAX)) as u32
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn audio(ssrc: u32, seq: u64, timestamp: u32) -> Incoming<'static> {
        Incoming { ssrc: ssrc.into(), seq, timestamp, clock_rate: 48_000, starts: true, vp8: None }
    }

    #[test]
    fn a_late_joiner_starts_with_rollover_zero() {
        let mut rewriter = Rewriter::new(u64::MAX);
        let first = rewriter.rewrite(Instant::now(), audio(1, 70_000, 5)).expect("audio starts");
        assert!(first.seq < 1 << 16);
        assert_eq!(first.timestamp, 5);
    }

    #[test]
    fn a_new_source_continues_the_numbers_and_the_time() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new(100);
        rewriter.rewrite(now, audio(1, 10, 1000)).expect("starts");
        rewriter.rewrite(now, audio(1, 12, 2920)).expect("follows");
        let later = now + Duration::from_millis(100);
        let switched = rewriter.rewrite(later, audio(2, 900_000, 77)).expect("starts");

        assert_eq!(switched.seq, 103);
        assert_eq!(switched.timestamp, 2920 + 4800);
        // A packet from before the switch must not take a number again.
        assert_eq!(rewriter.rewrite(later, audio(2, 899_999, 0)), None);
    }

    #[test]
    fn video_waits_for_a_keyframe_after_a_restart() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new(0);
        let delta = Incoming { starts: false, ..audio(1, 5, 0) };
        assert_eq!(rewriter.rewrite(now, delta), None);
        assert!(rewriter.rewrite(now, audio(1, 6, 0)).is_some());
        assert!(rewriter.rewrite(now, Incoming { seq: 7, ..delta }).is_some());

        rewriter.restart();
        assert_eq!(rewriter.rewrite(now, Incoming { seq: 8, ..delta }), None);
        let resumed = rewriter.rewrite(now, audio(1, 50, 0)).expect("a keyframe");
        assert_eq!(resumed.seq, 2);
    }

    #[test]
    fn picture_ids_continue_over_a_switch() {
        // Descriptor: X, S; I, L, T; 15-bit picture id 5; TL0PICIDX 9; TID; keyframe byte.
        let payload = |id: u16, tl0: u8| {
            [0x90, 0xe0, 0x80 | (id >> 8) as u8, id as u8, tl0, 0x00, 0x00, 0x01]
        };
        let now = Instant::now();
        let mut rewriter = Rewriter::new(0);
        let first = Vp8Descriptor::parse(&payload(0x7fff, 255)).expect("valid");
        let sent = rewriter
            .rewrite(now, Incoming { vp8: Some(&first), ..audio(1, 0, 0) })
            .expect("starts");
        assert_eq!(sent.vp8, None, "the first source goes as it is");

        let second = Vp8Descriptor::parse(&payload(300, 7)).expect("valid");
        let sent = rewriter
            .rewrite(now, Incoming { vp8: Some(&second), ..audio(2, 0, 0) })
            .expect("starts");
        let expected = second.patch().picture_id(0).tl0_pic_idx(0).build().expect("fits");
        assert_eq!(sent.vp8, Some(expected));
    }

    proptest! {
        /// Whatever sources do, no sequence number is sent twice for different
        /// packets, and none comes from before the newest start.
        #[test]
        fn numbers_are_never_reused(steps in prop::collection::vec(
            (0..3_u32, 0..50_u64, any::<u32>(), any::<bool>(), 0..20_u8), 1..200)) {
            let mut now = Instant::now();
            let mut rewriter = Rewriter::new(7);
            let mut seen = std::collections::HashMap::new();
            for (epoch, (ssrc, seq, timestamp, starts, restart)) in steps.into_iter().enumerate() {
                now += Duration::from_millis(1);
                if restart == 0 {
                    rewriter.restart();
                }
                let fresh = rewriter.waits_for_start()
                    || rewriter.following.is_some_and(|mapping| mapping.ssrc != ssrc.into());
                let packet = Incoming { starts, seq, ..audio(ssrc, seq, timestamp) };
                if let Some(sent) = rewriter.rewrite(now, packet) {
                    if fresh {
                        seen.values_mut().for_each(|(_, closed)| *closed = true);
                    }
                    let known = *seen.entry(sent.seq).or_insert(((ssrc, seq), false));
                    prop_assert_eq!(known.0, (ssrc, seq), "step {}", epoch);
                    prop_assert!(!known.1);
                }
            }
        }
    }
}
