//! Receivers on a WebRTC stack that is neither the relay's nor the other clients':
//! they look at every packet, so that a relay that is fast and wrong is found out.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use housecall_protocol::ids::{CallId, PersonId};
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::sync::mpsc;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
    RTCIceGatheringState, RTCSessionDescription, Registry, register_default_interceptors,
};

use crate::media::Mark;
use crate::rooms::Relay;

const PATIENCE: Duration = Duration::from_secs(20);

/// What the witnesses saw.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Testimony {
    pub clients: usize,
    /// Packets that were opened and are what was sent.
    pub packets: u64,
    /// Packets that were opened and are not what was sent.
    pub damaged: u64,
    /// Numbers between the first and the last that did not come.
    pub missing: u64,
}

/// The receivers of one room.
pub struct Witnesses {
    connections: Vec<Arc<dyn PeerConnection>>,
    notes: Arc<Mutex<Notes>>,
}

#[derive(Default)]
struct Notes {
    damaged: u64,
    /// By witness and stream.
    streams: HashMap<(usize, u32), HashSet<u32>>,
}

impl Notes {
    fn take(&mut self, witness: usize, payload: &[u8]) {
        match Mark::of_whole(payload) {
            Some(mark) => {
                self.streams.entry((witness, mark.stream)).or_default().insert(mark.number);
            }
            None => self.damaged += 1,
        }
    }

    fn packets(&self) -> u64 {
        self.streams.values().map(|numbers| numbers.len() as u64).sum()
    }

    fn missing(&self) -> u64 {
        let missing = |numbers: &HashSet<u32>| {
            let (first, last) = (numbers.iter().min(), numbers.iter().max());
            let span = first.zip(last).map_or(0, |(first, last)| last - first + 1);
            u64::from(span).saturating_sub(numbers.len() as u64)
        };
        self.streams.values().map(missing).sum()
    }
}

impl Witnesses {
    /// Joins `count` receivers of one voice and one picture.
    ///
    /// # Errors
    /// When one cannot join.
    pub async fn join(relay: &Relay, room: CallId, count: usize) -> anyhow::Result<Self> {
        let notes = Arc::default();
        let mut connections = Vec::new();
        for index in 0..count {
            connections.push(connect(relay, room, index, &notes).await?);
        }
        Ok(Self { connections, notes })
    }

    /// Forgets what was seen while the relay's estimates were growing.
    pub fn begin(&self) {
        *self.notes.lock().unwrap_or_else(PoisonError::into_inner) = Notes::default();
    }

    /// Packets taken so far.
    pub fn packets(&self) -> u64 {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).packets()
    }

    /// Waits until every witness receives both streams.
    ///
    /// # Errors
    /// When one does not within twenty seconds.
    pub async fn see(&self) -> anyhow::Result<()> {
        let streams = || self.notes.lock().unwrap_or_else(PoisonError::into_inner).streams.len();
        let wanted = self.connections.len() * 2;
        let seen = async {
            while streams() < wanted {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, seen).await.is_err() {
            bail!("witnesses receive {} of {wanted} streams", streams());
        }
        Ok(())
    }

    /// Ends all and says what they saw.
    ///
    /// # Errors
    /// When a connection does not close.
    pub async fn leave(self) -> anyhow::Result<Testimony> {
        for connection in &self.connections {
            connection.close().await?;
        }
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Testimony {
            clients: self.connections.len(),
            packets: notes.packets(),
            damaged: notes.damaged,
            missing: notes.missing(),
        })
    }
}

struct Handler {
    witness: usize,
    gathered: mpsc::Sender<()>,
    notes: Arc<Mutex<Notes>>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            // Who waits needs to hear it once.
            let _ = self.gathered.try_send(());
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let (witness, notes) = (self.witness, Arc::clone(&self.notes));
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event {
                    let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
                    notes.take(witness, &packet.payload);
                }
            }
        });
    }
}

async fn connect(
    relay: &Relay,
    room: CallId,
    witness: usize,
    notes: &Arc<Mutex<Notes>>,
) -> anyhow::Result<Arc<dyn PeerConnection>> {
    let (gathered, mut all_gathered) = mpsc::channel(1);
    let mut media = MediaEngine::default();
    media.register_default_codecs()?;
    let registry = register_default_interceptors(Registry::new(), &mut media)?;
    let handler = Handler { witness, gathered, notes: Arc::clone(notes) };
    let builder = PeerConnectionBuilder::new()
        .with_media_engine(media)
        .with_interceptor_registry(registry)
        .with_handler(Arc::new(handler))
        .with_udp_addrs(vec!["127.0.0.1:0".to_owned()]);
    // Its future alone is 20 KB.
    let connection = Box::pin(builder.build()).await?;
    for kind in [RtpCodecKind::Audio, RtpCodecKind::Video] {
        let direction = RTCRtpTransceiverDirection::Recvonly;
        let init = RTCRtpTransceiverInit { direction, ..Default::default() };
        connection.add_transceiver_from_kind(kind, Some(init)).await?;
    }
    let offer = connection.create_offer(None).await?;
    connection.set_local_description(offer).await?;
    tokio::time::timeout(PATIENCE, all_gathered.recv()).await.context("no candidates")?;
    let offer = connection.local_description().await.context("set above")?;
    let answer = relay.join(room, PersonId::generate(), offer.sdp).await?;
    connection.set_remote_description(RTCSessionDescription::answer(answer)?).await?;
    Ok(Arc::new(connection))
}
