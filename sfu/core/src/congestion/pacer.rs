//! When the next packet may leave, so that a frame does not hit a slow link as
//! one burst.

use std::time::{Duration, Instant};

/// Sent at once at most, as time at the pacing rate: a frame of a steady picture leaves
/// whole, a keyframe does not. libwebrtc lets 40 ms go at once. With 5 ms every frame was
/// split in three, each with a wake-up and a system call of its own.
const BURST: Duration = Duration::from_millis(20);
/// What may wait is worth this much time at most; then the rate is raised so that
/// it leaves within it. Late media is worth less than a short queue elsewhere.
const MAX_WAIT: Duration = Duration::from_millis(250);

/// A leaky bucket in time: how far ahead of its rate the sender is.
///
/// ```text
/// while pacer.may_send(now) { send; pacer.on_sent(now, bytes) }
/// come back at pacer.next(now)
/// ```
#[derive(Debug)]
pub struct Pacer {
    rate_bps: f64,
    /// When all that was sent would have left at the rate.
    clear_at: Instant,
}

impl Pacer {
    pub const fn new(now: Instant, rate_bps: u64) -> Self {
        Self { rate_bps: rate_bps as f64, clear_at: now }
    }

    /// Sets the rate for what is sent from now on. `waiting_bytes` are waiting to leave.
    pub fn set_rate(&mut self, rate_bps: u64, waiting_bytes: usize) {
        let urgent = waiting_bytes as f64 * 8.0 / MAX_WAIT.as_secs_f64();
        self.rate_bps = (rate_bps as f64).max(urgent).max(1.0);
    }

    pub fn may_send(&self, now: Instant) -> bool {
        self.clear_at.saturating_duration_since(now) < BURST
    }

    /// Counts what left; also audio, which does not ask.
    pub fn on_sent(&mut self, now: Instant, bytes: usize) {
        let time = Duration::from_secs_f64(bytes as f64 * 8.0 / self.rate_bps);
        self.clear_at = self.clear_at.max(now) + time.min(MAX_WAIT);
    }

    /// When the next packet may leave.
    pub fn next(&self, now: Instant) -> Instant {
        self.clear_at.checked_sub(BURST).map_or(now, |at| at.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    fn origin() -> Instant {
        Instant::now()
    }

    #[test]
    fn it_spreads_a_frame_at_its_rate() {
        let start = origin();
        let mut now = start;
        let mut pacer = Pacer::new(now, 2_000_000);
        let mut sent = 0;
        while now < start + Duration::from_secs(1) {
            while pacer.may_send(now) {
                pacer.on_sent(now, 1_200);
                sent += 1_200 * 8;
            }
            now = pacer.next(now).max(now + Duration::from_millis(1));
        }
        assert!((1_900_000..2_100_000).contains(&sent), "{sent}");
    }

    #[test]
    fn what_waits_never_waits_long() {
        let start = origin();
        let mut now = start;
        let mut pacer = Pacer::new(now, 100_000);
        let mut waiting = 60_000_usize;
        while waiting > 0 {
            pacer.set_rate(100_000, waiting);
            while waiting > 0 && pacer.may_send(now) {
                pacer.on_sent(now, 1_200);
                waiting -= 1_200;
            }
            now += Duration::from_millis(1);
        }
        // The rate is set anew as the queue shrinks, so the tail takes a few times that.
        assert!(now - start < 6 * MAX_WAIT, "{:?}", now - start);
    }
}
