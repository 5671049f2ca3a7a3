//! From messages to bytes. Payloads are shared, not copied: one event that goes to
//! a thousand connections lies in memory once.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

use super::frame::{MAX_CONTROL, Opcode, server_head};

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    Text(Bytes),
    Ping,
    Pong(Bytes),
    Close { code: u16, reason: String },
}

/// Frames on their way into the stream.
#[derive(Default)]
pub(crate) struct Outbound {
    frames: VecDeque<Frame>,
}

struct Frame {
    head: [u8; 10],
    head_length: u8,
    body: Bytes,
    /// Bytes of head and body that the stream has taken.
    sent: usize,
}

impl Frame {
    fn new(opcode: Opcode, body: Bytes) -> Self {
        let (head, head_length) = server_head(opcode, body.len());
        Self { head, head_length, body, sent: 0 }
    }

    /// What is left of head and body.
    fn parts(&self) -> [&[u8]; 2] {
        let head = &self.head[..usize::from(self.head_length)];
        let from_head = self.sent.min(head.len());
        [&head[from_head..], &self.body[self.sent - from_head..]]
    }

    fn left(&self) -> usize {
        usize::from(self.head_length) + self.body.len() - self.sent
    }
}

impl Outbound {
    pub(crate) fn push(&mut self, message: Outgoing) {
        self.frames.push_back(match message {
            Outgoing::Text(text) => Frame::new(Opcode::Text, text),
            Outgoing::Ping => Frame::new(Opcode::Ping, Bytes::new()),
            Outgoing::Pong(bytes) => Frame::new(Opcode::Pong, bytes),
            Outgoing::Close { code, reason } => {
                let mut body = code.to_be_bytes().to_vec();
                body.extend(reason.bytes().take(MAX_CONTROL - 2));
                Frame::new(Opcode::Close, body.into())
            }
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Fills slices with what is to be sent next; returns how many.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let parts = self.frames.iter().flat_map(Frame::parts).filter(|part| !part.is_empty());
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
            count += 1;
        }
        count
    }

    /// The stream took so many bytes.
    pub(crate) fn advance(&mut self, mut sent: usize) {
        while let Some(frame) = self.frames.front_mut() {
            let left = frame.left();
            if sent < left {
                frame.sent += sent;
                return;
            }
            sent -= left;
            self.frames.pop_front();
        }
        // Nothing is kept for a connection that says nothing.
        self.frames = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain(outbound: &mut Outbound, at_once: &[usize]) -> Vec<u8> {
        let mut written = Vec::new();
        let mut turn = at_once.iter().cycle();
        while !outbound.is_empty() {
            let mut slices = [IoSlice::new(&[]); 3];
            let count = outbound.slices(&mut slices);
            let bytes: Vec<u8> = slices[..count].iter().flat_map(|one| one.to_vec()).collect();
            let taken = bytes.len().min(*turn.next().unwrap());
            written.extend(&bytes[..taken]);
            outbound.advance(taken);
        }
        written
    }

    #[test]
    fn writes_what_the_rfc_shows() {
        let mut outbound = Outbound::default();
        outbound.push(Outgoing::Text(Bytes::from_static(b"Hello")));
        outbound.push(Outgoing::Ping);
        outbound.push(Outgoing::Close { code: 1000, reason: String::new() });
        let expected = b"\x81\x05Hello\x89\x00\x88\x02\x03\xe8";
        assert_eq!(drain(&mut outbound, &[64]), expected);
    }

    proptest! {
        #[test]
        fn every_cut_gives_the_same_bytes(
            sizes in proptest::collection::vec(prop_oneof![0..10_usize, 120..130_usize, 65_530..65_540_usize], 0..5),
            at_once in proptest::collection::vec(1..5000_usize, 1..4),
        ) {
            let mut outbound = Outbound::default();
            let mut expected: Vec<u8> = Vec::new();
            for size in sizes {
                let body = vec![b'x'; size];
                let (head, used) = server_head(Opcode::Text, size);
                expected.extend(&head[..usize::from(used)]);
                expected.extend(&body);
                outbound.push(Outgoing::Text(body.into()));
            }
            prop_assert_eq!(drain(&mut outbound, &at_once), expected);
            prop_assert!(outbound.is_empty());
        }
    }
}
