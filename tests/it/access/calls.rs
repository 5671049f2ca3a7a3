//! A third person and a ringing call; calls without the right to them; offers
//! that no browser makes.

use std::sync::Arc;

use serde_json::{Value, json};

use super::realtime::{refused, state};
use super::world::{World, claim};
use crate::client::Client;

pub(super) async fn attack(world: Arc<World>) {
    calls_need_an_active_consultation(&world).await;
    hostile_offers(&world).await;
    a_third_person_cannot_touch_a_call(&world).await;
    who_became_an_administrator_calls_nobody(&world).await;
}

/// What a browser offers: one audio and one video m-line, both ways.
pub(super) fn offer() -> String {
    let fingerprint = vec!["AB"; 32].join(":");
    let transport = format!(
        "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
         a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 {fingerprint}\r\n\
         a=setup:actpass\r\n"
    );
    format!(
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
         a=group:BUNDLE 0 1\r\na=msid-semantic: WMS\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n{transport}a=mid:0\r\na=sendrecv\r\n\
         a=msid:- mic\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n\
         a=fmtp:111 minptime=10;useinbandfec=1\r\na=ssrc:1001 cname:x\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\r\n{transport}a=mid:1\r\na=sendrecv\r\n\
         a=msid:- cam\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\n\
         a=rtcp-fb:96 nack pli\r\na=ssrc:1002 cname:x\r\n"
    )
}

fn start(kind: &str, id: &str, sdp: &str) -> Value {
    json!({ "subject": { "kind": kind, "id": id }, "media": "audio", "state": state(), "sdp": sdp })
}

async fn calls_need_an_active_consultation(world: &World) {
    let mut case = world.case(Some("therapy")).await;
    let mut doctor = Client::connect(&world.house, &world.doctor.token).await;
    let call = start("consultation", &case.consultation, &offer());
    let answer = case.client.request("call.start", call.clone()).await.unwrap();
    refused(&answer, &["conflict"], "a patient, while it waits");
    let answer = doctor.request("call.start", call.clone()).await.unwrap();
    refused(&answer, &["not_found"], "a doctor who did not take it");
    world.post(&claim(&case.consultation), &world.doctor, &json!({})).await.id();
    let close = format!("/api/v1/consultations/{}/close", case.consultation);
    world.post(&close, &world.doctor, &json!({ "summary": "" })).await.id();
    for client in [&mut case.client, &mut doctor] {
        let answer = client.request("call.start", call.clone()).await.unwrap();
        refused(&answer, &["conflict"], "after its end");
    }

    let reason = json!({ "reason": "перезвоните" });
    let callback = world.post("/api/v1/callbacks", &case.patient, &reason).await.id();
    let call = start("callback", &callback, &offer());
    let answer = case.client.request("call.start", call.clone()).await.unwrap();
    refused(&answer, &["forbidden"], "a patient about their own callback");
    let answer = doctor.request("call.start", call).await.unwrap();
    refused(&answer, &["not_found"], "a callback nobody took");
}

async fn hostile_offers(world: &World) {
    let mut case = world.taken_case().await;
    let good = offer();
    let video = &good[good.find("m=video").unwrap()..];
    let offers = [
        String::new(),
        "v=0".to_owned(),
        "\0\0\0".to_owned(),
        "v=0\r\n".repeat(10_000),
        good.replace("a=fingerprint:sha-256", "a=fingerprint:sha-1"),
        good.replace("a=ice-pwd:abcdefghijklmnopqrstuvwx\r\n", ""),
        good.replace("a=mid:1", "a=mid:0"),
        good.replace("m=audio 9", "m=audio 99999999999999"),
        good.clone() + &video.repeat(60),
        good.replace("m=video", "m=application"),
    ];
    for sdp in offers {
        let call = start("consultation", &case.consultation, &sdp);
        let answer = case.client.request("call.start", call).await.unwrap();
        if answer["type"] == "error" {
            continue;
        }
        // Odd, but an offer: then it is a call like any other, and ends like one.
        let call = json!({ "call": answer["data"]["call"]["id"] });
        let answer = case.client.request("call.hang_up", call).await.unwrap();
        assert_eq!(answer["type"], "ok", "{answer}");
    }
    let call = start("consultation", &case.consultation, &good);
    let started = case.client.request("call.start", call).await.unwrap();
    assert_eq!(started["type"], "call.started", "the relay lives: {started}");
    let call = json!({ "call": started["data"]["call"]["id"] });
    case.client.request("call.hang_up", call).await.unwrap();
}

async fn a_third_person_cannot_touch_a_call(world: &World) {
    let mut case = world.taken_case().await;
    let mut doctor = Client::connect(&world.house, &world.doctor.token).await;
    let call = start("consultation", &case.consultation, &offer());
    let started = doctor.request("call.start", call).await.unwrap();
    assert_eq!(started["type"], "call.started", "{started}");
    let call = started["data"]["call"]["id"].clone();
    let incoming = case.client.event("call.incoming").await;
    assert_eq!(incoming["data"]["call"]["id"], call);

    let stranger = world.patient().await;
    for person in [&stranger, &world.other_doctor, &world.supervisor, &world.admin] {
        let mut client = Client::connect(&world.house, &person.token).await;
        assert_eq!(client.welcome["data"]["calls"], json!([]));
        for (kind, data) in [
            ("call.prepare", json!({ "call": call, "sdp": offer() })),
            ("call.accept", json!({ "call": call, "state": state(), "sdp": offer() })),
            ("call.decline", json!({ "call": call })),
            ("call.hang_up", json!({ "call": call })),
            ("call.offer", json!({ "call": call, "sdp": offer() })),
            ("call.media", json!({ "call": call, "state": state() })),
            (
                "call.report",
                json!({ "call": call, "loss_percent": 1e38, "freezes": 4294967295_u32 }),
            ),
        ] {
            let answer = client.request(kind, data).await.unwrap();
            refused(&answer, &["not_found"], kind);
        }
        let heard = Value::from(client.heard().await).to_string();
        assert!(!heard.contains(call.as_str().unwrap()), "a stranger hears {heard}");
    }
    // The callee's own frames out of turn change nothing either.
    for (kind, data) in [
        ("call.offer", json!({ "call": call, "sdp": "v=0" })),
        ("call.prepare", json!({ "call": call, "sdp": "v=0" })),
    ] {
        let answer = case.client.request(kind, data).await.unwrap();
        assert_eq!(answer["type"], "error", "{kind}: {answer}");
    }
    let again = Client::connect(&world.house, &case.patient.token).await;
    assert_eq!(again.welcome["data"]["calls"][0]["state"], "ringing", "{}", again.welcome);
    let answer = case.client.request("call.decline", json!({ "call": call })).await.unwrap();
    assert_eq!(answer["type"], "ok", "{answer}");
}

/// The consultation they held as a doctor stays theirs in the books.
async fn who_became_an_administrator_calls_nobody(world: &World) {
    let case = world.case(Some("therapy")).await;
    let email = format!("{}@test.housecall", case.patient.id);
    let body = json!({ "name": "Бывший Врач", "email": email, "password": super::world::PASSWORD,
        "role": "doctor", "specialty": "therapy" });
    let id = world.post("/api/v1/operators", &world.admin, &body).await.id();
    let token = sign_in(world, &email).await;
    let reply = world.call("post", &claim(&case.consultation), Some(&token), None).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let path = format!("/api/v1/operators/{id}");
    let promotion = json!({ "role": "admin" });
    world.call("patch", &path, Some(&world.admin.token), Some(&promotion)).await.id();
    let reply = world.call("get", "/api/v1/me", Some(&token), None).await;
    assert_eq!(reply.status, 401, "a new role signs out: {}", reply.text);

    let token = sign_in(world, &email).await;
    let mut client = Client::connect(&world.house, &token).await;
    let call = start("consultation", &case.consultation, &offer());
    let answer = client.request("call.start", call).await.unwrap();
    refused(&answer, &["not_found", "forbidden"], "an administrator calls a patient");
    let open = json!({ "conversation": case.conversation });
    refused(&client.request("chat.open", open).await.unwrap(), &["forbidden"], "reads");
    let path = format!("/api/v1/consultations/{}", case.consultation);
    assert_eq!(world.call("get", &path, Some(&token), None).await.status, 404);
}

async fn sign_in(world: &World, email: &str) -> String {
    let body = json!({ "email": email, "password": super::world::PASSWORD, "device": "test" });
    let reply = world.call("post", "/api/v1/auth/operator/login", None, Some(&body)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()["access_token"].as_str().unwrap().to_owned()
}
