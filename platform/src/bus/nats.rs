//! The bus of many processes: core NATS, without JetStream (nothing durable is
//! ever only on the bus).

use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, ConnectOptions, Request, Subscriber};
use bytes::Bytes;

use super::{BusError, SUBSCRIPTION_CAPACITY};

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
        self.client.publish(subject.to_owned(), payload).await.map_err(connection)
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
        self.flush().await;
        Ok(subscriber)
    }

    pub(super) async fn request(
        &self,
        subject: &str,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, BusError> {
        let request = Request::new().payload(payload).timeout(Some(timeout));
        match self.client.send_request(subject.to_owned(), request).await {
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

    pub(super) async fn flush(&self) {
        if let Err(error) = self.client.flush().await {
            tracing::warn!(%error, "bus flush failed");
        }
    }
}

fn connection(error: impl std::fmt::Display) -> BusError {
    BusError::Connection(error.to_string())
}
