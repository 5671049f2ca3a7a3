//! The numbers that codecs give to pictures.
//!
//! VP8 receivers wait for a picture id that is missing, so ids of pictures that were
//! left out are closed up. In VP9, and in dependency descriptors, references are
//! differences of numbers: there they only move, all by the same.

use crate::codec::vp8::{self, PictureId};
use crate::codec::{Detail, Frame, Patch};
use crate::layers::gaps::Gaps;

/// Picture ids have 15 bits; sources that write 7 use the lowest of them.
const ID_MASK: u16 = 0x7fff;
/// Where counting of extended ids begins: far enough up that it never gets below 0.
const ORIGIN: u64 = 1 << 32;

#[derive(Debug)]
pub(super) struct Pictures {
    /// What is added to the numbers of the current source.
    offset: Numbers,
    /// The newest that were sent; `None` before the first picture.
    newest: Option<Numbers>,
    /// Ids of the current source, if it is VP8.
    ids: Ids,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Numbers {
    id: u16,
    /// TL0PICIDX.
    tl0: u8,
    frame: u16,
}

impl Numbers {
    fn of(frame: &Frame) -> Self {
        let value = |id: Option<PictureId>| id.map_or(0, |id| id.value);
        match &frame.detail {
            Detail::Vp8(it) => {
                Self { id: value(it.picture_id), tl0: it.tl0().unwrap_or(0), frame: 0 }
            }
            Detail::Vp9(it) => {
                Self { id: value(it.picture_id), tl0: it.tl0().unwrap_or(0), frame: 0 }
            }
            Detail::Links(it) => Self { frame: it.frame_number, ..Self::default() },
            Detail::None => Self::default(),
        }
    }

    const fn plus(self, other: Self) -> Self {
        Self {
            id: self.id.wrapping_add(other.id) & ID_MASK,
            tl0: self.tl0.wrapping_add(other.tl0),
            frame: self.frame.wrapping_add(other.frame),
        }
    }

    const fn minus(self, other: Self) -> Self {
        Self {
            id: self.id.wrapping_sub(other.id) & ID_MASK,
            tl0: self.tl0.wrapping_sub(other.tl0),
            frame: self.frame.wrapping_sub(other.frame),
        }
    }

    /// The later of both, number by number, on their circles.
    const fn latest(self, other: Self) -> Self {
        let ahead = other.minus(self);
        Self {
            id: if ahead.id < 1 << 14 { other.id } else { self.id },
            tl0: if ahead.tl0 < 1 << 7 { other.tl0 } else { self.tl0 },
            frame: if ahead.frame < 1 << 15 { other.frame } else { self.frame },
        }
    }
}

const NEXT: Numbers = Numbers { id: 1, tl0: 1, frame: 1 };

impl Pictures {
    pub(super) const fn new() -> Self {
        Self { offset: Numbers { id: 0, tl0: 0, frame: 0 }, newest: None, ids: Ids::new() }
    }

    /// A source begins with this picture.
    pub(super) fn begin(&mut self, frame: &Frame) {
        let first = Numbers::of(frame);
        self.offset =
            self.newest.map_or_else(Numbers::default, |newest| newest.plus(NEXT).minus(first));
        self.ids = Ids::new();
    }

    /// The change to the payload, and what is added to the frame number. `None` for a
    /// picture that was left out.
    pub(super) fn pass(&mut self, frame: &Frame, in_order: bool) -> Option<(Patch, u16)> {
        let mut numbers = Numbers::of(frame);
        if let Detail::Vp8(vp8::Descriptor { picture_id: Some(id), .. }) = &frame.detail {
            if frame.starts_keyframe && in_order && self.ids.is_behind(*id) {
                // The encoder began anew, and with it the numbers.
                self.begin(frame);
            }
            numbers.id = self.ids.pass(*id)?;
        }
        let sent = numbers.plus(self.offset);
        self.newest = Some(self.newest.map_or(sent, |newest| newest.latest(sent)));
        let patch = match &frame.detail {
            _ if sent == Numbers::of(frame) => Patch::default(),
            Detail::Vp8(descriptor) => descriptor.renumber(sent.id, sent.tl0),
            Detail::Vp9(descriptor) => descriptor.renumber(sent.id, sent.tl0),
            Detail::Links(_) | Detail::None => Patch::default(),
        };
        Some((patch, self.offset.frame))
    }

    pub(super) fn skip(&mut self, frame: &Frame) {
        if let Detail::Vp8(vp8::Descriptor { picture_id: Some(id), .. }) = &frame.detail {
            self.ids.skip(*id);
        }
    }
}

/// VP8's picture ids of one source, without those left out.
#[derive(Debug)]
struct Ids {
    gaps: Gaps,
    /// The newest id as received, counted on beyond its 7 or 15 bits.
    newest: Option<u64>,
}

impl Ids {
    const fn new() -> Self {
        Self { gaps: Gaps::new(), newest: None }
    }

    fn pass(&mut self, id: PictureId) -> Option<u16> {
        let number = self.extend(id);
        self.gaps.pass(number).map(|number| number as u16 & ID_MASK)
    }

    fn skip(&mut self, id: PictureId) {
        let number = self.extend(id);
        self.gaps.skip(number);
    }

    fn is_behind(&self, id: PictureId) -> bool {
        self.newest.is_some_and(|newest| self.extended(id) < newest)
    }

    fn extend(&mut self, id: PictureId) -> u64 {
        let number = self.extended(id);
        self.newest = Some(self.newest.map_or(number, |newest| newest.max(number)));
        number
    }

    /// The number nearest to the newest one that ends in the bits of the id.
    fn extended(&self, id: PictureId) -> u64 {
        let Some(newest) = self.newest else { return ORIGIN + u64::from(id.value) };
        let circle = u64::from(id.modulus());
        let ahead = u64::from(id.value).wrapping_sub(newest) & (circle - 1);
        if ahead < circle / 2 { newest + ahead } else { newest + ahead - circle }
    }
}
