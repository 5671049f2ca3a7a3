//! What the rest of the process may do to one connection: write to it, close it.

use std::sync::Arc;

use bytes::Bytes;
use housecall_protocol::client::{Empty, ErrorFrame, Outgoing, ServerFrame};
use housecall_protocol::cluster::{Answer, Refusal};
use housecall_protocol::domain::PersonKind;
use housecall_protocol::{ConnectionId, PersonId, SessionId};

use super::close::CloseReason;
use super::mailbox::Mailbox;
use crate::metrics::Metrics;

/// A connection as others see it. Its task owns the socket.
pub(crate) struct Handle {
    pub(crate) id: ConnectionId,
    pub(crate) person: PersonId,
    pub(crate) session: SessionId,
    pub(crate) kind: PersonKind,
    pub(crate) mailbox: Mailbox,
    pub(crate) metrics: Arc<Metrics>,
}

impl Handle {
    /// Queues a frame; a client too slow for it is closed.
    pub(crate) fn send_text(&self, text: Bytes) {
        if self.mailbox.push(text).is_err() {
            self.close(CloseReason::SlowConsumer);
        }
    }

    pub(crate) fn send(&self, frame: &Outgoing) {
        self.send_text(frame.to_text().into());
    }

    /// Ends the connection; the first reason stands.
    pub(crate) fn close(&self, reason: CloseReason) {
        self.mailbox.close(reason);
    }

    /// Answers a request. A frame without an id wants to hear of failures only.
    pub(crate) fn answer(&self, re: Option<u32>, answer: Answer<ServerFrame>) {
        match answer {
            Ok(ServerFrame::Ok(Empty {})) if re.is_none() => {}
            Ok(frame) => self.send(&Outgoing::reply(re, frame)),
            Err(refusal) => self.refuse(re, &refusal, None),
        }
    }

    pub(crate) fn refuse(&self, re: Option<u32>, refusal: &Refusal, retry_after_ms: Option<u32>) {
        self.metrics.errors_out.with_label_values(&[&format!("{:?}", refusal.code)]).inc();
        self.send(&Outgoing::reply(re, error_frame(refusal, retry_after_ms)));
    }
}

/// The refusal as a frame.
pub(crate) fn error_frame(refusal: &Refusal, retry_after_ms: Option<u32>) -> ServerFrame {
    ServerFrame::Error(ErrorFrame {
        code: refusal.code,
        message: refusal.message.clone(),
        retry_after_ms,
    })
}
