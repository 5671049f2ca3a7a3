//! Calls from end to end: two people, two gateways, the database, a relay on the bus.

use housecall_protocol::CallId;
use housecall_protocol::cluster::SfuEvent;
use housecall_protocol::domain::{MediaSlot, TrackSource};
use housecall_signaling::{CallConfig, Config};
use serde_json::{Value, json};

use crate::client::Client;
use crate::house::House;
use crate::relay::Relay;

const ON: &str = r#"{"microphone": true, "camera": true, "screen": false}"#;

pub(crate) fn media() -> Value {
    serde_json::from_str(ON).unwrap()
}

pub(crate) fn start(house: &House) -> Value {
    json!({"subject": {"kind": "consultation", "id": house.consultation}, "media": "video",
           "state": media(), "sdp": "caller's offer"})
}

fn call_id(view: &Value) -> CallId {
    view["id"].as_str().unwrap().parse().unwrap()
}

/// The doctor calls, the patient's device rings.
async fn ring(house: &House, doctor: &mut Client, patient: &mut Client) -> CallId {
    let started = doctor.request("call.start", start(house)).await;
    assert_eq!(started["type"], "call.started", "{started}");
    assert_eq!(started["data"]["sdp"], "answer to caller's offer");
    let incoming = patient.event("call.incoming").await;
    assert_eq!(incoming["call"]["state"], "ringing");
    assert_eq!(incoming["call"]["caller"]["name"], "Илья");
    call_id(&incoming["call"])
}

async fn accept(patient: &mut Client, call: CallId) -> Value {
    let offer = json!({"call": call, "sdp": "callee's offer"});
    let answer = patient.request("call.prepare", offer).await;
    assert_eq!(answer["data"]["sdp"], "answer to callee's offer", "{answer}");
    patient.request("call.accept", json!({"call": call, "state": media()})).await
}

/// A call that both talk in.
pub(crate) async fn talk(
    house: &House,
    relay: &Relay,
    doctor: &mut Client,
    patient: &mut Client,
) -> CallId {
    let call = ring(house, doctor, patient).await;
    assert_eq!(accept(patient, call).await["type"], "ok");
    doctor.call_state("connecting").await;
    relay.media_flows(call, [house.doctor.id, house.patient.id]).await;
    doctor.call_state("active").await;
    patient.call_state("active").await;
    call
}

#[tokio::test]
async fn a_call_rings_is_answered_and_ends_with_a_record() {
    let house = House::new().await;
    let relay = Relay::new(&house.bus).await;
    let mut doctor = house.connect(house.doctor).await;
    let mut patient = house.connect(house.patient).await;
    let call = talk(&house, &relay, &mut doctor, &mut patient).await;
    let (d, p) = (house.doctor.id, house.patient.id);

    let slots = vec![MediaSlot {
        mid: "1".to_owned(),
        person: Some(d),
        source: Some(TrackSource::Camera),
        pause: None,
    }];
    relay.says(call, SfuEvent::Slots { participant: p, slots }).await;
    assert_eq!(patient.event("call.slots").await["slots"][0]["source"], "camera");
    relay
        .says(call, SfuEvent::OfferNeeded { participant: p, audio_slots: 1, video_slots: 2 })
        .await;
    assert_eq!(patient.event("call.offer_needed").await["video_slots"], 2);
    let offer = json!({"call": call, "sdp": "more"});
    assert_eq!(patient.request("call.offer", offer).await["data"]["sdp"], "answer to more");

    let mute =
        json!({"call": call, "state": {"microphone": true, "camera": false, "screen": false}});
    assert_eq!(doctor.request("call.media", mute).await["type"], "ok");
    let seen = patient.call_state("active").await;
    assert_eq!(seen["caller"]["media"]["camera"], false);
    relay.was_asked(&format!("media {d} camera=false")).await;

    let report = json!({"call": call, "first_frame_ms": 120, "loss_percent": 1.5});
    assert_eq!(patient.request("call.report", report).await["type"], "ok");
    assert_eq!(patient.request("call.hang_up", json!({"call": call})).await["type"], "ok");
    assert_eq!(doctor.call_state("ended").await["ended"], "hung_up");
    assert_eq!(patient.call_state("ended").await["ended"], "hung_up");
    assert!(patient.event("chat.head").await["head_seq"].as_i64().unwrap() > 0);
    assert_eq!(doctor.event("changed").await["topic"], "consultations");
    assert_eq!(house.call_records().await, ["hung_up"]);
    relay.was_asked(&format!("close {call}")).await;

    let asked = relay.asked();
    let at = |what: &str| asked.iter().position(|one| one == what);
    assert!(at(&format!("join {p}")) < at("forward true"), "{asked:?}");
    let client = house.db.pool.get().await.unwrap();
    let row = client.query_one("SELECT accepted_at IS NOT NULL FROM crm.calls", &[]).await.unwrap();
    assert!(row.get::<_, bool>(0), "the accept is recorded");
    // To hang up again is no error, to accept is.
    assert_eq!(doctor.request("call.hang_up", json!({"call": call})).await["type"], "ok");
    let late = patient.request("call.accept", json!({"call": call, "state": media()})).await;
    assert_eq!(late["data"]["code"], "conflict");
}

#[tokio::test]
async fn of_two_devices_exactly_one_accepts_and_the_other_stops_ringing() {
    let house = House::new().await;
    let _relay = Relay::new(&house.bus).await;
    let elsewhere = house.second_gateway(Config::default()).await;
    let mut doctor = house.connect(house.doctor).await;
    let mut phone = house.connect(house.patient).await;
    let mut tablet = house.connect_to(elsewhere, house.patient).await;
    let call = ring(&house, &mut doctor, &mut phone).await;
    tablet.event("call.incoming").await;
    let accept = json!({"call": call, "state": media(), "sdp": "offer"});
    let (first, second) = tokio::join!(
        phone.request("call.accept", accept.clone()),
        tablet.request("call.accept", accept.clone())
    );
    let (won, lost) =
        if first["type"] == "call.answer" { (first, second) } else { (second, first) };
    assert_eq!(won["type"], "call.answer");
    assert_eq!(lost["data"]["code"], "conflict", "{lost}");
    for device in [&mut phone, &mut tablet, &mut doctor] {
        device.call_state("connecting").await;
    }
}

#[tokio::test]
async fn declined_cancelled_and_unanswered_calls_are_recorded_as_such() {
    let call = CallConfig { ring_s: 1, ..CallConfig::default() };
    let house = House::with(Config { call, ..Config::default() }).await;
    let _relay = Relay::new(&house.bus).await;
    let mut doctor = house.connect(house.doctor).await;
    let mut patient = house.connect(house.patient).await;

    let call = ring(&house, &mut doctor, &mut patient).await;
    let refused = doctor.request("call.decline", json!({"call": call})).await;
    assert_eq!(refused["data"]["code"], "forbidden");
    assert_eq!(patient.request("call.decline", json!({"call": call})).await["type"], "ok");
    assert_eq!(doctor.call_state("ended").await["ended"], "declined");

    let call = ring(&house, &mut doctor, &mut patient).await;
    assert_eq!(doctor.request("call.hang_up", json!({"call": call})).await["type"], "ok");
    patient.call_state("ended").await;
    assert_eq!(patient.call_state("ended").await["ended"], "cancelled");

    ring(&house, &mut doctor, &mut patient).await;
    patient.call_state("ended").await;
    assert_eq!(house.call_records().await, ["declined", "cancelled", "no_answer"]);
}

#[tokio::test]
async fn who_is_in_a_call_is_busy() {
    let house = House::new().await;
    let _relay = Relay::new(&house.bus).await;
    let mut doctor = house.connect(house.doctor).await;
    let mut patient = house.connect(house.patient).await;
    let call = ring(&house, &mut doctor, &mut patient).await;
    // The callee cannot start one of their own.
    assert_eq!(patient.request("call.start", start(&house)).await["data"]["code"], "conflict");
    // Another doctor with a callback of this patient finds them busy.
    let callback = uuid::Uuid::now_v7();
    house
        .sql(&format!(
            "INSERT INTO crm.callbacks (id, conversation_id, patient_id, state, reason, operator_id,
                                        taken_at)
             VALUES ('{callback}', '{}', '{}', 'in_progress', 'x', '{}', now())",
            house.conversation, house.patient.id, house.other_doctor.id
        ))
        .await;
    let mut other = house.connect(house.other_doctor).await;
    let attempt = json!({"subject": {"kind": "callback", "id": callback}, "media": "audio",
                         "state": media(), "sdp": "offer"});
    assert_eq!(other.request("call.start", attempt).await["data"]["code"], "busy");
    assert_eq!(house.call_records().await, ["busy"]);
    other.find(|frame| frame["type"] == "changed" && frame["data"]["topic"] == "callbacks").await;
    // The first call still rings.
    assert_eq!(patient.request("call.decline", json!({"call": call})).await["type"], "ok");
}

#[tokio::test]
async fn only_those_it_concerns_may_call() {
    let house = House::new().await;
    let _relay = Relay::new(&house.bus).await;
    let mut other = house.connect(house.other_doctor).await;
    assert_eq!(other.request("call.start", start(&house)).await["data"]["code"], "not_found");
    let mut doctor = house.connect(house.doctor).await;
    let mut patient = house.connect(house.patient).await;
    let call = ring(&house, &mut doctor, &mut patient).await;
    for kind in ["call.hang_up", "call.decline"] {
        let answer = other.request(kind, json!({"call": call})).await;
        assert_eq!(answer["data"]["code"], "not_found", "{kind}");
    }
    assert_eq!(house.end_reason(call).await, None);
    patient.request("call.decline", json!({"call": call})).await;
    let consultation = house.consultation;
    house
        .sql(&format!(
            "UPDATE crm.consultations SET state = 'closed', closed_at = now()
             WHERE id = '{consultation}'"
        ))
        .await;
    assert_eq!(doctor.request("call.start", start(&house)).await["data"]["code"], "conflict");
}

#[tokio::test]
async fn without_a_relay_nothing_rings() {
    let house = House::new().await;
    let mut doctor = house.connect(house.doctor).await;
    assert_eq!(doctor.request("call.start", start(&house)).await["data"]["code"], "unavailable");
    assert!(house.call_records().await.is_empty());
}

#[tokio::test]
async fn a_lost_websocket_does_not_end_a_call_and_the_next_one_continues_it() {
    let house = House::new().await;
    let relay = Relay::new(&house.bus).await;
    let elsewhere = house.second_gateway(Config::default()).await;
    let mut doctor = house.connect(house.doctor).await;
    let mut patient = house.connect(house.patient).await;
    let call = talk(&house, &relay, &mut doctor, &mut patient).await;
    patient.leave().await;
    assert_eq!(doctor.call_state("active").await["callee"]["reconnecting"], true);
    let mut back = house.connect_to(elsewhere, house.patient).await;
    let view = &back.welcome["data"]["calls"][0];
    assert_eq!((&view["id"], &view["state"]), (&json!(call), &json!("active")));
    assert_eq!(view["callee"]["reconnecting"], false);
    assert_eq!(doctor.call_state("active").await["callee"]["reconnecting"], false);
    // A page that was reloaded has lost its peer connection: it joins anew.
    let offer = json!({"call": call, "sdp": "a=fingerprint:sha-256 AA"});
    assert_eq!(back.request("call.offer", offer).await["type"], "call.answer");
    relay.was_asked(&format!("leave {}", house.patient.id)).await;
    assert_eq!(back.request("call.hang_up", json!({"call": call})).await["type"], "ok");
    assert_eq!(doctor.call_state("ended").await["ended"], "hung_up");
}

#[tokio::test]
async fn a_call_rings_on_a_device_that_connects_later() {
    let house = House::new().await;
    let _relay = Relay::new(&house.bus).await;
    let mut doctor = house.connect(house.doctor).await;
    let started = doctor.request("call.start", start(&house)).await;
    let call = call_id(&started["data"]["call"]);
    let mut patient = house.connect(house.patient).await;
    let view = &patient.welcome["data"]["calls"][0];
    assert_eq!((&view["id"], &view["state"]), (&json!(call), &json!("ringing")));
    assert_eq!(accept(&mut patient, call).await["type"], "ok");
    doctor.call_state("connecting").await;
}

#[tokio::test]
async fn a_side_that_is_gone_for_good_ends_the_call() {
    let call = CallConfig { away_s: 1, ..CallConfig::default() };
    let house = House::with(Config { call, ..Config::default() }).await;
    let relay = Relay::new(&house.bus).await;
    let mut doctor = house.connect(house.doctor).await;
    let mut patient = house.connect(house.patient).await;
    let call = talk(&house, &relay, &mut doctor, &mut patient).await;
    patient.leave().await;
    relay.says(call, SfuEvent::Disconnected { participant: house.patient.id }).await;
    assert_eq!(doctor.call_state("ended").await["ended"], "connection_lost");
    assert_eq!(house.call_records().await, ["connection_lost"]);
}

#[tokio::test]
async fn a_call_whose_owner_is_gone_is_ended_by_another() {
    let call = CallConfig { beat_s: 1, owner_lost_s: 2, ..CallConfig::default() };
    let house = House::with(Config { call, ..Config::default() }).await;
    let mut patient = house.connect(house.patient).await;
    let orphan = CallId::generate();
    house
        .sql(&format!(
            "INSERT INTO crm.calls (id, conversation_id, consultation_id, caller_id, callee_id,
                                    media, owner_node, owner_seen_at)
                 VALUES ('{orphan}', '{}', '{}', '{}', '{}', 'video', '{}', now() - interval '1 min');
             INSERT INTO crm.call_parties (person_id, call_id) VALUES ('{}', '{orphan}');",
            house.conversation,
            house.consultation,
            house.doctor.id,
            house.patient.id,
            uuid::Uuid::now_v7(),
            house.patient.id,
        ))
        .await;
    let ended = patient.call_state("ended").await;
    assert_eq!((call_id(&ended), &ended["ended"]), (orphan, &json!("failed")));
    assert_eq!(house.call_records().await, ["failed"]);
}

#[tokio::test]
async fn a_call_that_another_ended_in_the_database_stops_here_too() {
    let call = CallConfig { beat_s: 1, ..CallConfig::default() };
    let house = House::with(Config { call, ..Config::default() }).await;
    let relay = Relay::new(&house.bus).await;
    let mut doctor = house.connect(house.doctor).await;
    let mut patient = house.connect(house.patient).await;
    let call = ring(&house, &mut doctor, &mut patient).await;
    house.sql(&format!("SELECT * FROM crm.finish_call('{call}', 'failed')")).await;
    doctor.call_state("ended").await;
    patient.call_state("ended").await;
    relay.was_asked(&format!("close {call}")).await;
    assert_eq!(house.call_records().await, ["failed"], "recorded once");
}

#[tokio::test]
async fn a_stop_ends_the_calls_before_the_connections() {
    let house = House::new().await;
    let relay = Relay::new(&house.bus).await;
    let mut doctor = house.connect(house.doctor).await;
    let mut patient = house.connect(house.patient).await;
    talk(&house, &relay, &mut doctor, &mut patient).await;
    let told = async {
        assert_eq!(doctor.call_state("ended").await["ended"], "failed");
        assert_eq!(patient.call_state("ended").await["ended"], "failed");
        doctor.close_code().await;
        patient.close_code().await;
    };
    tokio::join!(house.stop(), told);
    assert_eq!(house.call_records().await, ["failed"]);
}

#[tokio::test]
async fn a_callback_that_was_talked_is_done_and_an_unanswered_one_returns() {
    let house = House::new().await;
    let relay = Relay::new(&house.bus).await;
    let callback = uuid::Uuid::now_v7();
    house
        .sql(&format!(
            "INSERT INTO crm.callbacks (id, conversation_id, patient_id, state, reason, operator_id,
                                        taken_at)
             VALUES ('{callback}', '{}', '{}', 'in_progress', 'x', '{}', now())",
            house.conversation, house.patient.id, house.doctor.id
        ))
        .await;
    let state = async || -> String {
        let client = house.db.pool.get().await.unwrap();
        let query = "SELECT state FROM crm.callbacks";
        client.query_one(query, &[]).await.unwrap().get(0)
    };
    let start = json!({"subject": {"kind": "callback", "id": callback}, "media": "audio",
                       "state": media(), "sdp": "offer"});
    let mut doctor = house.connect(house.doctor).await;
    let mut patient = house.connect(house.patient).await;
    let refused = patient.request("call.start", start.clone()).await;
    assert_eq!(refused["data"]["code"], "forbidden");
    doctor.request("call.start", start.clone()).await;
    let call = call_id(&patient.event("call.incoming").await["call"]);
    patient.request("call.decline", json!({"call": call})).await;
    assert_eq!(state().await, "new");
    house
        .sql(&format!(
            "UPDATE crm.callbacks SET state = 'in_progress', operator_id = '{}'",
            house.doctor.id
        ))
        .await;
    doctor.request("call.start", start).await;
    let call = call_id(&patient.event("call.incoming").await["call"]);
    accept(&mut patient, call).await;
    relay.media_flows(call, [house.doctor.id, house.patient.id]).await;
    patient.call_state("active").await;
    doctor.request("call.hang_up", json!({"call": call})).await;
    assert_eq!(state().await, "done");
}
