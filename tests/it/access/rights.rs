//! What an operator may no longer do, and what a patient never sees.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::realtime::refused;
use super::world::{Case, Person, World, claim};
use crate::client::{Client, text};

pub(super) async fn attack(world: Arc<World>) {
    notes_never_reach_the_patient(&world).await;
    after_a_transfer_nothing_is_heard_or_written(&world).await;
    who_only_looked_into_the_queue_stops_hearing(&world).await;
    a_doctor_of_another_specialty_stops_hearing(&world).await;
    supervisors_read_and_do_not_write(&world).await;
    a_disabled_operator_is_out_at_once(&world).await;
}

async fn open(world: &World, person: &Person, conversation: &str) -> Client {
    let mut client = Client::connect(&world.house, &person.token).await;
    let answer =
        client.request("chat.open", json!({ "conversation": conversation })).await.unwrap();
    assert_eq!(answer["type"], "chat.state", "{answer}");
    client
}

/// The patient writes; whoever was to hear it has heard it when this returns.
async fn patient_writes(world: &World, case: &mut Case) -> String {
    let words = world.words("потом");
    let frame = text(&case.conversation, Uuid::now_v7(), &words);
    let ack = case.client.request("chat.send", frame).await.unwrap();
    assert_eq!(ack["type"], "chat.ack", "{ack}");
    while case.client.event("chat.message").await["data"]["message"]["body"]["text"] != words {}
    words
}

async fn notes_never_reach_the_patient(world: &World) {
    let mut case = world.taken_case().await;
    let mut doctor = open(world, &world.doctor, &case.conversation).await;
    let mut heard = Vec::new();
    let note = world.words("заметка");
    for body in
        [json!({ "kind": "text", "text": "Здравствуйте" }), json!({ "kind": "note", "text": note })]
    {
        let frame = json!({ "conversation": case.conversation,
            "client_message_id": Uuid::now_v7(), "body": body });
        let ack = doctor.request("chat.send", frame).await.unwrap();
        assert_eq!(ack["type"], "chat.ack", "{ack}");
        let seq = ack["data"]["seq"].clone();
        loop {
            let event = case.client.event("chat.message").await;
            let reached = event["data"]["message"]["seq"] == seq;
            heard.push(event);
            if reached {
                break;
            }
        }
    }
    let last = &heard.last().unwrap()["data"]["message"];
    assert_eq!(last["body"]["kind"], "hidden", "{last}");
    for field in ["sender", "sender_name", "sender_kind", "client_message_id"] {
        assert_eq!(last[field], Value::Null, "{field} of a hidden message");
    }
    heard.extend(case.client.heard().await);
    heard.extend(case.client.history(&case.conversation).await);
    for page in [json!({ "before_seq": 1_000_000, "limit": 5 }), json!({ "limit": 1 })] {
        let mut ask = page;
        ask["conversation"] = json!(case.conversation);
        heard.push(case.client.request("chat.fetch", ask).await.unwrap());
    }
    let again = Client::connect(&world.house, &case.patient.token).await;
    heard.push(again.welcome.clone());
    let mut seen = Value::from(heard).to_string();
    let one = format!("/api/v1/consultations/{}", case.consultation);
    for path in ["/api/v1/patient/home", "/api/v1/consultations", &one] {
        seen += &world.get(path, &case.patient).await.text;
    }
    assert!(!seen.contains(&note), "the patient sees the note: {seen}");
    assert!(!seen.contains(r#""kind":"note""#), "the patient sees that it is one: {seen}");
    let home = world.get("/api/v1/patient/home", &case.patient).await.json();
    assert_eq!(home["unread"], 1, "a note is not an unread message: {home}");
    assert_eq!(home["open"]["unread"], 1, "{home}");
    assert_eq!(home["open"]["last_message"]["preview"], "Здравствуйте", "{home}");
    let desk = world.get(&one, &world.doctor).await.json();
    assert_eq!(desk["last_message"]["preview"], note, "the doctor sees it: {desk}");
}

async fn after_a_transfer_nothing_is_heard_or_written(world: &World) {
    let mut case = world.taken_case().await;
    let file =
        world.upload(&case.patient, &case.conversation, "a.txt", b"text".to_vec()).await.id();
    let mut before = open(world, &world.doctor, &case.conversation).await;
    let transfer = format!("/api/v1/consultations/{}/transfer", case.consultation);
    let to = json!({ "operator": world.other_doctor.id });
    let mut after = Client::connect(&world.house, &world.other_doctor.token).await;
    world.post(&transfer, &world.doctor, &to).await.id();
    // The change is told before the rights are checked again, so that this alone
    // proves nothing: the first event after it can still slip through.
    before.event("changed").await;
    let state = after.request("chat.open", json!({ "conversation": case.conversation })).await;
    assert_eq!(state.unwrap()["type"], "chat.state");
    patient_writes(world, &mut case).await;
    before.heard().await;
    let words = patient_writes(world, &mut case).await;
    let heard = Value::from(before.heard().await).to_string();
    assert!(!heard.contains(&words), "who handed it over still hears {heard}");
    let heard = Value::from(after.heard().await).to_string();
    assert!(heard.contains(&words), "the new holder hears: {heard}");

    let conversation = &case.conversation;
    for (kind, data) in [
        ("chat.send", text(conversation, Uuid::now_v7(), "поздно")),
        ("chat.fetch", json!({ "conversation": conversation, "limit": 5 })),
        ("chat.open", json!({ "conversation": conversation })),
    ] {
        let answer = before.request(kind, data).await.unwrap();
        refused(&answer, &["forbidden"], kind);
    }
    for path in [
        format!("/api/v1/files/{file}"),
        format!("/api/v1/consultations/{}", case.consultation),
        format!("/api/v1/patients/{}", case.patient.id),
    ] {
        let reply = world.get(&path, &world.doctor).await;
        assert_eq!(reply.status, 404, "{path}: {}", reply.text);
    }
    let reply = world.upload(&world.doctor, conversation, "a.txt", b"x".to_vec()).await;
    assert_eq!(reply.status, 404, "{}", reply.text);
    let close = format!("/api/v1/consultations/{}/close", case.consultation);
    let reply = world.post(&close, &world.doctor, &json!({ "summary": "" })).await;
    assert!([404, 409].contains(&reply.status), "{}", reply.text);

    world.post(&close, &world.other_doctor, &json!({ "summary": "" })).await.id();
    let late = text(conversation, Uuid::now_v7(), "после конца");
    refused(&after.request("chat.send", late).await.unwrap(), &["forbidden"], "after the close");
    let reply = world.upload(&world.other_doctor, conversation, "a.txt", b"x".to_vec()).await;
    assert_eq!(reply.status, 403, "{}", reply.text);
}

async fn who_only_looked_into_the_queue_stops_hearing(world: &World) {
    let mut case = world.case(None).await;
    let mut looker = open(world, &world.other_doctor, &case.conversation).await;
    world.post(&claim(&case.consultation), &world.doctor, &json!({})).await.id();
    looker.event("changed").await;
    patient_writes(world, &mut case).await;
    looker.heard().await;
    let words = patient_writes(world, &mut case).await;
    let heard = Value::from(looker.heard().await).to_string();
    assert!(!heard.contains(&words), "who did not take it still hears {heard}");
}

/// Their session stays: only the queue that they serve is another one now.
async fn a_doctor_of_another_specialty_stops_hearing(world: &World) {
    let mut case = world.case(Some("cardiology")).await;
    let mut doctor = open(world, &world.other_doctor, &case.conversation).await;
    let path = format!("/api/v1/operators/{}", world.other_doctor.id);
    let token = Some(world.admin.token.as_str());
    for specialty in ["neurology", "dermatology"] {
        let change = json!({ "specialty": specialty });
        world.call("patch", &path, token, Some(&change)).await.id();
        // Told in the order of the changes: the rights are checked after the first
        // and before the second.
        while doctor.event("changed").await["data"]["topic"] != "operators" {}
    }
    let words = patient_writes(world, &mut case).await;
    let heard = Value::from(doctor.heard().await).to_string();
    assert!(!heard.contains(&words), "who serves another queue still hears {heard}");
    world.call("patch", &path, token, Some(&json!({ "specialty": "cardiology" }))).await.id();
}

async fn supervisors_read_and_do_not_write(world: &World) {
    let case = world.taken_case().await;
    let mut client = open(world, &world.supervisor, &case.conversation).await;
    let frame = text(&case.conversation, Uuid::now_v7(), "x");
    refused(&client.request("chat.send", frame).await.unwrap(), &["forbidden"], "a supervisor");
    let typing = json!({ "conversation": case.conversation, "typing": true });
    refused(&client.request("chat.typing", typing).await.unwrap(), &["forbidden"], "typing");
    let reply = world.upload(&world.supervisor, &case.conversation, "a.txt", b"x".to_vec()).await;
    assert_eq!(reply.status, 403, "{}", reply.text);
}

async fn a_disabled_operator_is_out_at_once(world: &World) {
    let email = format!("{}@test.housecall", Uuid::new_v4().simple());
    let body = json!({ "name": "Уволенный", "email": email, "password": super::world::PASSWORD,
        "role": "supervisor" });
    let id = world.post("/api/v1/operators", &world.admin, &body).await.id();
    let login = json!({ "email": email, "password": super::world::PASSWORD, "device": "test" });
    let path = "/api/v1/auth/operator/login";
    let token = world.call("post", path, None, Some(&login)).await.json();
    let token = token["access_token"].as_str().unwrap().to_owned();
    let mut socket = crate::client::Socket::open(&world.house, None).await.unwrap();
    socket.hello(&token).await;
    assert_eq!(socket.next().await.unwrap()["type"], "welcome");
    let disable = json!({ "disabled": true });
    let change = format!("/api/v1/operators/{id}");
    world.call("patch", &change, Some(&world.admin.token), Some(&disable)).await.id();
    assert_eq!(socket.closed().await, 4002);
    assert_eq!(world.call("get", "/api/v1/me", Some(&token), None).await.status, 401);
    assert_eq!(world.call("post", path, None, Some(&login)).await.status, 401);
}
