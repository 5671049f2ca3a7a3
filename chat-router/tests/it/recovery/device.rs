//! One device: follows nudges, notices what it missed, fetches it.

use futures::FutureExt;
use housecall_platform::bus::{Bus, Subscription};
use housecall_protocol::client::{ChatChanges, ChatPage, ChatState};
use housecall_protocol::cluster::{Actor, ChatCommand, ChatEvent, ChatReply, subject};
use housecall_protocol::domain::Message;
use housecall_protocol::ids::ConversationId;
use proptest::prelude::*;

use super::world::ask;

/// Small, so that a recovery needs several pages.
const PAGE: u16 = 3;

pub(super) struct Device {
    pub(super) actor: Actor,
    conversation: ConversationId,
    events: Option<Subscription>,
    /// Ascending, gapless, from 1.
    pub(super) held: Vec<Message>,
    /// What is held is as after this change, or a later one.
    changed: i64,
    head_seq: i64,
    head_change: i64,
    nudges_to_lose: u8,
}

impl Device {
    pub(super) fn new(actor: Actor, conversation: ConversationId) -> Self {
        Self {
            actor,
            conversation,
            events: None,
            held: Vec::new(),
            changed: 0,
            head_seq: 0,
            head_change: 0,
            nudges_to_lose: 0,
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.events.is_some()
    }

    pub(super) fn lose(&mut self, nudges: u8) {
        self.nudges_to_lose = nudges;
    }

    pub(super) fn disconnect(&mut self) {
        self.events = None;
    }

    /// The position is read before the data, and nothing is heard in between: what is
    /// written then is an event that waits.
    pub(super) async fn connect(&mut self, bus: &Bus, is_new: bool) -> Result<(), TestCaseError> {
        let events = bus.subscribe(&subject::chat_event(self.conversation)).await.unwrap();
        let Some(state) = self.open(bus).await? else { return Ok(()) };
        if is_new {
            self.held.clear();
            self.changed = state.head_change;
        }
        self.events = Some(events);
        self.note(state.head_seq, state.head_change);
        self.catch_up(bus).await
    }

    /// Takes what has come. False when something is still missing.
    pub(super) async fn hear(&mut self, bus: &Bus) -> Result<bool, TestCaseError> {
        while let Some(event) = self.next() {
            self.take(event)?;
        }
        if self.is_connected() {
            self.catch_up(bus).await?;
        }
        Ok(!self.is_behind())
    }

    pub(super) fn holds(&self, head_seq: i64, head_change: i64) -> bool {
        self.high() == head_seq && self.changed == head_change
    }

    /// Waits for the next thing that is told, and takes it.
    pub(super) async fn wait(&mut self) -> Result<(), TestCaseError> {
        let events = self.events.as_mut().expect("connected");
        let delivery = events.next().await.expect("the bus is open");
        self.take(delivery.parse().unwrap())
    }

    fn next(&mut self) -> Option<ChatEvent> {
        let delivery = self.events.as_mut()?.next().now_or_never()??;
        Some(delivery.parse().unwrap())
    }

    fn take(&mut self, event: ChatEvent) -> Result<(), TestCaseError> {
        let is_nudge = matches!(event, ChatEvent::Message { .. } | ChatEvent::Change { .. });
        if is_nudge && self.nudges_to_lose > 0 {
            self.nudges_to_lose -= 1;
            return Ok(());
        }
        match event {
            ChatEvent::Message { message, .. } => {
                self.note(message.seq, 0);
                if message.seq == self.high() + 1 {
                    self.held.push(message.seen_by(self.actor.kind));
                }
            }
            ChatEvent::Change { change, message, .. } => {
                prop_assert!(message.change >= change, "a change is told with what it made");
                self.note(0, change);
                if change == self.changed + 1 {
                    self.changed = change;
                    self.apply(message);
                }
            }
            ChatEvent::Head { head_seq, head_change, .. } => self.note(head_seq, head_change),
            ChatEvent::Receipt(_) | ChatEvent::Typing(_) => {}
        }
        Ok(())
    }

    async fn catch_up(&mut self, bus: &Bus) -> Result<(), TestCaseError> {
        while self.head_seq > self.high() {
            let Some(page) = self.page(bus).await? else { return Ok(()) };
            let seqs: Vec<i64> = page.messages.iter().map(|message| message.seq).collect();
            let next = self.high() + 1;
            let expected: Vec<i64> = (next..).take(seqs.len()).collect();
            prop_assert_eq!(seqs, expected, "a page goes on where the device is");
            prop_assert!(!page.messages.is_empty(), "a page that does not reach the head");
            self.note(page.head_seq, 0);
            self.held.extend(page.messages);
        }
        while self.head_change > self.changed {
            let Some(changes) = self.changes(bus).await? else { return Ok(()) };
            let is_ordered = changes.messages.is_sorted_by(|a, b| a.change < b.change);
            prop_assert!(is_ordered, "changes are in their order");
            prop_assert!(changes.up_to_change > self.changed, "changes that go nowhere");
            for message in changes.messages {
                self.apply(message);
            }
            self.changed = changes.up_to_change;
            self.note(0, self.changed);
        }
        Ok(())
    }

    /// What is not held yet will be read as it is by then.
    fn apply(&mut self, message: Message) {
        let message = message.seen_by(self.actor.kind);
        let held = usize::try_from(message.seq - 1).ok().and_then(|at| self.held.get_mut(at));
        if let Some(held) = held.filter(|held| held.change < message.change) {
            *held = message;
        }
    }

    fn note(&mut self, head_seq: i64, head_change: i64) {
        self.head_seq = self.head_seq.max(head_seq);
        self.head_change = self.head_change.max(head_change);
    }

    fn is_behind(&self) -> bool {
        self.head_seq > self.high() || self.head_change > self.changed
    }

    fn high(&self) -> i64 {
        i64::try_from(self.held.len()).expect("a test's conversation is short")
    }

    async fn open(&self, bus: &Bus) -> Result<Option<ChatState>, TestCaseError> {
        let command = ChatCommand::Open { conversation: self.conversation };
        match ask(bus, &self.actor, command).await {
            Some(Ok(ChatReply::State(state))) => Ok(Some(state)),
            other => unanswered(other),
        }
    }

    async fn page(&self, bus: &Bus) -> Result<Option<ChatPage>, TestCaseError> {
        let (conversation, after_seq) = (self.conversation, Some(self.high()));
        let command = ChatCommand::Fetch { conversation, after_seq, before_seq: None, limit: PAGE };
        match ask(bus, &self.actor, command).await {
            Some(Ok(ChatReply::Page(page))) => Ok(Some(page)),
            other => unanswered(other),
        }
    }

    async fn changes(&self, bus: &Bus) -> Result<Option<ChatChanges>, TestCaseError> {
        let (conversation, after_change) = (self.conversation, self.changed);
        let command = ChatCommand::FetchChanges { conversation, after_change, limit: PAGE };
        match ask(bus, &self.actor, command).await {
            Some(Ok(ChatReply::Changes(changes))) => Ok(Some(changes)),
            other => unanswered(other),
        }
    }
}

/// None when there was nobody to answer.
fn unanswered<T>(
    answer: Option<housecall_protocol::cluster::Answer<ChatReply>>,
) -> Result<Option<T>, TestCaseError> {
    match answer {
        None => Ok(None),
        Some(Err(refusal))
            if refusal.code == housecall_protocol::client::ErrorCode::Unavailable =>
        {
            Ok(None)
        }
        Some(other) => Err(TestCaseError::fail(format!("a device got {other:?}"))),
    }
}
