//! What waits for one connection's task: frames to write, bounded in number and
//! bytes, and the order to close.
//!
//! One small lock and nothing allocated while nothing waits: there is one of these
//! for every idle client.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use bytes::Bytes;

use super::close::CloseReason;

/// How much may wait for a slow reader.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
}

/// See the module.
pub(crate) struct Mailbox {
    bounds: Bounds,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Bytes>,
    bytes: usize,
    closed: Option<CloseReason>,
    waker: Option<Waker>,
}

/// The client does not read fast enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MailboxFull;

impl Mailbox {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never waits. A frame alone passes whatever its length, or it could never be sent.
    pub(crate) fn push(&self, frame: Bytes) -> Result<(), MailboxFull> {
        let waker = {
            let mut state = self.state();
            let bytes = state.bytes.saturating_add(frame.len());
            let too_long = !state.frames.is_empty() && bytes > self.bounds.bytes;
            if too_long || state.frames.len() >= self.bounds.frames.max(1) {
                return Err(MailboxFull);
            }
            state.bytes = bytes;
            state.frames.push_back(frame);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Closes once; the first reason stands.
    pub(crate) fn close(&self, reason: CloseReason) {
        self.state().closed.get_or_insert(reason);
        self.wake();
    }

    /// Lets the task look at its clock.
    pub(crate) fn wake(&self) {
        let waker = self.state().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Asks to be woken by whatever comes next, and says whether to close.
    pub(crate) fn listen(&self, cx: &Context<'_>) -> Option<CloseReason> {
        let mut state = self.state();
        let known = state.waker.as_ref();
        if known.is_none_or(|waker| !waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        state.closed
    }

    /// Takes the oldest frames, at most so many.
    pub(crate) fn take(&self, most: usize, mut each: impl FnMut(Bytes)) {
        let mut state = self.state();
        for _ in 0..most {
            let Some(frame) = state.frames.pop_front() else { break };
            state.bytes -= frame.len();
            each(frame);
        }
        if state.frames.is_empty() {
            state.frames = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(mailbox: &Mailbox, most: usize) -> Vec<Bytes> {
        let mut all = Vec::new();
        mailbox.take(most, |frame| all.push(frame));
        all
    }

    #[test]
    fn bounds_frames_and_bytes() {
        let mailbox = Mailbox::new(Bounds { frames: 2, bytes: 10 });
        mailbox.push("123456".into()).unwrap();
        assert_eq!(mailbox.push("12345".into()), Err(MailboxFull), "eleven bytes");
        mailbox.push("1234".into()).unwrap();
        assert_eq!(mailbox.push("".into()), Err(MailboxFull), "three frames");
        assert_eq!(taken(&mailbox, 1), ["123456"]);
        mailbox.push("123456".into()).unwrap();
        assert_eq!(taken(&mailbox, 9), ["1234", "123456"]);
    }

    #[test]
    fn one_long_frame_passes_an_empty_mailbox() {
        let mailbox = Mailbox::new(Bounds { frames: 2, bytes: 3 });
        mailbox.push("12345".into()).unwrap();
        assert_eq!(mailbox.push("1".into()), Err(MailboxFull));
        assert_eq!(taken(&mailbox, 1).len(), 1);
        mailbox.push("1".into()).unwrap();
    }

    #[test]
    fn the_first_reason_stands_and_wakes() {
        let mailbox = Mailbox::new(Bounds { frames: 1, bytes: 1 });
        let cx = Context::from_waker(Waker::noop());
        assert_eq!(mailbox.listen(&cx), None);
        mailbox.close(CloseReason::Replaced);
        mailbox.close(CloseReason::Draining);
        assert_eq!(mailbox.listen(&cx), Some(CloseReason::Replaced));
    }
}
