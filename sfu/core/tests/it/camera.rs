//! A camera with its encoder, and the decoder at the other end: VP8 in one or three
//! simulcast layers of three temporal ones each, without the pictures.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use str0m::rtp::RtpPacket;

/// Time between two pictures.
const PICTURE: Duration = Duration::from_millis(33);
/// Bytes of one packet's payload.
const PACKET_BYTES: usize = 1_100;
/// How much larger a keyframe is than other pictures.
const KEYFRAME: usize = 5;

/// One layer's size and rate.
const LAYERS: [(&str, u16, u16, u64); 3] =
    [("q", 320, 180, 150_000), ("h", 640, 360, 500_000), ("f", 1280, 720, 1_700_000)];

/// A packet to send.
pub(crate) struct Shot {
    pub(crate) rid: Option<&'static str>,
    pub(crate) seq: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) payload: Vec<u8>,
}

/// A publisher's camera.
pub(crate) struct Camera {
    encoders: Vec<Encoder>,
    next: Instant,
}

struct Encoder {
    rid: Option<&'static str>,
    layer: u8,
    size: (u16, u16),
    bps: u64,
    on: bool,
    key: bool,
    seq: u64,
    timestamp: u32,
    picture_id: u16,
    tl0: u8,
    /// Since the keyframe.
    picture: usize,
}

impl Camera {
    pub(crate) fn simulcast(now: Instant) -> Self {
        let encoders = LAYERS.iter().zip(0_u8..).map(|((rid, width, height, bps), layer)| {
            Encoder::new(Some(rid), layer, (*width, *height), *bps)
        });
        Self { encoders: encoders.collect(), next: now }
    }

    /// One layer, of this rate.
    pub(crate) fn plain(now: Instant, bps: u64) -> Self {
        Self { encoders: vec![Encoder::new(None, 2, (1280, 720), bps)], next: now }
    }

    pub(crate) const fn is_simulcast(&self) -> bool {
        self.encoders.len() > 1
    }

    /// Encodes these layers only, from now on.
    pub(crate) fn set_on(&mut self, rids: &[String]) {
        for encoder in &mut self.encoders {
            let on = rids.iter().any(|rid| encoder.rid.is_none_or(|own| own == rid));
            // An encoder that starts again begins with a keyframe.
            encoder.key |= on && !encoder.on;
            encoder.on = on;
        }
    }

    /// The next picture of a layer, or of all, is a keyframe.
    pub(crate) fn want_keyframe(&mut self, rid: Option<&str>) {
        for encoder in self.encoders.iter_mut().filter(|it| rid.is_none() || it.rid == rid) {
            encoder.key = true;
        }
    }

    /// The packets that are due.
    pub(crate) fn shoot(&mut self, now: Instant) -> Vec<Shot> {
        let mut shots = Vec::new();
        while self.next <= now {
            self.next += PICTURE;
            self.encoders.iter_mut().for_each(|encoder| encoder.picture(&mut shots));
        }
        shots
    }
}

impl Encoder {
    fn new(rid: Option<&'static str>, layer: u8, size: (u16, u16), bps: u64) -> Self {
        let seed = u16::from(layer) + 1;
        Self {
            rid,
            layer,
            size,
            bps,
            on: true,
            key: true,
            seq: u64::from(seed) * 10_000,
            timestamp: u32::from(seed) * 0x3333_3333,
            picture_id: 0x7ff0 + seed,
            tl0: layer.wrapping_sub(5),
            picture: 0,
        }
    }

    fn picture(&mut self, shots: &mut Vec<Shot>) {
        self.timestamp = self.timestamp.wrapping_add(2_970);
        if !self.on {
            return;
        }
        let key = std::mem::take(&mut self.key);
        if key {
            self.picture = 0;
        }
        let (temporal, sync) = [(0, false), (2, true), (1, true), (2, false)][self.picture % 4];
        self.picture += 1;
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        self.tl0 = if temporal == 0 { self.tl0.wrapping_add(1) } else { self.tl0 };
        let plain = (self.bps / 8 * PICTURE.as_millis() as u64 / 1_000) as usize;
        let bytes = if key { plain * KEYFRAME } else { plain };
        let packets = bytes.div_ceil(PACKET_BYTES).max(1);
        for index in 0..packets {
            let mut payload = self.descriptor(index == 0, temporal, sync);
            payload.extend(self.header(key && index == 0));
            payload.push(self.layer);
            payload.push(index as u8);
            payload.resize(bytes.div_ceil(packets).max(24), 0);
            self.seq += 1;
            shots.push(Shot {
                rid: self.rid,
                seq: self.seq,
                timestamp: self.timestamp,
                marker: index + 1 == packets,
                payload,
            });
        }
    }

    /// X and S; I, L and T; then what they announce (RFC 7741 section 4.2).
    fn descriptor(&self, first: bool, temporal: u8, sync: bool) -> Vec<u8> {
        let [high, low] = (self.picture_id | 0x8000).to_be_bytes();
        let layers = temporal << 6 | u8::from(sync) << 5;
        vec![0x80 | u8::from(first) << 4, 0xe0, high, low, self.tl0, layers]
    }

    /// A frame header (RFC 6386 section 9.1).
    fn header(&self, key: bool) -> [u8; 10] {
        let ([w0, w1], [h0, h1]) = (self.size.0.to_le_bytes(), self.size.1.to_le_bytes());
        [u8::from(!key), 0, 0, 0x9d, 0x01, 0x2a, w0, w1, h0, h1]
    }
}

/// A picture as it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) at: Instant,
    /// 0 to 2: q, h, f.
    pub(crate) layer: u8,
    pub(crate) temporal: u8,
    pub(crate) key: bool,
    id: u16,
    timestamp: u32,
}

/// Puts pictures together and asserts that a decoder could go on from each to the next.
/// What is lost for good it leaves behind with the next keyframe.
#[derive(Default)]
pub(crate) struct Decoder {
    waiting: BTreeMap<u64, RtpPacket>,
    next: Option<u64>,
    open: Option<Picture>,
    parts: u8,
    /// Nothing is missing since the newest picture.
    is_whole: bool,
    pub(crate) pictures: Vec<Picture>,
    /// How often it could not go on without a keyframe.
    pub(crate) broken: usize,
}

impl Decoder {
    pub(crate) fn take(&mut self, packets: Vec<RtpPacket>) {
        let late = self.next.unwrap_or(0);
        let packets = packets.into_iter().filter(|packet| *packet.seq_no >= late);
        self.waiting.extend(packets.map(|packet| (*packet.seq_no, packet)));
        self.read();
        // A receiver with a hole in front gives it up when a keyframe is complete behind it.
        let key = self.waiting.iter().find(|(_, packet)| starts_keyframe(packet));
        if let Some(key) = key.map(|(seq, _)| *seq)
            && self.next.is_some()
            && self.is_complete(key)
        {
            self.waiting = self.waiting.split_off(&key);
            self.next = Some(key);
            self.open = None;
            self.is_whole = false;
            self.broken += 1;
            self.read();
        }
    }

    fn read(&mut self) {
        let first = self.waiting.keys().next().copied();
        let mut next = self.next.or(first).unwrap_or(0);
        while let Some(packet) = self.waiting.remove(&next) {
            self.part(&packet);
            next += 1;
            self.next = Some(next);
        }
    }

    fn is_complete(&self, from: u64) -> bool {
        let run = self.waiting.range(from..).zip(from..).take_while(|((at, _), seq)| *at == seq);
        run.into_iter().any(|((_, packet), _)| packet.header.marker)
    }

    /// Packets that cannot be used, since one before them is missing.
    pub(crate) fn stuck(&self) -> usize {
        self.waiting.len()
    }

    fn part(&mut self, packet: &RtpPacket) {
        let [flags, _, id0, id1, _, layers, header, .., layer, index] = packet.payload[..18] else {
            unreachable!("18 bytes")
        };
        let picture = Picture {
            at: packet.timestamp,
            layer,
            temporal: layers >> 6,
            key: header == 0,
            id: u16::from_be_bytes([id0, id1]) & 0x7fff,
            timestamp: packet.header.timestamp,
        };
        if flags & 0x10 != 0 {
            let broken = self.open.take();
            // A keyframe of the layer that was waited for may come in the middle of one.
            assert!(broken.is_none() || picture.key, "no end: {broken:?} {picture:?}");
            let before = broken.or(self.pictures.last().copied());
            assert!(picture.key || before.is_some(), "the first picture: {picture:?}");
            if let Some(before) = before.filter(|_| self.is_whole) {
                follows(before, picture);
            }
            self.is_whole = true;
            self.open = Some(picture);
            self.parts = 0;
        }
        let open = self.open.expect("a picture begins with its first packet");
        assert_eq!((open.layer, open.id, open.timestamp), (layer, picture.id, picture.timestamp));
        assert_eq!(index, self.parts, "a packet is missing inside");
        self.parts += 1;
        if packet.header.marker {
            self.pictures.push(open);
            self.open = None;
        }
    }

    /// The layer of the newest picture.
    pub(crate) fn layer(&self) -> Option<u8> {
        self.pictures.last().map(|picture| picture.layer)
    }

    /// How often the layer changed.
    pub(crate) fn changes(&self) -> usize {
        self.pictures.windows(2).filter(|pair| pair[0].layer != pair[1].layer).count()
    }

    /// The longest time between two pictures.
    pub(crate) fn longest_gap(&self) -> Duration {
        let gaps = self.pictures.windows(2).map(|pair| pair[1].at - pair[0].at);
        gaps.max().unwrap_or_default()
    }
}

/// S and partition 0 of the descriptor, then the frame header's lowest bit.
fn starts_keyframe(packet: &RtpPacket) -> bool {
    packet.payload[0] & 0x10 != 0 && packet.payload[6] & 1 == 0
}

fn follows(before: Picture, picture: Picture) {
    assert_eq!(picture.id, (before.id + 1) & 0x7fff, "{before:?} {picture:?}");
    let ahead = picture.timestamp.wrapping_sub(before.timestamp);
    assert!(ahead > 0 && ahead < 1 << 31, "{before:?} {picture:?}");
    assert!(picture.key || picture.layer == before.layer, "{before:?} {picture:?}");
}
