//! The patient's card, and who may open it.

use serde_json::json;

use crate::house::House;

#[tokio::test]
async fn a_card_shows_history_and_sent_files() {
    let house = House::open().await;
    let patient = house.patient("+79000001001").await;
    let doctor = house.operator("doctor", "doctor", Some("therapy")).await;
    let path = format!("/api/v1/patients/{}", patient.id());
    house.get(&path, &doctor).await.refused(404, "not-found");

    let id = house.question(&patient).await;
    house.post(&format!("/api/v1/consultations/{id}/claim"), &doctor, json!({})).await.ok();
    house.post("/api/v1/callbacks", &patient, json!({ "reason": "x" })).await.ok();
    let upload = format!("/api/v1/conversations/{}/files?name=a.txt", patient.conversation());
    let sent = house.post(&upload, &patient, json!("sent")).await.ok();
    house.post(&upload, &patient, json!("never sent")).await.ok();
    let client = house.database.pool.get().await.expect("a connection");
    let file: uuid::Uuid = sent["id"].as_str().expect("an id").parse().expect("an id");
    let conversation: uuid::Uuid = patient.conversation().parse().expect("an id");
    client
        .query_one(
            "SELECT seq FROM chat.append($1, $2, $3, NULL, 'file', '', $4, NULL)",
            &[&conversation, &patient.id(), &uuid::Uuid::now_v7(), &file],
        )
        .await
        .expect("sent");

    let card = house.get(&path, &doctor).await.ok();
    assert_eq!(card["phone"], "+79000001001");
    let kinds: Vec<_> = card["history"]
        .as_array()
        .expect("history")
        .iter()
        .map(|item| (item["kind"].as_str().expect("kind"), item["state"].as_str().expect("state")))
        .collect();
    assert_eq!(kinds, [("callback", "new"), ("consultation", "active")]);
    assert_eq!(card["files"].as_array().map(Vec::len), Some(1));
    assert_eq!(card["files"][0]["file"]["id"], sent["id"]);
}

#[tokio::test]
async fn the_list_shows_whom_the_operator_serves() {
    let house = House::open().await;
    let asking = house.patient("+79000001002").await;
    house.patient("+79000001003").await;
    house.question(&asking).await;
    let doctor = house.operator("doctor", "doctor", None).await;
    let supervisor = house.operator("supervisor", "supervisor", None).await;
    let list = house.get("/api/v1/patients", &doctor).await.ok();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(list["items"][0]["consultations"], 1);
    let list = house.get("/api/v1/patients", &supervisor).await.ok();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(2));
    let list = house.get("/api/v1/patients?q=0001003", &supervisor).await.ok();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    house.get("/api/v1/patients", &asking).await.refused(403, "forbidden");
}
