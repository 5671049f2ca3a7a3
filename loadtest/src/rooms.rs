//! Rooms of a relay, over the bus.

use std::time::Duration;

use anyhow::{Context as _, bail};
use housecall_platform::bus::Bus;
use housecall_protocol::cluster::{Answer, Placement, SfuReply, SfuRequest, subject};
use housecall_protocol::ids::{CallId, NodeId, PersonId};
use housecall_protocol::media::{ParticipantRole, Tile};

const PATIENCE: Duration = Duration::from_secs(20);

/// A relay that answers.
#[derive(Clone)]
pub struct Relay {
    bus: Bus,
    node: NodeId,
}

impl Relay {
    /// Waits until a relay answers on the bus.
    ///
    /// # Errors
    /// When none does within twenty seconds.
    pub async fn find(bus: Bus) -> anyhow::Result<Self> {
        let ask = async {
            loop {
                let short = Duration::from_millis(200);
                let answer = bus.request(subject::SFU_PLACE, &(), short).await;
                if let Ok::<Answer<Placement>, _>(Ok(place)) = answer {
                    return place.node;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let node = tokio::time::timeout(PATIENCE, ask).await.context("no relay answers")?;
        Ok(Self { bus, node })
    }

    /// Joins a room; returns the relay's answer to the offer.
    ///
    /// # Errors
    /// When the relay refuses or does not answer.
    pub async fn join(
        &self,
        room: CallId,
        participant: PersonId,
        sdp: String,
    ) -> anyhow::Result<String> {
        match self
            .request(&SfuRequest::Join { room, participant, sdp, role: ParticipantRole::Member })
            .await?
        {
            SfuReply::Answer { sdp } => Ok(sdp),
            SfuReply::Done => bail!("a join was answered without SDP"),
        }
    }

    /// Says how large a participant shows what they receive.
    ///
    /// # Errors
    /// When the relay refuses or does not answer.
    pub async fn show(
        &self,
        room: CallId,
        participant: PersonId,
        tiles: Vec<Tile>,
    ) -> anyhow::Result<()> {
        self.request(&SfuRequest::SetTiles { room, participant, tiles }).await.map(drop)
    }

    /// # Errors
    /// When the relay refuses or does not answer.
    pub async fn forward(&self, room: CallId) -> anyhow::Result<()> {
        self.request(&SfuRequest::SetForwarding { room, forwarding: true }).await.map(drop)
    }

    /// # Errors
    /// When the relay refuses or does not answer.
    pub async fn close(&self, room: CallId) -> anyhow::Result<()> {
        self.request(&SfuRequest::Close { room }).await.map(drop)
    }

    async fn request(&self, request: &SfuRequest) -> anyhow::Result<SfuReply> {
        let subject = subject::sfu_request(self.node);
        let answer: Answer<SfuReply> = self.bus.request(&subject, request, PATIENCE).await?;
        answer.map_err(|refusal| anyhow::anyhow!("the relay refused: {refusal:?}"))
    }
}
