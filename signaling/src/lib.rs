//! The front door: WebSocket sessions, the call state machine, room placement.
//!
//! Clients speak [`housecall_protocol::client`] over `/rt/v1`. The gateway keeps
//! no product state of its own: chat is asked of the chat router, media of the
//! relays, people of presence, all over the bus. Calls alone are driven here,
//! each by the gateway that received its start. Devices and programs that are no apps of
//! ours stream into rooms and out of them over plain HTTP (`streams`).

mod call;
mod config;
mod connection;
mod gateway;
mod ice;
mod lane;
mod metrics;
mod storage;
mod streams;
mod websocket;

use std::sync::{Arc, OnceLock};

use housecall_platform::bus::BusError;
use housecall_platform::service::{Context, Running};
use housecall_protocol::NodeId;
use housecall_protocol::cluster::subject;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use call::Calls;
pub use config::{CallConfig, Config, IceServerConfig, StreamConfig};
use gateway::admission::Admission;
use gateway::alarm::Alarm;
use gateway::dispatch::Subscriptions;
use gateway::gate::Gate;
use gateway::registry::Registry;
use gateway::watchers::{self, Watchers};
use gateway::{Gateway, beats, desk, drain, upgrade};
use metrics::Metrics;

/// Why the gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the gateway cannot listen on the bus: {0}")]
    Bus(#[from] BusError),
    #[error("the gateway's metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Starts the gateway. The router carries `/rt/v1`, `/whip/v1` and `/whep/v1`; serve it with connect info, or
/// the bound per address has nothing to count by.
///
/// # Errors
/// See [`StartError`].
pub async fn start(context: Context, config: Config) -> Result<Running, StartError> {
    let metrics = Arc::new(Metrics::register(&context)?);
    let requests = context.bus.subscribe(&subject::call_request(NodeId(context.node))).await?;
    let (words, said) = mpsc::channel(desk::WORDS);
    let gateway = Arc::new(Gateway {
        admission: Arc::new(Admission::new(&config)),
        gate: Gate::new(config.hellos_at_once, config.hellos_waiting),
        alarm: Alarm::new(),
        words,
        registry: Registry::default(),
        watchers: Watchers::default(),
        calls: Calls::new(),
        connections: TaskTracker::new(),
        draining: CancellationToken::new(),
        leaving: OnceLock::new(),
        metrics,
        config,
        context,
    });
    let subscriptions = Subscriptions::subscribe(&gateway).await?;
    let presence_asks = gateway.context.bus.subscribe(subject::PRESENCE_SYNC).await?;
    // Cancelled last: until then the ends of calls still reach their people.
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    subscriptions.spawn(&gateway, &tasks, &stop);
    tasks.spawn(Calls::serve(Arc::clone(&gateway), requests, stop.clone()));
    tasks.spawn(call::sweep::run(Arc::clone(&gateway), stop.clone()));
    tasks.spawn(beats::run(Arc::clone(&gateway), presence_asks, said, stop.clone()));
    tasks.spawn(watchers::deliver(Arc::clone(&gateway), stop.clone()));
    tasks.spawn(watchers::refresh(Arc::clone(&gateway), stop.clone()));
    tasks.spawn(ring(Arc::clone(&gateway), stop.clone()));
    tasks.spawn(drain::run(Arc::clone(&gateway), stop));
    tasks.close();
    let router = upgrade::router(Arc::clone(&gateway)).merge(streams::router(gateway));
    Ok(Running { router, tasks })
}

async fn ring(gateway: Arc<Gateway>, stop: CancellationToken) {
    gateway.alarm.run(stop).await;
}
