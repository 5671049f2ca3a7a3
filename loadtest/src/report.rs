//! The figures of a run, as JSON and as a line for people.

use std::time::Duration;

use serde::Serialize;

use crate::witness::Testimony;

/// One scenario's figures. CPU is the relay process's user and system time.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub participants: usize,
    /// Streams received by clients, all together.
    pub received_streams: usize,
    pub seconds: f64,
    pub received_pps: f64,
    pub forwarded_pps: f64,
    /// Share of one core, 0 to 1.
    pub relay_cpu: f64,
    /// The same of the clients, all on another core.
    pub clients_cpu: f64,
    pub cpu_us_per_forwarded_packet: f64,
    pub floor_us_per_packet: f64,
    pub ratio_to_floor: f64,
    /// Packets sent and not received, without those the clients' own sockets dropped.
    pub lost_in_relay: u64,
    /// Datagrams that sockets of this machine had no room for meanwhile.
    pub dropped_by_sockets: u64,
    pub forward_latency_us: Percentiles,
    /// How long the relay's turns took, each weighed by that: of a hundred packets that come
    /// while it works, so many come in a turn no longer than this (the bound of a bucket of
    /// its histogram). They leave by the end of the next turn, if they are not paced.
    pub turn_us: Percentiles,
    pub rss_kib_per_participant: f64,
    /// From the first offer sent to the last session up, both sides' work in it.
    pub joins_per_second: f64,
    /// Joins that a full core of the relay would take: their number over its CPU time.
    pub joins_per_core_second: f64,
    /// Share of the clients' core that they used meanwhile: when it is near 1,
    /// `joins_per_second` says how fast the clients are.
    pub clients_cpu_at_joins: f64,
    /// CPU of a join in the relay: offer, answer, ICE and DTLS.
    pub cpu_us_per_join: f64,
    /// Requests of the relay's threads for memory.
    pub allocations_per_forwarded_packet: f64,
    /// Whether the relay estimates each path and paces by it.
    pub congestion_control: bool,
    /// What receivers on another stack saw of a stream of their own beside the rest.
    pub witnesses: Testimony,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Percentiles {
    pub p50: f64,
    pub p99: f64,
}

impl Percentiles {
    pub fn of_ns(mut values: Vec<u32>) -> Self {
        values.sort_unstable();
        let at = |share: f64| {
            let index = (values.len() as f64 * share) as usize;
            values.get(index.min(values.len().saturating_sub(1))).copied().unwrap_or(0)
        };
        Self { p50: f64::from(at(0.50)) / 1e3, p99: f64::from(at(0.99)) / 1e3 }
    }
}

/// Microseconds per packet; 0 of none.
pub fn per_packet_us(cpu: Duration, packets: u64) -> f64 {
    cpu.as_secs_f64() * 1e6 / packets.max(1) as f64
}

/// How many of them in a second of `time`; of no time, 0.
pub fn per_second(count: usize, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}

/// The heading of [`line()`].
pub fn heading() -> String {
    "scenario    run      pps   cpu   us/pkt  floor  ratio  lost  p50 us  p99 us  KiB/part  joins/s  /core s  us/join  allocs"
        .to_owned()
}

pub fn line(scenario: &str, run: &str, figures: &Figures) -> String {
    format!(
        "{scenario:<11} {run:<5} {:>6.0} {:>4.0}% {:>7.2} {:>6.2} {:>6.2} {:>5} {:>7.0} {:>7.0} {:>9.0} {:>8.0} {:>8.0} {:>8.0} {:>7.2}",
        figures.forwarded_pps,
        figures.relay_cpu * 100.0,
        figures.cpu_us_per_forwarded_packet,
        figures.floor_us_per_packet,
        figures.ratio_to_floor,
        figures.lost_in_relay,
        figures.forward_latency_us.p50,
        figures.forward_latency_us.p99,
        figures.rss_kib_per_participant,
        figures.joins_per_second,
        figures.joins_per_core_second,
        figures.cpu_us_per_join,
        figures.allocations_per_forwarded_packet,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_values() {
        let percentiles = Percentiles::of_ns((0..1000).rev().map(|n| n * 1000).collect());
        assert_eq!((percentiles.p50, percentiles.p99), (500.0, 990.0));
        assert_eq!(Percentiles::of_ns(Vec::new()).p99, 0.0);
    }

    #[test]
    fn rates_are_of_the_time_they_took() {
        assert_eq!(per_second(30, Duration::from_millis(15)), 2_000.0);
        assert_eq!(per_second(30, Duration::ZERO), 0.0);
    }
}
