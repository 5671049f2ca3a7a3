//! Quality of one participant's media, from str0m's statistics.

use std::time::{Duration, Instant};

use housecall_protocol::cluster::QualityReport;
use str0m::media::Mid;
use str0m::stats::{MediaEgressStats, MediaIngressStats, PeerStats};

/// Collects one round of statistics after another. str0m emits a round as several
/// events in one drain: the peer's first, then each stream's.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    previous: Option<Totals>,
    round: Option<Round>,
    /// Cumulative losses that receivers reported, by m-line.
    reported_lost: Vec<(Mid, u64)>,
    /// Packets received, by m-line.
    received: Vec<(Mid, u64)>,
}

#[derive(Clone, Copy, Debug)]
struct Totals {
    at: Instant,
    received_bytes: u64,
    sent_bytes: u64,
}

#[derive(Debug)]
struct Round {
    totals: Totals,
    loss_up: Option<f32>,
    loss_down: Option<f32>,
    rtt: Option<Duration>,
    jitter_ms: Option<f32>,
    /// Packets lost since the last round, both ways.
    lost_packets: u64,
}

impl Meter {
    pub(crate) fn peer(&mut self, stats: &PeerStats) {
        self.round = Some(Round {
            totals: Totals {
                at: stats.timestamp,
                received_bytes: stats.bytes_rx,
                sent_bytes: stats.bytes_tx,
            },
            loss_up: stats.ingress_loss_fraction,
            loss_down: stats.egress_loss_fraction,
            rtt: stats.rtt,
            jitter_ms: None,
            lost_packets: 0,
        });
    }

    /// `clock_rate` in Hz; `preferred` for audio, whose jitter is the one people hear.
    pub(crate) fn ingress(&mut self, stats: &MediaIngressStats, clock_rate: u32, preferred: bool) {
        let packets = advance(&mut self.received, stats.mid, stats.packets);
        let Some(round) = &mut self.round else { return };
        round.loss_up = round.loss_up.or(stats.loss);
        if preferred || round.jitter_ms.is_none() {
            round.jitter_ms = Some(stats.jitter as f32 * 1000.0 / clock_rate as f32);
        }
        let lost = stats.loss.map_or(0.0, |loss| loss.clamp(0.0, 1.0) * packets as f32);
        round.lost_packets += lost as u64;
    }

    pub(crate) fn egress(&mut self, stats: &MediaEgressStats) {
        let lost = stats
            .remote
            .as_ref()
            .map_or(0, |remote| advance(&mut self.reported_lost, stats.mid, remote.packets_lost));
        let Some(round) = &mut self.round else { return };
        round.loss_down = round.loss_down.or(stats.loss);
        // From receiver reports: better than TWCC's, which holds feedback back.
        round.rtt = stats.rtt.or(round.rtt);
        round.lost_packets += lost;
    }

    /// The finished round with the packets lost in it; nothing for the first one,
    /// which has no rates yet.
    pub(crate) fn finish(&mut self) -> Option<(QualityReport, u64)> {
        let round = self.round.take()?;
        let previous = self.previous.replace(round.totals)?;
        let seconds = round.totals.at.saturating_duration_since(previous.at).as_secs_f64();
        let rate = |now: u64, before: u64| {
            (now.saturating_sub(before) as f64 * 8.0 / seconds.max(0.001)) as u64
        };
        let report = QualityReport {
            loss_up: share(round.loss_up),
            loss_down: share(round.loss_down),
            rtt_ms: round.rtt.map(|rtt| rtt.as_secs_f32() * 1000.0),
            jitter_ms: round.jitter_ms,
            received_bps: rate(round.totals.received_bytes, previous.received_bytes),
            sent_bps: rate(round.totals.sent_bytes, previous.sent_bytes),
            estimate_bps: None,
            tracks: Vec::new(),
        };
        Some((report, round.lost_packets))
    }
}

fn share(loss: Option<f32>) -> f32 {
    loss.filter(|loss| loss.is_finite()).unwrap_or(0.0).clamp(0.0, 1.0)
}

/// Notes a growing total; returns by how much it grew.
fn advance(totals: &mut Vec<(Mid, u64)>, mid: Mid, total: u64) -> u64 {
    if let Some((_, known)) = totals.iter_mut().find(|(known, _)| *known == mid) {
        let grown = total.saturating_sub(*known);
        *known = total;
        return grown;
    }
    totals.push((mid, total));
    total
}
