//! The life of a consultation as both sides see it.

use serde_json::json;

use crate::house::House;

#[tokio::test]
async fn from_question_to_archive() {
    let house = House::open().await;
    let patient = house.patient("+79000000501").await;
    let doctor = house.operator("petrov", "doctor", Some("therapy")).await;
    let id = house.question(&patient).await;
    house.say(&patient, patient.conversation(), "Болит горло").await;

    let home = house.get("/api/v1/patient/home", &patient).await.ok();
    assert_eq!(home["open"]["id"].as_str(), Some(id.as_str()));
    assert_eq!(home["open"]["queue_position"], 1);
    assert_eq!(home["doctors_online"], 0, "presence is away");

    let queue = house.get("/api/v1/consultations?state=waiting", &doctor).await.ok();
    let row = &queue["items"][0];
    assert_eq!(row["number"], 10001);
    assert_eq!(row["last_message"]["preview"], "Болит горло");
    assert_eq!(row["last_message"]["from"], "patient");
    assert_eq!(row["unread"], 1);
    assert_eq!(queue["counts"], json!({ "waiting": 1, "mine": 0, "active": 0 }));

    house.post(&format!("/api/v1/consultations/{id}/claim"), &doctor, json!({})).await.ok();
    house.say(&doctor, patient.conversation(), "Здравствуйте").await;
    let home = house.get("/api/v1/patient/home", &patient).await.ok();
    assert_eq!(home["unread"], 1);
    assert_eq!(home["open"]["unread"], 1);
    assert_eq!(home["open"]["operator"]["specialty"]["code"], "therapy");
    assert!(home["typical_wait_s"].is_u64());

    let close = format!("/api/v1/consultations/{id}/close");
    let closed = house.post(&close, &doctor, json!({ "summary": " Полоскать горло " })).await.ok();
    assert_eq!(closed["summary"], "Полоскать горло");
    house.post(&close, &doctor, json!({ "summary": "" })).await.refused(409, "consultation-closed");
    let claim = format!("/api/v1/consultations/{id}/claim");
    house.post(&claim, &doctor, json!({})).await.refused(409, "consultation-closed");

    let archive = house.get("/api/v1/consultations?state=closed&mine=true", &doctor).await.ok();
    assert_eq!(archive["items"][0]["id"].as_str(), Some(id.as_str()));
    let home = house.get("/api/v1/patient/home", &patient).await.ok();
    assert_eq!(home["open"], json!(null));
    assert_eq!(home["last"]["summary"], "Полоскать горло");
    assert_ne!(house.question(&patient).await, id, "the next question opens another");
}

#[tokio::test]
async fn a_wish_can_change_while_waiting() {
    let house = House::open().await;
    let patient = house.patient("+79000000502").await;
    let open = |specialty| {
        house.post("/api/v1/consultations", &patient, json!({ "specialty": specialty }))
    };
    let first = open("therapy").await;
    assert_eq!(first.status, 201);
    let second = open("cardiology").await;
    assert_eq!(second.status, 200);
    assert_eq!(first.ok()["id"], second.ok()["id"]);
    assert_eq!(second.ok()["specialty"]["code"], "cardiology");
    let problem = open("astrology").await.refused(422, "invalid-body");
    assert_eq!(problem["field"], "specialty");
}

#[tokio::test]
async fn a_consultation_changes_hands() {
    let house = House::open().await;
    let patient = house.patient("+79000000503").await;
    let first = house.operator("first", "doctor", Some("therapy")).await;
    let second = house.operator("second", "doctor", Some("cardiology")).await;
    let admin = house.operator("admin", "admin", None).await;
    let id = house.question(&patient).await;
    let path = |verb: &str| format!("/api/v1/consultations/{id}/{verb}");
    let untaken = house.post(&path("transfer"), &first, json!({})).await;
    untaken.refused(409, "wrong-state");
    house.post(&path("claim"), &first, json!({})).await.ok();
    house
        .post(&path("close"), &second, json!({ "summary": "" }))
        .await
        .refused(409, "already-claimed");
    for wrong in [&admin, &first, &patient] {
        let body = json!({ "operator": wrong.me["id"] });
        let problem =
            house.post(&path("transfer"), &first, body).await.refused(422, "invalid-body");
        assert_eq!(problem["field"], "operator");
    }
    let body = json!({ "operator": second.me["id"] });
    let moved = house.post(&path("transfer"), &first, body).await.ok();
    assert_eq!(moved["operator"]["name"], "second");
    let problem = house.post(&path("close"), &first, json!({ "summary": "" })).await;
    assert_eq!(problem.refused(409, "already-claimed")["holder"]["name"], "second");

    let body = json!({ "specialty": "therapy" });
    let queued = house.post(&path("transfer"), &second, body).await.ok();
    assert_eq!((&queued["state"], &queued["operator"]), (&json!("waiting"), &json!(null)));
    house.post(&path("claim"), &second, json!({})).await.refused(404, "not-found");
}

#[tokio::test]
async fn a_supervisor_may_dispose_of_any() {
    let house = House::open().await;
    let patient = house.patient("+79000000504").await;
    let doctor = house.operator("doctor", "doctor", None).await;
    let supervisor = house.operator("supervisor", "supervisor", None).await;
    let id = house.question(&patient).await;
    let path = |verb: &str| format!("/api/v1/consultations/{id}/{verb}");
    house.post(&path("claim"), &doctor, json!({})).await.ok();
    let body = json!({ "operator": supervisor.me["id"] });
    house.post(&path("transfer"), &supervisor, body).await.ok();
    house.post(&path("close"), &supervisor, json!({ "summary": "" })).await.ok();
}

#[tokio::test]
async fn search_finds_by_name_phone_and_number() {
    let house = House::open().await;
    let patient = house.patient("+79000000505").await;
    let name = json!({ "name": "Анна Смирнова" });
    let me = house.call(axum::http::Method::PATCH, "/api/v1/me", Some(&patient.token), Some(name));
    me.await.ok();
    house.question(&patient).await;
    let desk = house.operator("desk", "desk", None).await;
    let encode = |q: &str| q.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    for (q, found) in [
        ("смирн", 1),
        ("8 900 000-05-05", 1),
        ("10001", 1),
        ("№ 10 001", 1),
        ("иванов", 0),
        ("%", 0),
        ("_", 0),
        ("10002", 0),
    ] {
        let path = format!("/api/v1/consultations?state=waiting&q={}", encode(q));
        let page = house.get(&path, &desk).await.ok();
        assert_eq!(page["items"].as_array().map(Vec::len), Some(found), "{q}");
    }
}
