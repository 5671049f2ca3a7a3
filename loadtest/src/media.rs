//! Sizes and times of the packets a microphone and a camera make, and the mark
//! that every packet carries so that its receiver knows what it is.

use std::time::Duration;

/// Opus at 32 kb/s.
const AUDIO_BYTES: usize = 80;
const AUDIO_INTERVAL: Duration = Duration::from_millis(20);
const VIDEO_FRAMES_PER_SECOND: u32 = 30;
/// As Chromium: what is left of 1200 bytes after headers.
const MAX_PAYLOAD_BYTES: usize = 1_130;
/// Where the mark stands: after the VP8 descriptor and a keyframe's header.
const MARK_AT: usize = 16;
/// Length of the VP8 descriptor written here.
const DESCRIPTOR_BYTES: usize = 4;
const MARK_BYTES: usize = 16;

/// Which stream a packet is of, its number in it, and when it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub stream: u32,
    pub number: u32,
    pub sent_ns: u64,
}

impl Mark {
    pub fn read(payload: &[u8]) -> Option<Self> {
        let mark = payload.get(MARK_AT..MARK_AT + MARK_BYTES)?;
        Some(Self {
            stream: u32::from_be_bytes(mark[..4].try_into().ok()?),
            number: u32::from_be_bytes(mark[4..8].try_into().ok()?),
            sent_ns: u64::from_be_bytes(mark[8..].try_into().ok()?),
        })
    }

    /// The mark of a payload whose every byte is as [`Source`] made it.
    pub fn of_whole(payload: &[u8]) -> Option<Self> {
        let mark = Self::read(payload)?;
        let rest = payload.get(MARK_AT + MARK_BYTES..)?;
        let filler = filler(payload.len());
        rest.iter().all(|byte| *byte == filler).then_some(mark)
    }

    fn write(self, payload: &mut [u8]) {
        let mark = &mut payload[MARK_AT..MARK_AT + MARK_BYTES];
        mark[..4].copy_from_slice(&self.stream.to_be_bytes());
        mark[4..8].copy_from_slice(&self.number.to_be_bytes());
        mark[8..].copy_from_slice(&self.sent_ns.to_be_bytes());
    }
}

/// What a stream is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Audio,
    Video { bps: u32, lines: Lines },
}

/// Rows of a picture of 16:9.
pub type Lines = u16;

/// A source of packets.
#[derive(Debug)]
pub struct Source {
    kind: Kind,
    stream: u32,
    number: u32,
    frames: u32,
    random: u64,
}

/// One packet to send.
#[derive(Debug)]
pub struct Piece {
    pub number: u32,
    pub timestamp: u32,
    pub last: bool,
    pub payload: Vec<u8>,
}

impl Source {
    pub fn new(kind: Kind, stream: u32) -> Self {
        Self { kind, stream, number: 0, frames: 0, random: u64::from(stream) + 1 }
    }

    pub const fn kind(&self) -> Kind {
        self.kind
    }

    pub const fn stream(&self) -> u32 {
        self.stream
    }

    /// The number of the next packet.
    pub const fn next_number(&self) -> u32 {
        self.number
    }

    pub fn interval(&self) -> Duration {
        match self.kind {
            Kind::Audio => AUDIO_INTERVAL,
            Kind::Video { .. } => Duration::from_secs(1) / VIDEO_FRAMES_PER_SECOND,
        }
    }

    /// The packets of the next frame, which leave together, as libwebrtc's pacer
    /// lets them.
    pub fn frame(&mut self, key: bool, sent_ns: u64) -> Vec<Piece> {
        let sizes = match self.kind {
            Kind::Audio => vec![AUDIO_BYTES],
            Kind::Video { bps, .. } => {
                let mean = bps / 8 / VIDEO_FRAMES_PER_SECOND;
                // Frames differ; a fifth up or down is an encoder on a steady picture.
                split(mean * (80 + self.noise(41)) / 100)
            }
        };
        self.frames = self.frames.wrapping_add(1);
        let last = sizes.len() - 1;
        sizes
            .into_iter()
            .enumerate()
            .map(|(index, size)| self.piece(size, key, index == 0, index == last, sent_ns))
            .collect()
    }

    fn piece(&mut self, size: usize, key: bool, first: bool, last: bool, sent_ns: u64) -> Piece {
        let size = size.max(MARK_AT + MARK_BYTES);
        let mut payload = vec![filler(size); size];
        let ticks = match self.kind {
            Kind::Audio => 960,
            Kind::Video { lines, .. } => {
                // VP8 descriptor (RFC 7741 section 4.2) with a 15-bit picture id, and
                // the frame header's lowest bit: not a key frame.
                let [high, low] = (self.frames as u16 & 0x7fff).to_be_bytes();
                let start = if first { 0x90 } else { 0x80 };
                payload[..5].copy_from_slice(&[start, 0x80, 0x80 | high, low, u8::from(!key)]);
                if key && first {
                    write_keyframe_header(&mut payload[DESCRIPTOR_BYTES..], lines);
                }
                90_000 / VIDEO_FRAMES_PER_SECOND
            }
        };
        let number = self.number;
        self.number += 1;
        Mark { stream: self.stream, number, sent_ns }.write(&mut payload);
        Piece { number, timestamp: self.frames.wrapping_mul(ticks), last, payload }
    }

    /// A number below `limit`: the same ones in every run.
    fn noise(&mut self, limit: u32) -> u32 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) as u32 % limit
    }
}

/// The first bytes of a keyframe of 16:9 (RFC 6386 section 9.1): the relay reads its size.
fn write_keyframe_header(frame: &mut [u8], lines: Lines) {
    let [width, height] = [lines / 9 * 16, lines].map(u16::to_le_bytes);
    frame[3..6].copy_from_slice(&[0x9d, 0x01, 0x2a]);
    frame[6..8].copy_from_slice(&width);
    frame[8..10].copy_from_slice(&height);
}

/// What a payload of this size is filled with, so that a part of one is not taken for
/// a whole one.
const fn filler(size: usize) -> u8 {
    (size % 251) as u8
}

/// A frame's packets about equally large, the larger ones last, as libwebrtc does.
fn split(frame_bytes: u32) -> Vec<usize> {
    let bytes = frame_bytes as usize;
    let count = bytes.div_ceil(MAX_PAYLOAD_BYTES).max(1);
    let larger = bytes % count;
    (0..count).map(|index| bytes / count + usize::from(index >= count - larger)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_split_evenly_and_marked() {
        assert_eq!(split(2_263), [754, 754, 755]);
        let mut source = Source::new(Kind::Video { bps: 1_500_000, lines: 720 }, 7);
        let frame = source.frame(true, 99);
        assert!(frame.len() >= 5, "{} packets", frame.len());
        for (number, piece) in (0..).zip(&frame) {
            let expected = Mark { stream: 7, number, sent_ns: 99 };
            assert_eq!(Mark::read(&piece.payload), Some(expected));
            assert_eq!(Mark::of_whole(&piece.payload), Some(expected));
            let part = &piece.payload[..piece.payload.len() - 1];
            assert_eq!(Mark::of_whole(part), None);
        }
        assert!(frame.last().is_some_and(|piece| piece.last));
    }
}
