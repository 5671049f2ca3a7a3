//! The bus of one process: bounded channels behind a subject table.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::{BusError, Delivery, Reply, SUBSCRIPTION_CAPACITY, pattern};

#[derive(Clone, Default)]
pub(super) struct LocalBus {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    table: RwLock<HashMap<u64, Entry>>,
    next_id: AtomicU64,
    turn: AtomicU64,
}

struct Entry {
    pattern: String,
    group: Option<String>,
    sender: mpsc::Sender<Delivery>,
    lost: Arc<AtomicU64>,
}

impl Entry {
    /// Never waits: a full subscriber loses this message, not the publisher its time.
    fn offer(&self, delivery: Delivery) -> bool {
        self.sender.try_send(delivery).is_ok()
    }

    fn count_lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }
}

/// Where a request's answer goes; the first answer wins.
#[derive(Clone, Debug)]
pub(super) struct ReplySlot(Arc<Mutex<Option<oneshot::Sender<Bytes>>>>);

impl ReplySlot {
    pub(super) fn answer(&self, payload: Bytes) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            // The requester may have timed out and gone: nothing to do about it.
            let _ = sender.send(payload);
        }
    }
}

impl LocalBus {
    pub(super) fn publish(&self, subject: &str, payload: Bytes) -> usize {
        self.deliver(&Delivery { subject: subject.to_owned(), payload, reply: None })
    }

    pub(super) fn subscribe(&self, pattern: &str, group: Option<&str>) -> LocalSubscription {
        let (sender, receiver) = mpsc::channel(SUBSCRIPTION_CAPACITY);
        let lost = Arc::new(AtomicU64::new(0));
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let entry = Entry {
            pattern: pattern.to_owned(),
            group: group.map(str::to_owned),
            sender,
            lost: Arc::clone(&lost),
        };
        self.shared.table.write().unwrap_or_else(PoisonError::into_inner).insert(id, entry);
        LocalSubscription { id, receiver, lost, shared: Arc::clone(&self.shared) }
    }

    pub(super) async fn request(
        &self,
        subject: &str,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, BusError> {
        let (sender, receiver) = oneshot::channel();
        let slot = ReplySlot(Arc::new(Mutex::new(Some(sender))));
        let delivery =
            Delivery { subject: subject.to_owned(), payload, reply: Some(Reply::Local(slot)) };
        if self.deliver(&delivery) == 0 {
            return Err(BusError::NoResponders { subject: subject.to_owned() });
        }
        // Dropped here so that the receiver fails as soon as every responder has
        // dropped the request without an answer.
        drop(delivery);
        match tokio::time::timeout(timeout, receiver).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(BusError::NoResponders { subject: subject.to_owned() }),
            Err(_) => Err(BusError::Timeout { subject: subject.to_owned(), timeout }),
        }
    }

    /// Returns how many subscribers took the message.
    fn deliver(&self, delivery: &Delivery) -> usize {
        let table = self.shared.table.read().unwrap_or_else(PoisonError::into_inner);
        let mut taken = 0;
        let mut groups: HashMap<&str, Vec<&Entry>> = HashMap::new();
        for entry in table.values() {
            if !pattern::matches(&entry.pattern, &delivery.subject) {
                continue;
            }
            match &entry.group {
                Some(group) => groups.entry(group).or_default().push(entry),
                None if entry.offer(delivery.clone()) => taken += 1,
                None => entry.count_lost(),
            }
        }
        for members in groups.values() {
            taken += usize::from(self.offer_in_turn(members, delivery));
        }
        taken
    }

    /// Round robin; a full member passes the message on to the next. Lost is only
    /// what no member could take.
    fn offer_in_turn(&self, members: &[&Entry], delivery: &Delivery) -> bool {
        let turn = self.shared.turn.fetch_add(1, Ordering::Relaxed);
        let start = usize::try_from(turn % members.len() as u64).unwrap_or(0);
        let (before, after) = members.split_at(start);
        let taken = after.iter().chain(before).any(|member| member.offer(delivery.clone()));
        if !taken && let Some(member) = after.first() {
            member.count_lost();
        }
        taken
    }
}

pub(super) struct LocalSubscription {
    id: u64,
    receiver: mpsc::Receiver<Delivery>,
    lost: Arc<AtomicU64>,
    shared: Arc<Shared>,
}

impl LocalSubscription {
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        self.receiver.recv().await
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for LocalSubscription {
    fn drop(&mut self) {
        self.shared.table.write().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
