//! Who gets a consultation when several press at once.

use futures::future::join_all;
use housecall_protocol::ConversationId;
use housecall_protocol::cluster::{ChatEvent, DeskEvent, subject};
use serde_json::json;

use crate::house::{House, Person};

const ROUNDS: usize = 25;

#[tokio::test]
async fn of_eight_who_claim_at_once_exactly_one_wins() {
    let house = House::open().await;
    let patient = house.patient("+79000000401").await;
    let mut doctors: Vec<Person> = Vec::new();
    for number in 0..8 {
        doctors.push(house.operator(&format!("doctor{number}"), "doctor", None).await);
    }
    for round in 0..ROUNDS {
        let id = house.question(&patient).await;
        let path = format!("/api/v1/consultations/{id}/claim");
        let replies = join_all(doctors.iter().map(|doctor| house.post(&path, doctor, json!({}))));
        let replies = replies.await;
        let winners: Vec<usize> =
            (0..8).filter(|index| replies[*index].status.is_success()).collect();
        assert_eq!(winners.len(), 1, "round {round}");
        let winner = &doctors[winners[0]];
        for (index, reply) in replies.iter().enumerate() {
            if index != winners[0] {
                let problem = reply.refused(409, "already-claimed");
                assert_eq!(problem["holder"]["id"], winner.me["id"], "round {round}");
                assert_eq!(problem["holder"]["name"], winner.me["name"]);
            }
        }
        let close = format!("/api/v1/consultations/{id}/close");
        house.post(&close, winner, json!({ "summary": "" })).await.ok();
    }
    let claimed = "SELECT count(*) FROM chat.messages
                   WHERE event ->> 'event' = 'consultation_claimed'";
    assert_eq!(house.count(claimed).await, ROUNDS as i64);
    let gaps = "SELECT count(*) FROM chat.conversations c
                WHERE c.last_seq <> (SELECT count(*) FROM chat.messages m
                                     WHERE m.conversation_id = c.id)";
    assert_eq!(house.count(gaps).await, 0);
}

#[tokio::test]
async fn everybody_is_told_of_a_claim_after_it() {
    let house = House::open().await;
    let patient = house.patient("+79000000402").await;
    let doctor = house.operator("petrov", "doctor", None).await;
    let id = house.question(&patient).await;
    let conversation: ConversationId = patient.conversation().parse().expect("an id");
    let bus = &house.context.bus;
    let mut chat = bus.subscribe(&subject::chat_event(conversation)).await.expect("a bus");
    let mut desk = bus.subscribe(subject::DESK_EVENT).await.expect("a bus");
    let path = format!("/api/v1/consultations/{id}/claim");
    let summary = house.post(&path, &doctor, json!({})).await.ok();
    assert_eq!(summary["state"], "active");
    assert_eq!(summary["operator"]["name"], "petrov");
    let event: ChatEvent = chat.next().await.expect("an event").parse().expect("readable");
    assert_eq!(event, ChatEvent::Head { conversation, head_seq: 2, head_change: 0 });
    let event: DeskEvent = desk.next().await.expect("an event").parse().expect("readable");
    assert_eq!(event.id, id);

    let again = house.post(&path, &doctor, json!({})).await.ok();
    assert_eq!(again["claimed_at"], summary["claimed_at"], "a repeated claim changes nothing");
    assert_eq!(house.count("SELECT count(*) FROM chat.messages").await, 2);
}

/// The waits of `close` and the chat's own `open_consultation` for the same lock:
/// whatever the order, a question never lands in a closed consultation.
#[tokio::test]
async fn a_question_asked_while_closing_opens_another_consultation_or_is_in_the_first() {
    let house = House::open().await;
    let patient = house.patient("+79000000403").await;
    let doctor = house.operator("petrov", "doctor", None).await;
    for _ in 0..10 {
        let id = house.question(&patient).await;
        house.post(&format!("/api/v1/consultations/{id}/claim"), &doctor, json!({})).await;
        let close = format!("/api/v1/consultations/{id}/close");
        let (closed, asked) = tokio::join!(
            house.post(&close, &doctor, json!({ "summary": "" })),
            house.post("/api/v1/consultations", &patient, json!({})),
        );
        closed.ok();
        let asked = asked.ok();
        let open = house.get("/api/v1/patient/home", &patient).await.ok()["open"].clone();
        if asked["id"].as_str() != Some(id.as_str()) {
            assert_eq!(open["id"], asked["id"]);
            let path = format!("/api/v1/consultations/{}/claim", open["id"].as_str().expect("id"));
            house.post(&path, &doctor, json!({})).await.ok();
            let path = path.replace("/claim", "/close");
            house.post(&path, &doctor, json!({ "summary": "" })).await.ok();
        }
    }
}
