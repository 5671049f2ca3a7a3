//! Many clients lose their connections at the same moment, connect again at once and
//! resume; meanwhile others write, and how long their acknowledgements take is the
//! price that those who stayed pay.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::crowd::fleet::{Fleet, all};
use crate::crowd::{Done, Moment, Order, Speech};
use crate::deployment::people::patients;
use crate::deployment::{Deployment, Plan};
use crate::idle::{fleets, places};
use crate::quantiles::Quantiles;
use crate::{process, wall_ns};

/// Clients that connect or write at the same time before the storm.
const AT_ONCE: usize = 64;
/// Messages that each client has to find when it resumes.
const UNSEEN: usize = 2;
/// Others write before the storm for so long, to compare.
const BEFORE: Duration = Duration::from_secs(10);
/// Width of a step of the curve.
const STEP_MS: u64 = 500;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Storm {
    pub housecall: PathBuf,
    pub clients: usize,
    /// Those who stayed and write.
    pub others: usize,
    /// Milliseconds between two messages of each of them.
    pub interval_ms: u64,
    /// How long they write, the time before the storm included.
    pub seconds: u64,
}

/// The section `storm` of `chat.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub clients: usize,
    /// Clients that had all messages again, in order.
    pub resumed: usize,
    /// From the loss of the connections until the last had resumed.
    pub seconds: f64,
    /// Acknowledgements of the others meanwhile.
    pub others_ack_ms: Quantiles,
    /// The same before the storm.
    pub others_ack_before_ms: Quantiles,
    /// Attempts that the house turned away; each client came back when it was told.
    pub turned_away: usize,
    pub curve: Vec<Step>,
    pub conditions: Conditions,
}

/// Half a second of the storm.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Its end, after the loss.
    pub seconds: f64,
    /// Clients that had resumed by then.
    pub resumed: usize,
    pub others_acks: usize,
    pub others_ack_p99_ms: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Conditions {
    pub gateway_processes: usize,
    pub others: usize,
    pub others_messages_per_s: f64,
    pub messages_to_find: usize,
    pub open_files_limit: u64,
    pub load_before: f64,
}

/// # Errors
/// When a client does not get everything back, or one who stayed is not served.
pub async fn bench(storm: &Storm) -> anyhow::Result<Figures> {
    let load_before = process::load_average()?;
    let plan = Plan::holding(&storm.housecall, storm.clients + storm.others);
    let house = Deployment::start(&plan).await?;
    let people = patients(&house.database().await?, storm.clients + storm.others).await?;
    let doors: Vec<_> = house.gateways.iter().map(|one| one.public).collect();
    let places = places(&doors, &people);
    let (crowd, others) = places.split_at(storm.clients);
    let mut crowd = fleets(crowd, &Speech::Plain)?;
    let mut others = fleets(others, &Speech::Plain)?;
    let connect = Order::Connect { at_once: AT_ONCE };
    all(&mut crowd, &connect).await?;
    all(&mut others, &connect).await?;
    all(&mut crowd, &Order::Write { messages: UNSEEN, at_once: AT_ONCE }).await?;
    let (began_ms, resumed, acks) = rage(storm, &mut crowd, &mut others).await?;
    drop((crowd, others));
    let pace = storm.others as f64 * 1000.0 / storm.interval_ms as f64;
    let conditions = Conditions {
        gateway_processes: plan.gateways,
        others: storm.others,
        others_messages_per_s: pace,
        messages_to_find: UNSEEN,
        open_files_limit: process::open_files_limit(),
        load_before,
    };
    Ok(figures(storm, began_ms, &resumed, &acks, conditions))
}

/// When it began, who had resumed when and how many were turned away, and the
/// acknowledgements of the others.
async fn rage(
    storm: &Storm,
    crowd: &mut [Fleet],
    others: &mut [Fleet],
) -> anyhow::Result<(u64, Done, Vec<Moment>)> {
    let talk = Order::Talk { seconds: storm.seconds, interval_ms: storm.interval_ms };
    for fleet in others.iter_mut() {
        fleet.order(&talk).await?;
    }
    tokio::time::sleep(BEFORE).await;
    let began_ms = wall_ns() / 1_000_000;
    let resumed = all(crowd, &Order::Storm).await?;
    let mut acks = Vec::new();
    for fleet in others {
        let done = fleet.done().await?;
        anyhow::ensure!(done.failures.is_empty(), "those who stayed: {:?}", done.failures);
        acks.extend(done.moments);
    }
    Ok((began_ms, resumed, acks))
}

fn figures(
    storm: &Storm,
    began_ms: u64,
    resumed: &Done,
    acks: &[Moment],
    conditions: Conditions,
) -> Figures {
    let last_ms = resumed.moments.iter().map(|one| one.at_ms).max().unwrap_or(began_ms);
    let took = |from: u64, to: u64| -> Vec<f64> {
        let within = acks.iter().filter(|one| (from..to).contains(&one.at_ms));
        within.map(|one| one.took_ms).collect()
    };
    let steps = (last_ms - began_ms).div_ceil(STEP_MS).max(1);
    let curve = (0..steps).map(|step| {
        let (from, to) = (began_ms + step * STEP_MS, began_ms + (step + 1) * STEP_MS);
        let acks = took(from, to);
        Step {
            seconds: (to - began_ms) as f64 / 1000.0,
            resumed: resumed.moments.iter().filter(|one| one.at_ms < to).count(),
            others_acks: acks.len(),
            others_ack_p99_ms: Quantiles::of(acks).p99,
        }
    });
    Figures {
        clients: storm.clients,
        resumed: resumed.clients,
        seconds: (last_ms - began_ms) as f64 / 1000.0,
        others_ack_ms: Quantiles::of(took(began_ms, last_ms + 1)),
        others_ack_before_ms: Quantiles::of(took(0, began_ms)),
        turned_away: resumed.refusals,
        curve: curve.collect(),
        conditions,
    }
}
