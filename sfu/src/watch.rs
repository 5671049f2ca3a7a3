//! What a worker sleeps on: its UDP sockets, its TCP port and the pipe that wakes it.

use std::io;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// Something the worker can be woken by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Waker,
    Tcp,
    /// The UDP socket of this index.
    Udp(usize),
}

/// Keys of UDP sockets begin here.
const FIRST_UDP: u64 = 2;
/// Sources told of at once; the others are told of in the next turn.
const EVENTS_PER_TURN: usize = 16;

/// The set of all sources.
pub(crate) struct Watch {
    epoll: Epoll,
}

impl Watch {
    /// # Errors
    /// When the system has no descriptor left.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)? })
    }

    /// Adds a source, which is taken out when it is closed.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn add(&self, source: Source, descriptor: &impl AsFd) -> io::Result<()> {
        let key = match source {
            Source::Waker => 0,
            Source::Tcp => 1,
            Source::Udp(index) => FIRST_UDP + index as u64,
        };
        Ok(self.epoll.add(descriptor, EpollEvent::new(EpollFlags::EPOLLIN, key))?)
    }

    /// Sleeps until something has come or time is up; says what.
    pub(crate) fn wait(&self, timeout: EpollTimeout) -> Ready {
        let mut events = [EpollEvent::empty(); EVENTS_PER_TURN];
        let count = match self.epoll.wait(&mut events, timeout) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => {
                tracing::error!(%error, "epoll");
                0
            }
        };
        Ready { events, count }
    }
}

/// What has come.
pub(crate) struct Ready {
    events: [EpollEvent; EVENTS_PER_TURN],
    count: usize,
}

impl Ready {
    pub(crate) fn sources(&self) -> impl Iterator<Item = Source> {
        self.events.iter().take(self.count).map(|event| match event.data() {
            0 => Source::Waker,
            1 => Source::Tcp,
            key => Source::Udp(usize::try_from(key - FIRST_UDP).unwrap_or(usize::MAX)),
        })
    }

    /// Whether anything came from clients.
    pub(crate) fn has_media(&self) -> bool {
        self.sources().any(|ready| ready != Source::Waker)
    }

    pub(crate) fn includes(&self, source: Source) -> bool {
        self.sources().any(|ready| ready == source)
    }
}
