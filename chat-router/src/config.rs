//! Settings of the chat router.

use std::time::Duration;

use serde::Deserialize;

/// Longer, and every message would wait for a gain that grows no more.
const MAX_BATCH_WINDOW_MS: u64 = 5;

/// Section `[chat_router]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Requests handled at once. One more is refused as unavailable, so that the
    /// client sends it again.
    pub max_in_flight: usize,
    /// Lanes that write messages. A conversation always has the same lane, so its
    /// messages are stored and announced in order. Each uses one database
    /// connection, apart from those of `database.max_connections`.
    pub writer_lanes: usize,
    /// Messages that may wait in one lane.
    pub writer_queue: usize,
    /// Messages that one transaction of a lane commits, at most.
    pub batch_messages: usize,
    /// Milliseconds that a busy lane lets a batch grow before it writes, 0 to 5. An
    /// idle one writes at once.
    pub batch_window_ms: u64,
    /// Milliseconds between two storings of delivered and read marks. Others see a
    /// mark once it is stored.
    pub receipt_flush_ms: u64,
    /// Marks that may wait to be stored.
    pub receipt_entries: usize,
    /// Milliseconds between beacons: a conversation written since the last one
    /// has its newest seq announced again, which uncovers a lost announcement.
    pub beacon_interval_ms: u64,
    /// Conversations remembered for the next beacon; one more is announced early.
    pub beacon_conversations: usize,
    /// Milliseconds during which messages into one consultation are told to the
    /// desk once. A newly opened consultation is told at once.
    pub desk_interval_ms: u64,
    /// Milliseconds for which typing and receipts may rely on an earlier answer
    /// to "may this person read or write here". Messages never do.
    pub access_cache_ms: u64,
    /// Such answers remembered at once.
    pub access_cache_entries: usize,
    /// Minutes after which an operator's reading of the same conversation is
    /// written into the audit log again. Opening it always is.
    pub audit_interval_minutes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_in_flight: 4096,
            writer_lanes: 2,
            writer_queue: 2048,
            batch_messages: 256,
            batch_window_ms: 2,
            receipt_flush_ms: 150,
            receipt_entries: 50_000,
            beacon_interval_ms: 3000,
            beacon_conversations: 10_000,
            desk_interval_ms: 300,
            access_cache_ms: 2000,
            access_cache_entries: 10_000,
            audit_interval_minutes: 10,
        }
    }
}

/// The section as a commented file, with the default values.
pub const SAMPLE: &str = r#"[chat_router]
# Requests handled at once. One more is refused as unavailable, so that the
# client sends it again.
max_in_flight = 4096
# Lanes that write messages. A conversation always has the same lane, so its
# messages are stored and announced in order. Each uses one database connection,
# apart from those of database.max_connections.
writer_lanes = 2
# Messages that may wait in one lane.
writer_queue = 2048
# Messages that one transaction of a lane commits, at most.
batch_messages = 256
# Milliseconds that a busy lane lets a batch grow before it writes, 0 to 5. An idle
# one writes at once.
batch_window_ms = 2
# Milliseconds between two storings of delivered and read marks. Others see a mark
# once it is stored.
receipt_flush_ms = 150
# Marks that may wait to be stored.
receipt_entries = 50000
# Milliseconds between beacons: a conversation written since the last one has its
# newest seq announced again, which uncovers a lost announcement.
beacon_interval_ms = 3000
# Conversations remembered for the next beacon; one more is announced early.
beacon_conversations = 10000
# Milliseconds during which messages into one consultation are told to the desk
# once. A newly opened consultation is told at once.
desk_interval_ms = 300
# Milliseconds for which typing and receipts may rely on an earlier answer to
# "may this person read or write here". Messages never do.
access_cache_ms = 2000
# Such answers remembered at once.
access_cache_entries = 10000
# Minutes after which an operator's reading of the same conversation is written
# into the audit log again. Opening it always is.
audit_interval_minutes = 10
"#;

impl Config {
    /// Refuses values with which the service could not work.
    pub(crate) fn check(&self) -> Result<(), String> {
        let positive = [
            ("max_in_flight", self.max_in_flight as u64),
            ("writer_lanes", self.writer_lanes as u64),
            ("writer_queue", self.writer_queue as u64),
            ("batch_messages", self.batch_messages as u64),
            ("receipt_flush_ms", self.receipt_flush_ms),
            ("receipt_entries", self.receipt_entries as u64),
            ("beacon_interval_ms", self.beacon_interval_ms),
            ("beacon_conversations", self.beacon_conversations as u64),
            ("desk_interval_ms", self.desk_interval_ms),
        ];
        match positive.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(format!("chat_router.{name} must be at least 1")),
            None if self.batch_window_ms > MAX_BATCH_WINDOW_MS => {
                Err(format!("chat_router.batch_window_ms is at most {MAX_BATCH_WINDOW_MS}"))
            }
            None => Ok(()),
        }
    }

    pub(crate) const fn batch_window(&self) -> Duration {
        Duration::from_millis(self.batch_window_ms)
    }

    pub(crate) const fn receipt_flush(&self) -> Duration {
        Duration::from_millis(self.receipt_flush_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, SAMPLE};
    use figment::Figment;
    use figment::providers::{Format, Toml};

    #[test]
    fn the_sample_is_the_default() {
        let sample: Config =
            Figment::from(Toml::string(SAMPLE)).extract_inner("chat_router").unwrap();
        assert_eq!(sample, Config::default());
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        let figment = Figment::from(Toml::string("[chat_router]\nlanes = 3\n"));
        assert!(figment.extract_inner::<Config>("chat_router").is_err());
    }

    #[test]
    fn zero_lanes_are_refused() {
        assert!(Config { writer_lanes: 0, ..Config::default() }.check().is_err());
    }

    #[test]
    fn a_window_that_people_would_feel_is_refused() {
        assert!(Config { batch_window_ms: 0, ..Config::default() }.check().is_ok());
        assert!(Config { batch_window_ms: 6, ..Config::default() }.check().is_err());
    }
}
