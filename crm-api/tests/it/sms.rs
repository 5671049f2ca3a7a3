//! How codes leave the house outside of demo mode.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::house::{House, Person};

const PHONE: &str = "+79000001401";

/// A gateway that hands over what it is told to send, and answers with `status`.
async fn gateway(status: StatusCode) -> (String, mpsc::Receiver<Value>) {
    let (sender, received) = mpsc::channel(8);
    let take = move |State(sender): State<mpsc::Sender<Value>>, Json(message): Json<Value>| async move {
        sender.send(message).await.expect("the test listens");
        status
    };
    let router = Router::new().route("/send", post(take)).with_state(sender);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}/send"), received)
}

#[tokio::test]
async fn a_gateway_gets_the_code_and_the_answer_does_not() {
    let (url, mut messages) = gateway(StatusCode::OK).await;
    let house = House::open_as(|config, settings| {
        config.sms_webhook_url = url;
        settings.demo = false;
        settings.public_origins.push("https://clinic.example".to_owned());
    })
    .await;
    let sent = house.code(PHONE).await.ok();
    assert!(sent.get("demo_code").is_none());
    let message = messages.recv().await.expect("a message");
    assert_eq!(message["phone"], PHONE);
    let code: String = message["text"].as_str().expect("a text").chars().take(6).collect();
    let reply = house.verify(PHONE, &code, "phone").await;
    Person::of(&reply);
    assert!(reply.header("set-cookie").ends_with("; Secure"), "the public origin is https");
}

#[tokio::test]
async fn a_code_that_was_not_sent_costs_no_wait() {
    let (url, mut messages) = gateway(StatusCode::BAD_GATEWAY).await;
    let house = House::open_as(|config, settings| {
        config.sms_webhook_url = url;
        config.code_resend_s = 60;
        config.codes_per_phone_hour = 1;
        settings.demo = false;
    })
    .await;
    for _ in 0..2 {
        house.code(PHONE).await.refused(503, "sms-unavailable");
        messages.recv().await.expect("a message");
    }
}

#[tokio::test]
async fn without_a_gateway_and_a_demo_there_is_no_code() {
    let house = House::open_as(|_, settings| settings.demo = false).await;
    house.code(PHONE).await.refused(503, "sms-unavailable");
}
