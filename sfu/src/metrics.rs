//! What the relay counts.

use housecall_platform::heap;
use housecall_sfu_core::{Core, Counters};
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Shared by all workers of a node; each adds what changed in its own core.
#[derive(Clone)]
pub(crate) struct Metrics {
    rooms: IntGauge,
    participants: IntGauge,
    tracks: IntGauge,
    forwarded: IntCounter,
    forwarded_bytes: IntCounter,
    relayed: IntCounter,
    gated: IntCounter,
    unusable: IntCounter,
    stray: IntCounter,
    refused_packets: IntCounter,
    excess: IntCounter,
    lost: IntCounter,
    keyframe_requests: IntCounter,
    failed_sessions: IntCounter,
    panicked_sessions: IntCounter,
    allocations: IntCounter,
    pub(crate) worker_restarts: IntCounter,
    pub(crate) unsent_datagrams: IntCounter,
    pub(crate) unrelayed: IntCounter,
    pub(crate) lost_events: IntCounter,
    pub(crate) join_ms: Histogram,
    pub(crate) turn_ms: Histogram,
    pub(crate) tcp: TcpMetrics,
}

/// What becomes of TCP connections.
#[derive(Clone)]
pub(crate) struct TcpMetrics {
    pub(crate) connections: IntGauge,
    pub(crate) refused: IntCounter,
    pub(crate) closed: IntCounterVec,
    pub(crate) dropped_packets: IntCounter,
}

impl TcpMetrics {
    fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            connections: IntGauge::new("housecall_sfu_tcp_connections", "TCP connections")?,
            refused: IntCounter::new(
                "housecall_sfu_tcp_refused_total",
                "TCP connections beyond the bounds",
            )?,
            closed: IntCounterVec::new(
                Opts::new(
                    "housecall_sfu_tcp_closed_total",
                    "TCP connections closed by the relay, by reason",
                ),
                &["reason"],
            )?,
            dropped_packets: IntCounter::new(
                "housecall_sfu_tcp_dropped_packets_total",
                "Packets lost because their TCP reader was behind",
            )?,
        };
        registry.register(Box::new(metrics.connections.clone()))?;
        registry.register(Box::new(metrics.refused.clone()))?;
        registry.register(Box::new(metrics.closed.clone()))?;
        registry.register(Box::new(metrics.dropped_packets.clone()))?;
        Ok(metrics)
    }
}

impl Metrics {
    /// # Errors
    /// When the registry has these metrics already.
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let dropped = IntCounterVec::new(
            Opts::new("housecall_sfu_dropped_packets_total", "Packets not forwarded, by reason"),
            &["reason"],
        )?;
        registry.register(Box::new(dropped.clone()))?;
        let join_ms = Histogram::with_opts(
            HistogramOpts::new(
                "housecall_sfu_join_milliseconds",
                "From the join request until ICE and DTLS are up",
            )
            .buckets(vec![5.0, 10.0, 25.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1600.0, 5000.0]),
        )?;
        registry.register(Box::new(join_ms.clone()))?;
        let turn_ms = Histogram::with_opts(
            HistogramOpts::new(
                "housecall_sfu_turn_milliseconds",
                "From a worker's waking until it has sent what came; what comes waits no longer",
            )
            .buckets(vec![
                0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0,
            ]),
        )?;
        registry.register(Box::new(turn_ms.clone()))?;
        Ok(Self {
            rooms: gauge("housecall_sfu_rooms", "Rooms")?,
            participants: gauge("housecall_sfu_participants", "Participants")?,
            tracks: gauge("housecall_sfu_tracks", "Published tracks")?,
            forwarded: counter(
                "housecall_sfu_forwarded_packets_total",
                "Media packets forwarded, once per receiver",
            )?,
            forwarded_bytes: counter(
                "housecall_sfu_forwarded_bytes_total",
                "Media payload forwarded, once per receiver",
            )?,
            relayed: counter(
                "housecall_sfu_relayed_packets_total",
                "Media packets passed on to other workers, once per worker",
            )?,
            // Looked up once: a look-up costs more than the counting.
            gated: dropped.with_label_values(&["gated"]),
            unusable: dropped.with_label_values(&["unusable"]),
            stray: dropped.with_label_values(&["stray"]),
            refused_packets: dropped.with_label_values(&["refused"]),
            excess: dropped.with_label_values(&["excess"]),
            lost: counter(
                "housecall_sfu_lost_packets_total",
                "Packets lost on the way to and from the relay, as reports say",
            )?,
            keyframe_requests: counter(
                "housecall_sfu_keyframe_requests_total",
                "Keyframe requests sent to publishers",
            )?,
            failed_sessions: counter(
                "housecall_sfu_failed_sessions_total",
                "Participants whose session ended with an error",
            )?,
            panicked_sessions: counter(
                "housecall_sfu_panicked_sessions_total",
                "Participants whose session ended by a bug in the relay",
            )?,
            allocations: counter(
                "housecall_sfu_allocations_total",
                "Requests of the relay's threads for memory",
            )?,
            worker_restarts: counter(
                "housecall_sfu_worker_restarts_total",
                "Workers restarted after a bug",
            )?,
            unsent_datagrams: counter(
                "housecall_sfu_unsent_datagrams_total",
                "Datagrams the system did not take",
            )?,
            unrelayed: dropped.with_label_values(&["unrelayed"]),
            lost_events: counter(
                "housecall_sfu_lost_events_total",
                "Quality reports dropped because their reader was behind",
            )?,
            join_ms,
            turn_ms,
            tcp: TcpMetrics::register(registry)?,
        })
    }
}

/// One worker's share of the metrics.
#[derive(Default)]
pub(crate) struct Share {
    counters: Counters,
    rooms: i64,
    participants: i64,
    tracks: i64,
    allocations: u64,
}

impl Share {
    /// Adds what changed since the last time.
    pub(crate) fn update(&mut self, metrics: &Metrics, core: &Core) {
        let count = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        move_gauge(&metrics.rooms, &mut self.rooms, count(core.rooms()));
        move_gauge(&metrics.participants, &mut self.participants, count(core.participants()));
        move_gauge(&metrics.tracks, &mut self.tracks, count(core.tracks()));
        let (now, before) = (core.counters(), self.counters);
        self.counters = now;
        let allocated = heap::allocations();
        let allocations = allocated - self.allocations;
        self.allocations = allocated;
        // Most turns change little, and the counters are shared by all workers.
        for (counter, grown) in [
            (&metrics.forwarded, now.forwarded_packets - before.forwarded_packets),
            (&metrics.forwarded_bytes, now.forwarded_bytes - before.forwarded_bytes),
            (&metrics.relayed, now.relayed_packets - before.relayed_packets),
            (&metrics.lost, now.lost_packets - before.lost_packets),
            (&metrics.keyframe_requests, now.keyframe_requests - before.keyframe_requests),
            (&metrics.failed_sessions, now.failed_sessions - before.failed_sessions),
            (&metrics.gated, now.gated_packets - before.gated_packets),
            (&metrics.unusable, now.unusable_packets - before.unusable_packets),
            (&metrics.stray, now.stray_datagrams - before.stray_datagrams),
            (&metrics.refused_packets, now.refused_packets - before.refused_packets),
            (&metrics.excess, now.excess_packets - before.excess_packets),
            (&metrics.panicked_sessions, now.panicked_sessions - before.panicked_sessions),
            (&metrics.allocations, allocations),
        ] {
            if grown > 0 {
                counter.inc_by(grown);
            }
        }
    }

    /// Takes this worker's rooms and participants out of the gauges.
    pub(crate) fn clear(&mut self, metrics: &Metrics) {
        move_gauge(&metrics.rooms, &mut self.rooms, 0);
        move_gauge(&metrics.participants, &mut self.participants, 0);
        move_gauge(&metrics.tracks, &mut self.tracks, 0);
        self.counters = Counters::default();
    }
}

fn move_gauge(gauge: &IntGauge, share: &mut i64, value: i64) {
    if *share != value {
        gauge.add(value - *share);
        *share = value;
    }
}
