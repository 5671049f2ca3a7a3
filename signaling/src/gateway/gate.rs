//! Where hellos wait for their turn: a hello costs questions to the database, and a
//! crowd that returns at once must not take them all from those who write.
//!
//! So many are served at a time and so many may wait. Who comes on top of that is
//! sent away with a time to return at, spread over as long as those before them will
//! take at the pace of the last seconds.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::jitter;

/// The pace before there is one to measure, hellos a second.
const FIRST_PACE: f64 = 500.0;
/// By then a pace can be measured.
const PACE_NEEDS: Duration = Duration::from_millis(200);
/// Nobody returns sooner, or is sent away for longer.
const SOONEST: Duration = Duration::from_millis(500);
const LATEST: Duration = Duration::from_secs(30);

/// See the module.
pub(crate) struct Gate {
    turns: Semaphore,
    max_waiting: usize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// Waiting for their turn, or having it.
    present: usize,
    /// Sent away and not yet let in again, as far as can be told.
    away: usize,
    /// Let in since the queue was empty.
    served: u32,
    busy_since: Option<Instant>,
}

/// A turn; the next one has it when this is dropped.
pub(crate) struct Turn<'a> {
    _permit: Option<SemaphorePermit<'a>>,
    gate: &'a Gate,
}

/// Too many wait already: return after so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ComeBack(pub(crate) Duration);

impl Gate {
    pub(crate) fn new(at_once: usize, max_waiting: usize) -> Self {
        Self { turns: Semaphore::new(at_once.max(1)), max_waiting, queue: Mutex::default() }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn, unless too many do.
    pub(crate) async fn enter(&self) -> Result<Turn<'_>, ComeBack> {
        {
            let mut queue = self.queue();
            if queue.present > self.max_waiting {
                queue.away += 1;
                return Err(ComeBack(jitter::between(SOONEST, queue.until_all_are_in())));
            }
            queue.present += 1;
            queue.busy_since.get_or_insert_with(Instant::now);
        }
        // Before the wait, so that who gives up waiting leaves the queue too.
        let mut turn = Turn { _permit: None, gate: self };
        turn._permit = self.turns.acquire().await.ok();
        Ok(turn)
    }
}

impl Queue {
    fn until_all_are_in(&self) -> Duration {
        let busy = self.busy_since.map_or(Duration::ZERO, |since| since.elapsed());
        let pace = if busy < PACE_NEEDS {
            FIRST_PACE
        } else {
            (f64::from(self.served) / busy.as_secs_f64()).max(1.0)
        };
        let people = u32::try_from(self.present + self.away).unwrap_or(u32::MAX);
        let seconds = (f64::from(people) / pace).min(LATEST.as_secs_f64());
        Duration::from_secs_f64(seconds).max(SOONEST * 2)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut queue = self.gate.queue();
        queue.present -= 1;
        queue.served += 1;
        queue.away = queue.away.saturating_sub(1);
        if queue.present == 0 {
            *queue = Queue::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn some_have_a_turn_some_wait_and_the_rest_return_later() {
        let gate = Gate::new(1, 1);
        let first = gate.enter().await.ok().unwrap();
        let mut second = Box::pin(gate.enter());
        assert!(second.as_mut().now_or_never().is_none(), "it waits");
        for _ in 0..100 {
            let ComeBack(after) = gate.enter().await.err().expect("two are there already");
            assert!((SOONEST..=LATEST).contains(&after));
        }
        drop(first);
        let second = second.await.ok().unwrap();
        drop(second);
        assert_eq!(gate.queue().present, 0);
        assert!(gate.enter().await.is_ok());
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_the_queue() {
        let gate = Gate::new(1, 1);
        let first = gate.enter().await.ok().unwrap();
        let mut second = Box::pin(gate.enter());
        assert!(second.as_mut().now_or_never().is_none());
        drop(second);
        assert!(gate.enter().now_or_never().is_none(), "it may wait");
        drop(first);
        assert!(gate.enter().await.is_ok());
    }

    #[test]
    fn more_people_are_spread_over_more_time() {
        let queue = |away| Queue { present: 1000, away, ..Queue::default() };
        assert!(queue(10_000).until_all_are_in() > queue(1000).until_all_are_in() * 3);
        assert_eq!(queue(usize::MAX >> 8).until_all_are_in(), LATEST);
    }
}
