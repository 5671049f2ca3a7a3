//! JPEG (ITU-T T.81): application segments and comments go, but those that decoding
//! needs: the colour profile (APP2, ICC.1 annex B.4) and Adobe's colour transform
//! (APP14).

use axum::body::Bytes;
use img_parts::jpeg::{Jpeg, JpegSegment, markers};

use super::Unreadable;

const ICC_PREFIX: &[u8] = b"ICC_PROFILE\0";
const ADOBE_PREFIX: &[u8] = b"Adobe";

pub(super) fn strip(original: Bytes) -> Result<Bytes, Unreadable> {
    let mut jpeg = Jpeg::from_bytes(original).map_err(|_| Unreadable)?;
    jpeg.segments_mut().retain(is_needed);
    Ok(jpeg.encoder().bytes())
}

fn is_needed(segment: &JpegSegment) -> bool {
    match segment.marker() {
        markers::COM => false,
        markers::APP0..=markers::APP15 => {
            let contents = segment.contents();
            segment.marker() == markers::APP0
                || (segment.marker() == markers::APP2 && contents.starts_with(ICC_PREFIX))
                || (segment.marker() == markers::APP14 && contents.starts_with(ADOBE_PREFIX))
        }
        _ => true,
    }
}
