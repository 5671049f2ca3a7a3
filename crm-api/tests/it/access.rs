//! Who may reach what: every route with an id, asked by somebody it is not for.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::house::{House, Person};

/// Each route with an id of somebody else's thing.
fn foreign_routes(owner: &Owner) -> Vec<(Method, String, Option<Value>)> {
    let Owner { consultation, callback, call, link, file, patient } = owner;
    let conversation = patient.conversation();
    let (id, session) = (patient.id(), patient.me["session"].as_str().expect("an id"));
    let empty = || Some(json!({}));
    vec![
        (Method::GET, format!("/api/v1/consultations/{consultation}"), None),
        (Method::POST, format!("/api/v1/consultations/{consultation}/claim"), None),
        (
            Method::POST,
            format!("/api/v1/consultations/{consultation}/close"),
            Some(json!({ "summary": "" })),
        ),
        (Method::POST, format!("/api/v1/consultations/{consultation}/transfer"), empty()),
        (Method::GET, format!("/api/v1/callbacks/{callback}"), None),
        (Method::POST, format!("/api/v1/callbacks/{callback}/take"), None),
        (Method::POST, format!("/api/v1/callbacks/{callback}/release"), None),
        (Method::POST, format!("/api/v1/callbacks/{callback}/cancel"), None),
        (Method::POST, format!("/api/v1/callbacks/{callback}/done"), None),
        (Method::GET, format!("/api/v1/calls/{call}"), None),
        (Method::GET, format!("/api/v1/calls/{call}/stream-links"), None),
        (
            Method::POST,
            format!("/api/v1/calls/{call}/stream-links"),
            Some(json!({ "direction": "play" })),
        ),
        (Method::DELETE, format!("/api/v1/stream-links/{link}"), None),
        (Method::GET, format!("/api/v1/patients/{id}"), None),
        (Method::POST, format!("/api/v1/conversations/{conversation}/files?name=a.txt"), empty()),
        (Method::GET, format!("/api/v1/files/{file}"), None),
        (Method::GET, format!("/api/v1/files/{file}/view"), None),
        (Method::GET, format!("/api/v1/files/{file}/thumbnail"), None),
        (Method::POST, format!("/api/v1/conversations/{conversation}/uploads"), None),
        (Method::GET, format!("/api/v1/uploads/{file}"), None),
        (Method::PATCH, format!("/api/v1/uploads/{file}"), None),
        (Method::DELETE, format!("/api/v1/uploads/{file}"), None),
        (Method::DELETE, format!("/api/v1/me/sessions/{session}"), None),
        (Method::PATCH, format!("/api/v1/operators/{id}"), empty()),
    ]
}

struct Owner {
    patient: Person,
    consultation: String,
    callback: String,
    call: String,
    link: String,
    file: String,
}

/// A patient with one of everything.
async fn owner(house: &House) -> Owner {
    let patient = house.patient("+79000000301").await;
    let consultation = house.question(&patient).await;
    let body = json!({ "reason": "Перезвоните" });
    let callback = house.post("/api/v1/callbacks", &patient, body).await.ok();
    let path = format!("/api/v1/conversations/{}/files?name=a.txt", patient.conversation());
    let file = house.post(&path, &patient, json!("text")).await.ok();
    let id = |value: &Value| value["id"].as_str().expect("an id").to_owned();
    let (call, link) = call(house, &patient, &consultation).await;
    Owner { patient, consultation, callback: id(&callback), call, link, file: id(&file) }
}

/// A call that nobody of the tests is in, and a link into its room.
async fn call(house: &House, patient: &Person, consultation: &str) -> (String, String) {
    let doctor = house.operator("caller", "doctor", Some("neurology")).await;
    let (call, link, patient) = (Uuid::now_v7(), Uuid::now_v7(), patient.id());
    let client = house.database.pool.get().await.expect("a connection");
    let script = format!(
        "INSERT INTO crm.calls (id, conversation_id, consultation_id, caller_id, callee_id, media,
                                owner_node)
         SELECT '{call}', conversation_id, id, '{doctor}', patient_id, 'audio', '{patient}'
         FROM crm.consultations WHERE id = '{consultation}';
         INSERT INTO crm.stream_links (id, room_id, call_id, direction, token_hash, created_by,
                                       expires_at)
         VALUES ('{link}', '{call}', '{call}', 'play', '', '{doctor}', now() + interval '1 h')",
        doctor = doctor.id()
    );
    client.batch_execute(&script).await.expect("a call");
    (call.to_string(), link.to_string())
}

#[tokio::test]
async fn a_patient_reaches_nothing_of_another() {
    let house = House::open().await;
    let owner = owner(&house).await;
    let stranger = house.patient("+79000000302").await;
    for (method, path, body) in foreign_routes(&owner) {
        let reply = house.call(method.clone(), &path, Some(&stranger.token), body).await;
        assert!(matches!(reply.status.as_u16(), 403 | 404), "{method} {path}: {}", reply.status);
        let nameless = !reply.text().contains("Перезвоните");
        assert!(nameless, "{method} {path}: {}", reply.text());
    }
    house.say(&owner.patient, owner.patient.conversation(), "болит горло").await;
    let search = "/api/v1/messages/search?q=%D0%B1%D0%BE%D0%BB%D0%B8%D1%82".to_owned();
    let lists = ["/api/v1/consultations", "/api/v1/callbacks", &search];
    for path in lists {
        let page = house.get(path, &stranger).await.ok();
        assert_eq!(page["items"], json!([]), "{path}");
    }
    let found = house.get(&search, &owner.patient).await.ok();
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "its own words are found");
    let within = format!("{search}&conversation={}", owner.patient.conversation());
    house.get(&within, &stranger).await.refused(404, "not-found");
    let untouched = house.get("/api/v1/me", &owner.patient).await;
    untouched.ok();
}

#[tokio::test]
async fn nobody_reaches_anything_without_signing_in() {
    let house = House::open().await;
    let owner = owner(&house).await;
    let mut routes = foreign_routes(&owner);
    for path in [
        "/api/v1/me",
        "/api/v1/me/sessions",
        "/api/v1/patient/home",
        "/api/v1/specialties",
        "/api/v1/consultations",
        "/api/v1/callbacks",
        "/api/v1/calls",
        "/api/v1/patients",
        "/api/v1/operators",
        "/api/v1/messages/search?q=x",
    ] {
        routes.push((Method::GET, path.to_owned(), None));
    }
    for (method, path, body) in routes {
        let reply = house.call(method, &path, None, body).await;
        reply.refused(401, "unauthenticated");
    }
}

#[tokio::test]
async fn an_administrator_reads_no_patient() {
    let house = House::open().await;
    let owner = owner(&house).await;
    let admin = house.operator("admin", "admin", None).await;
    for (method, path, body) in foreign_routes(&owner) {
        if path.contains("/operators/") {
            continue;
        }
        let reply = house.call(method.clone(), &path, Some(&admin.token), body).await;
        assert!(matches!(reply.status.as_u16(), 403 | 404), "{method} {path}: {}", reply.status);
    }
    for path in [
        "/api/v1/consultations",
        "/api/v1/callbacks",
        "/api/v1/calls",
        "/api/v1/patients",
        "/api/v1/messages/search?q=x",
    ] {
        house.get(path, &admin).await.refused(403, "forbidden");
    }
    house.get("/api/v1/operators", &admin).await.ok();
}

#[tokio::test]
async fn a_doctor_of_another_specialty_does_not_see_the_question() {
    let house = House::open().await;
    let patient = house.patient("+79000000303").await;
    let wish = json!({ "specialty": "cardiology" });
    let opened = house.post("/api/v1/consultations", &patient, wish).await.ok();
    let path = format!("/api/v1/consultations/{}", opened["id"].as_str().expect("an id"));
    let claim = format!("{path}/claim");
    let therapist = house.operator("therapist", "doctor", Some("therapy")).await;
    house.get(&path, &therapist).await.refused(404, "not-found");
    house.post(&claim, &therapist, json!({})).await.refused(404, "not-found");
    let queue = house.get("/api/v1/consultations?state=waiting", &therapist).await.ok();
    assert_eq!(queue["items"], json!([]));
    assert_eq!(queue["counts"]["waiting"], 0);
    let desk = house.operator("desk", "desk", None).await;
    house.get(&path, &desk).await.ok();
    let cardiologist = house.operator("cardiologist", "doctor", Some("cardiology")).await;
    house.post(&claim, &cardiologist, json!({})).await.ok();
    house.get(&path, &desk).await.refused(404, "not-found");
    let supervisor = house.operator("supervisor", "supervisor", None).await;
    house.get(&path, &supervisor).await.ok();
}

#[tokio::test]
async fn every_route_with_an_id_is_in_the_table() {
    let house = House::open().await;
    let owner = owner(&house).await;
    let ids = [&owner.consultation, &owner.callback, &owner.call, &owner.link, &owner.file];
    let tested: BTreeSet<(String, String)> = foreign_routes(&owner)
        .into_iter()
        .map(|(method, path, _)| {
            let path = path.split('?').next().unwrap_or_default();
            let words = path.split('/').map(|word| {
                let is_id = ids.iter().any(|id| *id == word) || word.parse::<uuid::Uuid>().is_ok();
                if is_id { "{id}" } else { word }
            });
            (method.as_str().to_lowercase(), words.collect::<Vec<_>>().join("/"))
        })
        .collect();
    let document: Value = serde_json::from_str(&housecall_crm_api::openapi()).expect("JSON");
    let described: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .filter(|(path, _)| path.contains("{id}"))
        .flat_map(|(path, item)| {
            let methods = item.as_object().expect("operations").keys();
            // What a route speaks is no secret.
            let methods = methods.filter(|method| *method != "options");
            methods.map(|method| (method.clone(), path.clone())).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(tested, described);
}
