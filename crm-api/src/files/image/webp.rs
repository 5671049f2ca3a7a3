//! WebP (RFC 9649, section 2.7): the EXIF and XMP chunks go, and the flags that
//! announce them.

use axum::body::Bytes;
use img_parts::riff::{RiffChunk, RiffContent};
use img_parts::webp::{CHUNK_EXIF, CHUNK_VP8X, CHUNK_XMP, WebP};

use super::Unreadable;

/// Bits of the first byte of VP8X.
const EXIF_FLAG: u8 = 0b0000_1000;
const XMP_FLAG: u8 = 0b0000_0100;

pub(super) fn strip(original: Bytes) -> Result<Bytes, Unreadable> {
    let mut webp = WebP::from_bytes(original).map_err(|_| Unreadable)?;
    webp.chunks_mut().retain(|chunk| ![CHUNK_EXIF, CHUNK_XMP].contains(&chunk.id()));
    for chunk in webp.chunks_mut() {
        if chunk.id() == CHUNK_VP8X {
            *chunk = without_flags(chunk).ok_or(Unreadable)?;
        }
    }
    Ok(webp.encoder().bytes())
}

fn without_flags(chunk: &RiffChunk) -> Option<RiffChunk> {
    let mut contents = chunk.content().data()?.to_vec();
    *contents.first_mut()? &= !(EXIF_FLAG | XMP_FLAG);
    Some(RiffChunk::new(CHUNK_VP8X, RiffContent::Data(contents.into())))
}
