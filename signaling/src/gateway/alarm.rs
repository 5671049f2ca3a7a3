//! One timer for the pings, time-outs and token expiries of all connections.
//!
//! A connection that is woken looks at its own deadlines, so an alarm that comes for
//! nothing does no harm and none is ever taken back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use housecall_platform::wheel::Wheel;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::handle::Handle;

/// Nothing that alarms are set for needs to be more exact.
const TICK: Duration = Duration::from_millis(250);
/// Two minutes: longer than any heartbeat that a proxy lets live.
const SLOTS: usize = 480;

/// See the module.
pub(crate) struct Alarm {
    began: Instant,
    wheel: Mutex<Wheel<Weak<Handle>>>,
}

impl Alarm {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), wheel: Mutex::new(Wheel::new(TICK, SLOTS)) }
    }

    fn wheel(&self) -> MutexGuard<'_, Wheel<Weak<Handle>>> {
        self.wheel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the connection's task at that time or a moment later.
    pub(crate) fn set(&self, handle: &Arc<Handle>, at: Instant) {
        let due = at.saturating_duration_since(self.began);
        self.wheel().insert(due, Arc::downgrade(handle));
    }

    fn due(&self) -> Vec<Weak<Handle>> {
        let elapsed = self.began.elapsed();
        let mut wheel = self.wheel();
        std::iter::from_fn(|| wheel.pop_due(elapsed)).map(|(_, handle)| handle).collect()
    }

    /// Rings until `stop`.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            for handle in self.due().iter().filter_map(Weak::upgrade) {
                handle.mailbox.wake();
            }
        }
    }
}
