//! RTCP that the relay sends by itself: sender and receiver reports, requests for
//! missing packets and keyframes, transport-wide feedback, and goodbyes.

use std::time::{Duration, Instant};

use crate::outbound::SendStream;
use crate::participant::Participant;
use crate::wire::rtcp::{ReportBlock, Writer};

/// Time between two rounds of reports.
const INTERVAL: Duration = Duration::from_secs(1);
/// A stream that just began is reported this soon: before it is, voice and picture
/// cannot be played together.
const FIRST_REPORT: Duration = Duration::from_millis(100);
/// Bytes of one compound, so that it fits a datagram when sealed.
const COMPOUND_BYTES: usize = 1_150;
/// Report blocks of one packet.
const MAX_BLOCKS: usize = 31;
/// What we call ourselves where nothing is sent yet.
const NO_SSRC: u32 = 1;
/// Where our NTP clock stands when a participant joins. Receivers compare the reports
/// of one session with each other only.
const NTP_EPOCH_SECONDS: u64 = 0xe000_0000;

/// When the next round of reports is due.
#[derive(Debug, Default)]
pub(crate) struct ReportTimer {
    next: Option<Instant>,
}

impl ReportTimer {
    pub(crate) const fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Media flows: reports are due from now on, and soon if something just began.
    pub(crate) fn start(&mut self, now: Instant) {
        let soon = now + FIRST_REPORT;
        if self.next.is_none_or(|next| next > soon) {
            self.next = Some(soon);
        }
    }

    fn take_due(&mut self, now: Instant) -> bool {
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.next = Some(now + INTERVAL);
        }
        due
    }
}

/// Time since the session began as NTP's 32.32 fixed point seconds.
pub(crate) fn ntp(since: Duration) -> u64 {
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    (NTP_EPOCH_SECONDS + since.as_secs()) << 32 | fraction
}

impl Participant {
    /// What a report of ours says is now.
    pub(crate) fn ntp(&self, now: Instant) -> u64 {
        ntp(now.saturating_duration_since(self.joined_at))
    }

    /// The SSRC that our feedback comes from.
    fn local_ssrc(&self) -> u32 {
        self.outbound.streams.first().map_or(NO_SSRC, SendStream::ssrc)
    }

    /// Queues whatever reports and requests are due. How many keyframes were asked for.
    pub(crate) fn report(&mut self, now: Instant) -> u64 {
        if !self.outbound.is_open() {
            return 0;
        }
        if self.reports.take_due(now) {
            self.report_streams(now);
        }
        self.report_arrivals(now);
        self.request_missing(now);
        self.request_keyframes(now)
    }

    /// Sender reports of all that was sent since the last round, with reports of all
    /// that is received.
    fn report_streams(&mut self, now: Instant) {
        let ntp = self.ntp(now);
        let local = self.local_ssrc();
        let mut blocks = self.blocks(now);
        let mut buffer = [0; COMPOUND_BYTES];
        let mut writer = Writer::new(&mut buffer);
        for stream in &mut self.outbound.streams {
            let Some(info) = stream.take_report(now, ntp) else { continue };
            let reported = blocks.len().min(MAX_BLOCKS);
            let fits = writer.sender_report(&info, &blocks[..reported]).is_some()
                && writer.source_description(info.ssrc, stream.cname()).is_some();
            if !fits {
                break;
            }
            blocks.drain(..reported);
        }
        for blocks in blocks.chunks(MAX_BLOCKS) {
            let _ = writer.receiver_report(local, blocks);
        }
        let written = writer.written();
        self.say(&buffer[..written]);
    }

    fn blocks(&mut self, now: Instant) -> Vec<ReportBlock> {
        let layers = self.tracks.iter_mut().flat_map(|track| &mut track.layers);
        let streams = layers.filter_map(|layer| layer.stream.as_mut());
        streams.map(|stream| stream.report(now)).collect()
    }

    fn report_arrivals(&mut self, now: Instant) {
        if self.inbound.arrivals.next_report().is_none_or(|due| due > now) {
            return;
        }
        let local = self.local_ssrc();
        let remote = self.any_remote_ssrc();
        loop {
            let mut buffer = [0; COMPOUND_BYTES];
            let mut writer = Writer::new(&mut buffer);
            let more = self.inbound.arrivals.report(&mut writer, local, remote);
            let written = writer.written();
            self.say(&buffer[..written]);
            if !more {
                return;
            }
        }
    }

    fn request_missing(&mut self, now: Instant) {
        let local = self.local_ssrc();
        let rtt = self.outbound.rtt();
        let mut asked = Vec::new();
        for track in 0..self.tracks.len() {
            for layer in 0..self.tracks[track].layers.len() {
                let Some(stream) = &mut self.tracks[track].layers[layer].stream else { continue };
                if stream.next_nack().is_none_or(|due| due > now) {
                    continue;
                }
                asked.clear();
                stream.take_missing(now, rtt, &mut asked);
                let media = stream.ssrc;
                let mut buffer = [0; COMPOUND_BYTES];
                let mut writer = Writer::new(&mut buffer);
                // `None`: nothing is asked for after all.
                if writer.nack(local, media, asked.iter().copied()).is_some() {
                    let written = writer.written();
                    self.say(&buffer[..written]);
                }
            }
        }
    }

    fn request_keyframes(&mut self, now: Instant) -> u64 {
        let local = self.local_ssrc();
        let mut buffer = [0; COMPOUND_BYTES];
        let mut writer = Writer::new(&mut buffer);
        let mut requests = 0;
        for layer in self.tracks.iter_mut().flat_map(|track| &mut track.layers) {
            if layer.keyframes.next().is_none_or(|due| due > now) {
                continue;
            }
            let flows = layer.flows(now);
            if let Some(stream) = &layer.stream
                && layer.keyframes.take_due(now, flows)
                && writer.picture_loss(local, stream.ssrc).is_some()
            {
                requests += 1;
            }
        }
        let written = writer.written();
        self.say(&buffer[..written]);
        requests
    }

    /// The goodbye of all we send (RFC 3550 section 6.6).
    pub(crate) fn say_bye(&mut self) {
        let sources: Vec<_> = self.outbound.streams.iter().map(SendStream::ssrc).collect();
        let mut buffer = [0; COMPOUND_BYTES];
        let mut writer = Writer::new(&mut buffer);
        // A compound begins with a report (RFC 3550 section 6.1).
        let local = self.local_ssrc();
        let _ = writer.receiver_report(local, &[]);
        for sources in sources.chunks(MAX_BLOCKS) {
            let _ = writer.goodbye(sources);
        }
        let written = writer.written();
        self.say(&buffer[..written]);
    }

    fn say(&mut self, compound: &[u8]) {
        if !compound.is_empty() {
            self.outbound.push_control(compound);
        }
    }

    fn any_remote_ssrc(&self) -> u32 {
        let mut layers = self.tracks.iter().flat_map(|track| &track.layers);
        layers.find_map(|layer| layer.stream.as_ref()).map_or(0, |stream| stream.ssrc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_counts_seconds_and_their_fractions() {
        let start = ntp(Duration::ZERO);
        assert_eq!(ntp(Duration::from_millis(1_500)) - start, 3 << 31);
        assert!(ntp(Duration::from_secs(1 << 28)) > start);
    }
}
