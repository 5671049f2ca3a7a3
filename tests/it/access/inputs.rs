//! Values that are not what they should be, wherever one can be given: none may
//! get more than a refusal, and none may be the server's fault.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::world::{Person, Reply, World, answer};

pub(super) async fn attack(world: Arc<World>) {
    searches_are_literal(&world).await;
    cursors_and_limits(&world).await;
    ids_of_the_wrong_type(&world).await;
    strings_no_database_holds(&world).await;
    bodies_that_are_none(&world).await;
}

fn is_refusal(reply: &Reply, what: &str) {
    assert!((400..500).contains(&reply.status), "{what}: {} {}", reply.status, reply.text);
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn searches_are_literal(world: &World) {
    let patient = world.patient().await;
    for typed in [
        "%",
        "_",
        "\\",
        "%%%",
        "'",
        "' OR '1'='1",
        "'; DROP TABLE crm.people; --",
        "\") OR 1=1 --",
        "${7*7}",
        "\u{202e}",
        "*",
        "№",
        "$1",
        "\\'",
    ] {
        for path in ["/api/v1/patients", "/api/v1/consultations"] {
            let reply = world.get(&format!("{path}?q={}", encoded(typed)), &world.supervisor).await;
            assert_eq!(reply.status, 200, "{path} {typed:?}: {}", reply.text);
            assert_eq!(reply.json()["items"], json!([]), "{path} {typed:?} finds something");
        }
    }
    let all = world.get("/api/v1/patients?q=%20", &world.supervisor).await.json();
    assert!(!all["items"].as_array().unwrap().is_empty(), "the table is still there");
    assert_eq!(world.get("/api/v1/me", &patient).await.status, 200);
    let digits = "9".repeat(100);
    for path in ["/api/v1/patients", "/api/v1/consultations"] {
        let reply = world.get(&format!("{path}?q={digits}"), &world.supervisor).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    }
}

async fn cursors_and_limits(world: &World) {
    let cursor = |micros: i64| {
        let mut bytes = micros.to_be_bytes().to_vec();
        bytes.extend([255; 16]);
        URL_SAFE_NO_PAD.encode(bytes)
    };
    // The ends of what a time can be, in the house's language and in the database's.
    let edges = [
        i64::MIN,
        i64::MAX,
        0,
        -377_705_023_201_000_000,
        253_402_207_200_999_999,
        -210_866_803_200_000_001,
        -211_813_488_000_000_000,
    ];
    let cursors = edges.into_iter().map(cursor);
    let broken = ["x", "%00", "AAAA", "'", "../.."].map(str::to_owned);
    for after in cursors.chain(broken) {
        for path in ["/api/v1/patients", "/api/v1/consultations", "/api/v1/callbacks"] {
            let reply = world.get(&format!("{path}?after={after}"), &world.supervisor).await;
            assert!([200, 400, 422].contains(&reply.status), "{path} {after}: {}", reply.text);
        }
    }
    for limit in ["-1", "4294967296", "1e9", "a", "%00"] {
        let path = format!("/api/v1/patients?limit={limit}");
        is_refusal(&world.get(&path, &world.supervisor).await, &path);
    }
    for limit in ["0", "4294967295"] {
        let reply = world.get(&format!("/api/v1/patients?limit={limit}"), &world.supervisor).await;
        let items = reply.json()["items"].as_array().map_or(0, Vec::len);
        assert!((1..=100).contains(&items), "{limit}: {items}");
    }
    for query in ["state=all", "state=", "mine=2", "state=active&state=closed"] {
        let path = format!("/api/v1/consultations?{query}");
        is_refusal(&world.get(&path, &world.supervisor).await, &path);
    }
}

async fn ids_of_the_wrong_type(world: &World) {
    let patient = world.patient().await;
    for id in [
        "0",
        "-1",
        "null",
        "%00",
        "%27%3B--",
        "..",
        "%2e%2e",
        "me",
        "{id}",
        "*",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        // An id of another kind of thing.
        &patient.session,
        &patient.conversation,
    ] {
        for path in ["/api/v1/consultations/", "/api/v1/callbacks/", "/api/v1/files/"] {
            let reply = world.get(&format!("{path}{id}"), &world.supervisor).await;
            assert_eq!(reply.status, 404, "{path}{id}: {}", reply.text);
            let reply = world.get(&format!("{path}{id}"), &patient).await;
            assert_eq!(reply.status, 404, "{path}{id}: {}", reply.text);
        }
    }
}

/// Zero characters, and what else is a string in JSON and none in PostgreSQL.
async fn strings_no_database_holds(world: &World) {
    let patient = world.patient().await;
    for bad in ["a\0b", "\0", "\u{feff}\0"] {
        let query = encoded(bad);
        let lists = ["patients?q", "consultations?q", "patients?after", "callbacks?after"];
        for list in lists {
            let reply = world.get(&format!("/api/v1/{list}={query}"), &world.supervisor).await;
            assert!(reply.status < 500, "{list}: {} {}", reply.status, reply.text);
        }
        let login = json!({ "email": format!("x{bad}@x"), "password": bad, "device": "test" });
        let device = json!({ "email": "petrov@demo.housecall",
            "password": crate::house::DEMO_PASSWORD, "device": bad });
        let operator = json!({ "name": "Имя", "email": format!("x{bad}@x"),
            "password": format!("0123456789{bad}"), "role": "desk", "specialty": bad });
        let verify = json!({ "phone": bad, "code": bad, "device": bad });
        let cases: [(&str, &str, Option<&Person>, Value); 12] = [
            ("patch", "me", Some(&patient), json!({ "name": bad })),
            ("patch", "me", Some(&patient), json!({ "city": bad })),
            ("patch", "me", Some(&patient), json!({ "time_zone": bad })),
            ("patch", "me", Some(&patient), json!({ "birth_date": bad })),
            ("post", "consultations", Some(&patient), json!({ "specialty": bad })),
            ("post", "callbacks", Some(&patient), json!({ "reason": bad })),
            ("post", "auth/operator/login", None, login),
            ("post", "auth/operator/login", None, device),
            ("post", "auth/patient/code", None, json!({ "phone": bad })),
            ("post", "auth/patient/verify", None, verify),
            ("post", "operators", Some(&world.admin), operator.clone()),
            ("post", "operators", Some(&world.admin), with(operator, "email", json!("a@b"))),
        ];
        for (method, path, person, body) in cases {
            let token = person.map(|person| person.token.as_str());
            let reply = world.call(method, &format!("/api/v1/{path}"), token, Some(&body)).await;
            is_refusal(&reply, &format!("{method} {path} {body}"));
        }
    }
    for at in [i64::MIN, -1, i64::MAX] {
        let body = json!({ "reason": "когда", "call_at": at });
        is_refusal(&world.post("/api/v1/callbacks", &patient, &body).await, "call_at");
    }
    for date in ["9999-12-31", "-9999-01-01", "2024-02-30", "0000-00-00", "1990-01-01T00:00Z[x]"] {
        let body = json!({ "birth_date": date });
        let reply = world.call("patch", "/api/v1/me", Some(&patient.token), Some(&body)).await;
        is_refusal(&reply, date);
    }
}

fn with(mut value: Value, name: &str, part: Value) -> Value {
    value[name] = part;
    value
}

async fn bodies_that_are_none(world: &World) {
    let patient = world.patient().await;
    let url = format!("{}/api/v1/me", world.house.public);
    let deep = "[".repeat(20_000);
    let deep_field = format!("{{\"name\":{}1{}}}", "[".repeat(5000), "]".repeat(5000));
    // Little more than the bound: of much more, the server would not read the end, and
    // the client might not hear why.
    let huge = format!("{{\"name\":\"{}\"}}", "a".repeat(65 * 1024));
    for (body, status) in [
        (deep.as_str(), 400),
        (deep_field.as_str(), 400),
        (huge.as_str(), 413),
        ("", 400),
        ("{", 400),
        ("null", 400),
        ("[7]", 400),
        ("{\"name\":\"\\ud800\"}", 400),
        ("{\"name\":1}", 400),
    ] {
        let request = world.house.http.patch(&url).bearer_auth(&patient.token);
        let request = request.header("content-type", "application/json").body(body.to_owned());
        let reply = answer(request).await;
        assert_eq!(reply.status, status, "{:.60}: {}", body, reply.text);
        assert_eq!(reply.header("content-type"), "application/problem+json");
    }
    // What a form of another site could send without asking first is not taken.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let request = world.house.http.patch(&url).bearer_auth(&patient.token);
        let request = request.header("content-type", kind).body("{\"name\":\"Имя\"}");
        is_refusal(&answer(request).await, kind);
    }
    let request = world.house.http.patch(&url).bearer_auth(&patient.token).body(vec![0xff, 0xfe]);
    is_refusal(&answer(request.header("content-type", "application/json")).await, "no UTF-8");
}
