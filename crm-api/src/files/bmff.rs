//! Films and HEIF pictures without the place they were taken at: ISO base media files
//! (ISO/IEC 14496-12, 23008-12). Metadata is blanked where it lies, since offsets run
//! all through such a file; nothing moves, and sound and pictures stay as they were.

mod items;
mod reader;

use reader::{BoxHeader, boxes};

/// The structure is not what the format promises.
#[derive(Debug, thiserror::Error)]
#[error("not a readable media container")]
pub(super) struct Unreadable;

/// Boxes of a film that describe it to people: QuickTime's and 3GPP's user data (the
/// place among them), iTunes' and Apple's metadata, XMP.
const DESCRIPTIVE: [[u8; 4]; 3] = [*b"udta", *b"meta", *b"uuid"];
/// Boxes that hold others in which the descriptive ones are found.
const CONTAINERS: [[u8; 4]; 4] = [*b"moov", *b"trak", *b"mdia", *b"moof"];
/// More than any real file nests.
const MAX_DEPTH: usize = 8;

/// Whether [`blank`] knows this type.
pub(super) fn is_blanked(media_type: &str) -> bool {
    media_type == HEIF || FILMS.contains(&media_type)
}

const HEIF: &str = "image/heif";
const FILMS: [&str; 3] = ["video/mp4", "video/quicktime", "audio/m4a"];

/// Overwrites the metadata in `file`.
///
/// # Errors
/// When the boxes do not fit into each other: nobody knows then what hides between
/// them. `file` may have changed.
pub(super) fn blank(media_type: &str, file: &mut [u8]) -> Result<(), Unreadable> {
    let end = file.len();
    if media_type == HEIF { items::blank(file) } else { film(file, 0, end, 0) }
}

fn film(file: &mut [u8], start: usize, end: usize, depth: usize) -> Result<(), Unreadable> {
    if depth > MAX_DEPTH {
        return Err(Unreadable);
    }
    let found: Vec<BoxHeader> = boxes(file, start, end).collect::<Result<_, _>>()?;
    for header in found {
        if DESCRIPTIVE.contains(&header.kind) {
            free(file, &header);
        } else if CONTAINERS.contains(&header.kind) {
            film(file, header.content, header.end, depth + 1)?;
        }
    }
    Ok(())
}

/// Turns a box into free space of the same size (section 8.1.2).
fn free(file: &mut [u8], header: &BoxHeader) {
    file[header.start + 4..header.start + 8].copy_from_slice(b"free");
    file[header.content..header.end].fill(0);
}

#[cfg(test)]
mod tests;
