//! The frames that wait for one client to read them: bounded in number and bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::mpsc;

/// The writing end. Never waits.
pub(crate) struct Outbox {
    sender: mpsc::Sender<Utf8Bytes>,
    bytes: Arc<AtomicUsize>,
    max_bytes: usize,
}

/// The reading end, owned by the connection's task.
pub(crate) struct OutboxReader {
    receiver: mpsc::Receiver<Utf8Bytes>,
    bytes: Arc<AtomicUsize>,
}

/// The client does not read fast enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutboxFull;

pub(crate) fn outbox(max_frames: usize, max_bytes: usize) -> (Outbox, OutboxReader) {
    let (sender, receiver) = mpsc::channel(max_frames.max(1));
    let bytes = Arc::new(AtomicUsize::new(0));
    let reader = OutboxReader { receiver, bytes: Arc::clone(&bytes) };
    (Outbox { sender, bytes, max_bytes }, reader)
}

impl Outbox {
    pub(crate) fn push(&self, text: Utf8Bytes) -> Result<(), OutboxFull> {
        let length = text.as_str().len();
        // A frame alone is let through whatever its length, or it could never be sent.
        let before = self.bytes.fetch_add(length, Ordering::Relaxed);
        let fits = before == 0 || before + length <= self.max_bytes;
        if fits && self.sender.try_send(text).is_ok() {
            return Ok(());
        }
        self.bytes.fetch_sub(length, Ordering::Relaxed);
        Err(OutboxFull)
    }
}

impl OutboxReader {
    /// The next frame. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Option<Utf8Bytes> {
        let text = self.receiver.recv().await?;
        Some(self.taken(text))
    }

    /// What waits now, if anything.
    pub(crate) fn try_next(&mut self) -> Option<Utf8Bytes> {
        let text = self.receiver.try_recv().ok()?;
        Some(self.taken(text))
    }

    fn taken(&self, text: Utf8Bytes) -> Utf8Bytes {
        self.bytes.fetch_sub(text.as_str().len(), Ordering::Relaxed);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_frames_and_bytes() {
        let (writer, mut reader) = outbox(2, 10);
        writer.push("123456".into()).unwrap();
        assert_eq!(writer.push("12345".into()), Err(OutboxFull), "eleven bytes");
        writer.push("1234".into()).unwrap();
        assert_eq!(writer.push("".into()), Err(OutboxFull), "three frames");
        assert_eq!(reader.try_next().unwrap().as_str(), "123456");
        writer.push("123456".into()).unwrap();
    }

    #[test]
    fn one_long_frame_passes_an_empty_outbox() {
        let (writer, mut reader) = outbox(2, 3);
        writer.push("12345".into()).unwrap();
        assert_eq!(writer.push("1".into()), Err(OutboxFull));
        assert!(reader.try_next().is_some());
        writer.push("1".into()).unwrap();
    }
}
