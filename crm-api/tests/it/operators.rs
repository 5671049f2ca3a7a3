//! Managing the staff.

use axum::http::Method;
use housecall_platform::bus::Bus;
use housecall_protocol::PersonId;
use housecall_protocol::client::PersonPresence;
use housecall_protocol::cluster::{Answer, PresenceReply, PresenceRequest, subject};
use housecall_protocol::domain::PresenceStatus;
use serde_json::{Value, json};

use crate::house::{House, PASSWORD, Person, Reply};

async fn patch(house: &House, admin: &Person, id: &Value, body: Value) -> Reply {
    let path = format!("/api/v1/operators/{}", id.as_str().expect("an id"));
    house.call(Method::PATCH, &path, Some(&admin.token), Some(body)).await
}

#[tokio::test]
async fn an_administrator_adds_changes_and_disables() {
    let house = House::open().await;
    let admin = house.operator("admin", "admin", None).await;
    let new = json!({ "name": "Ольга Белова", "email": "Belova@Clinic.example",
                      "password": PASSWORD, "role": "doctor", "specialty": "pediatrics" });
    let created = house.post("/api/v1/operators", &admin, new.clone()).await;
    assert_eq!(created.status, 201);
    let id = created.ok()["id"].clone();
    assert_eq!(created.ok()["email"], "belova@clinic.example");
    house.post("/api/v1/operators", &admin, new).await.refused(409, "email-taken");
    let doctor = Person::of(&house.login("belova@clinic.example", PASSWORD).await);

    let changed = patch(&house, &admin, &id, json!({ "specialty": "", "name": "О. Белова" })).await;
    assert_eq!(changed.ok()["specialty"], json!(null));
    house.get("/api/v1/me", &doctor).await.ok();
    patch(&house, &admin, &id, json!({ "disabled": true })).await.ok();
    house.get("/api/v1/me", &doctor).await.refused(401, "session-ended");
    let login = house.login("belova@clinic.example", PASSWORD).await;
    login.refused(401, "invalid-credentials");
    let other = house.operator("other", "doctor", None).await;
    let list = house.get("/api/v1/operators", &other).await.ok();
    assert!(list.as_array().expect("a list").iter().all(|operator| operator["id"] != id));
}

#[tokio::test]
async fn a_new_password_signs_out() {
    let house = House::open().await;
    let admin = house.operator("admin", "admin", None).await;
    let doctor = house.operator("doctor", "doctor", None).await;
    let body = json!({ "password": "another long password" });
    patch(&house, &admin, &doctor.me["id"], body).await.ok();
    house.get("/api/v1/me", &doctor).await.refused(401, "session-ended");
    house.login("doctor@clinic.example", "another long password").await.ok();
    let short = patch(&house, &admin, &doctor.me["id"], json!({ "password": "short" })).await;
    assert_eq!(short.refused(422, "invalid-body")["field"], "password");
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let house = House::open().await;
    let admin = house.operator("admin", "admin", None).await;
    for body in [json!({ "disabled": true }), json!({ "role": "doctor" })] {
        patch(&house, &admin, &admin.me["id"], body).await.refused(409, "last-admin");
    }
    let second = house.operator("second", "admin", None).await;
    let (first, other) = tokio::join!(
        patch(&house, &admin, &second.me["id"], json!({ "disabled": true })),
        patch(&house, &second, &admin.me["id"], json!({ "disabled": true })),
    );
    let disabled = [&first, &other].iter().filter(|reply| reply.status.is_success()).count();
    assert_eq!(disabled, 1, "{} {}", first.text(), other.text());
}

#[tokio::test]
async fn only_administrators_manage() {
    let house = House::open().await;
    let supervisor = house.operator("supervisor", "supervisor", None).await;
    let body = json!({ "name": "x", "email": "x@y", "password": PASSWORD, "role": "admin" });
    house.post("/api/v1/operators", &supervisor, body).await.refused(403, "forbidden");
    let own = patch(&house, &supervisor, &supervisor.me["id"], json!({ "role": "admin" })).await;
    own.refused(403, "forbidden");
}

/// Answers as presence does, for as long as the test lives.
async fn presence(bus: Bus, online: PersonId) {
    let mut requests = bus.subscribe(subject::PRESENCE_REQUEST).await.expect("a local bus");
    while let Some(request) = requests.next().await {
        let status = |person| match person == online {
            true => PresenceStatus::Busy,
            false => PresenceStatus::Offline,
        };
        let reply = match request.parse().expect("a request") {
            PresenceRequest::Query { people } => PresenceReply::People(
                people
                    .into_iter()
                    .map(|person| PersonPresence {
                        person,
                        status: status(person),
                        last_seen: None,
                    })
                    .collect(),
            ),
            PresenceRequest::OperatorsOnline => PresenceReply::Operators(vec![online]),
        };
        let answer: Answer<PresenceReply> = Ok(reply);
        bus.reply(&request, &answer).await.expect("a local bus");
    }
}

#[tokio::test]
async fn presence_is_shown_when_it_answers() {
    let house = House::open().await;
    let doctor = house.operator("doctor", "doctor", None).await;
    let patient = house.patient("+79000001101").await;
    let list = house.get("/api/v1/operators", &doctor).await.ok();
    assert_eq!(list[0]["presence"], "offline");
    let serving = presence(house.context.bus.clone(), PersonId(doctor.id()));
    let asking = async {
        let list = house.get("/api/v1/operators", &doctor).await.ok();
        assert_eq!(list[0]["presence"], "busy");
        let home = house.get("/api/v1/patient/home", &patient).await.ok();
        assert_eq!(home["doctors_online"], 1);
    };
    tokio::select! {
        biased;
        () = serving => unreachable!("the bus stays open"),
        () = asking => {}
    }
}
