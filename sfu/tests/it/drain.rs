//! A relay that is told to stop: no new rooms, and time for those it has.

use std::net::{IpAddr, Ipv4Addr};

use housecall_platform::bus::BusError;
use housecall_protocol::client::ErrorCode;
use housecall_protocol::cluster::{Answer, Placement, SfuEvent, SfuReply, SfuRequest, subject};
use housecall_protocol::ids::{CallId, PersonId};
use housecall_protocol::media::ParticipantRole;
use housecall_sfu::Config;

use crate::relay::{PATIENCE, Relay};
use crate::traveller::{Traveller, Way};

const UDP: Way = Way::Udp(IpAddr::V4(Ipv4Addr::LOCALHOST));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_finish_and_no_new_one_begins() {
    // Longer than any test: what ends it is that the room has gone.
    let relay = Relay::start_with(Config { drain_s: 3_600, ..Relay::config(2) }).await;
    let room = CallId::generate();
    let mut events = relay.events(room).await;
    let mut one = Traveller::join(&relay, room, UDP).await;
    let mut two = Traveller::join(&relay, room, UDP).await;
    let open = SfuRequest::SetForwarding { room, forwarding: true };
    assert_eq!(relay.request(&open).await, Ok(SfuReply::Done));
    one.receive(10).await;
    assert!(relay.check(room).await.is_empty());
    let unknown = CallId::generate();
    assert_eq!(relay.check(unknown).await, [unknown]);

    relay.begin_stop();
    events.until("the word to move", |seen| seen.contains(&SfuEvent::Moving)).await;
    let placed = relay.bus.request::<_, Answer<Placement>>(subject::SFU_PLACE, &(), PATIENCE).await;
    assert!(matches!(placed, Err(BusError::NoResponders { .. })), "{placed:?}");
    let (participant, sdp) = (PersonId::generate(), String::new());
    let role = ParticipantRole::Member;
    let join = SfuRequest::Join { room: unknown, participant, sdp, role };
    let refused = relay.request(&join).await.map_err(|refusal| refusal.code);
    assert_eq!(refused, Err(ErrorCode::Unavailable));

    // The room it has goes on, and lets its own people come back.
    let from_two = *two.sent.borrow();
    one.receive_until(from_two + 25).await;
    one.restart(&relay, room, UDP).await;
    two.receive(25).await;
    assert_eq!(relay.request(&SfuRequest::Close { room }).await, Ok(SfuReply::Done));
    relay.stop().await;
    one.close().await;
    two.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_does_not_go_is_closed_in_the_end() {
    let relay = Relay::start(1).await;
    let room = CallId::generate();
    let mut events = relay.events(room).await;
    let one = Traveller::join(&relay, room, UDP).await;
    relay.stop().await;
    events.until("the end", |seen| seen.contains(&SfuEvent::RoomClosed)).await;
    assert!(events.seen.contains(&SfuEvent::Moving));
    one.close().await;
}
