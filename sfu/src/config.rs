//! Settings of the media relay.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Deserializer};

/// Section `[sfu]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Addresses the workers listen on, one or several: IPv4 and IPv6, or those of
    /// several networks.
    #[serde(deserialize_with = "one_or_more")]
    pub bind: Vec<IpAddr>,
    /// Port of the first worker, for UDP and TCP; the others take the following ports.
    /// 0: any free port for each.
    pub port_base: u16,
    /// Worker threads. 0: one per core.
    pub workers: usize,
    /// Addresses at which clients reach the workers' ports; each becomes an ICE
    /// candidate of every answer. Empty: those of `bind`, which must then be addresses
    /// and not wildcards.
    #[serde(deserialize_with = "one_or_more")]
    pub advertised: Vec<IpAddr>,
    /// Microseconds from when a worker took what had come to when it looks again, so that it
    /// takes packets together; the first one after a silence does not wait. 0: it looks
    /// at once. Taken as 10,000 when more.
    pub gather_us: u32,
    /// Whether clients may come by TCP, too, where their network lets no UDP through.
    pub tcp: bool,
    /// TCP connections of a worker at once.
    pub max_tcp_connections: usize,
    /// TCP connections from one address at once. A clinic whose firewall lets no UDP
    /// through needs as many as it has people in calls.
    pub max_tcp_connections_per_address: usize,
    /// Seconds until a TCP connection must belong to a participant, and how long it
    /// stays when they have gone.
    pub tcp_unproven_s: u64,
    /// Seconds for which the reader of a TCP connection may take nothing.
    pub tcp_stall_s: u64,
    /// Bytes that may wait for the reader of a TCP connection; packets beyond are lost.
    pub tcp_queue_bytes: usize,
    /// Rooms per worker.
    pub max_rooms: usize,
    /// Participants per worker.
    pub max_participants: usize,
    /// Participants per room.
    pub max_room_participants: usize,
    /// Participants of one room on one worker; further ones go to other workers, and the
    /// media is relayed between them.
    pub room_participants_per_worker: usize,
    /// Packets and messages of other workers that may wait for one; packets beyond are
    /// lost.
    pub relay_queue: usize,
    /// Longest SDP offer, bytes.
    pub max_sdp_bytes: usize,
    /// Most m-lines in an offer.
    pub max_media_lines: usize,
    /// SSRCs a participant may send at a time; simulcast and repetitions need several
    /// per track.
    pub max_ssrcs: usize,
    /// Kilobits of media a participant may send in a second; more is dropped, and only
    /// its sender notices.
    pub max_publish_kbps: u64,
    /// The same in packets.
    pub max_publish_packets_per_s: u32,
    /// RTCP datagrams of a participant in a second, likewise.
    pub max_reports_per_s: u32,
    /// Missing packets of one stream that are asked for at a time.
    pub max_nacks: usize,
    /// Packets that may wait for one subscriber; then the oldest video goes.
    pub max_queue_packets: usize,
    /// The same in bytes.
    pub max_queue_bytes: usize,
    /// Bytes kept of each video stream, to be sent again when a subscriber misses them.
    pub history_bytes: usize,
    /// Estimate what the link to each subscriber carries, and send no more. Without it
    /// everything is sent as it comes.
    pub congestion_control: bool,
    /// Seconds a participant may take to connect, and may stay disconnected.
    pub patience_s: u64,
    /// Seconds an empty room keeps its state, for participants who come back.
    pub room_linger_s: u64,
    /// Seconds between two quality reports of a participant; at least 1.
    pub quality_interval_s: u64,
    /// Requests that may wait for one worker; more are refused as unavailable.
    pub request_queue: usize,
    /// Seconds that rooms have to end or to move to another relay when the process is
    /// told to stop. `server.drain_seconds` must be longer.
    pub drain_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            port_base: 8090,
            workers: 0,
            gather_us: 250,
            advertised: Vec::new(),
            tcp: true,
            max_tcp_connections: 1_000,
            max_tcp_connections_per_address: 250,
            tcp_unproven_s: 10,
            tcp_stall_s: 10,
            tcp_queue_bytes: 128 * 1024,
            max_rooms: 2_000,
            max_participants: 4_000,
            max_room_participants: 50,
            room_participants_per_worker: 30,
            relay_queue: 4_096,
            max_sdp_bytes: 64 * 1024,
            max_media_lines: 12,
            max_ssrcs: 32,
            max_publish_kbps: 20_000,
            max_publish_packets_per_s: 4_000,
            max_reports_per_s: 300,
            max_nacks: 256,
            max_queue_packets: 2_048,
            max_queue_bytes: 1024 * 1024,
            history_bytes: 512 * 1024,
            congestion_control: true,
            patience_s: 30,
            room_linger_s: 60,
            quality_interval_s: 3,
            request_queue: 1_024,
            drain_s: 8,
        }
    }
}

/// A list, or one address alone.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpAddr>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "an IP address, or a list of them")]
    enum OneOrMore {
        One(IpAddr),
        More(Vec<IpAddr>),
    }
    Ok(match OneOrMore::deserialize(deserializer)? {
        OneOrMore::One(address) => vec![address],
        OneOrMore::More(addresses) => addresses,
    })
}

impl Config {
    pub const SAMPLE: &'static str = SAMPLE;
}

/// The section as a commented file; the commented settings are the defaults.
pub const SAMPLE: &str = r#"[sfu]
# Addresses the media sockets listen on, for example ["0.0.0.0", "::"] for all of both
# families. On a machine with several addresses of a family name each: what is asked at
# one is then answered from the same.
#bind = ["127.0.0.1"]
# Port of the first worker, for UDP and TCP; the others take the following ports. 0: any
# free ones.
#port_base = 8090
# Worker threads. 0: one per core.
#workers = 0
# Microseconds from when a worker took what had come to when it looks again. A packet may
# wait for so long; taking several together costs up to a third less CPU. 0: looks at once;
# 10000 at most.
#gather_us = 250
# Addresses at which clients reach the media ports, for example the public one of a
# machine behind NAT. Empty: the addresses of bind.
#advertised = []
# Let clients come by TCP, too, where their network lets no UDP through.
#tcp = true
# TCP connections per worker, and from one address.
#max_tcp_connections = 1000
#max_tcp_connections_per_address = 250
# Seconds until a TCP connection must belong to a participant.
#tcp_unproven_s = 10
# Seconds for which the reader of a TCP connection may take nothing, and bytes that may
# wait for it; packets beyond are lost.
#tcp_stall_s = 10
#tcp_queue_bytes = 131072
# Rooms and participants per worker, and participants per room.
#max_rooms = 2000
#max_participants = 4000
#max_room_participants = 50
# Participants of one room on one worker; further ones go to other workers, and the media
# is relayed between them. Packets that may wait on that way; more are lost.
#room_participants_per_worker = 30
#relay_queue = 4096
# Longest SDP offer in bytes, and most m-lines in it.
#max_sdp_bytes = 65536
#max_media_lines = 12
# SSRCs a participant may send at a time, and missing packets of one stream that are asked
# for at a time.
#max_ssrcs = 32
#max_nacks = 256
# What a participant may send in a second: kilobits and packets of media, datagrams of
# RTCP. More is dropped, and only its sender notices.
#max_publish_kbps = 20000
#max_publish_packets_per_s = 4000
#max_reports_per_s = 300
# Packets and bytes that may wait for one subscriber; then the oldest video goes.
#max_queue_packets = 2048
#max_queue_bytes = 1048576
# Bytes kept of each video stream, to be sent again when a subscriber misses them.
#history_bytes = 524288
# Estimate what the link to each subscriber carries, and send no more.
#congestion_control = true
# Seconds a participant may take to connect, and may stay disconnected.
#patience_s = 30
# Seconds an empty room keeps its state, for participants who come back.
#room_linger_s = 60
# Seconds between two quality reports of a participant.
#quality_interval_s = 3
# Requests that may wait for one worker; more are refused.
#request_queue = 1024
# Seconds that rooms have to end or to move to another relay when the process is told to
# stop. server.drain_seconds must be longer.
#drain_s = 8
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

    #[test]
    fn one_address_needs_no_list() {
        let read = |text| {
            let file = Figment::from(Toml::string(text)).extract::<File>();
            file.map_err(|error| error.to_string())
        };
        let file = read("[sfu]\nbind = \"::1\"\nadvertised = [\"::1\", \"10.0.0.1\"]").unwrap();
        assert_eq!(file.sfu.bind.len(), 1);
        assert_eq!(file.sfu.advertised.len(), 2);
        let refused = read("[sfu]\nbind = \"here\"").err().unwrap();
        assert!(refused.contains("an IP address"), "{refused}");
    }
}
