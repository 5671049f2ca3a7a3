//! Access tokens by their key set; refresh rotation and the end of stolen ones.

use axum::http::{Method, header};
use housecall_platform::bus::Subscription;
use housecall_protocol::cluster::{PersonEvent, subject};
use housecall_protocol::{PersonId, SessionId};

use crate::house::{House, Person, Reply, request};

const PATH: &str = "/api/v1/auth/patient/refresh";

async fn refresh(house: &House, cookie: &str) -> Reply {
    let mut with_cookie = request(Method::POST, PATH, None, None);
    with_cookie.headers_mut().insert(header::COOKIE, cookie.parse().expect("a cookie"));
    house.send(with_cookie).await
}

async fn watch(house: &House, person: &Person) -> Subscription {
    let subject = subject::person_event(PersonId(person.id()));
    house.context.bus.subscribe(&subject).await.expect("a local bus")
}

fn session(person: &Person) -> SessionId {
    person.me["session"].as_str().expect("an id").parse().expect("a UUID")
}

/// Lets the grace of used tokens pass.
async fn age_used_tokens(house: &House) {
    let client = house.database.pool.get().await.expect("a connection");
    client
        .execute("UPDATE crm.refresh_tokens SET used_at = used_at - interval '11 seconds'", &[])
        .await
        .expect("moved");
}

#[tokio::test]
async fn a_refresh_gives_new_tokens() {
    let house = House::open().await;
    let patient = house.patient("+79000000201").await;
    let reply = refresh(&house, &patient.cookie).await;
    let refreshed = Person::of(&reply);
    assert_ne!(refreshed.cookie, patient.cookie);
    assert_eq!(refreshed.me["session"], patient.me["session"]);
    house.get("/api/v1/me", &refreshed).await.ok();
    Person::of(&refresh(&house, &refreshed.cookie).await);
}

#[tokio::test]
async fn reuse_of_an_old_token_ends_the_session() {
    let house = House::open().await;
    let patient = house.patient("+79000000202").await;
    let mut events = watch(&house, &patient).await;
    let next = Person::of(&refresh(&house, &patient.cookie).await);
    age_used_tokens(&house).await;
    refresh(&house, &patient.cookie).await.refused(401, "session-ended");
    refresh(&house, &next.cookie).await.refused(401, "session-ended");
    house.get("/api/v1/me", &next).await.refused(401, "session-ended");
    let event: PersonEvent = events.next().await.expect("an event").parse().expect("readable");
    assert_eq!(event, PersonEvent::SessionRevoked { session: Some(session(&patient)) });
}

#[tokio::test]
async fn two_tabs_that_refresh_together_both_stay() {
    let house = House::open().await;
    let patient = house.patient("+79000000203").await;
    let tabs = (0..4).map(|_| refresh(&house, &patient.cookie));
    for reply in futures::future::join_all(tabs).await {
        let tab = Person::of(&reply);
        house.get("/api/v1/me", &tab).await.ok();
    }
}

#[tokio::test]
async fn a_cookie_of_one_kind_is_nothing_to_the_other() {
    let house = House::open().await;
    let patient = house.patient("+79000000204").await;
    let renamed = patient.cookie.replace("housecall_patient", "housecall_operator");
    let mut crossed = request(Method::POST, "/api/v1/auth/operator/refresh", None, None);
    crossed.headers_mut().insert(header::COOKIE, renamed.parse().expect("a cookie"));
    house.send(crossed).await.refused(401, "session-ended");
    refresh(&house, "housecall_patient=AAAA").await.refused(401, "session-ended");
    refresh(&house, "other=1").await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn a_logout_ends_the_session_everywhere() {
    let house = House::open().await;
    let patient = house.patient("+79000000205").await;
    let mut events = watch(&house, &patient).await;
    let mut logout = request(Method::POST, "/api/v1/auth/patient/logout", None, None);
    logout.headers_mut().insert(header::COOKIE, patient.cookie.parse().expect("a cookie"));
    let reply = house.send(logout).await;
    assert_eq!(reply.status, 204);
    assert!(reply.header("set-cookie").contains("Max-Age=0"));
    house.get("/api/v1/me", &patient).await.refused(401, "session-ended");
    refresh(&house, &patient.cookie).await.refused(401, "session-ended");
    let event: PersonEvent = events.next().await.expect("an event").parse().expect("readable");
    assert_eq!(event, PersonEvent::SessionRevoked { session: Some(session(&patient)) });
}

#[tokio::test]
async fn the_key_set_is_public_and_the_same_for_every_process() {
    let house = House::open().await;
    let set = house.call(Method::GET, "/.well-known/jwks.json", None, None).await.ok();
    assert_eq!(set["keys"].as_array().map(Vec::len), Some(1));
    assert_eq!(set["keys"][0]["crv"], "Ed25519");
    assert!(set["keys"][0].get("d").is_none(), "no private part");
    let starts = (0..3).map(|_| {
        let mut context = house.context.clone();
        context.metrics = prometheus::Registry::new();
        housecall_crm_api::start(context, house.config.clone())
    });
    for running in futures::future::join_all(starts).await {
        running.expect("starts");
    }
    assert_eq!(house.count("SELECT count(*) FROM crm.signing_keys").await, 1);
}

#[tokio::test]
async fn what_is_not_our_token_is_refused() {
    let house = House::open().await;
    let patient = house.patient("+79000000206").await;
    let (head, signature) = patient.token.rsplit_once('.').expect("a JWT");
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{head}.{flipped}{}", &signature[1..]);
    for token in ["", "x", "a.b.c", forged.as_str()] {
        let reply = house.call(Method::GET, "/api/v1/me", Some(token), None).await;
        reply.refused(401, "unauthenticated");
        assert!(reply.header("www-authenticate").starts_with("Bearer"));
    }
}
