//! How fast a listener takes connections, so that a crowd that comes at once leaves
//! time for those who are there. The others wait in the system's queue, and when that
//! is full their systems try again by themselves after a second or more.

use std::time::Duration;

use tokio::time::Instant;

/// Taken at once after a pause: a page loads its parts over several connections.
const SLACK: Duration = Duration::from_millis(100);

/// See the module.
pub(super) struct Pace {
    gap: Duration,
    /// When the next would come at an even pace.
    next: Instant,
}

impl Pace {
    pub(super) fn new(per_second: u32) -> Self {
        Self { gap: Duration::from_secs(1) / per_second.max(1), next: Instant::now() }
    }

    /// Waits until another one may be taken.
    pub(super) async fn turn(&mut self) {
        let now = Instant::now();
        let at = self.next_at(now);
        if at > now {
            tokio::time::sleep_until(at).await;
        }
    }

    fn next_at(&mut self, now: Instant) -> Instant {
        let at = self.next.max(now.checked_sub(SLACK).unwrap_or(now));
        self.next = at + self.gap;
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_taken_at_an_even_pace() {
        let mut pace = Pace::new(100);
        let began = Instant::now();
        let last = (0..200).map(|_| pace.next_at(began)).last().unwrap();
        assert!(last - began >= Duration::from_millis(1850), "{:?}", last - began);
        let later = began + Duration::from_secs(60);
        let at_once = (0..50).filter(|_| pace.next_at(later) <= later).count();
        assert_eq!(at_once, 11, "a tenth of a second's worth");
    }
}
