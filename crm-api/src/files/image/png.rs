//! PNG (third edition, section 11): texts, times and EXIF go. Other chunks, colour
//! and animation among them, stay.

use axum::body::Bytes;
use img_parts::png::Png;

use super::Unreadable;

const METADATA: [[u8; 4]; 6] = [*b"tEXt", *b"zTXt", *b"iTXt", *b"eXIf", *b"tIME", *b"caBX"];

pub(super) fn strip(original: Bytes) -> Result<Bytes, Unreadable> {
    let mut png = Png::from_bytes(original).map_err(|_| Unreadable)?;
    png.chunks_mut().retain(|chunk| !METADATA.contains(&chunk.kind()));
    Ok(png.encoder().bytes())
}
