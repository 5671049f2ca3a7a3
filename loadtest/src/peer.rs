//! One client: a str0m session in RTP mode with a socket of its own.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use housecall_protocol::ids::PersonId;
use housecall_protocol::media::Tile;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid, Pt, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use crate::headers::{Datagram, Head};
use crate::media::{Kind, Mark, Source};
use crate::scenario::Member;
use crate::socket::{Inbound, LoadSocket};
use crate::{clock, wall_ns};

/// First sequence number: below 2^15, so that the rollover counter starts at 0.
const FIRST_SEQ: u64 = 1_000;
const MIN_TIMEOUT: Duration = Duration::from_millis(1);

/// A client. [`Peer::new`] gives it with its offer; it is ready for use after
/// [`Peer::accept`].
pub struct Peer {
    pub person: PersonId,
    pub socket: LoadSocket,
    pub session: Session,
    /// How large it shows which m-line.
    pub tiles: Vec<Tile>,
    pending: Option<SdpPendingOffer>,
}

/// What the client is besides its socket.
pub struct Session {
    rtc: Rtc,
    pub sending: Vec<Sending>,
    pub connected: bool,
    pub failed: bool,
    /// See [`Member::only_counts`].
    only_counts: bool,
    /// When the session wants to be woken.
    pub due: Instant,
}

/// A stream the client sends.
pub struct Sending {
    pub source: Source,
    mid: Mid,
    pub rid: Option<Rid>,
    key: bool,
}

/// A packet that arrived.
pub enum Arrived {
    /// Decrypted, with its mark.
    Read {
        mark: Mark,
        at: Duration,
        ssrc: u32,
        /// Extended sequence number.
        seq: u64,
    },
    /// By its header alone.
    Counted(Head),
}

impl Peer {
    /// A client and its offer. `stream` counts the streams of all clients.
    ///
    /// # Errors
    /// When the system gives no socket.
    pub fn new(member: Member, stream: &mut u32) -> anyhow::Result<(Self, String)> {
        let now = clock();
        let socket = LoadSocket::plain().context("a client's socket")?;
        let mut rtc = RtcConfig::new()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .set_send_buffer_video(128)
            .build(now);
        rtc.add_local_candidate(Candidate::host(socket.address, "udp")?);
        let mut change = rtc.sdp_api();
        let mut sending = Vec::new();
        let mut tiles = Vec::new();
        let mut send = |kind: Kind, mid: Mid, rid: Option<Rid>| {
            sending.push(Sending { source: Source::new(kind, *stream), mid, rid, key: true });
            *stream += 1;
        };
        for line in 0..member.audio_lines {
            let sends = member.sends_audio && line == 0;
            let mid = change.add_media(MediaKind::Audio, direction(sends), None, None, None);
            if sends {
                send(Kind::Audio, mid, None);
            }
        }
        let mut sizes = member.tiles();
        if member.sends_simulcast() {
            // A line of its own: str0m takes a line with layers to receive them too.
            let layers = Some(simulcast(&member));
            let mid = change.add_media(MediaKind::Video, Direction::SendOnly, None, None, layers);
            for layer in member.camera {
                send(layer.kind(), mid, layer.rid.map(Rid::from));
            }
        }
        for line in 0..member.video_lines {
            let layer = member.camera.first().filter(|_| line == 0 && !member.sends_simulcast());
            let direction = direction(layer.is_some());
            let mid = change.add_media(MediaKind::Video, direction, None, None, None);
            if let Some(layer) = layer {
                send(layer.kind(), mid, None);
            }
            if let Some((width, height)) = sizes.next() {
                tiles.push(Tile { mid: mid.to_string(), width, height });
            }
        }
        let (offer, pending) = change.apply().context("the offer is empty")?;
        let only_counts = member.only_counts;
        let session =
            Session { rtc, sending, connected: false, failed: false, only_counts, due: now };
        let person = PersonId::generate();
        let peer = Self { person, socket, session, tiles, pending: Some(pending) };
        let offer = offer.to_sdp_string();
        Ok((peer, if only_counts { without_numbers(&offer) } else { offer }))
    }

    /// # Errors
    /// When the relay's answer does not fit the offer.
    pub fn accept(&mut self, answer: &str) -> anyhow::Result<()> {
        let pending = self.pending.take().context("one answer per offer")?;
        let answer = SdpAnswer::from_sdp_string(answer)?;
        self.session.rtc.sdp_api().accept_answer(pending, answer)?;
        Ok(())
    }

    /// Sends the next frame of a stream.
    pub fn send_frame(&mut self, now: Instant, index: usize) {
        self.session.write_frame(now, index);
        self.wake(now, &mut |_| {});
    }

    /// Brings the session to the present.
    pub fn wake(&mut self, now: Instant, arrived: &mut impl FnMut(Arrived)) {
        let woken = self.session.rtc.handle_input(Input::Timeout(now));
        self.session.failed |= woken.is_err();
        self.session.drain(&self.socket, now, Duration::ZERO, arrived);
    }

    /// Takes one batch from the socket. Whether there may be more.
    pub fn read(
        &mut self,
        now: Instant,
        inbound: &mut Inbound,
        arrived: &mut impl FnMut(Arrived),
    ) -> bool {
        let (socket, session) = (&self.socket, &mut self.session);
        // All clients share one thread, which takes up late what came in time: by the time
        // of that they would report a queue that no network had.
        let (read_at, read_at_wall) = (clock(), Duration::from_nanos(wall_ns()));
        socket.receive(inbound, |source, contents, at| {
            let came = read_at.checked_sub(read_at_wall.saturating_sub(at)).unwrap_or(now);
            if session.only_counts && session.connected {
                match Datagram::read(contents) {
                    Datagram::Media(head) => return arrived(Arrived::Counted(head)),
                    Datagram::Control => return,
                    Datagram::Session => {}
                }
            }
            let Ok(receive) = Receive::new(Protocol::Udp, source, socket.address, contents) else {
                return;
            };
            session.failed |= session.rtc.handle_input(Input::Receive(came, receive)).is_err();
            session.drain(socket, now, at, arrived);
        })
    }
}

impl Session {
    fn write_frame(&mut self, now: Instant, index: usize) {
        let Some(sending) = self.sending.get_mut(index) else { return };
        let (codec, video) = match sending.source.kind() {
            Kind::Audio => (Codec::Opus, false),
            Kind::Video { .. } => (Codec::Vp8, true),
        };
        let Some(pt) = payload_type(&self.rtc, codec) else { return };
        let key = std::mem::take(&mut sending.key);
        let mut direct = self.rtc.direct_api();
        let Some(stream) = direct.stream_tx_by_mid(sending.mid, sending.rid) else { return };
        for piece in sending.source.frame(key, wall_ns()) {
            let seq = FIRST_SEQ + u64::from(piece.number);
            let write = RtpWrite::new(pt, seq.into(), piece.timestamp, now, piece.payload)
                .marker(piece.last)
                .nackable(video);
            stream.write_rtp(write);
        }
    }

    /// Sends what the session has to send. `at`: when the kernel got what it was given.
    fn drain(
        &mut self,
        socket: &LoadSocket,
        now: Instant,
        at: Duration,
        arrived: &mut impl FnMut(Arrived),
    ) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Transmit(transmit)) => {
                    socket.send(transmit.destination, &transmit.contents);
                }
                Ok(Output::Event(Event::RtpPacket(packet))) => {
                    if let Some(mark) = Mark::read(&packet.payload) {
                        let (ssrc, seq) = (*packet.header.ssrc, *packet.seq_no);
                        arrived(Arrived::Read { mark, at, ssrc, seq });
                    }
                }
                Ok(Output::Event(Event::KeyframeRequest(request))) => {
                    let asked = |sent: &&mut Sending| {
                        sent.mid == request.mid
                            && (request.rid.is_none() || sent.rid == request.rid)
                    };
                    self.sending.iter_mut().filter(asked).for_each(|sent| sent.key = true);
                }
                Ok(Output::Event(Event::Connected)) => self.connected = true,
                Ok(Output::Event(_)) => {}
                Ok(Output::Timeout(at)) => {
                    self.due = at.max(now + MIN_TIMEOUT);
                    return;
                }
                Err(_) => {
                    self.failed = true;
                    return;
                }
            }
        }
    }
}

/// An offer of a client that does not tell when packets arrive: it will not read them.
fn without_numbers(offer: &str) -> String {
    let of_numbers = ["transport-wide-cc", "transport-cc"];
    let kept = offer.lines().filter(|line| !of_numbers.iter().any(|name| line.contains(name)));
    kept.flat_map(|line| [line, "\r\n"]).collect()
}

const fn direction(sends: bool) -> Direction {
    if sends { Direction::SendRecv } else { Direction::RecvOnly }
}

fn simulcast(member: &Member) -> Simulcast {
    let rids = member.camera.iter().filter_map(|layer| layer.rid);
    Simulcast { send: rids.map(SimulcastLayer::new).collect(), recv: Vec::new() }
}

fn payload_type(rtc: &Rtc, codec: Codec) -> Option<Pt> {
    rtc.codec_config().find(|params| params.spec().codec == codec).map(|params| params.pt())
}
