//! WebSockets without manners.

use std::sync::Arc;

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::world::{Person, World};
use crate::client::Socket;

/// `signaling.max_connections_per_person`.
const MAX_CONNECTIONS: usize = 16;

pub(super) async fn attack(world: Arc<World>) {
    foreign_pages_get_no_socket(&world).await;
    nothing_is_taken_before_the_hello(&world).await;
    what_cannot_be_read_is_refused_and_forgotten(&world).await;
    a_flood_is_closed(&world).await;
    connections_of_one_person_are_bounded(&world).await;
    an_ended_session_closes_its_sockets(&world).await;
}

async fn welcomed(world: &World, person: &Person) -> Socket {
    let mut socket = Socket::open(&world.house, None).await.unwrap();
    socket.hello(&person.token).await;
    let welcome = socket.next().await.expect("a welcome");
    assert_eq!(welcome["type"], "welcome", "{welcome}");
    socket
}

async fn foreign_pages_get_no_socket(world: &World) {
    let ours = world.house.public.clone();
    for origin in [
        "https://evil.example",
        "null",
        "",
        "file://",
        &format!("{ours}.evil.example"),
        &format!("https{}", &ours[4..]),
        &format!("{ours}/"),
        &format!("{ours}, https://evil.example"),
        "http://127.0.0.1",
        "http://localhost:1",
    ] {
        let refused = Socket::open(&world.house, Some(origin)).await.err();
        assert_eq!(refused, Some(403), "origin {origin:?}");
    }
    assert!(Socket::open(&world.house, Some(&ours)).await.is_ok(), "our own origin");
}

async fn nothing_is_taken_before_the_hello(world: &World) {
    let patient = world.patient().await;
    let hello = |data| json!({ "id": 1, "type": "hello", "data": data }).to_string();
    let deep = format!(r#"{{"type":"hello","data":{}}}"#, "[".repeat(60_000));
    for (frame, code) in [
        (Message::text(r#"{"id":1,"type":"ping"}"#), 4000),
        (
            Message::text(
                json!({ "type": "chat.open", "data":
            { "conversation": patient.conversation } })
                .to_string(),
            ),
            4000,
        ),
        (Message::text("GET / HTTP/1.1"), 4000),
        (Message::text(""), 4000),
        (Message::text(deep), 4000),
        (Message::text("x".repeat(200_000)), 4000),
        (Message::binary(vec![0; 100]), 4000),
        (Message::text(hello(json!({ "protocol": 1, "token": patient.token }))), 4000),
        (
            Message::text(hello(json!({ "protocol": 1, "token": patient.token,
            "device": "x".repeat(65) }))),
            4000,
        ),
        (
            Message::text(hello(json!({ "protocol": 1, "token": patient.token, "device": "x",
            "admin": true }))),
            4000,
        ),
        (
            Message::text(hello(json!({ "protocol": 99, "token": patient.token,
            "device": "x" }))),
            4003,
        ),
    ] {
        let mut socket = Socket::open(&world.house, None).await.unwrap();
        let shown = format!("{:.80}", frame.to_string());
        socket.say(frame).await;
        assert_eq!(socket.closed().await, code, "{shown}");
    }
}

async fn what_cannot_be_read_is_refused_and_forgotten(world: &World) {
    let patient = world.patient().await;
    let mut socket = welcomed(world, &patient).await;
    let deep = |depth: usize| {
        format!(
            r#"{{"id":9,"type":"chat.open","data":{}{}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    let padded = format!(r#"{{"id":9,"type":"ping","data":{{"x":"{}"}}}}"#, "x".repeat(150_000));
    for (frame, code) in [
        (Message::text("{"), "bad_frame"),
        (Message::text("[]"), "bad_frame"),
        (Message::text("null"), "bad_frame"),
        (Message::text(r#"{"id":-1,"type":"ping"}"#), "bad_frame"),
        (Message::text(r#"{"id":4294967296,"type":"ping"}"#), "bad_frame"),
        (Message::text(r#"{"type":"ping","type":"hello"}"#), "bad_frame"),
        (Message::text(r#"{"id":1,"type":"welcome","data":{}}"#), "unknown_frame"),
        (Message::text(r#"{"id":1,"type":"admin.everything","data":{}}"#), "unknown_frame"),
        (Message::text(r#"{"id":1,"type":"ping","data":{"x":1}}"#), "bad_frame"),
        (Message::text(r#"{"id":1,"type":"hello","data":{}}"#), "bad_frame"),
        (Message::text(deep(100)), "bad_frame"),
        (Message::text(deep(50_000)), "bad_frame"),
        (Message::text(padded), "too_large"),
        (Message::binary(br#"{"id":1,"type":"ping"}"#.to_vec()), "bad_frame"),
    ] {
        let shown = format!("{:.80}", frame.to_string());
        socket.say(frame).await;
        let answer = socket.next().await.unwrap_or_else(|code| panic!("{shown} closed: {code}"));
        assert_eq!(answer["data"]["code"], code, "{shown}: {answer}");
    }
    socket.say(Message::text(r#"{"id":7,"type":"ping"}"#)).await;
    assert_eq!(socket.next().await.expect("it lives")["type"], "pong");
    // Far beyond the bound nothing is read any more.
    socket.say(Message::text("x".repeat(600_000))).await;
    let code = socket.closed().await;
    assert!([0, 1002, 1009].contains(&code), "{code}");
}

async fn a_flood_is_closed(world: &World) {
    let patient = world.patient().await;
    for frame in [
        Message::text(r#"{"type":"ping"}"#),
        Message::text("{"),
        Message::binary(vec![0]),
        Message::Ping(Vec::new().into()),
    ] {
        let mut socket = welcomed(world, &patient).await;
        for _ in 0..10_000 {
            if !socket.say(frame.clone()).await {
                break;
            }
        }
        let code = socket.closed().await;
        // The close frame is lost when the flood is still in the socket.
        assert!([4008, 4009, 0].contains(&code), "{frame:?}: {code}");
    }
    welcomed(world, &patient).await;
}

async fn connections_of_one_person_are_bounded(world: &World) {
    let (patient, other) = (world.patient().await, world.patient().await);
    let mut open = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        open.push(welcomed(world, &patient).await);
    }
    let mut one_more = Socket::open(&world.house, None).await.unwrap();
    one_more.hello(&patient.token).await;
    assert_eq!(one_more.closed().await, 4009);
    let first = &mut open[0];
    first.say(Message::text(r#"{"id":7,"type":"ping"}"#)).await;
    assert_eq!(first.next().await.expect("the others stay")["type"], "pong");

    // Another's connection cannot be ended by naming it as one's earlier one.
    let mut victim = Socket::open(&world.house, None).await.unwrap();
    victim.hello(&other.token).await;
    let connection = victim.next().await.unwrap()["data"]["connection"].clone();
    open.pop();
    let thief = world.patient().await;
    let hello = json!({ "id": 1, "type": "hello", "data": { "protocol": 1, "token": thief.token,
        "device": "test", "previous": connection } });
    let mut socket = Socket::open(&world.house, None).await.unwrap();
    socket.say(Message::text(hello.to_string())).await;
    assert_eq!(socket.next().await.unwrap()["type"], "welcome");
    victim.say(Message::text(r#"{"id":7,"type":"ping"}"#)).await;
    assert_eq!(victim.next().await.expect("the victim stays")["type"], "pong");
}

async fn an_ended_session_closes_its_sockets(world: &World) {
    let (patient, other) = (world.patient().await, world.patient().await);
    let mut sockets = [welcomed(world, &patient).await, welcomed(world, &patient).await];
    let mut others = welcomed(world, &other).await;
    let path = format!("/api/v1/me/sessions/{}", patient.session);
    assert_eq!(world.call("delete", &path, Some(&other.token), None).await.status, 404);
    assert_eq!(world.call("delete", &path, Some(&patient.token), None).await.status, 204);
    for socket in &mut sockets {
        assert_eq!(socket.closed().await, 4002);
    }
    others.say(Message::text(r#"{"id":7,"type":"ping"}"#)).await;
    assert_eq!(others.next().await.expect("another's stays")["type"], "pong");
}
