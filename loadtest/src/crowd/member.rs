//! What one client does at an order, and what it remembers between two of them.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use super::client::{Client, Closed, Dialer, tcp};
use super::{Moment, Place};
use crate::{clock, wall_ns};

/// The web app's backoff: exponential with full jitter.
const BACKOFF_BASE_MS: u64 = 500;
const BACKOFF_CAP_MS: u64 = 20_000;
/// A client that needs more attempts than this has failed.
const MAX_ATTEMPTS: u32 = 40;

/// One person on one device.
pub struct Member {
    pub place: Place,
    dialer: Dialer,
    connection: Option<Connection>,
    /// The connection before this one, as the hello names it.
    previous: Option<String>,
    /// The last seq this client has seen.
    seen: i64,
    /// What it wrote after that.
    unseen: Vec<Uuid>,
}

enum Connection {
    Talking(Box<Client>),
    Bare(TcpStream),
}

impl Member {
    pub fn new(place: Place, dialer: Dialer) -> Self {
        Self { place, dialer, connection: None, previous: None, seen: 0, unseen: Vec::new() }
    }

    /// Connects once more until it works, as the web app does. Returns the refusals.
    ///
    /// # Errors
    /// When it never works.
    pub async fn connect(&mut self) -> anyhow::Result<usize> {
        let mut refusals = 0;
        for attempt in 0..MAX_ATTEMPTS {
            let connected = Client::connect(&self.dialer, &self.place, self.previous.as_deref());
            match connected.await {
                Ok(client) => {
                    self.previous = Some(client.connection.clone());
                    self.connection = Some(Connection::Talking(Box::new(client)));
                    return Ok(refusals);
                }
                Err(error) if attempt + 1 == MAX_ATTEMPTS => return Err(error),
                Err(error) => {
                    refusals += 1;
                    let asked = error.downcast_ref::<Closed>().and_then(Closed::retry);
                    tokio::time::sleep(asked.unwrap_or_else(|| backoff(attempt))).await;
                }
            }
        }
        bail!("too many attempts")
    }

    /// Connects without saying a word.
    ///
    /// # Errors
    /// When the connection is refused.
    pub async fn connect_bare(&mut self) -> anyhow::Result<()> {
        self.connection = Some(Connection::Bare(tcp(self.place.source, self.place.door).await?));
        Ok(())
    }

    /// Stays connected: reads what comes and answers pings, until the end.
    pub async fn stay(&mut self) -> anyhow::Error {
        match &mut self.connection {
            Some(Connection::Talking(client)) => loop {
                if let Err(error) = client.frame().await {
                    return error;
                }
            },
            Some(Connection::Bare(stream)) => loop {
                let mut ping = [0; 2];
                if let Err(error) = stream.read_exact(&mut ping).await {
                    return error.into();
                }
                if let Err(error) = stream.write_all(&[0; 6]).await {
                    return error.into();
                }
            },
            None => anyhow::anyhow!("not connected"),
        }
    }

    pub fn lose(&mut self) {
        self.connection = None;
    }

    fn client(&mut self) -> anyhow::Result<&mut Client> {
        match &mut self.connection {
            Some(Connection::Talking(client)) => Ok(client),
            Some(Connection::Bare(_)) | None => bail!("not connected"),
        }
    }

    /// Opens the conversation and writes into it. What it writes does not count as
    /// seen: the next resumption has to bring it.
    ///
    /// # Errors
    /// When a message was not acknowledged.
    pub async fn write(&mut self, messages: usize) -> anyhow::Result<()> {
        let client = self.client()?;
        let conversation = client.conversation.clone().context("a patient has a conversation")?;
        let state = client.request("chat.open", json!({ "conversation": conversation })).await?;
        let seen = state["head_seq"].as_i64().context("head_seq")?;
        let mut unseen = Vec::with_capacity(messages);
        for number in 0..messages {
            let id = Uuid::now_v7();
            client.request("chat.send", text(&conversation, id, number)).await?;
            unseen.push(id);
        }
        (self.seen, self.unseen) = (seen, unseen);
        Ok(())
    }

    /// Connects and fetches all that it has not seen. Returns the refusals.
    ///
    /// # Errors
    /// When what comes is not all of it, in order.
    pub async fn resume(&mut self) -> anyhow::Result<usize> {
        let mut refusals = self.connect().await?;
        for attempt in 0..MAX_ATTEMPTS {
            match self.catch_up().await {
                Ok(()) => return Ok(refusals),
                Err(error) if attempt + 1 == MAX_ATTEMPTS => return Err(error),
                Err(_) => {
                    refusals += 1;
                    tokio::time::sleep(backoff(attempt)).await;
                    if self.client()?.request("ping", json!({})).await.is_err() {
                        refusals += self.connect().await?;
                    }
                }
            }
        }
        bail!("too many attempts")
    }

    async fn catch_up(&mut self) -> anyhow::Result<()> {
        let mut seen = self.seen;
        let unseen = self.unseen.clone();
        let client = self.client()?;
        let conversation = client.conversation.clone().context("a patient has a conversation")?;
        let state = client.request("chat.open", json!({ "conversation": conversation })).await?;
        let head = state["head_seq"].as_i64().context("head_seq")?;
        let mut found = Vec::new();
        while seen < head {
            let ask = json!({ "conversation": conversation, "after_seq": seen, "limit": 100 });
            let page = client.request("chat.fetch", ask).await?;
            let messages = page["messages"].as_array().context("messages")?;
            ensure!(!messages.is_empty(), "a page without the messages that must be there");
            for message in messages {
                let seq = message["seq"].as_i64().context("seq")?;
                ensure!(seq == seen + 1, "a gap in the sequence");
                seen = seq;
                found.extend(message["client_message_id"].as_str().map(str::to_owned));
            }
        }
        let all = unseen.iter().map(Uuid::to_string).eq(found);
        ensure!(all, "not what was acknowledged before");
        Ok(())
    }

    /// Writes one message and waits for the acknowledgement.
    ///
    /// # Errors
    /// When there was none.
    pub async fn talk(&mut self, number: usize) -> anyhow::Result<Moment> {
        let client = self.client()?;
        let conversation = client.conversation.clone().context("a patient has a conversation")?;
        let sent = clock();
        client.request("chat.send", text(&conversation, Uuid::now_v7(), number)).await?;
        Ok(moment(sent))
    }
}

fn text(conversation: &str, id: Uuid, number: usize) -> serde_json::Value {
    let body = json!({ "kind": "text", "text": format!("message {number}") });
    json!({ "conversation": conversation, "client_message_id": id, "body": body })
}

/// Now, and how long it took since `began`.
pub fn moment(began: std::time::Instant) -> Moment {
    Moment { at_ms: wall_ns() / 1_000_000, took_ms: began.elapsed().as_secs_f64() * 1000.0 }
}

fn backoff(attempt: u32) -> Duration {
    let ceiling = (BACKOFF_BASE_MS << attempt.min(16)).min(BACKOFF_CAP_MS);
    Duration::from_millis(jitter(ceiling).max(50))
}

/// Uniform below `ceiling`, from the random part of an id.
fn jitter(ceiling: u64) -> u64 {
    let (_, random) = Uuid::new_v4().as_u64_pair();
    ((random & 0xffff_ffff) * ceiling) >> 32
}
