//! One stream to a subscriber: its SSRC, its headers, what of it can be repeated, and
//! what both sides report of it.

use std::time::{Duration, Instant};

use crate::outbound::entry::{Entry, Kind};
use crate::outbound::header::{Head, HeaderWriter};
use crate::outbound::history::History;
use crate::packet::Packet;
use crate::wire::rtcp::{ReportBlock, SenderInfo};

/// What the session description says of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Negotiated {
    pub(crate) ssrc: u32,
    /// The SSRC of repetitions, when the subscriber takes any.
    pub(crate) rtx_ssrc: Option<u32>,
    /// Payload types, each with that of its repetitions (RFC 4588 section 8.1).
    pub(crate) rtx_types: Vec<(u8, u8)>,
    /// Canonical name (RFC 3550 section 6.5.1).
    pub(crate) cname: String,
    pub(crate) header: HeaderWriter,
}

#[derive(Debug)]
pub(crate) struct SendStream {
    negotiated: Negotiated,
    /// Extended number of the next repetition.
    next_rtx_seq: u64,
    /// The payload type of repetitions used last, for padding.
    rtx_type: Option<u8>,
    history: History,
    /// The subscriber reported on the SSRC: it knows which m-line it is of.
    known: bool,
    clock_rate: u32,
    packets: u32,
    payload_bytes: u32,
    newest: Option<Newest>,
    last_report: Option<Instant>,
    heard: Reports,
}

/// The newest packet that was sent.
#[derive(Clone, Copy, Debug)]
struct Newest {
    timestamp: u32,
    at: Instant,
}

/// What the subscriber's reports say, and what they are about.
#[derive(Clone, Copy, Debug, Default)]
struct Reports {
    highest: Option<u32>,
    lost: i32,
    since: Heard,
}

/// What was sent and heard of a stream since it was taken.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heard {
    /// Packets that should have arrived, and those that did not.
    pub(crate) expected: u64,
    pub(crate) lost: u64,
    /// Payload that was sent.
    pub(crate) bytes: u64,
    pub(crate) jitter_ms: Option<f32>,
}

impl SendStream {
    /// `clock_rate`: of its media, Hz. `random` chooses the first number of
    /// repetitions. `history_bytes` bounds what is kept to be repeated.
    pub(crate) fn new(
        now: Instant,
        negotiated: Negotiated,
        clock_rate: u32,
        random: u64,
        history_bytes: usize,
    ) -> Self {
        Self {
            negotiated,
            // Below 2^15, as every first number: see `rewrite`.
            next_rtx_seq: random & 0x7fff,
            rtx_type: None,
            history: History::new(now, history_bytes),
            known: false,
            clock_rate,
            packets: 0,
            payload_bytes: 0,
            newest: None,
            last_report: None,
            heard: Reports::default(),
        }
    }

    pub(crate) const fn ssrc(&self) -> u32 {
        self.negotiated.ssrc
    }

    pub(crate) fn cname(&self) -> &str {
        &self.negotiated.cname
    }

    /// Whether packets get a transport-wide number.
    pub(crate) const fn numbers_transport(&self) -> bool {
        self.negotiated.header.numbers_transport()
    }

    /// A later description. The numbers go on, unless the SSRC is another.
    pub(crate) fn renegotiate(&mut self, negotiated: Negotiated) {
        if negotiated.ssrc != self.negotiated.ssrc {
            self.known = false;
            self.history.clear();
        }
        self.negotiated = negotiated;
    }

    /// Length of a packet before it is sealed.
    pub(crate) fn packet_bytes(&self, entry: &Entry) -> usize {
        let repair = if entry.kind == Kind::Repair { 2 } else { 0 };
        let header = self.negotiated.header.length(&entry.packet, !self.known);
        header + repair + entry.packet.payload().len()
    }

    /// Appends the header of a packet: its length, and the extended number to seal it
    /// with. A repetition takes the next number of its own stream.
    pub(crate) fn write(
        &mut self,
        entry: &Entry,
        transport: u16,
        padded: bool,
        out: &mut Vec<u8>,
    ) -> (usize, u64) {
        let (ssrc, payload_type, seq) = match entry.kind {
            Kind::Repair => (
                self.negotiated.rtx_ssrc.unwrap_or(self.negotiated.ssrc),
                self.rtx_type_of(entry.payload_type).unwrap_or(entry.payload_type),
                self.take_rtx_seq(),
            ),
            Kind::Audio | Kind::Video => (self.negotiated.ssrc, entry.payload_type, entry.seq),
        };
        let head = Head {
            marker: entry.marker,
            padded,
            payload_type,
            sequence: seq as u16,
            timestamp: entry.timestamp,
            ssrc,
        };
        let start = out.len();
        self.negotiated.header.write(&head, transport, &entry.packet, !self.known, out);
        (out.len() - start, seq)
    }

    /// Appends the header of a packet of padding; `None` when there is no stream of
    /// repetitions, or nothing was sent that says which payload type it has.
    pub(crate) fn write_padding_header(
        &mut self,
        transport: u16,
        out: &mut Vec<u8>,
    ) -> Option<(usize, u64)> {
        let (ssrc, payload_type) = (self.negotiated.rtx_ssrc?, self.rtx_type?);
        let timestamp = self.newest?.timestamp;
        let seq = self.take_rtx_seq();
        let head = Head {
            marker: false,
            padded: true,
            payload_type,
            sequence: seq as u16,
            timestamp,
            ssrc,
        };
        let start = out.len();
        let nothing = Packet::new(&[], 0)?;
        self.negotiated.header.write(&head, transport, &nothing, !self.known, out);
        Some((out.len() - start, seq))
    }

    /// Whether padding can be sent in the stream of repetitions.
    pub(crate) const fn can_pad(&self) -> bool {
        self.negotiated.rtx_ssrc.is_some() && self.rtx_type.is_some() && self.newest.is_some()
    }

    /// Counts a packet that was sent, and keeps it if it can be repeated.
    pub(crate) fn sent(&mut self, now: Instant, entry: Entry, rtt: Option<Duration>) {
        if entry.kind == Kind::Repair {
            return;
        }
        self.packets = self.packets.wrapping_add(1);
        let bytes = u32::try_from(entry.packet.payload().len()).unwrap_or(u32::MAX);
        self.payload_bytes = self.payload_bytes.wrapping_add(bytes);
        self.heard.since.bytes += u64::from(bytes);
        self.newest = Some(Newest { timestamp: entry.timestamp, at: now });
        if entry.kind == Kind::Video && self.repeats(entry.payload_type) {
            self.rtx_type = self.rtx_type_of(entry.payload_type);
            self.history.push(now, entry, rtt);
        }
    }

    /// The packet that was asked for, as a repetition. See [`History::repeat`].
    pub(crate) fn repeat(&mut self, now: Instant, seq: u16, pause: Duration) -> Option<Entry> {
        let entry = self.history.repeat(now, seq, pause)?;
        Some(Entry { kind: Kind::Repair, ..entry })
    }

    /// A repetition of the newest packet, which measures a link as well as padding.
    pub(crate) fn repeat_newest(&self) -> Option<Entry> {
        self.history.newest().map(|entry| Entry { kind: Kind::Repair, ..entry.clone() })
    }

    /// What a sender report says now, if anything was sent since the last one.
    pub(crate) fn take_report(&mut self, now: Instant, ntp: u64) -> Option<SenderInfo> {
        let newest = self.newest?;
        if self.last_report.is_some_and(|last| last >= newest.at) {
            return None;
        }
        self.last_report = Some(now);
        let elapsed = now.saturating_duration_since(newest.at);
        let ticks = elapsed.as_micros() * u128::from(self.clock_rate) / 1_000_000;
        Some(SenderInfo {
            ssrc: self.negotiated.ssrc,
            ntp,
            rtp_timestamp: newest.timestamp.wrapping_add((ticks & u128::from(u32::MAX)) as u32),
            packets: self.packets,
            payload_bytes: self.payload_bytes,
        })
    }

    /// Notes what the subscriber reports of this stream, or of its repetitions. Since the
    /// report before: packets that should have arrived, and those that did not.
    pub(crate) fn heard(&mut self, report: &ReportBlock) -> (u64, u64) {
        if report.ssrc != self.negotiated.ssrc {
            return (0, 0);
        }
        self.known = true;
        let heard = &mut self.heard;
        let (mut expected, mut lost) = (0, 0);
        if let Some(before) = heard.highest.replace(report.extended_highest) {
            // What goes backward was overtaken by a later report.
            let ahead = report.extended_highest.wrapping_sub(before).cast_signed().max(0);
            expected = u64::from(ahead.unsigned_abs());
            let more = i64::from(report.cumulative_lost) - i64::from(heard.lost);
            lost = u64::try_from(more).unwrap_or(0);
            heard.since.expected += expected;
            heard.since.lost += lost;
        }
        heard.lost = report.cumulative_lost;
        let jitter_ms = report.jitter as f32 * 1_000.0 / self.clock_rate.max(1) as f32;
        heard.since.jitter_ms = Some(jitter_ms);
        (expected, lost)
    }

    /// Packets sent, modulo 2^32; repetitions apart.
    pub(crate) const fn packets(&self) -> u32 {
        self.packets
    }

    /// The highest number that the subscriber reported.
    pub(crate) const fn highest(&self) -> Option<u32> {
        self.heard.highest
    }

    /// What happened since the last call.
    pub(crate) fn take_heard(&mut self) -> Heard {
        std::mem::take(&mut self.heard.since)
    }

    /// Whether an SSRC is this stream's.
    pub(crate) fn owns(&self, ssrc: u32) -> bool {
        self.negotiated.ssrc == ssrc || self.negotiated.rtx_ssrc == Some(ssrc)
    }

    fn repeats(&self, payload_type: u8) -> bool {
        self.negotiated.rtx_ssrc.is_some() && self.rtx_type_of(payload_type).is_some()
    }

    fn rtx_type_of(&self, payload_type: u8) -> Option<u8> {
        let types = &self.negotiated.rtx_types;
        types.iter().find(|(main, _)| *main == payload_type).map(|(_, rtx)| *rtx)
    }

    const fn take_rtx_seq(&mut self) -> u64 {
        let seq = self.next_rtx_seq;
        self.next_rtx_seq += 1;
        seq
    }
}
