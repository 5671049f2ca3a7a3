//! `application/trickle-ice-sdpfrag` (RFC 8840 section 9): what a client tells of its ICE
//! session after the offer.

use super::sdp::{self, Credentials};

/// Bounds of RFC 8839 section 5.4, characters.
const UFRAG: std::ops::RangeInclusive<usize> = 4..=256;
const PWD: std::ops::RangeInclusive<usize> = 22..=256;
/// m-lines of an offer the relay would take at most.
const MAX_MEDIA_LINES: usize = 64;

/// A fragment, as far as it matters to an agent that is ICE-lite: that one makes no checks
/// and so needs no candidates of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment<'a> {
    /// Those of the session the candidates belong to; other ones than before restart it.
    pub(super) credentials: Option<Credentials<'a>>,
}

/// Reads a fragment.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(text: &str) -> Result<Fragment<'_>, &'static str> {
    let mut media_lines = 0;
    for line in sdp::lines(text).filter(|line| !line.is_empty()) {
        let known = match line.split_once('=') {
            Some(("m", _)) => {
                media_lines += 1;
                media_lines <= MAX_MEDIA_LINES
            }
            Some((kind, _)) => kind.len() == 1,
            None => false,
        };
        if !known {
            return Err("a line is none of SDP");
        }
    }
    let ufrag = value(text, "a=ice-ufrag:");
    let pwd = value(text, "a=ice-pwd:");
    let credentials = match (ufrag, pwd) {
        (None, None) => None,
        (Some(ufrag), Some(pwd)) => {
            let fits = |value: &str, length: std::ops::RangeInclusive<usize>| {
                length.contains(&value.len()) && value.bytes().all(is_ice_char)
            };
            if !fits(ufrag, UFRAG) || !fits(pwd, PWD) {
                return Err("the ICE credentials are malformed");
            }
            Some(Credentials { ufrag, pwd })
        }
        _ => return Err("one of the two ICE credentials is missing"),
    };
    Ok(Fragment { credentials })
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    sdp::lines(text).find_map(|line| line.strip_prefix(name))
}

/// RFC 8839 section 5.1: `ice-char`.
const fn is_ice_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_rfc_9725_is_read() {
        let text = "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
            a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n\
            a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host\r\n\
            a=end-of-candidates\r\n";
        let expected = Credentials { ufrag: "EsAw", pwd: "P2uYro0UCOQ4zxjKXaWCBui1" };
        assert_eq!(parse(text), Ok(Fragment { credentials: Some(expected) }));
        assert_eq!(parse("a=end-of-candidates\n"), Ok(Fragment { credentials: None }));
    }

    #[test]
    fn what_is_malformed_is_named() {
        for text in [
            "<html>",
            "a=ice-ufrag:abcd\r\n",
            "a=ice-ufrag:abc\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n",
            "a=ice-ufrag:abcd\r\na=ice-pwd:short\r\n",
            "a=ice-ufrag:ab\"d\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"m=audio\n".repeat(65)).is_err());
    }

    proptest! {
        #[test]
        fn what_is_read_can_stand_in_an_offer(text in "(?s)(a=ice-ufrag:|a=ice-pwd:|.|\r\n){0,60}") {
            if let Ok(Fragment { credentials: Some(Credentials { ufrag, pwd }) }) = parse(&text) {
                prop_assert!(!ufrag.contains(['\r', '\n', ' ']) && !pwd.contains(['\r', '\n', ' ']));
            }
        }
    }
}
