//! Chance, so that many do not do the same thing at the same moment.

use std::time::Duration;

use uuid::Uuid;

/// Any time from `least` to below `most`.
pub(crate) fn between(least: Duration, most: Duration) -> Duration {
    let (_, random) = Uuid::new_v4().as_u64_pair();
    let share = f64::from((random & 0xffff_ffff) as u32) / f64::from(u32::MAX);
    least + most.saturating_sub(least).mul_f64(share.min(1.0))
}
