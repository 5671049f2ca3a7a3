//! What the chat router counts.

use housecall_protocol::client::ErrorCode;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// From a tenth of a millisecond to the longest retry.
const SEND_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

const BATCH_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

#[derive(Clone)]
pub(crate) struct Metrics {
    messages: IntCounterVec,
    resends: IntCounter,
    changes: IntCounter,
    retries: IntCounter,
    refusals: IntCounterVec,
    pub(crate) send_seconds: Histogram,
    pub(crate) batch_seconds: Histogram,
    pub(crate) batch_messages: Histogram,
    pub(crate) held: IntCounter,
    pub(crate) marks: IntCounter,
    pub(crate) beacons: IntCounter,
    pub(crate) in_flight: IntGauge,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            messages: IntCounterVec::new(
                Opts::new("housecall_chat_messages_total", "Messages stored, by kind"),
                &["kind"],
            )?,
            resends: IntCounter::new(
                "housecall_chat_resends_total",
                "Messages that were already stored when they were sent again",
            )?,
            changes: IntCounter::new("housecall_chat_changes_total", "Messages edited or deleted")?,
            retries: IntCounter::new(
                "housecall_chat_retries_total",
                "Database transactions run again after a passing failure",
            )?,
            refusals: IntCounterVec::new(
                Opts::new("housecall_chat_refusals_total", "Requests refused, by error code"),
                &["code"],
            )?,
            send_seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "housecall_chat_send_seconds",
                    "Seconds from a message's arrival at the router to its commit",
                )
                .buckets(SEND_BUCKETS.to_vec()),
            )?,
            batch_seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "housecall_chat_batch_seconds",
                    "Seconds of one batch's transaction, retries among them",
                )
                .buckets(SEND_BUCKETS.to_vec()),
            )?,
            batch_messages: Histogram::with_opts(
                HistogramOpts::new("housecall_chat_batch_messages", "Messages of one batch")
                    .buckets(BATCH_BUCKETS.to_vec()),
            )?,
            held: IntCounter::new(
                "housecall_chat_held_total",
                "Messages put off because another transaction held their conversation",
            )?,
            marks: IntCounter::new(
                "housecall_chat_marks_total",
                "Delivered and read marks that moved",
            )?,
            beacons: IntCounter::new(
                "housecall_chat_beacons_total",
                "Conversation heads announced by the beacon",
            )?,
            in_flight: IntGauge::new(
                "housecall_chat_requests_in_flight",
                "Requests being handled now",
            )?,
        };
        registry.register(Box::new(metrics.messages.clone()))?;
        registry.register(Box::new(metrics.resends.clone()))?;
        registry.register(Box::new(metrics.changes.clone()))?;
        registry.register(Box::new(metrics.retries.clone()))?;
        registry.register(Box::new(metrics.refusals.clone()))?;
        registry.register(Box::new(metrics.send_seconds.clone()))?;
        registry.register(Box::new(metrics.batch_seconds.clone()))?;
        registry.register(Box::new(metrics.batch_messages.clone()))?;
        registry.register(Box::new(metrics.held.clone()))?;
        registry.register(Box::new(metrics.marks.clone()))?;
        registry.register(Box::new(metrics.beacons.clone()))?;
        registry.register(Box::new(metrics.in_flight.clone()))?;
        Ok(metrics)
    }

    pub(crate) fn stored(&self, kind: &str) {
        self.messages.with_label_values(&[kind]).inc();
    }

    /// A message was changed, or a change of it was asked for again.
    pub(crate) fn changed(&self, now: bool) {
        if now {
            self.changes.inc();
        } else {
            self.resends.inc();
        }
    }

    pub(crate) fn resent(&self) {
        self.resends.inc();
    }

    pub(crate) fn retried(&self) {
        self.retries.inc();
    }

    pub(crate) fn refused(&self, code: ErrorCode) {
        self.refusals.with_label_values(&[code_label(code)]).inc();
    }
}

const fn code_label(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::BadFrame => "bad_frame",
        ErrorCode::UnknownFrame => "unknown_frame",
        ErrorCode::ProtocolVersion => "protocol_version",
        ErrorCode::Unauthenticated => "unauthenticated",
        ErrorCode::Forbidden => "forbidden",
        ErrorCode::NotFound => "not_found",
        ErrorCode::Conflict => "conflict",
        ErrorCode::TooLarge => "too_large",
        ErrorCode::RateLimited => "rate_limited",
        ErrorCode::Busy => "busy",
        ErrorCode::Unavailable => "unavailable",
        ErrorCode::Internal => "internal",
    }
}
