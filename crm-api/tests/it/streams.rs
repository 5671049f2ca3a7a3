//! Links into media rooms: who makes them, how many, and what their end does.

use axum::http::Method;
use housecall_protocol::NodeId;
use housecall_protocol::cluster::{Answer, SfuReply, SfuRequest, subject};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::house::{House, Person};

struct Scene {
    house: House,
    patient: Person,
    doctor: Person,
    listener: Person,
    relay: Uuid,
    call: Uuid,
}

impl Scene {
    /// A running call with a supervisor who listens.
    async fn new() -> Self {
        let house = House::open_with(|config| config.stream_links_per_room = 3).await;
        let patient = house.patient("+79000000801").await;
        let doctor = house.operator("doctor", "doctor", None).await;
        let listener = house.operator("listener", "supervisor", None).await;
        let consultation = house.question(&patient).await;
        let claim = format!("/api/v1/consultations/{consultation}/claim");
        house.post(&claim, &doctor, json!({})).await.ok();
        let (call, relay) = (Uuid::now_v7(), Uuid::now_v7());
        let scene = Self { house, patient, doctor, listener, relay, call };
        scene
            .sql(&format!(
                "INSERT INTO crm.calls (id, conversation_id, consultation_id, caller_id, callee_id,
                                        media, owner_node, relay_node)
                 VALUES ('{call}', '{conversation}', '{consultation}', '{patient}', '{doctor}',
                         'video', '{doctor}', '{relay}');
                 INSERT INTO crm.call_guests (call_id, person_id, role, invited_by)
                 VALUES ('{call}', '{listener}', 'hidden', '{listener}');",
                conversation = scene.patient.conversation(),
                patient = scene.patient.id(),
                doctor = scene.doctor.id(),
                listener = scene.listener.id(),
            ))
            .await;
        scene
    }

    async fn sql(&self, script: &str) {
        let client = self.house.database.pool.get().await.expect("a connection");
        client.batch_execute(script).await.expect("the script runs");
    }

    fn path(&self) -> String {
        format!("/api/v1/calls/{}/stream-links", self.call)
    }

    async fn create(&self, person: &Person, direction: &str) -> crate::house::Reply {
        self.house.post(&self.path(), person, json!({ "direction": direction })).await
    }

    async fn revoke(&self, person: &Person, issued: &Value) -> crate::house::Reply {
        let path = format!("/api/v1/stream-links/{}", issued["link"]["id"].as_str().expect("id"));
        self.house.call(Method::DELETE, &path, Some(&person.token), None).await
    }
}

#[tokio::test]
async fn who_is_in_the_call_makes_links_and_who_listens_only_links_that_play() {
    let scene = Scene::new().await;
    let issued = scene.create(&scene.doctor, "publish").await.ok();
    let (link, token) = (&issued["link"], issued["token"].as_str().expect("a token"));
    let id = link["id"].as_str().expect("an id");
    let url = link["url"].as_str().expect("a url");
    assert!(url.starts_with("http") && url.ends_with(&format!("/whip/v1/{id}")), "{url}");
    assert!(token.len() >= 43, "256 bits");
    assert_eq!(link["in_use"], false);
    let playing = scene.create(&scene.listener, "play").await.ok();
    assert!(playing["link"]["url"].as_str().is_some_and(|url| url.contains("/whep/v1/")));

    scene.create(&scene.listener, "publish").await.refused(403, "forbidden");
    scene.create(&scene.patient, "publish").await.refused(403, "forbidden");
    let stranger = scene.house.operator("stranger", "supervisor", None).await;
    scene.create(&stranger, "play").await.refused(404, "not-found");

    let listed = scene.house.get(&scene.path(), &scene.doctor).await;
    assert!(!listed.text().contains(token), "a token is shown once");
    assert_eq!(listed.ok().as_array().map(Vec::len), Some(2));
    // The bound, then the end of the call.
    scene.create(&scene.doctor, "play").await.ok();
    scene.create(&scene.doctor, "play").await.refused(409, "wrong-state");
    scene.sql(&format!("SELECT * FROM crm.finish_call('{}', 'hung_up')", scene.call)).await;
    scene.create(&scene.doctor, "play").await.refused(404, "not-found");
    let written = "SELECT count(*) FROM crm.audit_log WHERE action = 'stream_link.create'";
    assert_eq!(scene.house.count(written).await, 3);
}

#[tokio::test]
async fn a_revoked_link_takes_its_session_out_of_the_room() {
    let scene = Scene::new().await;
    let issued = scene.create(&scene.doctor, "publish").await.ok();
    let session = Uuid::now_v7();
    scene
        .sql(&format!(
            "UPDATE crm.stream_links
             SET session_id = '{session}', session_tag = 'x', session_offer = 'x'"
        ))
        .await;
    let bus = scene.house.context.bus.clone();
    let subject = subject::sfu_request(NodeId(scene.relay));
    let mut requests = bus.subscribe(&subject).await.expect("the bus is open");
    let relay = tokio::spawn(async move {
        let delivery = requests.next().await.expect("a request");
        let done: Answer<SfuReply> = Ok(SfuReply::Done);
        bus.reply(&delivery, &done).await.expect("the bus is open");
        delivery.parse::<SfuRequest>().expect("a request")
    });
    scene.revoke(&scene.patient, &issued).await.refused(403, "forbidden");
    assert_eq!(scene.revoke(&scene.doctor, &issued).await.status.as_u16(), 204);
    let expected = SfuRequest::Leave { room: scene.call.into(), participant: session.into() };
    assert_eq!(relay.await.expect("no panic"), expected);
    scene.revoke(&scene.doctor, &issued).await.refused(404, "not-found");
    let listed = scene.house.get(&scene.path(), &scene.doctor).await.ok();
    assert_eq!(listed, json!([]));
}

#[tokio::test]
async fn a_test_stream_is_for_administrators() {
    let scene = Scene::new().await;
    let admin = scene.house.operator("admin", "admin", None).await;
    let path = "/api/v1/test-streams";
    scene.house.post(path, &scene.doctor, json!({})).await.refused(403, "forbidden");
    let test = scene.house.post(path, &admin, json!({})).await.ok();
    assert_eq!(test["publish"]["link"]["direction"], "publish");
    assert_eq!(test["play"]["link"]["call"], json!(null));
    let rooms = "SELECT count(DISTINCT room_id) FROM crm.stream_links";
    assert_eq!(scene.house.count(rooms).await, 1);
    scene.revoke(&scene.doctor, &test["play"]).await.refused(404, "not-found");
    assert_eq!(scene.revoke(&admin, &test["play"]).await.status.as_u16(), 204);
}
