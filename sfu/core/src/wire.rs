//! What stands in a media datagram: RTP headers and their extensions, RTCP.
//!
//! Owns the bytes and nothing else: no keys, no state between packets, no clock.
//! Parsers borrow from the datagram, allocate nothing, and answer bytes that make no
//! sense with `None` or with the end of the iteration; every loop is bounded by the
//! length of the datagram, or by a named constant where the datagram could name a
//! larger number. Writers write into the caller's buffer.

mod bytes;
pub(crate) mod extensions;
pub(crate) mod rtcp;
pub(crate) mod rtp;
pub(crate) mod twcc;

/// What a datagram on a media socket is, by its first byte (RFC 7983 section 7) and,
/// among media, by its second (RFC 5761 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
}

impl Protocol {
    /// `None`: nothing we speak (TURN channels and ZRTP among them).
    pub(crate) fn of(datagram: &[u8]) -> Option<Self> {
        match *datagram {
            [0..=3, ..] => Some(Self::Stun),
            [20..=63, ..] => Some(Self::Dtls),
            [128..=191, 192..=223, ..] => Some(Self::Rtcp),
            [128..=191, _, ..] => Some(Self::Rtp),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Protocol;

    #[test]
    fn first_bytes_tell_protocols_apart() {
        let of = |first: u8, second: u8| Protocol::of(&[first, second]);
        assert_eq!(of(0, 1), Some(Protocol::Stun));
        assert_eq!(of(22, 254), Some(Protocol::Dtls));
        assert_eq!(of(0x80, 200), Some(Protocol::Rtcp));
        assert_eq!(of(0x81, 206), Some(Protocol::Rtcp));
        assert_eq!(of(0x90, 111), Some(Protocol::Rtp));
        assert_eq!(of(0x90, 0x80 | 111), Some(Protocol::Rtp), "with the marker");
        assert_eq!(of(64, 0), None, "a TURN channel");
        assert_eq!(Protocol::of(&[]), None);
        assert_eq!(Protocol::of(&[0x80]), None);
    }
}
