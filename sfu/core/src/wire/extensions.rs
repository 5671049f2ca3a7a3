//! RTP header extensions: which ones we know, which id each has in a session, and
//! their elements in the one- and the two-byte form (RFC 8285).

use super::bytes::{Pen, Reader};

const ONE_BYTE_PROFILE: u16 = 0xbede;
const TWO_BYTE_PROFILE: u16 = 0x1000;

/// Ids up to here, and values up to [`ONE_BYTE_VALUE_BYTES`], have a one-byte form.
const ONE_BYTE_IDS: u8 = 14;
const ONE_BYTE_VALUE_BYTES: usize = 16;

/// An extension the relay understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Extension {
    /// The m-line a packet belongs to (RFC 9143).
    Mid,
    /// The simulcast layer a packet belongs to (RFC 8852).
    Rid,
    /// The simulcast layer a retransmission repairs (RFC 8852).
    RepairedRid,
    /// Transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    TransportSequence,
    /// 24 bits of time, 6.18 fixed point seconds.
    AbsSendTime,
    /// Client-to-mixer audio level (RFC 6464).
    AudioLevel,
    /// Coordination of video orientation (3GPP TS 26.114).
    VideoOrientation,
    /// The AV1 dependency descriptor, which other codecs carry too.
    DependencyDescriptor,
    /// Shortest and longest delay the sender wants at play-out.
    PlayoutDelay,
    /// When a frame was captured, by the publisher's clock.
    AbsCaptureTime,
}

impl Extension {
    const ALL: [(Self, &'static str); 10] = [
        (Self::Mid, "urn:ietf:params:rtp-hdrext:sdes:mid"),
        (Self::Rid, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"),
        (Self::RepairedRid, "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"),
        (
            Self::TransportSequence,
            "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        ),
        (Self::AbsSendTime, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"),
        (Self::AudioLevel, "urn:ietf:params:rtp-hdrext:ssrc-audio-level"),
        (Self::VideoOrientation, "urn:3gpp:video-orientation"),
        (
            Self::DependencyDescriptor,
            "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
        ),
        (Self::PlayoutDelay, "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"),
        (Self::AbsCaptureTime, "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"),
    ];

    /// The extension an `a=extmap` line of a session description names.
    pub(crate) fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == uri).map(|(extension, _)| *extension)
    }

    pub(crate) const fn uri(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// How elements are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    OneByte,
    TwoByte,
}

impl Form {
    pub(crate) const fn of_profile(profile: u16) -> Option<Self> {
        match profile {
            ONE_BYTE_PROFILE => Some(Self::OneByte),
            // The low four bits are the application's, and mean nothing to us.
            0x1000..=0x100f => Some(Self::TwoByte),
            _ => None,
        }
    }

    const fn profile(self) -> u16 {
        match self {
            Self::OneByte => ONE_BYTE_PROFILE,
            Self::TwoByte => TWO_BYTE_PROFILE,
        }
    }
}

/// Ids and values in the order of the packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elements<'a> {
    form: Form,
    reader: Reader<'a>,
}

impl<'a> Elements<'a> {
    pub(crate) const fn new(form: Form, block: &'a [u8]) -> Self {
        Self { form, reader: Reader::new(block) }
    }

    fn one_byte(&mut self) -> Option<(u8, &'a [u8])> {
        loop {
            let head = self.reader.u8()?;
            match head >> 4 {
                // RFC 8285 section 4.2: padding, whatever its length field says.
                0 => {}
                // The same section: the rest is not to be looked at.
                15 => return None,
                id => return Some((id, self.reader.slice(usize::from(head & 0x0f) + 1)?)),
            }
        }
    }

    fn two_byte(&mut self) -> Option<(u8, &'a [u8])> {
        loop {
            match self.reader.u8()? {
                0 => {}
                id => {
                    let length = usize::from(self.reader.u8()?);
                    return Some((id, self.reader.slice(length)?));
                }
            }
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let element = match self.form {
            Form::OneByte => self.one_byte(),
            Form::TwoByte => self.two_byte(),
        };
        if element.is_none() {
            self.reader = Reader::new(&[]);
        }
        element
    }
}

/// Voice as the publisher measured it (RFC 6464).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AudioLevel {
    /// The publisher thinks that somebody speaks.
    pub(crate) voice: bool,
    /// Below full scale, dB: 0 is the loudest, 127 is silence.
    pub(crate) below_full_scale_db: u8,
}

/// The values of one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extensions<'a> {
    pub(crate) mid: Option<&'a [u8]>,
    pub(crate) rid: Option<&'a [u8]>,
    pub(crate) repaired_rid: Option<&'a [u8]>,
    pub(crate) transport_sequence: Option<u16>,
    /// 24 bits, 6.18 fixed point seconds.
    pub(crate) abs_send_time: Option<u32>,
    pub(crate) audio_level: Option<AudioLevel>,
    pub(crate) video_orientation: Option<u8>,
    pub(crate) dependency_descriptor: Option<&'a [u8]>,
    /// Passed on unread.
    pub(crate) playout_delay: Option<[u8; 3]>,
    /// Passed on unread: 8 bytes, or 16 with the clock offset.
    pub(crate) abs_capture_time: Option<&'a [u8]>,
}

impl<'a> Extensions<'a> {
    fn set(&mut self, extension: Extension, value: &'a [u8]) {
        let mut reader = Reader::new(value);
        let text = (!value.is_empty()).then_some(value);
        match extension {
            Extension::Mid => self.mid = text,
            Extension::Rid => self.rid = text,
            Extension::RepairedRid => self.repaired_rid = text,
            Extension::TransportSequence => self.transport_sequence = reader.u16(),
            Extension::AbsSendTime => self.abs_send_time = reader.u24(),
            Extension::AudioLevel => self.audio_level = reader.u8().map(AudioLevel::from_byte),
            Extension::VideoOrientation => self.video_orientation = reader.u8(),
            Extension::DependencyDescriptor => self.dependency_descriptor = text,
            Extension::PlayoutDelay => self.playout_delay = reader.array(),
            Extension::AbsCaptureTime => {
                self.abs_capture_time = matches!(value.len(), 8 | 16).then_some(value);
            }
        }
    }

    /// Whether every value is short enough for the one-byte form.
    fn fits_one_byte(&self) -> bool {
        [self.mid, self.rid, self.repaired_rid, self.dependency_descriptor, self.abs_capture_time]
            .into_iter()
            .flatten()
            .all(|value| value.len() <= ONE_BYTE_VALUE_BYTES)
    }
}

impl AudioLevel {
    const fn from_byte(byte: u8) -> Self {
        Self { voice: byte & 0x80 != 0, below_full_scale_db: byte & 0x7f }
    }

    fn to_byte(self) -> u8 {
        u8::from(self.voice) << 7 | self.below_full_scale_db & 0x7f
    }
}

/// The ids one session description gave to the extensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExtensionMap {
    /// By [`Extension`]; 0 is "not negotiated", since no element can have it.
    ids: [u8; Extension::ALL.len()],
    /// `a=extmap-allow-mixed`: both forms may occur in one stream.
    mixed: bool,
}

impl ExtensionMap {
    /// No extension has an id. `mixed`: the peer allows the two forms in one stream
    /// (RFC 8285 section 4.1.2); without it, a value that is too long for the
    /// one-byte form is left out.
    pub(crate) const fn new(mixed: bool) -> Self {
        Self { ids: [0; Extension::ALL.len()], mixed }
    }

    /// Gives an id to an extension, and takes it from any other. Ids 0 and 15 mean
    /// something else (RFC 8285 section 4.2) and are ignored.
    pub(crate) fn set(&mut self, extension: Extension, id: u8) {
        if matches!(id, 0 | 15) {
            return;
        }
        for known in &mut self.ids {
            if *known == id {
                *known = 0;
            }
        }
        self.ids[extension as usize] = id;
    }

    pub(crate) fn id(&self, extension: Extension) -> Option<u8> {
        Some(self.ids[extension as usize]).filter(|id| *id != 0)
    }

    fn extension(&self, id: u8) -> Option<Extension> {
        let index = self.ids.iter().position(|known| *known == id)?;
        Some(Extension::ALL.get(index)?.0)
    }

    /// Gives the elements of a packet their meaning. Unknown ones are passed over;
    /// of two with one id the later counts.
    pub(crate) fn read<'a>(&self, elements: Elements<'a>) -> Extensions<'a> {
        let mut values = Extensions::default();
        for (id, value) in elements {
            if let Some(extension) = self.extension(id) {
                values.set(extension, value);
            }
        }
        values
    }

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
