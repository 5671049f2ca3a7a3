//! Puts RTCP packets behind each other into a buffer.

use super::{
    COMMON_HEADER_BYTES, GENERIC_NACK, GOODBYE, PAYLOAD_FEEDBACK, PICTURE_LOSS, RECEIVER_REPORT,
    ReportBlock, SENDER_REPORT, SOURCE_DESCRIPTION, SenderInfo, TRANSPORT_FEEDBACK, TRANSPORT_WIDE,
};
use crate::wire::bytes::Pen;
use crate::wire::twcc;

/// The five bits in which a packet counts its blocks.
const MAX_COUNT: usize = 31;

/// A compound packet that grows in the caller's buffer. Each method adds one packet,
/// or returns `None` and leaves the compound as it was when it does not fit.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    buffer: &'a mut [u8],
    written: usize,
}

impl<'a> Writer<'a> {
    pub(crate) const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, written: 0 }
    }

    /// Bytes of the compound so far.
    pub(crate) const fn written(&self) -> usize {
        self.written
    }

    /// With the first 31 of `reports`.
    pub(crate) fn sender_report(
        &mut self,
        info: &SenderInfo,
        reports: &[ReportBlock],
    ) -> Option<()> {
        let reports = &reports[..reports.len().min(MAX_COUNT)];
        self.packet(reports.len() as u8, SENDER_REPORT, |pen| {
            pen.u32(info.ssrc)?;
            pen.u64(info.ntp)?;
            pen.u32(info.rtp_timestamp)?;
            pen.u32(info.packets)?;
            pen.u32(info.payload_bytes)?;
            put_reports(pen, reports)
        })
    }

    /// With the first 31 of `reports`.
    pub(crate) fn receiver_report(&mut self, ssrc: u32, reports: &[ReportBlock]) -> Option<()> {
        let reports = &reports[..reports.len().min(MAX_COUNT)];
        self.packet(reports.len() as u8, RECEIVER_REPORT, |pen| {
            pen.u32(ssrc)?;
            put_reports(pen, reports)
        })
    }

    /// The canonical name of one source. `None` also when the name is longer than
    /// the 255 bytes that an item can hold.
    pub(crate) fn source_description(&mut self, ssrc: u32, cname: &str) -> Option<()> {
        const CNAME: u8 = 1;
        self.packet(1, SOURCE_DESCRIPTION, |pen| {
            pen.u32(ssrc)?;
            pen.put(&[CNAME, u8::try_from(cname.len()).ok()?])?;
            pen.put(cname.as_bytes())?;
            // At least one zero ends the chunk.
            pen.u8(0)?;
            pen.align()
        })
    }

    /// For the first 31 of `sources`.
    pub(crate) fn goodbye(&mut self, sources: &[u32]) -> Option<()> {
        let sources = &sources[..sources.len().min(MAX_COUNT)];
        self.packet(sources.len() as u8, GOODBYE, |pen| {
            sources.iter().try_for_each(|ssrc| pen.u32(*ssrc))
        })
    }

    /// Asks for packets again. `lost` ascends (modulo 2^16); what lies within sixteen
    /// numbers shares four bytes. `None` also without any.
    pub(crate) fn nack(
        &mut self,
        sender: u32,
        media: u32,
        lost: impl IntoIterator<Item = u16>,
    ) -> Option<()> {
        let mut lost = lost.into_iter().peekable();
        lost.peek()?;
        self.packet(GENERIC_NACK, TRANSPORT_FEEDBACK, |pen| {
            pen.u32(sender)?;
            pen.u32(media)?;
            while let Some(base) = lost.next() {
                let mut mask = 0_u16;
                while let Some(next) = lost.peek() {
                    match next.wrapping_sub(base) {
                        0 => {}
                        ahead @ 1..=16 => mask |= 1 << (ahead - 1),
                        _ => break,
                    }
                    lost.next();
                }
                pen.u16(base)?;
                pen.u16(mask)?;
            }
            Some(())
        })
    }

    pub(crate) fn picture_loss(&mut self, sender: u32, media: u32) -> Option<()> {
        self.packet(PICTURE_LOSS, PAYLOAD_FEEDBACK, |pen| {
            pen.u32(sender)?;
            pen.u32(media)
        })
    }

    /// As clients send it; the relay asks by [`Self::picture_loss`], which all know.
    /// `number` grows with each request, and stays when one is repeated.
    #[cfg(test)]
    pub(crate) fn full_intra(&mut self, sender: u32, media: u32, number: u8) -> Option<()> {
        self.packet(super::FULL_INTRA, PAYLOAD_FEEDBACK, |pen| {
            pen.u32(sender)?;
            // RFC 5104 section 4.3.1.2: the media source is named in the entry only.
            pen.u32(0)?;
            pen.u32(media)?;
            pen.put(&[number, 0, 0, 0])
        })
    }

    /// Transport-wide feedback on as many of `arrivals` as fit: how many. See
    /// [`twcc::Report`].
    pub(crate) fn transport_wide(
        &mut self,
        sender: u32,
        media: u32,
        report: &twcc::Report<'_>,
    ) -> Option<usize> {
        let mut covered = 0;
        self.packet(TRANSPORT_WIDE, TRANSPORT_FEEDBACK, |pen| {
            pen.u32(sender)?;
            pen.u32(media)?;
            covered = report.write(pen)?;
            pen.align()
        })?;
        Some(covered)
    }

    fn packet(
        &mut self,
        count: u8,
        packet_type: u8,
        body: impl FnOnce(&mut Pen<'_>) -> Option<()>,
    ) -> Option<()> {
        let mut pen = Pen::new(self.buffer.get_mut(self.written..)?);
        pen.put(&[2 << 6 | count, packet_type, 0, 0])?;
        body(&mut pen)?;
        let words = (pen.written() - COMMON_HEADER_BYTES) / 4;
        pen.patch_u16(2, u16::try_from(words).ok()?)?;
        self.written += pen.written();
        Some(())
    }
}

fn put_reports(pen: &mut Pen<'_>, reports: &[ReportBlock]) -> Option<()> {
    reports.iter().try_for_each(|report| {
        pen.u32(report.ssrc)?;
        pen.u8(report.fraction_lost)?;
        pen.u24(report.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned())?;
        pen.u32(report.extended_highest)?;
        pen.u32(report.jitter)?;
        pen.u32(report.last_sender_report)?;
        pen.u32(report.delay_since_last)
    })
}
