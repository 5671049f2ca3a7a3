//! Redundant audio (RFC 2198): earlier Opus frames repeated in later packets.
//!
//! Whoever negotiated it gets such packets as they came, whoever did not gets the
//! newest frame alone. For receivers on lossy links the relay can also add the
//! redundancy itself: the frames are there, and one more costs 20 ms of speech.

use std::ops::Range;

use crate::codec::Patch;

/// Most redundant blocks in a packet. Browsers send one or two; four bytes each make
/// more of them work for a hostile sender's receivers only.
const MAX_BLOCKS: usize = 9;
/// A block's length has ten bits, its age fourteen.
const MAX_BLOCK_BYTES: usize = (1 << 10) - 1;
const MAX_AGE: u32 = (1 << 14) - 1;
const HEADER_BYTES: usize = 4;
const FOLLOWS: u8 = 0x80;

/// One block of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// As negotiated for the codec inside.
    pub payload_type: u8,
    /// How much older than the packet's timestamp it is, in ticks.
    pub age: u32,
    /// Where it stands in the payload.
    pub range: Range<usize>,
}

/// The newest block, which is the last. `None` when the packet is malformed.
pub fn primary(payload: &[u8]) -> Option<Block> {
    blocks(payload)?.last()
}

/// All blocks, oldest first. `None` when the packet is malformed.
pub fn blocks(payload: &[u8]) -> Option<impl Iterator<Item = Block> + '_> {
    let redundant = payload
        .chunks(HEADER_BYTES)
        .position(|header| header.first().is_some_and(|first| first & FOLLOWS == 0))?;
    let mut start = redundant * HEADER_BYTES + 1;
    let (headers, _) = payload.as_chunks::<HEADER_BYTES>();
    let headers = headers.get(..redundant)?;
    let carried: usize = headers.iter().map(|header| length(*header)).sum();
    if redundant > MAX_BLOCKS || start + carried > payload.len() {
        return None;
    }
    let last = *payload.get(redundant * HEADER_BYTES)?;
    let older = headers.iter().map(move |header| {
        let range = start..start + length(*header);
        start = range.end;
        Block { payload_type: header[0] & !FOLLOWS, age: age(*header), range }
    });
    let newest_at = redundant * HEADER_BYTES + 1 + carried;
    let newest = Block { payload_type: last, age: 0, range: newest_at..payload.len() };
    Some(older.chain(std::iter::once(newest)))
}

const fn age(header: [u8; HEADER_BYTES]) -> u32 {
    (header[1] as u32) << 6 | (header[2] as u32) >> 2
}

const fn length(header: [u8; HEADER_BYTES]) -> usize {
    (header[2] as usize & 0x03) << 8 | header[3] as usize
}

/// A packet with redundancy as it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redundant {
    /// Where the newest block begins; it ends with the packet.
    pub newest_at: usize,
    /// How many older ones there are.
    older: usize,
    payload_type: u8,
}

impl Redundant {
    /// Reads a packet all of whose blocks are of one payload type.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let newest = primary(payload)?;
        let mut older = 0;
        for block in blocks(payload)? {
            if block.payload_type != newest.payload_type {
                return None;
            }
            older += usize::from(block.age > 0 || block.range != newest.range);
        }
        let (newest_at, payload_type) = (newest.range.start, newest.payload_type);
        Some(Self { newest_at, older, payload_type })
    }

    /// What all blocks are.
    pub const fn payload_type(&self) -> u8 {
        self.payload_type
    }

    /// The patch for a receiver who calls the codec otherwise. `None` when it would have
    /// to change more blocks than one older one: then the newest alone has to do.
    pub fn retype(&self, payload_type: u8) -> Option<Patch> {
        let newest = payload_type & !FOLLOWS;
        match self.older {
            _ if newest == self.payload_type => Some(Patch::default()),
            0 => Some(Patch::default().byte(0, newest)),
            1 => {
                let older = Patch::default().byte(0, newest | FOLLOWS);
                Some(older.byte(HEADER_BYTES as u8, newest))
            }
            _ => None,
        }
    }
}

/// An earlier frame to repeat.
#[derive(Clone, Copy, Debug)]
pub struct Earlier<'a> {
    /// Ticks before the packet's timestamp.
    pub age: u32,
    pub contents: &'a [u8],
}

/// Writes a packet that carries `earlier` frames, oldest first, and the newest one.
/// Frames that the format has no room for are left out. Returns the length; `None`
/// when it does not fit into `out`.
pub fn write(
    payload_type: u8,
    earlier: &[Earlier<'_>],
    newest: &[u8],
    out: &mut [u8],
) -> Option<usize> {
    let fits = |it: &&Earlier<'_>| it.age <= MAX_AGE && it.contents.len() <= MAX_BLOCK_BYTES;
    let carried = || earlier.iter().filter(fits).take(MAX_BLOCKS);
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        out.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
        at += bytes.len();
        Some(at)
    };
    for block in carried() {
        let fields = block.age << 10 | block.contents.len() as u32;
        let [_, high, middle, low] = fields.to_be_bytes();
        put(&[payload_type | FOLLOWS, high, middle, low])?;
    }
    put(&[payload_type & !FOLLOWS])?;
    for block in carried() {
        put(block.contents)?;
    }
    put(newest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_redundant_frame() {
        // Payload type 111, age 960, three bytes; then the newest of two bytes.
        let packet = [0x80 | 111, 0x0f, 0x00, 3, 111, 1, 2, 3, 4, 5];
        let read: Vec<_> = blocks(&packet).expect("valid").collect();
        let expected = [
            Block { payload_type: 111, age: 960, range: 5..8 },
            Block { payload_type: 111, age: 0, range: 8..10 },
        ];
        assert_eq!(read, expected);
        assert_eq!(primary(&packet), Some(expected[1].clone()));
        assert_eq!(primary(&[111, 9]).map(|block| block.range), Some(1..2));
    }

    #[test]
    fn a_receiver_may_call_the_codec_otherwise() {
        let packet = [0x80 | 111, 0x0f, 0x00, 3, 111, 1, 2, 3, 4, 5];
        let read = Redundant::parse(&packet).expect("valid");
        assert_eq!((read.payload_type(), read.newest_at), (111, 8));
        assert!(read.retype(111).expect("nothing to do").is_empty());
        let mut copy = packet;
        read.retype(96).expect("one older block").apply(&mut copy);
        let types: Vec<_> = blocks(&copy).expect("valid").map(|it| it.payload_type).collect();
        assert_eq!((types, &copy[5..]), (vec![96, 96], &packet[5..]));
        // Two older blocks; and blocks of two codecs.
        let packet = [0x80 | 111, 0x0f, 0x00, 1, 0x80 | 111, 0x07, 0x80, 1, 111, 1, 2, 3];
        let read = Redundant::parse(&packet).expect("valid");
        assert_eq!((read.newest_at, read.retype(96)), (11, None));
        assert_eq!(Redundant::parse(&[0x80 | 9, 0x0f, 0x00, 1, 111, 1, 2]), None);
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        assert_eq!(primary(&[0x80 | 111, 0x0f, 0x00, 9, 111, 1, 2]), None);
        assert_eq!(primary(&[0x80 | 111, 0x0f, 0x00]), None);
        assert_eq!(primary(&[]), None);
        assert_eq!(primary(&[0x80; 64]), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            earlier in prop::collection::vec((0..MAX_AGE, prop::collection::vec(any::<u8>(), 0..60)), 0..5),
            newest in prop::collection::vec(any::<u8>(), 0..60), payload_type in 0..128_u8,
        ) {
            let frames: Vec<_> =
                earlier.iter().map(|(age, contents)| Earlier { age: *age, contents }).collect();
            let mut out = [0; 512];
            let length = write(payload_type, &frames, &newest, &mut out).expect("it fits");
            let packet = &out[..length];
            let read: Vec<_> = blocks(packet).expect("valid").collect();
            prop_assert_eq!(read.len(), earlier.len() + 1);
            for (block, (age, contents)) in read.iter().zip(&earlier) {
                prop_assert_eq!(block.age, *age);
                prop_assert_eq!(&packet[block.range.clone()], &contents[..]);
            }
            prop_assert_eq!(&packet[primary(packet).expect("valid").range], &newest[..]);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Redundant::parse(&bytes).map(|read| (read.newest_at, read.retype(1)));
            if let Some(blocks) = blocks(&bytes) {
                for block in blocks {
                    prop_assert!(bytes.get(block.range).is_some());
                }
            }
        }
    }
}
