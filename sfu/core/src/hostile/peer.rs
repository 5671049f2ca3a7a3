//! One end of a call: str0m for ICE and DTLS, media by its own hand.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use housecall_protocol::ids::PersonId;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use crate::inbound::Arrivals;
use crate::keys::{self, CapturedKeys};
use crate::srtp::{MAX_OVERHEAD_BYTES, Opener, Sealer};
use crate::wire::extensions::{Extension, ExtensionMap, Extensions};
use crate::wire::rtcp::{Packet, Writer, packets};
use crate::wire::rtp::{ParsedRtp, RtpHeader};
use crate::wire::{self};

/// Slots of each kind in an offer, besides what the peer sends: enough for the rooms here.
const EXTRA_SLOTS: usize = 2;
const MAX_PACKET_BYTES: usize = 1_500;
/// In what honest peers send, so that no bytes of chance pass for it.
const HONEST: &[u8] = b"honest";
/// Of the layers of one who sends several.
pub(super) const RIDS: [&str; 3] = ["q", "h", "f"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Audio,
    Video,
}

/// Something a peer sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) mid: Mid,
    pub(super) payload_type: u8,
    pub(super) ssrc: u32,
    /// The next packet's, rollover counter and sequence number.
    pub(super) index: u64,
}

/// A packet of an honest peer, as another one received it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) kind: Kind,
    /// The number of the peer that sent it.
    pub(super) from: u8,
    pub(super) number: u32,
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
}

/// RTCP that reached a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) keyframes: usize,
    pub(super) nacks: usize,
}

pub(super) struct Peer {
    pub(super) person: PersonId,
    /// Written into everything it sends.
    pub(super) number: u8,
    pub(super) address: SocketAddr,
    pub(super) connected: bool,
    pub(super) audio: Line,
    pub(super) video: Line,
    /// All that its video may be sent in, repetitions included.
    pub(super) video_payload_types: Vec<u8>,
    pub(super) heard: Vec<Heard>,
    pub(super) asked: Asked,
    /// Bytes of all datagrams that reached it.
    pub(super) received_bytes: usize,
    pub(super) outgoing: VecDeque<Vec<u8>>,
    rtc: Rtc,
    due: Instant,
    keys: CapturedKeys,
    media: Option<(Opener, Sealer)>,
    extensions: ExtensionMap,
    arrivals: Arrivals,
    transport_sequence: u16,
    wants_keyframe: bool,
}

impl Peer {
    /// A peer and its offer. `layered`: with every codec, and video in three layers.
    pub(super) fn new(
        now: Instant,
        number: u8,
        address: SocketAddr,
        layered: bool,
    ) -> (Self, String, SdpPendingOffer) {
        let (mut rtc, keys) = keys::capture(|| {
            RtcConfig::new()
                .set_rtp_mode(true)
                .clear_codecs()
                .enable_opus(true, false)
                .enable_vp8(true)
                .enable_vp9(true)
                .enable_h264(true)
                .enable_av1(true)
                .set_crypto_provider(keys::capturing_provider())
                .build(now)
        });
        let layers = RIDS.map(SimulcastLayer::new).to_vec();
        let layers = layered.then_some(Simulcast { send: layers, recv: Vec::new() });
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("a usable address"));
        let mut change = rtc.sdp_api();
        let audio = change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let video = change.add_media(MediaKind::Video, Direction::SendRecv, None, None, layers);
        for kind in [MediaKind::Audio, MediaKind::Video].repeat(EXTRA_SLOTS) {
            change.add_media(kind, Direction::RecvOnly, None, None, None);
        }
        let (offer, pending) = change.apply().expect("something to offer");
        let line = |mid: Mid| Line { mid, payload_type: 0, ssrc: 0, index: 1_000 };
        let peer = Self {
            person: PersonId::generate(),
            number,
            address,
            connected: false,
            audio: line(audio),
            video: line(video),
            video_payload_types: Vec::new(),
            heard: Vec::new(),
            asked: Asked::default(),
            received_bytes: 0,
            outgoing: VecDeque::new(),
            rtc,
            due: now,
            keys,
            media: None,
            extensions: ExtensionMap::default(),
            arrivals: Arrivals::new(now),
            transport_sequence: 0,
            wants_keyframe: true,
        };
        (peer, offer.to_sdp_string(), pending)
    }

    pub(super) fn accept_answer(&mut self, now: Instant, pending: SdpPendingOffer, answer: &str) {
        self.extensions = ids_of(answer);
        self.audio.payload_type = payload_types(answer, "opus/48000/2")[0];
        self.video.payload_type = payload_types(answer, "VP8/90000")[0];
        self.video_payload_types = ["VP8", "VP9", "H264", "AV1", "rtx"]
            .map(|codec| payload_types(answer, &format!("{codec}/90000")))
            .concat();
        let answer = SdpAnswer::from_sdp_string(answer).expect("the relay writes valid SDP");
        self.rtc.sdp_api().accept_answer(pending, answer).expect("the answer fits the offer");
        let mut direct = self.rtc.direct_api();
        for line in [&mut self.audio, &mut self.video] {
            let streams = [None, Some(RIDS[0].into())];
            let known = streams.into_iter().find_map(|rid| {
                direct.stream_tx_by_mid(line.mid, rid).map(|stream| *stream.ssrc())
            });
            line.ssrc = known.expect("the m-line lets us send");
        }
        self.drain(now);
    }

    pub(super) const fn line_mut(&mut self, kind: Kind) -> &mut Line {
        match kind {
            Kind::Audio => &mut self.audio,
            Kind::Video => &mut self.video,
        }
    }

    /// Whether a keyframe was asked for since the last call.
    pub(super) const fn take_wish(&mut self) -> bool {
        std::mem::replace(&mut self.wants_keyframe, false)
    }

    /// Sends the next packet of a line, as honest peers do.
    pub(super) fn send(&mut self, kind: Kind, number: u32, key: bool) {
        let mut payload = match kind {
            Kind::Audio => vec![0; 4],
            // VP8: the S bit, then a frame header whose lowest bit says "not a keyframe".
            Kind::Video => vec![0x10, u8::from(!key), 0, 0],
        };
        payload.extend(HONEST);
        payload.push(self.number);
        payload.extend(number.to_be_bytes());
        payload.resize(60, 0);
        let line = self.line_mut(kind);
        let (index, mid) = (line.index, line.mid);
        let header = RtpHeader {
            marker: true,
            payload_type: line.payload_type,
            sequence: index as u16,
            timestamp: (index as u32).wrapping_mul(960),
            ssrc: line.ssrc,
            padded: false,
        };
        line.index += 1;
        self.transport_sequence = self.transport_sequence.wrapping_add(1);
        let extensions = Extensions {
            mid: Some(mid.as_bytes()),
            transport_sequence: Some(self.transport_sequence),
            ..Extensions::default()
        };
        let packet = self.seal(&header, &extensions, &payload, index);
        self.outgoing.extend(packet);
    }

    /// Any packet, sealed under any index. `None` before the handshake, and when the
    /// index was used before.
    pub(super) fn seal(
        &mut self,
        header: &RtpHeader,
        extensions: &Extensions<'_>,
        payload: &[u8],
        index: u64,
    ) -> Option<Vec<u8>> {
        let mut packet = vec![0; MAX_PACKET_BYTES];
        let header_bytes = header.write(&self.extensions, extensions, &mut packet)?;
        packet.get_mut(header_bytes..header_bytes + payload.len())?.copy_from_slice(payload);
        self.seal_raw(packet, header_bytes, header_bytes + payload.len(), index)
    }

    /// Any bytes that have an RTP header, sealed under its own sequence number.
    pub(super) fn seal_bytes(&mut self, plain: &[u8]) -> Option<Vec<u8>> {
        let parsed = ParsedRtp::parse(plain)?;
        let index = parsed.header.sequence.into();
        self.seal_raw(plain.to_vec(), parsed.header_bytes, plain.len(), index)
    }

    fn seal_raw(
        &mut self,
        mut packet: Vec<u8>,
        header_bytes: usize,
        bytes: usize,
        index: u64,
    ) -> Option<Vec<u8>> {
        packet.resize(bytes + MAX_OVERHEAD_BYTES, 0);
        let (_, sealer) = self.media.as_mut()?;
        let sealed = sealer.seal_rtp(&mut packet, header_bytes, bytes, index).ok()?;
        packet.truncate(sealed);
        Some(packet)
    }

    /// Any RTCP, sealed. `None` before the handshake.
    pub(super) fn seal_rtcp(&mut self, compound: &[u8]) -> Option<Vec<u8>> {
        let mut packet = compound.to_vec();
        packet.resize(compound.len() + MAX_OVERHEAD_BYTES, 0);
        let (_, sealer) = self.media.as_mut()?;
        let sealed = sealer.seal_rtcp(&mut packet, compound.len()).ok()?;
        packet.truncate(sealed);
        Some(packet)
    }

    /// RTCP that `write` puts together, sealed and sent.
    pub(super) fn say(&mut self, write: impl FnOnce(&mut Writer<'_>)) {
        let mut buffer = [0; 1_200];
        let mut writer = Writer::new(&mut buffer);
        write(&mut writer);
        let written = writer.written();
        if written > 0 {
            let packet = self.seal_rtcp(&buffer[..written]);
            self.outgoing.extend(packet);
        }
    }

    /// Lets time pass.
    pub(super) fn wake(&mut self, now: Instant) {
        if self.due <= now {
            // A session that ended says so again and again.
            let _ = self.rtc.handle_input(Input::Timeout(now));
            self.drain(now);
        }
        if self.arrivals.next_report().is_some_and(|due| due <= now) {
            let mut buffer = [0; 1_150];
            let mut writer = Writer::new(&mut buffer);
            self.arrivals.report(&mut writer, self.audio.ssrc, 0);
            let written = writer.written();
            let packet = self.seal_rtcp(&buffer[..written]);
            self.outgoing.extend(packet);
        }
    }

    pub(super) fn receive(&mut self, now: Instant, relay: SocketAddr, datagram: &[u8]) {
        self.received_bytes += datagram.len();
        match wire::Protocol::of(datagram) {
            Some(wire::Protocol::Rtp) => self.receive_rtp(now, datagram),
            Some(wire::Protocol::Rtcp) => self.receive_rtcp(datagram),
            _ => {
                let receive = Receive::new(Protocol::Udp, relay, self.address, datagram);
                let receive = receive.expect("the relay sends valid packets");
                let _ = self.rtc.handle_input(Input::Receive(now, receive));
                self.drain(now);
            }
        }
    }

    fn receive_rtp(&mut self, now: Instant, datagram: &[u8]) {
        let mut packet = datagram.to_vec();
        let parsed = ParsedRtp::parse(&packet).expect("the relay sends valid packets");
        let (opener, _) = self.media.as_mut().expect("media comes after the handshake");
        let opened = opener.open_rtp(&mut packet, &parsed).expect("authentic, and once");
        let packet = &packet[..opened.packet_bytes];
        let values = self.extensions.read(parsed.elements(packet));
        if let Some(number) = values.transport_sequence {
            self.arrivals.note(now, number);
        }
        let payload = parsed.payload(packet).expect("valid padding");
        let header = parsed.header;
        let kind = match header.payload_type {
            known if known == self.audio.payload_type => Kind::Audio,
            known if known == self.video.payload_type => Kind::Video,
            // A repetition or a probe.
            _ => return,
        };
        let said = payload.get(4..).and_then(|rest| rest.strip_prefix(HONEST));
        if let Some([from, number @ ..]) = said.and_then(|said| said.first_chunk::<5>()) {
            self.heard.push(Heard {
                kind,
                from: *from,
                number: u32::from_be_bytes(*number),
                ssrc: header.ssrc,
                sequence: header.sequence,
            });
        }
    }

    fn receive_rtcp(&mut self, datagram: &[u8]) {
        let mut packet = datagram.to_vec();
        let (opener, _) = self.media.as_mut().expect("media comes after the handshake");
        let plain = opener.open_rtcp(&mut packet).expect("authentic, and once");
        for packet in packets(&packet[..plain]) {
            match packet {
                Packet::PictureLoss { .. } | Packet::FullIntra { .. } => {
                    self.asked.keyframes += 1;
                    self.wants_keyframe = true;
                }
                Packet::Nack { .. } => self.asked.nacks += 1,
                _ => {}
            }
        }
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Transmit(transmit)) => {
                    self.outgoing.push_back(transmit.contents.to_vec());
                }
                Ok(Output::Event(Event::Connected)) => {
                    self.connected = true;
                    self.media = self.keys.take();
                }
                Ok(Output::Event(_)) => {}
                Ok(Output::Timeout(at)) => {
                    self.due = at.max(now + Duration::from_millis(1));
                    return;
                }
                Err(_) => {
                    self.due = now + Duration::from_secs(1);
                    return;
                }
            }
        }
    }
}

/// The ids that a session description gives to extensions.
fn ids_of(sdp: &str) -> ExtensionMap {
    let mut map = ExtensionMap::new(sdp.contains("a=extmap-allow-mixed"));
    for line in sdp.lines() {
        let Some((id, uri)) = line.strip_prefix("a=extmap:").and_then(|it| it.split_once(' '))
        else {
            continue;
        };
        if let (Some(extension), Ok(id)) = (Extension::from_uri(uri), id.parse()) {
            map.set(extension, id);
        }
    }
    map
}

/// The payload types of a codec.
fn payload_types(sdp: &str, codec: &str) -> Vec<u8> {
    let mappings = sdp.lines().filter_map(|line| line.strip_prefix("a=rtpmap:")?.split_once(' '));
    mappings
        .filter(|(_, known)| *known == codec)
        .map(|(number, _)| number.parse().expect("a number"))
        .collect()
}
