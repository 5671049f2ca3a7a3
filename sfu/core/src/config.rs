//! What a core is told at its start.

use std::net::SocketAddr;
use std::time::Duration;

use crate::congestion;

/// Settings of one core, that is of one worker.
#[derive(Clone, Debug)]
pub struct CoreConfig {
    /// Addresses clients reach this worker's sockets at over UDP; they become the host
    /// candidates of every answer. Must not be empty.
    pub candidates: Vec<SocketAddr>,
    /// The same over TCP, for clients whose network lets no UDP through: passive
    /// candidates (RFC 6544).
    pub tcp_candidates: Vec<SocketAddr>,
    /// Start of the generator behind first sequence numbers (RFC 3550 section
    /// 5.1 wants them unpredictable). The shell takes it from the system.
    pub seed: u64,
    pub limits: Limits,
    /// How long a participant may take until ICE and DTLS are up, and how long
    /// it may stay disconnected, before it is gone.
    pub patience: Duration,
    /// How long a room without participants keeps its state, so that both sides
    /// of a call may rejoin.
    pub room_linger: Duration,
    /// Time between two quality reports of one participant.
    pub quality_interval: Duration,
    /// How the link to each subscriber is estimated. `None`: not at all; everything is
    /// sent as it comes.
    pub congestion: Option<congestion::Config>,
}

/// Bounds on what clients can make the core hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rooms in one worker.
    pub rooms: usize,
    /// Participants in one worker.
    pub participants: usize,
    /// Participants in one room.
    pub room_participants: usize,
    /// Length of an offer, bytes.
    pub sdp_bytes: usize,
    /// m-lines in an offer. str0m's idle cost grows with them.
    pub media_lines: usize,
    /// SSRCs a participant may send at a time: thirteen with two simulcast tracks and
    /// their repetitions.
    pub ssrcs: usize,
    /// What a participant may send in a second, with a second's worth at once. More is
    /// dropped, and only its sender notices: two cameras in three layers need 10 Mb/s.
    pub publish_bps: u64,
    pub publish_packets_per_second: u32,
    /// RTCP datagrams of a participant in a second, likewise. One can ask for 5,000
    /// packets; browsers send fifty in a second, with losses a hundred.
    pub reports_per_second: u32,
    /// Missing packets of one stream that are asked for at a time.
    pub nacks: usize,
    /// Packets that may wait for one subscriber, and their bytes: two seconds of a
    /// slow link. Then the oldest video goes.
    pub queue_packets: usize,
    pub queue_bytes: usize,
    /// Bytes kept of one video stream, to be sent again: a second of 4 Mb/s. Payloads
    /// are shared between subscribers.
    pub history_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rooms: 2_000,
            participants: 4_000,
            room_participants: 50,
            sdp_bytes: 64 * 1024,
            media_lines: 12,
            ssrcs: 32,
            publish_bps: 20_000_000,
            publish_packets_per_second: 4_000,
            reports_per_second: 300,
            nacks: 256,
            queue_packets: 2_048,
            queue_bytes: 1024 * 1024,
            history_bytes: 512 * 1024,
        }
    }
}

impl CoreConfig {
    /// Defaults for a worker reached at `candidates`.
    pub fn new(candidates: Vec<SocketAddr>, seed: u64) -> Self {
        Self {
            candidates,
            tcp_candidates: Vec::new(),
            seed,
            limits: Limits::default(),
            patience: Duration::from_secs(30),
            room_linger: Duration::from_secs(60),
            quality_interval: Duration::from_secs(3),
            congestion: Some(congestion::Config::default()),
        }
    }
}
