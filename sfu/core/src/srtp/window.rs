//! Which packets of each stream were seen: none is opened or sealed twice.

use super::MAX_STREAMS;

/// Packets behind the newest one that may still come. RFC 3711 section 3.3.2 wants 64
/// at least; a repetition half a second later is a thousand packets behind at 12 Mb/s.
const WINDOW: u64 = 1024;
const WORDS: usize = (WINDOW / 64) as usize;

/// The indices seen of one stream.
#[derive(Clone, Debug)]
struct Window {
    highest: u64,
    /// One bit for each of the last [`WINDOW`] indices, in a ring.
    seen: [u64; WORDS],
}

impl Window {
    fn starting_at(index: u64) -> Self {
        let mut window = Self { highest: index, seen: [0; WORDS] };
        window.set(index);
        window
    }

    /// Whether an index is new, and not too old to tell.
    fn is_fresh(&self, index: u64) -> bool {
        if index > self.highest {
            return true;
        }
        let (word, bit) = place(index);
        self.highest - index < WINDOW && self.seen[word] & bit == 0
    }

    /// Notes an index that [`Self::is_fresh`].
    fn mark(&mut self, index: u64) {
        if index > self.highest {
            if index - self.highest >= WINDOW {
                self.seen = [0; WORDS];
            } else {
                for skipped in self.highest + 1..index {
                    self.clear(skipped);
                }
            }
            self.highest = index;
        }
        self.set(index);
    }

    fn set(&mut self, index: u64) {
        let (word, bit) = place(index);
        self.seen[word] |= bit;
    }

    fn clear(&mut self, index: u64) {
        let (word, bit) = place(index);
        self.seen[word] &= !bit;
    }
}

const fn place(index: u64) -> (usize, u64) {
    let bit = index % WINDOW;
    ((bit / 64) as usize, 1 << (bit % 64))
}

/// A window for each stream, by SSRC.
#[derive(Debug, Default)]
pub(super) struct Windows {
    /// Beside the windows, so that a look-up reads one cache line, not one each.
    ssrcs: Vec<u32>,
    windows: Vec<Window>,
}

/// Why an index must not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It was, or it is too old to tell.
    Seen,
    /// It would be the first of one stream too many.
    Full,
}

impl Windows {
    /// Where a stream is kept; `None` before its first packet.
    pub(super) fn find(&self, ssrc: u32) -> Option<usize> {
        self.ssrcs.iter().position(|known| *known == ssrc)
    }

    /// The highest index of the stream at `place`.
    pub(super) fn highest(&self, place: usize) -> u64 {
        self.windows[place].highest
    }

    /// Whether an index of the stream at `place` may be used.
    pub(super) fn check(&self, place: Option<usize>, index: u64) -> Result<(), Refused> {
        match place {
            Some(place) if !self.windows[place].is_fresh(index) => Err(Refused::Seen),
            None if self.ssrcs.len() >= MAX_STREAMS => Err(Refused::Full),
            Some(_) | None => Ok(()),
        }
    }

    /// Notes an index that [`Self::check`] let pass.
    pub(super) fn mark(&mut self, place: Option<usize>, ssrc: u32, index: u64) {
        match place {
            Some(place) => self.windows[place].mark(index),
            None => {
                self.ssrcs.push(ssrc);
                self.windows.push(Window::starting_at(index));
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.ssrcs.len()
    }
}
