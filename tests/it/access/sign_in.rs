//! Guessing codes and passwords, stealing refresh tokens, signing in from foreign
//! pages, and making the rate limits look elsewhere.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::world::{Reply, World, answer};
use crate::client::Socket;
use crate::house::DEMO_PASSWORD;

const CODE: &str = "/api/v1/auth/patient/code";
const VERIFY: &str = "/api/v1/auth/patient/verify";
const REFRESH: &str = "/api/v1/auth/patient/refresh";
const LOGIN: &str = "/api/v1/auth/operator/login";

/// The routes that set or read a cookie.
const COOKIE_ROUTES: [&str; 7] = [
    CODE,
    VERIFY,
    REFRESH,
    "/api/v1/auth/patient/logout",
    LOGIN,
    "/api/v1/auth/operator/refresh",
    "/api/v1/auth/operator/logout",
];

pub(super) async fn attack(world: Arc<World>) {
    codes_cannot_be_guessed(&world).await;
    codes_are_for_one_phone_and_once(&world).await;
    a_stolen_refresh_token_ends_the_session(&world).await;
    cookies_are_closed_to_scripts_and_other_sites(&world).await;
    foreign_pages_cannot_sign_anybody_in_or_out(&world).await;
    an_unknown_email_takes_as_long_and_says_the_same(&world).await;
}

async fn send(world: &World, path: &str, body: &Value, headers: &[(&str, &str)]) -> Reply {
    let mut request = world.house.http.post(format!("{}{path}", world.house.public));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request.header("content-type", "application/json").body(body.to_string())).await
}

async fn code_for(world: &World, phone: &str) -> String {
    let reply = send(world, CODE, &json!({ "phone": phone }), &[]).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()["demo_code"].as_str().unwrap().to_owned()
}

fn try_code(phone: &str, code: &str) -> Value {
    json!({ "phone": phone, "code": code, "device": "test" })
}

fn wrong(code: &str, step: u32) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1 + step) % 1_000_000)
}

/// From many addresses, and many at once.
async fn codes_cannot_be_guessed(world: &World) {
    let phone = world.phone();
    let code = code_for(world, &phone).await;
    let guesses = (0..20).map(|step| {
        let (body, from) = (try_code(&phone, &wrong(&code, step)), format!("203.0.113.{step}"));
        async move {
            let headers = [
                ("x-forwarded-for", from.as_str()),
                ("x-real-ip", from.as_str()),
                ("forwarded", "for=203.0.113.9"),
            ];
            send(world, VERIFY, &body, &headers).await
        }
    });
    let replies = join_all(guesses).await;
    let tried =
        replies.iter().filter(|reply| reply.json()["type"] == "/problems/wrong-code").count();
    assert_eq!(tried, 5, "guesses that were compared");
    let late = send(world, VERIFY, &try_code(&phone, &code), &[]).await;
    assert_eq!(late.json()["type"], "/problems/code-expired", "the right one comes too late");
    for odd in
        [code.replace('0', "٠"), format!("{code}0"), String::new(), "%".repeat(6), "      ".into()]
    {
        let reply = send(world, VERIFY, &try_code(&phone, &odd), &[]).await;
        assert!([422].contains(&reply.status), "{odd:?}: {}", reply.text);
    }
    let again = send(world, CODE, &json!({ "phone": phone }), &[]).await;
    assert_eq!(again.status, 429, "a fresh code gives no fresh tries at once: {}", again.text);
    assert!(again.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    // The same phone however it is written.
    let spelled = format!("8 ({}) {}", &phone[2..5], &phone[5..]);
    let again = send(world, CODE, &json!({ "phone": spelled }), &[]).await;
    assert_eq!(again.status, 429, "{}", again.text);
}

async fn codes_are_for_one_phone_and_once(world: &World) {
    let (mine, victims) = (world.phone(), world.phone());
    let (code, _) = (code_for(world, &mine).await, code_for(world, &victims).await);
    let reply = send(world, VERIFY, &try_code(&victims, &code), &[]).await;
    assert_eq!(reply.status, 422, "a code for another phone: {}", reply.text);
    let body = try_code(&mine, &code);
    let at_once = (0..8).map(|_| send(world, VERIFY, &body, &[]));
    let replies = join_all(at_once).await;
    let signed_in = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(signed_in, 1, "a code signs in once, also when it is tried eight times at once");
    assert_eq!(send(world, VERIFY, &body, &[]).await.status, 422, "reuse");
}

fn cookie(reply: &Reply) -> String {
    reply.header("set-cookie").split(';').next().unwrap().to_owned()
}

async fn sign_in(world: &World) -> Reply {
    let phone = world.phone();
    let code = code_for(world, &phone).await;
    let reply = send(world, VERIFY, &try_code(&phone, &code), &[]).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    world.secret(cookie(&reply).split('=').nth(1).unwrap());
    reply
}

async fn a_stolen_refresh_token_ends_the_session(world: &World) {
    let signed_in = sign_in(world).await;
    let stolen = cookie(&signed_in);
    let nothing = json!({});
    let fresh = send(world, REFRESH, &nothing, &[("cookie", &stolen)]).await;
    assert_eq!(fresh.status, 200, "{}", fresh.text);
    let rightful = cookie(&fresh);
    assert_ne!(rightful, stolen, "it rotates");
    let token = fresh.json()["access_token"].as_str().unwrap().to_owned();
    let mut socket = Socket::open(&world.house, None).await.unwrap();
    socket.hello(&token).await;
    assert_eq!(socket.next().await.unwrap()["type"], "welcome");

    let reply = send(world, REFRESH, &nothing, &[("cookie", &stolen)]).await;
    assert_eq!(reply.status, 401, "{}", reply.text);
    assert_eq!(socket.closed().await, 4002);
    let reply = send(world, REFRESH, &nothing, &[("cookie", &rightful)]).await;
    assert_eq!(reply.status, 401, "the whole family has ended: {}", reply.text);
    assert_eq!(world.call("get", "/api/v1/me", Some(&token), None).await.status, 401);

    // A patient's token is none in the operators' cookie, and garbage is none anywhere.
    let value = cookie(&sign_in(world).await).split_once('=').unwrap().1.to_owned();
    for garbage in [
        format!("housecall_operator={value}"),
        "housecall_operator=".into(),
        "housecall_operator=%00".into(),
        format!("housecall_operator={}", "x".repeat(4000)),
    ] {
        let path = "/api/v1/auth/operator/refresh";
        let reply = send(world, path, &nothing, &[("cookie", &garbage)]).await;
        assert_eq!(reply.status, 401, "{garbage:.60}: {}", reply.text);
    }
}

async fn cookies_are_closed_to_scripts_and_other_sites(world: &World) {
    let patient = sign_in(world).await;
    let body = json!({ "email": "petrov@demo.housecall", "password": DEMO_PASSWORD,
        "device": "cookies" });
    let operator = send(world, LOGIN, &body, &[]).await;
    for (reply, path) in [(&patient, "/api/v1/auth/patient"), (&operator, "/api/v1/auth/operator")]
    {
        let set = reply.header("set-cookie");
        for flag in ["; HttpOnly", "; SameSite=Strict", &format!("; Path={path};")] {
            assert!(set.contains(flag), "{flag} is missing in {set}");
        }
        assert!(!set.contains("Domain"), "{set}");
        let value = cookie(reply).split_once('=').unwrap().1.to_owned();
        assert!(value.len() >= 40, "256 random bits");
        assert!(!reply.text.contains(&value), "the body carries the refresh token");
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    // The cookie alone opens nothing but the refresh.
    let request = world.house.http.get(format!("{}/api/v1/me", world.house.public));
    assert_eq!(answer(request.header("cookie", cookie(&patient))).await.status, 401);
}

async fn foreign_pages_cannot_sign_anybody_in_or_out(world: &World) {
    let signed_in = sign_in(world).await;
    let mine = cookie(&signed_in);
    let ours = world.house.public.as_str();
    let lookalike = format!("{ours}.evil.example");
    let foreign: [&[(&str, &str)]; 6] = [
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", &lookalike)],
        &[("origin", "https://evil.example"), ("host", "127.0.0.1")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
    ];
    for path in COOKIE_ROUTES {
        let body = json!({ "phone": world.phone(), "code": "000000", "device": "x",
            "email": "petrov@demo.housecall", "password": DEMO_PASSWORD });
        for headers in foreign {
            let headers = [headers, &[("cookie", mine.as_str())]].concat();
            let reply = send(world, path, &body, &headers).await;
            assert_eq!(reply.status, 403, "{path} {headers:?}: {}", reply.text);
            assert_eq!(reply.json()["type"], "/problems/foreign-origin");
            assert!(reply.headers.get("set-cookie").is_none(), "{path} sets a cookie");
        }
    }
    let headers = [("origin", ours), ("cookie", mine.as_str())];
    let reply = send(world, REFRESH, &json!({}), &headers).await;
    assert_eq!(reply.status, 200, "nothing above used or ended it: {}", reply.text);
}

async fn an_unknown_email_takes_as_long_and_says_the_same(world: &World) {
    let mut fastest = Vec::new();
    let mut said = Vec::new();
    for email in ["sokolova@demo.housecall", "nobody@demo.housecall"] {
        let body = json!({ "email": email, "password": "not the password", "device": "test" });
        let mut times = Vec::new();
        for _ in 0..4 {
            let start = Instant::now();
            let reply = send(world, LOGIN, &body, &[]).await;
            times.push(start.elapsed());
            assert_eq!(reply.status, 401);
            said.push(reply.json());
        }
        fastest.push(times.into_iter().min().unwrap_or(Duration::MAX));
    }
    said.dedup();
    assert_eq!(said.len(), 1, "one answer for both: {said:?}");
    // A hash takes a hundred times as long as a look-up; a factor of three is noise.
    assert!(fastest[1] * 3 > fastest[0], "known {:?}, unknown {:?}", fastest[0], fastest[1]);
}

/// Headers that a client writes itself do not make it another client.
pub(super) async fn exhaust(world: Arc<World>) {
    let from = |step: usize| format!("198.51.{}.{}", step / 250, step % 250);
    let mut refused = 0;
    for step in 0..80 {
        let address = from(step);
        let headers = [
            ("x-forwarded-for", address.as_str()),
            ("x-real-ip", address.as_str()),
            ("cf-connecting-ip", address.as_str()),
            ("client-ip", address.as_str()),
        ];
        let reply = send(&world, CODE, &json!({ "phone": world.phone() }), &headers).await;
        refused += usize::from(reply.status == 429);
    }
    assert!(refused > 10, "codes for ever new phones from one address: {refused} refused");

    let mut refused = 0;
    for step in 0..30 {
        let address = from(step);
        let body = json!({ "email": if step % 2 == 0 { "Victim@x" } else { " victim@X " },
            "password": "not the password", "device": "test" });
        let reply = send(&world, LOGIN, &body, &[("x-forwarded-for", &address)]).await;
        refused += usize::from(reply.status == 429);
    }
    assert!(refused > 5, "guesses at one e-mail: {refused} refused");
}
