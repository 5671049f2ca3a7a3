//! The shell: one task owns the core, the subscriptions and the clock.

use std::time::Duration;

use housecall_platform::bus::{Bus, BusError, Delivery, Subscription};
use housecall_platform::service::{Context, Running};
use housecall_protocol::client::{ErrorCode, PersonPresence};
use housecall_protocol::cluster::{
    Answer, PresenceBeat, PresenceEvent, PresenceReply, PresenceRequest, PresenceSync, Refusal,
    subject,
};
use housecall_protocol::domain::TimestampMs;
use housecall_protocol::ids::NodeId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::core::{Core, Now, Output};
use crate::metrics::Metrics;

/// Requests are shared through this queue group; every instance hears all beats.
const GROUP: &str = "presence";

/// Longest query, as the protocol says.
const MAX_QUERY: usize = 500;

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Config(String),
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error("beats cannot be received: {0}")]
    Bus(#[from] BusError),
}

/// Starts keeping presence until the context's shutdown is cancelled.
///
/// # Errors
/// See [`StartError`].
pub async fn start(context: Context, config: Config) -> Result<Running, StartError> {
    config.check().map_err(StartError::Config)?;
    let metrics = Metrics::register(&context.metrics)?;
    let beats = context.bus.subscribe(subject::PRESENCE_BEAT).await?;
    let requests = context.bus.subscribe_queue(subject::PRESENCE_REQUEST, GROUP).await?;
    // After the subscription, so that no answer is missed.
    let instance = NodeId(context.node);
    ask_gateways(&context.bus, instance).await;
    let started = Instant::now();
    let service = Service {
        instance,
        bus: context.bus,
        core: Core::new(config.rules()),
        metrics,
        started,
        settled: started + Duration::from_millis(config.settle_ms),
        batch: Duration::from_millis(config.batch_ms),
        batch_people: config.batch_people,
    };
    let tasks = TaskTracker::new();
    tasks.spawn(service.run(beats, requests, context.shutdown));
    tasks.close();
    Ok(Running::without_routes(tasks))
}

struct Service {
    instance: NodeId,
    bus: Bus,
    core: Core,
    metrics: Metrics,
    started: Instant,
    /// When what gateways were asked at the start has come.
    settled: Instant,
    batch: Duration,
    batch_people: usize,
}

impl Service {
    async fn run(
        mut self,
        mut beats: Subscription,
        mut requests: Subscription,
        shutdown: CancellationToken,
    ) {
        let mut poll_at: Option<Instant> = None;
        loop {
            // Beats before requests, so that an answer is not older than what was
            // said before it was asked for; the timer before beats, so that a flood
            // of them does not hold back the news.
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = until(poll_at) => {
                    poll_at = self.tell().await;
                    self.metrics.observe(self.core.census(), &beats);
                }
                beat = beats.next() => {
                    let Some(beat) = beat else { return };
                    self.hear(&beat);
                    if self.core.take_dropped_silent() {
                        tracing::warn!("a gateway fell silent");
                        ask_gateways(&self.bus, self.instance).await;
                    }
                    // Whatever else changes until then goes into the same event.
                    let batch_end = (Instant::now() + self.batch).max(self.settled);
                    poll_at = Some(poll_at.map_or(batch_end, |at| at.min(batch_end)));
                }
                // An answer before that would call everybody offline.
                request = next_after(self.settled, &mut requests) => {
                    let Some(request) = request else { return };
                    self.answer(&request).await;
                }
            }
        }
    }

    fn hear(&mut self, delivery: &Delivery) {
        match delivery.parse::<PresenceBeat>() {
            Ok(beat) => self.core.handle(self.now(), beat),
            Err(error) => tracing::error!(%error, "a gateway of another version?"),
        }
    }

    /// Publishes what changed; returns when to do so next.
    async fn tell(&mut self) -> Option<Instant> {
        loop {
            match self.core.poll(self.now()) {
                Output::Changed(people) => self.publish(people).await,
                Output::Timeout(at) => return at.map(|at| self.started + at),
            }
        }
    }

    async fn publish(&self, people: Vec<PersonPresence>) {
        self.metrics.changes.inc_by(people.len() as u64);
        let mut people = people.into_iter().peekable();
        while people.peek().is_some() {
            let event = PresenceEvent { people: people.by_ref().take(self.batch_people).collect() };
            if let Err(error) = self.bus.publish(subject::PRESENCE_EVENT, &event).await {
                tracing::warn!(%error, "presence changes not sent");
            }
        }
    }

    async fn answer(&self, delivery: &Delivery) {
        let answer = match delivery.parse() {
            Ok(request) => self.reply_to(request),
            Err(error) => {
                tracing::error!(%error, "a gateway of another version?");
                Err(Refusal::new(ErrorCode::BadFrame, "the request cannot be read"))
            }
        };
        if let Err(error) = self.bus.reply(delivery, &answer).await {
            tracing::warn!(%error, "answer not sent");
        }
    }

    fn reply_to(&self, request: PresenceRequest) -> Answer<PresenceReply> {
        match request {
            PresenceRequest::Query { people } if people.len() > MAX_QUERY => {
                let message = format!("at most {MAX_QUERY} people in one query");
                Err(Refusal::new(ErrorCode::TooLarge, message))
            }
            PresenceRequest::Query { people } => Ok(PresenceReply::People(
                people.into_iter().map(|person| self.core.presence(person)).collect(),
            )),
            PresenceRequest::OperatorsOnline => {
                Ok(PresenceReply::Operators(self.core.operators_online()))
            }
        }
    }

    fn now(&self) -> Now {
        Now { elapsed: self.started.elapsed(), wall: TimestampMs::now() }
    }
}

/// Each answers with a full beat.
async fn ask_gateways(bus: &Bus, instance: NodeId) {
    if let Err(error) = bus.publish(subject::PRESENCE_SYNC, &PresenceSync { instance }).await {
        // Their next full beats tell the same, within half a minute.
        tracing::warn!(%error, "gateways not asked for what they hold");
    }
}

async fn next_after(at: Instant, requests: &mut Subscription) -> Option<Delivery> {
    tokio::time::sleep_until(at).await;
    requests.next().await
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
