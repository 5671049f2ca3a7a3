//! A participant: a str0m client with a camera and a microphone of its own, a viewer
//! for each received video line, and a link each way.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use housecall_protocol::ids::PersonId;
use str0m::bwe::{Bitrate, BweKind};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{
    Direction, KeyframeRequestKind, MediaKind, Mid, Pt, Rid, Simulcast, SimulcastLayer,
};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite, Ssrc};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use super::camera::Camera;
use super::viewer::Viewer;
use super::voice::{self, Heard, Listener};
use crate::link::{Link, Path};

/// Small, middle and large, as the web client sends them.
pub(super) const RIDS: [&str; 3] = ["q", "h", "f"];
pub(super) const LAYERS_BPS: [u64; 3] = [150_000, 500_000, 1_500_000];
/// What a client assumes of its uplink at first.
const FIRST_UPLINK_BPS: f64 = 1_000_000.0;
/// Voice with its headers comes first.
const VOICE_BPS: f64 = 60_000.0;
/// What RTP, SRTP and retransmission add to a picture's bytes.
const OVERHEAD: f64 = 1.08;
/// IPv4 and UDP.
const BELOW_RTP_BYTES: usize = 28;
const RTX_PACKETS: usize = 512;

/// What an encoder goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Uplink {
    /// It sends what it wants.
    Ignored,
    /// What str0m believes by the relay's reports. It changes its mind now and then.
    Believed,
    /// The link's rate, as soon as the queue could tell: a good sender, so that what
    /// comes out is the relay's.
    Known,
}

/// How a receiver tells what its downlink carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tells {
    /// When each packet arrived (transport-wide feedback), as browsers do.
    Arrivals,
    /// What is lost, in receiver reports.
    Loss,
    /// Just as little, though it offers to tell of arrivals.
    LossDespitePromise,
    /// What is lost, and what it thinks its downlink carries: REMB.
    LossAndEstimate,
}

/// A receiver's estimate is sent that often.
const REMB_INTERVAL: Duration = Duration::from_millis(500);
/// What a receiver that knows its link says of it.
const REMB_PART: f64 = 0.85;

/// How much of the link a sender who knows its rate uses for pictures.
const KNOWN_PART: f64 = 0.7;

/// What a participant brings along.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    /// Rates of the camera's layers from small to large; none: it only watches.
    pub(super) camera_bps: &'static [u64],
    /// Whether it speaks.
    pub(super) speaks: bool,
    /// What its encoder goes by.
    pub(super) uplink: Uplink,
    pub(super) tells: Tells,
    /// Video lines it can receive on.
    pub(super) tiles: usize,
    pub(super) up: Path,
    pub(super) down: Path,
}

impl Setup {
    /// Simulcast, voice, and room for one other, over 20 ms each way.
    pub(super) const GOOD: Self = Self {
        camera_bps: &LAYERS_BPS,
        speaks: true,
        uplink: Uplink::Ignored,
        tells: Tells::Arrivals,
        tiles: 1,
        up: Path::good(Duration::from_millis(20)),
        down: Path::good(Duration::from_millis(20)),
    };

    pub(super) const WATCHES: Self = Self { camera_bps: &[], speaks: false, ..Self::GOOD };
}

pub(super) struct Peer {
    pub(super) person: PersonId,
    pub(super) address: SocketAddr,
    pub(super) up: Link<Vec<u8>>,
    pub(super) down: Link<Vec<u8>>,
    pub(super) camera: Option<Camera>,
    pub(super) speaks: bool,
    /// It sends a packet of voice each 400 ms only, as while its owner is silent.
    pub(super) pauses: bool,
    uplink: Uplink,
    tells: Tells,
    next_remb: Instant,
    received_bytes: u64,
    /// What was seen in each received video line.
    pub(super) viewers: HashMap<Mid, Viewer>,
    pub(super) listeners: HashMap<Mid, Listener>,
    pub(super) connected: bool,
    pub(super) closed: bool,
    /// It gets no processor: what arrives waits in its socket.
    pub(super) asleep: bool,
    /// What it sends waits for its uplink.
    pub(super) held_up: bool,
    /// How fast its clock runs.
    pub(super) clock_speed: f64,
    pub(super) uplink_bps: f64,
    /// Voice packets sent.
    pub(super) spoken: u32,
    rtc: Rtc,
    audio: Mid,
    video: Mid,
    number: u32,
    stage_start: Instant,
    next_voice: Instant,
    due: Instant,
    pending: Option<SdpPendingOffer>,
    outgoing: VecDeque<Vec<u8>>,
    seqs: [u64; 4],
    /// Transport of what arrives: which line it belongs to.
    lines: HashMap<u32, (Mid, MediaKind)>,
    mids: Vec<(Mid, MediaKind)>,
}

impl Peer {
    /// A peer and its first offer. `number` tells its streams from those of others.
    pub(super) fn new(
        now: Instant,
        stage_start: Instant,
        number: u32,
        address: SocketAddr,
        setup: &Setup,
    ) -> (Self, String) {
        let mut config = RtcConfig::new()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true);
        if setup.uplink == Uplink::Believed {
            config = config.enable_bwe(Some(Bitrate::from(FIRST_UPLINK_BPS as u64)));
        }
        let mut rtc = config.build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("a usable address"));
        let sends = !setup.camera_bps.is_empty();
        let direction = |sends| if sends { Direction::SendRecv } else { Direction::RecvOnly };
        let mut change = rtc.sdp_api();
        let audio = change.add_media(MediaKind::Audio, direction(setup.speaks), None, None, None);
        let simulcast = (setup.camera_bps.len() > 1).then(layers);
        let video = change.add_media(MediaKind::Video, direction(sends), None, None, simulcast);
        let mut mids = vec![(audio, MediaKind::Audio), (video, MediaKind::Video)];
        for _ in 1..setup.tiles {
            let direction = Direction::RecvOnly;
            let tile = change.add_media(MediaKind::Video, direction, None, None, None);
            mids.push((tile, MediaKind::Video));
        }
        let (offer, pending) = change.apply().expect("something to offer");
        let camera = sends.then(|| Camera::new(now, setup.camera_bps, number * 16));
        if let Some(camera) = &camera {
            let desired = Bitrate::from((camera.total_bps() * OVERHEAD + VOICE_BPS) as u64);
            rtc.bwe().set_bitrate(Bitrate::ZERO, desired);
        }
        let seed = u64::from(number);
        let peer = Self {
            person: PersonId::generate(),
            address,
            up: Link::new(setup.up, seed * 2),
            down: Link::new(setup.down, seed * 2 + 1),
            camera,
            speaks: setup.speaks,
            pauses: false,
            uplink: setup.uplink,
            tells: setup.tells,
            next_remb: now,
            received_bytes: 0,
            viewers: HashMap::new(),
            listeners: HashMap::new(),
            connected: false,
            closed: false,
            asleep: false,
            held_up: false,
            clock_speed: 1.0,
            uplink_bps: FIRST_UPLINK_BPS,
            spoken: 0,
            rtc,
            audio,
            video,
            number,
            stage_start,
            next_voice: now,
            due: now,
            pending: Some(pending),
            outgoing: VecDeque::new(),
            seqs: [u64::from(number % 7) * 1_000 + 100; 4],
            lines: HashMap::new(),
            mids,
        };
        let offer = offer.to_sdp_string();
        let promises = matches!(setup.tells, Tells::Arrivals | Tells::LossDespitePromise);
        if promises { (peer, offer) } else { (peer, without_numbers(&offer)) }
    }

    pub(super) fn accept_answer(&mut self, now: Instant, answer: &str) {
        let announced = announced(answer);
        // Nobody tells of arrivals who does not know that packets are numbered.
        let deaf = self.tells == Tells::LossDespitePromise;
        let answer = if deaf { without_numbers(answer) } else { answer.to_owned() };
        let answer = SdpAnswer::from_sdp_string(&answer).expect("the relay writes valid SDP");
        let pending = self.pending.take().expect("an offer was made");
        self.rtc.sdp_api().accept_answer(pending, answer).expect("the answer fits the offer");
        // str0m believes no SSRC of a line in which it sends simulcast; browsers do.
        let mut direct = self.rtc.direct_api();
        for (mid, ssrc, rtx) in announced {
            if direct.stream_rx(&ssrc).is_none() {
                direct.expect_stream_rx(ssrc, Some(rtx), mid, None);
            }
        }
        self.widen_caches();
        self.drain(now);
    }

    /// An offer with at least so many lines of each kind; `None` if they are there.
    pub(super) fn offer_lines(
        &mut self,
        now: Instant,
        audio: usize,
        video: usize,
    ) -> Option<String> {
        let mut change = self.rtc.sdp_api();
        for (kind, wanted) in [(MediaKind::Audio, audio), (MediaKind::Video, video)] {
            let present = self.mids.iter().filter(|(_, line)| *line == kind).count();
            for _ in present..wanted {
                let mid = change.add_media(kind, Direction::RecvOnly, None, None, None);
                self.mids.push((mid, kind));
            }
        }
        let (offer, pending) = change.apply()?;
        self.pending = Some(pending);
        self.drain(now);
        Some(offer.to_sdp_string())
    }

    /// As if it had sent that many voice packets before.
    pub(super) fn skip_voice(&mut self, packets: u64) {
        self.seqs[3] += packets;
    }

    /// What it did not say is not made up for.
    pub(super) const fn hush(&mut self, now: Instant) {
        self.next_voice = now;
    }

    /// The line of its camera, in which it sees the other's.
    pub(super) fn video_mid(&self) -> String {
        self.video.to_string()
    }

    pub(super) fn want_layers(&mut self, rids: &[String]) {
        let Some(camera) = &mut self.camera else { return };
        if camera.layers() > 1 {
            let wanted = RIDS.map(|rid| rids.iter().any(|wanted| wanted == rid));
            camera.set_wanted(wanted[..camera.layers()].to_vec());
        }
    }

    /// Sends what camera and microphone have.
    pub(super) fn speak(&mut self, now: Instant) {
        if !self.connected {
            (self.next_voice, self.uplink_bps) = (now, FIRST_UPLINK_BPS);
            return;
        }
        let since = now - self.stage_start;
        while self.speaks && self.next_voice <= now {
            self.next_voice += if self.pauses { 20 * voice::FRAME } else { voice::FRAME };
            let payload = voice::payload(self.number, self.spoken, since);
            self.spoken += 1;
            self.write(now, self.audio, None, Codec::Opus, 3, &payload, true, self.spoken * 960);
        }
        let uplink = match (self.uplink, self.up.path.rate_bps) {
            (Uplink::Believed, _) => (self.uplink_bps - VOICE_BPS) / OVERHEAD,
            (Uplink::Known, Some(rate)) => KNOWN_PART * rate as f64 - VOICE_BPS,
            (Uplink::Known, None) | (Uplink::Ignored, _) => f64::INFINITY,
        };
        let Some(camera) = &mut self.camera else { return };
        let simulcast = camera.layers() > 1;
        for packet in camera.capture(now, since, uplink) {
            let rid = simulcast.then(|| Rid::from(RIDS[packet.layer]));
            let (layer, timestamp) = (packet.layer, packet.timestamp);
            let payload = &packet.payload;
            self.write(now, self.video, rid, Codec::Vp8, layer, payload, packet.marker, timestamp);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "an RTP packet has as many parts")]
    fn write(
        &mut self,
        now: Instant,
        mid: Mid,
        rid: Option<Rid>,
        codec: Codec,
        stream: usize,
        payload: &[u8],
        marker: bool,
        timestamp: u32,
    ) {
        let pt = self.payload_type(codec);
        self.seqs[stream] += 1;
        let seq = self.seqs[stream];
        let clock = self.clock(now);
        let write = RtpWrite::new(pt, seq.into(), timestamp, clock, payload)
            .marker(marker)
            .nackable(codec != Codec::Opus);
        let mut direct = self.rtc.direct_api();
        direct.stream_tx_by_mid(mid, rid).expect("a send stream").write_rtp(write);
        self.wake(now);
    }

    fn payload_type(&self, codec: Codec) -> Pt {
        let config = self.rtc.codec_config();
        config.find(|params| params.spec().codec == codec).expect("it was negotiated").pt()
    }

    /// As browsers do, it keeps what a second or so of retransmission may want.
    fn widen_caches(&mut self) {
        let Some(camera) = &self.camera else { return };
        let rids: Vec<_> = match camera.layers() {
            1 => vec![None],
            count => RIDS[..count].iter().map(|rid| Some(Rid::from(*rid))).collect(),
        };
        let mut direct = self.rtc.direct_api();
        for rid in rids {
            if let Some(stream) = direct.stream_tx_by_mid(self.video, rid) {
                stream.set_rtx_cache(RTX_PACKETS, Duration::from_secs(2), None);
            }
        }
    }

    pub(super) fn receive(&mut self, now: Instant, relay: SocketAddr, contents: &[u8]) {
        self.received_bytes += contents.len() as u64;
        let receive = Receive::new(Protocol::Udp, relay, self.address, contents)
            .expect("the relay sends valid packets");
        let clock = self.clock(now);
        self.rtc.handle_input(Input::Receive(clock, receive)).expect("the peer stays healthy");
        self.drain(now);
    }

    /// Does what is due, and puts what it sends onto its uplink.
    pub(super) fn turn(&mut self, now: Instant) {
        self.send_estimate(now);
        // str0m's pacer sends a packet per time-out, so several may be due at once.
        for _ in 0..4 {
            if self.due <= self.clock(now) {
                self.wake(now);
            }
        }
        let stuck: Vec<_> = self
            .viewers
            .iter_mut()
            .filter_map(|(mid, viewer)| viewer.decode(now).then_some(*mid))
            .collect();
        for mid in stuck {
            let mut direct = self.rtc.direct_api();
            if let Some(stream) = direct.stream_rx_by_mid(mid, None) {
                stream.request_keyframe(KeyframeRequestKind::Pli);
            }
            self.wake(now);
        }
        while !self.held_up
            && let Some(contents) = self.outgoing.pop_front()
        {
            self.up.send(now, contents.len() + BELOW_RTP_BYTES, contents);
        }
    }

    fn wake(&mut self, now: Instant) {
        let clock = self.clock(now);
        self.rtc.handle_input(Input::Timeout(clock)).expect("the peer stays healthy");
        self.drain(now);
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output().expect("the peer stays healthy") {
                Output::Transmit(transmit) => self.outgoing.push_back(transmit.contents.to_vec()),
                Output::Event(event) => self.on_event(now, event),
                Output::Timeout(at) => {
                    self.due = at;
                    return;
                }
            }
        }
    }

    fn on_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::RtpPacket(packet) => self.on_media(now, &packet),
            Event::KeyframeRequest(request) => {
                let rid = request.rid.map(|rid| RIDS.iter().position(|it| rid == Rid::from(*it)));
                if let Some(camera) = &mut self.camera {
                    camera.want_key(rid.flatten().unwrap_or(0));
                }
            }
            Event::EgressBitrateEstimate(BweKind::Twcc { estimate, .. }) => {
                self.uplink_bps = estimate.as_f64();
            }
            Event::Connected => self.connected = true,
            Event::Closed => self.closed = true,
            _ => {}
        }
    }

    /// Sends what a receiver knows that takes arrivals apart itself: what its link carries,
    /// but not much more than half again what comes.
    fn send_estimate(&mut self, now: Instant) {
        if self.tells != Tells::LossAndEstimate || self.next_remb > now {
            return;
        }
        self.next_remb = now + REMB_INTERVAL;
        let bytes = std::mem::take(&mut self.received_bytes);
        let received_bps = bytes as f64 * 8.0 / REMB_INTERVAL.as_secs_f64();
        let link_bps = self.down.path.rate_bps.map_or(f64::INFINITY, |bps| bps as f64);
        let bps = (1.5 * received_bps + 10_000.0).min(REMB_PART * link_bps);
        let ssrc = self.lines.iter().find(|(_, (_, kind))| *kind == MediaKind::Video);
        let Some(ssrc) = ssrc.map(|(ssrc, _)| Ssrc::from(*ssrc)) else { return };
        if let Some(stream) = self.rtc.direct_api().stream_rx(&ssrc) {
            stream.request_remb(Bitrate::from(bps as u64));
        }
        self.wake(now);
    }

    fn on_media(&mut self, now: Instant, packet: &RtpPacket) {
        let Some((mid, kind)) = self.line_of(*packet.header.ssrc) else { return };
        let start = self.stage_start;
        if kind == MediaKind::Audio {
            let listener = self.listeners.entry(mid).or_insert_with(|| Listener::new(start, now));
            listener.receive(now, &packet.payload);
            return;
        }
        let rtt = self.rtt();
        let viewer = self.viewers.entry(mid).or_insert_with(|| Viewer::new(start, now, rtt));
        let header = &packet.header;
        viewer.receive(*packet.seq_no, header.timestamp, header.marker, &packet.payload);
    }

    fn line_of(&mut self, ssrc: u32) -> Option<(Mid, MediaKind)> {
        if let Some(line) = self.lines.get(&ssrc) {
            return Some(*line);
        }
        let mut direct = self.rtc.direct_api();
        let found = self.mids.iter().find(|(mid, _)| {
            let stream = direct.stream_rx_by_mid(*mid, None);
            stream.is_some_and(|stream| *stream.ssrc() == ssrc)
        });
        let found = *found?;
        self.lines.insert(ssrc, found);
        Some(found)
    }

    fn rtt(&self) -> Duration {
        self.up.path.delay + self.down.path.delay
    }

    /// The peer's own clock.
    fn clock(&self, now: Instant) -> Instant {
        self.stage_start + (now - self.stage_start).mul_f64(self.clock_speed)
    }

    /// Counts from now on.
    pub(super) fn begin(&mut self, now: Instant) {
        self.viewers.values_mut().for_each(|viewer| viewer.begin(now));
        self.listeners.values_mut().for_each(|listener| listener.begin(now));
    }

    /// The line that saw most; there is one in a call of two.
    pub(super) fn viewer(&mut self) -> &mut Viewer {
        let most = self.viewers.iter().max_by_key(|(_, viewer)| viewer.seen.frames);
        let mid = most.map_or(self.video, |(mid, _)| *mid);
        let (start, rtt) = (self.stage_start, self.rtt());
        self.viewers.entry(mid).or_insert_with(|| Viewer::new(start, start, rtt))
    }

    /// What was heard in the line that heard most.
    pub(super) fn heard(&self) -> Heard {
        let all = self.listeners.values().map(|listener| &listener.heard);
        all.max_by_key(|heard| heard.packets).cloned().unwrap_or_default()
    }
}

/// A description that knows of no transport-wide numbers.
fn without_numbers(description: &str) -> String {
    let of_numbers =
        |line: &&str| line.contains("transport-wide-cc") || line.contains("transport-cc");
    description.lines().filter(|line| !of_numbers(line)).flat_map(|line| [line, "\r\n"]).collect()
}

/// The video streams that an answer names with their repetitions, by m-line.
fn announced(answer: &str) -> Vec<(Mid, Ssrc, Ssrc)> {
    let mut streams = Vec::new();
    let mut mid = None;
    for line in answer.lines() {
        if let Some(name) = line.strip_prefix("a=mid:") {
            mid = Some(Mid::from(name));
        }
        let pair = line.strip_prefix("a=ssrc-group:FID ").and_then(|pair| pair.split_once(' '));
        if let (Some(mid), Some((main, rtx))) = (mid, pair) {
            let ssrc = |text: &str| Ssrc::from(text.parse::<u32>().expect("a number"));
            streams.push((mid, ssrc(main), ssrc(rtx)));
        }
    }
    streams
}

fn layers() -> Simulcast {
    let mut simulcast = Simulcast::new();
    for rid in RIDS {
        simulcast.add_send_layer(SimulcastLayer::new(rid));
    }
    simulcast
}
