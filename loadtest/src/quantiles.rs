//! Times in the order of their length.

use serde::Serialize;

/// Milliseconds. All zero when there was nothing to measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

impl Quantiles {
    #[must_use]
    pub fn of(mut times_ms: Vec<f64>) -> Self {
        times_ms.sort_unstable_by(f64::total_cmp);
        let Some(max) = times_ms.last().copied() else { return Self::default() };
        let at = |percent: usize| {
            let place = (times_ms.len() * percent).div_ceil(100).max(1) - 1;
            times_ms[place.min(times_ms.len() - 1)]
        };
        Self { p50: at(50), p99: at(99), max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_the_shortest() {
        let times = (1..=1000).rev().map(f64::from).collect();
        assert_eq!(Quantiles::of(times), Quantiles { p50: 500.0, p99: 990.0, max: 1000.0 });
        assert_eq!(Quantiles::of(vec![7.0]), Quantiles { p50: 7.0, p99: 7.0, max: 7.0 });
        assert_eq!(Quantiles::of(Vec::new()), Quantiles::default());
    }
}
