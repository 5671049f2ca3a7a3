//! A camera with its VP8 encoder: frames of one or several layers, each of which
//! says in its payload what it is and what it needs, so that a viewer can judge
//! what the relay made of it.

use std::time::{Duration, Instant};

pub(super) const FRAME: Duration = Duration::from_millis(40);
pub(super) const FRAMES_PER_SECOND: f64 = 25.0;
/// A key frame is that much larger than a mean one.
const KEY_SIZE: f64 = 4.0;
/// Payload of a packet at most; browsers stay below 1200 with headers.
const MAX_PAYLOAD_BYTES: usize = 1_100;
/// What an encoder makes at least.
const LEAST_BPS: f64 = 30_000.0;
const DESCRIPTOR_BYTES: usize = 6;
const KEY_HEADER_BYTES: usize = 10;
const DELTA_HEADER_BYTES: usize = 3;
const MARK_BYTES: usize = 24;
const MAGIC: u8 = 0xc5;
/// RTP ticks of a frame.
const TICKS: u32 = 90_000 / 25;

/// What a packet says of its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// One encoder's life: publisher, session and layer.
    pub(super) stream: u32,
    pub(super) layer: u8,
    pub(super) key: bool,
    pub(super) frame: u32,
    /// The frame that has to be decoded before; itself for a key frame.
    pub(super) needs: u32,
    /// Microseconds since the stage began.
    pub(super) sent_us: u64,
}

/// A packet for the RTP sender.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) layer: usize,
    pub(super) payload: Vec<u8>,
    pub(super) marker: bool,
    pub(super) timestamp: u32,
}

#[derive(Debug)]
struct Layer {
    bps: f64,
    stream: u32,
    frame: u32,
    picture_id: u16,
    key_wanted: bool,
    on: bool,
}

#[derive(Debug)]
pub(super) struct Camera {
    layers: Vec<Layer>,
    next: Instant,
    timestamp: u32,
    /// Each frame varies a little, always in the same way.
    wobble: u32,
    /// Layers somebody wants; the others are not encoded.
    wanted: Vec<bool>,
    lost: Option<usize>,
    pub(super) on: bool,
    /// It makes no key frames but the first.
    pub(super) is_deaf: bool,
    pub(super) key_frames: u32,
}

impl Camera {
    /// Layers from small to large, by rate. `stream` identifies the encoder; it must
    /// leave room for the layers.
    pub(super) fn new(now: Instant, rates_bps: &[u64], stream: u32) -> Self {
        let layer = |(index, bps): (usize, &u64)| Layer {
            bps: *bps as f64,
            stream: stream + index as u32,
            frame: 0,
            picture_id: 0x100 + stream as u16,
            key_wanted: true,
            on: true,
        };
        Self {
            layers: rates_bps.iter().enumerate().map(layer).collect(),
            next: now,
            timestamp: stream.wrapping_mul(7_919),
            wobble: stream,
            wanted: vec![true; rates_bps.len()],
            lost: None,
            on: true,
            is_deaf: false,
            key_frames: 0,
        }
    }

    pub(super) fn layers(&self) -> usize {
        self.layers.len()
    }

    pub(super) fn total_bps(&self) -> f64 {
        self.layers.iter().map(|layer| layer.bps).sum()
    }

    pub(super) fn want_key(&mut self, layer: usize) {
        if let Some(layer) = self.layers.get_mut(layer)
            && !self.is_deaf
        {
            layer.key_wanted = true;
        }
    }

    /// A layer ends for good.
    pub(super) fn lose_layer(&mut self, layer: usize) {
        self.lost = Some(layer);
    }

    pub(super) fn set_wanted(&mut self, wanted: Vec<bool>) {
        self.wanted = wanted;
    }

    /// The frames due now. `uplink_bps` bounds them: the large layers stop first, the
    /// smallest of those that are wanted shrinks, as in browsers.
    pub(super) fn capture(
        &mut self,
        now: Instant,
        since_start: Duration,
        uplink_bps: f64,
    ) -> Vec<Packet> {
        if !self.on {
            self.next = now;
            return Vec::new();
        }
        if self.next > now {
            return Vec::new();
        }
        self.next += FRAME;
        self.timestamp = self.timestamp.wrapping_add(TICKS);
        let mut left = uplink_bps;
        let mut packets = Vec::new();
        let mut first = true;
        for index in 0..self.layers.len() {
            let bps = self.layers[index].bps;
            let wanted = self.wanted[index] && self.lost != Some(index);
            let on = wanted && (left >= bps || first);
            first &= !wanted;
            let layer = &mut self.layers[index];
            if on && !std::mem::replace(&mut layer.on, on) {
                layer.key_wanted = true;
            }
            layer.on = on;
            if on {
                let rate = bps.min(left.max(LEAST_BPS));
                left -= rate;
                self.encode(index, rate, since_start, &mut packets);
            }
        }
        packets
    }

    fn encode(&mut self, index: usize, bps: f64, since_start: Duration, packets: &mut Vec<Packet>) {
        self.wobble = self.wobble.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let part = 0.8 + 0.4 * f64::from(self.wobble >> 16) / 65_536.0;
        let layer = &mut self.layers[index];
        let key = std::mem::take(&mut layer.key_wanted);
        self.key_frames += u32::from(key);
        let mark = Mark {
            stream: layer.stream,
            layer: index as u8,
            key,
            frame: layer.frame,
            needs: if key { layer.frame } else { layer.frame - 1 },
            sent_us: since_start.as_micros() as u64,
        };
        layer.frame += 1;
        layer.picture_id = (layer.picture_id + 1) & 0x7fff;
        let size = bps / 8.0 / FRAMES_PER_SECOND * part * if key { KEY_SIZE } else { 1.0 };
        let size = (size as usize).max(100);
        let count = size.div_ceil(MAX_PAYLOAD_BYTES);
        for number in 0..count {
            packets.push(Packet {
                layer: index,
                payload: payload(&mark, layer.picture_id, number == 0, size / count),
                marker: number + 1 == count,
                timestamp: self.timestamp,
            });
        }
    }
}

/// RFC 7741: the descriptor with a long picture id, TL0PICIDX, TID and KEYIDX; in the
/// first packet the frame's header; then the mark.
fn payload(mark: &Mark, picture_id: u16, first: bool, bytes: usize) -> Vec<u8> {
    let mut payload = Vec::with_capacity(bytes);
    payload.push(if first { 0x90 } else { 0x80 });
    payload.push(0xf0);
    payload.extend_from_slice(&(picture_id | 0x8000).to_be_bytes());
    payload.push(picture_id as u8);
    payload.push(0x20);
    if first {
        payload.extend_from_slice(&[u8::from(!mark.key) | 0x10, 0, 0]);
        if mark.key {
            payload.extend_from_slice(&[0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]);
        }
    }
    payload.extend_from_slice(&[MAGIC, mark.layer, u8::from(mark.key), 0]);
    payload.extend_from_slice(&mark.stream.to_be_bytes());
    payload.extend_from_slice(&mark.frame.to_be_bytes());
    payload.extend_from_slice(&mark.needs.to_be_bytes());
    payload.extend_from_slice(&mark.sent_us.to_be_bytes());
    payload.resize(bytes.max(payload.len()), 0);
    payload
}

/// What a viewer reads in a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    pub(super) starts: bool,
    /// As the relay rewrote it.
    pub(super) picture_id: u16,
    pub(super) mark: Mark,
}

/// `None` for a payload that is no media of ours: padding.
pub(super) fn read(payload: &[u8]) -> Option<Read> {
    let starts = payload.first()? & 0x10 != 0;
    let picture_id = u16::from_be_bytes([*payload.get(2)?, *payload.get(3)?]) & 0x7fff;
    let frame = payload.get(DESCRIPTOR_BYTES..)?;
    let header = match (starts, frame.first()? & 1 == 0) {
        (true, true) => KEY_HEADER_BYTES,
        (true, false) => DELTA_HEADER_BYTES,
        (false, _) => 0,
    };
    let mark = frame.get(header..header + MARK_BYTES)?;
    let word = |at: usize| mark[at..at + 4].try_into().map(u32::from_be_bytes).expect("four bytes");
    let sent = mark[16..24].try_into().map(u64::from_be_bytes).expect("eight bytes");
    assert_eq!(mark[0], MAGIC, "the relay changes no payload but the descriptor");
    let mark = Mark {
        stream: word(4),
        layer: mark[1],
        key: mark[2] == 1,
        frame: word(8),
        needs: word(12),
        sent_us: sent,
    };
    Some(Read { starts, picture_id, mark })
}
