//! Keyset pages: complete and without repetition while rows come in.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::house::{House, Person};

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().expect("items");
    items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

/// Reads a list page by page; `between` runs after each page.
async fn read_all<F>(house: &House, person: &Person, path: &str, mut between: F) -> Vec<String>
where
    F: AsyncFnMut(usize),
{
    let mut seen = Vec::new();
    let mut after = String::new();
    for page_number in 0.. {
        let page = house.get(&format!("{path}{after}"), person).await.ok();
        let page_ids = ids(&page);
        assert!(page_ids.len() <= 3, "the limit holds");
        seen.extend(page_ids);
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
        between(page_number).await;
    }
    let unique: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(unique.len(), seen.len(), "nothing twice");
    seen
}

#[tokio::test]
async fn the_queue_is_complete_while_questions_come_in() {
    let house = House::open().await;
    let desk = house.operator("desk", "desk", None).await;
    let mut before = BTreeSet::new();
    for number in 0..8 {
        let patient = house.patient(&format!("+7900000090{number}")).await;
        before.insert(house.question(&patient).await);
    }
    let path = "/api/v1/consultations?state=waiting&limit=3";
    let seen = read_all(&house, &desk, path, async |page| {
        let patient = house.patient(&format!("+7900000091{page}")).await;
        house.question(&patient).await;
    })
    .await;
    let seen: BTreeSet<String> = seen.into_iter().collect();
    assert!(seen.is_superset(&before));
}

#[tokio::test]
async fn the_archive_is_complete_while_consultations_close() {
    let house = House::open().await;
    let doctor = house.operator("doctor", "doctor", None).await;
    let patient = house.patient("+79000000920").await;
    let close_one = async || {
        let id = house.question(&patient).await;
        let path = format!("/api/v1/consultations/{id}");
        house.post(&format!("{path}/claim"), &doctor, json!({})).await.ok();
        house.post(&format!("{path}/close"), &doctor, json!({ "summary": "" })).await.ok();
        id
    };
    let mut before = BTreeSet::new();
    for _ in 0..8 {
        before.insert(close_one().await);
    }
    // Equal times are told apart by the id.
    let client = house.database.pool.get().await.expect("a connection");
    let equal = "UPDATE crm.consultations SET closed_at = '2026-01-01', opened_at = '2026-01-01'";
    client.execute(equal, &[]).await.expect("moved");
    for path in ["/api/v1/consultations?state=closed&limit=3", "/api/v1/consultations?limit=3"] {
        let seen = read_all(&house, &doctor, path, async |_| {
            close_one().await;
        })
        .await;
        let seen: BTreeSet<String> = seen.into_iter().collect();
        assert!(seen.is_superset(&before), "{path}");
    }
}

#[tokio::test]
async fn callbacks_and_patients_page_too() {
    let house = House::open().await;
    let supervisor = house.operator("supervisor", "supervisor", None).await;
    for number in 0..7 {
        let patient = house.patient(&format!("+7900000093{number}")).await;
        house.post("/api/v1/callbacks", &patient, json!({ "reason": "x" })).await.ok();
    }
    let nothing = async |_| {};
    let callbacks = read_all(&house, &supervisor, "/api/v1/callbacks?limit=3", nothing).await;
    assert_eq!(callbacks.len(), 7);
    let patients = read_all(&house, &supervisor, "/api/v1/patients?limit=3", nothing).await;
    assert_eq!(patients.len(), 7);
    let archive = "/api/v1/callbacks?state=archive&limit=3";
    assert!(read_all(&house, &supervisor, archive, nothing).await.is_empty());
    house.get("/api/v1/patients?after=zzz", &supervisor).await.refused(422, "invalid-body");
}
