//! A bounded queue of work that runs one piece at a time, inside its owner's task.
//!
//! Order is kept because only the first future is polled. The owner polls the lane
//! beside its other duties, so a slow piece holds up this lane alone.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use futures::FutureExt;
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

    /// As [`Self::poll_next`]. Safe to cancel: the future stays at the head until it
    /// is done.
    pub(crate) async fn next(&mut self) -> T {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The result of the first piece of work; pending while there is none.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        let Some(work) = self.queue.front_mut() else { return Poll::Pending };
        let result = ready!(work.poll_unpin(cx));
        self.queue.pop_front();
        if self.queue.is_empty() {
            // An idle connection keeps nothing.
            self.queue = VecDeque::new();
        }
        Poll::Ready(result)
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

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
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(lane.poll_next(cx).is_pending(), "the first is not done");
        release.send(1).unwrap();
        assert_eq!((lane.poll_next(cx), lane.poll_next(cx)), (Poll::Ready(1), Poll::Ready(2)));
        assert!(lane.is_empty());
    }
}
