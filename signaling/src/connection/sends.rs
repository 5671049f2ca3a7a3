//! Messages of one connection that wait behind earlier work: they go on together,
//! in their order, as one request. A client may send ahead without waiting for each
//! acknowledgement, and a burst costs one round trip.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use housecall_protocol::client::ChatSend;
use housecall_protocol::cluster::MAX_SENT_TOGETHER;

/// A message, and the id of the frame that it came in.
pub(super) type Waiting = (Option<u32>, ChatSend);

/// Clones share what waits.
#[derive(Clone)]
pub(super) struct Sends {
    /// Absent once it has been taken.
    waiting: Arc<Mutex<Option<Vec<Waiting>>>>,
}

impl Sends {
    pub(super) fn of(first: Waiting) -> Self {
        Self { waiting: Arc::new(Mutex::new(Some(vec![first]))) }
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Vec<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one, or gives it back when these have gone, or are as many as may go.
    pub(super) fn add(&self, one: Waiting) -> Result<(), Waiting> {
        match self.waiting().as_mut() {
            Some(waiting) if waiting.len() < MAX_SENT_TOGETHER => {
                waiting.push(one);
                Ok(())
            }
            Some(_) | None => Err(one),
        }
    }

    /// All of them; no more are taken.
    pub(super) fn take(&self) -> Vec<Waiting> {
        self.waiting().take().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use housecall_protocol::client::SendBody;
    use housecall_protocol::ids::{ClientMessageId, ConversationId};

    use super::*;

    fn message(id: u32) -> Waiting {
        let body = SendBody::Text { text: String::new() };
        let conversation = ConversationId::generate();
        let client_message_id = ClientMessageId::generate();
        (Some(id), ChatSend { conversation, client_message_id, reply_to: None, body })
    }

    #[test]
    fn what_was_taken_takes_no_more_and_a_full_one_neither() {
        let sends = Sends::of(message(1));
        sends.add(message(2)).unwrap();
        let ids: Vec<_> = sends.take().into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, [Some(1), Some(2)]);
        assert!(sends.add(message(3)).is_err());
        assert!(sends.take().is_empty());

        let full = Sends::of(message(0));
        let taken = (0..100).filter(|id| full.add(message(*id)).is_ok()).count();
        assert_eq!(taken + 1, MAX_SENT_TOGETHER);
    }
}
