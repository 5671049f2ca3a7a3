//! A flood of datagrams from addresses that nobody knows, while a call goes on.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use housecall_protocol::cluster::{SfuReply, SfuRequest};
use housecall_protocol::ids::CallId;

use crate::relay::Relay;
use crate::traveller::{Traveller, Way};

const UDP: Way = Way::Udp(IpAddr::V4(Ipv4Addr::LOCALHOST));
const SOURCES: usize = 32;
const ROUNDS: usize = 100;
const STRAY: &str = "housecall_sfu_dropped_packets_total{reason=\"stray\"}";

/// Bytes that look like chance: xorshift (Marsaglia).
struct Noise(u32);

impl Noise {
    fn fill<const N: usize>(&mut self, start: [u8; N], length: usize) -> Vec<u8> {
        let mut bytes = start.to_vec();
        while bytes.len() < length {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 17;
            self.0 ^= self.0 << 5;
            bytes.push(self.0 as u8);
        }
        bytes
    }
}

/// A check of a path to a session, by somebody who does not know its password (RFC 8489).
fn check(ufrag: &str, noise: &mut Noise) -> Vec<u8> {
    let attribute = |kind: u16, value: &[u8]| {
        let mut bytes = [kind.to_be_bytes(), (value.len() as u16).to_be_bytes()].concat();
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let name = attribute(0x0006, format!("{ufrag}:them").as_bytes());
    let priority = attribute(0x0024, &[0x6e, 0, 0, 1]);
    let controlling = attribute(0x802a, &noise.fill([], 8));
    let integrity = attribute(0x0008, &noise.fill([], 20));
    let attributes = [name, priority, controlling, integrity].concat();
    let mut message = vec![0, 1];
    message.extend_from_slice(&(attributes.len() as u16).to_be_bytes());
    message.extend_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
    message.extend(noise.fill([], 12));
    message.extend(attributes);
    message
}

/// One of each kind that the relay tells apart by its first bytes (RFC 7983).
fn datagrams(ufrag: &str, noise: &mut Noise) -> [Vec<u8>; 6] {
    [
        check(ufrag, noise),
        check("none", noise),
        // The head of a ClientHello (RFC 6347 section 4.1), and no more.
        noise.fill([22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 107, 1], 120),
        noise.fill([0x80, 111], 120),
        noise.fill([0x80, 200], 60),
        noise.fill([255], 200),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_strangers_costs_a_call_nothing() {
    let relay = Relay::start(1).await;
    let room = CallId::generate();
    let mut one = Traveller::join(&relay, room, UDP).await;
    let mut two = Traveller::join(&relay, room, UDP).await;
    let open = SfuRequest::SetForwarding { room, forwarding: true };
    assert_eq!(relay.request(&open).await, Ok(SfuReply::Done));
    let mut last = [*one.receive(25).await.last().expect("some"), 0];
    last[1] = *two.receive(25).await.last().expect("some");
    let target = one.reached.borrow().expect("it sends media");
    let strays = relay.metric(STRAY);

    let open = || UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    let sources: Vec<_> = (0..SOURCES).map(|_| open()).collect();
    let mut noise = Noise(1);
    let mut sent = 0_u32;
    for _ in 0..ROUNDS {
        for source in &sources {
            for datagram in datagrams(&one.ufrag, &mut noise) {
                source.send_to(&datagram, target).expect("loopback takes it");
                sent += 1;
            }
        }
        // Each one is looked at, once. No more than this many wait at a time, so that the
        // socket has room for all: what it drops is not the relay's to save.
        relay.until_metric(STRAY, strays + f64::from(sent)).await;
    }

    let until = [*two.sent.borrow(), *one.sent.borrow()];
    for (traveller, last, until) in [(&mut one, last[0], until[0]), (&mut two, last[1], until[1])] {
        let numbers = traveller.receive_until(until).await;
        assert!(until > last, "the call went on meanwhile");
        let expected: Vec<_> = (last + 1..).take(numbers.len()).collect();
        assert_eq!(numbers, expected, "every packet arrives, once and in order");
    }
    for source in &sources {
        source.set_nonblocking(true).expect("a usable socket");
        let answer = source.recv(&mut [0; 2_048]).map_err(|error| error.kind());
        assert_eq!(answer, Err(ErrorKind::WouldBlock), "strangers get no answer");
    }
    assert_eq!(relay.metric("housecall_sfu_participants"), 2.0);
    one.close().await;
    two.close().await;
    relay.stop().await;
}
