//! Extension blocks as clients send them; the relay's own are written by
//! `outbound::header`, which passes on what it received.

use super::{AudioLevel, Extension, ExtensionMap, Extensions, Form, ONE_BYTE_PROFILE};
use crate::wire::bytes::Pen;

const TWO_BYTE_PROFILE: u16 = 0x1000;
/// Ids up to here, and values up to [`ONE_BYTE_VALUE_BYTES`], have a one-byte form.
const ONE_BYTE_IDS: u8 = 14;
const ONE_BYTE_VALUE_BYTES: usize = 16;

impl ExtensionMap {
    /// Writes the extension block, with its own header, of those values that have an
    /// id. The length, a multiple of four and 0 without values; `None` when `buffer`
    /// is too short.
    pub(crate) fn write(&self, values: &Extensions<'_>, buffer: &mut [u8]) -> Option<usize> {
        let short = self.ids.iter().all(|id| *id <= ONE_BYTE_IDS) && values.fits_one_byte();
        let form = if short || !self.mixed { Form::OneByte } else { Form::TwoByte };
        let mut block = Block { map: self, form, pen: Pen::new(buffer), empty: true };
        block.put(Extension::Mid, values.mid)?;
        block.put(Extension::Rid, values.rid)?;
        block.put(Extension::RepairedRid, values.repaired_rid)?;
        let sequence = values.transport_sequence.map(u16::to_be_bytes);
        block.put(Extension::TransportSequence, sequence.as_ref().map(|it| &it[..]))?;
        let time = values.abs_send_time.map(u32::to_be_bytes);
        block.put(Extension::AbsSendTime, time.as_ref().map(|it| &it[1..]))?;
        let level = values.audio_level.map(AudioLevel::to_byte);
        block.put(Extension::AudioLevel, level.as_ref().map(std::slice::from_ref))?;
        let orientation = values.video_orientation;
        block.put(Extension::VideoOrientation, orientation.as_ref().map(std::slice::from_ref))?;
        block.put(Extension::DependencyDescriptor, values.dependency_descriptor)?;
        block.put(Extension::PlayoutDelay, values.playout_delay.as_ref().map(|it| &it[..]))?;
        block.put(Extension::AbsCaptureTime, values.abs_capture_time)?;
        block.finish()
    }
}

/// An extension block that is being written.
struct Block<'a> {
    map: &'a ExtensionMap,
    form: Form,
    pen: Pen<'a>,
    empty: bool,
}

impl Block<'_> {
    #[inline]
    fn put(&mut self, extension: Extension, value: Option<&[u8]>) -> Option<()> {
        let (Some(value), Some(id)) = (value, self.map.id(extension)) else { return Some(()) };
        let Some((head, head_bytes)) = self.form.head(id, value.len()) else { return Some(()) };
        if std::mem::take(&mut self.empty) {
            // The length is written at the end.
            self.pen.u16(self.form.profile())?;
            self.pen.u16(0)?;
        }
        self.pen.put(&head[..head_bytes])?;
        self.pen.put(value)
    }

    fn finish(mut self) -> Option<usize> {
        if self.empty {
            return Some(0);
        }
        self.pen.align()?;
        let bytes = self.pen.written();
        self.pen.patch_u16(2, u16::try_from(bytes / 4 - 1).ok()?)?;
        Some(bytes)
    }
}

impl Form {
    const fn profile(self) -> u16 {
        match self {
            Self::OneByte => ONE_BYTE_PROFILE,
            Self::TwoByte => TWO_BYTE_PROFILE,
        }
    }

    /// The head of an element and its length; `None` when it has none in this form.
    fn head(self, id: u8, value_bytes: usize) -> Option<([u8; 2], usize)> {
        match self {
            Self::OneByte => {
                let fits = id <= ONE_BYTE_IDS && (1..=ONE_BYTE_VALUE_BYTES).contains(&value_bytes);
                let length = u8::try_from(value_bytes.checked_sub(1)?).ok()?;
                fits.then_some(([id << 4 | length, 0], 1))
            }
            Self::TwoByte => Some(([id, u8::try_from(value_bytes).ok()?], 2)),
        }
    }
}

impl Extensions<'_> {
    /// Whether every value is short enough for the one-byte form.
    fn fits_one_byte(&self) -> bool {
        [self.mid, self.rid, self.repaired_rid, self.dependency_descriptor, self.abs_capture_time]
            .into_iter()
            .flatten()
            .all(|value| value.len() <= ONE_BYTE_VALUE_BYTES)
    }
}

impl AudioLevel {
    fn to_byte(self) -> u8 {
        u8::from(self.voice) << 7 | self.below_full_scale_db & 0x7f
    }
}
