//! Telling the house what was written.
//!
//! Every announcement is a nudge that may be lost. What must not stay unnoticed,
//! the newest seq of a conversation, is announced again by a beacon.

mod heads;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use housecall_platform::bus::Bus;
use housecall_protocol::client::{ReceiptView, Topic, TypingView};
use housecall_protocol::cluster::{ChatEvent, DeskEvent, subject};
use housecall_protocol::domain::Message;
use housecall_protocol::ids::{ConsultationId, ConversationId};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::storage::{Fresh, Head};
use heads::Heads;

/// Clones share what waits for the next beacon.
#[derive(Clone)]
pub(crate) struct Announcer {
    bus: Bus,
    metrics: Metrics,
    waiting: Arc<Mutex<Waiting>>,
}

struct Waiting {
    heads: Heads,
    /// Consultations whose last message changed since the desk was told.
    desk: HashSet<ConsultationId>,
}

/// How often what waits is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) beacon: Duration,
    pub(crate) desk: Duration,
}

impl Announcer {
    pub(crate) fn new(bus: Bus, metrics: Metrics, beacon_conversations: usize) -> Self {
        let waiting = Waiting { heads: Heads::new(beacon_conversations), desk: HashSet::new() };
        Self { bus, metrics, waiting: Arc::new(Mutex::new(waiting)) }
    }

    /// A message was committed. Called in seq order for each conversation.
    pub(crate) async fn stored(&self, fresh: Fresh) {
        let Fresh { conversation, opened, message } = fresh;
        let head = Head { seq: message.seq, change: 0 };
        let is_opened = opened.is_some();
        let consultation = message.consultation;
        for message in opened.into_iter().chain([message]) {
            self.message(conversation, message).await;
        }
        self.remember(conversation, head).await;
        match consultation {
            Some(id) if is_opened => self.desk(id).await,
            Some(id) => self.desk_later(id),
            None => {}
        }
    }

    /// A message was changed, by the change of this number.
    pub(crate) async fn changed(
        &self,
        conversation: ConversationId,
        change: i64,
        message: Message,
    ) {
        let head = Head { seq: message.seq, change };
        let consultation = message.consultation;
        let event = ChatEvent::Change { conversation, change, message };
        self.chat(conversation, &event).await;
        self.remember(conversation, head).await;
        if let Some(consultation) = consultation {
            self.desk_later(consultation);
        }
    }

    /// Something up to `head` was committed, but its row is not at hand.
    pub(crate) async fn head(&self, conversation: ConversationId, head: Head) {
        self.remember(conversation, head).await;
        self.tell_head(conversation, head).await;
    }

    pub(crate) async fn receipt(&self, view: ReceiptView) {
        self.chat(view.conversation, &ChatEvent::Receipt(view)).await;
    }

    pub(crate) async fn typing(&self, view: TypingView) {
        self.chat(view.conversation, &ChatEvent::Typing(view)).await;
    }

    /// Tells at its pace what waits, until stopped; then tells the rest.
    pub(crate) async fn run(self, pace: Pace, stop: CancellationToken) {
        let mut beacon = interval(pace.beacon);
        let mut desk = interval(pace.desk);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = beacon.tick() => self.beacon().await,
                _ = desk.tick() => self.tell_desk().await,
            }
        }
        self.tell_desk().await;
        self.beacon().await;
    }

    async fn beacon(&self) {
        let due = self.waiting().heads.due();
        for (conversation, head) in due {
            self.metrics.beacons.inc();
            self.tell_head(conversation, head).await;
        }
    }

    async fn tell_desk(&self) {
        let changed = std::mem::take(&mut self.waiting().desk);
        for consultation in changed {
            self.desk(consultation).await;
        }
    }

    async fn remember(&self, conversation: ConversationId, head: Head) {
        let pushed_out = self.waiting().heads.note(conversation, head);
        if let Some((conversation, head)) = pushed_out {
            self.metrics.beacons.inc();
            self.tell_head(conversation, head).await;
        }
    }

    async fn tell_head(&self, conversation: ConversationId, head: Head) {
        let Head { seq: head_seq, change: head_change } = head;
        self.chat(conversation, &ChatEvent::Head { conversation, head_seq, head_change }).await;
    }

    async fn message(&self, conversation: ConversationId, message: Message) {
        self.chat(conversation, &ChatEvent::Message { conversation, message }).await;
    }

    async fn chat(&self, conversation: ConversationId, event: &ChatEvent) {
        self.publish(&subject::chat_event(conversation), event).await;
    }

    /// Bounded by the consultations that messages of one short interval belong to.
    fn desk_later(&self, consultation: ConsultationId) {
        self.waiting().desk.insert(consultation);
    }

    async fn desk(&self, consultation: ConsultationId) {
        let event = DeskEvent { topic: Topic::Consultations, id: consultation.to_string() };
        self.publish(subject::DESK_EVENT, &event).await;
    }

    /// At most once: the beacon makes up for an event that could not be sent.
    async fn publish<T: Serialize + Sync>(&self, subject: &str, event: &T) {
        if let Err(error) = self.bus.publish(subject, event).await {
            tracing::warn!(subject, %error, "announcement not sent");
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn interval(period: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval(period);
    // After a stall one round is enough.
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    interval
}
