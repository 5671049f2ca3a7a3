//! A participant that reaches the relay in a way of its choice, and changes it during the
//! call: str0m over real sockets, in a thread of its own. It sends numbered Opus packets.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use housecall_protocol::cluster::{SfuReply, SfuRequest};
use housecall_protocol::ids::{CallId, PersonId};
use housecall_protocol::media::ParticipantRole;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use tokio::sync::{mpsc, oneshot, watch};

use crate::relay::{PATIENCE, Relay};

/// The rhythm of Opus.
const PACKET_INTERVAL: Duration = Duration::from_millis(20);
/// Longest wait for bytes, so that commands are seen.
const READ_WAIT: Duration = Duration::from_millis(2);

/// How a client reaches the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Udp(IpAddr),
    Tcp(IpAddr),
}

enum Command {
    /// The network gives the client another port, and does not say so.
    MovePort(oneshot::Sender<()>),
    /// The client itself moves, and restarts ICE to tell.
    Restart(Way, oneshot::Sender<String>),
    Answer(String),
    Stop,
}

pub(crate) struct Traveller {
    pub(crate) person: PersonId,
    /// Numbers of the packets that came from others.
    pub(crate) received: mpsc::UnboundedReceiver<u32>,
    /// Packets sent so far.
    pub(crate) sent: watch::Receiver<u32>,
    /// The relay's address that the selected pair leads to.
    pub(crate) reached: watch::Receiver<Option<SocketAddr>>,
    /// The relay's name for the session in STUN.
    pub(crate) ufrag: String,
    commands: Sender<Command>,
    thread: JoinHandle<()>,
}

impl Traveller {
    pub(crate) async fn join(relay: &Relay, room: CallId, way: Way) -> Self {
        let (commands, inbox) = channel();
        let (arrived, received) = mpsc::unbounded_channel();
        let (count, sent) = watch::channel(0);
        let (reach, reached) = watch::channel(None);
        let (mut state, offer) = Thread::new(way, arrived, count, reach);
        let thread = std::thread::spawn(move || state.run(&inbox));
        let person = PersonId::generate();
        let ufrag = String::new();
        let mut traveller = Self { person, received, sent, reached, ufrag, commands, thread };
        let role = ParticipantRole::Member;
        let join = SfuRequest::Join { room, participant: person, sdp: offer, role };
        traveller.answer(relay.request(&join).await);
        traveller
    }

    fn answer(&mut self, reply: Result<SfuReply, housecall_protocol::cluster::Refusal>) {
        let Ok(SfuReply::Answer { sdp }) = reply else {
            panic!("expected an answer, got {reply:?}");
        };
        let ufrag = sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:"));
        self.ufrag = ufrag.expect("the relay names the session").to_owned();
        self.tell(Command::Answer(sdp));
    }

    fn tell(&self, command: Command) {
        self.commands.send(command).expect("the client runs");
    }

    pub(crate) async fn move_port(&self) {
        let (done, moved) = oneshot::channel();
        self.tell(Command::MovePort(done));
        moved.await.expect("the client runs");
    }

    /// Moves to another network and tells the relay by a restart of ICE.
    pub(crate) async fn restart(&mut self, relay: &Relay, room: CallId, way: Way) {
        let (reply, offer) = oneshot::channel();
        self.tell(Command::Restart(way, reply));
        let sdp = offer.await.expect("the client runs");
        let offer = SfuRequest::Offer { room, participant: self.person, sdp };
        self.answer(relay.request(&offer).await);
    }

    /// Waits until media goes to this address of the relay.
    pub(crate) async fn until_reached(&mut self, ip: IpAddr) {
        let reached = self.reached.wait_for(|address| address.is_some_and(|at| at.ip() == ip));
        let reached = tokio::time::timeout(PATIENCE, reached).await.expect("it gets there");
        reached.expect("it runs");
    }

    /// Waits for `count` further packets.
    pub(crate) async fn receive(&mut self, count: usize) -> Vec<u32> {
        let mut numbers = Vec::new();
        let read = async {
            while numbers.len() < count {
                numbers.push(self.received.recv().await.expect("the client runs"));
            }
        };
        let done = tokio::time::timeout(PATIENCE, read).await;
        assert!(done.is_ok(), "only {} packets came", numbers.len());
        numbers
    }

    /// Waits for the packet of this number or a later one; returns all that came.
    pub(crate) async fn receive_until(&mut self, number: u32) -> Vec<u32> {
        let mut numbers = self.receive(1).await;
        while numbers.last().is_some_and(|last| *last < number) {
            numbers.extend(self.receive(1).await);
        }
        numbers
    }

    pub(crate) async fn close(self) {
        self.tell(Command::Stop);
        let thread = self.thread;
        tokio::task::spawn_blocking(|| thread.join()).await.expect("it ends").expect("no panic");
    }
}

/// The sockets of a way.
enum Sockets {
    Udp {
        socket: UdpSocket,
        /// As the candidate says; the socket's own port may be another by now.
        named: SocketAddr,
    },
    Tcp {
        named: SocketAddr,
        /// One for each candidate of the relay that was tried.
        streams: Vec<Stream>,
    },
}

struct Stream {
    peer: SocketAddr,
    stream: TcpStream,
    /// What was read and is no whole packet yet.
    partial: Vec<u8>,
}

impl Stream {
    fn open(peer: SocketAddr) -> Self {
        let stream = TcpStream::connect(peer).expect("the relay listens");
        stream.set_nodelay(true).expect("a usable socket");
        stream.set_read_timeout(Some(READ_WAIT)).expect("a usable socket");
        Self { peer, stream, partial: Vec::new() }
    }
}

impl Sockets {
    fn open(way: Way) -> Self {
        match way {
            Way::Udp(ip) => {
                let socket = open_udp(ip);
                let named = socket.local_addr().expect("bound");
                Self::Udp { socket, named }
            }
            // The port of active candidates means nothing (RFC 6544 section 4.5).
            Way::Tcp(ip) => Self::Tcp { named: SocketAddr::new(ip, 9), streams: Vec::new() },
        }
    }

    /// As the candidate says.
    const fn named(&self) -> (Protocol, SocketAddr) {
        match self {
            Self::Udp { named, .. } => (Protocol::Udp, *named),
            Self::Tcp { named, .. } => (Protocol::Tcp, *named),
        }
    }

    fn candidate(&self) -> Candidate {
        let builder = Candidate::builder();
        match self {
            Self::Udp { named, .. } => builder.udp().host(*named).build(),
            Self::Tcp { named, .. } => builder.tcp().host(*named).tcptype(TcpType::Active).build(),
        }
        .expect("a usable address")
    }

    fn send(&mut self, destination: SocketAddr, contents: &[u8]) {
        match self {
            Self::Udp { socket, .. } => {
                socket.send_to(contents, destination).expect("loopback takes it");
            }
            Self::Tcp { streams, .. } => {
                if !streams.iter().any(|stream| stream.peer == destination) {
                    streams.push(Stream::open(destination));
                }
                let length = u16::try_from(contents.len()).expect("a packet");
                let framed = [&length.to_be_bytes(), contents].concat();
                for stream in streams.iter_mut().filter(|stream| stream.peer == destination) {
                    // The relay closes what its sessions do not use any more.
                    let _ = stream.stream.write_all(&framed);
                }
            }
        }
    }

    /// Gives what has come to `take`: protocol, sender, receiver, contents.
    fn receive(&mut self, mut take: impl FnMut(Protocol, SocketAddr, SocketAddr, &[u8])) {
        let mut buffer = [0; 4096];
        match self {
            Self::Udp { socket, named } => {
                if let Ok((length, source)) = socket.recv_from(&mut buffer) {
                    take(Protocol::Udp, source, *named, &buffer[..length]);
                }
            }
            Self::Tcp { streams, .. } if streams.is_empty() => std::thread::sleep(READ_WAIT),
            Self::Tcp { named, streams } => {
                for Stream { peer, stream, partial } in streams {
                    let length = stream.read(&mut buffer).unwrap_or(0);
                    partial.extend_from_slice(&buffer[..length]);
                    while let Some((prefix, rest)) = partial.split_first_chunk::<2>() {
                        let length = usize::from(u16::from_be_bytes(*prefix));
                        let Some(packet) = rest.get(..length) else { break };
                        take(Protocol::Tcp, *peer, *named, packet);
                        partial.drain(..2 + length);
                    }
                }
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a client's own clock")]
fn clock() -> Instant {
    Instant::now()
}

fn open_udp(ip: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::new(ip, 0)).expect("a free port");
    socket.set_read_timeout(Some(READ_WAIT)).expect("a usable socket");
    socket
}

struct Thread {
    rtc: Rtc,
    audio: Mid,
    /// All ways taken so far: an old one stays open, since it carries media until ICE
    /// has found the new one.
    ways: Vec<Sockets>,
    /// Becomes a candidate once a restart is answered.
    next: Option<Sockets>,
    pending: Option<SdpPendingOffer>,
    connected: bool,
    number: u32,
    next_packet: Instant,
    arrived: mpsc::UnboundedSender<u32>,
    count: watch::Sender<u32>,
    reach: watch::Sender<Option<SocketAddr>>,
}

impl Thread {
    fn new(
        way: Way,
        arrived: mpsc::UnboundedSender<u32>,
        count: watch::Sender<u32>,
        reach: watch::Sender<Option<SocketAddr>>,
    ) -> (Self, String) {
        let config = RtcConfig::new().set_rtp_mode(true).clear_codecs().enable_opus(true, false);
        let mut rtc = config.build(clock());
        let sockets = Sockets::open(way);
        rtc.add_local_candidate(sockets.candidate());
        let mut change = rtc.sdp_api();
        let audio = change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, pending) = change.apply().expect("something to offer");
        let state = Self {
            rtc,
            audio,
            ways: vec![sockets],
            next: None,
            pending: Some(pending),
            connected: false,
            number: 0,
            next_packet: clock(),
            arrived,
            count,
            reach,
        };
        (state, offer.to_sdp_string())
    }

    fn run(&mut self, inbox: &Receiver<Command>) {
        loop {
            match inbox.try_recv() {
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => return,
                Ok(command) => self.obey(command),
                Err(TryRecvError::Empty) => {}
            }
            self.speak();
            self.rtc.handle_input(Input::Timeout(clock())).expect("it stays healthy");
            self.drain();
            self.listen();
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::MovePort(done) => {
                for way in &mut self.ways {
                    if let Sockets::Udp { socket, named } = way {
                        *socket = open_udp(named.ip());
                    }
                }
                let _ = done.send(());
            }
            Command::Restart(way, reply) => {
                self.next = Some(Sockets::open(way));
                let mut change = self.rtc.sdp_api();
                change.ice_restart(false);
                let (offer, pending) = change.apply().expect("something to offer");
                self.pending = Some(pending);
                let _ = reply.send(offer.to_sdp_string());
            }
            Command::Answer(sdp) => {
                let answer = SdpAnswer::from_sdp_string(&sdp).expect("the relay writes SDP");
                let pending = self.pending.take().expect("an offer was made");
                self.rtc.sdp_api().accept_answer(pending, answer).expect("the answer fits");
                if let Some(next) = self.next.take() {
                    self.rtc.add_local_candidate(next.candidate());
                    self.ways.push(next);
                }
            }
            Command::Stop => {}
        }
    }

    fn speak(&mut self) {
        if !self.connected || clock() < self.next_packet {
            return;
        }
        self.next_packet += PACKET_INTERVAL;
        self.number += 1;
        let pt = self
            .rtc
            .codec_config()
            .find(|params| params.spec().codec == Codec::Opus)
            .expect("it was offered")
            .pt();
        let (seq, now) = (u64::from(self.number) + 1_000, clock());
        let payload = self.number.to_be_bytes();
        let time = self.number.wrapping_mul(960);
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(self.audio, None).expect("a send stream");
        stream.write_rtp(RtpWrite::new(pt, seq.into(), time, now, payload.as_slice()));
        self.count.send_replace(self.number);
    }

    fn listen(&mut self) {
        let mut arrived = Vec::new();
        for way in &mut self.ways {
            way.receive(|protocol, source, destination, contents| {
                arrived.push((protocol, source, destination, contents.to_vec()));
            });
        }
        for (protocol, source, destination, contents) in arrived {
            let received = Receive::new(protocol, source, destination, &contents);
            let received = received.expect("the relay sends what str0m knows");
            let input = Input::Receive(clock(), received);
            self.rtc.handle_input(input).expect("it stays healthy");
            // str0m holds one packet of a stream at a time.
            self.drain();
        }
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().expect("it stays healthy") {
                Output::Transmit(transmit) => {
                    let named = (transmit.proto, transmit.source);
                    if let Some(way) = self.ways.iter_mut().find(|way| way.named() == named) {
                        way.send(transmit.destination, &transmit.contents);
                    }
                    // Media and DTLS go to the selected pair's address.
                    if transmit.contents.first().is_some_and(|first| *first >= 20) {
                        self.reach.send_replace(Some(transmit.destination));
                    }
                }
                Output::Event(Event::Connected) => {
                    self.connected = true;
                    self.next_packet = clock();
                }
                Output::Event(Event::RtpPacket(packet)) => {
                    let number = packet.payload.first_chunk().map(|n| u32::from_be_bytes(*n));
                    // The test may have stopped to listen.
                    let _ = self.arrived.send(number.expect("a numbered packet"));
                }
                Output::Event(_) => {}
                Output::Timeout(_) => return,
            }
        }
    }
}
