//! The bus of many processes: core NATS, without JetStream (nothing durable is
//! ever only on the bus).

use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Request, Subscriber};
use bytes::Bytes;
use futures::FutureExt;

use super::{BusError, SUBSCRIPTION_CAPACITY};

/// Longest wait of a publisher while the connection is up but takes no more.
const PUBLISH_PATIENCE: Duration = Duration::from_millis(100);

/// Longest wait for the server to confirm what was sent to it.
const ROUND_TRIP_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(super) struct NatsBus {
    client: Client,
}

impl NatsBus {
    pub(super) async fn connect(url: &str) -> Result<Self, BusError> {
        let client = ConnectOptions::new()
            .retry_on_initial_connect()
            .subscription_capacity(SUBSCRIPTION_CAPACITY)
            .event_callback(|event| async move {
                tracing::info!(%event, "bus connection");
            })
            .connect(url)
            .await
            .map_err(connection)?;
        Ok(Self { client })
    }

    pub(super) async fn publish(&self, subject: &str, payload: Bytes) -> Result<(), BusError> {
        // Polled once outside of the task's budget, so that only a full queue makes
        // it pending. Without a server the queue never empties: waiting for it
        // would hold up every publisher for as long as the outage lasts.
        let mut sending = Box::pin(self.client.publish(subject.to_owned(), payload));
        let sent = match tokio::task::unconstrained(&mut sending).now_or_never() {
            Some(sent) => sent,
            None if self.client.connection_state() != State::Connected => {
                return Err(BusError::Connection("no server, and the queue is full".to_owned()));
            }
            None => tokio::time::timeout(PUBLISH_PATIENCE, sending)
                .await
                .map_err(|_| BusError::Connection("the server takes no more".to_owned()))?,
        };
        sent.map_err(connection)
    }

    pub(super) async fn subscribe(
        &self,
        pattern: &str,
        group: Option<&str>,
    ) -> Result<Subscriber, BusError> {
        let pattern = pattern.to_owned();
        let subscriber = match group {
            Some(group) => self.client.queue_subscribe(pattern, group.to_owned()).await,
            None => self.client.subscribe(pattern).await,
        }
        .map_err(connection)?;
        // Without a round trip a request sent next, over another connection,
        // could overtake the subscription.
        self.round_trip().await;
        Ok(subscriber)
    }

    /// Returns when the server has read everything sent before. The client's own
    /// flush only empties its buffer into the socket; the server's word that
    /// nobody listens on a subject made up here comes after all that was before it.
    async fn round_trip(&self) {
        let subject = self.client.new_inbox();
        let request = Request::new().payload(Bytes::new()).timeout(Some(ROUND_TRIP_PATIENCE));
        let answer = self.client.send_request(subject, request);
        match tokio::time::timeout(ROUND_TRIP_PATIENCE, answer).await {
            Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => {}
            Ok(_) | Err(_) => {
                tracing::warn!("no bus server yet: subscriptions begin when it is there");
            }
        }
    }

    pub(super) async fn request(
        &self,
        subject: &str,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, BusError> {
        let request = Request::new().payload(payload).timeout(Some(timeout));
        let sending = self.client.send_request(subject.to_owned(), request);
        // The client's own timeout begins once the request is in its queue, which
        // without a server may be full.
        let Ok(answer) = tokio::time::timeout(timeout, sending).await else {
            return Err(BusError::Timeout { subject: subject.to_owned(), timeout });
        };
        match answer {
            Ok(message) => Ok(message.payload),
            Err(error) => Err(match error.kind() {
                RequestErrorKind::NoResponders => {
                    BusError::NoResponders { subject: subject.to_owned() }
                }
                RequestErrorKind::TimedOut => {
                    BusError::Timeout { subject: subject.to_owned(), timeout }
                }
                _ => connection(error),
            }),
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    pub(super) async fn flush(&self) {
        match tokio::time::timeout(ROUND_TRIP_PATIENCE, self.client.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "bus flush failed"),
            Err(_) => tracing::warn!("bus flush: no server"),
        }
    }
}

fn connection(error: impl std::fmt::Display) -> BusError {
    BusError::Connection(error.to_string())
}
