//! The rules that the database itself keeps.

mod search;

use housecall_schema::testing::TestDatabase;
use tokio_postgres::Client;
use uuid::Uuid;

struct House {
    db: TestDatabase,
    patient: Uuid,
    conversation: Uuid,
    doctor: Uuid,
}

impl House {
    async fn new() -> Self {
        let db = TestDatabase::fresh().await;
        let (patient, conversation, doctor) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
        let client = db.pool.get().await.unwrap();
        client
            .batch_execute(&format!(
                "INSERT INTO crm.people (id, kind, name) VALUES
                     ('{patient}', 'patient', 'Анна'), ('{doctor}', 'operator', 'Илья');
                 INSERT INTO crm.patients (id, phone) VALUES ('{patient}', '+79000000024');
                 INSERT INTO crm.operators (id, email, password_hash, role, specialty)
                     VALUES ('{doctor}', 'doctor@example.org', 'x', 'doctor', 'therapy');
                 INSERT INTO chat.conversations (id, patient_id) VALUES ('{conversation}', '{patient}');"
            ))
            .await
            .unwrap();
        Self { db, patient, conversation, doctor }
    }

    async fn may(&self, action: &str, person: Uuid) -> bool {
        let client = self.db.pool.get().await.unwrap();
        let query = format!("SELECT crm.may_{action}($1, $2)");
        client.query_one(&query, &[&person, &self.conversation]).await.unwrap().get(0)
    }

    async fn open(&self, specialty: Option<&str>) -> (Uuid, bool) {
        let client = self.db.pool.get().await.unwrap();
        let row = client
            .query_one(
                "SELECT id, is_new FROM crm.open_consultation($1, $2, $3)",
                &[&self.conversation, &Uuid::now_v7(), &specialty],
            )
            .await
            .unwrap();
        (row.get(0), row.get(1))
    }
}

async fn append(client: &Client, house: &House, client_id: Uuid, text: &str) -> (i64, bool) {
    let row = client
        .query_one(
            "SELECT seq, is_new FROM chat.append($1, $2, $3, NULL, 'text', $4, NULL, NULL)",
            &[&house.conversation, &house.patient, &client_id, &text],
        )
        .await
        .unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn seq_is_gapless_and_a_resend_returns_the_first() {
    let house = House::new().await;
    let client = house.db.pool.get().await.unwrap();
    let first = Uuid::now_v7();
    assert_eq!(append(&client, &house, first, "раз").await, (1, true));
    assert_eq!(append(&client, &house, Uuid::now_v7(), "два").await, (2, true));
    assert_eq!(append(&client, &house, first, "раз").await, (1, false));
    assert_eq!(append(&client, &house, Uuid::now_v7(), "три").await, (3, true));
}

#[tokio::test]
async fn concurrent_questions_open_one_consultation() {
    let house = House::new().await;
    let opened = futures_join(&house).await;
    let ids: std::collections::BTreeSet<Uuid> = opened.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(opened.iter().filter(|(_, is_new)| *is_new).count(), 1);
}

async fn futures_join(house: &House) -> Vec<(Uuid, bool)> {
    let (a, b, c) = tokio::join!(house.open(None), house.open(None), house.open(None));
    vec![a, b, c]
}

#[tokio::test]
async fn an_operator_reads_what_waits_for_them_and_writes_only_what_they_hold() {
    let house = House::new().await;
    assert!(house.may("read", house.patient).await);
    assert!(!house.may("read", house.doctor).await);

    let (consultation, _) = house.open(Some("cardiology")).await;
    assert!(!house.may("read", house.doctor).await, "another specialty's queue");

    let client = house.db.pool.get().await.unwrap();
    client.execute("UPDATE crm.consultations SET specialty = 'therapy'", &[]).await.unwrap();
    assert!(house.may("read", house.doctor).await);
    assert!(!house.may("write", house.doctor).await);

    client
        .execute(
            "UPDATE crm.consultations SET state = 'active', operator_id = $2,
                    claimed_at = now(), waiting_since = NULL WHERE id = $1",
            &[&consultation, &house.doctor],
        )
        .await
        .unwrap();
    assert!(house.may("write", house.doctor).await);
    assert!(!house.may("write", Uuid::now_v7()).await);
}

#[tokio::test]
async fn a_message_cannot_carry_another_conversations_file() {
    let (house, other) = (House::new().await, Uuid::now_v7());
    let client = house.db.pool.get().await.unwrap();
    let error = client
        .query_one(
            "SELECT seq FROM chat.append($1, $2, NULL, NULL, 'file', '', $3, NULL)",
            &[&house.conversation, &house.patient, &other],
        )
        .await
        .unwrap_err();
    let constraint = error.as_db_error().and_then(|e| e.constraint()).map(str::to_owned);
    assert_eq!(constraint.as_deref(), Some("messages_file"));
}

#[tokio::test]
async fn the_audit_log_cannot_be_changed() {
    let house = House::new().await;
    let client = house.db.pool.get().await.unwrap();
    client.execute("INSERT INTO crm.audit_log (action) VALUES ('read')", &[]).await.unwrap();
    assert!(client.execute("UPDATE crm.audit_log SET action = 'none'", &[]).await.is_err());
    assert!(client.execute("DELETE FROM crm.audit_log", &[]).await.is_err());
}
