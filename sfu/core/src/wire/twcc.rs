//! Transport-wide feedback: when each packet of a transport arrived
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).
//!
//! A feedback packet names a first sequence number and a count, gives each packet a
//! status in chunks, and for the received ones the time since the one before.

mod report;

use super::bytes::Reader;

pub(crate) use report::Report;

/// Packet statuses we read from one datagram. At 100 ms between feedback packets this
/// is 40,000 packets a second, more than any subscriber is sent; the format would let
/// 20 bytes claim 65,535 and cost that many steps.
pub(crate) const MAX_STATUSES: usize = 4096;

/// Deltas count in these.
const TICK_US: i64 = 250;
/// The reference time counts in 64 ms.
const REFERENCE_TICKS: i64 = 256;

/// Base sequence number, count, reference time and number of the feedback.
const HEAD_BYTES: usize = 8;

/// Symbols a vector chunk holds, one or two bits each.
const ONE_BIT_SYMBOLS: usize = 14;
const TWO_BIT_SYMBOLS: usize = 7;
/// The longest run of one chunk: 13 bits.
const MAX_RUN: usize = 0x1fff;

/// What a status says. The fourth value of its two bits is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    Missing,
    /// Received; the delta has one byte.
    Small,
    /// Received; the delta has two bytes and a sign.
    Large,
}

impl Symbol {
    const fn of_bits(bits: u16) -> Option<Self> {
        match bits {
            0 => Some(Self::Missing),
            1 => Some(Self::Small),
            2 => Some(Self::Large),
            _ => None,
        }
    }

    const fn bits(self) -> u16 {
        match self {
            Self::Missing => 0,
            Self::Small => 1,
            Self::Large => 2,
        }
    }

    const fn delta_bytes(self) -> usize {
        match self {
            Self::Missing => 0,
            Self::Small => 1,
            Self::Large => 2,
        }
    }
}

/// A feedback packet as it was received. Its head is checked; its chunks and deltas
/// are read by the iteration, which ends early when they do not last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Feedback<'a> {
    base: u16,
    status_count: u16,
    /// 64 ms each since the receiver's own epoch; 24 bits with a sign.
    reference: i32,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

/// One packet of the transport, and when it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) sequence: u16,
    /// Microseconds since the receiver's own epoch, in steps of 250; wraps with the
    /// reference time, every 12 days. `None`: not received so far.
    pub(crate) at_us: Option<i64>,
}

impl<'a> Feedback<'a> {
    /// `body` starts behind the SSRCs. `None` when it is too short for the statuses it
    /// claims, or claims none or more than [`MAX_STATUSES`].
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let base = reader.u16()?;
        let status_count = reader.u16()?;
        let reference = (reader.u24()? << 8).cast_signed() >> 8;
        let _number = reader.u8()?;
        let chunks = reader.rest();
        let mut covered = 0;
        while covered < usize::from(status_count) {
            covered += Chunk::of_bits(reader.u16()?).len();
        }
        if status_count == 0 || usize::from(status_count) > MAX_STATUSES {
            return None;
        }
        let deltas = reader.rest();
        Some(Self { base, status_count, reference, chunks, deltas })
    }

    /// How many packets it speaks of; at most [`MAX_STATUSES`].
    pub(crate) const fn status_count(&self) -> usize {
        self.status_count as usize
    }

    /// The packets in the order of their sequence numbers.
    pub(crate) fn arrivals(&self) -> Arrivals<'a> {
        Arrivals {
            sequence: self.base,
            left: self.status_count,
            ticks: i64::from(self.reference) * REFERENCE_TICKS,
            chunk: Chunk::Run { symbol: 0, left: 0 },
            chunks: Reader::new(self.chunks),
            deltas: Reader::new(self.deltas),
        }
    }
}

/// A status chunk, being used up.
#[derive(Clone, Copy, Debug)]
enum Chunk {
    Run {
        symbol: u16,
        left: u16,
    },
    /// Symbols of `width` bits, the next one in the highest bits.
    Vector {
        bits: u16,
        width: u16,
        left: u16,
    },
}

impl Chunk {
    const fn of_bits(bits: u16) -> Self {
        if bits & 0x8000 == 0 {
            Self::Run { symbol: bits >> 13, left: bits & MAX_RUN as u16 }
        } else if bits & 0x4000 == 0 {
            Self::Vector { bits: bits << 2, width: 1, left: ONE_BIT_SYMBOLS as u16 }
        } else {
            Self::Vector { bits: bits << 2, width: 2, left: TWO_BIT_SYMBOLS as u16 }
        }
    }

    const fn len(&self) -> usize {
        match *self {
            Self::Run { left, .. } | Self::Vector { left, .. } => left as usize,
        }
    }

    fn next(&mut self) -> Option<u16> {
        match self {
            Self::Run { symbol, left } => {
                *left = left.checked_sub(1)?;
                Some(*symbol)
            }
            Self::Vector { bits, width, left } => {
                *left = left.checked_sub(1)?;
                let symbol = *bits >> (16 - *width);
                *bits <<= *width;
                Some(symbol)
            }
        }
    }
}

/// The packets of a [`Feedback`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrivals<'a> {
    sequence: u16,
    left: u16,
    ticks: i64,
    chunk: Chunk,
    chunks: Reader<'a>,
    deltas: Reader<'a>,
}

impl Arrivals<'_> {
    fn symbol(&mut self) -> Option<Symbol> {
        loop {
            if let Some(bits) = self.chunk.next() {
                return Symbol::of_bits(bits);
            }
            self.chunk = Chunk::of_bits(self.chunks.u16()?);
        }
    }

    fn delta(&mut self, symbol: Symbol) -> Option<Option<i64>> {
        match symbol {
            Symbol::Missing => Some(None),
            Symbol::Small => self.deltas.u8().map(|ticks| Some(i64::from(ticks))),
            Symbol::Large => self.deltas.u16().map(|ticks| Some(i64::from(ticks.cast_signed()))),
        }
    }
}

impl Iterator for Arrivals<'_> {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let left = self.left.checked_sub(1)?;
        // Whatever fails ends the iteration for good.
        self.left = 0;
        let symbol = self.symbol()?;
        let delta = self.delta(symbol)?;
        self.ticks += delta.unwrap_or(0);
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        self.left = left;
        Some(Arrival { sequence, at_us: delta.map(|_| self.ticks * TICK_US) })
    }
}

#[cfg(test)]
mod tests;
