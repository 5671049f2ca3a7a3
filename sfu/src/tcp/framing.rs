//! Packets in a byte stream: each behind its length in two bytes (RFC 4571 section 2).
//!
//! Pure. It knows no socket, and holds at most one unfinished packet.

use crate::socket::MAX_DATAGRAM_BYTES;

/// Bytes of a packet's length.
const PREFIX_BYTES: usize = 2;

/// The stream holds a packet that no client of ours sends: it is another protocol, or
/// an attack. What follows in the stream cannot be told apart any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a packet of {length} bytes")]
pub(crate) struct Oversized {
    pub(crate) length: usize,
}

/// Finds the packets in what has been read.
#[derive(Debug, Default)]
pub(crate) struct Deframer {
    /// The beginning of a packet, its length included. Empty between packets, so that
    /// an idle connection holds no memory here.
    partial: Vec<u8>,
}

impl Deframer {
    /// Gives every packet that is whole by now to `take`, in order. Empty ones, which
    /// keep a path alive, are left out.
    ///
    /// # Errors
    /// After which the stream is of no use.
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), Oversized> {
        let mut rest = bytes;
        while !self.partial.is_empty() {
            let Some(missing) = missing(&self.partial)? else {
                give(&std::mem::take(&mut self.partial), &mut take);
                break;
            };
            if rest.is_empty() {
                return Ok(());
            }
            let (now, later) = rest.split_at(missing.min(rest.len()));
            self.partial.extend_from_slice(now);
            rest = later;
        }
        // Whole packets are given out of the caller's buffer, without a copy.
        while !rest.is_empty() {
            if missing(rest)?.is_some() {
                self.partial.extend_from_slice(rest);
                return Ok(());
            }
            let (packet, later) = rest.split_at(PREFIX_BYTES + length(rest));
            give(packet, &mut take);
            rest = later;
        }
        Ok(())
    }
}

/// Gives a whole packet, its length before it, unless it is empty.
fn give(framed: &[u8], take: &mut impl FnMut(&[u8])) {
    match framed.get(PREFIX_BYTES..) {
        Some(packet) if !packet.is_empty() => take(packet),
        _ => {}
    }
}

/// Appends a packet behind its length.
pub(crate) fn frame(packet: &[u8], into: &mut Vec<u8>) {
    let Ok(length) = u16::try_from(packet.len()) else {
        debug_assert!(false, "a datagram of {} bytes", packet.len());
        return;
    };
    into.extend_from_slice(&length.to_be_bytes());
    into.extend_from_slice(packet);
}

/// Bytes that a packet takes in the stream.
pub(crate) const fn framed_bytes(packet: &[u8]) -> usize {
    PREFIX_BYTES + packet.len()
}

/// The length that stands at the beginning of `bytes`; 0 when it is not there yet.
fn length(bytes: &[u8]) -> usize {
    bytes.first_chunk().map_or(0, |prefix| usize::from(u16::from_be_bytes(*prefix)))
}

/// How many bytes the packet at the beginning of `bytes` lacks; `None` when it is whole.
fn missing(bytes: &[u8]) -> Result<Option<usize>, Oversized> {
    if bytes.len() < PREFIX_BYTES {
        return Ok(Some(PREFIX_BYTES - bytes.len()));
    }
    let length = length(bytes);
    if length > MAX_DATAGRAM_BYTES {
        return Err(Oversized { length });
    }
    let missing = (PREFIX_BYTES + length).saturating_sub(bytes.len());
    Ok((missing > 0).then_some(missing))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn read(deframer: &mut Deframer, bytes: &[u8]) -> Result<Vec<Vec<u8>>, Oversized> {
        let mut packets = Vec::new();
        deframer.push(bytes, |packet| packets.push(packet.to_vec()))?;
        Ok(packets)
    }

    /// Cuts `stream` into pieces of the given sizes, over and over.
    fn pieces<'a>(stream: &'a [u8], sizes: &'a [usize]) -> Vec<&'a [u8]> {
        let (mut rest, mut pieces) = (stream, Vec::new());
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, later) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = later;
        }
        pieces
    }

    proptest! {
        #[test]
        fn packets_come_out_as_they_went_in_however_the_stream_is_cut(
            packets in vec(vec(any::<u8>(), 0..300), 0..20),
            sizes in vec(1..700_usize, 1..5),
        ) {
            let mut stream = Vec::new();
            packets.iter().for_each(|packet| frame(packet, &mut stream));
            prop_assert_eq!(stream.len(), packets.iter().map(|p| framed_bytes(p)).sum::<usize>());
            let mut deframer = Deframer::default();
            let mut read_back = Vec::new();
            for piece in pieces(&stream, &sizes) {
                read_back.extend(read(&mut deframer, piece).unwrap());
            }
            read_back.retain(|packet| !packet.is_empty());
            let sent: Vec<_> = packets.into_iter().filter(|packet| !packet.is_empty()).collect();
            prop_assert_eq!(read_back, sent);
            prop_assert!(deframer.partial.is_empty());
        }

        #[test]
        fn any_bytes_leave_at_most_one_unfinished_packet(
            stream in vec(any::<u8>(), 0..5000),
            sizes in vec(1..4000_usize, 1..5),
        ) {
            let mut deframer = Deframer::default();
            for piece in pieces(&stream, &sizes) {
                match read(&mut deframer, piece) {
                    Ok(packets) => {
                        prop_assert!(packets.iter().all(|p| p.len() <= MAX_DATAGRAM_BYTES));
                    }
                    Err(Oversized { length }) => {
                        prop_assert!(length > MAX_DATAGRAM_BYTES);
                        break;
                    }
                }
                prop_assert!(deframer.partial.len() < PREFIX_BYTES + MAX_DATAGRAM_BYTES);
            }
        }
    }

    #[test]
    fn another_protocol_is_refused_at_its_first_bytes() {
        let mut deframer = Deframer::default();
        let refused = read(&mut deframer, b"GET / HTTP/1.1\r\n");
        assert_eq!(refused, Err(Oversized { length: 0x4745 }));
        // A byte at a time, too.
        let mut deframer = Deframer::default();
        assert_eq!(read(&mut deframer, b"\xff"), Ok(vec![]));
        assert_eq!(read(&mut deframer, b"\xff"), Err(Oversized { length: 0xffff }));
    }
}
