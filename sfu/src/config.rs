//! Settings of the media relay.

use std::net::{IpAddr, Ipv4Addr};

use serde::Deserialize;

/// Section `[sfu]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address the workers' UDP sockets listen on.
    pub bind: IpAddr,
    /// UDP port of the first worker; the others take the following ports. 0: any
    /// free port for each.
    pub port_base: u16,
    /// Worker threads. 0: one per core.
    pub workers: usize,
    /// Addresses at which clients reach the workers' ports; each becomes an ICE
    /// candidate of every answer. Empty: `bind`, which must then be one address.
    pub advertised: Vec<IpAddr>,
    /// Rooms per worker.
    pub max_rooms: usize,
    /// Participants per worker.
    pub max_participants: usize,
    /// Participants per room.
    pub max_room_participants: usize,
    /// Longest SDP offer, bytes.
    pub max_sdp_bytes: usize,
    /// Most m-lines in an offer.
    pub max_media_lines: usize,
    /// Seconds a participant may take to connect, and may stay disconnected.
    pub patience_s: u64,
    /// Seconds an empty room keeps its state, for participants who come back.
    pub room_linger_s: u64,
    /// Seconds between two quality reports of a participant; at least 1.
    pub quality_interval_s: u64,
    /// Requests that may wait for one worker; more are refused as unavailable.
    pub request_queue: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port_base: 8090,
            workers: 0,
            advertised: Vec::new(),
            max_rooms: 2_000,
            max_participants: 4_000,
            max_room_participants: 50,
            max_sdp_bytes: 64 * 1024,
            max_media_lines: 12,
            patience_s: 30,
            room_linger_s: 60,
            quality_interval_s: 3,
            request_queue: 1_024,
        }
    }
}

impl Config {
    pub const SAMPLE: &'static str = SAMPLE;
}

/// The section as a commented file; the commented settings are the defaults.
pub const SAMPLE: &str = r#"[sfu]
# Address the media sockets (UDP) listen on.
#bind = "127.0.0.1"
# UDP port of the first worker; the others take the following ports. 0: any free ones.
#port_base = 8090
# Worker threads. 0: one per core.
#workers = 0
# Addresses at which clients reach the media ports, for example the public one of a
# machine behind NAT. Empty: the address of bind.
#advertised = []
# Rooms and participants per worker, and participants per room.
#max_rooms = 2000
#max_participants = 4000
#max_room_participants = 50
# Longest SDP offer in bytes, and most m-lines in it.
#max_sdp_bytes = 65536
#max_media_lines = 12
# Seconds a participant may take to connect, and may stay disconnected.
#patience_s = 30
# Seconds an empty room keeps its state, for participants who come back.
#room_linger_s = 60
# Seconds between two quality reports of a participant.
#quality_interval_s = 3
# Requests that may wait for one worker; more are refused.
#request_queue = 1024
"#;

#[cfg(test)]
mod tests {
    use figment::Figment;
    use figment::providers::{Format, Toml};

    use super::*;

    #[derive(Deserialize)]
    struct File {
        sfu: Config,
    }

    #[test]
    fn the_sample_says_the_defaults() {
        let uncommented: String = SAMPLE
            .lines()
            .filter(|line| !line.starts_with("# "))
            .map(|line| format!("{}\n", line.trim_start_matches('#')))
            .collect();
        let file: File =
            Figment::from(Toml::string(&uncommented)).extract().expect("the sample is valid");
        assert_eq!(file.sfu, Config::default());
        assert!(uncommented.lines().count() > 10, "{uncommented}");
    }
}
