//! Signing in: codes, passwords, their limits, the cookie.

use axum::http::{Method, header};
use housecall_crm_api::RateLimit;
use serde_json::json;

use crate::house::{House, PASSWORD, Person, request};

const PHONE: &str = "+79000000101";

fn another(code: &str) -> String {
    let digit = if code.starts_with('1') { '2' } else { '1' };
    format!("{digit}{}", &code[1..])
}

async fn sent_code(house: &House) -> String {
    let sent = house.code(PHONE).await.ok();
    sent["demo_code"].as_str().expect("demo mode shows the code").to_owned()
}

#[tokio::test]
async fn a_new_phone_becomes_a_patient_with_a_conversation() {
    let house = House::open().await;
    let code = {
        let sent = house.code("8 (900) 000-01-01").await.ok();
        assert_eq!(sent["expires_in_s"], 300);
        sent["demo_code"].as_str().expect("a code").to_owned()
    };
    let reply = house.verify("+7 900 000 01 01", &code, "phone").await;
    let body = reply.ok();
    assert_eq!(body["me"]["phone"], PHONE);
    assert_eq!(body["me"]["needs_profile"], true);
    assert_eq!(body["me"]["kind"], "patient");
    let cookie = reply.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/api/v1/auth/patient;", "Max-Age=2592000"] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    assert!(!cookie.contains("Secure"), "the public origin is http");

    let again = house.patient(PHONE).await;
    assert_eq!(again.me["id"], body["me"]["id"], "the same phone is the same patient");
    assert_eq!(house.count("SELECT count(*) FROM chat.conversations").await, 1);
}

#[tokio::test]
async fn a_code_works_once() {
    let house = House::open().await;
    let code = sent_code(&house).await;
    house.verify(PHONE, &code, "a").await.ok();
    house.verify(PHONE, &code, "b").await.refused(422, "code-expired");
}

#[tokio::test]
async fn of_parallel_uses_of_a_code_one_wins() {
    let house = House::open().await;
    let code = sent_code(&house).await;
    let tries = (0..4).map(|_| house.verify(PHONE, &code, "a"));
    let replies = futures::future::join_all(tries).await;
    let won = replies.iter().filter(|reply| reply.status.is_success()).count();
    assert_eq!(won, 1);
    assert_eq!(house.count("SELECT count(*) FROM crm.patients").await, 1);
}

#[tokio::test]
async fn five_wrong_tries_void_a_code() {
    let house = House::open().await;
    let code = sent_code(&house).await;
    for left in (0..5).rev() {
        let problem = house.verify(PHONE, &another(&code), "a").await.refused(422, "wrong-code");
        assert_eq!(problem["tries_left"], left);
    }
    house.verify(PHONE, &code, "a").await.refused(422, "code-expired");
}

#[tokio::test]
async fn parallel_guesses_cannot_exceed_the_tries() {
    let house = House::open().await;
    let code = sent_code(&house).await;
    let wrong = another(&code);
    let guesses = (0..12).map(|_| house.verify(PHONE, &wrong, "a"));
    let replies = futures::future::join_all(guesses).await;
    let compared = replies.iter().filter(|reply| reply.json()["tries_left"].is_u64()).count();
    assert_eq!(compared, 5);
}

#[tokio::test]
async fn an_old_code_is_void() {
    let house = House::open().await;
    let code = sent_code(&house).await;
    let client = house.database.pool.get().await.expect("a connection");
    client
        .execute("UPDATE crm.one_time_codes SET expires_at = now() - interval '1 second'", &[])
        .await
        .expect("moved");
    house.verify(PHONE, &code, "a").await.refused(422, "code-expired");
}

#[tokio::test]
async fn a_second_code_must_wait() {
    let house = House::open_with(|config| config.code_resend_s = 60).await;
    house.code(PHONE).await.ok();
    let reply = house.code(PHONE).await;
    let problem = reply.refused(429, "rate-limited");
    let wait = problem["retry_after_s"].as_u64().expect("a wait");
    assert!((50..=60).contains(&wait), "{wait}");
    assert_eq!(reply.header("retry-after"), wait.to_string());
    house.code("+79000000102").await.ok();
}

#[tokio::test]
async fn codes_per_hour_are_bounded_until_a_sign_in() {
    let house = House::open_with(|config| config.codes_per_phone_hour = 3).await;
    for _ in 0..2 {
        house.code(PHONE).await.ok();
    }
    let code = sent_code(&house).await;
    let problem = house.code(PHONE).await.refused(429, "rate-limited");
    assert!(problem["retry_after_s"].as_u64().expect("a wait") > 3000);
    house.verify(PHONE, &code, "a").await.ok();
    house.code(PHONE).await.ok();
}

#[tokio::test]
async fn codes_per_address_are_bounded() {
    let limit = RateLimit { burst: 2, every_s: 600 };
    let house = House::open_with(|config| config.codes_per_address = limit).await;
    house.code("+79000000111").await.ok();
    house.code("+79000000112").await.ok();
    house.code("+79000000113").await.refused(429, "rate-limited");
}

#[tokio::test]
async fn a_password_signs_an_operator_in() {
    let house = House::open().await;
    let doctor = house.operator("petrov", "doctor", Some("therapy")).await;
    assert_eq!(doctor.me["specialty"]["doctor_ru"], "Терапевт");
    assert!(doctor.cookie.starts_with("housecall_operator="));
    house.login(" Petrov@Clinic.example ", PASSWORD).await.ok();
    let wrong = house.login("petrov@clinic.example", "wrong password").await;
    wrong.refused(401, "invalid-credentials");
    let unknown = house.login("nobody@clinic.example", PASSWORD).await;
    assert_eq!(wrong.text(), unknown.text(), "an unknown e-mail looks like a wrong password");
}

#[tokio::test]
async fn sign_ins_per_email_are_bounded() {
    let limit = RateLimit { burst: 2, every_s: 600 };
    let house = House::open_with(|config| config.logins_per_email = limit).await;
    for _ in 0..2 {
        house.login("a@clinic.example", "wrong password").await.refused(401, "invalid-credentials");
    }
    house.login("a@clinic.example", "wrong password").await.refused(429, "rate-limited");
    house.login("b@clinic.example", "wrong password").await.refused(401, "invalid-credentials");
}

#[tokio::test]
async fn a_page_of_another_origin_cannot_use_the_cookie() {
    let house = House::open().await;
    let patient = house.patient(PHONE).await;
    for path in ["/api/v1/auth/patient/refresh", "/api/v1/auth/patient/logout"] {
        let mut foreign = request(Method::POST, path, None, None);
        foreign.headers_mut().insert(header::ORIGIN, "https://evil.example".parse().expect("ok"));
        foreign.headers_mut().insert(header::COOKIE, patient.cookie.parse().expect("ok"));
        house.send(foreign).await.refused(403, "foreign-origin");
        let mut hidden = request(Method::POST, path, None, None);
        hidden.headers_mut().remove(header::ORIGIN);
        hidden.headers_mut().insert("sec-fetch-site", "same-site".parse().expect("ok"));
        hidden.headers_mut().insert(header::COOKIE, patient.cookie.parse().expect("ok"));
        house.send(hidden).await.refused(403, "foreign-origin");
    }
}

#[tokio::test]
async fn a_profile_is_filled_in() {
    let house = House::open().await;
    let patient = house.patient(PHONE).await;
    let update = json!({ "name": " Анна  Смирнова ", "birth_date": "1991-05-14",
                         "time_zone": "Asia/Yekaterinburg" });
    let patch = |body| house.call(Method::PATCH, "/api/v1/me", Some(&patient.token), Some(body));
    let me = patch(update).await.ok();
    assert_eq!(me["name"], "Анна Смирнова");
    assert_eq!(me["needs_profile"], false);
    assert_eq!(me["birth_date"], "1991-05-14");
    let me = patch(json!({ "city": "Москва" })).await.ok();
    assert_eq!((&me["city"], &me["name"]), (&json!("Москва"), &json!("Анна Смирнова")));
    for (field, value) in [
        ("name", json!("")),
        ("birth_date", json!("2999-01-01")),
        ("birth_date", json!("14.05.1991")),
        ("time_zone", json!("../../etc/passwd")),
    ] {
        let problem = patch(json!({ field: value })).await.refused(422, "invalid-body");
        assert_eq!(problem["field"], field);
    }
}

#[tokio::test]
async fn sessions_are_seen_and_ended() {
    let house = House::open().await;
    let first = house.patient(PHONE).await;
    let code = sent_code(&house).await;
    let second = Person::of(&house.verify(PHONE, &code, "another device").await);
    let sessions = house.get("/api/v1/me/sessions", &second).await.ok();
    assert_eq!(sessions.as_array().map(Vec::len), Some(2));
    let current: Vec<_> = sessions.as_array().expect("a list").iter().collect();
    assert_eq!(current.iter().filter(|session| session["current"] == true).count(), 1);

    let path = format!("/api/v1/me/sessions/{}", first.me["session"].as_str().expect("an id"));
    let ended = house.call(Method::DELETE, &path, Some(&second.token), None).await;
    assert_eq!(ended.status, 204);
    house.get("/api/v1/me", &first).await.refused(401, "session-ended");
    house.get("/api/v1/me", &second).await.ok();
    let again = house.call(Method::DELETE, &path, Some(&second.token), None).await;
    again.refused(404, "not-found");
}

#[tokio::test]
async fn signing_in_again_on_a_device_replaces_its_session() {
    let house = House::open().await;
    let before = house.patient(PHONE).await;
    let after = house.patient(PHONE).await;
    house.get("/api/v1/me", &before).await.refused(401, "session-ended");
    house.get("/api/v1/me", &after).await.ok();
}
