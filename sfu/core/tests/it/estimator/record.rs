//! What an estimate was, beside what the link carried.

use std::time::{Duration, Instant};

use crate::link::{Link, Path};

const INTERVAL: Duration = Duration::from_millis(100);

/// Every 100 ms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) at_s: f64,
    pub(super) estimate_bps: f64,
    pub(super) rate_bps: f64,
    pub(super) delivered_bytes: u64,
    /// The longest a packet waited in the queue, truly.
    pub(super) wait_ms: f64,
}

#[derive(Debug)]
pub(super) struct Record {
    start: Instant,
    next: Instant,
    samples: Vec<Sample>,
}

impl Record {
    pub(super) const fn new(now: Instant) -> Self {
        Self { start: now, next: now, samples: Vec::new() }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next <= now
    }

    pub(super) fn add<T: Clone>(&mut self, now: Instant, estimate_bps: f64, link: &mut Link<T>) {
        self.next = now + INTERVAL;
        self.samples.push(Sample {
            at_s: (now - self.start).as_secs_f64(),
            estimate_bps,
            rate_bps: link.path.rate_bps.map_or(f64::INFINITY, |rate| rate as f64),
            delivered_bytes: link.tally.delivered_bytes,
            wait_ms: link.take_longest_wait().as_secs_f64() * 1e3,
        });
    }

    /// Samples of `[from, to)` seconds.
    pub(super) fn between(&self, from: f64, to: f64) -> &[Sample] {
        let start = self.samples.partition_point(|sample| sample.at_s < from);
        let end = self.samples.partition_point(|sample| sample.at_s < to);
        &self.samples[start..end]
    }

    /// The estimate over the true rate, its mean over `[from, to)`.
    pub(super) fn aim(&self, from: f64, to: f64) -> f64 {
        mean(self.between(from, to).iter().map(|sample| sample.estimate_bps / sample.rate_bps))
    }

    pub(super) fn mean_estimate_bps(&self, from: f64, to: f64) -> f64 {
        mean(self.between(from, to).iter().map(|sample| sample.estimate_bps))
    }

    pub(super) fn least_estimate_bps(&self, from: f64, to: f64) -> f64 {
        self.between(from, to).iter().map(|sample| sample.estimate_bps).fold(f64::MAX, f64::min)
    }

    /// Part of the link's rate that was used in `[from, to)`.
    pub(super) fn used(&self, from: f64, to: f64) -> f64 {
        let samples = self.between(from, to);
        let (first, last) = (samples[0], samples[samples.len() - 1]);
        let carried_bits = (last.delivered_bytes - first.delivered_bytes) as f64 * 8.0;
        let rate_bps = mean(samples.iter().map(|sample| sample.rate_bps));
        carried_bits / (last.at_s - first.at_s) / rate_bps
    }

    /// The wait that this part of the samples of `[from, to)` stays below, ms.
    pub(super) fn wait_ms(&self, from: f64, to: f64, part: f64) -> f64 {
        let mut waits: Vec<_> =
            self.between(from, to).iter().map(|sample| sample.wait_ms).collect();
        waits.sort_by(f64::total_cmp);
        waits[((waits.len() - 1) as f64 * part) as usize]
    }

    /// Seconds after `from` until the estimate is at `part` of the true rate.
    pub(super) fn time_to(&self, from: f64, part: f64) -> Option<f64> {
        let reached = |sample: &&Sample| sample.estimate_bps >= part * sample.rate_bps;
        let found = self.between(from, f64::MAX).iter().find(reached)?;
        Some(found.at_s - from)
    }

    /// Seconds after `from` until no packet waits longer than `wait_ms`, for a second.
    pub(super) fn time_to_drain(&self, from: f64, wait_ms: f64) -> Option<f64> {
        let samples = self.between(from, f64::MAX);
        let clear = samples
            .windows(10)
            .find(|second| second.iter().all(|sample| sample.wait_ms < wait_ms))?;
        Some(clear[0].at_s - from)
    }

    /// A line for a failed assertion.
    pub(super) fn trace(&self, from: f64, to: f64) -> String {
        let points = self.between(from, to).iter().step_by(2).map(|sample| {
            let Sample { at_s, estimate_bps, wait_ms, .. } = sample;
            format!("{at_s:.1}s {:.2}M {wait_ms:.0}ms", estimate_bps / 1e6)
        });
        points.collect::<Vec<_>>().join(" | ")
    }
}

/// A bottleneck downwards with this much queue, and the same delay both ways.
pub(super) fn bottleneck(rate_bps: u64, rtt: Duration, queue: Duration) -> (Path, Path) {
    let queue_bytes = (rate_bps as f64 / 8.0 * queue.as_secs_f64()) as usize;
    let down = Path { queue_bytes, ..Path::good(rtt / 2).rate(rate_bps) };
    (down, Path::good(rtt / 2))
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}
