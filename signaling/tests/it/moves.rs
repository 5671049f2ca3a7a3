//! Calls whose relay goes: the room moves to another, and its people with it.

use housecall_protocol::cluster::SfuEvent;
use housecall_protocol::{CallId, NodeId};
use housecall_signaling::{CallConfig, Config};
use serde_json::json;

use crate::calls::talk;
use crate::client::Client;
use crate::house::{House, Person};
use crate::relay::Relay;

fn attentive() -> Config {
    Config { call: CallConfig { beat_s: 1, ..CallConfig::default() }, ..Config::default() }
}

/// Waits for the word that the call has moved and offers a new peer connection.
async fn follows(client: &mut Client, call: CallId, name: &str) {
    let moved = client.event("call.moved").await;
    assert_eq!(moved["call"], call.to_string());
    let sdp = format!("v=0\r\na=fingerprint:sha-256 {name}\r\n");
    let answer = client.request("call.offer", json!({"call": call, "sdp": sdp})).await;
    assert_eq!(answer["data"]["sdp"], format!("answer to {sdp}"), "{answer}");
}

async fn relay_of(house: &House, call: CallId) -> NodeId {
    let client = house.db.pool.get().await.unwrap();
    let query = "SELECT relay_node FROM crm.calls WHERE id = $1";
    NodeId(client.query_one(query, &[&call.0]).await.unwrap().get(0))
}

/// What the new relay was told of somebody who came.
fn came(person: Person) -> [String; 3] {
    let id = person.id;
    [format!("leave {id}"), format!("join {id}"), format!("media {id} camera=true")]
}

#[tokio::test]
async fn a_call_goes_on_at_another_relay_when_its_own_is_gone() {
    let house = House::with(attentive()).await;
    let mut lost = Relay::new(&house.bus).await;
    let mut doctor = house.connect(house.doctor).await;
    let mut patient = house.connect(house.patient).await;
    let call = talk(&house, &lost, &mut doctor, &mut patient).await;
    let spare = Relay::new(&house.bus).await;
    lost.dies().await;

    follows(&mut doctor, call, "doctor").await;
    follows(&mut patient, call, "patient").await;
    spare.media_flows(call, [house.doctor.id, house.patient.id]).await;
    let back = |view: &serde_json::Value| {
        let side = |name: &str| view[name]["reconnecting"] == json!(false);
        view["state"] == "active" && side("caller") && side("callee")
    };
    doctor.call_when(back).await;
    // Each is told to the new relay whole, with the accept that it has not heard of.
    let asked = spare.asked();
    for person in [house.doctor, house.patient] {
        for word in came(person) {
            assert!(asked.contains(&word), "{word}: {asked:?}");
        }
    }
    assert!(asked.contains(&"forward true".to_owned()), "{asked:?}");
    assert_eq!(relay_of(&house, call).await, spare.node);
    doctor.request("call.hang_up", json!({"call": call})).await;
    spare.was_asked(&format!("close {call}")).await;
    assert_eq!(house.end_reason(call).await.as_deref(), Some("hung_up"));
}

#[tokio::test]
async fn a_relay_that_stops_keeps_the_room_until_all_have_moved() {
    let house = House::new().await;
    let old = Relay::new(&house.bus).await;
    let mut doctor = house.connect(house.doctor).await;
    let mut patient = house.connect(house.patient).await;
    let call = talk(&house, &old, &mut doctor, &mut patient).await;
    let new = Relay::new(&house.bus).await;
    old.drains(call).await;

    follows(&mut doctor, call, "doctor").await;
    let connected =
        |person: Person| SfuEvent::Connected { participant: person.id, ice_ms: 1, dtls_ms: 1 };
    new.says(call, connected(house.doctor)).await;
    new.was_asked("forward true").await;
    let close = format!("close {call}");
    assert!(!old.asked().contains(&close), "the patient still hears by it");
    follows(&mut patient, call, "patient").await;
    new.media_flows(call, [house.doctor.id, house.patient.id]).await;
    old.was_asked(&close).await;
    // What the old one says by then is of no interest.
    old.says(call, SfuEvent::RoomClosed).await;
    doctor.request("call.hang_up", json!({"call": call})).await;
    assert_eq!(house.end_reason(call).await.as_deref(), Some("hung_up"));
}

#[tokio::test]
async fn without_another_relay_the_call_waits_for_one() {
    let house = House::with(attentive()).await;
    let mut lost = Relay::new(&house.bus).await;
    let mut doctor = house.connect(house.doctor).await;
    let mut patient = house.connect(house.patient).await;
    let call = talk(&house, &lost, &mut doctor, &mut patient).await;
    lost.dies().await;
    doctor.call_when(|view| view["caller"]["reconnecting"] == json!(true)).await;
    let late = Relay::new(&house.bus).await;
    follows(&mut patient, call, "patient").await;
    late.was_asked(&format!("join {}", house.patient.id)).await;
    assert_eq!(house.end_reason(call).await, None);
}
