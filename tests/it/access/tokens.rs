//! Tokens that are missing, forged, expired or of an ended session, on every route.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{Person, World};
use crate::client::Socket;

/// Routes that need no token: what a page shows before a sign-in, and the sign-in.
const OPEN: [&str; 8] = [
    "/api/v1/brand",
    "/api/v1/auth/patient/code",
    "/api/v1/auth/patient/verify",
    "/api/v1/auth/patient/refresh",
    "/api/v1/auth/patient/logout",
    "/api/v1/auth/operator/login",
    "/api/v1/auth/operator/refresh",
    "/api/v1/auth/operator/logout",
];

/// An Ed25519 key of ours, PKCS #8 version 1 (RFC 8410).
const FOREIGN_KEY: [u8; 48] = {
    let prefix: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let mut key = [7; 48];
    let mut at = 0;
    while at < prefix.len() {
        key[at] = prefix[at];
        at += 1;
    }
    key
};

pub(super) async fn attack(world: Arc<World>) {
    let operations = operations().await;
    assert!(operations.len() > 30, "the document lists the routes");
    let victim = world.patient().await;
    let mut forged = forged(&world, &victim).await;
    forged.push(("of an ended session", ended_session(&world).await));

    for (method, path) in &operations {
        if OPEN.contains(&path.as_str()) {
            continue;
        }
        let path = path.replace("{id}", &Uuid::now_v7().to_string());
        let reply = world.call(method, &path, None, Some(&json!({}))).await;
        assert_eq!(reply.status, 401, "{method} {path} without a token: {}", reply.text);
        assert_eq!(reply.header("content-type"), "application/problem+json");
        for (what, token) in &forged {
            let reply = world.call(method, &path, Some(token), Some(&json!({}))).await;
            assert_eq!(reply.status, 401, "{method} {path} with a token {what}: {}", reply.text);
        }
    }
    for (what, token) in &forged {
        let mut socket = Socket::open(&world.house, None).await.unwrap();
        socket.hello(token).await;
        let code = socket.closed().await;
        assert!([4001, 4002].contains(&code), "hello with a token {what}: {code}");
    }
    let mine = world.get("/api/v1/me", &victim).await;
    assert_eq!(mine.status, 200, "the real token works: {}", mine.text);
}

/// Methods and paths of the OpenAPI document.
pub(super) async fn operations() -> Vec<(String, String)> {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_housecall"))
        .arg("openapi")
        .output()
        .await
        .unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let methods = ["get", "post", "patch", "put", "delete"];
    paths
        .iter()
        .flat_map(|(path, item)| {
            let of_path = methods.iter().filter(|method| item.get(**method).is_some());
            of_path.map(|method| ((*method).to_owned(), path.clone()))
        })
        .collect()
}

async fn ended_session(world: &World) -> String {
    let person = world.patient().await;
    let path = format!("/api/v1/me/sessions/{}", person.session);
    let reply = world.call("delete", &path, Some(&person.token), None).await;
    assert_eq!(reply.status, 204, "{}", reply.text);
    person.token
}

/// Tokens in the victim's name that must not be believed. Some are signed with the
/// house's own key: what is wrong with them is what they say.
async fn forged(world: &World, victim: &Person) -> Vec<(&'static str, String)> {
    let row = world
        .database
        .query_one("SELECT id, private_der, public_jwk FROM crm.signing_keys", &[])
        .await
        .unwrap();
    let (kid, der, jwk): (String, Vec<u8>, Value) = (row.get(0), row.get(1), row.get(2));
    let public = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
    let (real, foreign) = (EncodingKey::from_ed_der(&der), EncodingKey::from_ed_der(&FOREIGN_KEY));
    let header = |algorithm| Header { kid: Some(kid.clone()), ..Header::new(algorithm) };
    let claims = claims(victim);
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let signed = |claims: &Value| encode(&header(Algorithm::EdDSA), claims, &real).unwrap();
    let confused = |key: &[u8]| {
        encode(&header(Algorithm::HS256), &claims, &EncodingKey::from_secret(key)).unwrap()
    };
    let embedded =
        Header { jwk: serde_json::from_value(jwk.clone()).ok(), ..header(Algorithm::EdDSA) };
    let unknown = Header { kid: Some("../../etc/passwd".to_owned()), ..header(Algorithm::EdDSA) };
    let good = signed(&claims);
    let (head, signature) = (good.split('.').next().unwrap(), good.rsplit('.').next().unwrap());
    let other = part(&with("sub", json!(world.admin.id)));
    vec![
        ("that is empty", String::new()),
        ("that is no token", "null".to_owned()),
        ("of 8 KiB", "a.".repeat(4096)),
        ("of another key", encode(&header(Algorithm::EdDSA), &claims, &foreign).unwrap()),
        ("of a key it carries", encode(&embedded, &claims, &foreign).unwrap()),
        ("of an unknown key", encode(&unknown, &claims, &foreign).unwrap()),
        ("signed with the public key as a secret", confused(&public)),
        ("signed with the public JWK as a secret", confused(jwk.to_string().as_bytes())),
        ("without a signature", format!("{}.{}.", none(&kid), part(&claims))),
        ("with a taken signature", format!("{head}.{other}.{signature}")),
        ("of alg none with a signature", format!("{}.{}.{signature}", none(&kid), part(&claims))),
        ("that has expired", signed(&with("exp", json!(now_s() - 60)))),
        ("of another issuer", signed(&with("iss", json!("another")))),
        ("for another audience", signed(&with("aud", json!("another")))),
        ("of another's session", signed(&with("sid", json!(world.doctor.session)))),
        ("of another kind", signed(&with("kind", json!("operator")))),
        ("of no kind", signed(&with("kind", json!("root")))),
    ]
}

fn claims(victim: &Person) -> Value {
    json!({ "iss": "housecall", "aud": "housecall", "sub": victim.id, "sid": victim.session,
        "kind": "patient", "iat": now_s(), "exp": now_s() + 600 })
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn none(kid: &str) -> String {
    part(&json!({ "alg": "none", "typ": "JWT", "kid": kid }))
}

#[expect(clippy::disallowed_methods, reason = "tokens expire by the wall clock")]
fn now_s() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs()
}
