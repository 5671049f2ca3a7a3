//! Short bursts above the estimate that find out whether more fits.
//!
//! A cluster is some packets at a given rate, real media first and padding for the
//! rest. The slower one of the rates it left and arrived at is what the link
//! carried. Clusters follow each other while they succeed, and wait longer each
//! time they fail, but for the first ones: a far end that notes packets late stretches
//! one cluster, and hardly the next ones as well.

/// A cluster lasts this long at its rate.
const CLUSTER_US: u64 = 20_000;
/// And has at least this many packets, so that there are gaps to measure.
const MIN_PACKETS: u32 = 5;
/// Smaller packets would measure headers and the scheduler.
const MIN_PACKET_BYTES: usize = 200;
const MAX_PACKET_BYTES: usize = 1_200;
/// Sent at once within a cluster: the relay's turns are that far apart.
const STEP_US: u64 = 2_000;
/// A cluster that cannot be sent in this time is given up: there is nothing to send.
const SEND_PATIENCE_US: u64 = 500_000;
/// Time for the reports on top of two round trips.
const REPORT_PATIENCE_US: u64 = 500_000;
/// Part of the packets that must have arrived for a result.
const MIN_ARRIVED: f64 = 0.5;
/// A link that passes less than this part of the rate it got was full.
const FULL: f64 = 0.9;
/// What is believed of a full link's rate.
const CAUTION: f64 = 0.95;
/// A cluster whose result reaches this part of its rate succeeded.
const SUCCESS: f64 = 0.8;
/// Rate of the first cluster and of the others, as multiples of the estimate.
const FIRST_FACTOR: f64 = 3.0;
const FACTOR: f64 = 2.0;
/// Probing goes a little beyond the desired rate, or it would never be reached.
const BEYOND_DESIRED: f64 = 1.1;
/// The estimate reaches the desired rate when it is that near.
const SATISFIED: f64 = 0.98;
/// Failures at first that are tried again as soon as their reports are there, when this
/// part of the cluster's rate was found: nothing is known of the path yet, and a picture
/// waits.
const FIRST_TRIES: u32 = 3;
const TRY_INTERVAL_US: u64 = 100_000;
const NEAR: f64 = 0.6;
/// Wait after the first failure then; it doubles with each further one.
const FIRST_INTERVAL_US: u64 = 1_000_000;
const MAX_INTERVAL_US: u64 = 5_000_000;
/// Wait after overuse, and the shorter one while a large fall may soon be over.
const FULL_INTERVAL_US: u64 = 5_000_000;
const HOPE_INTERVAL_US: u64 = 1_000_000;
const HOPES: u32 = 3;
/// A wish for more is not probed for more often.
const WISH_INTERVAL_US: u64 = 500_000;

/// What to send now of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// At least this much, waiting media first, padding for the rest.
    pub bytes: usize,
    /// Best size of a padding packet.
    pub packet_bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Cluster {
    rate_bps: f64,
    started_us: u64,
    sent_bytes: u64,
    sent_packets: u32,
    /// Packets whose fate is known.
    reported: u32,
    arrived: Option<Arrived>,
}

/// What arrived of a cluster.
#[derive(Clone, Copy, Debug)]
struct Arrived {
    packets: u32,
    bytes: u64,
    first_sent_us: u64,
    last_sent_us: u64,
    last_sent_bytes: u32,
    first_arrival_us: i64,
    last_arrival_us: i64,
    first_arrival_bytes: u32,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Idle,
    Sending(Cluster),
    /// Until all is reported, or this time.
    Waiting(Cluster, u64),
}

/// What a cluster found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) rate_bps: f64,
    pub(super) succeeded: bool,
}

#[derive(Debug)]
pub(super) struct Prober {
    phase: Phase,
    /// The current or last cluster; 0 is none.
    id: u8,
    started: bool,
    next_us: u64,
    interval_us: u64,
    /// Failures left that are tried again at once.
    tries: u32,
    /// Probes left of those that follow a large fall.
    hopes: u32,
}

impl Prober {
    pub(super) const fn new() -> Self {
        Self {
            phase: Phase::Idle,
            id: 0,
            started: false,
            next_us: 0,
            interval_us: FIRST_INTERVAL_US,
            tries: FIRST_TRIES,
            hopes: 0,
        }
    }

    /// The mark of a packet that is sent now: the cluster it belongs to, or 0.
    pub(super) const fn mark(&self) -> u8 {
        match self.phase {
            Phase::Sending(_) => self.id,
            Phase::Idle | Phase::Waiting(..) => 0,
        }
    }

    /// When something is due; `wanted_bps` as in [`Self::start`].
    pub(super) fn next_us(&self, estimate_bps: f64, wanted_bps: f64) -> Option<u64> {
        match &self.phase {
            Phase::Idle => (estimate_bps < SATISFIED * wanted_bps).then_some(self.next_us),
            Phase::Sending(cluster) => Some(cluster.next_send_us()),
            Phase::Waiting(_, until) => Some(*until),
        }
    }

    /// Begins a cluster if one is wanted and due.
    pub(super) fn start(&mut self, now_us: u64, estimate_bps: f64, wanted_bps: f64) {
        let satisfied = estimate_bps >= SATISFIED * wanted_bps;
        if satisfied || now_us < self.next_us || !matches!(self.phase, Phase::Idle) {
            return;
        }
        let factor = if self.started { FACTOR } else { FIRST_FACTOR };
        let rate_bps = (factor * estimate_bps).min(BEYOND_DESIRED * wanted_bps);
        self.started = true;
        self.hopes = self.hopes.saturating_sub(1);
        self.id = self.id.checked_add(1).unwrap_or(1);
        self.phase = Phase::Sending(Cluster {
            rate_bps,
            started_us: now_us,
            sent_bytes: 0,
            sent_packets: 0,
            reported: 0,
            arrived: None,
        });
    }

    /// Not before this time.
    pub(super) fn postpone(&mut self, until_us: u64) {
        self.next_us = self.next_us.max(until_us);
    }

    /// The link is full at the estimate: there is nothing to find out for a while.
    /// Probes would only disturb those who share it. After a large fall the question
    /// is another one: whether that was all.
    pub(super) fn on_overuse(&mut self, now_us: u64) {
        self.tries = 0;
        let wait = if self.hopes > 0 { HOPE_INTERVAL_US } else { FULL_INTERVAL_US };
        self.next_us = self.next_us.max(now_us + wait);
    }

    /// The estimate fell far.
    pub(super) const fn hope(&mut self, now_us: u64) {
        self.hopes = HOPES;
        self.interval_us = FIRST_INTERVAL_US;
        self.next_us = now_us + HOPE_INTERVAL_US;
    }

    /// More is desired than before.
    pub(super) fn wish(&mut self, now_us: u64) {
        self.next_us = self.next_us.min(now_us + WISH_INTERVAL_US);
    }

    pub(super) fn due(&self, now_us: u64) -> Option<Probe> {
        let Phase::Sending(cluster) = &self.phase else { return None };
        cluster.due(now_us)
    }

    pub(super) const fn pacing_bps(&self) -> Option<f64> {
        match &self.phase {
            Phase::Sending(cluster) => Some(cluster.rate_bps),
            Phase::Idle | Phase::Waiting(..) => None,
        }
    }

    pub(super) fn on_sent(&mut self, now_us: u64, bytes: usize, rtt_us: i64) {
        let Phase::Sending(mut cluster) = self.phase else { return };
        cluster.sent_bytes += bytes as u64;
        cluster.sent_packets += 1;
        self.phase = if cluster.is_sent() {
            let patience = REPORT_PATIENCE_US + 2 * rtt_us.max(0) as u64;
            Phase::Waiting(cluster, now_us + patience)
        } else {
            Phase::Sending(cluster)
        };
    }

    pub(super) fn on_lost(&mut self, mark: u8) {
        if let Some(cluster) = self.cluster(mark) {
            cluster.reported += 1;
        }
    }

    pub(super) fn on_received(&mut self, mark: u8, sent_us: u64, arrival_us: i64, bytes: u32) {
        let Some(cluster) = self.cluster(mark) else { return };
        cluster.reported += 1;
        match &mut cluster.arrived {
            Some(arrived) => arrived.add(sent_us, arrival_us, bytes),
            None => cluster.arrived = Some(Arrived::new(sent_us, arrival_us, bytes)),
        }
    }

    /// The cluster's result, once all is reported or it is too late for more.
    pub(super) fn finish(&mut self, now_us: u64) -> Option<Finding> {
        match self.phase {
            Phase::Sending(cluster) if now_us >= cluster.started_us + SEND_PATIENCE_US => {
                self.fail(now_us);
                None
            }
            Phase::Waiting(cluster, until)
                if now_us >= until || cluster.reported >= cluster.sent_packets =>
            {
                let finding = cluster.finding();
                match finding {
                    Some(Finding { succeeded: true, .. }) => self.succeed(now_us),
                    Some(found) if self.tries > 0 && found.rate_bps >= NEAR * cluster.rate_bps => {
                        self.try_again(now_us);
                    }
                    Some(_) | None => self.fail(now_us),
                }
                finding
            }
            Phase::Idle | Phase::Sending(_) | Phase::Waiting(..) => None,
        }
    }

    const fn try_again(&mut self, now_us: u64) {
        self.phase = Phase::Idle;
        self.tries -= 1;
        self.next_us = now_us + TRY_INTERVAL_US;
    }

    const fn succeed(&mut self, now_us: u64) {
        self.phase = Phase::Idle;
        self.interval_us = FIRST_INTERVAL_US;
        self.next_us = now_us;
    }

    fn fail(&mut self, now_us: u64) {
        self.phase = Phase::Idle;
        self.tries = 0;
        self.next_us = now_us + self.interval_us;
        self.interval_us = (self.interval_us * 2).min(MAX_INTERVAL_US);
    }

    const fn cluster(&mut self, mark: u8) -> Option<&mut Cluster> {
        if mark == 0 || mark != self.id {
            return None;
        }
        match &mut self.phase {
            Phase::Idle => None,
            Phase::Sending(cluster) | Phase::Waiting(cluster, _) => Some(cluster),
        }
    }
}

impl Cluster {
    fn wanted_bytes(&self) -> u64 {
        let by_time = (self.rate_bps / 8e6 * CLUSTER_US as f64) as u64;
        by_time.max(u64::from(MIN_PACKETS) * MIN_PACKET_BYTES as u64)
    }

    fn is_sent(&self) -> bool {
        self.sent_bytes >= self.wanted_bytes() && self.sent_packets >= MIN_PACKETS
    }

    fn packet_bytes(&self) -> usize {
        let fifth = self.wanted_bytes() as usize / MIN_PACKETS as usize;
        fifth.clamp(MIN_PACKET_BYTES, MAX_PACKET_BYTES)
    }

    fn next_send_us(&self) -> u64 {
        self.started_us + (self.sent_bytes as f64 * 8e6 / self.rate_bps) as u64
    }

    fn due(&self, now_us: u64) -> Option<Probe> {
        let next = self.next_send_us();
        if now_us < next {
            return None;
        }
        let ahead_us = now_us - next + STEP_US;
        let bytes = (self.rate_bps / 8e6 * ahead_us as f64) as usize;
        let packet_bytes = self.packet_bytes();
        let left = self.wanted_bytes().saturating_sub(self.sent_bytes) as usize;
        Some(Probe { bytes: bytes.min(left).max(packet_bytes), packet_bytes })
    }

    fn finding(&self) -> Option<Finding> {
        let arrived = self.arrived?;
        let part = f64::from(arrived.packets) / f64::from(self.sent_packets.max(1));
        if part < MIN_ARRIVED || arrived.packets < MIN_PACKETS - 1 {
            return None;
        }
        let sent_us = arrived.last_sent_us.saturating_sub(arrived.first_sent_us);
        let arrived_us = arrived.last_arrival_us.saturating_sub(arrived.first_arrival_us);
        if sent_us == 0 || arrived_us <= 0 {
            return None;
        }
        // n packets span n - 1 gaps: the last one sent and the first one that
        // arrived stand outside.
        let left = arrived.bytes.saturating_sub(u64::from(arrived.last_sent_bytes));
        let came = arrived.bytes.saturating_sub(u64::from(arrived.first_arrival_bytes));
        let sent_bps = left as f64 * 8e6 / sent_us as f64;
        let arrived_bps = came as f64 * 8e6 / arrived_us as f64;
        let rate_bps = if arrived_bps < FULL * sent_bps {
            CAUTION * arrived_bps
        } else {
            sent_bps.min(arrived_bps)
        };
        let rate_bps = rate_bps.min(self.rate_bps);
        Some(Finding { rate_bps, succeeded: rate_bps >= SUCCESS * self.rate_bps })
    }
}

impl Arrived {
    const fn new(sent_us: u64, arrival_us: i64, bytes: u32) -> Self {
        Self {
            packets: 1,
            bytes: bytes as u64,
            first_sent_us: sent_us,
            last_sent_us: sent_us,
            last_sent_bytes: bytes,
            first_arrival_us: arrival_us,
            last_arrival_us: arrival_us,
            first_arrival_bytes: bytes,
        }
    }

    fn add(&mut self, sent_us: u64, arrival_us: i64, bytes: u32) {
        self.packets += 1;
        self.bytes += u64::from(bytes);
        self.first_sent_us = self.first_sent_us.min(sent_us);
        if sent_us >= self.last_sent_us {
            self.last_sent_us = sent_us;
            self.last_sent_bytes = bytes;
        }
        if arrival_us < self.first_arrival_us {
            self.first_arrival_us = arrival_us;
            self.first_arrival_bytes = bytes;
        }
        self.last_arrival_us = self.last_arrival_us.max(arrival_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a cluster over a link of `link_bps`; what it finds.
    fn run(prober: &mut Prober, start_us: u64, link_bps: f64) -> Option<Finding> {
        let mut now_us = start_us;
        let mut free_us = now_us as f64;
        let mut packets = Vec::new();
        while let Phase::Sending(_) = prober.phase {
            if let Some(probe) = prober.due(now_us) {
                let mut left = probe.bytes;
                while left > 0 {
                    let bytes = probe.packet_bytes;
                    let mark = prober.mark();
                    prober.on_sent(now_us, bytes, 50_000);
                    free_us = free_us.max(now_us as f64) + bytes as f64 * 8e6 / link_bps;
                    packets.push((mark, now_us, free_us as i64, bytes as u32));
                    left = left.saturating_sub(bytes);
                }
            }
            now_us += 1_000;
        }
        for (mark, sent_us, arrival_us, bytes) in packets {
            prober.on_received(mark, sent_us, arrival_us, bytes);
        }
        prober.finish(now_us)
    }

    #[test]
    fn a_wide_link_is_found_step_by_step() {
        let mut prober = Prober::new();
        let mut estimate = 500e3;
        let mut clusters = 0;
        while estimate < 4e6 {
            prober.start(clusters * 200_000, estimate, 5e6);
            let found = run(&mut prober, clusters * 200_000, 100e6).expect("all arrived");
            assert!(found.succeeded);
            estimate = found.rate_bps;
            clusters += 1;
        }
        assert!(clusters <= 4, "{clusters}");
        assert!(estimate < 5.6e6, "{estimate}");
    }

    #[test]
    fn a_full_link_shows_its_rate_and_is_left_alone_for_longer_each_time() {
        let mut prober = Prober::new();
        let mut now_us = 0;
        for wait in [1, 2, 4, 5, 5] {
            prober.start(now_us, 900e3, 5e6);
            assert!(matches!(prober.phase, Phase::Sending(_)));
            let found = run(&mut prober, now_us, 1e6).expect("all arrived");
            assert!(!found.succeeded);
            assert!((0.8e6..1.05e6).contains(&found.rate_bps), "{}", found.rate_bps);
            prober.start(now_us + wait * 900_000, 900e3, 5e6);
            assert!(matches!(prober.phase, Phase::Idle));
            now_us += wait * 1_000_000 + 200_000;
        }
    }

    #[test]
    fn nothing_is_probed_that_nobody_wants() {
        let mut prober = Prober::new();
        prober.start(0, 1e6, 1e6);
        assert!(matches!(prober.phase, Phase::Idle));
        assert_eq!(prober.next_us(1e6, 1e6), None);
    }

    #[test]
    fn a_cluster_that_cannot_be_sent_is_given_up() {
        let mut prober = Prober::new();
        prober.start(0, 1e6, 5e6);
        assert!(prober.due(0).is_some());
        assert_eq!(prober.finish(SEND_PATIENCE_US), None);
        assert!(matches!(prober.phase, Phase::Idle));
    }
}
