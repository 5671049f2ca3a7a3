//! The NATS server goes away and comes back.

use std::time::Duration;

use housecall_platform::bus::{Bus, BusError};
use housecall_platform::testing::NatsServer;

use super::{PATIENCE, number};

#[tokio::test]
async fn subscriptions_survive_a_restart_of_the_server() {
    let server = NatsServer::start().await;
    let port = server.port();
    let (one, other) =
        (Bus::nats(&server.url()).await.unwrap(), Bus::nats(&server.url()).await.unwrap());
    let mut subscription = one.subscribe("news").await.unwrap();
    drop(server);
    let _server = NatsServer::start_on(port).await;
    // At most once: what is published before both are back is lost, so it is said
    // until it is heard.
    let heard = async {
        loop {
            let _ = other.publish("news", &7_u32).await;
            let next = tokio::time::timeout(Duration::from_millis(50), number(&mut subscription));
            if let Ok(number) = next.await {
                return number;
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, heard).await.expect("both reconnect"), 7);
}

#[tokio::test]
async fn without_the_server_publishers_and_requesters_are_not_held_up() {
    let server = NatsServer::start().await;
    let bus = Bus::nats(&server.url()).await.unwrap();
    let mut subscription = bus.subscribe("warm").await.unwrap();
    bus.publish("warm", &1_u32).await.unwrap();
    number(&mut subscription).await;
    drop(server);

    // More than any buffer between here and the server holds.
    let flood = async {
        for n in 0..20_000_u32 {
            let _ = bus.publish("flood", &n).await;
        }
    };
    tokio::time::timeout(PATIENCE, flood).await.expect("publishing does not wait for a server");
    let timeout = Duration::from_millis(100);
    let answer =
        tokio::time::timeout(PATIENCE, bus.request::<_, u32>("any", &1_u32, timeout)).await;
    let answer = answer.expect("a request's own timeout holds without a server");
    assert!(
        matches!(answer, Err(BusError::Timeout { .. } | BusError::Connection(_))),
        "{answer:?}"
    );
}
