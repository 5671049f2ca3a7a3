//! From bytes to messages: reassembly, unmasking, and what the RFC forbids.

use bytes::Bytes;

use super::frame::{Head, Opcode, PartialHead, unmask};

/// Payload that is reserved when a frame's head promises more: a head costs its
/// sender fourteen bytes and must not cost us a megabyte.
const RESERVED_AHEAD: usize = 16 * 1024;

/// What came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Text(String),
    Binary,
    /// To be answered with the same bytes.
    Ping(Bytes),
    Pong,
    Close,
}

/// Why the connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// Not WebSocket, or text that is not UTF-8.
    Malformed,
    /// A message longer than the bound.
    TooLong,
}

/// See the module.
pub(crate) struct Inbound {
    head: PartialHead,
    frame: Option<Frame>,
    /// The message whose frames are coming.
    message: Option<Message>,
    max_message: usize,
}

/// A frame whose payload is coming.
struct Frame {
    head: Head,
    received: usize,
    /// A control frame's own; others add to the message.
    control: Vec<u8>,
}

struct Message {
    is_text: bool,
    payload: Vec<u8>,
}

impl Inbound {
    pub(crate) fn new(max_message: usize) -> Self {
        Self { head: PartialHead::default(), frame: None, message: None, max_message }
    }

    /// Takes bytes up to the end of the next message or control frame. Returns how
    /// many it took: all of them when there is no event.
    pub(crate) fn feed(
        &mut self,
        mut input: &mut [u8],
    ) -> Result<(usize, Option<Event>), Violation> {
        let total = input.len();
        loop {
            if self.frame.is_none() {
                let (taken, head) = self.head.feed(input).map_err(|_| Violation::Malformed)?;
                input = &mut input[taken..];
                let Some(head) = head else { return Ok((total, None)) };
                self.begin(head)?;
            }
            let taken = self.fill(input);
            input = &mut input[taken..];
            if let Some(event) = self.finish()? {
                return Ok((total - input.len(), Some(event)));
            }
            if input.is_empty() {
                return Ok((total, None));
            }
        }
    }

    fn begin(&mut self, head: Head) -> Result<(), Violation> {
        let length = usize::try_from(head.length).map_err(|_| Violation::TooLong)?;
        match head.opcode {
            Opcode::Text | Opcode::Binary => {
                if self.message.is_some() {
                    return Err(Violation::Malformed);
                }
                let is_text = head.opcode == Opcode::Text;
                self.message = Some(Message { is_text, payload: Vec::new() });
            }
            Opcode::Continuation if self.message.is_none() => return Err(Violation::Malformed),
            Opcode::Continuation | Opcode::Close | Opcode::Ping | Opcode::Pong => {}
        }
        if !head.opcode.is_control()
            && let Some(message) = &mut self.message
        {
            if length > self.max_message.saturating_sub(message.payload.len()) {
                return Err(Violation::TooLong);
            }
            message.payload.reserve(length.min(RESERVED_AHEAD));
        }
        self.frame = Some(Frame { head, received: 0, control: Vec::new() });
        Ok(())
    }

    /// Takes payload bytes of the present frame; returns how many.
    fn fill(&mut self, input: &mut [u8]) -> usize {
        let Some(frame) = &mut self.frame else { return 0 };
        let missing = usize::try_from(frame.head.length).unwrap_or(usize::MAX) - frame.received;
        let taken = missing.min(input.len());
        let part = &mut input[..taken];
        unmask(part, frame.head.mask, frame.received);
        frame.received += taken;
        match &mut self.message {
            Some(message) if !frame.head.opcode.is_control() => {
                message.payload.extend_from_slice(part);
            }
            _ => frame.control.extend_from_slice(part),
        }
        taken
    }

    /// What the present frame amounts to, once it is whole.
    fn finish(&mut self) -> Result<Option<Event>, Violation> {
        let whole = |frame: &mut Frame| frame.received as u64 == frame.head.length;
        let Some(frame) = self.frame.take_if(whole) else { return Ok(None) };
        match frame.head.opcode {
            Opcode::Ping => return Ok(Some(Event::Ping(frame.control.into()))),
            Opcode::Pong => return Ok(Some(Event::Pong)),
            Opcode::Close => return Ok(Some(Event::Close)),
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {}
        }
        let last = frame.head.last;
        let Some(message) = self.message.take_if(|_| last) else { return Ok(None) };
        if !message.is_text {
            return Ok(Some(Event::Binary));
        }
        let text = String::from_utf8(message.payload).map_err(|_| Violation::Malformed)?;
        Ok(Some(Event::Text(text)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 1000;

    /// A client's frame, as any client would write it.
    fn frame(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            short @ 0..=125 => bytes.push(0x80 | u8::try_from(short).unwrap()),
            long => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(long).unwrap().to_be_bytes());
            }
        }
        bytes.extend(mask);
        let start = bytes.len();
        bytes.extend(payload);
        unmask(&mut bytes[start..], mask, 0);
        bytes
    }

    /// Feeds pieces of these lengths in turn.
    fn run(bytes: &[u8], pieces: &[usize]) -> Result<Vec<Event>, Violation> {
        let mut inbound = Inbound::new(MAX);
        let mut events = Vec::new();
        let mut rest = bytes.to_vec();
        let mut turn = pieces.iter().cycle();
        while !rest.is_empty() {
            let next = (*turn.next().unwrap()).clamp(1, rest.len());
            let mut piece: Vec<u8> = rest.drain(..next).collect();
            let mut input = &mut piece[..];
            while !input.is_empty() {
                let (taken, event) = inbound.feed(input)?;
                events.extend(event);
                input = &mut input[taken..];
            }
        }
        Ok(events)
    }

    #[test]
    fn a_ping_may_come_inside_a_message() {
        let mut bytes = frame(0x01, "го".as_bytes(), [1, 2, 3, 4]);
        bytes.extend(frame(0x89, b"here?", [9; 4]));
        bytes.extend(frame(0x80, "род".as_bytes(), [5, 6, 7, 8]));
        let events = run(&bytes, &[3]).unwrap();
        let ping = Event::Ping(Bytes::from_static(b"here?"));
        assert_eq!(events, [ping, Event::Text("город".to_owned())]);
    }

    #[test]
    fn what_the_rfc_forbids_ends_it() {
        let text = frame(0x01, b"a", [0; 4]);
        for (bytes, violation) in [
            (frame(0x80, b"no beginning", [0; 4]), Violation::Malformed),
            ([text.clone(), text].concat(), Violation::Malformed),
            (frame(0x81, &[0xff, 0xfe], [0; 4]), Violation::Malformed),
            (frame(0x81, &[b'a'; MAX + 1], [0; 4]), Violation::TooLong),
            (
                [frame(0x01, &[b'a'; MAX], [0; 4]), frame(0x80, b"b", [0; 4])].concat(),
                Violation::TooLong,
            ),
            ([&[0x81, 0xff][..], &[0xff; 12]].concat(), Violation::TooLong),
        ] {
            assert_eq!(run(&bytes, &[7]), Err(violation));
        }
    }

    proptest! {
        #[test]
        fn messages_survive_every_cut(
            texts in proptest::collection::vec((".{0,60}", any::<[u8; 4]>(), 1..5_usize), 0..6),
            pieces in proptest::collection::vec(1..20_usize, 1..6),
        ) {
            let mut bytes = Vec::new();
            for (text, mask, frames) in &texts {
                let payload = text.as_bytes();
                let size = payload.len().div_ceil(*frames).max(1);
                let mut chunks: Vec<&[u8]> = payload.chunks(size).collect();
                if chunks.is_empty() {
                    chunks.push(&[]);
                }
                for (number, chunk) in chunks.iter().enumerate() {
                    let last = if number + 1 == chunks.len() { 0x80 } else { 0 };
                    let opcode = u8::from(number == 0);
                    bytes.extend(frame(last | opcode, chunk, *mask));
                }
            }
            let expected: Vec<_> = texts.into_iter().map(|(text, ..)| Event::Text(text)).collect();
            prop_assert_eq!(run(&bytes, &pieces), Ok(expected));
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            pieces in proptest::collection::vec(1..20_usize, 1..4),
        ) {
            for event in run(&bytes, &pieces).unwrap_or_default() {
                if let Event::Text(text) = event {
                    prop_assert!(text.len() <= MAX);
                }
            }
        }
    }
}
