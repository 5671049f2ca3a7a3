//! A client as the SDK is one: it sends one message at a time until it is
//! acknowledged, comes back by itself at another gateway, and fetches what it sees
//! it has missed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::grid::Doors;
use crate::client::{Client, Gone, text};

/// Between two messages of one device: a steady load, far below the rate limit.
const PACE: Duration = Duration::from_millis(60);
/// Before another try, with a random part, so that all do not come at once.
const RETRY_MS: std::ops::Range<u64> = 100..400;
/// A device that is not served for so long is lost: that needs a person.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a device wrote, and where it was told that it is stored.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) written: Vec<Uuid>,
    pub(super) acknowledged: BTreeMap<Uuid, i64>,
}

/// One conversation as a device sees it, without gaps.
#[derive(Default)]
pub(super) struct View {
    /// Bodies; the place is the seq less one.
    pub(super) bodies: Vec<Value>,
    head: i64,
}

impl View {
    fn last(&self) -> i64 {
        i64::try_from(self.bodies.len()).unwrap()
    }

    fn absorb(&mut self, message: &Value) {
        let seq = message["seq"].as_i64().unwrap();
        self.head = self.head.max(seq);
        let body = &message["body"];
        if seq <= self.last() {
            let known = &self.bodies[usize::try_from(seq - 1).unwrap()];
            assert_eq!(known, body, "a message stays what it was");
        } else if seq == self.last() + 1 {
            self.bodies.push(body.clone());
        }
    }

    /// Reads the pages after the last message that is here.
    async fn catch_up(&mut self, client: &mut Client, conversation: &str) -> Result<(), Gone> {
        while self.last() < self.head {
            let ask =
                json!({ "conversation": conversation, "after_seq": self.last(), "limit": 200 });
            let page = client.request("chat.fetch", ask).await?;
            if page["type"] == "error" {
                return wait_unless_refused(&page).await;
            }
            for message in page["data"]["messages"].as_array().unwrap() {
                self.absorb(message);
            }
        }
        Ok(())
    }
}

/// Errors that pass by themselves; any other is a fault.
async fn wait_unless_refused(frame: &Value) -> Result<(), Gone> {
    let passing = ["unavailable", "internal", "busy", "rate_limited"];
    let code = frame["data"]["code"].as_str().unwrap();
    assert!(passing.contains(&code), "{frame}");
    pause().await;
    Ok(())
}

async fn pause() {
    // The id's random part is as good a die as any.
    let (random, _) = Uuid::new_v4().as_u64_pair();
    let span = RETRY_MS.end - RETRY_MS.start;
    tokio::time::sleep(Duration::from_millis(RETRY_MS.start + random % span)).await;
}

/// `protocol::client::close::DRAINING`.
const DRAINING: u16 = 4010;

pub(super) struct Device {
    pub(super) name: String,
    pub(super) token: String,
    /// Where it writes, if it writes.
    pub(super) writes_to: Option<String>,
    pub(super) views: BTreeMap<String, View>,
    pub(super) ledger: Ledger,
    written: Arc<AtomicU64>,
    acknowledged: Arc<AtomicU64>,
    previous: Option<String>,
    /// Tries to connect so far.
    turn: usize,
    /// Welcomes so far.
    pub(super) connections: usize,
    /// Messages sent more than once.
    resent: Arc<AtomicU64>,
    /// Gateways that sent it away in order, with a time to return at.
    pub(super) handed_over: usize,
}

/// What devices do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Writing,
    /// Nothing new is written; what is under way is sent until it is acknowledged.
    Settling,
    /// All is stored: one more look, in which nothing may be missing, and the end.
    LastLook,
}

/// What the test sees of a device that runs.
pub(super) struct Progress {
    written: Arc<AtomicU64>,
    acknowledged: Arc<AtomicU64>,
    resent: Arc<AtomicU64>,
}

impl Progress {
    pub(super) fn is_settled(&self) -> bool {
        self.acknowledged() == self.written.load(Ordering::Relaxed)
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Messages sent more than once.
    pub(super) fn resent(&self) -> u64 {
        self.resent.load(Ordering::Relaxed)
    }
}

impl Device {
    pub(super) fn new(
        name: &str,
        token: &str,
        writes_to: Option<&str>,
        watches: &[String],
    ) -> (Self, Progress) {
        let written = Arc::new(AtomicU64::new(0));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let resent = Arc::new(AtomicU64::new(0));
        let device = Self {
            name: name.to_owned(),
            token: token.to_owned(),
            writes_to: writes_to.map(str::to_owned),
            views: watches.iter().map(|id| (id.clone(), View::default())).collect(),
            ledger: Ledger::default(),
            written: Arc::clone(&written),
            acknowledged: Arc::clone(&acknowledged),
            previous: None,
            turn: name.len(),
            connections: 0,
            resent: Arc::clone(&resent),
            handed_over: 0,
        };
        (device, Progress { written, acknowledged, resent })
    }

    /// Lives until its last look.
    pub(super) async fn live(mut self, doors: Doors, stop: watch::Receiver<Phase>) -> Self {
        let served = Arc::new(Mutex::new(Instant::now()));
        loop {
            if let Some(mut client) = self.enter(&doors).await {
                if self.talk(&mut client, &stop, &served).await.is_ok() {
                    return self;
                }
                self.note_close(client.closed());
            }
            let silent = served.lock().unwrap().elapsed();
            assert!(silent < PATIENCE, "{} is not served any more", self.name);
            pause().await;
        }
    }

    fn note_close(&mut self, closed: Option<(u16, &str)>) {
        let Some((DRAINING, reason)) = closed else { return };
        let after_ms = reason.strip_prefix("draining retry_ms=").map(str::parse::<u64>);
        assert!(matches!(after_ms, Some(Ok(1..=30_000))), "{reason}");
        self.handed_over += 1;
    }

    async fn enter(&mut self, doors: &Doors) -> Option<Client> {
        self.turn += 1;
        let gateway = doors.pick(self.turn)?;
        let client = Client::enter(&gateway, &self.token, self.previous.as_deref()).await.ok()?;
        self.previous = Some(client.connection());
        self.connections += 1;
        Some(client)
    }

    /// `Err` when the connection ended first.
    async fn talk(
        &mut self,
        client: &mut Client,
        stop: &watch::Receiver<Phase>,
        served: &Mutex<Instant>,
    ) -> Result<(), Gone> {
        self.resume(client).await?;
        let mut pace = tokio::time::interval(PACE);
        loop {
            // Two writers that answered each other's every event would leave the pace.
            let due = tokio::select! {
                _ = pace.tick() => true,
                frame = client.next() => {
                    let frame = frame?;
                    self.absorb(&frame);
                    false
                }
            };
            let phase = *stop.borrow();
            if self.has_unsent() || (due && phase == Phase::Writing) {
                self.send(client).await?;
            }
            for event in client.take_events() {
                self.absorb(&event);
            }
            self.catch_up(client).await?;
            *served.lock().unwrap() = Instant::now();
            if phase == Phase::LastLook {
                return self.resume(client).await;
            }
        }
    }

    /// Where every conversation stands, then what is missing here.
    async fn resume(&mut self, client: &mut Client) -> Result<(), Gone> {
        for (conversation, view) in &mut self.views {
            loop {
                let ask = json!({ "conversation": conversation });
                let state = client.request("chat.open", ask).await?;
                if state["type"] == "chat.state" {
                    view.head = view.head.max(state["data"]["head_seq"].as_i64().unwrap());
                    break;
                }
                wait_unless_refused(&state).await?;
            }
        }
        self.catch_up(client).await
    }

    async fn catch_up(&mut self, client: &mut Client) -> Result<(), Gone> {
        for (conversation, view) in &mut self.views {
            view.catch_up(client, conversation).await?;
        }
        Ok(())
    }

    fn absorb(&mut self, frame: &Value) {
        let data = &frame["data"];
        let Some(conversation) = data["conversation"].as_str() else { return };
        let Some(view) = self.views.get_mut(conversation) else { return };
        match frame["type"].as_str().unwrap() {
            "chat.message" => view.absorb(&data["message"]),
            "chat.head" => view.head = view.head.max(data["head_seq"].as_i64().unwrap()),
            _ => {}
        }
    }

    fn has_unsent(&self) -> bool {
        self.ledger.written.len() > self.ledger.acknowledged.len()
    }

    /// The oldest message without an acknowledgement, or a new one.
    async fn send(&mut self, client: &mut Client) -> Result<(), Gone> {
        let Some(conversation) = self.writes_to.clone() else { return Ok(()) };
        if self.has_unsent() {
            self.resent.fetch_add(1, Ordering::Relaxed);
        } else {
            self.ledger.written.push(Uuid::now_v7());
            self.written.fetch_add(1, Ordering::Relaxed);
        }
        let (number, id) = (self.ledger.written.len(), *self.ledger.written.last().unwrap());
        let words = format!("{} {number}", self.name);
        let answer = client.request("chat.send", text(&conversation, id, &words)).await?;
        if answer["type"] != "chat.ack" {
            return wait_unless_refused(&answer).await;
        }
        assert_eq!(answer["data"]["client_message_id"], id.to_string());
        self.ledger.acknowledged.insert(id, answer["data"]["seq"].as_i64().unwrap());
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
