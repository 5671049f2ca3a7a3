//! Seals what we send, in the buffer it is sent from.

use super::Direction;
use super::cipher::{RTCP_ENCRYPTED, RTCP_INDEX_BYTES};
use super::window::{Refused, Windows};

/// Why a packet was not sealed. It must not be sent then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    #[error("the buffer has no room for the packet with its tag")]
    NoRoom,
    #[error("a packet of this SSRC and index was sealed before")]
    IndexReused,
    #[error("too many SSRCs were used")]
    TooManyStreams,
    #[error("the key has protected as many packets as it may")]
    KeyExhausted,
}

impl From<Refused> for SealError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Seen => Self::IndexReused,
            Refused::Full => Self::TooManyStreams,
        }
    }
}

/// The sending direction of a session.
///
/// A nonce is SSRC and index, and with GCM two packets under one nonce give the
/// authentication key away. So the sealer refuses an index it has sealed, and one that
/// is too old to tell; repetitions have an SSRC of their own (RFC 4588).
pub(crate) struct Sealer {
    direction: Direction,
    sealed: Windows,
    next_rtcp_index: u32,
}

impl Sealer {
    pub(super) fn new(direction: Direction) -> Self {
        Self { direction, sealed: Windows::default(), next_rtcp_index: 0 }
    }

    /// Bytes that sealing adds to an RTP packet.
    pub(crate) const fn rtp_overhead_bytes(&self) -> usize {
        self.direction.rtp.tag_bytes()
    }

    /// Bytes that sealing adds to an RTCP packet.
    pub(crate) const fn rtcp_overhead_bytes(&self) -> usize {
        self.direction.rtcp.tag_bytes() + RTCP_INDEX_BYTES
    }

    /// Seals the RTP packet of `packet_bytes` at the start of `buffer`, whose header
    /// is `header_bytes` long. `index` is its sequence number extended by the rollover
    /// counter, which starts at 0 for each SSRC. The length with the tag.
    ///
    /// # Errors
    /// When `buffer` has no room for the tag, or `index` cannot be sealed any more.
    pub(crate) fn seal_rtp(
        &mut self,
        buffer: &mut [u8],
        header_bytes: usize,
        packet_bytes: usize,
        index: u64,
    ) -> Result<usize, SealError> {
        let cipher = &self.direction.rtp;
        let sealed_bytes = packet_bytes + cipher.tag_bytes();
        let packet = buffer.get_mut(..sealed_bytes).ok_or(SealError::NoRoom)?;
        let Some([_, _, _, _, _, _, _, _, ssrc @ ..]) = packet.first_chunk::<12>() else {
            return Err(SealError::NoRoom);
        };
        let ssrc = u32::from_be_bytes(*ssrc);
        if index >= 1 << 48 {
            return Err(SealError::KeyExhausted);
        }
        let place = self.sealed.find(ssrc);
        self.sealed.check(place, index)?;
        self.sealed.mark(place, ssrc, index);
        cipher.seal_rtp(packet, header_bytes, ssrc, index).ok_or(SealError::NoRoom)?;
        Ok(sealed_bytes)
    }

    /// Seals the RTCP compound of `packet_bytes` at the start of `buffer`. The length
    /// with tag and index.
    ///
    /// # Errors
    /// When `buffer` has no room for them, or after 2^31 packets.
    pub(crate) fn seal_rtcp(
        &mut self,
        buffer: &mut [u8],
        packet_bytes: usize,
    ) -> Result<usize, SealError> {
        let sealed_bytes = packet_bytes + self.rtcp_overhead_bytes();
        let packet = buffer.get_mut(..sealed_bytes).ok_or(SealError::NoRoom)?;
        let Some([_, _, _, _, ssrc @ ..]) = packet.first_chunk::<8>() else {
            return Err(SealError::NoRoom);
        };
        let ssrc = u32::from_be_bytes(*ssrc);
        let index = self.next_rtcp_index;
        if index & RTCP_ENCRYPTED != 0 {
            return Err(SealError::KeyExhausted);
        }
        self.next_rtcp_index += 1;
        self.direction.rtcp.seal_rtcp(packet, ssrc, index).ok_or(SealError::NoRoom)?;
        Ok(sealed_bytes)
    }
}
