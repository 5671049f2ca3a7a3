//! One client's WebSocket, owned by one task from its hello to its close.

mod hello;
mod rate;
mod requests;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use housecall_protocol::client::{ClientFrame, ErrorCode, request_id};
use housecall_protocol::cluster::{Actor, Refusal};
use tokio::time::{Instant, Interval};

use crate::gateway::Gateway;
use crate::gateway::admission::Permit;
use crate::gateway::close::CloseReason;
use crate::gateway::handle::Handle;
use crate::gateway::outbox::OutboxReader;
use crate::lane::Lane;
use crate::metrics::kind_label;
use rate::{Rate, Verdict};

/// Requests of one connection that wait behind a slow one, per lane.
const LANE_BOUND: usize = 64;
/// Pings without an answer that end a connection.
const MISSED_PINGS: u32 = 2;
/// What a close may take: the peer may be gone.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);
/// One frame into a socket. A peer that takes longer does not read.
const WRITE_PATIENCE: Duration = Duration::from_secs(20);

/// What a piece of work changes in its connection.
enum Done {
    Nothing,
    /// A newer token was accepted.
    Refreshed(Identity),
}

/// Whom the connection's token names, and until when it is good.
#[derive(Clone)]
struct Identity {
    actor: Actor,
    expires: Instant,
}

struct Connection {
    gateway: Arc<Gateway>,
    handle: Arc<Handle>,
    identity: Identity,
    sink: SplitSink<WebSocket, Message>,
    stream: SplitStream<WebSocket>,
    outbox: OutboxReader,
    /// Chat and presence, in the order they came.
    chat: Lane<Done>,
    /// Calls and tokens: a slow history page must not delay an accept.
    calls: Lane<Done>,
    rate: Rate,
    heartbeat: Interval,
    missed_pings: u32,
}

/// Serves an upgraded socket until it closes.
pub(crate) async fn serve(gateway: Arc<Gateway>, mut socket: WebSocket, permit: Permit) {
    let reason = match hello::greet(&gateway, &mut socket).await {
        Ok(greeted) => {
            let mut connection = Connection::new(gateway.clone(), socket, greeted);
            // Boxed: the state of all lanes and timers is large, and idle connections many.
            let reason = Box::pin(connection.run()).await;
            connection.end(reason).await;
            reason
        }
        Err(reason) => {
            close_socket(&mut socket, reason).await;
            reason
        }
    };
    drop(permit);
    gateway.metrics.closed.with_label_values(&[reason.as_str()]).inc();
}

impl Connection {
    fn new(gateway: Arc<Gateway>, socket: WebSocket, greeted: hello::Greeted) -> Self {
        let (sink, stream) = socket.split();
        let period = Duration::from_secs(gateway.config.heartbeat_s.max(1));
        gateway.metrics.connections.with_label_values(&[kind_label(greeted.handle.kind)]).inc();
        Self {
            rate: Rate::new(&gateway.config),
            handle: greeted.handle,
            identity: greeted.identity,
            outbox: greeted.outbox,
            sink,
            stream,
            chat: Lane::new(LANE_BOUND),
            calls: Lane::new(LANE_BOUND),
            heartbeat: tokio::time::interval_at(Instant::now() + period, period),
            missed_pings: 0,
            gateway,
        }
    }

    async fn run(&mut self) -> CloseReason {
        let handle = Arc::clone(&self.handle);
        let draining = self.gateway.draining.clone();
        loop {
            let step = tokio::select! {
                biased;
                reason = handle.closer.closed() => Err(reason),
                () = draining.cancelled() => Err(CloseReason::Draining),
                () = tokio::time::sleep_until(self.identity.expires) => {
                    Err(CloseReason::Unauthenticated)
                }
                _ = self.heartbeat.tick() => self.ping().await,
                done = self.calls.next() => { self.finish(done); Ok(()) }
                done = self.chat.next() => { self.finish(done); Ok(()) }
                // Reading comes before writing: the rate limit bounds it, so it
                // cannot starve the writing, while events could starve the reading.
                message = self.stream.next() => self.receive(message),
                text = self.outbox.next() => match text {
                    Some(text) => {
                        self.gateway.metrics.frames_out.inc();
                        self.write(Message::Text(text)).await
                    }
                    None => Err(CloseReason::PeerGone),
                },
            };
            if let Err(reason) = step {
                return reason;
            }
        }
    }

    fn finish(&mut self, done: Done) {
        match done {
            Done::Nothing => {}
            Done::Refreshed(identity) => self.identity = identity,
        }
    }

    async fn ping(&mut self) -> Result<(), CloseReason> {
        if self.missed_pings >= MISSED_PINGS {
            return Err(CloseReason::Silent);
        }
        self.missed_pings += 1;
        self.write(Message::Ping(bytes::Bytes::new())).await
    }

    async fn write(&mut self, message: Message) -> Result<(), CloseReason> {
        let handle = Arc::clone(&self.handle);
        tokio::select! {
            biased;
            reason = handle.closer.closed() => Err(reason),
            sent = tokio::time::timeout(WRITE_PATIENCE, self.sink.send(message)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(CloseReason::PeerGone),
                Err(_) => Err(CloseReason::SlowConsumer),
            },
        }
    }

    fn receive(
        &mut self,
        message: Option<Result<Message, axum::Error>>,
    ) -> Result<(), CloseReason> {
        self.missed_pings = 0;
        match message {
            Some(Ok(Message::Text(text))) => self.receive_text(text.as_str()),
            Some(Ok(Message::Binary(_))) => {
                self.admit(None)?;
                let refusal = Refusal::new(ErrorCode::BadFrame, "frames are JSON text");
                self.handle.refuse(None, &refusal, None);
                Ok(())
            }
            // The library answers pings itself; they still count against the rate.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => self.admit(None).map(|_| ()),
            Some(Ok(Message::Close(_))) | None => Err(CloseReason::PeerGone),
            Some(Err(_)) => Err(CloseReason::Unreadable),
        }
    }

    fn receive_text(&mut self, text: &str) -> Result<(), CloseReason> {
        if !self.admit(Some(text))? {
            return Ok(());
        }
        if text.len() > self.gateway.config.max_frame_bytes {
            let refusal = Refusal::new(ErrorCode::TooLarge, "the frame is too long");
            self.handle.refuse(None, &refusal, None);
            return Ok(());
        }
        match ClientFrame::parse(text) {
            Ok(incoming) => {
                let kind = incoming.frame.kind();
                self.gateway.metrics.frames_in.with_label_values(&[kind]).inc();
                self.take(incoming);
            }
            Err(bad) => {
                self.gateway.metrics.frames_in.with_label_values(&["unreadable"]).inc();
                self.handle.refuse(bad.id, &Refusal::new(bad.code, bad.message), None);
            }
        }
        Ok(())
    }

    /// Whether the rate allows one more frame; refused often enough, it closes. The
    /// refusal answers the frame: whoever waits for its answer must not wait in vain.
    fn admit(&mut self, text: Option<&str>) -> Result<bool, CloseReason> {
        match self.rate.check() {
            Verdict::Pass => Ok(true),
            Verdict::Refuse { retry_after } => {
                let refusal = Refusal::new(ErrorCode::RateLimited, "too many frames");
                let retry_ms = u32::try_from(retry_after.as_millis()).unwrap_or(u32::MAX);
                let longest = self.gateway.config.max_frame_bytes;
                let id = text.filter(|text| text.len() <= longest).and_then(request_id);
                self.handle.refuse(id, &refusal, Some(retry_ms.max(1)));
                Ok(false)
            }
            Verdict::Close => Err(CloseReason::RateLimited),
        }
    }

    /// Leaves every table, finishes what is under way when the process stops, closes.
    async fn end(&mut self, reason: CloseReason) {
        if reason == CloseReason::Draining {
            let _ = tokio::time::timeout(self.gateway.config.drain(), self.drain()).await;
        }
        let kind = kind_label(self.handle.kind);
        self.gateway.metrics.connections.with_label_values(&[kind]).dec();
        hello::withdraw(&self.gateway, &self.handle, &self.identity.actor).await;
        let Some(code) = reason.code() else { return };
        let _ = tokio::time::timeout(CLOSE_PATIENCE, async {
            if reason.still_reads() {
                self.flush().await;
            }
            if self.sink.send(close_message(code, reason)).await.is_ok() {
                // Until the peer has closed too: an earlier end of ours would reset the
                // connection, and the close code with it.
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        })
        .await;
    }

    async fn drain(&mut self) {
        while !self.calls.is_empty() {
            self.calls.next().await;
        }
        while !self.chat.is_empty() {
            self.chat.next().await;
        }
    }

    /// What was queued before the close explains it.
    async fn flush(&mut self) {
        while let Some(text) = self.outbox.try_next() {
            if self.sink.send(Message::Text(text)).await.is_err() {
                return;
            }
        }
    }
}

fn close_message(code: u16, reason: CloseReason) -> Message {
    Message::Close(Some(CloseFrame { code, reason: reason.as_str().into() }))
}

/// Closes a socket that never became a connection.
async fn close_socket(socket: &mut WebSocket, reason: CloseReason) {
    let Some(code) = reason.code() else { return };
    let _ = tokio::time::timeout(CLOSE_PATIENCE, async {
        if socket.send(close_message(code, reason)).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    })
    .await;
}
