//! Subject-based messages between services: publish, subscribe, request.
//!
//! Delivery is at most once. A subscriber that falls behind loses messages
//! (counted in [`Subscription::lost`]) rather than slowing a publisher; whoever
//! needs certainty reads PostgreSQL. Patterns follow NATS: tokens divided by
//! dots, `*` stands for exactly one token, `>` at the end for one or more.

mod local;
mod nats;
mod pattern;

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use pattern::matches;

/// Messages a subscription holds before it starts to lose them. Ten thousand people whose
/// presence changes at once are as many messages, and must find room while their reader
/// waits for a core.
pub const SUBSCRIPTION_CAPACITY: usize = 16_384;

/// A handle to the bus; clones share it.
#[derive(Clone)]
pub struct Bus {
    inner: Inner,
}

// Two shapes of the same bus, chosen once at start. An enum and not a trait
// object: there will be no third outside this module.
#[derive(Clone)]
enum Inner {
    Local(local::LocalBus),
    Nats(nats::NatsBus),
}

/// One received message.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub subject: String,
    pub payload: Bytes,
    /// Set on requests: where the answer goes.
    reply: Option<Reply>,
}

#[derive(Clone, Debug)]
enum Reply {
    Local(local::ReplySlot),
    Nats(String),
}

/// Why a message could not be sent, answered or read.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Nobody serves the subject.
    #[error("nobody answers on {subject}")]
    NoResponders { subject: String },
    #[error("no answer on {subject} within {} ms", timeout.as_millis())]
    Timeout { subject: String, timeout: Duration },
    #[error("message on {subject} is not what was expected: {error}")]
    Malformed { subject: String, error: serde_json::Error },
    #[error("bus connection: {0}")]
    Connection(String),
}

impl Bus {
    /// A bus inside this process.
    pub fn local() -> Self {
        Self { inner: Inner::Local(local::LocalBus::default()) }
    }

    /// A bus over a NATS server or cluster, for example `nats://127.0.0.1:4222`.
    /// Connects in the background and reconnects by itself.
    ///
    /// # Errors
    /// When the address is not usable.
    pub async fn nats(url: &str) -> Result<Self, BusError> {
        Ok(Self { inner: Inner::Nats(nats::NatsBus::connect(url).await?) })
    }

    /// Sends to every subscriber of `subject`. Best effort.
    ///
    /// # Errors
    /// When the connection to the bus is closed.
    pub async fn publish<T: Serialize + Sync>(
        &self,
        subject: &str,
        message: &T,
    ) -> Result<(), BusError> {
        let payload = encode(subject, message)?;
        match &self.inner {
            Inner::Local(bus) => {
                bus.publish(subject, payload);
                Ok(())
            }
            Inner::Nats(bus) => bus.publish(subject, payload).await,
        }
    }

    /// Every message whose subject matches `pattern`.
    ///
    /// # Errors
    /// When the connection to the bus is closed.
    pub async fn subscribe(&self, pattern: &str) -> Result<Subscription, BusError> {
        self.subscribe_in(pattern, None).await
    }

    /// As [`Self::subscribe`], but each message goes to one member of `group` only.
    ///
    /// # Errors
    /// When the connection to the bus is closed.
    pub async fn subscribe_queue(
        &self,
        pattern: &str,
        group: &str,
    ) -> Result<Subscription, BusError> {
        self.subscribe_in(pattern, Some(group)).await
    }

    async fn subscribe_in(
        &self,
        pattern: &str,
        group: Option<&str>,
    ) -> Result<Subscription, BusError> {
        let inner = match &self.inner {
            Inner::Local(bus) => SubscriptionInner::Local(bus.subscribe(pattern, group)),
            Inner::Nats(bus) => SubscriptionInner::Nats(bus.subscribe(pattern, group).await?),
        };
        Ok(Subscription { inner })
    }

    /// Sends a request and waits for one answer.
    ///
    /// # Errors
    /// [`BusError::NoResponders`] at once when nobody serves the subject,
    /// [`BusError::Timeout`] when nobody answered in time.
    pub async fn request<T, R>(
        &self,
        subject: &str,
        message: &T,
        timeout: Duration,
    ) -> Result<R, BusError>
    where
        T: Serialize + Sync,
        R: DeserializeOwned,
    {
        let payload = encode(subject, message)?;
        let answer = match &self.inner {
            Inner::Local(bus) => bus.request(subject, payload, timeout).await?,
            Inner::Nats(bus) => bus.request(subject, payload, timeout).await?,
        };
        decode(subject, &answer)
    }

    /// Answers a request. Does nothing for a message that is not one.
    ///
    /// # Errors
    /// When the connection to the bus is closed.
    pub async fn reply<T: Serialize + Sync>(
        &self,
        delivery: &Delivery,
        answer: &T,
    ) -> Result<(), BusError> {
        let Some(reply) = &delivery.reply else { return Ok(()) };
        let payload = encode(&delivery.subject, answer)?;
        match (reply, &self.inner) {
            (Reply::Local(slot), _) => {
                slot.answer(payload);
                Ok(())
            }
            (Reply::Nats(inbox), Inner::Nats(bus)) => bus.publish(inbox, payload).await,
            (Reply::Nats(_), Inner::Local(_)) => {
                unreachable!("a NATS delivery only reaches subscribers of a NATS bus")
            }
        }
    }

    /// Whether messages can reach other processes now. Inside one process: always.
    pub fn is_connected(&self) -> bool {
        match &self.inner {
            Inner::Local(_) => true,
            Inner::Nats(bus) => bus.is_connected(),
        }
    }

    /// Sends what is buffered; call before the process ends.
    pub async fn flush(&self) {
        if let Inner::Nats(bus) = &self.inner {
            bus.flush().await;
        }
    }
}

impl Delivery {
    /// The payload as JSON.
    ///
    /// # Errors
    /// [`BusError::Malformed`] when it is not a `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, BusError> {
        decode(&self.subject, &self.payload)
    }

    /// Whether the sender waits for an answer.
    pub const fn is_request(&self) -> bool {
        self.reply.is_some()
    }
}

/// A stream of messages; unsubscribes when dropped.
pub struct Subscription {
    inner: SubscriptionInner,
}

enum SubscriptionInner {
    Local(local::LocalSubscription),
    Nats(async_nats::Subscriber),
}

impl Subscription {
    /// The next message; `None` once the bus is closed.
    pub async fn next(&mut self) -> Option<Delivery> {
        match &mut self.inner {
            SubscriptionInner::Local(subscription) => subscription.next().await,
            SubscriptionInner::Nats(subscriber) => {
                let message = subscriber.next().await?;
                Some(Delivery {
                    subject: message.subject.to_string(),
                    payload: message.payload,
                    reply: message.reply.map(|inbox| Reply::Nats(inbox.to_string())),
                })
            }
        }
    }

    /// Messages lost since the start because this subscriber was behind. Known
    /// for the bus in one process; NATS reports its own on its log.
    pub fn lost(&self) -> u64 {
        match &self.inner {
            SubscriptionInner::Local(subscription) => subscription.lost(),
            SubscriptionInner::Nats(_) => 0,
        }
    }
}

fn encode<T: Serialize>(subject: &str, message: &T) -> Result<Bytes, BusError> {
    serde_json::to_vec(message)
        .map(Bytes::from)
        .map_err(|error| BusError::Malformed { subject: subject.to_owned(), error })
}

fn decode<T: DeserializeOwned>(subject: &str, payload: &[u8]) -> Result<T, BusError> {
    serde_json::from_slice(payload)
        .map_err(|error| BusError::Malformed { subject: subject.to_owned(), error })
}
