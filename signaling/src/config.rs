//! Settings of the gateway and of calls.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use crate::gateway::meter::{Rate, Rates};

/// Section `[signaling]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// WebSockets of this process at once. One more is answered 503.
    pub max_connections: usize,
    /// WebSockets of one person at once, over all their devices on this process.
    pub max_connections_per_person: usize,
    /// WebSockets of one signed-in device at once: the tabs of one browser.
    pub max_connections_per_session: usize,
    /// WebSockets from one network address at once. A clinic behind one address
    /// needs as many as it has people.
    pub max_connections_per_address: usize,
    /// The listener is reached through a reverse proxy only: the client's address
    /// is the last one in `X-Forwarded-For`.
    pub behind_proxy: bool,
    /// Seconds a new connection has to send its hello.
    pub hello_timeout_s: u64,
    /// Hellos served at the same time. Each asks the database; chat needs it too.
    pub hellos_at_once: usize,
    /// Hellos that may wait for their turn. Who comes on top of that is told when to
    /// return.
    pub hellos_waiting: usize,
    /// Clients that are asked back per second when the process stops: as many as the
    /// other gateways welcome in a second.
    pub returns_per_second: u32,
    /// Seconds between pings to a client that says nothing. Two without an answer
    /// close the connection.
    pub heartbeat_s: u64,
    /// Longest frame a client may send, bytes. A session description of a call is
    /// the longest legitimate one.
    pub max_frame_bytes: usize,
    /// Frames that may wait for a slow reader.
    pub outbound_frames: usize,
    /// Bytes that may wait for a slow reader.
    pub outbound_bytes: usize,
    /// Frames a connection may send per second on average...
    pub frames_per_second: u32,
    /// ...and at once.
    pub frames_burst: u32,
    /// Bytes a connection may send per second on average...
    pub bytes_per_second: u32,
    /// ...and at once.
    pub bytes_burst: u32,
    /// Frames all connections of one person together may send per second on average...
    pub person_frames_per_second: u32,
    /// ...and at once.
    pub person_frames_burst: u32,
    /// Bytes all connections of one person together may send per second on average...
    pub person_bytes_per_second: u32,
    /// ...and at once.
    pub person_bytes_burst: u32,
    /// Frames refused for a rate before the connection is closed.
    pub max_rate_strikes: u32,
    /// Conversations one connection may follow.
    pub max_open_conversations: usize,
    /// People one operator's connection may watch.
    pub max_watched_people: usize,
    /// Milliseconds another service has to answer a request.
    pub request_timeout_ms: u64,
    /// Milliseconds without an answer after which a chat request is also put to
    /// another router; after as many again, once more. Each stores a message once.
    pub ask_again_ms: u64,
    /// Seconds that requests under way and open calls have to end when the process stops.
    pub drain_s: u64,
    /// Calls: section `[signaling.call]`.
    pub call: CallConfig,
    /// Streams by WHIP and WHEP: section `[signaling.streams]`.
    pub streams: StreamConfig,
    /// STUN and TURN servers with fixed credentials.
    pub ice_servers: Vec<IceServerConfig>,
    /// Addresses of a coturn server that shares `turn_secret` with us, as
    /// `turns:turn.clinic.example:443?transport=tcp`. Empty: no such server.
    pub turn_urls: Vec<String>,
    /// coturn's `static-auth-secret`. Absent: no time-limited credentials are made.
    pub turn_secret: Option<SecretString>,
    /// Seconds for which a TURN credential is good. Longer than the longest call.
    pub turn_ttl_s: u64,
}

/// Section `[signaling.call]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallConfig {
    /// Seconds a call rings.
    pub ring_s: u64,
    /// Seconds from the accept until media must flow both ways.
    pub connecting_s: u64,
    /// Seconds a participant may be away, signaling and media both.
    pub away_s: u64,
    /// Seconds a participant's media may be down while their signaling is there:
    /// the page reloads, or a phone changes networks again and again.
    pub media_lost_s: u64,
    /// Seconds between the owner's signs of life.
    pub beat_s: u64,
    /// Seconds without such a sign after which others end the call.
    pub owner_lost_s: u64,
    /// Open calls this process may drive.
    pub max_calls: usize,
    /// People who may be invited into one call, beside its two sides. The relay must
    /// take as many participants in a room.
    pub max_guests: usize,
    /// Supervisors may listen to running calls, unseen by the participants and in the
    /// audit log. Off where the law or the clinic forbids it.
    pub listen_in: bool,
    /// Data messages (a raised hand, a pointer) one participant may send per second on
    /// average...
    pub data_per_second: u32,
    /// ...and at once.
    pub data_burst: u32,
}

/// Section `[signaling.streams]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StreamConfig {
    /// Longest offer, bytes.
    pub max_sdp_bytes: usize,
    /// Longest fragment of candidates, bytes.
    pub max_fragment_bytes: usize,
    /// Requests of one address per minute on average...
    pub requests_per_minute: u32,
    /// ...and at once.
    pub requests_burst: u32,
    /// Requests under way at once. One more is answered 503.
    pub max_requests: usize,
}

/// An `RTCIceServer` with fixed credentials.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IceServerConfig {
    /// As `stun:stun.clinic.example:3478`.
    pub urls: Vec<String>,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub credential: Option<SecretString>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: 60_000,
            max_connections_per_person: 16,
            max_connections_per_session: 12,
            max_connections_per_address: 1000,
            behind_proxy: false,
            hello_timeout_s: 5,
            hellos_at_once: 8,
            hellos_waiting: 4000,
            returns_per_second: 1000,
            heartbeat_s: 25,
            max_frame_bytes: 128 * 1024,
            outbound_frames: 512,
            outbound_bytes: 4 * 1024 * 1024,
            frames_per_second: 30,
            frames_burst: 100,
            bytes_per_second: 64 * 1024,
            bytes_burst: 1024 * 1024,
            person_frames_per_second: 60,
            person_frames_burst: 300,
            person_bytes_per_second: 128 * 1024,
            person_bytes_burst: 2 * 1024 * 1024,
            max_rate_strikes: 100,
            max_open_conversations: 64,
            max_watched_people: 200,
            request_timeout_ms: 5000,
            ask_again_ms: 1000,
            drain_s: 5,
            call: CallConfig::default(),
            streams: StreamConfig::default(),
            ice_servers: Vec::new(),
            turn_urls: Vec::new(),
            turn_secret: None,
            turn_ttl_s: 12 * 3600,
        }
    }
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            max_sdp_bytes: 64 * 1024,
            max_fragment_bytes: 16 * 1024,
            requests_per_minute: 60,
            requests_burst: 30,
            max_requests: 64,
        }
    }
}

impl Default for CallConfig {
    fn default() -> Self {
        Self {
            ring_s: 45,
            connecting_s: 30,
            away_s: 30,
            media_lost_s: 60,
            beat_s: 5,
            owner_lost_s: 20,
            max_calls: 2000,
            max_guests: 8,
            listen_in: true,
            data_per_second: 10,
            data_burst: 20,
        }
    }
}

impl Config {
    /// The section as a commented file, with the default values.
    pub const SAMPLE: &str = r#"[signaling]
# WebSockets of this process at once. One more is answered 503.
max_connections = 60000
# WebSockets of one person at once, over all their devices on this process.
max_connections_per_person = 16
# WebSockets of one signed-in device at once: the tabs of one browser.
max_connections_per_session = 12
# WebSockets from one network address at once. A clinic behind one address needs
# as many as it has people.
max_connections_per_address = 1000
# The listener is reached through a reverse proxy only: the client's address is
# the last one in X-Forwarded-For.
behind_proxy = false
# Seconds a new connection has to send its hello.
hello_timeout_s = 5
# Hellos served at the same time. Each asks the database; chat needs it too.
hellos_at_once = 8
# Hellos that may wait for their turn. Who comes on top of that is told when to return.
hellos_waiting = 4000
# Clients that are asked back per second when the process stops: as many as the
# other gateways welcome in a second.
returns_per_second = 1000
# Seconds between pings to a client that says nothing. Two without an answer close
# the connection.
heartbeat_s = 25
# Longest frame a client may send, bytes.
max_frame_bytes = 131072
# Frames and bytes that may wait for a slow reader.
outbound_frames = 512
outbound_bytes = 4194304
# Frames and bytes a connection may send per second on average, and at once.
frames_per_second = 30
frames_burst = 100
bytes_per_second = 65536
bytes_burst = 1048576
# The same for all connections of one person together.
person_frames_per_second = 60
person_frames_burst = 300
person_bytes_per_second = 131072
person_bytes_burst = 2097152
# Frames refused for a rate before the connection is closed.
max_rate_strikes = 100
# Conversations one connection may follow.
max_open_conversations = 64
# People one operator's connection may watch.
max_watched_people = 200
# Milliseconds another service has to answer a request.
request_timeout_ms = 5000
# Milliseconds without an answer after which a chat request is also put to another
# router; after as many again, once more. Each stores a message once.
ask_again_ms = 1000
# Seconds that requests under way and open calls have to end when the process stops.
drain_s = 5
# STUN and TURN servers with fixed credentials.
# ice_servers = [{ urls = ["stun:stun.clinic.example:3478"] }]
ice_servers = []
# A coturn server that makes time-limited credentials from a shared secret
# (its `static-auth-secret`).
# turn_urls = ["turns:turn.clinic.example:443?transport=tcp"]
turn_urls = []
# turn_secret = "..."
# Seconds for which a TURN credential is good.
turn_ttl_s = 43200

[signaling.call]
# Seconds a call rings.
ring_s = 45
# Seconds from the accept until media must flow both ways.
connecting_s = 30
# Seconds a participant may be away, signaling and media both.
away_s = 30
# Seconds a participant's media may be down while their signaling is there.
media_lost_s = 60
# Seconds between an owner's signs of life, and how long without one until other
# processes end its calls.
beat_s = 5
owner_lost_s = 20
# Open calls this process may drive.
max_calls = 2000
# People who may be invited into one call, beside its two sides. The relay must take
# as many participants in a room.
max_guests = 8
# Supervisors may listen to running calls, unseen by the participants and in the audit
# log. Turn it off where the law or the clinic forbids it.
listen_in = true
# Data messages (a raised hand, a pointer) one participant may send per second on
# average, and at once.
data_per_second = 10
data_burst = 20

[signaling.streams]
# Devices and programs that publish by WHIP and play by WHEP. Longest offer and longest
# fragment of candidates, bytes.
max_sdp_bytes = 65536
max_fragment_bytes = 16384
# Requests of one address per minute on average, and at once.
requests_per_minute = 60
requests_burst = 30
# Requests under way at once. One more is answered 503.
max_requests = 64
"#;

    /// The pauses between asking and asking again.
    pub(crate) const fn ask_again(&self) -> [Duration; 2] {
        [Duration::from_millis(self.ask_again_ms); 2]
    }

    pub(crate) const fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    pub(crate) fn heartbeat(&self) -> Duration {
        Duration::from_secs(self.heartbeat_s.max(1))
    }

    /// Of one connection.
    pub(crate) fn rates(&self) -> Rates {
        Rates {
            frames: Rate::new(self.frames_per_second, self.frames_burst),
            bytes: Rate::new(self.bytes_per_second, self.bytes_burst),
        }
    }

    /// Of all connections of one person together.
    pub(crate) fn person_rates(&self) -> Rates {
        Rates {
            frames: Rate::new(self.person_frames_per_second, self.person_frames_burst),
            bytes: Rate::new(self.person_bytes_per_second, self.person_bytes_burst),
        }
    }

    pub(crate) const fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_s)
    }
}

#[cfg(test)]
mod tests {
    use figment::Figment;
    use figment::providers::{Format, Toml};

    use super::Config;

    #[test]
    fn the_sample_says_what_the_defaults_are() {
        let sample: Config =
            Figment::from(Toml::string(Config::SAMPLE)).extract_inner("signaling").unwrap();
        assert_eq!(format!("{sample:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        let text = "[signaling.call]\nring_seconds = 3\n";
        let error =
            Figment::from(Toml::string(text)).extract_inner::<Config>("signaling").unwrap_err();
        assert!(error.to_string().contains("ring_seconds"), "{error}");
    }

    #[test]
    fn secrets_do_not_print() {
        let text = "[signaling]\nturn_secret = \"correct horse\"\n";
        let config: Config = Figment::from(Toml::string(text)).extract_inner("signaling").unwrap();
        assert!(!format!("{config:?}").contains("horse"));
    }
}
