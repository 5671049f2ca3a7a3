//! Which layer of a video track each subscriber gets.
//!
//! A publisher sends a track in several spatial layers (simulcast encodings, or the
//! layers of one scalable stream), each with temporal ones. Five small machines, none
//! of which knows a socket, a clock or a participant:
//!
//! - [`Meter`] measures what each layer of a track costs and whether it is alive;
//! - [`Allocator`] turns one subscriber's estimate and tiles into a target for each of
//!   its slots;
//! - [`Dynacast`] turns the targets of all subscribers into the layers worth sending;
//! - [`Selector`] follows one slot's target packet by packet, and changes layers only
//!   where a decoder can follow;
//! - [`Renumber`] makes what the selector lets through one continuous stream.

mod allocator;
mod dynacast;
mod gaps;
mod ladder;
mod meter;
mod renumber;
mod selector;

pub use crate::layers::allocator::{Allocation, Allocator, Choice, Demand, Pause, Tile};
pub use crate::layers::dynacast::Dynacast;
pub use crate::layers::ladder::Content;
pub use crate::layers::meter::{Encoding, Encodings, Meter, Stacking};
pub use crate::layers::renumber::{Outgoing, Renumber, Source};
pub use crate::layers::selector::{Candidate, Selector, Verdict};

/// A layer of a track: with it come the temporal layers below and, in a scalable
/// stream, the spatial ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Layer {
    /// 0 is the smallest picture.
    pub spatial: u8,
    /// 0 has the fewest pictures in a second.
    pub temporal: u8,
}

impl Layer {
    /// The best there is.
    pub const TOP: Self = Self {
        spatial: crate::codec::MAX_SPATIAL as u8 - 1,
        temporal: crate::codec::MAX_TEMPORAL as u8 - 1,
    };
}
