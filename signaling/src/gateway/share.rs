//! What all connections of one person share: the rates they may use together.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::meter::{Meter, Rates, Wait};

/// One per person on this process, for as long as one of their connections lives.
#[derive(Default)]
pub(crate) struct Share {
    meter: Mutex<Meter>,
}

impl Share {
    /// Counts a frame of any of the person's connections.
    pub(crate) fn check(&self, rates: &Rates, now: Instant, bytes: usize) -> Result<(), Wait> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner).check(rates, now, bytes)
    }
}
