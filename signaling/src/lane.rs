//! A bounded queue of work that runs one piece at a time, inside its owner's task.
//!
//! Order is kept because only the first future is polled. The owner selects over
//! [`Lane::next`] beside its other duties, so a slow piece holds up this lane alone.

use std::collections::VecDeque;

use futures::future::BoxFuture;

/// See the module.
pub(crate) struct Lane<T> {
    queue: VecDeque<BoxFuture<'static, T>>,
    bound: usize,
}

/// The lane holds as much work as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaneFull;

impl<T> Lane<T> {
    pub(crate) const fn new(bound: usize) -> Self {
        Self { queue: VecDeque::new(), bound }
    }

    pub(crate) fn push(&mut self, work: BoxFuture<'static, T>) -> Result<(), LaneFull> {
        if self.queue.len() >= self.bound {
            return Err(LaneFull);
        }
        self.queue.push_back(work);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The result of the first piece of work; pending while there is none. Safe
    /// to cancel: the future stays at the head until it is done.
    pub(crate) async fn next(&mut self) -> T {
        let Some(work) = self.queue.front_mut() else { return std::future::pending().await };
        let result = work.await;
        self.queue.pop_front();
        result
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tokio::sync::oneshot;

    use super::{Lane, LaneFull};

    #[tokio::test]
    async fn keeps_order_when_a_later_piece_is_ready_first() {
        let (release, first) = oneshot::channel::<u8>();
        let mut lane = Lane::new(2);
        lane.push(first.map(|value| value.unwrap_or(0)).boxed()).unwrap();
        lane.push(async { 2 }.boxed()).unwrap();
        assert_eq!(lane.push(async { 3 }.boxed()), Err(LaneFull));
        assert!(lane.next().now_or_never().is_none(), "the first is not done");
        release.send(1).unwrap();
        assert_eq!((lane.next().await, lane.next().await), (1, 2));
        assert!(lane.is_empty());
    }
}
