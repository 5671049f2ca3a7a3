//! A started relay and its bus, as the owner of a room sees them.

use std::time::Duration;

use housecall_platform::bus::{Bus, Subscription};
use housecall_platform::service::{Context, Running, Settings};
use housecall_platform::token::Verifier;
use housecall_protocol::cluster::{
    Answer, Placement, SfuCheck, SfuEvent, SfuMissing, SfuReply, SfuRequest, subject,
};
use housecall_protocol::ids::{CallId, NodeId};
use housecall_sfu::Config;
use tokio_util::sync::CancellationToken;

/// Nothing here should take longer, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Relay {
    pub(crate) bus: Bus,
    pub(crate) node: NodeId,
    pub(crate) metrics: prometheus::Registry,
    shutdown: CancellationToken,
    running: Running,
}

impl Relay {
    /// A relay on free ports of loopback.
    pub(crate) fn config(workers: usize) -> Config {
        Config { port_base: 0, workers, drain_s: 0, ..Config::default() }
    }

    pub(crate) async fn start(workers: usize) -> Self {
        Self::start_with(Self::config(workers)).await
    }

    pub(crate) async fn start_with(config: Config) -> Self {
        let context = context();
        let (bus, node) = (context.bus.clone(), NodeId(context.node));
        let (metrics, shutdown) = (context.metrics.clone(), context.shutdown.clone());
        let running = housecall_sfu::start(context, config).await.expect("the relay starts");
        Self { bus, node, metrics, shutdown, running }
    }

    pub(crate) async fn place(&self) -> NodeId {
        let place: Answer<Placement> =
            self.bus.request(subject::SFU_PLACE, &(), PATIENCE).await.expect("a relay answers");
        place.expect("it has room").node
    }

    pub(crate) async fn request(&self, request: &SfuRequest) -> Answer<SfuReply> {
        let subject = subject::sfu_request(self.node);
        self.bus.request(&subject, request, PATIENCE).await.expect("the relay answers")
    }

    pub(crate) async fn events(&self, room: CallId) -> Events {
        let subscription = self.bus.subscribe(&subject::sfu_event(self.node, room)).await;
        Events { subscription: subscription.expect("the bus is open"), seen: Vec::new() }
    }

    /// The value of a metric, as named on the page.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let page = housecall_platform::telemetry::render(&self.metrics);
        let line = page
            .lines()
            .find(|line| line.split(' ').next() == Some(name))
            .unwrap_or_else(|| panic!("no {name} in {page}"));
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
    }

    /// Waits for a metric, which has no event of its own.
    pub(crate) async fn until_metric(&self, name: &str, value: f64) {
        let mut polls = tokio::time::interval(Duration::from_millis(10));
        let reached = async {
            while self.metric(name) != value {
                polls.tick().await;
            }
        };
        if tokio::time::timeout(PATIENCE, reached).await.is_err() {
            panic!("{name} stayed {}", self.metric(name));
        }
    }

    /// Tells the process to stop.
    pub(crate) fn begin_stop(&self) {
        self.shutdown.cancel();
    }

    pub(crate) async fn check(&self, room: CallId) -> Vec<CallId> {
        let check = SfuCheck { rooms: vec![room] };
        let subject = subject::sfu_check(self.node);
        let answer = self.bus.request::<_, Answer<SfuMissing>>(&subject, &check, PATIENCE).await;
        answer.expect("the relay answers").expect("a readable check").rooms
    }

    pub(crate) async fn stop(self) {
        self.begin_stop();
        self.running.tasks.close();
        tokio::time::timeout(PATIENCE, self.running.tasks.wait()).await.expect("it stops");
    }
}

/// A context whose database is never asked.
pub(crate) fn context() -> Context {
    let bus = Bus::local();
    let nowhere = "postgres://nobody@127.0.0.1:1/nothing".to_owned().into();
    Context {
        node: uuid::Uuid::now_v7(),
        verifier: Verifier::new(bus.clone(), "identity.jwks"),
        bus,
        pool: housecall_platform::postgres::pool(&nowhere, 1).expect("a valid address"),
        metrics: prometheus::Registry::new(),
        settings: std::sync::Arc::new(Settings::default()),
        shutdown: CancellationToken::new(),
    }
}

pub(crate) struct Events {
    subscription: Subscription,
    pub(crate) seen: Vec<SfuEvent>,
}

impl Events {
    /// Reads events until enough have come.
    pub(crate) async fn until(&mut self, what: &str, mut done: impl FnMut(&[SfuEvent]) -> bool) {
        let read = async {
            while !done(&self.seen) {
                let delivery = self.subscription.next().await.expect("the bus is open");
                self.seen.push(delivery.parse().expect("an event"));
            }
        };
        if tokio::time::timeout(PATIENCE, read).await.is_err() {
            panic!("{what} did not come; seen: {:?}", self.seen);
        }
    }
}
