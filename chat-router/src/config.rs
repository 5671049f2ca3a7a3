//! Settings of the chat router.

use serde::Deserialize;

/// Section `[chat_router]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Requests handled at once. One more is refused as unavailable, so that the
    /// client sends it again.
    pub max_in_flight: usize,
    /// Lanes that write messages. A conversation always has the same lane, so its
    /// messages are stored and announced in order. Each uses one database
    /// connection while it writes.
    pub writer_lanes: usize,
    /// Messages that may wait in one lane.
    pub writer_queue: usize,
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
            max_in_flight: 256,
            writer_lanes: 4,
            writer_queue: 256,
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
max_in_flight = 256
# Lanes that write messages. A conversation always has the same lane, so its
# messages are stored and announced in order. Each uses one database connection
# while it writes.
writer_lanes = 4
# Messages that may wait in one lane.
writer_queue = 256
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
            ("beacon_interval_ms", self.beacon_interval_ms),
            ("beacon_conversations", self.beacon_conversations as u64),
            ("desk_interval_ms", self.desk_interval_ms),
        ];
        match positive.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(format!("chat_router.{name} must be at least 1")),
            None => Ok(()),
        }
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
}
