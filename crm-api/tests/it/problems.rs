//! Bodies of refusals, as clients see them.

use axum::http::{Method, header};
use insta::assert_json_snapshot;
use serde_json::json;

use crate::house::{House, Person, request};

#[tokio::test]
async fn refusals_of_signing_in() {
    let house = House::open().await;
    house.code("+79000001301").await.ok();
    let wrong = house.verify("+79000001301", "000000", "a").await;
    // One in a million times the code is that one.
    if !wrong.status.is_success() {
        assert_json_snapshot!("wrong-code", wrong.json());
    }
    let none = house.verify("+79000001302", "000000", "a").await;
    assert_json_snapshot!("code-expired", none.json());
    assert_json_snapshot!("invalid-phone", house.code("12").await.json());
    let login = house.login("nobody@clinic.example", "some password").await;
    assert_json_snapshot!("invalid-credentials", login.json());
    let me = house.call(Method::GET, "/api/v1/me", None, None).await;
    assert_json_snapshot!("unauthenticated", me.json());
}

#[tokio::test]
async fn refusals_of_work() {
    let house = House::open().await;
    let patient = house.patient("+79000001303").await;
    let doctor = house.operator("doctor", "doctor", None).await;
    let other = house.operator("other", "doctor", None).await;
    let id = house.question(&patient).await;
    let path = format!("/api/v1/consultations/{id}/claim");
    house.post(&path, &doctor, json!({})).await.ok();
    let mut lost = house.post(&path, &other, json!({})).await.refused(409, "already-claimed");
    assert_eq!(lost["holder"]["id"].take(), doctor.me["id"]);
    assert_json_snapshot!("already-claimed", lost);
    let forbidden = house.get("/api/v1/patients", &patient).await;
    assert_json_snapshot!("forbidden", forbidden.json());
    let missing = house.get("/api/v1/nothing/here", &patient).await;
    assert_json_snapshot!("not-found", missing.json());
    missing.refused(404, "not-found");
    house.get("/api/v1/consultations/not-an-id", &doctor).await.refused(404, "not-found");
}

#[tokio::test]
async fn bodies_that_cannot_be_read() {
    let house = House::open().await;
    let patient = house.patient("+79000001304").await;
    let send = async |patient: &Person, body: String, kind: &str| {
        let path = "/api/v1/callbacks";
        let mut broken = request(Method::POST, path, Some(&patient.token), Some(json!({})));
        *broken.body_mut() = body.into();
        broken.headers_mut().insert(header::CONTENT_TYPE, kind.parse().expect("a type"));
        house.send(broken).await
    };
    let json = "application/json";
    assert_json_snapshot!("broken-json", send(&patient, "{".to_owned(), json).await.json());
    send(&patient, "{}".to_owned(), json).await.refused(400, "bad-request");
    send(&patient, "{}".to_owned(), "text/plain").await.refused(400, "bad-request");
    let large = format!("{{\"reason\":\"{}\"}}", "x".repeat(100_000));
    send(&patient, large, json).await.refused(413, "too-large");
    let wrong_method = house.call(Method::DELETE, "/api/v1/me", Some(&patient.token), None).await;
    wrong_method.refused(405, "method-not-allowed");
}
