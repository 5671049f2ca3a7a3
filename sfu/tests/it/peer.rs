//! A participant on the `webrtc` crate: sends numbered Opus and VP8 packets, and
//! collects what it receives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use housecall_protocol::cluster::{SfuReply, SfuRequest};
use housecall_protocol::ids::{CallId, PersonId};
use housecall_protocol::media::ParticipantRole;
use rtc::media_stream::MediaStreamTrack;
use rtc::rtp::{Header, Packet};
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
    RTCIceGatheringState, RTCSessionDescription, Registry, register_default_interceptors,
};

use crate::relay::{PATIENCE, Relay};

/// The payload types that the crate's default codecs have.
const OPUS: u8 = 111;
const VP8: u8 = 96;

/// A packet that arrived: of which kind, and the bytes after the codec's own.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) video: bool,
    pub(crate) sequence_number: u16,
    pub(crate) payload: Bytes,
}

pub(crate) struct Peer {
    pub(crate) person: PersonId,
    pub(crate) received: mpsc::Receiver<Received>,
    /// Packets of each kind sent so far.
    pub(crate) sent: watch::Receiver<u32>,
    /// Whether its pictures are keyframes, as they are at first.
    pub(crate) keyframes: Arc<AtomicBool>,
    connection: Arc<dyn PeerConnection>,
    sender: JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

struct Handler {
    gathered: mpsc::Sender<()>,
    received: mpsc::Sender<Received>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.gathered.try_send(());
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let received = self.received.clone();
        let video = track.kind().await == RtpCodecKind::Video;
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
                let sequence_number = packet.header.sequence_number;
                let packet = Received { video, sequence_number, payload: packet.payload };
                if received.send(packet).await.is_err() {
                    return;
                }
            }
        });
    }
}

fn codec(kind: RtpCodecKind) -> RTCRtpCodec {
    let (mime_type, clock_rate, channels) = match kind {
        RtpCodecKind::Video => ("video/VP8", 90_000, 0),
        _ => ("audio/opus", 48_000, 2),
    };
    RTCRtpCodec {
        mime_type: mime_type.to_owned(),
        clock_rate,
        channels,
        sdp_fmtp_line: String::new(),
        rtcp_feedback: vec![],
    }
}

fn track(kind: RtpCodecKind, ssrc: u32) -> Arc<TrackLocalStaticRTP> {
    Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(
        "stream".to_owned(),
        format!("track-{ssrc}"),
        format!("label-{ssrc}"),
        kind,
        vec![RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                ..Default::default()
            },
            codec: codec(kind),
            ..Default::default()
        }],
    )))
}

impl Peer {
    /// Joins a room and starts to send.
    pub(crate) async fn join(relay: &Relay, room: CallId, ssrc: u32) -> Self {
        Self::join_by(relay, room, ssrc, |answer| answer).await
    }

    /// Joins by the candidates that are left of the relay's answer.
    pub(crate) async fn join_by(
        relay: &Relay,
        room: CallId,
        ssrc: u32,
        bend: impl FnOnce(String) -> String,
    ) -> Self {
        let (gathered, mut all_gathered) = mpsc::channel(1);
        let (received_in, received) = mpsc::channel(10_000);
        let mut media = MediaEngine::default();
        media.register_default_codecs().expect("codecs");
        let registry =
            register_default_interceptors(Registry::new(), &mut media).expect("interceptors");
        let builder = PeerConnectionBuilder::new()
            .with_media_engine(media)
            .with_interceptor_registry(registry)
            .with_handler(Arc::new(Handler { gathered, received: received_in }))
            .with_udp_addrs(vec!["127.0.0.1:0".to_owned()]);
        // Its future alone is 20 KB.
        let connection = Box::pin(builder.build()).await.expect("a peer connection");
        let audio = track(RtpCodecKind::Audio, ssrc);
        let video = track(RtpCodecKind::Video, ssrc + 1);
        connection.add_track(audio.clone()).await.expect("audio");
        connection.add_track(video.clone()).await.expect("video");
        let offer = connection.create_offer(None).await.expect("an offer");
        connection.set_local_description(offer).await.expect("a local description");
        tokio::time::timeout(PATIENCE, all_gathered.recv()).await.expect("candidates");
        let offer = connection.local_description().await.expect("set above");

        let person = PersonId::generate();
        let request = SfuRequest::Join {
            room,
            participant: person,
            sdp: offer.sdp,
            role: ParticipantRole::Member,
        };
        let answer = match relay.request(&request).await {
            Ok(SfuReply::Answer { sdp }) => RTCSessionDescription::answer(bend(sdp)).expect("SDP"),
            other => panic!("expected an answer, got {other:?}"),
        };
        connection.set_remote_description(answer).await.expect("the answer fits");
        let (count, sent) = watch::channel(0);
        let stop = Arc::new(AtomicBool::new(false));
        let keyframes = Arc::new(AtomicBool::new(true));
        let sending = Sending { person, audio, video, ssrc, count };
        let sender = tokio::spawn(sending.run(Arc::clone(&keyframes), Arc::clone(&stop)));
        Self { person, received, sent, keyframes, connection: Arc::new(connection), sender, stop }
    }

    pub(crate) async fn wait_until_sent(&mut self, count: u32) {
        let sent = self.sent.wait_for(|sent| *sent >= count);
        tokio::time::timeout(PATIENCE, sent).await.expect("it sends").expect("it still sends");
    }

    /// Waits for `count` packets of each kind.
    pub(crate) async fn receive(&mut self, count: usize) -> (Vec<Received>, Vec<Received>) {
        let (mut audio, mut video) = (Vec::new(), Vec::new());
        let read = async {
            while audio.len() < count || video.len() < count {
                let packet = self.received.recv().await.expect("the connection is open");
                if packet.video { video.push(packet) } else { audio.push(packet) }
            }
        };
        if tokio::time::timeout(PATIENCE, read).await.is_err() {
            panic!("only {} audio and {} video packets came", audio.len(), video.len());
        }
        (audio, video)
    }

    pub(crate) async fn close(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.sender.await.expect("the sender ends");
        self.connection.close().await.expect("the connection closes");
    }
}

/// What a packet says: who sent it and its number.
pub(crate) fn message(person: PersonId, number: u32) -> Vec<u8> {
    let mut message = person.0.as_bytes().to_vec();
    message.extend_from_slice(&number.to_be_bytes());
    message
}

struct Sending {
    person: PersonId,
    audio: Arc<TrackLocalStaticRTP>,
    video: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    count: watch::Sender<u32>,
}

impl Sending {
    async fn run(self, keyframes: Arc<AtomicBool>, stop: Arc<AtomicBool>) {
        let Self { person, audio, video, ssrc, count } = self;
        // The rhythm of Opus; every VP8 packet is a whole picture.
        let mut rhythm = tokio::time::interval(Duration::from_millis(20));
        let mut number = 0_u32;
        while !stop.load(Ordering::Relaxed) {
            rhythm.tick().await;
            let header = |ssrc: u32, payload_type: u8, ticks: u32| Header {
                version: 2,
                payload_type,
                sequence_number: number as u16,
                timestamp: number.wrapping_mul(ticks),
                ssrc,
                marker: true,
                ..Default::default()
            };
            let payload = message(person, number);
            // The lowest bit says that the picture needs others (RFC 7741 section 4.3).
            let mut frame = vec![0x10, u8::from(!keyframes.load(Ordering::Relaxed))];
            frame.extend_from_slice(&payload);
            let packet = Packet { header: header(ssrc, OPUS, 960), payload: payload.into() };
            let _ = audio.write_rtp(packet).await;
            let packet = Packet { header: header(ssrc + 1, VP8, 1800), payload: frame.into() };
            let _ = video.write_rtp(packet).await;
            number += 1;
            count.send_replace(number);
        }
    }
}
