//! Two str0m peers over the same links; the sender follows str0m's estimate.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::bwe::{Bitrate, BweKind};
use str0m::change::SdpAnswer;
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use crate::link::{Link, Path, Random};
use crate::record::Record;
use crate::rig::MS;
use crate::transfer::Transfer;

const START_BPS: u64 = 600_000;
const DESIRED_BPS: u64 = 5_000_000;
const BELOW_RTP_BYTES: usize = 28;
/// With the header, its extensions and the authentication tag: as our rig's packets.
const MAX_PAYLOAD_BYTES: usize = 1_100;
const HEADERS_BYTES: f64 = 50.0;
const TURNS: usize = 8;
const FRAME: Duration = Duration::from_millis(33);
const AUDIO: Duration = Duration::from_millis(20);
const AUDIO_PAYLOAD_BYTES: usize = 70;
const AUDIO_BPS: f64 = 48_000.0;

#[derive(Clone)]
pub(crate) enum Crossing {
    Datagram(Vec<u8>),
    Transfer(u64),
}

struct Peer {
    rtc: Rtc,
    address: SocketAddr,
    due: Instant,
    connected: bool,
    estimate_bps: Option<f64>,
    outgoing: Vec<Vec<u8>>,
}

impl Peer {
    fn new(now: Instant, port: u16, estimates: bool) -> Self {
        let mut config = RtcConfig::new().set_rtp_mode(true).clear_codecs();
        config = config.enable_opus(true, false).enable_vp8(true);
        if estimates {
            config = config.enable_bwe(Some(Bitrate::from(START_BPS)));
        }
        let address = SocketAddr::from(([192, 0, 2, 1], port));
        let mut rtc = config.build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("a usable address"));
        Self { rtc, address, due: now, connected: false, estimate_bps: None, outgoing: Vec::new() }
    }

    fn receive(&mut self, now: Instant, from: SocketAddr, contents: &[u8]) {
        let receive = Receive::new(Protocol::Udp, from, self.address, contents);
        let input = Input::Receive(now, receive.expect("what the other peer sent"));
        self.rtc.handle_input(input).expect("the peer stays healthy");
        self.drain();
    }

    fn wake(&mut self, now: Instant) {
        self.rtc.handle_input(Input::Timeout(now)).expect("the peer stays healthy");
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().expect("the peer stays healthy") {
                Output::Transmit(transmit) => self.outgoing.push(transmit.contents.to_vec()),
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::EgressBitrateEstimate(BweKind::Twcc { estimate, .. })) => {
                    self.estimate_bps = Some(estimate.as_f64());
                }
                Output::Event(_) => {}
                Output::Timeout(at) => {
                    self.due = at;
                    return;
                }
            }
        }
    }
}

pub(crate) struct Peers {
    now: Instant,
    sender: Peer,
    receiver: Peer,
    audio: Mid,
    video: Mid,
    pub(crate) down: Link<Crossing>,
    up: Link<Vec<u8>>,
    pub(crate) transfer: Option<Transfer>,
    pub(crate) record: Record,
    /// Sends at this rate instead of the estimate.
    pub(crate) fixed_bps: Option<f64>,
    /// Sent by the sender.
    pub(crate) packets: u64,
    next_frame: Instant,
    next_audio: Instant,
    seq: [u64; 2],
    random: Random,
}

impl Peers {
    /// Connected over a good path, then put onto these.
    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    pub(crate) fn connected(down: Path, up: Path, seed: u64, estimates: bool) -> Self {
        let now = Instant::now();
        let mut sender = Peer::new(now, 5_001, estimates);
        let mut receiver = Peer::new(now, 5_002, false);
        let mut change = sender.rtc.sdp_api();
        let audio = change.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        let video = change.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
        let (offer, pending) = change.apply().expect("something to offer");
        let answer = receiver.rtc.sdp_api().accept_offer(offer).expect("an offer of str0m");
        let answer = SdpAnswer::from_sdp_string(&answer.to_sdp_string()).expect("an answer");
        sender.rtc.sdp_api().accept_answer(pending, answer).expect("an answer of str0m");
        let good = Path::good(5 * MS);
        let mut peers = Self {
            now,
            sender,
            receiver,
            audio,
            video,
            down: Link::new(good, seed),
            up: Link::new(good, seed ^ 0x5555),
            transfer: None,
            record: Record::new(now),
            fixed_bps: None,
            packets: 0,
            next_frame: now,
            next_audio: now,
            seq: [0; 2],
            random: Random::new(seed ^ 0xaaaa),
        };
        while !(peers.sender.connected && peers.receiver.connected) {
            peers.exchange();
            peers.now += MS;
        }
        let (start, end) = (Bitrate::ZERO, Bitrate::from(DESIRED_BPS));
        peers.sender.rtc.bwe().set_bitrate(start, end);
        (peers.down, peers.up) = (Link::new(down, seed), Link::new(up, seed ^ 0x5555));
        peers.record = Record::new(peers.now);
        (peers.next_frame, peers.next_audio) = (peers.now, peers.now);
        peers
    }

    pub(crate) fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while self.now < end {
            self.exchange();
            self.send_media();
            self.step_transfer();
            if self.record.is_due(self.now) {
                self.record.add(self.now, self.estimate_bps(), &mut self.down);
            }
            self.now += MS;
        }
    }

    fn estimate_bps(&self) -> f64 {
        self.sender.estimate_bps.unwrap_or(START_BPS as f64)
    }

    fn exchange(&mut self) {
        let now = self.now;
        while let Some((_, contents)) = self.up.receive(now) {
            self.sender.receive(now, self.receiver.address, &contents);
        }
        // Its pacer sends a packet per time-out, so several may be due at once.
        for _ in 0..TURNS {
            if self.sender.due <= now {
                self.sender.wake(now);
            }
        }
        for contents in self.sender.outgoing.drain(..) {
            self.packets += 1;
            let bytes = contents.len() + BELOW_RTP_BYTES;
            self.down.send(now, bytes, Crossing::Datagram(contents));
        }
        while let Some((_, crossing)) = self.down.receive(now) {
            match crossing {
                Crossing::Datagram(contents) => {
                    self.receiver.receive(now, self.sender.address, &contents);
                }
                Crossing::Transfer(seq) => {
                    if let Some(transfer) = &mut self.transfer {
                        transfer.deliver(now, seq);
                    }
                }
            }
        }
        if self.receiver.due <= now {
            self.receiver.wake(now);
        }
        for contents in self.receiver.outgoing.drain(..) {
            self.up.send(now, contents.len() + BELOW_RTP_BYTES, contents);
        }
    }

    fn send_media(&mut self) {
        while self.next_audio <= self.now {
            self.next_audio += AUDIO;
            self.write(self.audio, Codec::Opus, 0, AUDIO_PAYLOAD_BYTES);
        }
        while self.next_frame <= self.now {
            self.next_frame += FRAME;
            let rate = self.fixed_bps.unwrap_or_else(|| self.estimate_bps() - AUDIO_BPS);
            let mean = rate.max(0.0) / 8.0 * FRAME.as_secs_f64();
            let mut bytes = mean * (0.7 + 0.6 * self.random.part());
            while bytes > HEADERS_BYTES {
                let payload = ((bytes - HEADERS_BYTES) as usize).clamp(1, MAX_PAYLOAD_BYTES);
                self.write(self.video, Codec::Vp8, 1, payload);
                bytes -= payload as f64 + HEADERS_BYTES;
            }
        }
    }

    fn write(&mut self, mid: Mid, codec: Codec, stream: usize, bytes: usize) {
        let pt = self.payload_type(codec);
        self.seq[stream] += 1;
        let seq = self.seq[stream];
        let timestamp = (seq as u32).wrapping_mul(960);
        let write = RtpWrite::new(pt, seq.into(), timestamp, self.now, vec![0x10; bytes]);
        let mut direct = self.sender.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(mid, None).expect("a send stream");
        stream.write_rtp(write);
        self.sender.wake(self.now);
    }

    fn payload_type(&self, codec: Codec) -> Pt {
        let config = self.sender.rtc.codec_config();
        config.find(|params| params.spec().codec == codec).expect("it was negotiated").pt()
    }

    fn step_transfer(&mut self) {
        let Some(transfer) = &mut self.transfer else { return };
        let (bytes, numbers) = transfer.step(self.now);
        for number in numbers {
            self.down.send(self.now, bytes, Crossing::Transfer(number));
        }
    }
}
