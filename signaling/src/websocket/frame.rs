//! The head of a frame (RFC 6455, 5.2), and masking (5.3).

/// Longest payload of a control frame (5.5).
pub(super) const MAX_CONTROL: usize = 125;

/// The longest head: two bytes, an eight-byte length, a mask.
const LONGEST: usize = 14;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    pub(super) const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// A client's frame, before its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) last: bool,
    pub(super) opcode: Opcode,
    pub(super) length: u64,
    pub(super) mask: [u8; 4],
}

/// Not a head that a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadHead;

/// A head of which not all bytes may have come.
#[derive(Clone, Copy, Default)]
pub(super) struct PartialHead {
    bytes: [u8; LONGEST],
    filled: u8,
}

impl PartialHead {
    /// Takes bytes until the head is whole; returns how many.
    pub(super) fn feed(&mut self, input: &[u8]) -> Result<(usize, Option<Head>), BadHead> {
        let mut taken = 0;
        for byte in input {
            let filled = usize::from(self.filled);
            self.bytes[filled] = *byte;
            self.filled += 1;
            taken += 1;
            if self.filled >= 2 && usize::from(self.filled) == self.needed()? {
                let head = self.parse()?;
                *self = Self::default();
                return Ok((taken, Some(head)));
            }
        }
        Ok((taken, None))
    }

    /// Bytes of the whole head, known from the first two.
    const fn needed(&self) -> Result<usize, BadHead> {
        let second = self.bytes[1];
        if second & 0x80 == 0 {
            // A client masks every frame (5.1).
            return Err(BadHead);
        }
        Ok(match second & 0x7f {
            126 => 2 + 2 + 4,
            127 => 2 + 8 + 4,
            _ => 2 + 4,
        })
    }

    fn parse(&self) -> Result<Head, BadHead> {
        let [first, second, rest @ ..] = &self.bytes;
        if first & 0x70 != 0 {
            // No extension was negotiated that would give these bits a meaning.
            return Err(BadHead);
        }
        let opcode = Opcode::from_bits(first & 0x0f).ok_or(BadHead)?;
        let last = first & 0x80 != 0;
        let (length, mask) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..6]),
            127 => {
                let (length, mask) = rest.split_at(8);
                (u64::from_be_bytes(length.try_into().map_err(|_| BadHead)?), mask)
            }
            short => (u64::from(short), &rest[..4]),
        };
        if opcode.is_control() && (!last || length > MAX_CONTROL as u64) {
            return Err(BadHead);
        }
        Ok(Head { last, opcode, length, mask: mask.try_into().map_err(|_| BadHead)? })
    }
}

/// Unmasks payload bytes of which the first is the `offset`th of the frame.
pub(super) fn unmask(bytes: &mut [u8], mask: [u8; 4], offset: usize) {
    let mut key = mask;
    key.rotate_left(offset % 4);
    let (chunks, rest) = bytes.as_chunks_mut::<4>();
    let word = u32::from_ne_bytes(key);
    for chunk in chunks {
        *chunk = (u32::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}

/// The head of a server's frame: whole, not masked. Returns how many bytes it takes.
pub(super) fn server_head(opcode: Opcode, length: usize) -> ([u8; 10], u8) {
    let mut head = [0; 10];
    head[0] = 0x80 | opcode.bits();
    let used = match length {
        0..=125 => {
            head[1] = u8::try_from(length).unwrap_or(0);
            2
        }
        126..=0xffff => {
            head[1] = 126;
            head[2..4].copy_from_slice(&u16::try_from(length).unwrap_or(0).to_be_bytes());
            4
        }
        _ => {
            head[1] = 127;
            head[2..10].copy_from_slice(&(length as u64).to_be_bytes());
            10
        }
    };
    (head, used)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_head_must_be_a_clients() {
        let bad = [
            [0x81, 0x00, 0, 0, 0, 0], // not masked
            [0xc1, 0x80, 0, 0, 0, 0], // a reserved bit
            [0x83, 0x80, 0, 0, 0, 0], // a reserved opcode
            [0x09, 0x80, 0, 0, 0, 0], // a ping in parts
            [0x88, 0xfe, 0, 126, 0, 0],
        ];
        for bytes in bad {
            let outcome = PartialHead::default().feed(&bytes);
            let later = PartialHead::default().feed(&[&bytes[..], &[0; 8]].concat());
            assert!(outcome == Err(BadHead) || later == Err(BadHead), "{bytes:x?}");
        }
    }

    impl PartialEq for PartialHead {
        fn eq(&self, other: &Self) -> bool {
            self.bytes == other.bytes && self.filled == other.filled
        }
    }

    proptest! {
        #[test]
        fn masking_twice_is_nothing_whatever_the_cut(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            mask: [u8; 4],
            cut in 0..64_usize,
        ) {
            let mut whole = bytes.clone();
            unmask(&mut whole, mask, 0);
            let cut = cut.min(bytes.len());
            let (before, after) = whole.split_at_mut(cut);
            unmask(before, mask, 0);
            unmask(after, mask, cut);
            prop_assert_eq!(whole, bytes);
        }

        #[test]
        fn any_bytes_are_a_head_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok((taken, _)) = PartialHead::default().feed(&bytes) {
                prop_assert!(taken <= bytes.len());
            }
        }
    }
}
