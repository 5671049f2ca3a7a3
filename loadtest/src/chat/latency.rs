//! How long a message takes at a steady rate: to its sender's acknowledgement, and
//! to another person's device.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;

use super::costs::{Costs, PerMessage};
use super::durable::plan;
use super::load::{Load, Milliseconds, Plan, Rate};
use super::town::{Town, stored};
use crate::deployment::Deployment;
use crate::process;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Latency {
    pub housecall: PathBuf,
    pub connections: usize,
    pub messages_per_s: f64,
    pub time: Duration,
}

/// The section `latency` of `chat.json`. Times count from the moment a message was due.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub messages_per_s: f64,
    pub ack_ms: Milliseconds,
    pub receive_ms: Milliseconds,
    pub conditions: Conditions,
}

#[derive(Clone, Debug, Serialize)]
pub struct Conditions {
    pub asked_messages_per_s: f64,
    pub connections: usize,
    pub listeners: usize,
    pub received: u64,
    pub seconds: f64,
    pub cpu_us_per_message: PerMessage,
    pub cores: usize,
    /// The machine's load average when it began.
    pub load_before: f64,
}

/// # Errors
/// When the house does not start, or loses a message.
pub async fn bench(latency: &Latency) -> anyhow::Result<Figures> {
    let load_before = process::load_average()?;
    let house = Deployment::start(&plan(&latency.housecall, latency.connections)).await?;
    let database = house.database().await?;
    let town = Town::settle(&database, latency.connections).await?;
    let rate = Rate::Steady { per_second: latency.messages_per_s };
    let plan = Plan::new(house.gateways[0].public, &town, rate, latency.time, 2);
    let load = Load::start(&plan).await?;
    let costs = Costs::begin(&house, &database, load.pid).await?;
    tokio::time::sleep(latency.time).await;
    let costs = costs.end(&database).await?;
    let outcome = load.outcome().await?;
    ensure!(outcome.refused == 0, "{} messages were refused", outcome.refused);
    let all = stored(&database).await?;
    ensure!(
        all == outcome.acknowledged_in_all,
        "{} acknowledged, {all} stored",
        outcome.acknowledged_in_all
    );
    Ok(Figures {
        messages_per_s: outcome.acknowledged as f64 / outcome.seconds,
        ack_ms: outcome.ack_ms,
        receive_ms: outcome.receive_ms,
        conditions: Conditions {
            asked_messages_per_s: latency.messages_per_s,
            connections: latency.connections,
            listeners: town.desks.len(),
            received: outcome.received,
            seconds: outcome.seconds,
            cpu_us_per_message: costs.per(outcome.acknowledged),
            cores: std::thread::available_parallelism()?.get(),
            load_before,
        },
    })
}
