//! Whether the queue on the way grows: the slope of the smoothed delay over the
//! last groups, against a threshold that adapts (draft-ietf-rmcat-gcc-02, sections
//! 5.3 and 5.4, with the trendline in place of its Kalman filter, as senders in
//! browsers do it).

use super::groups::Step;

/// Groups the line is drawn through. Fewer react sooner and to more noise.
const WINDOW: usize = 20;
/// Weight of the past in the smoothed delay.
const SMOOTHING: f64 = 0.9;
/// Turns a slope (ms per ms) into something comparable with the threshold.
const GAIN: f64 = 4.0;
/// The slope counts for more with more groups seen, up to this many.
const MAX_WEIGHT: u32 = 60;
/// Growth has to last that long, milliseconds, before it is called overuse.
const OVERUSE_MS: f64 = 10.0;
const FIRST_THRESHOLD: f64 = 12.5;
const MIN_THRESHOLD: f64 = 6.0;
const MAX_THRESHOLD: f64 = 600.0;
/// The threshold climbs slowly, and falls faster, towards what is usual (per ms).
const GAIN_UP: f64 = 0.0087;
const GAIN_DOWN: f64 = 0.039;
/// A spike of a route change does not move the threshold.
const MAX_ADAPTATION: f64 = 15.0;
/// Longest time, milliseconds, that one step of the threshold stands for.
const MAX_THRESHOLD_STEP_MS: f64 = 100.0;

/// What the delay says of the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    /// The queue shrinks.
    Under,
    #[default]
    Normal,
    /// The queue grows.
    Over,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    /// Arrival, milliseconds since the first.
    at_ms: f64,
    delay_ms: f64,
}

#[derive(Debug)]
pub(super) struct Trend {
    samples: [Sample; WINDOW],
    /// Steps seen; the ring's position too.
    seen: u32,
    origin_us: Option<i64>,
    delay_ms: f64,
    smoothed_ms: f64,
    slope: f64,
    over_ms: Option<f64>,
    over_count: u32,
    threshold: f64,
    adapted_at_ms: Option<f64>,
    usage: Usage,
}

impl Trend {
    pub(super) const fn new() -> Self {
        Self {
            samples: [Sample { at_ms: 0.0, delay_ms: 0.0 }; WINDOW],
            seen: 0,
            origin_us: None,
            delay_ms: 0.0,
            smoothed_ms: 0.0,
            slope: 0.0,
            over_ms: None,
            over_count: 0,
            threshold: FIRST_THRESHOLD,
            adapted_at_ms: None,
            usage: Usage::Normal,
        }
    }

    pub(super) const fn usage(&self) -> Usage {
        self.usage
    }

    pub(super) fn add(&mut self, step: Step) {
        let origin = *self.origin_us.get_or_insert(step.at_us);
        let at_ms = step.at_us.saturating_sub(origin) as f64 / 1e3;
        self.delay_ms += step.arrived_us.saturating_sub(step.sent_us) as f64 / 1e3;
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.delay_ms;
        self.samples[self.seen as usize % WINDOW] = Sample { at_ms, delay_ms: self.smoothed_ms };
        self.seen = self.seen.saturating_add(1);
        if self.seen as usize >= WINDOW {
            let slope = fit(&self.samples).unwrap_or(self.slope);
            self.detect(slope, step.sent_us as f64 / 1e3);
            self.slope = slope;
            self.adapt(at_ms);
        }
    }

    fn strength(&self, slope: f64) -> f64 {
        f64::from(self.seen.min(MAX_WEIGHT)) * slope * GAIN
    }

    fn detect(&mut self, slope: f64, sent_ms: f64) {
        let strength = self.strength(slope);
        if strength <= self.threshold {
            self.over_ms = None;
            self.over_count = 0;
            self.usage = if strength < -self.threshold { Usage::Under } else { Usage::Normal };
            return;
        }
        // Where in the first step the growth began is not known: half of it counts.
        let over = self.over_ms.map_or(sent_ms / 2.0, |over| over + sent_ms);
        self.over_count += 1;
        self.over_ms = Some(over);
        if over > OVERUSE_MS && self.over_count > 1 && slope >= self.slope {
            self.over_ms = Some(0.0);
            self.over_count = 0;
            self.usage = Usage::Over;
        }
    }

    fn adapt(&mut self, at_ms: f64) {
        let strength = self.strength(self.slope).abs();
        let since = self.adapted_at_ms.replace(at_ms).map_or(0.0, |earlier| at_ms - earlier);
        if strength > self.threshold + MAX_ADAPTATION {
            return;
        }
        let gain = if strength < self.threshold { GAIN_DOWN } else { GAIN_UP };
        let step = gain * (strength - self.threshold) * since.clamp(0.0, MAX_THRESHOLD_STEP_MS);
        self.threshold = (self.threshold + step).clamp(MIN_THRESHOLD, MAX_THRESHOLD);
    }
}

/// Slope of the least-squares line. `None` when all arrived at once.
fn fit(samples: &[Sample; WINDOW]) -> Option<f64> {
    let count = WINDOW as f64;
    let mean_at = samples.iter().map(|sample| sample.at_ms).sum::<f64>() / count;
    let mean_delay = samples.iter().map(|sample| sample.delay_ms).sum::<f64>() / count;
    let (mut covariance, mut variance) = (0.0, 0.0);
    for sample in samples {
        let at = sample.at_ms - mean_at;
        covariance += at * (sample.delay_ms - mean_delay);
        variance += at * at;
    }
    (variance > f64::EPSILON).then(|| covariance / variance)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups every 20 ms, each `growth_us` later than the one before.
    fn grow(trend: &mut Trend, at_us: &mut i64, count: usize, growth_us: i64) -> Vec<Usage> {
        let usages = (0..count).map(|_| {
            *at_us += 20_000 + growth_us;
            trend.add(Step { sent_us: 20_000, arrived_us: 20_000 + growth_us, at_us: *at_us });
            trend.usage()
        });
        usages.collect()
    }

    #[test]
    fn a_growing_queue_is_overuse_and_a_shrinking_one_underuse() {
        let (mut trend, mut at) = (Trend::new(), 0);
        assert!(grow(&mut trend, &mut at, 50, 0).iter().all(|usage| *usage == Usage::Normal));
        let growing = grow(&mut trend, &mut at, 40, 4_000);
        let noticed = growing.iter().position(|usage| *usage == Usage::Over);
        assert!(noticed.is_some_and(|groups| groups < 20), "{growing:?}");
        let shrinking = grow(&mut trend, &mut at, 40, -4_000);
        assert!(shrinking.contains(&Usage::Under), "{shrinking:?}");
    }

    #[test]
    fn drift_of_a_clock_is_not_overuse() {
        // 500 ppm, five times what a bad crystal has.
        let (mut trend, mut at) = (Trend::new(), 0);
        assert!(grow(&mut trend, &mut at, 1_000, 10).iter().all(|usage| *usage == Usage::Normal));
    }

    #[test]
    fn the_threshold_gets_used_to_jitter() {
        let (mut trend, mut at) = (Trend::new(), 0_i64);
        let mut over = Vec::new();
        for number in 0..3_000_i64 {
            let late = (number * 7_919) % 31 * 1_000 - (number * 7_919 - 7_919) % 31 * 1_000;
            at += 20_000 + late;
            trend.add(Step { sent_us: 20_000, arrived_us: 20_000 + late, at_us: at });
            over.push(trend.usage() == Usage::Over);
        }
        let late = over[1_500..].iter().filter(|over| **over).count();
        assert!(late * 20 < 1_500, "{late} of 1500");
    }
}
