//! Each bound of the gateway: what comes on top of it is refused, says why and when to
//! return, and takes nothing from the others.

use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use housecall_protocol::client::close;
use housecall_protocol::cluster::{ChatEvent, subject};
use housecall_protocol::domain::{Message, MessageBody, TimestampMs};
use housecall_signaling::Config;
use serde_json::{Value, json};

use crate::client::Client;
use crate::house::{House, Person};

/// More than any of these bounds lets through.
const MANY: usize = 200;

/// Sends until a frame is refused for its rate; returns how many passed and the refusal.
/// Clients take turns.
async fn passed(clients: &mut [Client], frame: &Value) -> (usize, Value) {
    for number in 0..MANY {
        let at = number % clients.len();
        let answer = clients[at].request("ping", frame.clone()).await;
        if answer["data"]["code"] == "rate_limited" {
            return (number, answer);
        }
    }
    panic!("{MANY} frames passed");
}

async fn is_served(client: &mut Client) {
    assert_eq!(client.request("ping", json!({})).await["type"], "pong");
}

async fn all_connect(house: &House, people: &[Person]) -> Vec<Client> {
    join_all(people.iter().map(|person| house.connect(*person))).await
}

#[tokio::test]
async fn frames_of_one_person_are_bounded_over_all_their_devices() {
    let config =
        Config { person_frames_per_second: 1, person_frames_burst: 6, ..Config::default() };
    let house = House::with(config).await;
    let tablet = house.another_session(house.patient).await;
    let mut devices = all_connect(&house, &[house.patient, house.patient, tablet]).await;
    let mut other = house.connect(house.doctor).await;
    let (passed, refusal) = passed(&mut devices, &json!({})).await;
    assert!((6..MANY).contains(&passed), "the burst passes: {passed}");
    let wait = refusal["data"]["retry_after_ms"].as_u64().unwrap();
    assert!((1..=1000).contains(&wait), "{wait} ms");
    for _ in 0..6 {
        is_served(&mut other).await;
    }
}

#[tokio::test]
async fn bytes_of_a_connection_are_bounded_whatever_the_frames() {
    let config = Config { bytes_per_second: 2000, bytes_burst: 10_000, ..Config::default() };
    let house = House::with(config).await;
    let mut devices = all_connect(&house, &[house.patient]).await;
    // Unreadable, and paid for all the same.
    let long = json!({ "padding": "x".repeat(1900) });
    let (passed_long, refusal) = passed(&mut devices, &long).await;
    assert!((4..20).contains(&passed_long), "{passed_long} frames of two kilobytes");
    assert!(refusal["data"]["retry_after_ms"].as_u64().unwrap() > 0);
    // The person's own share is not used up: another device is served.
    let mut second = house.connect(house.patient).await;
    is_served(&mut second).await;
}

#[tokio::test]
async fn bytes_of_one_person_are_bounded_over_all_their_devices() {
    let config =
        Config { person_bytes_per_second: 2000, person_bytes_burst: 10_000, ..Config::default() };
    let house = House::with(config).await;
    let mut devices = all_connect(&house, &[house.patient; 3]).await;
    let mut other = house.connect(house.doctor).await;
    let long = json!({ "padding": "x".repeat(1900) });
    let (passed, _) = passed(&mut devices, &long).await;
    assert!((4..20).contains(&passed), "{passed} frames of two kilobytes");
    is_served(&mut other).await;
}

#[tokio::test]
async fn who_goes_on_after_the_warnings_is_closed_and_may_return() {
    let config =
        Config { bytes_per_second: 1, bytes_burst: 600, max_rate_strikes: 3, ..Config::default() };
    let house = House::with(config).await;
    let mut client = house.connect(house.patient).await;
    for _ in 0..10 {
        client.send("ping", json!({ "padding": "x".repeat(500) })).await;
    }
    assert_eq!(client.close_code().await, Some(close::RATE_LIMITED));
    assert_eq!(client.close_reason(), "rate_limited");
    // A connection's own bucket dies with it.
    is_served(&mut house.connect(house.patient).await).await;
}

#[tokio::test]
async fn connections_of_one_device_and_of_one_person_are_bounded_apart() {
    let config = Config {
        max_connections_per_session: 2,
        max_connections_per_person: 3,
        ..Config::default()
    };
    let house = House::with(config).await;
    let tablet = house.another_session(house.patient).await;
    let mut phone = all_connect(&house, &[house.patient, house.patient]).await;
    is_one_too_many(&house, house.patient).await;
    let mut third = house.connect(tablet).await;
    is_one_too_many(&house, tablet).await;
    for client in phone.iter_mut().chain([&mut third]) {
        is_served(client).await;
    }
    let mut other = house.connect(house.doctor).await;
    is_served(&mut other).await;
    // A place is free again once its connection is gone.
    phone.pop().unwrap().leave().await;
    house.metrics_say("housecall_gateway_closed_total{reason=\"peer_gone\"} 1").await;
    is_served(&mut house.connect(tablet).await).await;
}

async fn is_one_too_many(house: &House, person: Person) {
    let mut client = Client::open(house.address).await;
    let refusal = client.request("hello", house.hello(person)).await;
    assert_eq!(refusal["data"]["code"], "rate_limited");
    assert_eq!(client.close_code().await, Some(close::RATE_LIMITED));
    assert_eq!(client.close_reason(), "too_many_connections");
}

#[tokio::test]
async fn connections_of_one_address_are_counted_by_what_the_proxy_says() {
    let config = Config { behind_proxy: true, max_connections_per_address: 2, ..Config::default() };
    let house = House::with(config).await;
    let open = |client| Client::open_from(house.address, Some(client));
    let _first = open("198.51.100.7").await.ok().unwrap();
    // What comes before the proxy's own entry is the client's claim.
    let _second = open("203.0.113.9, 198.51.100.7").await.ok().unwrap();
    assert_eq!(open("198.51.100.7").await.err(), Some(429));
    assert_eq!(open("203.0.113.10, 198.51.100.7").await.err(), Some(429));
    assert!(open("198.51.100.8").await.is_ok());
}

#[tokio::test]
async fn connections_of_the_process_are_bounded() {
    let house = House::with(Config { max_connections: 2, ..Config::default() }).await;
    let mut first = house.connect(house.patient).await;
    let second = Client::open(house.address).await;
    assert_eq!(Client::open_from(house.address, None).await.err(), Some(503));
    is_served(&mut first).await;
    second.leave().await;
    house.metrics_say("housecall_gateway_closed_total{reason=\"bad_hello\"} 1").await;
    is_served(&mut house.connect(house.doctor).await).await;
}

#[tokio::test]
async fn a_crowd_of_hellos_waits_at_the_gate_and_the_rest_is_told_when_to_return() {
    const CROWD: usize = 12;
    let config = Config { hellos_at_once: 1, hellos_waiting: 2, ..Config::default() };
    let house = House::with(config).await;
    let mut here = house.connect(house.doctor).await;
    // Hellos ask for the session; this makes each of them take as long as we want.
    let mut database = house.db.pool.get().await.unwrap();
    let lock = database.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE crm.sessions IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let clients = join_all((0..CROWD).map(|_| async {
        let mut client = Client::open(house.address).await;
        client.send("hello", house.hello(house.patient)).await;
        client
    }));
    let mut answers: FuturesUnordered<_> = clients
        .await
        .into_iter()
        .map(|mut client| async move { (client.frame().await, client) })
        .collect();
    for _ in 0..CROWD - 3 {
        let (answer, client) = answers.next().await.unwrap();
        assert_eq!(answer.err(), Some(Some(close::TRY_AGAIN_LATER)), "three may stay");
        assert!(client.close_reason().starts_with("overloaded "), "{}", client.close_reason());
        let after = client.asked_to_return_after_ms().expect("it is told when");
        assert!((500..=30_000).contains(&after), "{after} ms");
    }
    // Who is in is not kept waiting by those at the gate.
    is_served(&mut here).await;
    lock.commit().await.unwrap();
    while let Some((answer, _client)) = answers.next().await {
        assert_eq!(answer.expect("its turn came")["type"], "welcome");
    }
}

fn long_message(house: &House, seq: i64, bytes: usize) -> ChatEvent {
    ChatEvent::Message {
        conversation: house.conversation,
        message: Message {
            seq,
            sender: None,
            sender_name: None,
            sender_kind: None,
            client_message_id: None,
            consultation: None,
            sent_at: TimestampMs(1),
            reply_to: None,
            edited_at: None,
            change: 0,
            body: MessageBody::Text { text: "x".repeat(bytes) },
        },
    }
}

/// Tells a patient who does not read until the gateway has had enough; what the patient
/// then reads is gapless and ends with the close.
async fn does_not_read(config: Config, bytes: usize) {
    let house = House::with(config).await;
    let mut stalled = house.connect(house.patient).await;
    let mut other = house.connect(house.doctor).await;
    let closed = "housecall_gateway_closed_total{reason=\"slow_consumer\"} 1";
    let gone = "housecall_gateway_connections{kind=\"patient\"} 0";
    let mut told = 0;
    while !house.metrics_page().contains(gone) {
        told += 1;
        assert!(told < 400_000_000 / bytes, "400 MB and still not closed");
        let event = long_message(&house, i64::try_from(told).unwrap(), bytes);
        house.bus.publish(&subject::chat_event(house.conversation), &event).await.unwrap();
        // Lets the gateway run: the test has one thread.
        is_served(&mut other).await;
    }
    let mut last = 0;
    let code = loop {
        match stalled.frame().await {
            Ok(frame) => {
                last += 1;
                assert_eq!(frame["data"]["message"]["seq"], last, "in order, each once");
            }
            Err(code) => break code,
        }
    };
    // A client that begins to read too late finds the connection reset.
    assert!(matches!(code, Some(close::SLOW_CONSUMER) | None), "{code:?}");
    assert!(code.is_none() || stalled.close_reason() == "slow_consumer");
    assert!(last < told, "the bound was reached before all was written");
    house.metrics_say(closed).await;
    is_served(&mut house.connect(house.patient).await).await;
}

#[tokio::test]
async fn a_reader_too_slow_for_so_many_frames_is_closed() {
    does_not_read(Config { outbound_frames: 16, ..rates() }, 100_000).await;
}

#[tokio::test]
async fn a_reader_too_slow_for_so_many_bytes_is_closed() {
    let config = Config { outbound_frames: 1_000_000, outbound_bytes: 500_000, ..rates() };
    does_not_read(config, 100_000).await;
}

/// The doctor's pings give the gateway its turns; they are not what is bounded here.
fn rates() -> Config {
    let plenty = 1_000_000;
    Config {
        frames_burst: plenty,
        person_frames_burst: plenty,
        bytes_burst: u32::MAX,
        person_bytes_burst: u32::MAX,
        ..Config::default()
    }
}

#[tokio::test]
async fn a_gateway_that_stops_spreads_the_return_of_its_clients() {
    const CLIENTS: usize = 12;
    let house = House::with(Config { returns_per_second: 2, ..Config::default() }).await;
    let mut clients = all_connect(&house, &[house.patient; CLIENTS]).await;
    let closing = async {
        let mut after = Vec::new();
        for client in &mut clients {
            assert_eq!(client.close_code().await, Some(close::DRAINING));
            after.push(client.asked_to_return_after_ms().expect("it is told when"));
        }
        after
    };
    let (mut after, ()) = tokio::join!(closing, house.stop());
    after.sort_unstable();
    // Twelve at two a second: six seconds. That all fall into one of them has a chance
    // of one in a hundred million.
    assert!(after.iter().all(|ms| (50..=6000).contains(ms)), "{after:?}");
    assert!(after[CLIENTS - 1] - after[0] > 1000, "{after:?}");
}
