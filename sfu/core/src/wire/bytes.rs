//! Reading and writing big-endian fields without a step outside the slice.

/// Takes fields from the front of a slice. `None` once it is too short.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u24(&mut self) -> Option<u32> {
        let [high, middle, low] = self.array()?;
        Some(u32::from_be_bytes([0, high, middle, low]))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn slice(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(head)
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }
}

/// Puts fields behind each other into a buffer. `None` once it is full.
#[derive(Debug)]
pub(crate) struct Pen<'a> {
    buffer: &'a mut [u8],
    written: usize,
}

impl<'a> Pen<'a> {
    pub(crate) const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, written: 0 }
    }

    pub(crate) const fn written(&self) -> usize {
        self.written
    }

    /// Bytes that can still be written.
    pub(crate) const fn room(&self) -> usize {
        self.buffer.len() - self.written
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.written.checked_add(bytes.len())?;
        self.buffer.get_mut(self.written..end)?.copy_from_slice(bytes);
        self.written = end;
        Some(())
    }

    pub(crate) fn u8(&mut self, value: u8) -> Option<()> {
        self.put(&[value])
    }

    pub(crate) fn u16(&mut self, value: u16) -> Option<()> {
        self.put(&value.to_be_bytes())
    }

    /// The low 24 bits.
    pub(crate) fn u24(&mut self, value: u32) -> Option<()> {
        let [_, high, middle, low] = value.to_be_bytes();
        self.put(&[high, middle, low])
    }

    pub(crate) fn u32(&mut self, value: u32) -> Option<()> {
        self.put(&value.to_be_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> Option<()> {
        self.put(&value.to_be_bytes())
    }

    /// Zeros up to a multiple of four from the start of the buffer.
    pub(crate) fn align(&mut self) -> Option<()> {
        let missing = self.written.next_multiple_of(4) - self.written;
        self.put(&[0; 3][..missing])
    }
    /// Overwrites two bytes that were written before.
    pub(crate) fn patch_u16(&mut self, at: usize, value: u16) -> Option<()> {
        let end = at.checked_add(2)?;
        self.buffer.get_mut(at..end)?.copy_from_slice(&value.to_be_bytes());
        Some(())
    }
}
