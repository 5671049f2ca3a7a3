//! When a subscriber's choices may be raised.

use std::time::{Duration, Instant};

/// How long there must be room before anything is raised: several reports of the
/// estimator, and short enough that a call is sharp a moment after it started.
const MIN_HOLD: Duration = Duration::from_millis(1_500);
/// After many raises that had to be taken back.
const MAX_HOLD: Duration = Duration::from_secs(48);
/// A raise proved right when nothing was lowered for this long, or twice the hold.
const PROBATION: Duration = Duration::from_secs(10);
/// After this long without lowering the hold is shortened again, by half.
const FORGIVE_AFTER: Duration = Duration::from_secs(30);

/// How long the lowest layer has to be too much before it is paused: nothing is left to
/// lower then, and a picture that comes and goes is worse than a moment of delay.
const PAUSE_AFTER: Duration = Duration::from_millis(1_000);

#[derive(Clone, Debug)]
pub(super) struct Hysteresis {
    hold: Duration,
    /// Since when there has been room for a raise.
    room_since: Option<Instant>,
    raised_at: Option<Instant>,
    /// When something was lowered, or the hold was last changed.
    changed_at: Option<Instant>,
    /// Since when there has been no room for the lowest layer.
    short_since: Option<Instant>,
}

impl Default for Hysteresis {
    fn default() -> Self {
        Self {
            hold: MIN_HOLD,
            room_since: None,
            raised_at: None,
            changed_at: None,
            short_since: None,
        }
    }
}

impl Hysteresis {
    /// There is no room for what is chosen.
    pub(super) const fn overfull(&mut self) {
        self.room_since = None;
    }

    /// Something had to be lowered.
    pub(super) fn lowered(&mut self, now: Instant) {
        let probation = PROBATION.max(self.hold * 2);
        // One wrong raise counts once, though it may take several steps to undo.
        if self
            .raised_at
            .take()
            .is_some_and(|raised| now.saturating_duration_since(raised) < probation)
        {
            self.hold = (self.hold * 2).min(MAX_HOLD);
        }
        self.room_since = None;
        self.changed_at = Some(now);
    }

    /// Whether something has to be paused, given whether even the lowest layers are too
    /// much, and whether by far.
    pub(super) fn must_pause(&mut self, now: Instant, short: bool, by_far: bool) -> bool {
        if !short {
            self.short_since = None;
            return false;
        }
        let since = *self.short_since.get_or_insert(now);
        by_far || now.saturating_duration_since(since) >= PAUSE_AFTER
    }

    /// Whether to raise now, given whether there is `room` to.
    pub(super) fn may_raise(&mut self, now: Instant, room: bool) -> bool {
        self.forgive(now);
        if !room {
            self.room_since = None;
            return false;
        }
        let since = *self.room_since.get_or_insert(now);
        if now.saturating_duration_since(since) < self.hold {
            return false;
        }
        self.room_since = None;
        self.raised_at = Some(now);
        true
    }

    /// When a raise is due, if the room stays.
    pub(super) fn raise_at(&self) -> Option<Instant> {
        self.room_since.map(|since| since + self.hold)
    }

    fn forgive(&mut self, now: Instant) {
        let due =
            self.changed_at.is_some_and(|at| now.saturating_duration_since(at) >= FORGIVE_AFTER);
        if due && self.hold > MIN_HOLD {
            self.hold = (self.hold / 2).max(MIN_HOLD);
            self.changed_at = Some(now);
        }
    }
}
