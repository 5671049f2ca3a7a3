//! Opens what the peer sent, in the buffer it was received in.

use super::Direction;
use super::cipher::{RTCP_ENCRYPTED, RTCP_INDEX_BYTES};
use super::window::{Refused, Windows};
use crate::wire::rtp::ParsedRtp;

/// Why a packet was not opened. Nothing has changed then, except for its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("the packet is too short to be protected")]
    TooShort,
    #[error("the packet came before, or is too old to tell")]
    Replayed,
    #[error("the packet's tag does not fit its contents")]
    NotAuthentic,
    #[error("the packet is not encrypted")]
    NotEncrypted,
    #[error("the peer has used too many SSRCs")]
    TooManyStreams,
}

impl From<Refused> for OpenError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Seen => Self::Replayed,
            Refused::Full => Self::TooManyStreams,
        }
    }
}

/// An RTP packet that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// Rollover counter and sequence number.
    pub(crate) index: u64,
    /// Length of header and payload, without the tag.
    pub(crate) packet_bytes: usize,
}

/// The receiving direction of a session.
pub(crate) struct Opener {
    direction: Direction,
    rtp: Windows,
    rtcp: Windows,
}

impl Opener {
    pub(super) fn new(direction: Direction) -> Self {
        Self { direction, rtp: Windows::default(), rtcp: Windows::default() }
    }

    /// Opens an RTP packet in place. `parsed` is its header.
    ///
    /// # Errors
    /// When it is not authentic, came before, or would be the first of one stream too
    /// many. Only authentic packets change what is remembered.
    pub(crate) fn open_rtp(
        &mut self,
        packet: &mut [u8],
        parsed: &ParsedRtp,
    ) -> Result<Opened, OpenError> {
        let cipher = &self.direction.rtp;
        let packet_bytes =
            packet.len().checked_sub(cipher.tag_bytes()).ok_or(OpenError::TooShort)?;
        if packet_bytes < parsed.header_bytes {
            return Err(OpenError::TooShort);
        }
        let ssrc = parsed.header.ssrc;
        let place = self.rtp.find(ssrc);
        let sequence = parsed.header.sequence;
        let index = match place {
            Some(place) => estimate_index(self.rtp.highest(place), sequence),
            None => Some(sequence.into()),
        };
        let index = index.ok_or(OpenError::Replayed)?;
        self.rtp.check(place, index)?;
        cipher.open_rtp(packet, parsed.header_bytes, ssrc, index).ok_or(OpenError::NotAuthentic)?;
        self.rtp.mark(place, ssrc, index);
        Ok(Opened { index, packet_bytes })
    }

    /// Opens an RTCP packet in place: the length of the compound without tag and index.
    ///
    /// # Errors
    /// As [`Self::open_rtp`], and when it is not encrypted: WebRTC peers always
    /// encrypt.
    pub(crate) fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, OpenError> {
        let cipher = &self.direction.rtcp;
        let overhead = cipher.tag_bytes() + RTCP_INDEX_BYTES;
        let packet_bytes = packet.len().checked_sub(overhead).ok_or(OpenError::TooShort)?;
        let Some([_, _, _, _, ssrc @ ..]) = packet[..packet_bytes].first_chunk::<8>() else {
            return Err(OpenError::TooShort);
        };
        let ssrc = u32::from_be_bytes(*ssrc);
        let word = cipher.rtcp_word(packet).ok_or(OpenError::TooShort)?;
        if word & RTCP_ENCRYPTED == 0 {
            return Err(OpenError::NotEncrypted);
        }
        let index = word & !RTCP_ENCRYPTED;
        let place = self.rtcp.find(ssrc);
        self.rtcp.check(place, index.into())?;
        cipher.open_rtcp(packet, ssrc, index).ok_or(OpenError::NotAuthentic)?;
        self.rtcp.mark(place, ssrc, index.into());
        Ok(packet_bytes)
    }

    /// SSRCs that RTP packets were opened of.
    #[cfg(test)]
    pub(crate) fn streams(&self) -> usize {
        self.rtp.len()
    }
}

/// The index nearest to the highest one with this sequence number (RFC 3711 section
/// 3.3.1). `None` before the first index and after the last, at 2^48.
fn estimate_index(highest: u64, sequence: u16) -> Option<u64> {
    let ahead = sequence.wrapping_sub(highest as u16).cast_signed();
    let index = highest.checked_add_signed(ahead.into())?;
    (index < 1 << 48).then_some(index)
}
