//! Frames over a stream.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::inbound::{Event, Inbound};
use super::outbound::{Outbound, Outgoing};

/// Bytes read at once. One such buffer serves all connections of a thread.
const READ_BYTES: usize = 16 * 1024;
/// Frames' heads and bodies handed to the system at once.
const WRITE_SLICES: usize = 32;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// Why nothing more can be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// See [`super::inbound::Violation`].
    Violation,
    /// The stream ended or failed.
    Gone,
}

/// See the module.
pub(crate) struct Socket<S> {
    stream: S,
    inbound: Inbound,
    /// Taken apart already, in the order they came. Bounded by one read.
    events: VecDeque<Event>,
    /// Comes after the events.
    violated: bool,
    outbound: Outbound,
    unflushed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub(crate) fn new(stream: S, max_message: usize) -> Self {
        Self {
            stream,
            inbound: Inbound::new(max_message),
            events: VecDeque::new(),
            violated: false,
            outbound: Outbound::default(),
            unflushed: false,
        }
    }

    /// The next event. A ping's answer is queued; write it with [`Self::poll_flush`].
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, ReadError>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                if self.events.is_empty() {
                    self.events = VecDeque::new();
                }
                if let Event::Ping(bytes) = &event {
                    self.outbound.push(Outgoing::Pong(bytes.clone()));
                }
                return Poll::Ready(Ok(event));
            }
            if self.violated {
                return Poll::Ready(Err(ReadError::Violation));
            }
            if !ready!(self.poll_read(cx)) {
                return Poll::Ready(Err(ReadError::Gone));
            }
        }
    }

    /// Reads once; false at the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            if ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)).is_err() {
                return Poll::Ready(false);
            }
            let mut bytes = buffer.filled_mut();
            if bytes.is_empty() {
                return Poll::Ready(false);
            }
            while !bytes.is_empty() {
                match self.inbound.feed(bytes) {
                    Ok((taken, event)) => {
                        self.events.extend(event);
                        bytes = &mut bytes[taken..];
                    }
                    Err(violation) => {
                        tracing::debug!(?violation, "a client's bytes");
                        self.violated = true;
                        break;
                    }
                }
            }
            Poll::Ready(true)
        })
    }

    pub(crate) fn push(&mut self, message: Outgoing) {
        self.outbound.push(message);
    }

    /// Whether everything pushed is on its way.
    pub(crate) fn is_flushed(&self) -> bool {
        self.outbound.is_empty() && !self.unflushed
    }

    /// Writes what was pushed.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outbound.is_empty() {
            let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
            let count = self.outbound.slices(&mut slices);
            let stream = Pin::new(&mut self.stream);
            let sent = ready!(stream.poll_write_vectored(cx, &slices[..count]))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outbound.advance(sent);
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// As [`Self::poll_next`].
    pub(crate) async fn next(&mut self) -> Result<Event, ReadError> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Writes one message and all before it.
    pub(crate) async fn send(&mut self, message: Outgoing) -> io::Result<()> {
        self.push(message);
        std::future::poll_fn(|cx| self.poll_flush(cx)).await
    }
}
