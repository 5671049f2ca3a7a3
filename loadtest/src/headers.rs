//! What a client can count of media without its keys: SRTP leaves the header in clear
//! (RFC 3711 section 3.1).

/// The head of an RTP packet, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub ssrc: u32,
    pub number: u16,
}

/// What a datagram of a connected client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datagram {
    Media(Head),
    /// RTCP: the client has nothing to say to it.
    Control,
    /// STUN or DTLS, for the session (RFC 7983).
    Session,
}

impl Datagram {
    pub fn read(contents: &[u8]) -> Self {
        match contents {
            [128..=191, 192..=223, ..] => Self::Control,
            [128..=191, _, high, low, _, _, _, _, a, b, c, d, ..] => Self::Media(Head {
                ssrc: u32::from_be_bytes([*a, *b, *c, *d]),
                number: u16::from_be_bytes([*high, *low]),
            }),
            _ => Self::Session,
        }
    }
}

/// One stream as a client counts it.
#[derive(Debug)]
pub struct Line {
    pub ssrc: u32,
    /// Extended number of the newest packet.
    newest: u64,
    /// The lowest and the highest number that count.
    span: Option<(u64, u64)>,
    packets: u64,
}

impl Line {
    pub fn new(head: Head) -> Self {
        // Room for packets that come out of order.
        let newest = u64::from(head.number) + (1 << 16);
        Self { ssrc: head.ssrc, newest, span: None, packets: 0 }
    }

    /// A packet came; whether it `counts`.
    pub fn note(&mut self, head: Head, counts: bool) {
        let ahead = head.number.wrapping_sub(self.newest as u16).cast_signed();
        let number = self.newest.saturating_add_signed(i64::from(ahead));
        self.newest = self.newest.max(number);
        if counts {
            let (first, last) = self.span.unwrap_or((number, number));
            self.span = Some((first.min(number), last.max(number)));
            self.packets += 1;
        }
    }

    /// Packets that came, and those that should have.
    pub fn totals(&self) -> (u64, u64) {
        let expected = self.span.map_or(0, |(first, last)| last + 1 - first);
        (self.packets, expected.max(self.packets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn head(number: u16) -> Head {
        Head { ssrc: 7, number }
    }

    #[test]
    fn datagrams_are_told_apart() {
        let media = [0x90, 0xe0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 7, 9];
        assert_eq!(Datagram::read(&media), Datagram::Media(head(0x102)));
        assert_eq!(Datagram::read(&[0x80, 200, 0, 6]), Datagram::Control);
        assert_eq!(Datagram::read(&[0, 1, 0, 0]), Datagram::Session);
        assert_eq!(Datagram::read(&media[..11]), Datagram::Session);
        assert_eq!(Datagram::read(&[]), Datagram::Session);
    }

    #[test]
    fn what_is_missing_is_counted_over_the_wrap() {
        let mut line = Line::new(head(65_530));
        line.note(head(65_530), false);
        for number in [65_533, 65_535, 65_534, 1, 2] {
            line.note(head(number), true);
        }
        line.note(head(90), false);
        assert_eq!(line.totals(), (5, 6), "number 0 is missing; what came later does not count");
    }
}
