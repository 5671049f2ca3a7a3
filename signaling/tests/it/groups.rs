//! More than two in a call: guests, supervisors who listen, what the house mutes, and
//! what is kept of how the call was.

use housecall_protocol::cluster::{QualityReport, SfuEvent};
use housecall_protocol::domain::TrackSource;
use housecall_protocol::media::{MediaFault, Speaker};
use housecall_protocol::{CallId, PersonId};
use housecall_signaling::{CallConfig, Config};
use serde_json::{Value, json};

use crate::calls::{media, start, talk};
use crate::client::Client;
use crate::house::House;
use crate::relay::Relay;

struct Scene {
    house: House,
    relay: Relay,
    doctor: Client,
    patient: Client,
    call: CallId,
}

impl Scene {
    async fn with(config: Config) -> Self {
        let house = House::with(config).await;
        let relay = Relay::new(&house.bus).await;
        let mut doctor = house.connect(house.doctor).await;
        let mut patient = house.connect(house.patient).await;
        let call = talk(&house, &relay, &mut doctor, &mut patient).await;
        Self { house, relay, doctor, patient, call }
    }

    async fn new() -> Self {
        Self::with(Config::default()).await
    }

    async fn invite(&mut self, person: PersonId) -> Value {
        let invite = json!({"call": self.call, "person": person, "role": "member"});
        self.doctor.request("call.invite", invite).await
    }

    /// Who counts as being in a call.
    async fn taken(&self) -> Vec<PersonId> {
        let client = self.house.db.pool.get().await.unwrap();
        let rows = client.query("SELECT person_id FROM crm.call_parties", &[]).await.unwrap();
        rows.iter().map(|row| PersonId(row.get(0))).collect()
    }

    async fn audit(&self, action: &str) -> Vec<(PersonId, PersonId)> {
        let client = self.house.db.pool.get().await.unwrap();
        let query = "SELECT actor_id, patient_id FROM crm.audit_log WHERE action = $1";
        let rows = client.query(query, &[&action]).await.unwrap();
        rows.iter().map(|row| (PersonId(row.get(0)), PersonId(row.get(1)))).collect()
    }
}

/// The next `call.updated` of which this holds.
async fn sees(client: &mut Client, holds: impl Fn(&Value) -> bool) -> Value {
    let frame =
        client.find(|frame| frame["type"] == "call.updated" && holds(&frame["data"]["call"])).await;
    frame["data"]["call"].clone()
}

#[tokio::test]
async fn a_colleague_at_another_gateway_is_asked_in_joins_and_leaves() {
    let mut scene = Scene::new().await;
    let elsewhere = scene.house.second_gateway(Config::default()).await;
    let guest = scene.house.other_doctor;
    let mut colleague = scene.house.connect_to(elsewhere, guest).await;
    assert_eq!(scene.invite(guest.id).await["type"], "ok");
    let incoming = colleague.event("call.incoming").await["call"].clone();
    assert_eq!(incoming["guests"][0]["ringing"], true);
    assert_eq!(scene.audit("call.invite").await, [(scene.house.doctor.id, scene.house.patient.id)]);
    let call = scene.call;
    let accept = json!({"call": call, "state": media(), "sdp": "guest's offer"});
    let answer = colleague.request("call.accept", accept).await;
    assert_eq!(answer["data"]["sdp"], "answer to guest's offer", "{answer}");
    sees(&mut scene.patient, |view| view["guests"][0]["ringing"] == false).await;
    scene.relay.was_asked(&format!("join {}", guest.id)).await;

    // Who is in a call is in no other one.
    let busy = scene.invite(guest.id).await;
    assert_eq!(busy["data"]["code"], "conflict");
    assert_eq!(scene.taken().await.len(), 3);

    let data = json!({"call": call, "topic": "hand", "payload": {"raised": true}});
    assert_eq!(colleague.request("call.data", data).await["type"], "ok");
    let heard = scene.patient.event("call.data").await;
    assert_eq!((&heard["from"], &heard["payload"]), (&json!(guest.id), &json!({"raised": true})));

    assert_eq!(colleague.request("call.hang_up", json!({"call": call})).await["type"], "ok");
    sees(&mut colleague, |view| view["guests"] == json!([])).await;
    sees(&mut scene.doctor, |view| view["guests"] == json!([])).await;
    scene.relay.was_asked(&format!("leave {}", guest.id)).await;
    assert_eq!(scene.taken().await.len(), 2, "they are free for another call");
}

#[tokio::test]
async fn who_cannot_come_is_not_asked_in() {
    let mut scene = Scene::new().await;
    let admin = scene.house.admin.id;
    let stranger = PersonId::generate();
    for person in [admin, stranger, scene.house.patient.id] {
        let refused = scene.invite(person).await;
        let code = if person == scene.house.patient.id { "conflict" } else { "not_found" };
        assert_eq!(refused["data"]["code"], code, "{refused}");
    }
    let busy = scene.house.other_doctor.id;
    let elsewhere = format!(
        "INSERT INTO crm.calls (id, conversation_id, consultation_id, caller_id, callee_id, media,
                                owner_node)
         SELECT '{busy}', conversation_id, consultation_id, '{busy}', '{stranger}', 'audio', '{busy}'
         FROM crm.calls LIMIT 1"
    );
    let person = format!("INSERT INTO crm.people VALUES ('{stranger}', 'operator', 'x')");
    scene.house.sql(&person).await;
    scene.house.sql(&elsewhere).await;
    scene.house.sql(&format!("INSERT INTO crm.call_parties VALUES ('{busy}', '{busy}')")).await;
    assert_eq!(scene.invite(busy).await["data"]["code"], "busy");
}

#[tokio::test]
async fn a_supervisor_listens_unseen_and_is_in_the_audit_log() {
    let mut scene = Scene::new().await;
    let elsewhere = scene.house.second_gateway(Config::default()).await;
    let listen = json!({"call": scene.call, "sdp": "listener's offer"});
    let (supervisor, call) = (scene.house.supervisor, scene.call);
    let mut ears = scene.house.connect_to(elsewhere, supervisor).await;
    let started = ears.request("call.listen", listen.clone()).await;
    assert_eq!(started["type"], "call.started", "{started}");
    assert_eq!(started["data"]["sdp"], "answer to listener's offer");
    assert_eq!(started["data"]["call"]["guests"][0]["party"]["role"], "hidden");
    scene.relay.was_asked(&format!("join {} unseen", supervisor.id)).await;
    assert_eq!(scene.audit("call.listen").await, [(supervisor.id, scene.house.patient.id)]);

    let speakers = vec![Speaker { person: scene.house.patient.id, level: 90 }];
    scene.relay.says(call, SfuEvent::Speakers { speakers }).await;
    assert_eq!(ears.event("call.speakers").await["speakers"][0]["level"], 90);
    scene.patient.event("call.speakers").await;

    // Their page reloads: the call is found again, and joined anew.
    ears.leave().await;
    let mut ears = scene.house.connect(supervisor).await;
    assert_eq!(ears.welcome["data"]["calls"][0]["id"], json!(call));
    let offer = json!({"call": call, "sdp": "v=0\r\na=fingerprint:sha-256 AA\r\n"});
    assert_eq!(ears.request("call.offer", offer).await["type"], "call.answer");
    assert_eq!(ears.request("call.hang_up", json!({"call": call})).await["type"], "ok");
    assert_eq!(scene.taken().await.len(), 2);

    scene.doctor.request("call.hang_up", json!({"call": call})).await;
    for client in [&mut scene.doctor, &mut scene.patient] {
        let view = client.call_state("ended").await;
        assert_eq!(view["guests"], json!([]));
        let all = json!(client.unexpected()).to_string();
        assert!(!all.contains(&supervisor.id.to_string()), "{all}");
    }
}

#[tokio::test]
async fn nobody_else_listens() {
    let scene = Scene::new().await;
    let listen = json!({"call": scene.call, "sdp": "offer"});
    for person in [scene.house.other_doctor, scene.house.admin] {
        let mut client = scene.house.connect(person).await;
        let refused = client.request("call.listen", listen.clone()).await;
        assert_eq!(refused["data"]["code"], "forbidden", "{refused}");
    }
    assert_eq!(scene.audit("call.listen").await, []);
    let call = CallConfig { listen_in: false, ..CallConfig::default() };
    let scene = Scene::with(Config { call, ..Config::default() }).await;
    let mut supervisor = scene.house.connect(scene.house.supervisor).await;
    let listen = json!({"call": scene.call, "sdp": "offer"});
    assert_eq!(supervisor.request("call.listen", listen).await["data"]["code"], "forbidden");
}

#[tokio::test]
async fn the_doctor_mutes_and_the_relay_obeys_the_doctor() {
    let mut scene = Scene::new().await;
    let patient = scene.house.patient.id;
    let allowed = json!({"microphone": false, "camera": true, "screen": true});
    let mute = json!({"call": scene.call, "person": patient, "allowed": allowed});
    let refused = scene.patient.request("call.mute", mute.clone()).await;
    assert_eq!(refused["data"]["code"], "forbidden");
    assert_eq!(scene.doctor.request("call.mute", mute).await["type"], "ok");
    scene.relay.was_asked(&format!("allow {patient} microphone=false")).await;
    let view =
        sees(&mut scene.patient, |view| view["callee"]["allowed"]["microphone"] == false).await;
    assert_eq!(view["callee"]["media"]["microphone"], false);
    assert_eq!(view["callee"]["media"]["camera"], true);

    let tiles = json!({"call": scene.call, "tiles": [{"mid": "1", "width": 0, "height": 0}]});
    assert_eq!(scene.patient.request("call.tiles", tiles).await["type"], "ok");
    scene.relay.was_asked(&format!("tiles {patient} 1")).await;
}

#[tokio::test]
async fn how_it_was_is_kept_and_counted() {
    let mut scene = Scene::new().await;
    let (doctor, patient, call) = (scene.house.doctor.id, scene.house.patient.id, scene.call);
    let quality = QualityReport {
        loss_up: 0.25,
        rtt_ms: Some(64.0),
        received_bps: 800_000,
        ..QualityReport::default()
    };
    scene.relay.says(call, SfuEvent::Quality { participant: patient, quality }).await;
    scene.doctor.event("call.quality").await;
    scene
        .relay
        .says(
            call,
            SfuEvent::StuckMedia {
                participant: patient,
                source: TrackSource::Microphone,
                receiver: None,
                fault: MediaFault::NotArriving,
                over: false,
            },
        )
        .await;
    assert_eq!(scene.patient.event("call.trouble").await["fault"], "not_arriving");
    let track = json!({"source": "camera", "direction": "down", "person": doctor, "loss": 0.5,
                       "bitrate_bps": 500_000, "freezes": 2});
    let report = json!({"call": call, "first_frame_ms": 120, "loss_percent": 30.0, "rtt_ms": 64.0,
                        "freezes": 2, "path": "turn_tls", "tracks": [track]});
    assert_eq!(scene.patient.request("call.report", report).await["type"], "ok");
    let told = scene.patient.find(|frame| frame["data"]["mos"].is_number()).await;
    assert!(told["data"]["mos"].as_f64().unwrap() < 2.6, "{told}");
    scene.doctor.request("call.hang_up", json!({"call": call})).await;
    scene.patient.call_state("ended").await;

    let client = scene.house.db.pool.get().await.unwrap();
    let row = client
        .query_one(
            "SELECT mos_min, loss_up, rtt_ms, received_bps, freezes, first_frame_ms, path, tracks,
                    faults
             FROM crm.call_quality WHERE call_id = $1 AND person_id = $2",
            &[&call.0, &patient.0],
        )
        .await
        .unwrap();
    assert!(row.get::<_, f32>(0) < 2.6);
    let figures: [f32; 3] = [row.get(1), row.get(2), row.get(3)];
    assert_eq!(figures, [0.25, 64.0, 800_000.0]);
    assert_eq!((row.get::<_, i32>(4), row.get::<_, i32>(5)), (2, 120));
    assert_eq!(row.get::<_, &str>(6), "turn_tls");
    let tracks: Value = row.get(7);
    assert_eq!((&tracks[0]["source"], &tracks[0]["loss"]), (&json!("camera"), &json!(0.5)));
    let faults: Value = row.get(8);
    assert_eq!(faults, json!([{"source": "microphone", "fault": "not_arriving", "times": 1}]));
    let stuck = r#"housecall_call_stuck_total{fault="not_arriving",source="microphone"} 1"#;
    scene.house.metrics_say(stuck).await;
    scene.house.metrics_say("housecall_call_mos_count 1").await;
}

#[tokio::test]
async fn a_guest_of_an_ended_call_is_free() {
    let mut scene = Scene::new().await;
    let guest = scene.house.other_doctor;
    let mut colleague = scene.house.connect(guest).await;
    scene.invite(guest.id).await;
    colleague.event("call.incoming").await;
    scene.patient.request("call.hang_up", json!({"call": scene.call})).await;
    let view = colleague.call_state("ended").await;
    assert_eq!(view["guests"][0]["ringing"], true, "they see what it was that rang");
    assert_eq!(scene.taken().await, []);
    let again = scene.doctor.request("call.start", start(&scene.house)).await;
    assert_eq!(again["type"], "call.started");
}
