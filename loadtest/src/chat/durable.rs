//! As many messages a second as are committed and acknowledged, beside the floor.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;

use super::costs::{Costs, PerMessage};
use super::floor::{self, Floor};
use super::load::{Load, Milliseconds, Plan, Rate};
use super::town::{Town, places, stored};
use crate::deployment::{self, Deployment};
use crate::process;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Durable {
    pub housecall: PathBuf,
    pub connections: usize,
    /// Messages of one connection under way.
    pub depth: usize,
    pub time: Duration,
}

/// The section `durable` of `chat.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub messages_per_s: f64,
    pub floor_messages_per_s: f64,
    pub ratio_to_floor: f64,
    pub conditions: Conditions,
}

#[derive(Clone, Debug, Serialize)]
pub struct Conditions {
    pub connections: usize,
    pub under_way_per_connection: usize,
    /// Desks that follow all conversations between them.
    pub listeners: usize,
    pub received_per_s: f64,
    pub ack_ms: Milliseconds,
    pub seconds: f64,
    pub cpu_us_per_message: PerMessage,
    pub floors: [Floor; 2],
    pub cores: usize,
    /// The machine's load average when it began.
    pub load_before: f64,
}

/// Rates that the house must allow people here: the limits stay, but none is met.
pub fn plan(housecall: &std::path::Path, connections: usize) -> deployment::Plan {
    let mut plan = deployment::Plan::holding(housecall, connections);
    for what in ["FRAMES", "BYTES", "PERSON_FRAMES", "PERSON_BYTES"] {
        for bound in ["PER_SECOND", "BURST"] {
            plan = plan.with(&format!("HOUSECALL_SIGNALING__{what}_{bound}"), "100000000");
        }
    }
    plan
}

/// # Errors
/// When the house does not start, or loses a message.
pub async fn bench(durable: &Durable) -> anyhow::Result<Figures> {
    let load_before = process::load_average()?;
    let house = Deployment::start(&plan(&durable.housecall, durable.connections)).await?;
    let database = house.database().await?;
    let town = Town::settle(&database, durable.connections).await?;
    let places = places(&database).await?;
    let floor_time = durable.time / 8;
    let before = floor::measure(&house.database_url, &places, floor_time).await?;
    let stored_before = stored(&database).await?;

    let rate = Rate::Full { depth: durable.depth };
    let plan = Plan::new(house.gateways[0].public, &town, rate, durable.time, 1);
    let load = Load::start(&plan).await?;
    let costs = Costs::begin(&house, &database, load.pid).await?;
    tokio::time::sleep(durable.time).await;
    let costs = costs.end(&database).await?;
    let outcome = load.outcome().await?;
    ensure!(outcome.refused == 0, "{} messages were refused", outcome.refused);
    let new = stored(&database).await? - stored_before;
    ensure!(
        new == outcome.acknowledged_in_all,
        "{} acknowledged, {new} stored",
        outcome.acknowledged_in_all
    );

    let after = floor::measure(&house.database_url, &places, floor_time).await?;
    let messages_per_s = outcome.acknowledged as f64 / outcome.seconds;
    let floor_messages_per_s = f64::midpoint(before.messages_per_s, after.messages_per_s);
    Ok(Figures {
        messages_per_s,
        floor_messages_per_s,
        ratio_to_floor: messages_per_s / floor_messages_per_s,
        conditions: Conditions {
            connections: durable.connections,
            under_way_per_connection: durable.depth,
            listeners: town.desks.len(),
            received_per_s: outcome.received as f64 / outcome.seconds,
            ack_ms: outcome.ack_ms,
            seconds: outcome.seconds,
            cpu_us_per_message: costs.per(outcome.acknowledged),
            floors: [before, after],
            cores: std::thread::available_parallelism()?.get(),
            load_before,
        },
    })
}
