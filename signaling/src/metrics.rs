//! What the gateway counts. Labels are words of the protocol, never ids.

use housecall_platform::service::Context;
use housecall_protocol::domain::{EndReason, PersonKind};
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
};

/// Handles to the counters.
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
        })
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
