//! One client's WebSocket, owned by one task from its hello to its close.
//!
//! An idle connection is one small state in memory: no timer of its own, no buffer,
//! no channel. Its task is woken by bytes, by its mailbox and by the process's alarm,
//! and then looks at everything.

mod deadlines;
mod hello;
mod requests;
mod sends;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use housecall_protocol::client::{ClientFrame, ErrorCode, request_id};
use housecall_protocol::cluster::{Actor, Refusal};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use crate::gateway::Gateway;
use crate::gateway::admission::Permit;
use crate::gateway::close::{CloseReason, Closing};
use crate::gateway::handle::Handle;
use crate::gateway::meter::{Meter, Wait};
use crate::gateway::share::Share;
use crate::lane::Lane;
use crate::metrics::kind_label;
use crate::websocket::{Event, Outgoing, ReadError, Socket};
use deadlines::{Deadlines, Due};
use sends::Sends;

/// The client's stream, as the HTTP server handed it over.
pub(crate) type Stream = Socket<TokioIo<Upgraded>>;

/// Requests of one connection that wait behind a slow one, per lane.
const LANE_BOUND: usize = 64;
/// What a close may take: the peer may be gone.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);
/// Frames handed to the socket at once.
const FRAMES_AT_ONCE: usize = 16;
/// Frames read before others have their turn.
const READS_AT_ONCE: usize = 32;

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
    socket: Stream,
    /// Chat and presence, in the order they came.
    chat: Lane<Done>,
    /// The last piece of work in that lane, while messages may still join it.
    sends: Option<Sends>,
    /// Calls and tokens: a slow history page must not delay an accept.
    calls: Lane<Done>,
    meter: Meter,
    /// Frames refused in a row, more or less.
    strikes: u32,
    share: Arc<Share>,
    deadlines: Deadlines,
    /// When presence was told that the person uses the device.
    used_at: Option<Instant>,
}

/// Serves an upgraded socket until it closes.
pub(crate) async fn serve(gateway: Arc<Gateway>, socket: Stream, permit: Permit) {
    // Boxed, as all that is awaited here: the task itself must stay small.
    let greeted = Box::pin(hello::greet(Arc::clone(&gateway), socket)).await;
    let reason = match greeted {
        Ok(mut connection) => {
            let reason = std::future::poll_fn(|cx| connection.poll_run(cx)).await;
            Box::pin(connection.end(reason)).await;
            reason
        }
        Err(reason) => reason,
    };
    drop(permit);
    gateway.metrics.closed.with_label_values(&[reason.as_str()]).inc();
}

impl Connection {
    fn new(gateway: Arc<Gateway>, socket: Stream, greeted: hello::Greeted) -> Box<Self> {
        let hello::Greeted { handle, identity, share } = greeted;
        gateway.metrics.connections.with_label_values(&[kind_label(handle.kind)]).inc();
        let deadlines =
            Deadlines::new(gateway.config.heartbeat(), identity.expires, Instant::now());
        Box::new(Self {
            gateway,
            handle,
            identity,
            socket,
            chat: Lane::new(LANE_BOUND),
            sends: None,
            calls: Lane::new(LANE_BOUND),
            meter: Meter::default(),
            strikes: 0,
            share,
            deadlines,
            used_at: None,
        })
    }

    /// Looks at everything that may have changed; ready when the connection ends.
    fn poll_run(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let now = Instant::now();
        match self.look(cx, now) {
            Err(reason) => Poll::Ready(reason),
            Ok(()) => {
                if let Some(at) = self.deadlines.take_alarm(now) {
                    self.gateway.alarm.set(&self.handle, at);
                }
                Poll::Pending
            }
        }
    }

    fn look(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), CloseReason> {
        if let Some(reason) = self.handle.mailbox.listen(cx) {
            return Err(reason);
        }
        if self.gateway.draining.is_cancelled() {
            return Err(CloseReason::Draining);
        }
        match self.deadlines.check(now)? {
            Due::Ping => self.socket.push(Outgoing::Ping),
            Due::Nothing => {}
        }
        self.work(cx);
        // Reading comes before writing: the rate limit bounds it, so it cannot starve
        // the writing, while events could starve the reading. Who does not take what
        // is written is not read either.
        if self.write(cx, now)? {
            self.read(cx, now)?;
            self.write(cx, now)?;
        }
        Ok(())
    }

    fn finish(&mut self, done: Done) {
        match done {
            Done::Nothing => {}
            Done::Refreshed(identity) => {
                self.deadlines.expires(identity.expires);
                self.identity = identity;
            }
        }
    }

    /// Whether all that waited is written.
    fn write(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, CloseReason> {
        loop {
            match self.socket.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.deadlines.written(),
                Poll::Ready(Err(_)) => return Err(CloseReason::PeerGone),
                Poll::Pending => {
                    self.deadlines.stalled(now);
                    return Ok(false);
                }
            }
            let Self { socket, handle, .. } = self;
            handle.mailbox.take(FRAMES_AT_ONCE, |text| {
                handle.metrics.frames_out.inc();
                socket.push(Outgoing::Text(text));
            });
            if self.socket.is_flushed() {
                return Ok(true);
            }
        }
    }

    fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), CloseReason> {
        for _ in 0..READS_AT_ONCE {
            match self.socket.poll_next(cx) {
                Poll::Ready(event) => self.receive(event, now)?,
                Poll::Pending => {
                    self.work(cx);
                    return Ok(());
                }
            }
        }
        cx.waker().wake_by_ref();
        self.work(cx);
        Ok(())
    }

    /// Goes on with what is in the lanes. Also after reading: new work has to be
    /// polled once to wake the task later.
    fn work(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(done) = self.calls.poll_next(cx) {
            self.finish(done);
        }
        while let Poll::Ready(done) = self.chat.poll_next(cx) {
            self.finish(done);
        }
        if self.chat.is_empty() {
            self.sends = None;
        }
    }

    fn receive(
        &mut self,
        event: Result<Event, ReadError>,
        now: Instant,
    ) -> Result<(), CloseReason> {
        self.deadlines.heard(now);
        match event {
            Ok(Event::Text(text)) => self.receive_text(&text, now),
            Ok(Event::Binary) => {
                self.admit("", now)?;
                let refusal = Refusal::new(ErrorCode::BadFrame, "frames are JSON text");
                self.handle.refuse(None, &refusal, None);
                Ok(())
            }
            // The socket answers pings itself; they still count against the rate.
            Ok(Event::Ping(_) | Event::Pong) => self.admit("", now).map(|_| ()),
            Ok(Event::Close) | Err(ReadError::Gone) => Err(CloseReason::PeerGone),
            Err(ReadError::Violation) => Err(CloseReason::Unreadable),
        }
    }

    fn receive_text(&mut self, text: &str, now: Instant) -> Result<(), CloseReason> {
        if !self.admit(text, now)? {
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

    /// Whether the rates allow one more frame; refused often enough, it closes. The
    /// refusal answers the frame: whoever waits for its answer must not wait in vain.
    fn admit(&mut self, text: &str, now: Instant) -> Result<bool, CloseReason> {
        let config = &self.gateway.config;
        let own = self.meter.check(&config.rates(), now, text.len());
        let outcome = own.and_then(|()| self.share.check(&config.person_rates(), now, text.len()));
        match outcome {
            Ok(()) => {
                self.strikes = self.strikes.saturating_sub(1);
                Ok(true)
            }
            Err(_) if self.strikes >= config.max_rate_strikes => Err(CloseReason::RateLimited),
            Err(Wait(wait)) => {
                self.strikes += 1;
                let refusal = Refusal::new(ErrorCode::RateLimited, "too much, too fast");
                let retry_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
                let readable = text.len() <= config.max_frame_bytes;
                let id = if readable { request_id(text) } else { None };
                self.handle.refuse(id, &refusal, Some(retry_ms.max(1)));
                Ok(false)
            }
        }
    }

    /// Leaves every table, finishes what is under way when the process stops, closes.
    async fn end(mut self: Box<Self>, reason: CloseReason) {
        if reason == CloseReason::Draining {
            // What takes longer is asked again at another gateway.
            let _ = tokio::time::timeout(self.gateway.config.drain(), self.drain()).await;
        }
        let kind = kind_label(self.handle.kind);
        self.gateway.metrics.connections.with_label_values(&[kind]).dec();
        hello::withdraw(&self.gateway, &self.handle, &self.identity.actor).await;
        if reason.still_reads() {
            // What was queued before the close explains it.
            let Self { socket, handle, .. } = &mut *self;
            handle.mailbox.take(usize::MAX, |text| socket.push(Outgoing::Text(text)));
        }
        let retry = (reason == CloseReason::Draining).then(|| self.gateway.return_after_drain());
        close_socket(&mut self.socket, Closing { reason, retry }).await;
    }

    async fn drain(&mut self) {
        std::future::poll_fn(|cx| {
            self.work(cx);
            let idle = self.calls.is_empty() && self.chat.is_empty();
            if idle { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Says why, if there is anybody to hear it.
async fn close_socket(socket: &mut Stream, closing: Closing) {
    let Some(frame) = closing.frame() else { return };
    // Whoever takes longer is not there any more.
    let _ = tokio::time::timeout(CLOSE_PATIENCE, async {
        if socket.send(frame).await.is_ok() {
            // Until the peer has closed too: an earlier end of ours would reset the
            // connection, and the close code with it.
            while socket.next().await.is_ok() {}
        }
    })
    .await;
}
