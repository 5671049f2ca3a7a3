//! Frames that are not as they should be, rates, sizes, and the stop of the process.

use housecall_protocol::client::close;
use housecall_protocol::cluster::{BeatKind, PresenceBeat, subject};
use housecall_signaling::Config;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::client::Client;
use crate::house::House;

#[tokio::test]
async fn unreadable_frames_get_an_error_and_the_connection_stays() {
    let house = House::with(Config { max_frame_bytes: 4096, ..Config::default() }).await;
    let mut client = house.connect(house.patient).await;
    let long = format!(r#"{{"id":3,"type":"ping","data":"{}"}}"#, "x".repeat(5000));
    let cases = [
        (r#"{"id":3,"type":"chat.sing","data":{}}"#, json!(3), "unknown_frame"),
        (r#"{"id":3,"type":"ping","data":{"loud":true}}"#, json!(3), "bad_frame"),
        (r#"{"id":3,"type":"chat.open","data":{"conversation":7}}"#, json!(3), "bad_frame"),
        (r#"{"id":3,"type":"ping","colour":"red"}"#, json!(null), "bad_frame"),
        (r#"[1,2]"#, json!(null), "bad_frame"),
        ("", json!(null), "bad_frame"),
        (long.as_str(), json!(null), "too_large"),
    ];
    for (text, re, code) in cases {
        client.send_text(text).await;
        let answer = client.frame().await.unwrap();
        assert_eq!((answer["re"].clone(), &answer["data"]["code"]), (re, &json!(code)), "{text}");
    }
    client.send_raw(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(client.frame().await.unwrap()["data"]["code"], "bad_frame");
    let again = client.request("hello", house.hello(house.patient)).await;
    assert_eq!(again["data"]["code"], "conflict");
    let limit = json!({"conversation": house.conversation, "limit": 0});
    assert_eq!(client.request("chat.fetch", limit).await["data"]["code"], "bad_frame");
    assert_eq!(client.request("ping", json!({})).await["type"], "pong");
}

#[tokio::test]
async fn a_frame_far_too_long_ends_the_connection() {
    let house = House::with(Config { max_frame_bytes: 4096, ..Config::default() }).await;
    let mut client = house.connect(house.patient).await;
    client.send_text(&"x".repeat(10_000)).await;
    assert!(matches!(client.close_code().await, Some(close::UNREADABLE) | None));
}

#[tokio::test]
async fn who_sends_too_fast_is_warned_and_then_closed() {
    let config =
        Config { frames_per_second: 1, frames_burst: 3, max_rate_strikes: 2, ..Config::default() };
    let house = House::with(config).await;
    let mut client = house.connect(house.patient).await;
    for _ in 0..6 {
        client.send("ping", json!({})).await;
    }
    for _ in 0..3 {
        assert_eq!(client.frame().await.unwrap()["type"], "pong");
    }
    for _ in 0..2 {
        let warning = client.frame().await.unwrap();
        assert_eq!(warning["data"]["code"], "rate_limited");
        assert!(warning["data"]["retry_after_ms"].as_u64().unwrap() <= 1000);
        assert!(warning["re"].is_u64(), "it answers the frame that was refused: {warning}");
    }
    assert_eq!(client.close_code().await, Some(close::RATE_LIMITED));
}

#[tokio::test]
async fn who_answers_no_ping_is_closed() {
    let house = House::with(Config { heartbeat_s: 1, ..Config::default() }).await;
    let mut client = house.connect(house.patient).await;
    // A client that does not read answers no pings either. The gateway's own count
    // says when it has given up.
    let closed = "housecall_gateway_closed_total{reason=\"silent\"} 1";
    let mut other = house.connect(house.doctor).await;
    while !house.metrics_page().contains(closed) {
        // The other one reads, so its pings are answered and it stays.
        assert_eq!(other.request("ping", json!({})).await["type"], "pong");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // The socket may be gone before the close frame is read: it answers pings first.
    assert!(matches!(client.close_code().await, Some(close::SLOW_CONSUMER) | None));
}

#[tokio::test]
async fn a_stop_closes_every_connection_and_withdraws_the_leases() {
    let house = House::new().await;
    let mut beats = house.bus.subscribe(subject::PRESENCE_BEAT).await.unwrap();
    let mut welcomed = house.connect(house.patient).await;
    let mut silent = Client::open(house.address).await;
    let closing = async {
        assert_eq!(welcomed.close_code().await, Some(close::DRAINING));
        assert_eq!(silent.close_code().await, Some(close::DRAINING));
    };
    tokio::join!(house.stop(), closing);
    loop {
        let beat: PresenceBeat = beats.next().await.unwrap().parse().unwrap();
        if beat.kind == BeatKind::Stopping {
            break;
        }
    }
    let url = format!("ws://{}/rt/v1", house.address);
    assert!(tokio_tungstenite::connect_async(url).await.is_err(), "no new ones");
}
