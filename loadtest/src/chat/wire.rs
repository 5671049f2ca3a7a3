//! WebSocket frames, as small as a load generator can have them: whole text frames,
//! pings answered, nothing else (RFC 6455).

use std::io;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest frame that the house sends here.
const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
/// Of a frame that a client sends. The key is zero, so that the payload stays as it
/// is; the house does not know.
const MASKED: u8 = 0x80;

/// A connection after its handshake.
pub struct Wire {
    stream: TcpStream,
    /// Bytes read and not yet taken.
    inbound: Vec<u8>,
    taken: usize,
    outbound: Vec<u8>,
}

impl Wire {
    /// Opens a WebSocket at `/rt/v1`.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn open(stream: TcpStream, host: &str) -> anyhow::Result<Self> {
        let mut wire = Self { stream, inbound: Vec::new(), taken: 0, outbound: Vec::new() };
        let request = format!(
            "GET /rt/v1 HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bG9hZC10ZXN0LWxvYWQtdA==\r\n\r\n"
        );
        wire.stream.write_all(request.as_bytes()).await?;
        let end = loop {
            if let Some(at) = wire.inbound.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            wire.fill().await?;
        };
        if !wire.inbound.starts_with(b"HTTP/1.1 101") {
            bail!("no WebSocket: {}", String::from_utf8_lossy(&wire.inbound[..end]));
        }
        wire.taken = end;
        Ok(wire)
    }

    /// Queues a text frame; see [`Self::flush`].
    pub fn push(&mut self, text: &[u8]) {
        push_frame(&mut self.outbound, TEXT, text);
    }

    /// Writes what is queued.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn flush(&mut self) -> io::Result<()> {
        if !self.outbound.is_empty() {
            self.stream.write_all(&self.outbound).await?;
            self.outbound.clear();
        }
        Ok(())
    }

    /// Waits for bytes.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn fill(&mut self) -> anyhow::Result<()> {
        self.inbound.drain(..self.taken);
        self.taken = 0;
        let read = self.stream.read_buf(&mut self.inbound).await?;
        if read == 0 {
            bail!("the house hung up");
        }
        Ok(())
    }

    /// Hands each whole text frame that has arrived to `each`. Pings are answered by
    /// the next flush.
    ///
    /// # Errors
    /// When the house closes, or sends what is no frame of a server.
    pub fn take(&mut self, mut each: impl FnMut(&[u8])) -> anyhow::Result<()> {
        while let Some((kind, payload)) = frame(&self.inbound[self.taken..])? {
            let end = self.taken + payload.end;
            let payload = &self.inbound[self.taken + payload.start..end];
            match kind {
                TEXT => each(payload),
                PING => push_frame(&mut self.outbound, PONG, payload),
                CLOSE => {
                    let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                    bail!("closed with {code}: {}", String::from_utf8_lossy(payload));
                }
                PONG => {}
                other => bail!("a frame that begins with {other:#x}"),
            }
            self.taken = end;
        }
        Ok(())
    }

    /// The next text frame.
    ///
    /// # Errors
    /// As [`Self::fill`] and [`Self::take`].
    pub async fn text(&mut self) -> anyhow::Result<Vec<u8>> {
        loop {
            if let Some((kind, payload)) = frame(&self.inbound[self.taken..])? {
                let end = self.taken + payload.end;
                let text = self.inbound[self.taken + payload.start..end].to_vec();
                self.taken = end;
                match kind {
                    TEXT => return Ok(text),
                    PING => {
                        push_frame(&mut self.outbound, PONG, &text);
                        self.flush().await?;
                    }
                    other => bail!("a frame that begins with {other:#x}"),
                }
                continue;
            }
            self.fill().await?;
        }
    }
}

fn push_frame(out: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    out.push(kind);
    match u16::try_from(payload.len()) {
        Ok(short @ 0..126) => out.push(MASKED | u8::try_from(short).unwrap_or(125)),
        Ok(medium) => {
            out.push(MASKED | 126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        Err(_) => {
            out.push(MASKED | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// The first whole frame of a server: its first byte, and where its payload is.
fn frame(bytes: &[u8]) -> anyhow::Result<Option<(u8, std::ops::Range<usize>)>> {
    let [kind, length, rest @ ..] = bytes else { return Ok(None) };
    let (start, length) = match length {
        126 => match rest.first_chunk() {
            Some(length) => (4, usize::from(u16::from_be_bytes(*length))),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(length) => {
                let length = usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX);
                (10, length)
            }
            None => return Ok(None),
        },
        length => (2, usize::from(*length)),
    };
    if length > MAX_FRAME_BYTES {
        return Err(anyhow::anyhow!("{length} bytes")).context("a frame too long");
    }
    Ok((bytes.len() >= start + length).then_some((*kind, start..start + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_are_found_and_halves_are_not() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let payload = vec![b'x'; length];
            let mut sent = Vec::new();
            push_frame(&mut sent, TEXT, &payload);
            // As the server would send it: without the mask.
            let header = sent.len() - length - 4;
            sent[1] &= !MASKED;
            sent.drain(header..header + 4);
            let range = header..header + length;
            assert_eq!(frame(&sent).unwrap(), Some((TEXT, range)), "{length}");
            for short in [0, 1, header - 1, sent.len() - 1] {
                if short < sent.len() {
                    assert_eq!(frame(&sent[..short]).unwrap(), None, "{short} of {length}");
                }
            }
        }
        let absurd = [&[TEXT, 127][..], &u64::MAX.to_be_bytes()].concat();
        assert!(frame(&absurd).is_err());
    }
}
