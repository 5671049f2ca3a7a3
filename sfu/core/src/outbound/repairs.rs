//! How much may be repeated: a share of what is sent, so that a link which is too
//! narrow is not narrowed further by what does not fit it.

/// Share of sent bytes: room to repair a fifth of them lost.
const SHARE_DIVISOR: usize = 4;
/// What may be repeated without having been earned, and at most be saved up: a frame
/// or two, also right after a stream began.
const MAX_SAVED_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct RepairBudget {
    saved: usize,
}

impl RepairBudget {
    pub(crate) const fn new() -> Self {
        Self { saved: MAX_SAVED_BYTES }
    }

    /// New packets were sent.
    pub(crate) fn earn(&mut self, bytes: usize) {
        self.saved = (self.saved + bytes / SHARE_DIVISOR).min(MAX_SAVED_BYTES);
    }

    /// Whether this much may be repeated.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let left = self.saved.checked_sub(bytes);
        self.saved = left.unwrap_or(self.saved);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_what_is_sent_may_be_repeated() {
        let mut budget = RepairBudget::new();
        let mut repeated = 0;
        for _ in 0..10_000 {
            budget.earn(1_000);
            repeated += usize::from(budget.take(1_000));
        }
        assert!((2_500..=2_570).contains(&repeated), "{repeated}");
    }
}
