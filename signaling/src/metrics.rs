//! What the gateway counts. Labels are words of the protocol, never ids.

use axum::http::StatusCode;
use housecall_platform::service::Context;
use housecall_protocol::domain::{EndReason, PersonKind, TrackSource};
use housecall_protocol::media::{MediaFault, StreamDirection};
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
};

use crate::call::quality::Sample;

/// Handles to the counters; clones share them.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) connections: IntGaugeVec,
    pub(crate) refused: IntCounterVec,
    pub(crate) closed: IntCounterVec,
    pub(crate) frames_in: IntCounterVec,
    pub(crate) frames_out: IntCounter,
    pub(crate) errors_out: IntCounterVec,
    pub(crate) bus_lost: IntCounter,
    pub(crate) asked_again: IntCounter,
    pub(crate) calls_open: IntGauge,
    calls_ended: IntCounterVec,
    pub(crate) calls_swept: IntCounter,
    pub(crate) call_ring: Histogram,
    pub(crate) call_join: Histogram,
    pub(crate) call_talk: Histogram,
    pub(crate) first_frame: Histogram,
    mos: Histogram,
    loss: Histogram,
    rtt: Histogram,
    stuck: IntCounterVec,
    streams: IntCounterVec,
}

impl Metrics {
    pub(crate) fn register(context: &Context) -> Result<Self, prometheus::Error> {
        let r = &context.metrics;
        macro_rules! add {
            ($metric:expr) => {{
                let metric = $metric?;
                r.register(Box::new(metric.clone()))?;
                metric
            }};
        }
        Ok(Self {
            connections: add!(IntGaugeVec::new(
                Opts::new("housecall_gateway_connections", "Open WebSockets after their hello"),
                &["kind"]
            )),
            refused: add!(IntCounterVec::new(
                Opts::new("housecall_gateway_refused_total", "Upgrades refused"),
                &["reason"]
            )),
            closed: add!(IntCounterVec::new(
                Opts::new("housecall_gateway_closed_total", "WebSockets ended"),
                &["reason"]
            )),
            frames_in: add!(IntCounterVec::new(
                Opts::new("housecall_gateway_frames_in_total", "Frames received"),
                &["type"]
            )),
            frames_out: add!(IntCounter::new("housecall_gateway_frames_out_total", "Frames sent")),
            errors_out: add!(IntCounterVec::new(
                Opts::new("housecall_gateway_errors_total", "Error frames sent"),
                &["code"]
            )),
            bus_lost: add!(IntCounter::new(
                "housecall_gateway_bus_lost_total",
                "Bus messages lost because the gateway was behind"
            )),
            asked_again: add!(IntCounter::new(
                "housecall_gateway_asked_again_total",
                "Requests put to another instance because none had answered"
            )),
            calls_open: add!(IntGauge::new("housecall_calls_open", "Calls this process drives")),
            calls_ended: add!(IntCounterVec::new(
                Opts::new("housecall_calls_ended_total", "Calls by outcome"),
                &["reason"]
            )),
            calls_swept: add!(IntCounter::new(
                "housecall_calls_swept_total",
                "Calls ended because their owner was gone"
            )),
            call_ring: add!(histogram(
                "housecall_call_ring_seconds",
                "From start to accept",
                &[1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0]
            )),
            call_join: add!(histogram(
                "housecall_call_join_seconds",
                "From accept to media flowing both ways",
                &[0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 1.0, 2.0, 5.0, 10.0, 30.0]
            )),
            call_talk: add!(histogram(
                "housecall_call_talk_seconds",
                "From accept to end",
                &[10.0, 30.0, 60.0, 180.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0]
            )),
            first_frame: add!(histogram(
                "housecall_call_first_frame_seconds",
                "From accept to the first decoded frame, as clients report it",
                &[0.1, 0.2, 0.3, 0.4, 0.6, 1.0, 2.0, 5.0, 10.0]
            )),
            mos: add!(histogram(
                "housecall_call_mos",
                "Mean opinion score of what participants hear (ITU-T G.107), one value per report",
                &[1.5, 2.0, 2.58, 3.1, 3.6, 4.0, 4.2, 4.3, 4.4]
            )),
            loss: add!(histogram(
                "housecall_call_loss_ratio",
                "Share of packets lost on a participant's worse way, one value per report",
                &[0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5]
            )),
            rtt: add!(histogram(
                "housecall_call_rtt_seconds",
                "Round trip between a participant and the relay, one value per report",
                &[0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 1.0]
            )),
            streams: add!(IntCounterVec::new(
                Opts::new("housecall_gateway_stream_requests_total", "WHIP and WHEP requests"),
                &["direction", "status"]
            )),
            stuck: add!(IntCounterVec::new(
                Opts::new(
                    "housecall_call_stuck_total",
                    "Tracks that should have flowed and did not"
                ),
                &["source", "fault"]
            )),
        })
    }

    pub(crate) fn judged(&self, sample: Sample) {
        self.mos.observe(f64::from(sample.mos));
        self.loss.observe(f64::from(sample.loss));
        if let Some(rtt_ms) = sample.rtt_ms {
            self.rtt.observe(f64::from(rtt_ms) / 1000.0);
        }
    }

    pub(crate) fn stuck(&self, source: TrackSource, fault: MediaFault) {
        self.stuck.with_label_values(&[source.as_str(), fault.as_str()]).inc();
    }

    pub(crate) fn stream_request(&self, direction: StreamDirection, status: StatusCode) {
        self.streams.with_label_values(&[direction.as_str(), status.as_str()]).inc();
    }

    pub(crate) fn ended(&self, reason: EndReason) {
        self.calls_ended.with_label_values(&[reason.as_str()]).inc();
    }
}

fn histogram(name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, prometheus::Error> {
    Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))
}

/// Label of a kind of person.
pub(crate) const fn kind_label(kind: PersonKind) -> &'static str {
    match kind {
        PersonKind::Patient => "patient",
        PersonKind::Operator => "operator",
    }
}
