//! Every realtime frame, about a conversation, a consultation, a call or a person
//! that is not the sender's.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::calls::offer;
use super::world::{Case, World};
use crate::client::{Client, text};

pub(super) async fn attack(world: Arc<World>) {
    let mut case = world.taken_case().await;
    let mine = world.patient().await;
    for (who, token) in [
        ("another patient", &mine.token),
        ("a doctor of another specialty", &world.other_doctor.token),
        ("an administrator", &world.admin.token),
    ] {
        let mut stranger = Client::connect(&world.house, token).await;
        frames_about_anothers(&mut stranger, &case, who).await;
        nothing_is_heard(&world, &mut stranger, &mut case, who).await;
    }
    patients_frames_of_operators(&world, &mut case).await;
    made_up_ids(&mut case).await;
}

async fn frames_about_anothers(stranger: &mut Client, case: &Case, who: &str) {
    let conversation = &case.conversation;
    let subject = json!({ "kind": "consultation", "id": case.consultation });
    let start = json!({ "subject": subject, "media": "audio", "state": state(), "sdp": offer() });
    let note = json!({ "conversation": conversation, "client_message_id": Uuid::now_v7(),
        "body": { "kind": "note", "text": "x" } });
    let frames = [
        ("chat.open", json!({ "conversation": conversation })),
        ("chat.send", text(conversation, Uuid::now_v7(), "чужое")),
        ("chat.send", note),
        ("chat.fetch", json!({ "conversation": conversation, "limit": 200 })),
        ("chat.fetch", json!({ "conversation": conversation, "after_seq": 0, "limit": 1 })),
        (
            "chat.receipt",
            json!({ "conversation": conversation, "delivered_seq": 99, "read_seq": 99 }),
        ),
        ("chat.typing", json!({ "conversation": conversation, "typing": true })),
        ("call.start", start),
    ];
    for (kind, data) in frames {
        let answer = stranger.request(kind, data).await.unwrap();
        refused(&answer, &["forbidden", "not_found"], &format!("{who}: {kind}"));
    }
}

/// A refused `chat.open` must not leave a subscription behind.
async fn nothing_is_heard(world: &World, stranger: &mut Client, case: &mut Case, who: &str) {
    let words = world.words("слышно");
    let frame = text(&case.conversation, Uuid::now_v7(), &words);
    case.client.request("chat.send", frame).await.unwrap();
    let typing = json!({ "conversation": case.conversation, "typing": true });
    case.client.request("chat.typing", typing).await.unwrap();
    // Its own sender has heard it: whoever else does, does by now.
    while case.client.event("chat.message").await["data"]["message"]["body"]["text"] != words {}
    let heard = Value::from(stranger.heard().await).to_string();
    assert!(!heard.contains(&case.conversation), "{who} hears {heard}");
}

async fn patients_frames_of_operators(world: &World, case: &mut Case) {
    let stranger = world.patient().await;
    let conversation = case.conversation.clone();
    let note = json!({ "conversation": conversation, "client_message_id": Uuid::now_v7(),
        "body": { "kind": "note", "text": "x" } });
    for (kind, data) in [
        ("chat.send", note),
        ("presence.set", json!({ "status": "online" })),
        ("presence.watch", json!({ "people": [stranger.id] })),
        ("presence.watch", json!({ "people": [world.doctor.id, stranger.id] })),
        ("auth.refresh", json!({ "token": stranger.token })),
    ] {
        let answer = case.client.request(kind, data).await.unwrap();
        refused(&answer, &["forbidden"], kind);
    }
    let crowd: Vec<&str> = vec![&world.doctor.id; 500];
    let answer = case.client.request("presence.watch", json!({ "people": crowd })).await.unwrap();
    refused(&answer, &["too_large"], "a crowd");
    // A file of another's conversation is no file of this one.
    let foreign =
        world.upload(&stranger, &stranger.conversation, "a.txt", b"x".to_vec()).await.id();
    let send = json!({ "conversation": conversation, "client_message_id": Uuid::now_v7(),
        "body": { "kind": "file", "file": foreign, "caption": "" } });
    let answer = case.client.request("chat.send", send).await.unwrap();
    refused(&answer, &["forbidden", "not_found"], "another's file");
}

async fn made_up_ids(case: &mut Case) {
    let nobody = Uuid::now_v7().to_string();
    for (kind, data) in [
        ("chat.open", json!({ "conversation": nobody })),
        ("chat.fetch", json!({ "conversation": nobody, "limit": 10 })),
        ("chat.send", text(&nobody, Uuid::now_v7(), "никому")),
        ("call.hang_up", json!({ "call": nobody })),
        ("call.accept", json!({ "call": nobody, "state": state() })),
        ("presence.watch", json!({ "people": [nobody] })),
    ] {
        let answer = case.client.request(kind, data).await.unwrap();
        refused(&answer, &["forbidden", "not_found"], kind);
    }
    for wrong in [json!("'; DROP TABLE chat.messages; --"), json!(7), json!(null), json!([])] {
        let answer = case.client.request("chat.open", json!({ "conversation": wrong })).await;
        refused(&answer.unwrap(), &["bad_frame"], "an id of the wrong type");
    }
    for (kind, data) in [
        ("chat.fetch", json!({ "conversation": case.conversation, "limit": 0 })),
        ("chat.fetch", json!({ "conversation": case.conversation, "limit": 65535 })),
        ("chat.fetch", json!({ "conversation": case.conversation, "limit": -1 })),
        ("chat.send", text(&case.conversation, Uuid::now_v7(), "a\0b")),
        ("chat.send", text(&case.conversation, Uuid::now_v7(), " \n ")),
    ] {
        let answer = case.client.request(kind, data).await.unwrap();
        refused(&answer, &["bad_frame"], kind);
    }
    let long = text(&case.conversation, Uuid::now_v7(), &"я".repeat(4001));
    refused(&case.client.request("chat.send", long).await.unwrap(), &["too_large"], "a long text");
    for seq in [i64::MIN, -1, i64::MAX] {
        for side in ["after_seq", "before_seq"] {
            let ask = json!({ "conversation": case.conversation, side: seq, "limit": 5 });
            let page = case.client.request("chat.fetch", ask).await.unwrap();
            assert_eq!(page["type"], "chat.page", "{side} {seq}: {page}");
        }
        let marks = json!({ "conversation": case.conversation, "delivered_seq": seq,
            "read_seq": seq });
        let answer = case.client.request("chat.receipt", marks).await.unwrap();
        assert_eq!(answer["type"], "ok", "{seq}: {answer}");
    }
}

pub(super) fn state() -> Value {
    json!({ "microphone": true, "camera": false, "screen": false })
}

pub(super) fn refused(answer: &Value, codes: &[&str], what: &str) {
    assert_eq!(answer["type"], "error", "{what}: {answer}");
    let code = answer["data"]["code"].as_str().unwrap();
    assert!(codes.contains(&code), "{what}: {answer}");
}
