//! The ways to the relay: UDP and TCP, IPv4 and IPv6, and from one to the other during a
//! call.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use housecall_protocol::cluster::{SfuReply, SfuRequest};
use housecall_protocol::ids::CallId;
use housecall_sfu::Config;

use crate::relay::{PATIENCE, Relay};
use crate::traveller::{Traveller, Way};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const OTHER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

async fn forward(relay: &Relay, room: CallId) {
    let done = relay.request(&SfuRequest::SetForwarding { room, forwarding: true }).await;
    assert_eq!(done, Ok(SfuReply::Done));
}

/// Two in a room who hear each other.
async fn pair(relay: &Relay, room: CallId, ways: [Way; 2]) -> [Traveller; 2] {
    let mut one = Traveller::join(relay, room, ways[0]).await;
    let mut two = Traveller::join(relay, room, ways[1]).await;
    forward(relay, room).await;
    one.receive(25).await;
    two.receive(25).await;
    [one, two]
}

/// Packets missing within what came, in order.
fn missing(numbers: &[u32]) -> u32 {
    numbers.windows(2).map(|pair| pair[1].saturating_sub(pair[0] + 1)).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_tcp_only_hears_and_is_heard() {
    let relay = Relay::start(1).await;
    let room = CallId::generate();
    let [mut one, mut two] = pair(&relay, room, [Way::Tcp(V4), Way::Udp(V4)]).await;
    for traveller in [&mut one, &mut two] {
        let numbers = traveller.receive(100).await;
        assert_eq!(missing(&numbers), 0, "nothing is lost on loopback: {numbers:?}");
    }
    assert_eq!(relay.metric("housecall_sfu_tcp_connections"), 1.0);

    // Its connection ends with its session.
    let leave = SfuRequest::Leave { room, participant: one.person };
    assert_eq!(relay.request(&leave).await, Ok(SfuReply::Done));
    one.close().await;
    relay.until_metric("housecall_sfu_tcp_connections", 0.0).await;
    two.close().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_several_addresses_leads_in() {
    let bind = vec![V4, OTHER_V4, V6];
    let config = Config { bind: bind.clone(), ..Relay::config(1) };
    let relay = Relay::start_with(config).await;
    for [first, second] in [
        [Way::Udp(V4), Way::Udp(V6)],
        [Way::Udp(OTHER_V4), Way::Tcp(V6)],
        [Way::Tcp(OTHER_V4), Way::Udp(V6)],
    ] {
        let room = CallId::generate();
        let [mut one, mut two] = pair(&relay, room, [first, second]).await;
        for (traveller, way) in [(&mut one, first), (&mut two, second)] {
            assert_eq!(missing(&traveller.receive(25).await), 0);
            let (Way::Udp(ip) | Way::Tcp(ip)) = way;
            let reached = traveller.reached.borrow().map(|address| address.ip());
            assert!(reached.is_some_and(|reached| reached.is_ipv4() == ip.is_ipv4()));
        }
        assert_eq!(relay.request(&SfuRequest::Close { room }).await, Ok(SfuReply::Done));
        one.close().await;
        two.close().await;
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_to_another_network_loses_no_word() {
    let relay = Relay::start_with(Config { bind: vec![V4, V6], ..Relay::config(1) }).await;
    let room = CallId::generate();
    let [mut one, mut two] = pair(&relay, room, [Way::Udp(V4), Way::Udp(V4)]).await;
    for way in [Way::Udp(V6), Way::Tcp(V4), Way::Udp(V4)] {
        one.restart(&relay, room, way).await;
        let (from_one, from_two) = (*one.sent.borrow(), *two.sent.borrow());
        // Sound from before, through and after the move.
        let heard_by_two = two.receive_until(from_one + 100).await;
        assert_eq!(missing(&heard_by_two), 0, "{way:?}: {heard_by_two:?}");
        let heard_by_one = one.receive_until(from_two + 100).await;
        assert_eq!(missing(&heard_by_one), 0, "{way:?}: {heard_by_one:?}");
        let (Way::Udp(ip) | Way::Tcp(ip)) = way;
        one.until_reached(ip).await;
    }
    one.close().await;
    two.close().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_port_in_the_middle_of_the_call_is_learnt() {
    let relay = Relay::start(1).await;
    let room = CallId::generate();
    let [mut one, mut two] = pair(&relay, room, [Way::Udp(V4), Way::Udp(V4)]).await;
    let before = *one.sent.borrow();
    one.move_port().await;
    // Media of an unknown port is nobody's until ICE has proved it: that is the client's
    // next check, and both directions go on then.
    let heard = two.receive_until(before + 1).await;
    assert!(!heard.is_empty());
    let from_two = *two.sent.borrow();
    one.receive_until(from_two + 1).await;
    one.close().await;
    two.close().await;
    relay.stop().await;
}

/// The media address in the answer to an offer.
async fn tcp_address(relay: &Relay) -> SocketAddr {
    let traveller = Traveller::join(relay, CallId::generate(), Way::Tcp(V4)).await;
    let mut reached = traveller.reached.clone();
    let address = reached.wait_for(Option::is_some);
    let address = tokio::time::timeout(PATIENCE, address).await.expect("it connects");
    let address = address.expect("it runs").expect("it waited for this");
    traveller.close().await;
    address
}

/// Reads until the relay closes the connection.
fn closed(mut stream: TcpStream) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).expect("a usable socket");
    matches!(stream.read(&mut [0; 64]), Ok(0)) || {
        let reset = stream.read(&mut [0; 64]).map_err(|error| error.kind());
        reset == Err(std::io::ErrorKind::ConnectionReset)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_by_tcp_are_bounded_in_number_time_and_bytes() {
    let config = Config {
        max_tcp_connections: 4,
        max_tcp_connections_per_address: 3,
        tcp_unproven_s: 1,
        ..Relay::config(1)
    };
    let relay = Relay::start_with(config).await;
    let address = tcp_address(&relay).await;
    relay.until_metric("housecall_sfu_tcp_connections", 0.0).await;
    let connect = move || TcpStream::connect(address).expect("the relay listens");

    tokio::task::spawn_blocking(move || {
        // Another protocol, at its first bytes.
        let mut stranger = connect();
        stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("it is taken");
        assert!(closed(stranger));
        // Well framed, but nobody: for its silence, or for its many words.
        let silent = connect();
        let mut loud = connect();
        let frame = [&200_u16.to_be_bytes()[..], &[0; 200]].concat();
        // Closed in the middle of it, perhaps.
        let _ = loud.write_all(&frame.repeat(40));
        assert!(closed(loud));
        assert!(closed(silent));
        // More than one address may have.
        let many: Vec<_> = (0..8).map(|_| connect()).collect();
        for stream in many {
            assert!(closed(stream));
        }
    })
    .await
    .expect("no panic");
    relay.until_metric("housecall_sfu_tcp_connections", 0.0).await;
    assert!(relay.metric("housecall_sfu_tcp_refused_total") >= 5.0);
    assert!(relay.metric("housecall_sfu_tcp_closed_total{reason=\"framing\"}") >= 1.0);
    assert!(relay.metric("housecall_sfu_tcp_closed_total{reason=\"unproven\"}") >= 2.0);
    // And the port still serves.
    tcp_address(&relay).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tcp_nobody_listens() {
    let relay = Relay::start_with(Config { tcp: false, ..Relay::config(1) }).await;
    let room = CallId::generate();
    let [one, two] = pair(&relay, room, [Way::Udp(V4), Way::Udp(V4)]).await;
    let address = one.reached.borrow().expect("connected");
    let refused = tokio::task::spawn_blocking(move || {
        TcpStream::connect_timeout(&address, Duration::from_secs(5)).map_err(|error| error.kind())
    });
    let refused = refused.await.expect("no panic").err();
    assert_eq!(refused, Some(std::io::ErrorKind::ConnectionRefused));
    one.close().await;
    two.close().await;
    relay.stop().await;
}
