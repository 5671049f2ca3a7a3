//! A relay at the other end of the bus: it answers offers and records what it is
//! asked; the tests speak its events.

use std::sync::{Arc, Mutex};

use housecall_platform::bus::{Bus, Delivery, Subscription};
use housecall_protocol::cluster::{
    Answer, Placement, SfuEvent, SfuMissing, SfuReply, SfuRequest, subject,
};
use housecall_protocol::media::ParticipantRole;
use housecall_protocol::{CallId, NodeId, PersonId};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a relay was asked, in order, as short words: `join ID`, `forward`.
pub(crate) struct Relay {
    pub(crate) node: NodeId,
    bus: Bus,
    asked: Arc<Mutex<Vec<String>>>,
    /// Takes no new rooms.
    drains: CancellationToken,
    task: JoinHandle<()>,
}

impl Relay {
    pub(crate) async fn new(bus: &Bus) -> Self {
        let node = NodeId::generate();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let placements = bus.subscribe_queue(subject::SFU_PLACE, "sfu").await.unwrap();
        let mut requests = bus.subscribe(&subject::sfu_request(node)).await.unwrap();
        let mut checks = bus.subscribe(&subject::sfu_check(node)).await.unwrap();
        let (bus_, asked_) = (bus.clone(), Arc::clone(&asked));
        let drains = CancellationToken::new();
        let drains_ = drains.clone();
        let task = tokio::spawn(async move {
            let mut placements = Some(placements);
            loop {
                tokio::select! {
                    () = drains_.cancelled(), if placements.is_some() => placements = None,
                    Some(delivery) = next(&mut placements) => {
                        let answer: Answer<Placement> = Ok(Placement { node });
                        bus_.reply(&delivery, &answer).await.unwrap();
                    }
                    Some(delivery) = requests.next() => answer(&bus_, &asked_, &delivery).await,
                    Some(delivery) = checks.next() => {
                        let answer: Answer<SfuMissing> = Ok(SfuMissing { rooms: Vec::new() });
                        bus_.reply(&delivery, &answer).await.unwrap();
                    }
                    else => return,
                }
            }
        });
        Self { node, bus: bus.clone(), asked, drains, task }
    }

    /// As a relay that was told to stop.
    pub(crate) async fn drains(&self, call: CallId) {
        self.drains.cancel();
        self.says(call, SfuEvent::Moving).await;
    }

    /// As a relay whose machine lost its power.
    pub(crate) async fn dies(&mut self) {
        self.task.abort();
        // Until then somebody still listens on its subjects.
        let _ = (&mut self.task).await;
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until it was asked this.
    pub(crate) async fn was_asked(&self, what: &str) {
        let waiting = async {
            while !self.asked().iter().any(|asked| asked == what) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), waiting)
            .await
            .unwrap_or_else(|_| panic!("not asked {what}: {:?}", self.asked()));
    }

    pub(crate) async fn says(&self, call: CallId, event: SfuEvent) {
        self.bus.publish(&subject::sfu_event(self.node, call), &event).await.unwrap();
    }

    pub(crate) async fn media_flows(&self, call: CallId, people: [PersonId; 2]) {
        for participant in people {
            let connected = SfuEvent::Connected { participant, ice_ms: 1, dtls_ms: 1 };
            self.says(call, connected).await;
        }
        for participant in people {
            self.says(call, SfuEvent::Flowing { participant }).await;
        }
    }
}

/// The next request for a place, while places are given.
async fn next(placements: &mut Option<Subscription>) -> Option<Delivery> {
    match placements {
        Some(placements) => placements.next().await,
        None => std::future::pending().await,
    }
}

async fn answer(bus: &Bus, asked: &Mutex<Vec<String>>, delivery: &Delivery) {
    let request: SfuRequest = delivery.parse().unwrap();
    let (word, reply) = match request {
        SfuRequest::Join { participant, sdp, role, .. } => {
            let role = match role {
                ParticipantRole::Member => "",
                ParticipantRole::Listener => " to listen",
                ParticipantRole::Hidden => " unseen",
            };
            (
                format!("join {participant}{role}"),
                SfuReply::Answer { sdp: format!("answer to {sdp}") },
            )
        }
        SfuRequest::Offer { participant, sdp, .. } => {
            (format!("offer {participant}"), SfuReply::Answer { sdp: format!("answer to {sdp}") })
        }
        SfuRequest::SetForwarding { forwarding, .. } => {
            (format!("forward {forwarding}"), SfuReply::Done)
        }
        SfuRequest::SetMedia { participant, media, .. } => {
            (format!("media {participant} camera={}", media.camera), SfuReply::Done)
        }
        SfuRequest::SetAllowed { participant, allowed, .. } => {
            (format!("allow {participant} microphone={}", allowed.microphone), SfuReply::Done)
        }
        SfuRequest::SetTiles { participant, tiles, .. } => {
            (format!("tiles {participant} {}", tiles.len()), SfuReply::Done)
        }
        SfuRequest::Leave { participant, .. } => (format!("leave {participant}"), SfuReply::Done),
        SfuRequest::Close { room } => (format!("close {room}"), SfuReply::Done),
    };
    asked.lock().unwrap().push(word);
    let answer: Answer<SfuReply> = Ok(reply);
    bus.reply(delivery, &answer).await.unwrap();
}
