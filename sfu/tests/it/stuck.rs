//! Media that is stuck between real peers, as the owner of the call hears of it. The times
//! are the relay's own: a fault is said after six and fourteen seconds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use housecall_protocol::cluster::{SfuEvent, SfuReply, SfuRequest};
use housecall_protocol::domain::TrackSource;
use housecall_protocol::ids::{CallId, PersonId};
use housecall_protocol::media::MediaFault;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use crate::peer::Peer;
use crate::relay::{Events, Relay};

/// Payload types of RTCP, without the bit that is the marker of RTP (RFC 5761 section 4).
const RTCP: std::ops::RangeInclusive<u8> = 64..=95;

/// The network between one client and the relay.
struct Bridge {
    /// Media does not come through to the client; all else does.
    is_deaf: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Bridge {
    /// Puts itself into an answer in place of the relay.
    fn open(answer: &str) -> (Self, String) {
        let open = || {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
            socket.set_nonblocking(true).expect("a usable socket");
            UdpSocket::from_std(socket).expect("within the runtime")
        };
        let (near, far) = (open(), open());
        let port = near.local_addr().expect("bound").port().to_string();
        let (mut relay, mut bent) = (None, String::new());
        for line in answer.lines() {
            // RFC 8839 section 5.1: foundation, component, transport, priority, address, port.
            let mut fields: Vec<_> = line.split(' ').collect();
            if line.starts_with("a=candidate:") {
                if !fields[2].eq_ignore_ascii_case("udp") {
                    continue;
                }
                let ip = fields[4].parse().expect("an address");
                relay = Some(SocketAddr::new(ip, fields[5].parse().expect("a port")));
                fields[5] = &port;
            }
            bent.push_str(&fields.join(" "));
            bent.push_str("\r\n");
        }
        let is_deaf = Arc::new(AtomicBool::new(false));
        let relay = relay.expect("the relay has a UDP candidate");
        let task = tokio::spawn(carry(near, far, relay, Arc::clone(&is_deaf)));
        (Self { is_deaf, task }, bent)
    }

    fn set_deaf(&self, is_deaf: bool) {
        self.is_deaf.store(is_deaf, Ordering::Relaxed);
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(near: UdpSocket, far: UdpSocket, relay: SocketAddr, is_deaf: Arc<AtomicBool>) {
    let mut client = None;
    let (mut up, mut down) = ([0; 2_048], [0; 2_048]);
    loop {
        tokio::select! {
            Ok((length, from)) = near.recv_from(&mut up) => {
                client = Some(from);
                let _ = far.send_to(&up[..length], relay).await;
            }
            Ok((length, _)) = far.recv_from(&mut down) => {
                let media = matches!(down[0], 128..=191) && !RTCP.contains(&(down[1] & 0x7f));
                if let Some(client) = client.filter(|_| !media || !is_deaf.load(Ordering::Relaxed)) {
                    let _ = near.send_to(&down[..length], client).await;
                }
            }
        }
    }
}

async fn forward(relay: &Relay, room: CallId) {
    let done = relay.request(&SfuRequest::SetForwarding { room, forwarding: true }).await;
    assert_eq!(done, Ok(SfuReply::Done));
}

/// What is said of one sender's media on its way to one receiver.
struct Way {
    from: PersonId,
    to: PersonId,
    fault: MediaFault,
}

impl Way {
    fn said(&self, source: TrackSource, over: bool) -> SfuEvent {
        let (participant, receiver, fault) = (self.from, Some(self.to), self.fault);
        SfuEvent::StuckMedia { participant, source, receiver, fault, over }
    }

    async fn until_said(&self, events: &mut Events, source: TrackSource, over: bool) {
        let said = self.said(source, over);
        events.until("word of what is stuck", |seen| seen.contains(&said)).await;
    }

    /// Nothing else was said to be stuck.
    fn assert_alone(&self, events: &Events) {
        for event in &events.seen {
            let SfuEvent::StuckMedia { source, over, .. } = event else { continue };
            assert_eq!(event, &self.said(*source, *over));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_that_nobody_can_begin_with_is_named_for_whom() {
    let relay = Relay::start(1).await;
    let room = CallId::generate();
    let mut events = relay.events(room).await;
    let one = Peer::join(&relay, room, 1_000).await;
    one.keyframes.store(false, Ordering::Relaxed);
    let mut two = Peer::join(&relay, room, 2_000).await;
    forward(&relay, room).await;
    let way = Way { from: one.person, to: two.person, fault: MediaFault::NotForwarded };
    way.until_said(&mut events, TrackSource::Camera, false).await;

    one.keyframes.store(true, Ordering::Relaxed);
    way.until_said(&mut events, TrackSource::Camera, true).await;
    two.receive(25).await;
    way.assert_alone(&events);
    one.close().await;
    two.close().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_that_is_lost_on_its_way_to_one_is_named_for_them() {
    let relay = Relay::start(1).await;
    let room = CallId::generate();
    let mut events = relay.events(room).await;
    let mut one = Peer::join(&relay, room, 1_000).await;
    let mut bridge = None;
    let mut two = Peer::join_by(&relay, room, 2_000, |answer| {
        let (opened, bent) = Bridge::open(&answer);
        bridge = Some(opened);
        bent
    })
    .await;
    let bridge = bridge.expect("the relay answered");
    forward(&relay, room).await;
    two.receive(100).await;

    bridge.set_deaf(true);
    let way = Way { from: one.person, to: two.person, fault: MediaFault::NotReceived };
    way.until_said(&mut events, TrackSource::Microphone, false).await;
    // The other direction is as it was.
    one.receive(25).await;

    bridge.set_deaf(false);
    way.until_said(&mut events, TrackSource::Microphone, true).await;
    way.assert_alone(&events);
    one.close().await;
    two.close().await;
    relay.stop().await;
}
