//! The server's side of a WebSocket (RFC 6455) over any byte stream.
//!
//! Made for many connections that say little: nothing is buffered between two
//! frames, in neither direction. Bytes are read into a buffer that the thread's
//! connections share and taken apart at once; what is written goes out from where
//! it lies. The library that was here before keeps, for as long as the connection
//! lives, a read buffer and a write buffer as long as the longest frame so far.
//!
//! - [`frame`]: a frame's head, masking;
//! - [`inbound`]: bytes to messages, without IO;
//! - [`outbound`]: messages to bytes, without IO;
//! - [`socket`]: both over a stream.
//!
//! Knows nothing of what the messages say.

mod frame;
mod inbound;
mod outbound;
mod socket;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(crate) use inbound::Event;
pub(crate) use outbound::Outgoing;
pub(crate) use socket::{ReadError, Socket};

/// What the handshake must answer to `Sec-WebSocket-Key` (RFC 6455, 4.2.2).
pub(crate) fn accept_key(key: &[u8]) -> String {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat());
    STANDARD.encode(digest)
}

#[cfg(test)]
mod tests {
    #[test]
    fn answers_the_key_of_the_rfc() {
        let answer = super::accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
