//! RTCP: compound packets, read packet by packet and written packet by packet.
//!
//! Sources: RFC 3550 section 6 (SR, RR, SDES, BYE), RFC 4585 section 6 (NACK, PLI),
//! RFC 5104 section 4.3.1 (FIR),
//! draft-alvestrand-rmcat-remb-03 (REMB), and `twcc`.
//! Reduced-size packets (RFC 5506) are accepted: no packet has to come first.

mod writer;

use super::bytes::Reader;
use super::twcc::{self, Feedback};

pub(crate) use writer::Writer;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;

const GENERIC_NACK: u8 = 1;
const TRANSPORT_WIDE: u8 = 15;
const PICTURE_LOSS: u8 = 1;
const FULL_INTRA: u8 = 4;
const APPLICATION_LAYER: u8 = 15;
const REMB: [u8; 4] = *b"REMB";

/// Packet and length in front of the SSRC.
const COMMON_HEADER_BYTES: usize = 4;

/// What one packet says, as far as the relay listens: it has no use for SDES, BYE, APP
/// and XR.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Packet<'a> {
    SenderReport {
        info: SenderInfo,
        reports: Reports<'a>,
    },
    ReceiverReport {
        reports: Reports<'a>,
    },
    Nack {
        /// Whose packets are missing.
        media: u32,
        lost: Lost<'a>,
    },
    /// Arrival times of what we sent.
    Transport(Feedback<'a>),
    PictureLoss {
        media: u32,
    },
    FullIntra {
        requests: FullIntraRequests<'a>,
    },
    /// REMB: what the receiver thinks it could get in all.
    ReceiverEstimate {
        bps: u64,
    },
    /// Of another kind, or malformed.
    Other,
}

/// What a sender says of its own stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SenderInfo {
    pub(crate) ssrc: u32,
    /// Seconds since 1900 in 32.32 fixed point.
    pub(crate) ntp: u64,
    /// The same moment on the stream's media clock.
    pub(crate) rtp_timestamp: u32,
    /// Totals, modulo 2^32.
    pub(crate) packets: u32,
    pub(crate) payload_bytes: u32,
}

/// What a receiver says of a stream it gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReportBlock {
    pub(crate) ssrc: u32,
    /// Since the last report, in 1/256.
    pub(crate) fraction_lost: u8,
    /// 24 bits with a sign: duplicates can outnumber losses.
    pub(crate) cumulative_lost: i32,
    /// Highest sequence number, with the count of wraps in the upper half.
    pub(crate) extended_highest: u32,
    /// In units of the media clock.
    pub(crate) jitter: u32,
    /// The middle of the last sender report's NTP time; 0 before the first.
    pub(crate) last_sender_report: u32,
    /// Since then, in 1/65536 s.
    pub(crate) delay_since_last: u32,
}

/// The packets of a decrypted RTCP datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packets<'a> {
    rest: &'a [u8],
    /// Packet statuses that transport-wide feedback may still name: 20 bytes can
    /// claim 65,535 of them, and each costs us a step.
    statuses: usize,
}

/// Reads a compound packet. Ends at the first packet whose length is wrong; a packet
/// whose contents are wrong is `Other`.
pub(crate) const fn packets(compound: &[u8]) -> Packets<'_> {
    Packets { rest: compound, statuses: twcc::MAX_STATUSES }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let Some(raw) = Raw::split(&mut self.rest) else {
            self.rest = &[];
            return None;
        };
        let mut packet = raw.read().unwrap_or(Packet::Other);
        if let Packet::Transport(feedback) = &packet {
            match self.statuses.checked_sub(feedback.status_count()) {
                Some(left) => self.statuses = left,
                None => packet = Packet::Other,
            }
        }
        Some(packet)
    }
}

/// One packet: its head, and its body without padding.
struct Raw<'a> {
    /// A count or a format, by type.
    count: u8,
    packet_type: u8,
    body: &'a [u8],
}

impl<'a> Raw<'a> {
    fn split(rest: &mut &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(rest);
        let [first, packet_type] = reader.array()?;
        let words = usize::from(reader.u16()?);
        if first >> 6 != 2 {
            return None;
        }
        let mut body = reader.slice(words * 4)?;
        *rest = reader.rest();
        if first & 0x20 != 0 {
            let padding = usize::from(*body.last()?);
            body = &body[..body.len().checked_sub(padding)?];
        }
        Some(Self { count: first & 0x1f, packet_type, body })
    }

    fn read(&self) -> Option<Packet<'a>> {
        let mut reader = Reader::new(self.body);
        match self.packet_type {
            SENDER_REPORT => {
                let info = SenderInfo {
                    ssrc: reader.u32()?,
                    ntp: reader.u64()?,
                    rtp_timestamp: reader.u32()?,
                    packets: reader.u32()?,
                    payload_bytes: reader.u32()?,
                };
                Some(Packet::SenderReport { info, reports: self.reports(reader) })
            }
            RECEIVER_REPORT => {
                let _reporter = reader.u32()?;
                Some(Packet::ReceiverReport { reports: self.reports(reader) })
            }
            TRANSPORT_FEEDBACK => self.read_transport_feedback(reader),
            PAYLOAD_FEEDBACK => self.read_payload_feedback(reader),
            _ => None,
        }
    }

    fn reports(&self, reader: Reader<'a>) -> Reports<'a> {
        Reports { left: self.count, reader }
    }

    fn read_transport_feedback(&self, mut reader: Reader<'a>) -> Option<Packet<'a>> {
        let _sender = reader.u32()?;
        let media = reader.u32()?;
        match self.count {
            GENERIC_NACK => Some(Packet::Nack { media, lost: Lost::new(reader) }),
            TRANSPORT_WIDE => Feedback::parse(reader.rest()).map(Packet::Transport),
            _ => None,
        }
    }

    fn read_payload_feedback(&self, mut reader: Reader<'a>) -> Option<Packet<'a>> {
        let _sender = reader.u32()?;
        let media = reader.u32()?;
        match self.count {
            PICTURE_LOSS => Some(Packet::PictureLoss { media }),
            FULL_INTRA => Some(Packet::FullIntra { requests: FullIntraRequests { reader } }),
            APPLICATION_LAYER => read_receiver_estimate(reader),
            _ => None,
        }
    }
}

/// Six bits of exponent and eighteen of mantissa, behind a name and a count of SSRCs. The
/// SSRCs are of no use: a subscriber has one link.
fn read_receiver_estimate(mut reader: Reader<'_>) -> Option<Packet<'_>> {
    let name: [u8; 4] = reader.array()?;
    let _ssrcs = reader.u8()?;
    let packed = reader.u24()?;
    if name != REMB {
        return None;
    }
    let mantissa = u64::from(packed & 0x3_ffff);
    let exponent = packed >> 18;
    // What does not fit is more than any link carries.
    let bps = if mantissa.leading_zeros() < exponent { u64::MAX } else { mantissa << exponent };
    Some(Packet::ReceiverEstimate { bps })
}

/// The report blocks of a sender or receiver report; at most 31.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reports<'a> {
    left: u8,
    reader: Reader<'a>,
}

impl Iterator for Reports<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        self.left = self.left.checked_sub(1)?;
        let ssrc = self.reader.u32()?;
        let fraction_lost = self.reader.u8()?;
        let lost = self.reader.u24()?;
        Some(ReportBlock {
            ssrc,
            fraction_lost,
            cumulative_lost: (lost << 8).cast_signed() >> 8,
            extended_highest: self.reader.u32()?,
            jitter: self.reader.u32()?,
            last_sender_report: self.reader.u32()?,
            delay_since_last: self.reader.u32()?,
        })
    }
}

/// Sequence numbers of a NACK: each four bytes name one and a mask of the sixteen
/// after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost<'a> {
    reader: Reader<'a>,
    base: u16,
    mask: u16,
}

impl<'a> Lost<'a> {
    const fn new(reader: Reader<'a>) -> Self {
        Self { reader, base: 0, mask: 0 }
    }
}

impl Iterator for Lost<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if self.mask == 0 {
            self.base = self.reader.u16()?;
            self.mask = self.reader.u16()?;
            return Some(self.base);
        }
        let bit = self.mask.trailing_zeros();
        self.mask &= self.mask - 1;
        Some(self.base.wrapping_add(1).wrapping_add(bit as u16))
    }
}

/// SSRCs that a full intra request asks, each with the number of the request: the
/// same number again is the same request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FullIntraRequests<'a> {
    reader: Reader<'a>,
}

impl Iterator for FullIntraRequests<'_> {
    type Item = (u32, u8);

    fn next(&mut self) -> Option<(u32, u8)> {
        let ssrc = self.reader.u32()?;
        let [number, _, _, _] = self.reader.array()?;
        Some((ssrc, number))
    }
}

#[cfg(test)]
mod tests;
