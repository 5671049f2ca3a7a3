//! What two people at two gateways do together, and what becomes of it when the
//! processes between them die.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::ALONE;
use super::grid::{Grid, Kind, OWNER_LOST_S};
use super::peer::Peer;
use crate::client::{Client, text};
use crate::house::SignedIn;

/// A patient at the first gateway, a doctor at the second.
struct Scene {
    grid: Grid,
    patient: SignedIn,
    doctor: SignedIn,
    conversation: String,
    consultation: String,
    anna: Client,
    ilya: Client,
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_behave_as_one_house() {
    let _alone = ALONE.lock().await;
    let mut scene = Scene::open(Grid::start().await).await;
    scene.they_chat().await;
    scene.they_see_each_other().await;
    scene.presence_is_replaced().await;
    scene.they_see_each_other_still().await;
    let (call, peers) = scene.they_call().await;
    scene.a_guest_gateway_dies(&call).await;
    scene.the_owner_dies(&call).await;
    for peer in peers {
        peer.close().await;
    }
    scene.the_next_call_is_declined().await;
}

/// The same as above, but that nothing can die alone.
#[tokio::test(flavor = "multi_thread")]
async fn one_process_is_the_same_house() {
    let _alone = ALONE.lock().await;
    let mut scene = Scene::open(Grid::whole().await).await;
    scene.they_chat().await;
    scene.they_see_each_other().await;
    scene.they_see_each_other_still().await;
    let (call, peers) = scene.they_call().await;
    scene.they_hang_up(&call).await;
    for peer in peers {
        peer.close().await;
    }
    scene.the_next_call_is_declined().await;
}

impl Scene {
    /// A question at one gateway is heard at the other, and taken.
    async fn open(grid: Grid) -> Self {
        let patient = grid.crm().patient("+79005550201").await;
        let doctor = grid.crm().operator("petrov@demo.housecall").await;
        let conversation = patient.conversation.clone().unwrap();
        let mut anna = enter(&grid.gateway(0), &patient, None).await;
        let mut ilya = enter(&grid.gateway(1), &doctor, None).await;
        let question = text(&conversation, Uuid::now_v7(), "Болит голова");
        assert_eq!(anna.request("chat.send", question).await.unwrap()["type"], "chat.ack");
        ilya.event_where("changed", |change| change["topic"] == "consultations").await;
        let (_, home) = grid.crm().get("/api/v1/patient/home", &patient.token).await;
        let consultation = home["open"]["id"].as_str().expect("opened").to_owned();
        let claim = format!("/api/v1/consultations/{consultation}/claim");
        let (status, answer) = grid.crm().post(&claim, Some(&doctor.token), &json!({})).await;
        assert_eq!(status, 200, "{answer}");
        Self { grid, patient, doctor, conversation, consultation, anna, ilya }
    }

    async fn they_chat(&mut self) {
        let Self { conversation, anna, ilya, .. } = self;
        let place = json!({ "conversation": conversation });
        assert_eq!(ilya.request("chat.open", place).await.unwrap()["type"], "chat.state");
        let typing = json!({ "conversation": conversation, "typing": true });
        assert_eq!(anna.request("chat.typing", typing).await.unwrap()["type"], "ok");
        ilya.event_where("chat.typing", |typing| typing["typing"] == true).await;
        let words = text(conversation, Uuid::now_v7(), "Третий день");
        let ack = anna.request("chat.send", words).await.unwrap();
        let seq = ack["data"]["seq"].as_i64().unwrap();
        let heard = ilya.event_where("chat.message", |one| one["message"]["seq"] == seq).await;
        assert_eq!(heard["message"]["body"]["text"], "Третий день");
        let marks = json!({ "conversation": conversation, "delivered_seq": seq, "read_seq": seq });
        assert_eq!(ilya.request("chat.receipt", marks).await.unwrap()["type"], "ok");
        anna.event_where("chat.receipt", |mark| {
            mark["kind"] == "operator" && mark["read_seq"] == seq
        })
        .await;
        let words = text(conversation, Uuid::now_v7(), "Измерьте давление");
        let ack = ilya.request("chat.send", words).await.unwrap();
        let heard = anna
            .event_where("chat.message", |one| one["message"]["seq"] == ack["data"]["seq"])
            .await;
        assert_eq!(heard["message"]["body"]["text"], "Измерьте давление");
    }

    async fn they_see_each_other(&mut self) {
        let (patient, doctor) = (person(&self.anna), person(&self.ilya));
        watch(&mut self.ilya, &patient).await;
        assert_eq!(next_status(&mut self.ilya).await, "online");
        watch(&mut self.anna, &doctor).await;
        assert_eq!(next_status(&mut self.anna).await, "online");
        self.choose("busy").await;
        assert_eq!(next_status(&mut self.anna).await, "busy");
    }

    /// What the new instances know is whole at once, and nobody is told anything twice.
    async fn presence_is_replaced(&mut self) {
        let doctor = person(&self.ilya);
        for number in 0..2 {
            let killed = self.grid.kill(Kind::Presence, number).await;
            self.grid.revive(killed).await;
            // Both instances answer; several questions meet each.
            let mut other = enter(&self.grid.gateway(1), &self.patient, None).await;
            for _ in 0..6 {
                watch(&mut other, &doctor).await;
                assert_eq!(next_status(&mut other).await, "busy", "chosen, and not forgotten");
            }
        }
    }

    async fn they_see_each_other_still(&mut self) {
        self.choose("online").await;
        // Had any of the instances repeated itself, or guessed, that would come first.
        assert_eq!(next_status(&mut self.anna).await, "online");
    }

    async fn choose(&mut self, status: &str) {
        let chosen = self.ilya.request("presence.set", json!({ "status": status })).await.unwrap();
        assert_eq!(chosen["type"], "ok", "{chosen}");
    }

    /// Started at the first gateway, answered at the second; media both ways.
    async fn they_call(&mut self) -> (String, [Peer; 2]) {
        let mut peers = [Peer::new(1000).await, Peer::new(2000).await];
        let started = self.anna.request("call.start", self.start(&peers[0])).await.unwrap();
        assert_eq!(started["type"], "call.started", "{started}");
        peers[0].connect(started["data"]["sdp"].as_str().unwrap()).await;
        let ringing = self.ilya.event("call.incoming").await["data"]["call"].clone();
        let call = ringing["id"].as_str().unwrap().to_owned();
        let prepare = json!({ "call": call, "sdp": peers[1].offer });
        let answer = self.ilya.request("call.prepare", prepare).await.unwrap();
        assert_eq!(answer["type"], "call.answer", "{answer}");
        peers[1].connect(answer["data"]["sdp"].as_str().unwrap()).await;
        let accept = json!({ "call": call, "state": media() });
        assert_eq!(self.ilya.request("call.accept", accept).await.unwrap()["type"], "ok");
        for client in [&mut self.anna, &mut self.ilya] {
            client.event_where("call.updated", |one| one["call"]["state"] == "active").await;
        }
        for peer in &mut peers {
            peer.hears_and_sees().await;
        }
        (call, peers)
    }

    async fn they_hang_up(&mut self, call: &str) {
        let wish = json!({ "call": call });
        assert_eq!(self.anna.request("call.hang_up", wish).await.unwrap()["type"], "ok");
        for client in [&mut self.anna, &mut self.ilya] {
            let over =
                client.event_where("call.updated", |one| one["call"]["state"] == "ended").await;
            assert_eq!(over["call"]["ended"], "hung_up");
        }
        assert_eq!(self.last_record().await["reason"], "hung_up");
    }

    /// The doctor's gateway is not the owner: the call goes on, and the doctor finds
    /// it at the other gateway.
    async fn a_guest_gateway_dies(&mut self, call: &str) {
        let previous = self.ilya.connection();
        let other = self.grid.crm().patient("+79005550202").await;
        let other = enter(&self.grid.gateway(1), &other, None).await;
        let other = person(&other);
        let killed = self.grid.kill(Kind::Gateway, 1).await;
        let mut moved = enter(&self.grid.gateway(0), &self.doctor, Some(&previous)).await;
        let calls = &moved.welcome["data"]["calls"];
        assert_eq!((&calls[0]["id"], &calls[0]["state"]), (&json!(call), &json!("active")));
        // Whoever does not move is soon known to be gone, long before a lease ends.
        watch(&mut moved, &other).await;
        assert_eq!(next_status(&mut moved).await, "online");
        assert_eq!(next_status(&mut moved).await, "offline");
        self.grid.revive(killed).await;
        // Back, so that the two are at two gateways again.
        let previous = moved.connection();
        self.ilya = enter(&self.grid.gateway(1), &self.doctor, Some(&previous)).await;
        assert_eq!(self.ilya.welcome["data"]["calls"][0]["state"], "active");
    }

    /// Both are told soon, wherever they are then, and the record says so.
    async fn the_owner_dies(&mut self, call: &str) {
        let previous = self.anna.connection();
        let killed = self.grid.kill(Kind::Gateway, 0).await;
        let died = Instant::now();
        self.anna = enter(&self.grid.gateway(0), &self.patient, Some(&previous)).await;
        for client in [&mut self.anna, &mut self.ilya] {
            let over =
                client.event_where("call.updated", |one| one["call"]["state"] == "ended").await;
            assert_eq!(
                (&over["call"]["id"], &over["call"]["ended"]),
                (&json!(call), &json!("failed"))
            );
        }
        // A sign of life may be a second old, a sweep comes every second; the rest
        // is for a busy machine.
        let limit = Duration::from_secs(OWNER_LOST_S + 2 + 5);
        assert!(died.elapsed() < limit, "told after {:?}", died.elapsed());
        assert_eq!(self.last_record().await["reason"], "failed");
        self.grid.revive(killed).await;
    }

    /// Nobody is left in the call that failed; the other direction, and its record.
    async fn the_next_call_is_declined(&mut self) {
        self.anna = enter(&self.grid.gateway(0), &self.patient, None).await;
        let peer = Peer::new(3000).await;
        let started = self.ilya.request("call.start", self.start(&peer)).await.unwrap();
        assert_eq!(started["type"], "call.started", "{started}");
        let ringing = self.anna.event("call.incoming").await["data"]["call"].clone();
        let call = json!({ "call": ringing["id"] });
        assert_eq!(self.anna.request("call.decline", call).await.unwrap()["type"], "ok");
        let over =
            self.ilya.event_where("call.updated", |one| one["call"]["state"] == "ended").await;
        assert_eq!(over["call"]["ended"], "declined");
        assert_eq!(self.last_record().await["reason"], "declined");
        peer.close().await;
    }

    fn start(&self, peer: &Peer) -> Value {
        let subject = json!({ "kind": "consultation", "id": self.consultation });
        json!({ "subject": subject, "media": "video", "state": media(), "sdp": peer.offer })
    }

    async fn last_record(&mut self) -> Value {
        let history = self.ilya.history(&self.conversation).await;
        let mut events = history.iter().map(|message| &message["body"]["event"]);
        events.rfind(|event| event["event"] == "call_ended").unwrap().clone()
    }
}

fn media() -> Value {
    json!({ "microphone": true, "camera": true, "screen": false })
}

async fn enter(gateway: &str, who: &SignedIn, previous: Option<&str>) -> Client {
    // A gateway that started before the keys' issuer says "unavailable" until it has them.
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    for _ in 0..100 {
        ticks.tick().await;
        if let Ok(client) = Client::enter(gateway, &who.token, previous).await {
            return client;
        }
    }
    panic!("no welcome");
}

fn person(client: &Client) -> String {
    client.welcome["data"]["person"].as_str().unwrap().to_owned()
}

async fn watch(client: &mut Client, person: &str) {
    let answer = client.request("presence.watch", json!({ "people": [person] })).await.unwrap();
    assert_eq!(answer["type"], "ok", "{answer}");
}

async fn next_status(client: &mut Client) -> String {
    let event = client.event("presence").await;
    event["data"]["people"][0]["status"].as_str().unwrap().to_owned()
}
