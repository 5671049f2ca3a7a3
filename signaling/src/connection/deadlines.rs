//! When a connection has to be looked at though nothing comes: to ping it, to give
//! up on a peer that answers no pings or takes no bytes, and when its token expires.

use std::time::Duration;

use tokio::time::Instant;

use crate::gateway::close::CloseReason;

/// Pings without an answer that end a connection.
const MISSED_PINGS: u8 = 2;
/// One write into a socket. A peer that takes longer does not read.
const WRITE_PATIENCE: Duration = Duration::from_secs(20);

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
}

/// See the module.
pub(super) struct Deadlines {
    heartbeat: Duration,
    ping_at: Instant,
    heard_at: Instant,
    expires: Instant,
    /// Since when a write waits for the peer.
    stalled_at: Option<Instant>,
    missed_pings: u8,
    /// The alarm that is set already.
    alarm_at: Option<Instant>,
}

impl Deadlines {
    pub(super) fn new(heartbeat: Duration, expires: Instant, now: Instant) -> Self {
        Self {
            heartbeat,
            ping_at: now + heartbeat,
            heard_at: now,
            expires,
            stalled_at: None,
            missed_pings: 0,
            alarm_at: None,
        }
    }

    /// The peer said something, whatever it was.
    pub(super) const fn heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.missed_pings = 0;
    }

    pub(super) const fn expires(&mut self, at: Instant) {
        self.expires = at;
    }

    pub(super) const fn written(&mut self) {
        self.stalled_at = None;
    }

    pub(super) fn stalled(&mut self, now: Instant) {
        self.stalled_at.get_or_insert(now);
    }

    /// What is due, or why the connection ends.
    pub(super) fn check(&mut self, now: Instant) -> Result<Due, CloseReason> {
        if now >= self.expires {
            return Err(CloseReason::Unauthenticated);
        }
        if self.stalled_at.is_some_and(|at| now >= at + WRITE_PATIENCE) {
            return Err(CloseReason::SlowConsumer);
        }
        if now < self.ping_at {
            return Ok(Due::Nothing);
        }
        // Whoever speaks needs no ping.
        let quiet_at = self.heard_at + self.heartbeat;
        if now < quiet_at {
            self.ping_at = quiet_at;
            return Ok(Due::Nothing);
        }
        if self.missed_pings >= MISSED_PINGS {
            return Err(CloseReason::Silent);
        }
        self.missed_pings += 1;
        self.ping_at = now + self.heartbeat;
        Ok(Due::Ping)
    }

    /// The alarm to set, unless one rings before.
    pub(super) fn take_alarm(&mut self, now: Instant) -> Option<Instant> {
        let mut at = self.ping_at.min(self.expires);
        if let Some(stalled) = self.stalled_at {
            at = at.min(stalled + WRITE_PATIENCE);
        }
        if self.alarm_at.is_some_and(|set| now < set && set <= at) {
            return None;
        }
        self.alarm_at = Some(at);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Duration = Duration::from_secs(25);

    fn deadlines() -> (Deadlines, Instant) {
        let now = Instant::now();
        (Deadlines::new(BEAT, now + BEAT * 20, now), now)
    }

    #[test]
    fn two_pings_without_an_answer_end_it() {
        let (mut deadlines, began) = deadlines();
        assert_eq!(deadlines.check(began), Ok(Due::Nothing));
        assert_eq!(deadlines.check(began + BEAT), Ok(Due::Ping));
        assert_eq!(deadlines.check(began + BEAT), Ok(Due::Nothing), "not twice");
        assert_eq!(deadlines.check(began + BEAT * 2), Ok(Due::Ping));
        assert_eq!(deadlines.check(began + BEAT * 3), Err(CloseReason::Silent));
    }

    #[test]
    fn who_speaks_is_not_pinged() {
        let (mut deadlines, began) = deadlines();
        deadlines.heard(began + BEAT / 2);
        assert_eq!(deadlines.check(began + BEAT), Ok(Due::Nothing));
        let alarm = deadlines.take_alarm(began + BEAT);
        assert_eq!(alarm, Some(began + BEAT + BEAT / 2));
        assert_eq!(deadlines.check(alarm.unwrap()), Ok(Due::Ping));
    }

    #[test]
    fn one_alarm_is_set_and_always_for_the_first_deadline() {
        let (mut deadlines, began) = deadlines();
        assert_eq!(deadlines.take_alarm(began), Some(began + BEAT));
        assert_eq!(deadlines.take_alarm(began), None, "it is set");
        deadlines.expires(began + BEAT / 5);
        assert_eq!(deadlines.take_alarm(began), Some(began + BEAT / 5));
        assert_eq!(deadlines.check(began + BEAT / 5), Err(CloseReason::Unauthenticated));
        deadlines.expires(began + BEAT * 9);
        assert_eq!(
            deadlines.take_alarm(began + BEAT / 5),
            Some(began + BEAT),
            "the first has rung"
        );
    }

    #[test]
    fn a_peer_that_takes_nothing_is_given_up() {
        let (mut deadlines, began) = deadlines();
        deadlines.stalled(began);
        deadlines.stalled(began + WRITE_PATIENCE / 2);
        assert_eq!(deadlines.take_alarm(began), Some(began + WRITE_PATIENCE));
        assert_eq!(deadlines.check(began + WRITE_PATIENCE), Err(CloseReason::SlowConsumer));
        deadlines.written();
        assert_eq!(deadlines.check(began + WRITE_PATIENCE), Ok(Due::Nothing));
    }
}
