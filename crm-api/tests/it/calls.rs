//! Records of calls, and who may read them.

use serde_json::json;
use uuid::Uuid;

use crate::house::{House, Person};

struct Scene {
    house: House,
    patient: Person,
    doctor: Person,
    colleague: Person,
    supervisor: Person,
    call: Uuid,
}

impl Scene {
    /// A running call of a doctor with a patient; a colleague was invited and a
    /// supervisor listens.
    async fn new() -> Self {
        let house = House::open().await;
        let patient = house.patient("+79000000701").await;
        let doctor = house.operator("doctor", "doctor", None).await;
        let colleague = house.operator("colleague", "doctor", Some("cardiology")).await;
        let supervisor = house.operator("supervisor", "supervisor", None).await;
        let consultation = house.question(&patient).await;
        house
            .post(&format!("/api/v1/consultations/{consultation}/claim"), &doctor, json!({}))
            .await
            .ok();
        let call = Uuid::now_v7();
        let scene = Self { house, patient, doctor, colleague, supervisor, call };
        let (p, d) = (scene.patient.id(), scene.doctor.id());
        scene
            .sql(&format!(
                "INSERT INTO crm.calls (id, conversation_id, consultation_id, caller_id, callee_id,
                                        media, owner_node, created_at, accepted_at)
                 VALUES ('{call}', '{}', '{consultation}', '{p}', '{d}', 'video', '{d}',
                         now() - interval '70 s', now() - interval '60 s');
                 INSERT INTO crm.call_guests (call_id, person_id, role, invited_by) VALUES
                     ('{call}', '{}', 'member', '{d}'), ('{call}', '{}', 'hidden', '{}');",
                scene.patient.conversation(),
                scene.colleague.id(),
                scene.supervisor.id(),
                scene.supervisor.id(),
            ))
            .await;
        scene
    }

    async fn sql(&self, script: &str) {
        let client = self.house.database.pool.get().await.expect("a connection");
        client.batch_execute(script).await.expect("the script runs");
    }

    async fn ends(&self) {
        let (call, patient) = (self.call, self.patient.id());
        self.sql(&format!(
            "SELECT * FROM crm.finish_call('{call}', 'hung_up');
             INSERT INTO crm.call_quality (call_id, person_id, mos_mean, mos_min, loss_down, freezes,
                                           path, tracks, faults)
             VALUES ('{call}', '{patient}', 3.25, 2.5, 0.0625, 3, 'turn_tls',
                     '[{{\"source\": \"camera\", \"direction\": \"down\", \"loss\": 0.5,
                         \"jitter_ms\": null, \"bitrate_bps\": 500000, \"frames_per_second\": null,
                         \"freezes\": 3}}]',
                     '[{{\"source\": \"microphone\", \"fault\": \"not_arriving\", \"times\": 2}}]')"
        ))
        .await;
    }

    async fn list(&self, list: &str, person: &Person) -> usize {
        let page = self.house.get(&format!("/api/v1/calls?list={list}"), person).await.ok();
        page["items"].as_array().map_or(0, Vec::len)
    }
}

#[tokio::test]
async fn running_calls_are_shown_to_who_is_in_them_and_to_supervisors() {
    let scene = Scene::new().await;
    let stranger = scene.house.operator("stranger", "desk", None).await;
    let admin = scene.house.operator("admin", "admin", None).await;
    for person in [&scene.doctor, &scene.colleague, &scene.supervisor] {
        assert_eq!(scene.list("running", person).await, 1);
        assert_eq!(scene.list("ended", person).await, 0);
    }
    assert_eq!(scene.list("running", &stranger).await, 0);
    for person in [&admin, &scene.patient] {
        scene.house.get("/api/v1/calls", person).await.refused(403, "forbidden");
    }
    let page = scene.house.get("/api/v1/calls?list=running", &scene.doctor).await.ok();
    let item = &page["items"][0];
    assert_eq!(item["guests"], 1, "who listens unseen is not counted");
    assert_eq!(item["started_by"], "patient");
    assert_eq!((&item["ended_at"], &item["mos"]), (&json!(null), &json!(null)));
}

#[tokio::test]
async fn a_record_says_who_was_there_and_how_it_was() {
    let scene = Scene::new().await;
    scene.ends().await;
    let path = format!("/api/v1/calls/{}", scene.call);
    let record = scene.house.get(&path, &scene.doctor).await.ok();
    let call = &record["call"];
    assert_eq!((&call["reason"], &call["duration_s"]), (&json!("hung_up"), &json!(60)));
    assert_eq!((&call["mos"], &call["faults"]), (&json!(3.25), &json!(2)));
    let roles = |record: &serde_json::Value| -> Vec<(String, String)> {
        let people = record["participants"].as_array().expect("participants");
        let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
        people.iter().map(|one| (text(&one["kind"]), text(&one["role"]))).collect()
    };
    let pair = |kind: &str, role: &str| (kind.to_owned(), role.to_owned());
    let seen = [pair("patient", "member"), pair("operator", "member"), pair("operator", "member")];
    assert_eq!(roles(&record), seen);
    let quality = &record["participants"][0]["quality"];
    assert_eq!((&quality["mos_min"], &quality["path"]), (&json!(2.5), &json!("turn_tls")));
    assert_eq!(quality["tracks"][0]["bitrate_bps"], 500_000.0);
    assert_eq!(quality["faults"][0]["fault"], "not_arriving");
    assert_eq!(record["participants"][1]["quality"], json!(null));

    let whole = scene.house.get(&path, &scene.supervisor).await.ok();
    assert_eq!(roles(&whole).last(), Some(&pair("operator", "hidden")));
    scene.house.get(&path, &scene.colleague).await.ok();
    let stranger = scene.house.operator("stranger", "doctor", None).await;
    scene.house.get(&path, &stranger).await.refused(404, "not-found");
    assert_eq!(
        scene.house.count("SELECT count(*) FROM crm.audit_log WHERE action = 'call.read'").await,
        3
    );
}

#[tokio::test]
async fn poor_calls_are_found_and_pages_follow_each_other() {
    let scene = Scene::new().await;
    scene.ends().await;
    let (p, d) = (scene.patient.id(), scene.doctor.id());
    for n in 0..3 {
        let call = Uuid::now_v7();
        scene
            .sql(&format!(
                "INSERT INTO crm.calls (id, conversation_id, consultation_id, caller_id, callee_id,
                                        media, owner_node, created_at, ended_at, end_reason)
                 SELECT '{call}', conversation_id, consultation_id, '{d}', '{p}', 'audio', '{d}',
                        now() - interval '{n} h', now(), 'no_answer'
                 FROM crm.calls WHERE id = '{}';",
                scene.call
            ))
            .await;
    }
    assert_eq!(scene.list("ended", &scene.doctor).await, 4);
    assert_eq!(scene.list("poor", &scene.doctor).await, 1);
    let first = scene.house.get("/api/v1/calls?limit=3", &scene.doctor).await.ok();
    let next = first["next"].as_str().expect("another page");
    let last =
        scene.house.get(&format!("/api/v1/calls?limit=3&after={next}"), &scene.doctor).await.ok();
    assert_eq!(last["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(last["next"], json!(null));
}
