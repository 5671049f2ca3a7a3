//! Bytes that differ between what came in and what goes to one subscriber.

/// A few bytes to write over a payload once it is copied into a subscriber's packet.
/// The shared payload itself is never touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    edits: [Edit; 2],
    count: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Edit {
    at: u8,
    bytes: [u8; 2],
    /// 1 or 2.
    length: u8,
}

impl Patch {
    /// Whether there is nothing to change.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Writes one byte at an offset.
    pub(super) const fn byte(self, at: u8, byte: u8) -> Self {
        self.with(Edit { at, bytes: [byte, 0], length: 1 })
    }

    /// Writes two bytes at an offset, big-endian.
    pub(super) const fn pair(self, at: u8, value: u16) -> Self {
        self.with(Edit { at, bytes: value.to_be_bytes(), length: 2 })
    }

    const fn with(mut self, edit: Edit) -> Self {
        if (self.count as usize) < self.edits.len() {
            self.edits[self.count as usize] = edit;
            self.count += 1;
        }
        self
    }

    /// Changes a copy of the payload that the patch was made for.
    pub fn apply(&self, payload: &mut [u8]) {
        for edit in self.edits.iter().take(usize::from(self.count)) {
            let (start, length) = (usize::from(edit.at), usize::from(edit.length));
            if let (Some(place), Some(bytes)) =
                (payload.get_mut(start..start + length), edit.bytes.get(..length))
            {
                place.copy_from_slice(bytes);
            }
        }
    }
}
