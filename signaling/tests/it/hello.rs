//! Who gets in, and when they are shown out.

use housecall_protocol::client::close;
use housecall_protocol::cluster::{PersonEvent, subject};
use housecall_signaling::Config;
use serde_json::json;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::client::Client;
use crate::house::{House, now_s};

#[tokio::test]
async fn a_patient_is_welcomed_with_their_conversation() {
    let house = House::new().await;
    let client = house.connect(house.patient).await;
    let welcome = &client.welcome["data"];
    assert_eq!(welcome["person"], house.patient.id.to_string());
    assert_eq!(welcome["kind"], "patient");
    assert_eq!(welcome["conversation"], house.conversation.to_string());
    assert_eq!(welcome["heartbeat_ms"], 25_000);
    assert_eq!(welcome["calls"], json!([]));
    assert_eq!(welcome["limits"]["message_characters"], 4000);
}

#[tokio::test]
async fn time_limited_turn_credentials_are_handed_out() {
    let config = Config {
        turn_urls: vec!["turn:127.0.0.1:3478".to_owned()],
        turn_secret: Some("north".into()),
        ..Config::default()
    };
    let house = House::with(config).await;
    let client = house.connect(house.doctor).await;
    let server = &client.welcome["data"]["ice_servers"][0];
    let user = server["username"].as_str().unwrap();
    assert!(user.ends_with(&format!(":{}", house.doctor.id)), "{user}");
    assert!(server["credential"].is_string());
}

#[tokio::test]
async fn bad_hellos_are_refused_each_with_its_code() {
    let house = House::with(Config { hello_timeout_s: 1, ..Config::default() }).await;
    let token = house.token(house.patient);
    let expired = house.token_until(house.patient, now_s() - 60);
    let hello = |protocol: u16, token: &str| {
        json!({"id": 1, "type": "hello",
               "data": {"protocol": protocol, "token": token, "device": "test"}})
        .to_string()
    };
    let cases = [
        (hello(2, &token), "protocol_version", close::PROTOCOL_VERSION),
        (hello(1, "not.a.token"), "unauthenticated", close::UNAUTHENTICATED),
        (hello(1, &expired), "unauthenticated", close::UNAUTHENTICATED),
        (r#"{"id":1,"type":"ping"}"#.to_owned(), "unauthenticated", close::BAD_HELLO),
        ("what?".to_owned(), "bad_frame", close::BAD_HELLO),
    ];
    for (text, code, closes_with) in cases {
        let mut client = Client::open(house.address).await;
        client.send_text(&text).await;
        assert_eq!(client.frame().await.unwrap()["data"]["code"], code, "{text}");
        assert_eq!(client.close_code().await, Some(closes_with), "{text}");
    }
    let mut silent = Client::open(house.address).await;
    assert_eq!(silent.close_code().await, Some(close::BAD_HELLO));
}

#[tokio::test]
async fn a_foreign_origin_cannot_open_a_socket() {
    let house = House::new().await;
    let mut request = format!("ws://{}/rt/v1", house.address).into_client_request().unwrap();
    request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    let error = tokio_tungstenite::connect_async(request.clone()).await.unwrap_err();
    let Error::Http(response) = error else { panic!("{error}") };
    assert_eq!(response.status(), 403);
    request.headers_mut().insert("origin", "http://127.0.0.1:8080".parse().unwrap());
    tokio_tungstenite::connect_async(request).await.unwrap();
}

#[tokio::test]
async fn connections_are_bounded_per_address_and_person() {
    let config = Config {
        max_connections_per_address: 3,
        max_connections_per_person: 1,
        ..Config::default()
    };
    let house = House::with(config).await;
    let _first = house.connect(house.patient).await;
    let mut second = Client::open(house.address).await;
    let refusal = second.request("hello", house.hello(house.patient)).await;
    assert_eq!(refusal["data"]["code"], "rate_limited");
    assert_eq!(second.close_code().await, Some(close::RATE_LIMITED));
    drop(second);
    house.metrics_say("housecall_gateway_closed_total{reason=\"too_many_connections\"} 1").await;
    let _third = house.connect(house.doctor).await;
    let _fourth = Client::open(house.address).await;
    let url = format!("ws://{}/rt/v1", house.address);
    let error = tokio_tungstenite::connect_async(url).await.unwrap_err();
    assert!(matches!(error, Error::Http(response) if response.status() == 429));
}

#[tokio::test]
async fn an_ended_session_is_refused_and_its_connections_close() {
    let house = House::new().await;
    let mut open = house.connect(house.patient).await;
    let mut bystander = house.connect(house.doctor).await;
    let session = house.patient.session;
    house.sql(&format!("UPDATE crm.sessions SET revoked_at = now() WHERE id = '{session}'")).await;
    let event = PersonEvent::SessionRevoked { session: Some(session) };
    house.bus.publish(&subject::person_event(house.patient.id), &event).await.unwrap();
    assert_eq!(open.close_code().await, Some(close::SESSION_REVOKED));

    let mut again = Client::open(house.address).await;
    let refusal = again.request("hello", house.hello(house.patient)).await;
    assert_eq!(refusal["data"]["code"], "unauthenticated");
    assert_eq!(again.close_code().await, Some(close::SESSION_REVOKED));
    assert_eq!(bystander.request("ping", json!({})).await["type"], "pong");
}

#[tokio::test]
async fn an_expired_token_closes_unless_it_was_refreshed() {
    let house = House::new().await;
    // Within the verifier's leeway of 5 s: good for another second or two.
    let short = house.token_until(house.patient, now_s() - 3);
    let hello = json!({"protocol": 1, "token": short, "device": "test"});
    let mut lapses = Client::open(house.address).await;
    assert_eq!(lapses.request("hello", hello.clone()).await["type"], "welcome");
    let mut renews = Client::open(house.address).await;
    assert_eq!(renews.request("hello", hello).await["type"], "welcome");

    let foreign = json!({"token": house.token(house.doctor)});
    let refusal = renews.request("auth.refresh", foreign).await;
    assert_eq!(refusal["data"]["code"], "forbidden");
    let fresh = json!({"token": house.token(house.patient)});
    assert_eq!(renews.request("auth.refresh", fresh).await["type"], "ok");

    assert_eq!(lapses.close_code().await, Some(close::UNAUTHENTICATED));
    assert_eq!(renews.request("ping", json!({})).await["type"], "pong");
}

#[tokio::test]
async fn a_continued_connection_is_ended_on_any_gateway() {
    let house = House::new().await;
    let elsewhere = house.second_gateway(Config::default()).await;
    let mut old = house.connect(house.patient).await;
    let mut strangers = house.connect(house.doctor).await;
    let mut hello = house.hello(house.patient);
    hello["previous"] = json!(old.connection());
    let mut new = Client::open(elsewhere).await;
    assert_eq!(new.request("hello", hello.clone()).await["type"], "welcome");
    assert_eq!(old.close_code().await, Some(close::REPLACED));

    // Naming another person's connection ends nothing.
    hello["previous"] = json!(strangers.connection());
    let mut thief = Client::open(elsewhere).await;
    assert_eq!(thief.request("hello", hello).await["type"], "welcome");
    assert_eq!(strangers.request("ping", json!({})).await["type"], "pong");
}
