//! The service on both buses, as gateways meet it.

use std::time::Duration;

use housecall_platform::bus::{Bus, Subscription};
use housecall_platform::postgres;
use housecall_platform::service::{Context, Settings};
use housecall_platform::testing::NatsServer;
use housecall_platform::token::Verifier;
use housecall_presence::Config;
use housecall_protocol::client::{ErrorCode, PersonPresence};
use housecall_protocol::cluster::{
    Answer, BeatKind, ChosenStatus, FullBeat, PresenceBeat, PresenceEvent, PresenceReply,
    PresenceRequest, PresenceSync, subject,
};
use housecall_protocol::domain::{PersonKind, PresenceStatus, TimestampMs};
use housecall_protocol::ids::{ConnectionId, NodeId, PersonId};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

struct House {
    bus: Bus,
    events: Subscription,
    gateway: NodeId,
    metrics: prometheus::Registry,
    shutdown: CancellationToken,
    tasks: TaskTracker,
    _server: Option<NatsServer>,
}

impl House {
    async fn local(config: Config) -> Self {
        Self::with(Bus::local(), None, config).await
    }

    async fn over_nats(config: Config) -> Self {
        let server = NatsServer::start().await;
        Self::with(Bus::nats(&server.url()).await.unwrap(), Some(server), config).await
    }

    async fn with(bus: Bus, server: Option<NatsServer>, config: Config) -> Self {
        let events = bus.subscribe(subject::PRESENCE_EVENT).await.unwrap();
        let (metrics, shutdown) = (prometheus::Registry::new(), CancellationToken::new());
        let context = context(&bus, &metrics, &shutdown);
        let tasks = housecall_presence::start(context, config).await.unwrap().tasks;
        let gateway = NodeId::generate();
        Self { bus, events, gateway, metrics, shutdown, tasks, _server: server }
    }

    async fn beat(&self, kind: BeatKind) {
        let beat = PresenceBeat { gateway: self.gateway, kind };
        self.bus.publish(subject::PRESENCE_BEAT, &beat).await.unwrap();
    }

    async fn join(&self, person: PersonId, kind: PersonKind) -> ConnectionId {
        let connection = ConnectionId::generate();
        self.beat(BeatKind::Joined { connection, person, kind }).await;
        connection
    }

    async fn event(&mut self) -> Vec<PersonPresence> {
        let delivery = tokio::time::timeout(PATIENCE, self.events.next()).await;
        let event: PresenceEvent =
            delivery.expect("an event comes").expect("the bus is open").parse().unwrap();
        event.people
    }

    async fn ask(&self, request: PresenceRequest) -> Answer<PresenceReply> {
        self.bus.request(subject::PRESENCE_REQUEST, &request, PATIENCE).await.unwrap()
    }
}

/// Presence uses no database; the pool never connects.
fn context(bus: &Bus, metrics: &prometheus::Registry, shutdown: &CancellationToken) -> Context {
    Context {
        node: uuid::Uuid::now_v7(),
        bus: bus.clone(),
        pool: postgres::pool(&"postgres://nobody@127.0.0.1/none".into(), 1).unwrap(),
        verifier: Verifier::new(bus.clone(), subject::IDENTITY_JWKS),
        metrics: metrics.clone(),
        settings: Settings::default().into(),
        shutdown: shutdown.clone(),
    }
}

fn quick() -> Config {
    Config { grace_seconds: 0, settle_ms: 0, batch_ms: 5, ..Config::default() }
}

fn chosen(person: PersonId, status: PresenceStatus) -> ChosenStatus {
    ChosenStatus { person, status, at: TimestampMs::now() }
}

fn full(
    connections: Vec<(ConnectionId, PersonId, PersonKind)>,
    chosen: Vec<ChosenStatus>,
) -> BeatKind {
    let (active, in_call) = (Vec::new(), Vec::new());
    BeatKind::Full(FullBeat { round: 1, part: 0, parts: 1, connections, chosen, active, in_call })
}

#[tokio::test]
async fn an_operator_comes_chooses_and_goes() {
    comes_chooses_and_goes(House::local(quick()).await).await;
}

#[tokio::test]
async fn an_operator_comes_chooses_and_goes_over_nats() {
    comes_chooses_and_goes(House::over_nats(quick()).await).await;
}

async fn comes_chooses_and_goes(mut house: House) {
    let person = PersonId::generate();
    let connection = house.join(person, PersonKind::Operator).await;
    let online = PersonPresence { person, status: PresenceStatus::Online, last_seen: None };
    assert_eq!(house.event().await, [online]);
    house.beat(BeatKind::Status(chosen(person, PresenceStatus::Busy))).await;
    assert_eq!(house.event().await[0].status, PresenceStatus::Busy);
    let operators = house.ask(PresenceRequest::OperatorsOnline).await.unwrap();
    assert_eq!(operators, PresenceReply::Operators(vec![person]));

    house.beat(BeatKind::Left { connection, person }).await;
    let gone = house.event().await;
    assert_eq!(gone[0].status, PresenceStatus::Offline);
    assert!(gone[0].last_seen.is_some());
    let stranger = PersonId::generate();
    let PresenceReply::People(people) =
        house.ask(PresenceRequest::Query { people: vec![stranger, person] }).await.unwrap()
    else {
        panic!("people were asked for")
    };
    assert_eq!(people[0].person, stranger);
    assert_eq!((people[0].status, people[0].last_seen), (PresenceStatus::Offline, None));
    assert_eq!(people[1], gone[0]);
}

#[tokio::test]
async fn a_crowd_is_told_in_few_events() {
    let config = Config { settle_ms: 0, batch_ms: 200, batch_people: 400, ..Config::default() };
    let mut house = House::local(config).await;
    let connections: Vec<_> = (0..1000)
        .map(|_| (ConnectionId::generate(), PersonId::generate(), PersonKind::Patient))
        .collect();
    house.beat(full(connections, Vec::new())).await;
    let sizes = [house.event().await.len(), house.event().await.len(), house.event().await.len()];
    assert_eq!(sizes, [400, 400, 200]);
    // The page is made after the event; a request is answered after both.
    house.ask(PresenceRequest::OperatorsOnline).await.unwrap();
    let page = housecall_platform::telemetry::render(&house.metrics);
    for line in [
        "housecall_presence_people{kind=\"patient\"} 1000",
        "housecall_presence_people{kind=\"operator\"} 0",
        "housecall_presence_leases 1000",
        "housecall_presence_changes_total 1000",
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
}

#[tokio::test]
async fn the_people_of_a_silent_gateway_are_gone_after_the_lease() {
    let mut house = House::local(Config { lease_seconds: 1, ..quick() }).await;
    house.join(PersonId::generate(), PersonKind::Patient).await;
    assert_eq!(house.event().await[0].status, PresenceStatus::Online);
    // Nothing is said any more.
    assert_eq!(house.event().await[0].status, PresenceStatus::Offline);
}

#[tokio::test]
async fn every_instance_hears_all_and_one_answers() {
    let house = House::over_nats(quick()).await;
    let second = CancellationToken::new();
    let context = context(&house.bus, &prometheus::Registry::new(), &second);
    housecall_presence::start(context, quick()).await.unwrap();
    let person = PersonId::generate();
    house.join(person, PersonKind::Operator).await;
    // Whichever of the two is asked, the beat was before the question.
    for _ in 0..20 {
        let operators = house.ask(PresenceRequest::OperatorsOnline).await.unwrap();
        assert_eq!(operators, PresenceReply::Operators(vec![person]));
    }
}

#[tokio::test]
async fn a_new_instance_asks_and_says_nothing_until_it_knows() {
    let server = NatsServer::start().await;
    let bus = Bus::nats(&server.url()).await.unwrap();
    let mut asked = bus.subscribe(subject::PRESENCE_SYNC).await.unwrap();
    // The test plays the gateway: an operator who is away, as nobody else knows.
    let person = PersonId::generate();
    let holding = full(
        vec![(ConnectionId::generate(), person, PersonKind::Operator)],
        vec![chosen(person, PresenceStatus::Away)],
    );
    let beat = PresenceBeat { gateway: NodeId::generate(), kind: holding };
    let (gateway, answers) = (bus.clone(), beat.clone());
    let answering = tokio::spawn(async move {
        let asked: PresenceSync = asked.next().await.unwrap().parse().unwrap();
        gateway.publish(subject::PRESENCE_BEAT, &answers).await.unwrap();
        asked
    });
    let config = Config { settle_ms: 1000, ..quick() };
    let mut house = House::with(bus, Some(server), config).await;
    let query = PresenceRequest::Query { people: vec![person] };
    let PresenceReply::People(people) = house.ask(query).await.unwrap() else {
        panic!("people were asked for")
    };
    assert_eq!(people[0].status, PresenceStatus::Away);
    let told = house.event().await;
    assert_eq!((told.len(), told[0].status), (1, PresenceStatus::Away));
    answering.await.unwrap();
}

#[tokio::test]
async fn too_long_a_query_is_refused_and_garbage_too() {
    let house = House::local(quick()).await;
    let people = (0..501).map(|_| PersonId::generate()).collect();
    let refusal = house.ask(PresenceRequest::Query { people }).await.unwrap_err();
    assert_eq!(refusal.code, ErrorCode::TooLarge);
    let garbage: Answer<PresenceReply> =
        house.bus.request(subject::PRESENCE_REQUEST, &"what?", PATIENCE).await.unwrap();
    assert_eq!(garbage.unwrap_err().code, ErrorCode::BadFrame);
    house.bus.publish(subject::PRESENCE_BEAT, &"what?").await.unwrap();
    let operators = house.ask(PresenceRequest::OperatorsOnline).await.unwrap();
    assert_eq!(operators, PresenceReply::Operators(Vec::new()));
}

#[tokio::test]
async fn it_stops_when_told() {
    let house = House::local(quick()).await;
    house.shutdown.cancel();
    tokio::time::timeout(PATIENCE, house.tasks.wait()).await.expect("presence stops");
}
