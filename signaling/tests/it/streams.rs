//! WHIP and WHEP as a client sees them, at two gateways that share nothing but the bus and
//! the database.

use aws_lc_rs::digest;
use housecall_protocol::{CallId, NodeId, StreamLinkId};
use housecall_signaling::{Config, StreamConfig};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::Value;

use crate::house::House;
use crate::relay::Relay;

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nt=0 0\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 198.51.100.7\r\na=mid:0\r\na=sendrecv\r\n\
    a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n\
    a=candidate:1 1 udp 1 198.51.100.7 9 typ host\r\n";
const TOKEN: &str = "token";

struct Scene {
    house: House,
    relay: Relay,
    client: Client,
    base: String,
}

/// A link as the REST service would have made it.
struct Row {
    direction: &'static str,
    /// SQL of its end.
    expires: &'static str,
}

const PUBLISH: Row = Row { direction: "publish", expires: "now() + interval '1 h'" };
const PLAY: Row = Row { direction: "play", expires: "now() + interval '1 h'" };

impl Scene {
    async fn new() -> Self {
        Self::with(StreamConfig::default()).await
    }

    async fn with(streams: StreamConfig) -> Self {
        let turn_urls = vec!["turn:turn.example:3478?transport=udp".to_owned()];
        let turn_secret = Some("north".into());
        let config = Config { streams, turn_urls, turn_secret, ..Config::default() };
        let house = House::with(config).await;
        let relay = Relay::new(&house.bus).await;
        let base = format!("http://{}", house.address);
        Self { house, relay, client: Client::new(), base }
    }

    /// A link into a room of its own, or into a call's.
    async fn link(&self, row: &Row, call: Option<CallId>) -> StreamLinkId {
        let (id, room) = (StreamLinkId::generate(), call.unwrap_or_else(CallId::generate));
        let hash = hex(digest::digest(&digest::SHA256, TOKEN.as_bytes()).as_ref());
        let call = call.map_or("NULL".to_owned(), |call| format!("'{call}'"));
        let (direction, expires) = (row.direction, row.expires);
        let doctor = self.house.doctor.id;
        self.house
            .sql(&format!(
                "INSERT INTO crm.stream_links (id, room_id, call_id, direction, token_hash,
                                               created_by, expires_at)
                 VALUES ('{id}', '{room}', {call}, '{direction}', '\\x{hash}', '{doctor}',
                         {expires})"
            ))
            .await;
        id
    }

    /// A running call at the relay.
    async fn call(&self) -> CallId {
        let call = CallId::generate();
        let House { conversation, consultation, patient, doctor, .. } = &self.house;
        self.house
            .sql(&format!(
                "INSERT INTO crm.calls (id, conversation_id, consultation_id, caller_id, callee_id,
                                        media, owner_node, relay_node)
                 VALUES ('{call}', '{conversation}', '{consultation}', '{}', '{}', 'video',
                         '{call}', '{}')",
                patient.id, doctor.id, self.relay.node
            ))
            .await;
        call
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response {
        let url =
            if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let mut request = self.client.request(method, url).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("the gateway answers")
    }

    async fn post(&self, path: &str, offer: &str) -> Response {
        let headers = [AUTHORIZED, ("content-type", "application/sdp")];
        self.ask(Method::POST, path, &headers, offer).await
    }
}

const AUTHORIZED: (&str, &str) = ("authorization", "Bearer token");
const FRAGMENT: (&str, &str) = ("content-type", "application/trickle-ice-sdpfrag");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

async fn refused(response: Response, status: u16, slug: &str) -> HeaderMap {
    let headers = response.headers().clone();
    let got = response.status().as_u16();
    let problem: Value = response.json().await.expect("problem details");
    assert_eq!((got, problem["type"].as_str()), (status, Some(&*format!("/problems/{slug}"))));
    assert_eq!(header(&headers, "content-type"), "application/problem+json");
    assert_eq!(header(&headers, "access-control-allow-origin"), "*");
    headers
}

#[tokio::test]
async fn a_session_lives_from_its_offer_to_its_end_at_any_gateway() {
    let scene = Scene::new().await;
    let link = scene.link(&PUBLISH, None).await;
    let created = scene.post(&format!("/whip/v1/{link}"), OFFER).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    let headers = created.headers().clone();
    assert_eq!(header(&headers, "content-type"), "application/sdp");
    assert_eq!(header(&headers, "accept-patch"), FRAGMENT.1);
    assert_eq!(header(&headers, "etag"), "\"abcd\"");
    assert!(header(&headers, "access-control-expose-headers").contains("location"));
    let ice = header(&headers, "link");
    assert!(
        ice.starts_with("<turn:turn.example:3478?transport=udp>; rel=\"ice-server\"; "),
        "{ice}"
    );
    assert!(ice.contains("; credential-type=\"password\""), "{ice}");
    let answer = created.text().await.expect("an answer");
    assert!(answer.contains("a=sendonly") && !answer.contains("a=sendrecv"), "{answer}");
    let location = header(&headers, "location").to_owned();
    let session = location.rsplit('/').next().expect("a path").to_owned();
    assert_eq!(scene.relay.asked(), [format!("join {session}"), "forward true".to_owned()]);

    // The other gateway knows the session as well.
    let other = scene.house.second_gateway(Config::default()).await;
    let location = format!("http://{other}{location}");
    let candidates = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n\
        a=candidate:2 1 udp 1 192.0.2.1 61764 typ host\r\n";
    let patch = |tag: &'static str, body: String| {
        let (scene, location) = (&scene, location.clone());
        async move {
            let mut headers = vec![AUTHORIZED, FRAGMENT];
            headers.extend((!tag.is_empty()).then_some(("if-match", tag)));
            scene.ask(Method::PATCH, &location, &headers, &body).await
        }
    };
    assert_eq!(patch("\"abcd\"", candidates.to_owned()).await.status(), StatusCode::NO_CONTENT);
    refused(patch("", candidates.to_owned()).await, 428, "no-precondition").await;
    refused(patch("\"old\"", candidates.to_owned()).await, 412, "precondition-failed").await;
    refused(patch("\"abcd\"", "<xml/>".to_owned()).await, 400, "bad-fragment").await;
    let plain = [AUTHORIZED, ("if-match", "*"), ("content-type", "text/plain")];
    refused(scene.ask(Method::PATCH, &location, &plain, candidates).await, 415, "media-type").await;

    let restart = candidates.replace("abcd\r", "wxyz\r");
    let restarted = patch("\"*\"", restart).await;
    assert_eq!(restarted.status(), StatusCode::OK);
    assert_eq!(header(restarted.headers(), "etag"), "\"wxyz\"");
    assert_eq!(header(restarted.headers(), "content-type"), FRAGMENT.1);
    let fragment = restarted.text().await.expect("a fragment");
    assert!(fragment.contains("a=ice-ufrag:wxyz\r\n"), "{fragment}");
    assert!(fragment.ends_with("a=end-of-candidates\r\n"), "{fragment}");
    refused(patch("\"abcd\"", candidates.to_owned()).await, 412, "precondition-failed").await;

    let deleted = scene.ask(Method::DELETE, &location, &[AUTHORIZED], "").await;
    assert_eq!(deleted.status(), StatusCode::OK);
    let again = scene.ask(Method::DELETE, &location, &[AUTHORIZED], "").await;
    refused(again, 404, "not-found").await;
    let asked = scene.relay.asked();
    assert_eq!(asked[2..], [format!("offer {session}"), format!("leave {session}")]);
}

#[tokio::test]
async fn a_second_session_takes_the_place_of_the_first() {
    let scene = Scene::new().await;
    let call = scene.call().await;
    let link = scene.link(&PLAY, Some(call)).await;
    let offer = OFFER.replace("sendrecv", "recvonly");
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let created = scene.post(&format!("/whep/v1/{link}"), &offer).await;
        assert_eq!(created.status(), StatusCode::CREATED);
        let location = header(created.headers(), "location").to_owned();
        assert!(location.starts_with(&format!("/whep/v1/{link}/")), "{location}");
        sessions.push(location);
    }
    let id = |index: usize| sessions[index].rsplit('/').next().expect("a path").to_owned();
    let (one, two) = (id(0), id(1));
    // Nobody but the call's owner opens its room.
    let expected =
        [format!("join {one} to listen"), format!("join {two} to listen"), format!("leave {one}")];
    assert_eq!(scene.relay.asked(), expected);
    let stale = scene.ask(Method::DELETE, &sessions[0], &[AUTHORIZED], "").await;
    refused(stale, 404, "not-found").await;

    scene.house.sql(&format!("SELECT * FROM crm.finish_call('{call}', 'hung_up')")).await;
    let late = scene.post(&format!("/whep/v1/{link}"), &offer).await;
    refused(late, 401, "unauthenticated").await;
}

#[tokio::test]
async fn who_has_no_right_or_no_manners_is_refused() {
    let scene = Scene::with(StreamConfig { max_sdp_bytes: 2_000, ..StreamConfig::default() }).await;
    let link = scene.link(&PUBLISH, None).await;
    let path = format!("/whip/v1/{link}");
    let sdp = ("content-type", "application/sdp");

    let headers =
        refused(scene.ask(Method::POST, &path, &[sdp], OFFER).await, 401, "unauthenticated").await;
    assert_eq!(header(&headers, "www-authenticate"), "Bearer realm=\"housecall\"");
    let wrong = [sdp, ("authorization", "Bearer other")];
    refused(scene.ask(Method::POST, &path, &wrong, OFFER).await, 401, "unauthenticated").await;
    refused(scene.post("/whip/v1/nonsense", OFFER).await, 401, "unauthenticated").await;
    let expired = Row { expires: "now() - interval '1 s'", ..PUBLISH };
    let expired = scene.link(&expired, None).await;
    refused(scene.post(&format!("/whip/v1/{expired}"), OFFER).await, 401, "unauthenticated").await;
    refused(scene.post(&format!("/whep/v1/{link}"), OFFER).await, 403, "wrong-direction").await;
    let typeless = scene.ask(Method::POST, &path, &[AUTHORIZED], OFFER).await;
    refused(typeless, 415, "media-type").await;
    refused(scene.post(&path, &"v=0\r\n".repeat(401)).await, 413, "too-large").await;
    let receives = OFFER.replace("sendrecv", "recvonly");
    refused(scene.post(&path, &receives).await, 400, "bad-offer").await;
    for (method, path, allow) in [
        (Method::GET, path.clone(), "POST, OPTIONS"),
        (Method::PUT, path.clone(), "POST, OPTIONS"),
        (Method::POST, format!("{path}/{link}"), "PATCH, DELETE, OPTIONS"),
        (Method::GET, format!("{path}/{link}"), "PATCH, DELETE, OPTIONS"),
    ] {
        let answered = scene.ask(method, &path, &[AUTHORIZED], "").await;
        let headers = refused(answered, 405, "method-not-allowed").await;
        assert_eq!(header(&headers, "allow"), allow);
    }
    assert!(scene.relay.asked().is_empty(), "{:?}", scene.relay.asked());

    let preflight = scene.ask(Method::OPTIONS, &path, &[], "").await;
    assert_eq!(preflight.status(), StatusCode::OK);
    assert_eq!(header(preflight.headers(), "accept-post"), "application/sdp");
    let allowed = header(preflight.headers(), "access-control-allow-headers").to_owned();
    assert!(allowed.contains("authorization") && allowed.contains("if-match"), "{allowed}");
    let page = scene.house.metrics_page();
    let counted = "housecall_gateway_stream_requests_total{direction=\"publish\",status=\"401\"} 4";
    assert!(page.contains(counted), "{page}");
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_when_to_come_back() {
    let streams =
        StreamConfig { requests_burst: 2, requests_per_minute: 1, ..StreamConfig::default() };
    let scene = Scene::with(streams).await;
    let path = format!("/whip/v1/{}", StreamLinkId::generate());
    for _ in 0..2 {
        refused(scene.post(&path, OFFER).await, 401, "unauthenticated").await;
    }
    let headers = refused(scene.post(&path, OFFER).await, 429, "rate-limited").await;
    let retry: u64 = header(&headers, "retry-after").parse().expect("seconds");
    assert!((1..=61).contains(&retry));
}

#[tokio::test]
async fn a_test_stream_whose_relay_is_gone_goes_to_another() {
    let scene = Scene::new().await;
    let link = scene.link(&PUBLISH, None).await;
    let gone = NodeId::generate();
    scene.house.sql(&format!("UPDATE crm.stream_links SET relay_node = '{gone}'")).await;
    let created = scene.post(&format!("/whip/v1/{link}"), OFFER).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    assert_eq!(scene.relay.asked().len(), 2);
    // A call's own relay is its owner's to change.
    let call = scene.call().await;
    scene.house.sql(&format!("UPDATE crm.calls SET relay_node = '{gone}'")).await;
    let link = scene.link(&PUBLISH, Some(call)).await;
    let headers =
        refused(scene.post(&format!("/whip/v1/{link}"), OFFER).await, 503, "unavailable").await;
    assert_eq!(header(&headers, "retry-after"), "2");
}
