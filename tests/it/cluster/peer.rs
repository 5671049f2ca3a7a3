//! The media of one participant, on the `webrtc` crate: not the library that the
//! relay is built on. Sends Opus and VP8, counts what it receives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
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

/// The payload types that the crate's default codecs have.
const OPUS: u8 = 111;
const VP8: u8 = 96;
const PATIENCE: Duration = Duration::from_secs(30);

/// Packets received so far.
#[derive(Clone, Copy, Default)]
struct Received {
    audio: u32,
    video: u32,
}

pub(super) struct Peer {
    connection: Arc<dyn PeerConnection>,
    received: watch::Receiver<Received>,
    sender: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    pub(super) offer: String,
}

struct Handler {
    gathered: mpsc::Sender<()>,
    received: watch::Sender<Received>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            // Full: it is known already.
            let _ = self.gathered.try_send(());
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let received = self.received.clone();
        let is_video = track.kind().await == RtpCodecKind::Video;
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                let TrackRemoteEvent::OnRtpPacket(_) = event else { continue };
                received.send_modify(|count| {
                    *(if is_video { &mut count.video } else { &mut count.audio }) += 1;
                });
            }
        });
    }
}

fn track(kind: RtpCodecKind, ssrc: u32) -> Arc<TrackLocalStaticRTP> {
    let (mime_type, clock_rate, channels) = match kind {
        RtpCodecKind::Video => ("video/VP8", 90_000, 0),
        _ => ("audio/opus", 48_000, 2),
    };
    let codec = RTCRtpCodec {
        mime_type: mime_type.to_owned(),
        clock_rate,
        channels,
        sdp_fmtp_line: String::new(),
        rtcp_feedback: vec![],
    };
    let parameters = RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() };
    let encoding =
        RTCRtpEncodingParameters { rtp_coding_parameters: parameters, codec, ..Default::default() };
    Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(
        "stream".to_owned(),
        format!("track-{ssrc}"),
        format!("label-{ssrc}"),
        kind,
        vec![encoding],
    )))
}

impl Peer {
    /// With its first offer made: one audio, one video.
    pub(super) async fn new(ssrc: u32) -> Self {
        let (gathered, mut all_gathered) = mpsc::channel(1);
        let (count, received) = watch::channel(Received::default());
        let mut media = MediaEngine::default();
        media.register_default_codecs().unwrap();
        let registry = register_default_interceptors(Registry::new(), &mut media).unwrap();
        let builder = PeerConnectionBuilder::new()
            .with_media_engine(media)
            .with_interceptor_registry(registry)
            .with_handler(Arc::new(Handler { gathered, received: count }))
            .with_udp_addrs(vec!["127.0.0.1:0".to_owned()]);
        // Its future alone is 20 KB.
        let connection = Box::pin(builder.build()).await.unwrap();
        let audio = track(RtpCodecKind::Audio, ssrc);
        let video = track(RtpCodecKind::Video, ssrc + 1);
        connection.add_track(audio.clone()).await.unwrap();
        connection.add_track(video.clone()).await.unwrap();
        let offer = connection.create_offer(None).await.unwrap();
        connection.set_local_description(offer).await.unwrap();
        tokio::time::timeout(PATIENCE, all_gathered.recv()).await.expect("candidates");
        let offer = connection.local_description().await.expect("set above").sdp;
        let stop = Arc::new(AtomicBool::new(false));
        let sender = tokio::spawn(send(audio, video, ssrc, Arc::clone(&stop)));
        Self { connection: Arc::new(connection), received, sender, stop, offer }
    }

    pub(super) async fn connect(&self, answer: &str) {
        let answer = RTCSessionDescription::answer(answer.to_owned()).expect("SDP");
        self.connection.set_remote_description(answer).await.expect("the answer fits");
    }

    /// Waits for some more packets of each kind.
    pub(super) async fn hears_and_sees(&mut self) {
        let before = *self.received.borrow();
        let more = self
            .received
            .wait_for(|now| now.audio >= before.audio + 20 && now.video >= before.video + 20);
        tokio::time::timeout(PATIENCE, more)
            .await
            .expect("media flows")
            .expect("it still receives");
    }

    pub(super) async fn close(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.sender.await.expect("the sender ends");
        self.connection.close().await.expect("the connection closes");
    }
}

async fn send(
    audio: Arc<TrackLocalStaticRTP>,
    video: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    stop: Arc<AtomicBool>,
) {
    // The rhythm of Opus; every VP8 packet is a whole keyframe.
    let mut rhythm = tokio::time::interval(Duration::from_millis(20));
    for number in 0_u32.. {
        rhythm.tick().await;
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let header = |ssrc: u32, payload_type: u8, ticks: u32| Header {
            version: 2,
            payload_type,
            sequence_number: number as u16,
            timestamp: number.wrapping_mul(ticks),
            ssrc,
            marker: true,
            ..Default::default()
        };
        let sound = Bytes::from_static(&[0xf8, 0xff, 0xfe]);
        let picture = Bytes::from_static(&[0x10, 0x00, 0x01, 0x02]);
        // Nobody is connected yet, or any more: nothing to do about it.
        let _ = audio.write_rtp(Packet { header: header(ssrc, OPUS, 960), payload: sound }).await;
        let packet = Packet { header: header(ssrc + 1, VP8, 1800), payload: picture };
        let _ = video.write_rtp(packet).await;
    }
}
