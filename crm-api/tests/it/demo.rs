//! The demo clinic.

use housecall_crm_api::demo;
use serde_json::json;

use crate::house::{House, Person};

#[tokio::test]
async fn the_demo_is_filled_in_once_and_can_be_used() {
    let house = House::open().await;
    let (first, second) = tokio::join!(
        demo::seed(&house.context, &house.config),
        demo::seed(&house.context, &house.config),
    );
    let sign_ins = first.expect("filled in");
    assert_eq!(sign_ins, second.expect("there already"));
    assert_eq!(house.count("SELECT count(*) FROM crm.operators").await, 5);
    assert_eq!(house.count("SELECT count(*) FROM crm.patients").await, 4);

    for operator in &sign_ins.operators {
        house.login(&operator.email, &sign_ins.password).await.ok();
    }
    let doctor = Person::of(&house.login("petrov@demo.housecall", &sign_ins.password).await);
    let queue = house.get("/api/v1/consultations?state=waiting", &doctor).await.ok();
    assert_eq!(queue["counts"]["waiting"], 1);
    assert_eq!(queue["items"][0]["unread"], 2);
    let callbacks = house.get("/api/v1/callbacks", &doctor).await.ok();
    assert_eq!(callbacks["counts"]["new"], 1);
    let archive = house.get("/api/v1/consultations?state=closed&mine=true", &doctor).await.ok();
    assert_eq!(archive["items"].as_array().map(Vec::len), Some(2));

    let patient = house.patient(&sign_ins.patients[0].phone).await;
    assert_eq!(patient.me["name"], "Анна Смирнова");
    let home = house.get("/api/v1/patient/home", &patient).await.ok();
    assert_eq!((&home["open"], &home["unread"]), (&json!(null), &json!(0)));
    assert!(home["last"]["summary"].is_string());
}

#[tokio::test]
async fn demo_messages_are_in_the_order_of_time() {
    let house = House::open().await;
    demo::seed(&house.context, &house.config).await.expect("filled in");
    let disorder = "SELECT count(*) FROM (
        SELECT sent_at < lag(sent_at) OVER (PARTITION BY conversation_id ORDER BY seq) AS wrong
        FROM chat.messages) m WHERE wrong";
    assert_eq!(house.count(disorder).await, 0);
    let future = "SELECT count(*) FROM chat.messages WHERE sent_at > now()";
    assert_eq!(house.count(future).await, 0);
    let gaps = "SELECT count(*) FROM chat.conversations c WHERE c.last_seq <>
        (SELECT count(*) FROM chat.messages m WHERE m.conversation_id = c.id)";
    assert_eq!(house.count(gaps).await, 0);
    // Every event the demo wrote is one the protocol knows.
    let client = house.database.pool.get().await.expect("a connection");
    let sql = "SELECT event FROM chat.messages WHERE kind = 'system'";
    for row in client.query(sql, &[]).await.expect("events") {
        let event: serde_json::Value = row.get(0);
        let parsed: housecall_protocol::domain::SystemEvent =
            serde_json::from_value(event.clone()).expect("a known event");
        assert_eq!(serde_json::to_value(parsed).expect("JSON"), event);
    }
}
