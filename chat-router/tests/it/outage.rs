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
        // A few times, and until it fell on somebody who was writing.
        for _ in 0..6 {
            breaker.query_one(query, &[]).await.unwrap();
        }
        while !something_broke(&house) {
            breaker.query_one(query, &[]).await.unwrap();
        }
        std::future::pending::<()>().await;
    };
    let sends = async {
        let mut acks = Vec::new();
        // A few at a time, so that the breaking falls between, before and after.
        for chunk in ids.chunks(6) {
            acks.extend(join_all(chunk.iter().map(|id| send_until_stored(&house, *id))).await);
        }
        acks
    };
    let acks = tokio::select! {
        acks = sends => acks,
        () = breaking => unreachable!("it breaks until all are sent"),
    };
    let history = house.history(&house.patient).await;
    assert_eq!(history.len(), 62);
    assert!(something_broke(&house));
    for (id, seq) in ids.iter().zip(acks) {
        assert_eq!(words(&history[usize::try_from(seq - 1).unwrap()]), id.to_string());
    }
}

fn something_broke(house: &House) -> bool {
    !housecall_platform::telemetry::render(&house.metrics)
        .contains("housecall_chat_retries_total 0")
}

async fn send_until_stored(house: &House, id: ClientMessageId) -> i64 {
    loop {
        if let Ok(ack) = house.send(&house.patient, id, text_body(&id.to_string())).await {
            return ack.seq;
        }
    }
}

/// A server process as it stood still, going on when this is dropped.
struct Frozen(String);

impl Frozen {
    fn freeze(pid: i32) -> Self {
        signal("-STOP", &pid.to_string());
        Self(pid.to_string())
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        signal("-CONT", &self.0);
    }
}

fn signal(signal: &str, pid: &str) {
    let status = std::process::Command::new("kill").args([signal, pid]).status().unwrap();
    assert!(status.success(), "kill {signal} {pid}");
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_left_and_stores_nothing_twice_when_it_wakes() {
    let config = housecall_chat_router::Config { writer_lanes: 1, ..Default::default() };
    let house = House::configured(config).await;
    house.say("начало").await;
    let client = house.db.pool.get().await.unwrap();
    let writer = "SELECT pid FROM pg_stat_activity
                  WHERE datname = current_database() AND query LIKE '%append_many%'
                    AND pid <> pg_backend_pid()";
    let frozen = Frozen::freeze(client.query_one(writer, &[]).await.unwrap().get(0));
    let id = ClientMessageId::generate();
    assert_eq!(send_until_stored(&house, id).await, 3);
    drop(frozen);
    // What the frozen one was asked meanwhile finds the message there.
    let again = house.send(&house.patient, id, text_body("?")).await.unwrap();
    assert_eq!(again.seq, 3);
    assert_eq!(house.say("дальше").await.seq, 4);
    assert_eq!(house.history(&house.patient).await.len(), 4);
}
