//! Sleeping until a socket can be read or a moment has come, to the microsecond.
//!
//! `epoll` alone counts milliseconds: then the streams of all clients would be sent in
//! bunches at each tick, and what serves them would be woken twice in a millisecond
//! where real clients, each by a clock of its own, wake it for nearly every frame.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// Sockets told of at once: few, so that what is to be sent meanwhile is not kept waiting.
const EVENTS: usize = 8;
/// The alarm's key; sockets have their indices.
const ALARM: u64 = u64::MAX;

pub(crate) struct Doze {
    epoll: Epoll,
    alarm: TimerFd,
    events: [EpollEvent; EVENTS],
}

impl Doze {
    /// # Errors
    /// When the system has no descriptor left.
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let alarm = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
        epoll.add(alarm.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, ALARM))?;
        Ok(Self { epoll, alarm, events: [EpollEvent::empty(); EVENTS] })
    }

    /// Watches a socket under an index.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn add(&self, socket: &impl AsFd, index: usize) -> io::Result<()> {
        Ok(self.epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?)
    }

    /// Sleeps for `left` at most. The indices of those that can be read.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn wait(&mut self, left: Duration) -> io::Result<impl Iterator<Item = usize>> {
        let patience = if left.is_zero() {
            EpollTimeout::ZERO
        } else {
            let after = Expiration::OneShot(TimeSpec::from_duration(left));
            self.alarm.set(after, TimerSetTimeFlags::empty())?;
            EpollTimeout::NONE
        };
        let count = match self.epoll.wait(&mut self.events, patience) {
            Err(Errno::EINTR) => 0,
            ready => ready?,
        };
        let ready = self.events.iter().take(count).map(EpollEvent::data);
        Ok(ready.filter(|key| *key != ALARM).map(|key| key as usize))
    }
}
