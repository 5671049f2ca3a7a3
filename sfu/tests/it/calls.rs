//! A call between two peers of the `webrtc` crate.

use housecall_protocol::client::ErrorCode;
use housecall_protocol::cluster::{SfuEvent, SfuReply, SfuRequest};
use housecall_protocol::domain::{MediaState, TrackSource};
use housecall_protocol::ids::{CallId, PersonId};
use housecall_protocol::media::ParticipantRole;
use housecall_sfu::{Config, StartError};

use crate::peer::{Peer, Received, message};
use crate::relay::{Relay, context};

fn connected(events: &[SfuEvent], person: PersonId) -> bool {
    events.iter().any(
        |event| matches!(event, SfuEvent::Connected { participant, .. } if *participant == person),
    )
}

/// Checks that packets are whole, of the right sender, in order and sent after `earliest`.
fn check(packets: &[Received], prefix: &[u8], from: PersonId, earliest: u32) {
    let mut last: Option<(u16, u32)> = None;
    for packet in packets {
        let content = packet.payload.strip_prefix(prefix).expect("the codec's own bytes");
        let (_, number) = content.split_last_chunk::<4>().expect("a number");
        let number = u32::from_be_bytes(*number);
        assert_eq!(content, message(from, number), "content arrives as it was sent");
        assert!(number >= earliest, "packet {number} was sent before {earliest}");
        if let Some((last_sequence, last_number)) = last {
            assert!(number > last_number);
            let step = packet.sequence_number.wrapping_sub(last_sequence);
            assert_eq!(u32::from(step), number - last_number, "numbers keep their distance");
        }
        last = Some((packet.sequence_number, number));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_peers_receive_each_other_once_forwarding_is_on() {
    let relay = a_call(Relay::config(2)).await;
    assert_eq!(relay.metric("housecall_sfu_relayed_packets_total"), 0.0);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_do_two_at_different_workers() {
    let config = Config { room_participants_per_worker: 1, ..Relay::config(2) };
    let relay = a_call(config).await;
    assert!(relay.metric("housecall_sfu_relayed_packets_total") >= 200.0);
    relay.stop().await;
}

/// A call of two until its end; the relay it took place at.
async fn a_call(config: Config) -> Relay {
    let relay = Relay::start_with(config).await;
    assert_eq!(relay.place().await, relay.node);
    let room = CallId::generate();
    let mut events = relay.events(room).await;
    let mut one = Peer::join(&relay, room, 1_000).await;
    let mut two = Peer::join(&relay, room, 2_000).await;
    let (first, second) = (one.person, two.person);
    events
        .until("both connections", |seen| connected(seen, first) && connected(seen, second))
        .await;
    assert!(relay.metric("housecall_sfu_join_milliseconds_count") >= 2.0);

    // Both have sent for a while; none of it may arrive, now or later.
    let ahead = (*one.sent.borrow()).max(*two.sent.borrow()) + 25;
    one.wait_until_sent(ahead).await;
    two.wait_until_sent(ahead).await;
    assert!(!events.seen.iter().any(|event| matches!(event, SfuEvent::Flowing { .. })));
    let (from_one, from_two) = (*one.sent.borrow(), *two.sent.borrow());
    let done = relay.request(&SfuRequest::SetForwarding { room, forwarding: true }).await;
    assert_eq!(done, Ok(SfuReply::Done));

    // What was on its way to the relay at that moment may still be let through.
    let slack = 5;
    let (audio, video) = one.receive(50).await;
    check(&audio, b"", second, from_two - slack);
    check(&video, &[0x10, 0x00], second, from_two - slack);
    let (audio, video) = two.receive(50).await;
    check(&audio, b"", first, from_one - slack);
    check(&video, &[0x10, 0x00], first, from_one - slack);
    events
        .until("media to both", |seen| {
            [first, second]
                .iter()
                .all(|person| seen.contains(&SfuEvent::Flowing { participant: *person }))
        })
        .await;
    events
        .until("the slots of the first", |seen| {
            seen.iter().any(|event| match event {
                SfuEvent::Slots { participant, slots } if *participant == first => {
                    let carries = |source| {
                        slots
                            .iter()
                            .any(|slot| slot.person == Some(second) && slot.source == Some(source))
                    };
                    carries(TrackSource::Microphone) && carries(TrackSource::Camera)
                }
                _ => false,
            })
        })
        .await;
    events
        .until("a quality report", |seen| {
            seen.iter().any(|event| match event {
                SfuEvent::Quality { quality, .. } => {
                    quality.received_bps > 0 && quality.sent_bps > 0
                }
                _ => false,
            })
        })
        .await;
    assert!(relay.metric("housecall_sfu_forwarded_packets_total") >= 200.0);
    // Each packet of two peers came in a turn, in which others may have come as well.
    assert!(relay.metric("housecall_sfu_turn_milliseconds_count") >= 20.0);
    assert!(relay.metric("housecall_sfu_turn_milliseconds_sum") > 0.0);
    assert_eq!(relay.metric("housecall_sfu_participants"), 2.0);

    one.close().await;
    two.close().await;
    let done = relay.request(&SfuRequest::Close { room }).await;
    assert_eq!(done, Ok(SfuReply::Done));
    events.until("the end", |seen| seen.contains(&SfuEvent::RoomClosed)).await;
    relay.until_metric("housecall_sfu_rooms", 0.0).await;
    relay
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_spread_over_workers_and_requests_are_answered() {
    let relay = Relay::start(2).await;
    let rooms = [CallId::generate(), CallId::generate()];
    let one = Peer::join(&relay, rooms[0], 1_000).await;
    let two = Peer::join(&relay, rooms[1], 2_000).await;

    let media = MediaState::default();
    let participant = one.person;
    let done = relay.request(&SfuRequest::SetMedia { room: rooms[0], participant, media }).await;
    assert_eq!(done, Ok(SfuReply::Done));
    // A participant of the other room is not found in this one.
    let refused = relay
        .request(&SfuRequest::SetMedia { room: rooms[0], participant: two.person, media })
        .await;
    assert_eq!(refused.map_err(|refusal| refusal.code), Err(ErrorCode::NotFound));
    let room = CallId::generate();
    let refused = relay.request(&SfuRequest::SetForwarding { room, forwarding: true }).await;
    assert_eq!(refused.map_err(|refusal| refusal.code), Err(ErrorCode::NotFound));
    let sdp = "nonsense".to_owned();
    let refused = relay
        .request(&SfuRequest::Join { room, participant, sdp, role: ParticipantRole::Member })
        .await;
    assert_eq!(refused.map_err(|refusal| refusal.code), Err(ErrorCode::BadFrame));
    assert_eq!(relay.request(&SfuRequest::Close { room }).await, Ok(SfuReply::Done));

    // A relay that stops tells the owners of its rooms.
    let mut events = [relay.events(rooms[0]).await, relay.events(rooms[1]).await];
    relay.stop().await;
    for events in &mut events {
        events.until("the end", |seen| seen.contains(&SfuEvent::RoomClosed)).await;
    }
    one.close().await;
    two.close().await;
}

#[tokio::test]
async fn a_wrong_address_or_a_taken_port_is_named() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    let config = Config { port_base: port, workers: 1, ..Config::default() };
    let refused = housecall_sfu::start(context(), config).await.err();
    let message = refused.map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains(&port.to_string()) && message.contains("port_base"), "{message}");

    let bind = vec![std::net::Ipv4Addr::UNSPECIFIED.into()];
    let config = Config { bind, port_base: 0, workers: 1, ..Config::default() };
    let refused = housecall_sfu::start(context(), config).await.err();
    assert!(matches!(refused, Some(StartError::Unreachable { .. })), "{refused:?}");
}
