//! The database goes away.

use futures::future::join_all;
use housecall_protocol::ids::ClientMessageId;

use crate::house::{House, text_body, words};

#[tokio::test]
async fn broken_connections_cost_no_message_and_double_none() {
    let house = House::new().await;
    house.say("начало").await;
    let ids: Vec<_> = (0..60).map(|_| ClientMessageId::generate()).collect();
    let breaker = housecall_platform::postgres::pool(&house.db.url, 1).unwrap();
    let breaker = breaker.get().await.unwrap();
    let breaking = async {
        let query = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid()";
        for _ in 0..6 {
            breaker.query_one(query, &[]).await.unwrap();
        }
    };
    let sends = async {
        let mut acks = Vec::new();
        // A few at a time, so that the breaking falls between, before and after.
        for chunk in ids.chunks(6) {
            acks.extend(join_all(chunk.iter().map(|id| send_until_stored(&house, *id))).await);
        }
        acks
    };
    let (acks, ()) = tokio::join!(sends, breaking);
    let history = house.history(&house.patient).await;
    assert_eq!(history.len(), 62);
    let page = housecall_platform::telemetry::render(&house.metrics);
    assert!(!page.contains("housecall_chat_retries_total 0"), "something was broken: {page}");
    for (id, seq) in ids.iter().zip(acks) {
        assert_eq!(words(&history[usize::try_from(seq - 1).unwrap()]), id.to_string());
    }
}

async fn send_until_stored(house: &House, id: ClientMessageId) -> i64 {
    loop {
        if let Ok(ack) = house.send(&house.patient, id, text_body(&id.to_string())).await {
            return ack.seq;
        }
    }
}
