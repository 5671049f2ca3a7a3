//! Many values of one measurement as a few: mean, worst, last.

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Series {
    count: u32,
    sum: f64,
    min: f64,
    max: f64,
    last: f64,
}

impl Series {
    /// Peers say what they like: anything beyond `bound` counts as `bound`.
    pub(super) fn add(&mut self, value: Option<f32>, bound: f32) {
        let Some(value) = value.filter(|value| value.is_finite()) else { return };
        let value = f64::from(value.clamp(0.0, bound));
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.count = self.count.saturating_add(1);
        self.sum += value;
        self.max = self.max.max(value);
        self.last = value;
    }

    pub(super) fn mean(self) -> Option<f32> {
        self.known(self.sum / f64::from(self.count))
    }

    pub(super) fn min(self) -> Option<f32> {
        self.known(self.min)
    }

    pub(super) fn max(self) -> Option<f32> {
        self.known(self.max)
    }

    pub(super) fn last(self) -> Option<f64> {
        (self.count > 0).then_some(self.last)
    }

    fn known(self, value: f64) -> Option<f32> {
        (self.count > 0).then_some(value as f32)
    }
}
