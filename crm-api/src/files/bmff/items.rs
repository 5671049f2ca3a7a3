//! HEIF: the items that are EXIF or XMP, found by `iinf` and placed by `iloc`. How a
//! picture is turned is a property of its own there (`irot`), so EXIF can go whole.

use std::ops::Range;

use super::Unreadable;
use super::reader::{BoxHeader, Fields, boxes};

/// What an EXIF item becomes: no offset, a TIFF header, a directory of no entries
/// (ISO/IEC 23008-12, annex A.2.1).
const EMPTY_EXIF: [u8; 18] = [0, 0, 0, 0, b'I', b'I', b'*', 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const XMP_TYPE: &[u8] = b"application/rdf+xml";
/// More than any real picture has.
const MAX_ITEMS: u64 = 10_000;
const MAX_EXTENTS: u64 = 1_000;

pub(super) fn blank(file: &mut [u8]) -> Result<(), Unreadable> {
    for (range, is_exif) in places(file)? {
        let place = &mut file[range];
        place.fill(0);
        if is_exif && place.len() >= EMPTY_EXIF.len() {
            place[..EMPTY_EXIF.len()].copy_from_slice(&EMPTY_EXIF);
        }
    }
    Ok(())
}

/// Where metadata lies, and whether it is EXIF.
fn places(file: &[u8]) -> Result<Vec<(Range<usize>, bool)>, Unreadable> {
    let meta = child(file, 0, file.len(), *b"meta")?.ok_or(Unreadable)?;
    // It is a full box: version and flags come first.
    let start = meta.content.checked_add(4).filter(|start| *start <= meta.end);
    let start = start.ok_or(Unreadable)?;
    let within = |kind| child(file, start, meta.end, kind);
    let Some(infos) = within(*b"iinf")? else { return Ok(Vec::new()) };
    let described = described_items(file, &infos)?;
    if described.is_empty() {
        return Ok(Vec::new());
    }
    let locations = within(*b"iloc")?.ok_or(Unreadable)?;
    let mut places = Vec::new();
    for location in read_locations(file, &locations)? {
        let item = described.iter().find(|(id, _)| *id == location.item);
        let Some((_, is_exif)) = item else { continue };
        let base = match location.construction {
            0 => 0,
            1 => within(*b"idat")?.ok_or(Unreadable)?.content,
            _ => return Err(Unreadable),
        };
        for (offset, length) in location.extents {
            places.push((range(file, base, offset, length)?, *is_exif));
        }
    }
    Ok(places)
}

fn range(file: &[u8], base: usize, offset: u64, length: u64) -> Result<Range<usize>, Unreadable> {
    let number = |value: u64| usize::try_from(value).map_err(|_| Unreadable);
    let start = base.checked_add(number(offset)?).ok_or(Unreadable)?;
    let end = start.checked_add(number(length)?).filter(|end| *end <= file.len());
    Ok(start..end.ok_or(Unreadable)?)
}

fn child(
    file: &[u8],
    start: usize,
    end: usize,
    kind: [u8; 4],
) -> Result<Option<BoxHeader>, Unreadable> {
    for header in boxes(file, start, end) {
        let header = header?;
        if header.kind == kind {
            return Ok(Some(header));
        }
    }
    Ok(None)
}

/// Items that are EXIF (true) or XMP (false).
fn described_items(file: &[u8], infos: &BoxHeader) -> Result<Vec<(u64, bool)>, Unreadable> {
    let mut fields = Fields::of(file, infos);
    let count = if fields.version()? == 0 { 2 } else { 4 };
    fields.number(count)?;
    let mut found = Vec::new();
    for header in boxes(file, fields.at, infos.end) {
        let header = header?;
        if header.kind == *b"infe" {
            found.extend(described_item(file, &header)?);
        }
    }
    Ok(found)
}

fn described_item(file: &[u8], info: &BoxHeader) -> Result<Option<(u64, bool)>, Unreadable> {
    let mut fields = Fields::of(file, info);
    let version = fields.version()?;
    if version < 2 {
        // Of a time before items had types.
        return Ok(None);
    }
    let id = fields.number(if version == 2 { 2 } else { 4 })?;
    fields.take(2)?;
    match fields.take(4)? {
        b"Exif" => Ok(Some((id, true))),
        b"mime" => {
            fields.text()?;
            Ok((fields.text()? == XMP_TYPE).then_some((id, false)))
        }
        _ => Ok(None),
    }
}

struct Location {
    item: u64,
    construction: u64,
    extents: Vec<(u64, u64)>,
}

fn read_locations(file: &[u8], header: &BoxHeader) -> Result<Vec<Location>, Unreadable> {
    let mut fields = Fields::of(file, header);
    let version = fields.version()?;
    let sizes = fields.number(2)?;
    let size = |shift: u32| usize::try_from((sizes >> shift) & 0xf).map_err(|_| Unreadable);
    let (offset_size, length_size, base_size) = (size(12)?, size(8)?, size(4)?);
    let index_size = if version == 0 { 0 } else { size(0)? };
    if [offset_size, length_size, base_size, index_size].iter().any(|size| *size > 8) {
        return Err(Unreadable);
    }
    let id_size = if version < 2 { 2 } else { 4 };
    let count = bounded(fields.number(id_size)?, MAX_ITEMS)?;
    let mut locations = Vec::new();
    for _ in 0..count {
        let item = fields.number(id_size)?;
        let construction = if version == 0 { 0 } else { fields.number(2)? & 0xf };
        fields.take(2)?;
        let base = fields.number(base_size)?;
        let extent_count = bounded(fields.number(2)?, MAX_EXTENTS)?;
        let mut extents = Vec::new();
        for _ in 0..extent_count {
            fields.take(index_size)?;
            let offset = base.checked_add(fields.number(offset_size)?).ok_or(Unreadable)?;
            extents.push((offset, fields.number(length_size)?));
        }
        locations.push(Location { item, construction, extents });
    }
    Ok(locations)
}

const fn bounded(count: u64, limit: u64) -> Result<u64, Unreadable> {
    if count <= limit { Ok(count) } else { Err(Unreadable) }
}
