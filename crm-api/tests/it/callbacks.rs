//! Callback requests from asking to the archive.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::house::{House, Person};

async fn ask(house: &House, patient: &Person) -> String {
    let body = json!({ "reason": "Обсудить анализы" });
    let callback = house.post("/api/v1/callbacks", patient, body).await.ok();
    callback["id"].as_str().expect("an id").to_owned()
}

async fn counts(house: &House, person: &Person) -> Value {
    house.get("/api/v1/callbacks", person).await.ok()["counts"].clone()
}

#[tokio::test]
async fn a_request_is_taken_given_back_and_done() {
    let house = House::open().await;
    let patient = house.patient("+79000000701").await;
    let doctor = house.operator("doctor", "doctor", None).await;
    let id = ask(&house, &patient).await;
    let path = |verb: &str| format!("/api/v1/callbacks/{id}/{verb}");
    assert_eq!(counts(&house, &doctor).await, json!({ "new": 1, "in_progress": 0, "overdue": 0 }));
    house.post(&path("done"), &doctor, json!({})).await.refused(409, "wrong-state");
    let taken = house.post(&path("take"), &doctor, json!({})).await.ok();
    assert_eq!((&taken["state"], &taken["phone"]), (&json!("in_progress"), &json!("+79000000701")));
    house.post(&path("take"), &doctor, json!({})).await.ok();
    let released = house.post(&path("release"), &doctor, json!({})).await.ok();
    assert_eq!((&released["state"], &released["operator"]), (&json!("new"), &json!(null)));
    house.post(&path("take"), &doctor, json!({})).await.ok();
    let done = house.post(&path("done"), &doctor, json!({})).await.ok();
    assert_eq!(done["state"], "done");
    for verb in ["done", "cancel", "release", "take"] {
        house.post(&path(verb), &doctor, json!({})).await.refused(409, "callback-finished");
    }
    let archive = house.get("/api/v1/callbacks?state=archive", &doctor).await.ok();
    assert_eq!(archive["items"][0]["id"].as_str(), Some(id.as_str()));
    let events = "SELECT count(*) FROM chat.messages
                  WHERE event ->> 'event' IN ('callback_requested', 'callback_done')";
    assert_eq!(house.count(events).await, 2);
}

#[tokio::test]
async fn of_those_who_take_at_once_one_gets_it() {
    let house = House::open().await;
    let patient = house.patient("+79000000702").await;
    let mut doctors = Vec::new();
    for number in 0..6 {
        doctors.push(house.operator(&format!("doctor{number}"), "desk", None).await);
    }
    for _ in 0..5 {
        let id = ask(&house, &patient).await;
        let path = format!("/api/v1/callbacks/{id}/take");
        let replies =
            join_all(doctors.iter().map(|doctor| house.post(&path, doctor, json!({})))).await;
        let winners = replies.iter().filter(|reply| reply.status.is_success()).count();
        assert_eq!(winners, 1);
        for reply in replies.iter().filter(|reply| !reply.status.is_success()) {
            assert!(reply.refused(409, "already-taken")["holder"]["name"].is_string());
        }
        house.post(&format!("/api/v1/callbacks/{id}/cancel"), &patient, json!({})).await.ok();
    }
}

#[tokio::test]
async fn a_patient_has_one_open_request_and_may_cancel_it() {
    let house = House::open().await;
    let patient = house.patient("+79000000703").await;
    let id = ask(&house, &patient).await;
    let body = json!({ "reason": "Ещё раз" });
    house.post("/api/v1/callbacks", &patient, body).await.refused(409, "callback-open");
    let home = house.get("/api/v1/patient/home", &patient).await.ok();
    assert_eq!(home["callback"]["id"].as_str(), Some(id.as_str()));
    let path = format!("/api/v1/callbacks/{id}/cancel");
    let cancelled = house.post(&path, &patient, json!({})).await;
    assert_eq!(cancelled.ok()["state"], "cancelled");
    ask(&house, &patient).await;
    let own = house.get("/api/v1/callbacks", &patient).await.ok();
    assert_eq!(own["items"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn only_the_holder_or_a_supervisor_disposes_of_a_taken_one() {
    let house = House::open().await;
    let patient = house.patient("+79000000704").await;
    let holder = house.operator("holder", "desk", None).await;
    let other = house.operator("other", "desk", None).await;
    let doctor = house.operator("doctor", "doctor", None).await;
    let supervisor = house.operator("supervisor", "supervisor", None).await;
    let id = ask(&house, &patient).await;
    let path = |verb: &str| format!("/api/v1/callbacks/{id}/{verb}");
    house.post(&path("take"), &holder, json!({})).await.ok();
    for verb in ["release", "done", "cancel"] {
        let problem =
            house.post(&path(verb), &other, json!({})).await.refused(409, "already-taken");
        assert_eq!(problem["holder"]["name"], "holder");
        house.post(&path(verb), &doctor, json!({})).await.refused(404, "not-found");
    }
    house.post(&path("release"), &supervisor, json!({})).await.ok();
}

#[tokio::test]
async fn a_request_past_its_time_is_overdue() {
    let house = House::open().await;
    let patient = house.patient("+79000000705").await;
    let doctor = house.operator("doctor", "doctor", None).await;
    ask(&house, &patient).await;
    assert_eq!(counts(&house, &doctor).await["overdue"], 0);
    let client = house.database.pool.get().await.expect("a connection");
    client
        .execute("UPDATE crm.callbacks SET created_at = now() - interval '11 minutes'", &[])
        .await
        .expect("moved");
    assert_eq!(counts(&house, &doctor).await["overdue"], 1);
    let overdue = house.get("/api/v1/callbacks?state=overdue", &doctor).await.ok();
    assert_eq!(overdue["items"][0]["overdue"], true);
}

#[tokio::test]
async fn what_cannot_be_ordered() {
    let house = House::open().await;
    let patient = house.patient("+79000000706").await;
    let now = jiff::Timestamp::now().as_millisecond();
    let day = 24 * 60 * 60 * 1000;
    for (field, body) in [
        ("reason", json!({ "reason": " " })),
        ("reason", json!({ "reason": "x".repeat(501) })),
        ("call_at", json!({ "reason": "x", "call_at": now - day })),
        ("call_at", json!({ "reason": "x", "call_at": now + 61 * day })),
        ("call_at", json!({ "reason": "x", "call_at": i64::MAX })),
    ] {
        let reply = house.post("/api/v1/callbacks", &patient, body).await;
        assert_eq!(reply.refused(422, "invalid-body")["field"], field);
    }
    let body = json!({ "reason": "x", "call_at": now + day });
    assert_eq!(house.post("/api/v1/callbacks", &patient, body).await.ok()["call_at"], now + day);
}
