//! A participant: a str0m peer in RTP mode that sends numbered packets.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use housecall_protocol::ids::PersonId;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{
    Direction, KeyframeRequestKind, MediaKind, Mid, Rid, Simulcast, SimulcastLayer,
};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use crate::camera::Shot;

pub(crate) struct Client {
    pub(crate) person: PersonId,
    pub(crate) address: SocketAddr,
    pub(crate) rtc: Rtc,
    pub(crate) audio: Mid,
    pub(crate) camera: Mid,
    pub(crate) screen: Option<Mid>,
    pub(crate) received: Vec<RtpPacket>,
    pub(crate) keyframe_requests: Vec<(Instant, Mid)>,
    /// The simulcast layers of which keyframes were asked for.
    pub(crate) layers_asked: Vec<Rid>,
    pub(crate) connected: bool,
    pub(crate) closed: bool,
    pub(crate) due: Instant,
    outgoing: VecDeque<(SocketAddr, Vec<u8>)>,
    pending: Option<SdpPendingOffer>,
    pub(crate) seq: [u64; 3],
}

/// What is particular in a client's first offer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offering {
    /// The camera is sent in three layers: q, h and f.
    pub(crate) simulcast: bool,
    /// Lines to receive audio on, besides the one that is sent.
    pub(crate) more_audio: usize,
    /// Audio may carry earlier packets again (RFC 2198).
    pub(crate) redundancy: bool,
}

impl Offering {
    pub(crate) const PLAIN: Self = Self { simulcast: false, more_audio: 0, redundancy: false };
}

/// What a client sends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Audio = 0,
    Camera = 1,
    Screen = 2,
}

impl Client {
    /// A client and its first offer: audio and video, both ways.
    pub(crate) fn new(now: Instant, address: SocketAddr) -> (Self, String) {
        Self::offering(now, address, Offering::PLAIN)
    }

    pub(crate) fn offering(now: Instant, address: SocketAddr, what: Offering) -> (Self, String) {
        let mut rtc = RtcConfig::new()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, what.redundancy)
            .enable_vp8(true)
            .enable_h264(true)
            .build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("a usable address"));
        let mut change = rtc.sdp_api();
        let audio = change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let layers = what.simulcast.then(|| Simulcast {
            send: ["q", "h", "f"].map(SimulcastLayer::new).to_vec(),
            recv: Vec::new(),
        });
        let camera = change.add_media(MediaKind::Video, Direction::SendRecv, None, None, layers);
        for _ in 0..what.more_audio {
            change.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        }
        let (offer, pending) = change.apply().expect("something to offer");
        let client = Self {
            person: PersonId::generate(),
            address,
            rtc,
            audio,
            camera,
            screen: None,
            received: Vec::new(),
            keyframe_requests: Vec::new(),
            layers_asked: Vec::new(),
            connected: false,
            closed: false,
            due: now,
            outgoing: VecDeque::new(),
            pending: Some(pending),
            seq: [1_000; 3],
        };
        (client, offer.to_sdp_string())
    }

    pub(crate) fn accept_answer(&mut self, now: Instant, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).expect("the relay writes valid SDP");
        let pending = self.pending.take().expect("an offer was made");
        self.rtc.sdp_api().accept_answer(pending, answer).expect("the answer fits the offer");
        self.drain(now);
    }

    /// An offer with one more video line.
    pub(crate) fn offer_video(&mut self, now: Instant, direction: Direction) -> (Mid, String) {
        let mut change = self.rtc.sdp_api();
        let mid = change.add_media(MediaKind::Video, direction, None, None, None);
        let (offer, pending) = change.apply().expect("something to offer");
        self.pending = Some(pending);
        self.drain(now);
        (mid, offer.to_sdp_string())
    }

    /// A restarted offer. `address`: the client's network changed.
    pub(crate) fn offer_restart(&mut self, now: Instant, address: Option<SocketAddr>) -> String {
        let mut change = self.rtc.sdp_api();
        change.ice_restart(address.is_none());
        let (offer, pending) = change.apply().expect("something to offer");
        self.pending = Some(pending);
        if let Some(address) = address {
            self.address = address;
        }
        self.drain(now);
        offer.to_sdp_string()
    }

    /// Must follow the answer to a restart with a new address, which drops candidates.
    pub(crate) fn add_candidate(&mut self, now: Instant) {
        let candidate = Candidate::host(self.address, "udp").expect("a usable address");
        self.rtc.add_local_candidate(candidate);
        self.drain(now);
    }

    /// Sends the next packet of a medium. `payload` starts with what its codec wants.
    pub(crate) fn send(&mut self, now: Instant, media: Media, payload: &[u8]) {
        let (mid, codec) = match media {
            Media::Audio => (self.audio, Codec::Opus),
            Media::Camera => (self.camera, Codec::Vp8),
            Media::Screen => (self.screen.expect("a screen line"), Codec::Vp8),
        };
        let params = self
            .rtc
            .codec_config()
            .find(|params| params.spec().codec == codec)
            .expect("the codec was negotiated");
        let pt = params.pt();
        let seq = &mut self.seq[media as usize];
        *seq += 1;
        let timestamp = (*seq as u32).wrapping_mul(960);
        let write = RtpWrite::new(pt, (*seq).into(), timestamp, now, payload).nackable(true);
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(mid, None).expect("a send stream");
        stream.write_rtp(write);
        self.wake(now);
    }

    /// Sends a packet of the camera, of a simulcast layer or without.
    pub(crate) fn film(&mut self, now: Instant, shot: &Shot) {
        let params = self.rtc.codec_config().find(|params| params.spec().codec == Codec::Vp8);
        let pt = params.expect("VP8 was negotiated").pt();
        let write =
            RtpWrite::new(pt, shot.seq.into(), shot.timestamp, now, shot.payload.as_slice())
                .marker(shot.marker)
                .nackable(true);
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(self.camera, shot.rid.map(Rid::from));
        stream.expect("a stream for the layer").write_rtp(write);
    }

    /// Says something, this many dB below the loudest.
    pub(crate) fn speak(&mut self, now: Instant, below: i8) {
        let params = self.rtc.codec_config().find(|params| params.spec().codec == Codec::Opus);
        let pt = params.expect("Opus was negotiated").pt();
        let seq = &mut self.seq[Media::Audio as usize];
        *seq += 1;
        let levels = ExtensionValues {
            audio_level: Some(-below),
            voice_activity: Some(below < 50),
            ..ExtensionValues::default()
        };
        let timestamp = (*seq as u32).wrapping_mul(960);
        let payload = (*seq as u32).to_be_bytes();
        let write =
            RtpWrite::new(pt, (*seq).into(), timestamp, now, payload.as_slice()).ext_vals(levels);
        let mut direct = self.rtc.direct_api();
        direct.stream_tx_by_mid(self.audio, None).expect("a send stream").write_rtp(write);
        self.wake(now);
    }

    /// Says `now` after `before`, which is repeated in the same packet if there is any.
    pub(crate) fn say(&mut self, now: Instant, before: &[u8], newest: &[u8]) {
        let params = self.rtc.codec_config().find(|params| params.spec().codec == Codec::Opus);
        let params = params.expect("Opus was negotiated");
        let (opus, red) = (params.pt(), params.red());
        let seq = &mut self.seq[Media::Audio as usize];
        *seq += 1;
        let timestamp = (*seq as u32).wrapping_mul(960);
        let (pt, payload) = match red.filter(|_| !before.is_empty()) {
            // RFC 2198 section 3: F and type, 14 bits of age and 10 of length; then type.
            Some(red) => {
                let mut payload = vec![0x80 | *opus, 0, 0, 0, *opus];
                let fields = 960_u32 << 10 | before.len() as u32;
                payload[1..4].copy_from_slice(&fields.to_be_bytes()[1..]);
                payload.extend(before.iter().chain(newest));
                (red, payload)
            }
            None => (opus, newest.to_vec()),
        };
        let write = RtpWrite::new(pt, (*seq).into(), timestamp, now, payload.as_slice());
        let mut direct = self.rtc.direct_api();
        direct.stream_tx_by_mid(self.audio, None).expect("a send stream").write_rtp(write);
        self.wake(now);
    }

    /// The payload types of audio: plain and redundant.
    pub(crate) fn audio_types(&self) -> (u8, Option<u8>) {
        let params = self.rtc.codec_config().find(|params| params.spec().codec == Codec::Opus);
        let params = params.expect("Opus was negotiated");
        (*params.pt(), params.red().map(|red| *red))
    }

    /// Begins a stream far into its life.
    pub(crate) fn skip_to(&mut self, media: Media, seq: u64) {
        self.seq[media as usize] = seq;
    }

    pub(crate) fn request_keyframe(&mut self, now: Instant, mid: Mid) {
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_rx_by_mid(mid, None).expect("a receive stream");
        stream.request_keyframe(KeyframeRequestKind::Pli);
        self.wake(now);
    }

    pub(crate) fn wake(&mut self, now: Instant) {
        self.rtc.handle_input(Input::Timeout(now)).expect("the client stays healthy");
        self.drain(now);
    }

    pub(crate) fn receive(&mut self, now: Instant, source: SocketAddr, contents: &[u8]) {
        let receive = Receive::new(Protocol::Udp, source, self.address, contents)
            .expect("the relay sends valid packets");
        self.rtc.handle_input(Input::Receive(now, receive)).expect("the client stays healthy");
        self.drain(now);
    }

    pub(crate) fn take_outgoing(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.outgoing.pop_front()
    }

    /// Payloads received in an m-line since the last call.
    pub(crate) fn take_received(&mut self, mid: Mid) -> Vec<RtpPacket> {
        let ssrc = self.rtc.direct_api().stream_rx_by_mid(mid, None).map(|stream| stream.ssrc());
        let (taken, kept) = std::mem::take(&mut self.received)
            .into_iter()
            .partition(|packet| Some(packet.header.ssrc) == ssrc);
        self.received = kept;
        taken
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output().expect("the client stays healthy") {
                Output::Transmit(transmit) => {
                    self.outgoing.push_back((transmit.destination, transmit.contents.to_vec()));
                }
                Output::Event(Event::RtpPacket(packet)) => self.received.push(packet),
                Output::Event(Event::KeyframeRequest(request)) => {
                    self.keyframe_requests.push((now, request.mid));
                    self.layers_asked.extend(request.rid);
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::Closed) => self.closed = true,
                Output::Event(_) => {}
                Output::Timeout(at) => {
                    // str0m may ask for a time that has come; time moves on by then.
                    self.due = at.max(now + std::time::Duration::from_millis(1));
                    return;
                }
            }
        }
    }
}
