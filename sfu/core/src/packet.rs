//! A received media packet in the form in which all its subscribers share it.

use std::ops::Range;
use std::sync::Arc;

use crate::wire::extensions::Extension;

/// Extensions passed on with one packet. Browsers send two at most that describe the
/// media; the others describe the publisher's transport and are made anew.
const MAX_CARRIED: usize = 4;

/// Where in a packet a carried extension stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    kind: Extension,
    length: u8,
    at: u16,
}

/// A decrypted packet: one allocation, whoever receives it. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    /// From the first byte of the header to the last of the payload, without padding.
    bytes: Arc<[u8]>,
    carried: [Option<Place>; MAX_CARRIED],
    payload_at: u16,
    /// A value that one subscriber gets instead of the one in `bytes`.
    own: Option<(Extension, Arc<[u8]>)>,
}

impl Packet {
    /// `bytes` from the start of the header to the end of the payload, which begins
    /// at `payload_at`. `None` when that is not within 64 KiB and the bytes.
    pub(crate) fn new(bytes: &[u8], payload_at: usize) -> Option<Self> {
        if payload_at > bytes.len() || bytes.len() > usize::from(u16::MAX) {
            return None;
        }
        let payload_at = u16::try_from(payload_at).ok()?;
        Some(Self { bytes: bytes.into(), carried: [None; MAX_CARRIED], payload_at, own: None })
    }

    /// Notes that an extension's value stands at `range`. More than a few are dropped.
    pub(crate) fn carry(&mut self, kind: Extension, range: Range<usize>) {
        let (Ok(at), Ok(length)) = (u16::try_from(range.start), u8::try_from(range.len())) else {
            return;
        };
        if range.end > usize::from(self.payload_at) {
            return;
        }
        if let Some(free) = self.carried.iter_mut().find(|place| place.is_none()) {
            *free = Some(Place { kind, length, at });
        }
    }

    /// Gives this copy another value of an extension that it carries.
    pub(crate) fn replace(&mut self, kind: Extension, value: &[u8]) {
        self.own = Some((kind, value.into()));
    }

    /// A packet like this one with another payload. `None` when that is too long.
    pub(crate) fn with_payload(&self, payload: &[u8]) -> Option<Self> {
        let head = self.bytes.get(..usize::from(self.payload_at))?;
        let bytes: Arc<[u8]> = head.iter().chain(payload).copied().collect();
        (bytes.len() <= usize::from(u16::MAX)).then(|| Self { bytes, ..self.clone() })
    }

    /// Leaves out the first bytes of the payload, in this copy.
    pub(crate) fn skip(&mut self, bytes: usize) {
        let at = usize::from(self.payload_at).saturating_add(bytes).min(self.bytes.len());
        // No longer than the packet, which 16 bits count.
        self.payload_at = at as u16;
    }

    /// The extensions that go on, with their values.
    pub(crate) fn carried(&self) -> impl Iterator<Item = (Extension, &[u8])> {
        self.carried.iter().flatten().map(|place| (place.kind, self.value(*place)))
    }

    /// The value of one of them.
    pub(crate) fn extension(&self, kind: Extension) -> Option<&[u8]> {
        self.carried.iter().flatten().find(|place| place.kind == kind).map(|p| self.value(*p))
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.bytes.get(usize::from(self.payload_at)..).unwrap_or_default()
    }

    /// What the packet keeps in memory, whoever else shares it.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    fn value(&self, place: Place) -> &[u8] {
        if let Some((kind, value)) = &self.own
            && *kind == place.kind
        {
            return value;
        }
        let start = usize::from(place.at);
        self.bytes.get(start..start + usize::from(place.length)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_and_payload_are_found_again() {
        let bytes: Vec<u8> = (0..40).collect();
        let mut packet = Packet::new(&bytes, 20).expect("within bounds");
        packet.carry(Extension::AudioLevel, 17..18);
        packet.carry(Extension::DependencyDescriptor, 12..15);
        packet.carry(Extension::PlayoutDelay, 19..21);
        assert_eq!(packet.payload(), &bytes[20..]);
        assert_eq!(packet.extension(Extension::AudioLevel), Some(&[17_u8][..]));
        assert_eq!(packet.extension(Extension::DependencyDescriptor), Some(&[12_u8, 13, 14][..]));
        assert_eq!(
            packet.extension(Extension::PlayoutDelay),
            None,
            "it would reach into the payload"
        );
        assert_eq!(packet.carried().count(), 2);

        let other = packet.with_payload(&[7; 3]).expect("short");
        assert_eq!(other.payload(), [7; 3]);
        assert_eq!(other.extension(Extension::AudioLevel), Some(&[17_u8][..]));

        let mut own = packet.clone();
        own.replace(Extension::DependencyDescriptor, &[1, 2, 3, 4]);
        own.skip(5);
        assert_eq!(own.extension(Extension::DependencyDescriptor), Some(&[1_u8, 2, 3, 4][..]));
        assert_eq!(own.extension(Extension::AudioLevel), Some(&[17_u8][..]));
        assert_eq!((own.payload(), packet.payload()), (&bytes[25..], &bytes[20..]));
        own.skip(usize::MAX);
        assert!(own.payload().is_empty());
        assert!(Packet::new(&bytes, 41).is_none());
    }
}
