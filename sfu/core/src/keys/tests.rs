use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use str0m::change::SdpOffer;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::rtcp::Rtcp;
use str0m::rtp::{RawPacket, RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use super::*;
use crate::wire::extensions::{ExtensionMap, Extensions};
use crate::wire::rtcp::{Packet, ReportBlock, SenderInfo, Writer, packets};
use crate::wire::rtp::{ParsedRtp, RtpHeader};
use crate::wire::{self, twcc};

/// An independent end: str0m as it comes. Ours: ICE-lite, without its keys.
struct Pair {
    now: Instant,
    theirs: Rtc,
    ours: Rtc,
    keys: CapturedKeys,
    audio: Mid,
    /// What reached our end of the media.
    media: VecDeque<Vec<u8>>,
    packets: Vec<RtpPacket>,
    reports: Vec<Rtcp>,
    connected: [bool; 2],
}

const THEIRS: ([u8; 4], u16) = ([192, 0, 2, 1], 1);
const OURS: ([u8; 4], u16) = ([192, 0, 2, 2], 2);

impl Pair {
    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    fn new() -> Self {
        let now = Instant::now();
        let mut theirs = RtcConfig::new().set_rtp_mode(true).enable_raw_packets(true).build(now);
        theirs.add_local_candidate(host(THEIRS));
        let mut change = theirs.sdp_api();
        let audio = change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, pending) = change.apply().expect("something to offer");
        let (mut ours, keys) = capture(|| {
            RtcConfig::new()
                .set_rtp_mode(true)
                .set_ice_lite(true)
                .set_crypto_provider(capturing_provider())
                .build(now)
        });
        ours.add_local_candidate(host(OURS));
        let offer = SdpOffer::from_sdp_string(&offer.to_sdp_string()).expect("an offer");
        let answer = ours.sdp_api().accept_offer(offer).expect("an answer");
        theirs.sdp_api().accept_answer(pending, answer).expect("the answer fits");
        Self {
            now,
            theirs,
            ours,
            keys,
            audio,
            media: VecDeque::new(),
            packets: Vec::new(),
            reports: Vec::new(),
            connected: [false; 2],
        }
    }

    fn connected() -> Self {
        let mut pair = Self::new();
        for _ in 0..1_000 {
            pair.step();
            if pair.connected == [true; 2] {
                return pair;
            }
        }
        panic!("not connected within ten seconds");
    }

    /// Ten milliseconds.
    fn step(&mut self) {
        self.now += Duration::from_millis(10);
        self.theirs.handle_input(Input::Timeout(self.now)).expect("time passes");
        self.ours.handle_input(Input::Timeout(self.now)).expect("time passes");
        while self.poll(0) | self.poll(1) {}
    }

    /// Takes everything out of one end. Whether it sent anything.
    fn poll(&mut self, end: usize) -> bool {
        let mut sent = false;
        loop {
            let rtc = if end == 0 { &mut self.theirs } else { &mut self.ours };
            match rtc.poll_output().expect("the session lives") {
                Output::Timeout(_) => return sent,
                Output::Transmit(transmit) => {
                    sent = true;
                    self.deliver(end, &transmit.contents);
                }
                Output::Event(event) => self.on_event(end, event),
            }
        }
    }

    fn on_event(&mut self, end: usize, event: Event) {
        match event {
            Event::Connected => self.connected[end] = true,
            Event::RtpPacket(packet) => self.packets.push(packet),
            Event::RawPacket(packet) => {
                if let RawPacket::RtcpRx(report) = *packet {
                    self.reports.push(report);
                }
            }
            _ => {}
        }
    }

    fn deliver(&mut self, from: usize, contents: &[u8]) {
        let media = matches!(
            wire::Protocol::of(contents),
            Some(wire::Protocol::Rtp | wire::Protocol::Rtcp)
        );
        if media {
            assert_eq!(from, 0, "our str0m has no keys to send media with");
            self.media.push_back(contents.to_vec());
            return;
        }
        self.receive(1 - from, contents);
    }

    fn receive(&mut self, end: usize, contents: &[u8]) {
        let (rtc, source, destination) = match end {
            0 => (&mut self.theirs, OURS, THEIRS),
            _ => (&mut self.ours, THEIRS, OURS),
        };
        let receive = Receive::new(Protocol::Udp, source.into(), destination.into(), contents);
        let receive = receive.expect("a datagram of a known protocol");
        rtc.handle_input(Input::Receive(self.now, receive)).expect("the session lives");
    }
}

fn host(address: ([u8; 4], u16)) -> Candidate {
    Candidate::host(SocketAddr::from(address), "udp").expect("a usable address")
}

#[test]
fn keys_are_there_after_the_handshake_and_once() {
    let pair = Pair::new();
    assert!(pair.keys.take().is_none(), "no handshake yet");
    let pair = Pair::connected();
    assert!(pair.keys.take().is_some());
    assert!(pair.keys.take().is_none(), "taken");
}

#[test]
fn outside_of_a_capture_nothing_is_kept() {
    let ((), keys) = capture(|| ());
    let pair = Pair::connected();
    assert!(keys.take().is_none());
    assert!(pair.keys.take().is_some());
}

#[test]
fn what_the_other_end_seals_we_open() {
    let mut pair = Pair::connected();
    let (mut opener, _) = pair.keys.take().expect("keys after the handshake");
    let payload_type = pair.theirs.media(pair.audio).expect("negotiated").remote_pts()[0];
    for sequence in 100..110_u64 {
        let now = pair.now;
        let mut direct = pair.theirs.direct_api();
        let stream = direct.stream_tx_by_mid(pair.audio, None).expect("negotiated");
        let payload = sequence.to_be_bytes().to_vec();
        stream.write_rtp(RtpWrite::new(payload_type, sequence.into(), 960, now, payload));
        pair.step();
    }
    // A report is due within this.
    for _ in 0..1_000 {
        pair.step();
    }
    let (mut sequences, mut sender_reports) = (Vec::new(), 0);
    for mut packet in pair.media {
        if wire::Protocol::of(&packet) == Some(wire::Protocol::Rtcp) {
            let plain = opener.open_rtcp(&mut packet).expect("authentic");
            sender_reports += packets(&packet[..plain])
                .filter(|packet| matches!(packet, Packet::SenderReport { .. }))
                .count();
            continue;
        }
        let parsed = ParsedRtp::parse(&packet).expect("a valid header");
        let opened = opener.open_rtp(&mut packet, &parsed).expect("authentic");
        let payload = parsed.payload(&packet[..opened.packet_bytes]).expect("valid padding");
        assert_eq!(payload, opened.index.to_be_bytes());
        sequences.push(opened.index);
    }
    assert_eq!(sequences, (100..110).collect::<Vec<_>>());
    assert!(sender_reports > 0);
}

#[test]
fn what_we_seal_the_other_end_opens() {
    let mut pair = Pair::connected();
    let (_, mut sealer) = pair.keys.take().expect("keys after the handshake");
    let payload_type = *pair.theirs.media(pair.audio).expect("negotiated").remote_pts()[0];
    let ssrc = 0x1234_5678;
    pair.theirs.direct_api().expect_stream_rx(ssrc.into(), None, pair.audio, None);
    for index in 7..17_u16 {
        let header = RtpHeader {
            payload_type,
            sequence: index,
            timestamp: 960,
            ssrc,
            ..RtpHeader::default()
        };
        let mut buffer = [0; 100];
        let header_bytes = header
            .write(&ExtensionMap::default(), &Extensions::default(), &mut buffer)
            .expect("room");
        buffer[header_bytes..header_bytes + 3].copy_from_slice(b"abc");
        let sealed = sealer
            .seal_rtp(&mut buffer, header_bytes, header_bytes + 3, index.into())
            .expect("a fresh index");
        pair.receive(0, &buffer[..sealed]);
        pair.step();
    }
    let received: Vec<_> =
        pair.packets.iter().map(|packet| (*packet.seq_no, packet.payload.to_vec())).collect();
    assert_eq!(received, (7..17).map(|index| (index, b"abc".to_vec())).collect::<Vec<_>>());
}

#[test]
fn the_other_end_reads_our_reports() {
    let mut pair = Pair::connected();
    let (_, mut sealer) = pair.keys.take().expect("keys after the handshake");
    let mut buffer = [0; 600];
    let mut writer = Writer::new(&mut buffer);
    let info = SenderInfo { ssrc: 1, ntp: 5 << 32, ..SenderInfo::default() };
    let block = ReportBlock { ssrc: 9, cumulative_lost: -2, ..ReportBlock::default() };
    let arrivals_us: Vec<_> =
        (0..40).map(|index| (index % 3 != 1).then_some(64_000 + index * 10_250)).collect();
    let report = twcc::Report { base: 65_530, number: 3, arrivals_us: &arrivals_us };
    writer.sender_report(&info, &[block]).expect("room");
    writer.source_description(1, "relay").expect("room");
    writer.nack(1, 9, [5, 6, 30]).expect("room");
    writer.picture_loss(1, 9).expect("room");
    writer.full_intra(1, 9, 4).expect("room");
    assert_eq!(writer.transport_wide(1, 9, &report), Some(40));
    writer.goodbye(&[1]).expect("room");
    let plain = writer.written();
    let sealed = sealer.seal_rtcp(&mut buffer, plain).expect("room");
    pair.receive(0, &buffer[..sealed]);
    pair.step();
    let mut read = pair.reports.into_iter();
    let Some(Rtcp::SenderReport(sender)) = read.next() else { panic!("a sender report") };
    assert_eq!(*sender.sender_info.ssrc, 1);
    assert_eq!(sender.reports.iter().map(|block| *block.ssrc).collect::<Vec<_>>(), [9]);
    assert!(matches!(read.next(), Some(Rtcp::SourceDescription(_))));
    let Some(Rtcp::Nack(nack)) = read.next() else { panic!("a NACK") };
    let entries: Vec<_> = nack.reports.iter().map(|entry| (entry.pid, entry.blp)).collect();
    assert_eq!(entries, [(5, 1), (30, 0)]);
    assert!(matches!(read.next(), Some(Rtcp::Pli(pli)) if *pli.ssrc == 9));
    let Some(Rtcp::Fir(fir)) = read.next() else { panic!("a FIR") };
    assert_eq!(fir.reports.iter().map(|entry| *entry.ssrc).collect::<Vec<_>>(), [9]);
    let Some(Rtcp::Twcc(feedback)) = read.next() else { panic!("feedback") };
    let epoch = pair.now;
    let times: Vec<_> = feedback
        .into_iter(epoch, 65_530.into())
        .map(|(_, _, at)| at.map(|at| (at - epoch).as_micros() as u64))
        .collect();
    assert_eq!(times, arrivals_us);
    assert!(matches!(read.next(), Some(Rtcp::Goodbye(_))));
}
