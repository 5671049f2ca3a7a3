//! Boxes and fields, read within their bounds.

use super::Unreadable;

/// Where a box lies: its size field at `start`, what it holds from `content` to `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct BoxHeader {
    pub(super) kind: [u8; 4],
    pub(super) start: usize,
    pub(super) content: usize,
    pub(super) end: usize,
}

/// The boxes between two places (section 4.2).
pub(super) fn boxes(
    file: &[u8],
    start: usize,
    end: usize,
) -> impl Iterator<Item = Result<BoxHeader, Unreadable>> {
    let mut at = start;
    std::iter::from_fn(move || {
        if at >= end {
            return None;
        }
        let header = header(file, at, end);
        // One that cannot be read is the last one.
        at = header.as_ref().map_or(end, |header| header.end);
        Some(header)
    })
}

fn header(file: &[u8], start: usize, end: usize) -> Result<BoxHeader, Unreadable> {
    let mut fields = Fields { file, at: start, end };
    let short = fields.number(4)?;
    let kind = fields.take(4)?.try_into().map_err(|_| Unreadable)?;
    let size = match short {
        0 => end - start,
        1 => usize::try_from(fields.number(8)?).map_err(|_| Unreadable)?,
        size => usize::try_from(size).map_err(|_| Unreadable)?,
    };
    let stop = start.checked_add(size).filter(|stop| (fields.at..=end).contains(stop));
    Ok(BoxHeader { kind, start, content: fields.at, end: stop.ok_or(Unreadable)? })
}

/// Reads one field after the other.
pub(super) struct Fields<'a> {
    pub(super) file: &'a [u8],
    pub(super) at: usize,
    pub(super) end: usize,
}

impl<'a> Fields<'a> {
    pub(super) const fn of(file: &'a [u8], header: &BoxHeader) -> Self {
        Self { file, at: header.content, end: header.end }
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let stop = self.at.checked_add(length).filter(|stop| *stop <= self.end);
        let taken = stop.and_then(|stop| self.file.get(self.at..stop)).ok_or(Unreadable)?;
        self.at += length;
        Ok(taken)
    }

    /// A number of 0 to 8 bytes, big endian.
    pub(super) fn number(&mut self, bytes: usize) -> Result<u64, Unreadable> {
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    /// Up to the next zero byte, which is read too.
    pub(super) fn text(&mut self) -> Result<&'a [u8], Unreadable> {
        let rest = self.file.get(self.at..self.end).ok_or(Unreadable)?;
        let length = rest.iter().position(|byte| *byte == 0).ok_or(Unreadable)?;
        let text = self.take(length)?;
        self.take(1)?;
        Ok(text)
    }

    /// Version of a full box; its flags are passed over.
    pub(super) fn version(&mut self) -> Result<u8, Unreadable> {
        Ok(self.take(4)?[0])
    }
}
