//! RTP header extensions: which ones we know, which id each has in a session, and
//! their elements in the one- and the two-byte form (RFC 8285).

#[cfg(test)]
mod writing;

use super::bytes::Reader;

const ONE_BYTE_PROFILE: u16 = 0xbede;

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
}

impl AudioLevel {
    const fn from_byte(byte: u8) -> Self {
        Self { voice: byte & 0x80 != 0, below_full_scale_db: byte & 0x7f }
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
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn elements(form: Form, block: &[u8]) -> Vec<(u8, &[u8])> {
        Elements::new(form, block).collect()
    }

    fn full_map(mixed: bool) -> ExtensionMap {
        let mut map = ExtensionMap::new(mixed);
        for (index, (extension, uri)) in Extension::ALL.into_iter().enumerate() {
            assert_eq!(extension as usize, index, "in the order of the enumeration");
            assert_eq!(Extension::from_uri(uri), Some(extension));
            assert_eq!(extension.uri(), uri);
            map.set(extension, index as u8 + 1);
        }
        map
    }

    #[test]
    fn elements_of_both_forms() {
        let block = [0x11, 1, 2, 0, 0x20, 3, 0xf0, 9];
        assert_eq!(elements(Form::OneByte, &block), [(1, &[1, 2][..]), (2, &[3])]);
        let block = [1, 2, 7, 8, 0, 200, 0, 15, 1, 9];
        assert_eq!(elements(Form::TwoByte, &block), [(1, &[7, 8][..]), (200, &[]), (15, &[9])]);
    }

    #[test]
    fn an_element_beyond_the_block_ends_it() {
        assert_eq!(elements(Form::OneByte, &[0x10, 1, 0x21, 2]), [(1, &[1][..])]);
        assert_eq!(elements(Form::TwoByte, &[1, 1, 1, 2, 5, 0]), [(1, &[1][..])]);
    }

    #[test]
    fn an_id_means_one_extension() {
        let mut map = ExtensionMap::new(false);
        map.set(Extension::Mid, 4);
        map.set(Extension::Rid, 4);
        map.set(Extension::AudioLevel, 0);
        map.set(Extension::AbsSendTime, 15);
        assert_eq!(map.id(Extension::Mid), None);
        assert_eq!(map.id(Extension::Rid), Some(4));
        assert_eq!(map.id(Extension::AudioLevel), None);
        assert_eq!(map.id(Extension::AbsSendTime), None);
        let read = map.read(Elements::new(Form::OneByte, &[0x40, b'h']));
        assert_eq!(read, Extensions { rid: Some(b"h"), ..Extensions::default() });
    }

    #[test]
    fn a_long_value_takes_the_two_byte_form_where_that_is_allowed() {
        let long = [7; 17];
        let values = Extensions {
            dependency_descriptor: Some(&long),
            audio_level: Some(AudioLevel { voice: true, below_full_scale_db: 3 }),
            ..Extensions::default()
        };
        let mut buffer = [0; 64];
        let written = full_map(true).write(&values, &mut buffer);
        assert_eq!(written, Some(4 + 24), "19 and 3 bytes, aligned");
        assert_eq!(buffer[..4], [0x10, 0, 0, 6]);
        let written = full_map(false).write(&values, &mut buffer);
        assert_eq!(written, Some(8), "left out");
        assert_eq!(buffer[..8], [0xbe, 0xde, 0, 1, 0x60, 0x83, 0, 0]);
    }

    #[test]
    fn without_values_there_is_no_block() {
        assert_eq!(full_map(true).write(&Extensions::default(), &mut []), Some(0));
        let values = Extensions { mid: Some(b"0"), ..Extensions::default() };
        assert_eq!(ExtensionMap::new(true).write(&values, &mut []), Some(0), "no id");
        assert_eq!(full_map(true).write(&values, &mut [0; 7]), None, "no room");
    }

    prop_compose! {
        fn texts()(
            mid in prop::option::of(prop::collection::vec(any::<u8>(), 1..=16)),
            rid in prop::option::of(prop::collection::vec(any::<u8>(), 1..=16)),
            descriptor in prop::option::of(prop::collection::vec(any::<u8>(), 1..=255)),
            capture in prop::option::of(prop_oneof![
                prop::collection::vec(any::<u8>(), 8),
                prop::collection::vec(any::<u8>(), 16),
            ]),
        ) -> [Option<Vec<u8>>; 4] {
            [mid, rid, descriptor, capture]
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            [mid, rid, descriptor, capture] in texts(),
            transport_sequence in any::<Option<u16>>(),
            abs_send_time in prop::option::of(0..1_u32 << 24),
            level in any::<Option<u8>>(),
            video_orientation in any::<Option<u8>>(),
            playout_delay in any::<Option<[u8; 3]>>(),
            shift in 0..230_u8,
        ) {
            let mut map = ExtensionMap::new(true);
            for (extension, _) in Extension::ALL {
                // Around 15, which is no id.
                let id = extension as u8 + 1 + shift;
                map.set(extension, if id >= 15 { id + 1 } else { id });
            }
            let values = Extensions {
                mid: mid.as_deref(),
                rid: rid.as_deref(),
                repaired_rid: rid.as_deref(),
                transport_sequence,
                abs_send_time,
                audio_level: level.map(AudioLevel::from_byte),
                video_orientation,
                dependency_descriptor: descriptor.as_deref(),
                playout_delay,
                abs_capture_time: capture.as_deref(),
            };
            let mut buffer = [0; 512];
            let written = map.write(&values, &mut buffer).expect("enough room");
            prop_assert_eq!(written % 4, 0);
            let Some((head, block)) = buffer[..written].split_at_checked(4) else {
                prop_assert_eq!(values, Extensions::default());
                return Ok(());
            };
            prop_assert_eq!(usize::from(head[3]) * 4, block.len());
            let form = Form::of_profile(u16::from_be_bytes([head[0], head[1]]));
            let form = form.expect("a form of RFC 8285");
            prop_assert_eq!(map.read(Elements::new(form, block)), values);
        }

        #[test]
        fn any_block_is_read(
            block in prop::collection::vec(any::<u8>(), 0..64), two in any::<bool>(),
        ) {
            let form = if two { Form::TwoByte } else { Form::OneByte };
            let values = full_map(true).read(Elements::new(form, &block));
            prop_assert!(values.abs_send_time.is_none_or(|time| time < 1 << 24));
        }
    }
}
