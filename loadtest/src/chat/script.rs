//! What is written, and what is read of it.
//!
//! A message tells when it was due, so that whoever gets it knows how long it took,
//! in text as long as people's messages are.

/// The text of every message, beside its time. The same in the floor's rows.
pub const WORDS: &str = "Здравствуйте, второй день болит горло и держится температура";

/// Digits of a time in nanoseconds.
const TIME_DIGITS: usize = 19;
/// Ids of requests begin here, so that all have as many digits.
const FIRST_ID: u32 = 1_000_000_000;

/// The text of a message that was due at `due_ns`.
pub fn text(due_ns: u64) -> String {
    format!("{WORDS} @{due_ns:0TIME_DIGITS$}")
}

/// Frames of one patient's messages, made by changing digits in place.
pub struct Script {
    frame: Vec<u8>,
    id_at: usize,
    number_at: usize,
    time_at: usize,
    next: u32,
}

impl Script {
    /// Messages of one connection into one conversation. `line` makes their client
    /// ids differ from those of other connections and runs.
    pub fn new(conversation: &str, line: u64) -> Self {
        // A version 7 id with the number of the message at its end.
        let (high, low) = (line >> 16, line & 0xffff);
        let id = format!("{:08x}-{low:04x}-7000-8000-000000000000", high & 0xffff_ffff);
        let frame = format!(
            r#"{{"id":{FIRST_ID},"type":"chat.send","data":{{"conversation":"{conversation}","client_message_id":"{id}","body":{{"kind":"text","text":"{}"}}}}}}"#,
            text(0)
        );
        let after = |what: &str| frame.find(what).map_or(0, |at| at + what.len());
        let (id_at, number_at, time_at) = (after(r#"{"id":"#), after("-7000-8000-"), after(" @"));
        Self { frame: frame.into_bytes(), id_at, number_at, time_at, next: 0 }
    }

    /// The next message's frame and request id.
    pub fn next(&mut self, due_ns: u64) -> (u32, &[u8]) {
        let id = FIRST_ID + self.next;
        write_digits(&mut self.frame[self.id_at..self.id_at + 10], u64::from(id));
        write_digits(&mut self.frame[self.number_at..self.number_at + 12], self.next.into());
        write_digits(&mut self.frame[self.time_at..self.time_at + TIME_DIGITS], due_ns);
        self.next += 1;
        (id, &self.frame)
    }
}

fn write_digits(place: &mut [u8], mut value: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

/// What a frame of the house is to a load generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The request of this id was acknowledged.
    Ack(u32),
    /// The request of this id was refused.
    Refused(u32),
    /// A message that was due then.
    Message {
        due_ns: u64,
    },
    Other,
}

/// Reads a frame by its beginning: to parse it whole would cost more than to send it.
pub fn hear(frame: &[u8]) -> Heard {
    if let Some(rest) = frame.strip_prefix(br#"{"re":"#) {
        let (id, rest) = digits(rest);
        let id = u32::try_from(id).unwrap_or(0);
        return match rest {
            rest if rest.starts_with(br#","type":"chat.ack""#) => Heard::Ack(id),
            rest if rest.starts_with(br#","type":"error""#) => Heard::Refused(id),
            _ => Heard::Other,
        };
    }
    if frame.starts_with(br#"{"type":"chat.message""#) {
        let at = frame.windows(2).rposition(|two| two == b" @");
        if let Some(at) = at {
            return Heard::Message { due_ns: digits(&frame[at + 2..]).0 };
        }
    }
    Heard::Other
}

fn digits(bytes: &[u8]) -> (u64, &[u8]) {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    let value = bytes[..end]
        .iter()
        .fold(0_u64, |value, digit| value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
    (value, &bytes[end..])
}

#[cfg(test)]
mod tests {
    use housecall_protocol::client::{
        ChatAck, ChatMessage, ClientFrame, ErrorCode, ErrorFrame, Outgoing, SendBody, ServerFrame,
    };
    use housecall_protocol::domain::{Message, MessageBody, TimestampMs};
    use housecall_protocol::ids::{ClientMessageId, ConversationId};

    use super::*;

    #[test]
    fn the_script_is_what_the_protocol_reads() {
        let conversation = ConversationId::generate();
        let mut script = Script::new(&conversation.to_string(), 0x1234_5678_9abc);
        let mut seen = std::collections::HashSet::new();
        for number in 0..3_u32 {
            let (id, frame) = script.next(u64::from(number) + 7);
            let incoming = ClientFrame::parse(std::str::from_utf8(frame).unwrap()).unwrap();
            assert_eq!(incoming.id, Some(id));
            let ClientFrame::ChatSend(send) = incoming.frame else { panic!() };
            assert_eq!(send.conversation, conversation);
            assert!(seen.insert(send.client_message_id));
            assert_eq!(send.body, SendBody::Text { text: text(u64::from(number) + 7) });
        }
    }

    #[test]
    fn what_the_house_says_is_heard() {
        let (conversation, client_message_id) =
            (ConversationId::generate(), ClientMessageId::generate());
        let sent_at = TimestampMs(1);
        let ack = ChatAck { conversation, client_message_id, seq: 4, sent_at };
        let ack = Outgoing::reply(Some(1_000_000_009), ServerFrame::ChatAck(ack));
        assert_eq!(hear(ack.to_text().as_bytes()), Heard::Ack(1_000_000_009));
        let error =
            ErrorFrame { code: ErrorCode::Busy, message: String::new(), retry_after_ms: None };
        let error = Outgoing::reply(Some(3), ServerFrame::Error(error));
        assert_eq!(hear(error.to_text().as_bytes()), Heard::Refused(3));
        let message = Message {
            seq: 1,
            sender: None,
            sender_name: None,
            sender_kind: None,
            client_message_id: None,
            consultation: None,
            sent_at,
            reply_to: None,
            edited_at: None,
            change: 0,
            body: MessageBody::Text { text: text(987_654_321) },
        };
        let event = ServerFrame::ChatMessage(ChatMessage { conversation, message });
        let event = Outgoing::event(event).to_text();
        assert_eq!(hear(event.as_bytes()), Heard::Message { due_ns: 987_654_321 });
        assert_eq!(hear(b"{\"type\":\"pong\"}"), Heard::Other);
    }
}
