//! Making one continuous RTP stream for a subscriber out of whatever its slot carries.
//!
//! A slot keeps one SSRC for its life. The sources behind it change (another
//! participant, another layer, a publisher that restarted, a pause while muted); this
//! module rewrites sequence number, timestamp and the picture ids of VP8 and VP9 so
//! that the receiver sees no seam. It knows numbers only, no participants and no
//! sockets.

use std::time::{Duration, Instant};

use crate::codec::{Detail, Patch};

/// Picture ids have 15 bits; sources that write 7 use the lowest of them.
const PICTURE_ID_MASK: u16 = 0x7fff;

/// What of an incoming packet decides its new numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming<'a> {
    pub(crate) ssrc: u32,
    /// Extended sequence number.
    pub(crate) seq: u64,
    pub(crate) timestamp: u32,
    /// Ticks of `timestamp` in a second.
    pub(crate) clock_rate: u32,
    /// A decoder may start here: a keyframe's first packet, or any audio packet.
    pub(crate) starts: bool,
    /// What the codec numbers by itself.
    pub(crate) detail: Option<&'a Detail>,
}

/// The numbers to send with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) seq: u64,
    pub(crate) timestamp: u32,
    /// What has to change in the payload.
    pub(crate) patch: Patch,
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
    ssrc: u32,
    /// The source's packet at which we began, and the number it got. Earlier
    /// packets that arrive late are not sent: their numbers are taken.
    seq_in: u64,
    seq_out: u64,
    timestamp_offset: u32,
    pictures_offset: Pictures,
}

/// The newest packet sent in this slot.
#[derive(Clone, Copy, Debug)]
struct Newest {
    seq: u64,
    timestamp: u32,
    at: Instant,
    pictures: Pictures,
}

/// The numbers that VP8 and VP9 give to pictures, or what is added to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pictures {
    id: u16,
    /// TL0PICIDX.
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
        let pictures = mapping.pictures(Pictures::of(packet.detail));
        self.note(Newest { seq, timestamp, at: now, pictures });
        Some(Outgoing { seq, timestamp, patch: mapping.patch(packet.detail, pictures) })
    }

    fn begin(&mut self, now: Instant, packet: Incoming<'_>) -> Mapping {
        let mapping = match &self.newest {
            None => Mapping {
                ssrc: packet.ssrc,
                seq_in: packet.seq,
                seq_out: self.first_seq,
                timestamp_offset: 0,
                pictures_offset: Pictures::default(),
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
        let next = Pictures {
            id: self.pictures.id.wrapping_add(1),
            tl0: self.pictures.tl0.wrapping_add(1),
        };
        Mapping {
            ssrc: packet.ssrc,
            seq_in: packet.seq,
            seq_out: self.seq + 1,
            timestamp_offset: timestamp.wrapping_sub(packet.timestamp),
            pictures_offset: next.less(Pictures::of(packet.detail)),
        }
    }
}

impl Mapping {
    const fn pictures(&self, source: Pictures) -> Pictures {
        let offset = self.pictures_offset;
        Pictures {
            id: source.id.wrapping_add(offset.id) & PICTURE_ID_MASK,
            tl0: source.tl0.wrapping_add(offset.tl0),
        }
    }

    /// The bytes to change in the payload descriptor; none when it can go as it is,
    /// which is the rule for a call of two.
    fn patch(&self, detail: Option<&Detail>, pictures: Pictures) -> Patch {
        if self.pictures_offset == Pictures::default() {
            return Patch::default();
        }
        match detail {
            Some(Detail::Vp8(descriptor)) => descriptor.renumber(pictures.id, pictures.tl0),
            Some(Detail::Vp9(descriptor)) => descriptor.renumber(pictures.id, pictures.tl0),
            Some(Detail::None | Detail::Links(_)) | None => Patch::default(),
        }
    }
}

impl Pictures {
    fn of(detail: Option<&Detail>) -> Self {
        let (id, tl0) = match detail {
            Some(Detail::Vp8(descriptor)) => (descriptor.picture_id, descriptor.tl0()),
            Some(Detail::Vp9(descriptor)) => (descriptor.picture_id, descriptor.tl0()),
            Some(Detail::None | Detail::Links(_)) | None => (None, None),
        };
        Self { id: id.map_or(0, |id| id.value), tl0: tl0.unwrap_or(0) }
    }

    const fn less(self, other: Self) -> Self {
        Self {
            id: self.id.wrapping_sub(other.id) & PICTURE_ID_MASK,
            tl0: self.tl0.wrapping_sub(other.tl0),
        }
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
    use crate::codec::vp8;

    fn audio(ssrc: u32, seq: u64, timestamp: u32) -> Incoming<'static> {
        Incoming { ssrc, seq, timestamp, clock_rate: 48_000, starts: true, detail: None }
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
        let parse = |payload: &[u8]| vp8::Descriptor::parse(payload).expect("valid");
        let now = Instant::now();
        let mut rewriter = Rewriter::new(0);
        let first = Detail::Vp8(parse(&payload(0x7fff, 255)));
        let sent = rewriter
            .rewrite(now, Incoming { detail: Some(&first), ..audio(1, 0, 0) })
            .expect("starts");
        assert!(sent.patch.is_empty(), "the first source goes as it is");

        let mut second = payload(300, 7);
        let detail = Detail::Vp8(parse(&second));
        let sent = rewriter
            .rewrite(now, Incoming { detail: Some(&detail), ..audio(2, 0, 0) })
            .expect("starts");
        sent.patch.apply(&mut second);
        let changed = parse(&second);
        assert_eq!((changed.picture_id.map(|id| id.value), changed.tl0()), (Some(0), Some(0)));
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
                    || rewriter.following.is_some_and(|mapping| mapping.ssrc != ssrc);
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
