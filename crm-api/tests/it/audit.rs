//! Every touch of a patient's record leaves a line that cannot be taken back.

use serde_json::json;

use crate::house::{House, Person};

async fn lines(house: &House, patient: &Person) -> Vec<String> {
    let client = house.database.pool.get().await.expect("a connection");
    let rows = client
        .query(
            "SELECT action FROM crm.audit_log WHERE patient_id = $1 ORDER BY id",
            &[&patient.id()],
        )
        .await
        .expect("lines");
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn what_an_operator_does_is_written_down() {
    let house = House::open().await;
    let patient = house.patient("+79000000601").await;
    let doctor = house.operator("doctor", "doctor", None).await;
    let id = house.question(&patient).await;
    let path = format!("/api/v1/consultations/{id}");
    house.get(&path, &doctor).await.ok();
    house.post(&format!("{path}/claim"), &doctor, json!({})).await.ok();
    house.get(&format!("/api/v1/patients/{}", patient.id()), &doctor).await.ok();
    let upload = format!("/api/v1/conversations/{}/files?name=a.txt", patient.conversation());
    let file = house.post(&upload, &doctor, json!("text")).await.ok();
    let file = format!("/api/v1/files/{}", file["id"].as_str().expect("an id"));
    house.get(&file, &doctor).await.ok();
    house.post(&format!("{path}/close"), &doctor, json!({ "summary": "" })).await.ok();
    assert_eq!(
        lines(&house, &patient).await,
        [
            "consultation.read",
            "consultation.claim",
            "patient.read",
            "file.upload",
            "file.read",
            "consultation.close"
        ]
    );
    let client = house.database.pool.get().await.expect("a connection");
    assert!(client.execute("DELETE FROM crm.audit_log", &[]).await.is_err(), "append-only");
}

#[tokio::test]
async fn a_refused_reader_leaves_no_line_of_reading() {
    let house = House::open().await;
    let patient = house.patient("+79000000602").await;
    let doctor = house.operator("doctor", "doctor", None).await;
    let card = format!("/api/v1/patients/{}", patient.id());
    house.get(&card, &doctor).await.refused(404, "not-found");
    assert!(lines(&house, &patient).await.is_empty());
}
