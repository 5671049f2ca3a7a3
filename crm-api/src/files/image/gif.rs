//! GIF (GIF89a): comments and application blocks go, but for those that make an
//! animation loop. What follows the trailer goes too.

use axum::body::Bytes;

use super::Unreadable;

const TRAILER: u8 = 0x3b;
const IMAGE: u8 = 0x2c;
const EXTENSION: u8 = 0x21;
const COMMENT: u8 = 0xfe;
const APPLICATION: u8 = 0xff;
/// Identifiers of application blocks that say how often to loop.
const LOOPS: [&[u8]; 2] = [b"NETSCAPE2.0", b"ANIMEXTS1.0"];
/// Signature, version and logical screen descriptor.
const HEADER_BYTES: usize = 13;

pub(super) fn strip(original: &[u8]) -> Result<Bytes, Unreadable> {
    let mut reader = Reader { bytes: original, at: 0 };
    let mut kept = Vec::with_capacity(original.len());
    let screen = reader.take(HEADER_BYTES)?;
    kept.extend_from_slice(screen);
    kept.extend_from_slice(reader.take(color_table_bytes(screen[10]))?);
    loop {
        let start = reader.at;
        let keep = match reader.byte()? {
            TRAILER => {
                kept.push(TRAILER);
                return Ok(kept.into());
            }
            IMAGE => {
                reader.image()?;
                true
            }
            EXTENSION => reader.extension()?,
            _ => return Err(Unreadable),
        };
        if keep {
            kept.extend_from_slice(&original[start..reader.at]);
        }
    }
}

/// Bytes of the table that the packed field announces.
const fn color_table_bytes(packed: u8) -> usize {
    if packed & 0x80 == 0 { 0 } else { 3 << ((packed & 7) + 1) }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let end = self.at.checked_add(length).ok_or(Unreadable)?;
        let taken = self.bytes.get(self.at..end).ok_or(Unreadable)?;
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Unreadable> {
        Ok(self.take(1)?[0])
    }

    fn image(&mut self) -> Result<(), Unreadable> {
        let descriptor = self.take(9)?;
        self.take(color_table_bytes(descriptor[8]))?;
        // The smallest code size.
        self.byte()?;
        self.sub_blocks().map(drop)
    }

    /// Whether it is to be kept.
    fn extension(&mut self) -> Result<bool, Unreadable> {
        let label = self.byte()?;
        let first = self.sub_blocks()?;
        Ok(match label {
            COMMENT => false,
            APPLICATION => LOOPS.contains(&first),
            _ => true,
        })
    }

    /// Reads to the terminator; returns the first block.
    fn sub_blocks(&mut self) -> Result<&'a [u8], Unreadable> {
        let mut first = None;
        loop {
            let length = usize::from(self.byte()?);
            if length == 0 {
                return Ok(first.unwrap_or_default());
            }
            let block = self.take(length)?;
            first.get_or_insert(block);
        }
    }
}
