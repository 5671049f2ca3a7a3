//! One's own token, another's objects: every route with an id, and every list.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::tokens::operations;
use super::world::{Case, Person, World};
use crate::client::text;

pub(super) async fn attack(world: Arc<World>) {
    let mut case = world.taken_case().await;
    let words = world.words("секрет");
    let secret = text(&case.conversation, Uuid::now_v7(), &words);
    case.client.request("chat.send", secret).await.unwrap();
    let name = world.words("имя");
    let profile = json!({ "name": name });
    let token = Some(case.patient.token.as_str());
    assert_eq!(world.call("patch", "/api/v1/me", token, Some(&profile)).await.status, 200);
    let reason = json!({ "reason": world.words("причина") });
    let callback = world.post("/api/v1/callbacks", &case.patient, &reason).await.id();
    let file =
        world.upload(&case.patient, &case.conversation, "a.txt", b"text".to_vec()).await.id();
    // Taken by its doctor, so that it is in nobody else's list.
    world.post(&format!("/api/v1/callbacks/{callback}/take"), &world.doctor, &json!({})).await.id();

    let target = Target { case, callback, file };
    let before = target.state(&world).await;
    let stranger = world.patient().await;
    for (who, person) in [
        ("another patient", &stranger),
        ("a doctor of another specialty", &world.other_doctor),
        ("an administrator", &world.admin),
    ] {
        every_route_with_an_id(&world, &target, who, person).await;
        no_list_shows(&world, &target, who, person, &[&words, &name]).await;
    }
    patients_do_not_do_operators_work(&world, &stranger).await;
    administrators_read_no_records(&world).await;
    assert_eq!(target.state(&world).await, before, "nothing was changed");
}

struct Target {
    case: Case,
    callback: String,
    file: String,
}

impl Target {
    fn path(&self, world: &World, template: &str) -> String {
        let id = match template.split('/').nth(3).unwrap() {
            "consultations" => &self.case.consultation,
            "callbacks" => &self.callback,
            "patients" => &self.case.patient.id,
            "conversations" => &self.case.conversation,
            "files" => &self.file,
            "operators" => &world.doctor.id,
            // Calls, links and uploads have their own table in the REST service's tests,
            // with real ones; here nobody may learn what stands behind an unknown id.
            "calls" | "stream-links" | "uploads" => &self.file,
            "me" => &self.case.patient.session,
            other => panic!("{other} is new: say whose object to attack"),
        };
        template.replace("{id}", id)
    }

    async fn state(&self, world: &World) -> Value {
        let consultation = format!("/api/v1/consultations/{}", self.case.consultation);
        let consultation = world.get(&consultation, &world.doctor).await.json();
        let callback = format!("/api/v1/callbacks/{}", self.callback);
        let callback = world.get(&callback, &world.doctor).await.json();
        let sessions = world.get("/api/v1/me/sessions", &self.case.patient).await.json();
        let me = world.get("/api/v1/me", &world.doctor).await.json();
        let sessions = sessions.as_array().expect("sessions").len();
        json!([consultation, callback, sessions, me])
    }
}

async fn every_route_with_an_id(world: &World, target: &Target, who: &str, person: &Person) {
    // Valid for whichever route it is, so that no refusal is only about the body.
    let body = json!({ "summary": "x", "name": "Чужой", "direction": "play" });
    for (method, template) in operations().await {
        let of_staff = template.starts_with("/api/v1/operators") && person.id == world.admin.id;
        if !template.contains("{id}") || of_staff {
            continue;
        }
        let path = target.path(world, &template);
        let reply = world.call(&method, &path, Some(&person.token), Some(&body)).await;
        let taken = reply.status == 409 && reply.json()["type"] == "/problems/already-taken";
        assert!(
            [403, 404].contains(&reply.status) || taken,
            "{who}: {method} {template} gave {} {}",
            reply.status,
            reply.text
        );
    }
}

async fn no_list_shows(world: &World, target: &Target, who: &str, person: &Person, words: &[&str]) {
    let Target { case, callback, .. } = target;
    let ids = [&case.consultation, callback, &case.conversation, &case.patient.id];
    for path in [
        "/api/v1/consultations",
        "/api/v1/consultations?state=active",
        "/api/v1/consultations?state=waiting&mine=true",
        "/api/v1/callbacks",
        "/api/v1/callbacks?state=in_progress",
        "/api/v1/callbacks?state=overdue",
        "/api/v1/callbacks?state=archive",
        "/api/v1/patients?limit=100",
        "/api/v1/patient/home",
        "/api/v1/me",
        "/api/v1/operators",
        // The word that begins the secret message.
        "/api/v1/messages/search?q=%D1%81%D0%B5%D0%BA%D1%80%D0%B5%D1%82&limit=50",
    ] {
        let reply = world.get(path, person).await;
        assert!([200, 403].contains(&reply.status), "{who}: {path}: {}", reply.text);
        for leak in ids.into_iter().map(String::as_str).chain(words.iter().copied()) {
            assert!(!reply.text.contains(leak), "{who}: {path} shows {leak}: {}", reply.text);
        }
    }
}

async fn patients_do_not_do_operators_work(world: &World, patient: &Person) {
    let own = world.post("/api/v1/consultations", patient, &json!({})).await.id();
    let body = json!({ "summary": "" });
    for step in ["claim", "close", "transfer"] {
        let path = format!("/api/v1/consultations/{own}/{step}");
        assert_eq!(world.post(&path, patient, &body).await.status, 403, "{step}");
    }
    let operator = json!({ "name": "Я", "email": "i@evil.example", "password": "0123456789",
        "role": "admin" });
    for person in [patient, &world.doctor, &world.supervisor] {
        let reply = world.post("/api/v1/operators", person, &operator).await;
        assert_eq!(reply.status, 403, "{}", reply.text);
        let path = format!("/api/v1/operators/{}", world.doctor.id);
        let promotion = Some(json!({ "role": "admin" }));
        let reply = world.call("patch", &path, Some(&person.token), promotion.as_ref()).await;
        assert_eq!(reply.status, 403, "{}", reply.text);
    }
    for path in ["/api/v1/patients", "/api/v1/operators"] {
        assert_eq!(world.get(path, patient).await.status, 403, "{path}");
    }
    // What one's own profile does not have cannot be written into it.
    let more = json!({ "name": "Имя", "role": "admin", "kind": "operator", "phone": "+79990000000",
        "id": world.doctor.id });
    let reply = world.call("patch", "/api/v1/me", Some(&patient.token), Some(&more)).await;
    let me = world.get("/api/v1/me", patient).await.json();
    assert_eq!(me["role"], Value::Null, "{}", reply.text);
    assert_eq!((&me["kind"], &me["id"]), (&json!("patient"), &json!(patient.id)));
    assert_ne!(me["phone"], "+79990000000");
}

async fn administrators_read_no_records(world: &World) {
    for path in ["/api/v1/consultations", "/api/v1/callbacks", "/api/v1/patients"] {
        assert_eq!(world.get(path, &world.admin).await.status, 403, "{path}");
        assert_eq!(world.get(&format!("{path}?q=а"), &world.admin).await.status, 403, "{path}");
    }
    let search = world.get("/api/v1/messages/search?q=x", &world.admin).await;
    assert_eq!(search.status, 403, "{}", search.text);
}
