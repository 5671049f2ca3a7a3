//! The shell: takes requests from the bus, bounds them, answers them.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use housecall_platform::bus::{Bus, BusError, Delivery, Subscription};
use housecall_platform::postgres::PoolError;
use housecall_platform::service::{Context, Running};
use housecall_protocol::client::ErrorCode;
use housecall_protocol::cluster::{Answer, ChatReply, Refusal, subject};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::announce::{self, Announcer};
use crate::config::Config;
use crate::handler::Handler;
use crate::marks::Marks;
use crate::metrics::Metrics;
use crate::refusal;
use crate::storage::Storage;
use crate::writer::{self, Tools, Writer};

/// Routers share the requests through this queue group.
const GROUP: &str = "chat-router";

/// A router that comes back looks this far for messages that another one, or
/// itself before a crash, committed and did not get to announce.
const LOOK_BACK: Duration = Duration::from_secs(60);

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Config(String),
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error("database: {0}")]
    Pool(#[from] PoolError),
    #[error("chat requests cannot be received: {0}")]
    Bus(#[from] BusError),
}

/// Starts serving chat requests; stops when the context's shutdown is cancelled,
/// after the requests under way have been answered.
///
/// # Errors
/// See [`StartError`].
pub async fn start(context: Context, config: Config) -> Result<Running, StartError> {
    config.check().map_err(StartError::Config)?;
    let metrics = Metrics::register(&context.metrics)?;
    let requests = context.bus.subscribe_queue(subject::CHAT_REQUEST, GROUP).await?;
    let storage = Storage::new(context.pool.clone(), config.writer_lanes)?;
    let announcer =
        Announcer::new(context.bus.clone(), metrics.clone(), config.beacon_conversations);
    let marks = Marks::new(config.receipt_flush(), config.receipt_entries);
    let tools = Tools { storage, announcer, marks, metrics };
    let writing = TaskTracker::new();
    let pace = writer::Pace { batch: config.batch_messages, window: config.batch_window() };
    let writer = Writer::start(config.writer_lanes, config.writer_queue, pace, &tools, &writing);
    let handler = Handler::new(&config, &context.settings, tools.clone(), writer);
    let service = Service {
        bus: context.bus,
        handler: Arc::new(handler),
        permits: Arc::new(Semaphore::new(config.max_in_flight)),
        in_flight: TaskTracker::new(),
        look_back_limit: config.beacon_conversations,
    };
    let tasks = TaskTracker::new();
    let Tools { storage, announcer, marks, metrics } = tools;
    let (stop_marks, stop_announcing) = (CancellationToken::new(), CancellationToken::new());
    tasks.spawn(announcer.clone().run(announcing_pace(&config), stop_announcing.clone()));
    let marking = tasks.spawn(marks.run(storage, announcer, metrics, stop_marks.clone()));
    tasks.spawn(async move {
        service.serve(requests, &context.shutdown).await;
        // The handler, and with it the writer's last handle, is gone: the lanes
        // empty their queues and end. Only then has everything been announced, and
        // only then are all marks known.
        writing.close();
        writing.wait().await;
        stop_marks.cancel();
        if let Err(error) = marking.await {
            tracing::error!(%error, "marks");
        }
        stop_announcing.cancel();
    });
    tasks.close();
    Ok(Running::without_routes(tasks))
}

const fn announcing_pace(config: &Config) -> announce::Pace {
    announce::Pace {
        beacon: Duration::from_millis(config.beacon_interval_ms),
        desk: Duration::from_millis(config.desk_interval_ms),
    }
}

struct Service {
    bus: Bus,
    handler: Arc<Handler>,
    permits: Arc<Semaphore>,
    in_flight: TaskTracker,
    look_back_limit: usize,
}

impl Service {
    async fn serve(self, mut requests: Subscription, shutdown: &CancellationToken) {
        self.announce_recent().await;
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                delivery = requests.next() => match delivery {
                    Some(delivery) => self.accept(delivery).await,
                    None => break,
                },
            }
        }
        // What has arrived and was not begun is refused, so that the client sends
        // it to another router at once instead of waiting for a timeout.
        while let Some(Some(delivery)) = requests.next().now_or_never() {
            self.answer(&delivery, Err(refusal::overloaded())).await;
        }
        drop(requests);
        self.in_flight.close();
        self.in_flight.wait().await;
        self.bus.flush().await;
    }

    /// Never waits for a request: one too many is refused.
    async fn accept(&self, delivery: Delivery) {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            self.answer(&delivery, Err(refusal::overloaded())).await;
            return;
        };
        let (bus, handler) = (self.bus.clone(), Arc::clone(&self.handler));
        self.in_flight.spawn(async move {
            handler.metrics.in_flight.inc();
            let answer = match delivery.parse() {
                Ok(request) => handler.handle(request).await,
                Err(error) => Err(unreadable(&error)),
            };
            reply(&bus, &handler.metrics, &delivery, answer).await;
            handler.metrics.in_flight.dec();
            drop(permit);
        });
    }

    async fn answer(&self, delivery: &Delivery, answer: Answer<ChatReply>) {
        reply(&self.bus, &self.handler.metrics, delivery, answer).await;
    }

    async fn announce_recent(&self) {
        let limit = i64::try_from(self.look_back_limit).unwrap_or(i64::MAX);
        match self.handler.storage.recent_heads(LOOK_BACK.as_secs_f64(), limit).await {
            Ok(recent) => {
                for (conversation, head) in recent {
                    self.handler.announcer.head(conversation, head).await;
                }
            }
            // Requests will find out whether the database is really away.
            Err(error) => tracing::warn!(%error, "recent conversations not announced"),
        }
    }
}

async fn reply(bus: &Bus, metrics: &Metrics, delivery: &Delivery, answer: Answer<ChatReply>) {
    if let Err(refusal) = &answer {
        metrics.refused(refusal.code);
    }
    if let Err(error) = bus.reply(delivery, &answer).await {
        tracing::warn!(%error, "answer not sent");
    }
}

fn unreadable(error: &BusError) -> Refusal {
    tracing::error!(%error, "a gateway of another version?");
    Refusal::new(ErrorCode::BadFrame, "the request cannot be read")
}
