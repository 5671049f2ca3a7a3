//! Running a database step again after a failure that passes by itself.

use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::Metrics;

/// First pause; doubles with each attempt. A deadlock's loser succeeds at once,
/// a restarting server needs longer than all of them together.
const FIRST_PAUSE: Duration = Duration::from_millis(15);
const MAX_ATTEMPTS: u32 = 6;
/// No attempt begins later than this after the first: a client that waits longer
/// sends again by itself.
pub(crate) const GIVE_UP_AFTER: Duration = Duration::from_secs(3);

/// Runs `step` until it succeeds, fails for good, or time is up. The step is told
/// whether an earlier attempt failed, since that one may still have committed.
pub(crate) async fn retrying<T, E, Attempt>(
    metrics: &Metrics,
    is_passing: impl Fn(&E) -> bool,
    mut step: impl FnMut(bool) -> Attempt,
) -> Result<T, E>
where
    Attempt: Future<Output = Result<T, E>>,
{
    let give_up_at = Instant::now() + GIVE_UP_AFTER;
    let mut pause = FIRST_PAUSE;
    for attempt in 1.. {
        match step(attempt > 1).await {
            Err(error)
                if is_passing(&error)
                    && attempt < MAX_ATTEMPTS
                    && Instant::now() + pause < give_up_at => {}
            settled => return settled,
        }
        metrics.retried();
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    unreachable!("the loop ends by MAX_ATTEMPTS")
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::{MAX_ATTEMPTS, retrying};
    use crate::metrics::Metrics;

    fn metrics() -> Metrics {
        Metrics::register(&prometheus::Registry::new()).unwrap()
    }

    #[tokio::test]
    async fn a_passing_failure_is_tried_again_until_it_succeeds() {
        let calls = Cell::new(0);
        let result = retrying(
            &metrics(),
            |_: &()| true,
            |again| {
                calls.set(calls.get() + 1);
                let call = calls.get();
                async move { if call < 3 { Err(()) } else { Ok(again) } }
            },
        )
        .await;
        assert_eq!((result, calls.get()), (Ok(true), 3));
    }

    #[tokio::test]
    async fn a_lasting_failure_is_returned_at_once_and_a_passing_one_in_the_end() {
        let calls = Cell::new(0);
        let mut fail = |_| {
            calls.set(calls.get() + 1);
            async { Err::<(), ()>(()) }
        };
        assert_eq!(retrying(&metrics(), |()| false, &mut fail).await, Err(()));
        assert_eq!(calls.replace(0), 1);
        assert_eq!(retrying(&metrics(), |()| true, &mut fail).await, Err(()));
        assert_eq!(calls.get(), MAX_ATTEMPTS);
    }
}
