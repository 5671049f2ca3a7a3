//! How soon watchers hear that people's presence changed.
//!
//! Everything but the people is real: a gateway with its watchers' WebSockets, two
//! presence instances and the bus between them. The people's own gateways are played
//! here, over the same bus: they announce their leases and then, all at once, that
//! many of their operators chose another status.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use housecall_platform::bus::Bus;
use housecall_protocol::cluster::{BeatKind, ChosenStatus, FullBeat, PresenceBeat, subject};
use housecall_protocol::domain::{PersonKind, PresenceStatus, TimestampMs};
use housecall_protocol::{ConnectionId, NodeId, PersonId};
use serde::Serialize;
use serde_json::json;

use crate::clock;
use crate::crowd::client::{Client, Dialer};
use crate::crowd::{Place, Speech};
use crate::deployment::people::{operators, patients};
use crate::deployment::{Deployment, Plan};
use crate::idle::places;
use crate::process;
use crate::quantiles::Quantiles;

/// As the gateway bounds a part of a full beat.
const PART: usize = 2500;
/// Seconds between full beats, as gateways send them.
const FULL_EVERY: u64 = 27;
/// Gateways that are played.
const GATEWAYS: usize = 4;
/// What has not come by then is lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at whether presence knows everybody.
const LOOK: Duration = Duration::from_millis(200);

/// What is measured.
#[derive(Clone, Debug)]
pub struct Presence {
    pub housecall: PathBuf,
    pub online: usize,
    pub watchers: usize,
    /// People whom each of them watches.
    pub watched: usize,
    pub changes: usize,
}

/// `presence.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub online: usize,
    pub watchers: usize,
    pub changes: usize,
    /// From the word on the bus to the frame at the watcher.
    pub delivery_ms: Quantiles,
    /// Changes that a watcher should have heard of and did not.
    pub lost: usize,
    pub conditions: Conditions,
}

#[derive(Clone, Debug, Serialize)]
pub struct Conditions {
    pub presence_instances: usize,
    pub people_per_watcher: usize,
    /// Changes times their watchers.
    pub deliveries: usize,
    pub frames: usize,
    /// How long the burst took to be put on the bus.
    pub burst_ms: f64,
    pub load_before: f64,
}

/// What one watcher heard.
struct Heard {
    /// When each person's change came.
    at: Vec<(PersonId, Instant)>,
    frames: usize,
    /// Kept to the end: a gateway that closes connections tells nobody anything meanwhile.
    _connection: Client,
}

/// # Errors
/// When the house does not start or a watcher is not served.
pub async fn bench(presence: &Presence) -> anyhow::Result<Figures> {
    let load_before = process::load_average()?;
    let plan = Plan::many(&presence.housecall)
        .with("HOUSECALL_SIGNALING__MAX_WATCHED_PEOPLE", presence.watched.to_string());
    let house = Deployment::start(&plan).await?;
    let bus = Bus::nats(house.bus_url.as_deref().context("several processes share a bus")?).await?;
    let database = house.database().await?;
    // The CRM makes its key with the first of them.
    patients(&database, 1).await?;
    let desks = operators(&database, presence.watchers).await?;
    let town = Arc::new(Town::new(presence.online));
    town.announce(&bus).await?;
    let places = places(&[house.gateways[0].public], &desks);
    let mut watchers = connect(&places).await?;
    let watched: Vec<_> =
        (0..presence.watchers).map(|n| town.seen_by(n, presence.watched)).collect();
    watch(&mut watchers, &town, &watched).await?;

    let changing = &town.people[..presence.changes.min(town.people.len())];
    let expected: usize = watched.iter().flatten().filter(|place| **place < changing.len()).count();
    let counts = watched.iter().map(|all| all.iter().filter(|n| **n < changing.len()).count());
    let hearing =
        watchers.into_iter().zip(counts).map(|(one, count)| tokio::spawn(hear(one, count)));
    let hearing: Vec<_> = hearing.collect();
    let said = town.change(&bus, changing.len()).await?;
    let burst = said.values().max().zip(said.values().min()).map(|(last, first)| *last - *first);
    let mut heard = Vec::new();
    for one in hearing {
        heard.push(one.await?);
    }
    drop(house);
    let times = heard.iter().flat_map(|one| &one.at).filter_map(|(person, at)| {
        Some(at.saturating_duration_since(*said.get(person)?).as_secs_f64() * 1000.0)
    });
    let times: Vec<f64> = times.collect();
    Ok(Figures {
        online: presence.online,
        watchers: presence.watchers,
        changes: changing.len(),
        lost: expected.saturating_sub(times.len()),
        delivery_ms: Quantiles::of(times),
        conditions: Conditions {
            presence_instances: plan.presence,
            people_per_watcher: presence.watched,
            deliveries: expected,
            frames: heard.iter().map(|one| one.frames).sum(),
            burst_ms: burst.unwrap_or_default().as_secs_f64() * 1000.0,
            load_before,
        },
    })
}

/// Operators who are online at gateways that are played here.
struct Town {
    people: Vec<(ConnectionId, PersonId)>,
    gateways: [NodeId; GATEWAYS],
}

impl Town {
    fn new(people: usize) -> Self {
        let one = |_| (ConnectionId::generate(), PersonId::generate());
        Self {
            people: (0..people).map(one).collect(),
            gateways: [(); GATEWAYS].map(|()| NodeId::generate()),
        }
    }

    /// Places of the people whom a watcher sees, spread over the town.
    fn seen_by(&self, watcher: usize, count: usize) -> Vec<usize> {
        let total = self.people.len();
        let step = (total / count.max(1)).max(1);
        (0..count.min(total)).map(|n| (watcher * 7 + n * step) % total).collect()
    }

    /// Full beats of all gateways, from then on again and again, and signs of life.
    async fn announce(self: &Arc<Self>, bus: &Bus) -> anyhow::Result<()> {
        self.full_beats(bus, 1).await?;
        let (town, bus) = (Arc::clone(self), bus.clone());
        tokio::spawn(async move {
            for second in 1.. {
                tokio::time::sleep(Duration::from_secs(1)).await;
                // When the bus is gone the benchmark is over.
                if second % FULL_EVERY == 0 && town.full_beats(&bus, second + 1).await.is_err() {
                    return;
                }
                for gateway in town.gateways {
                    if say(&bus, gateway, BeatKind::Alive).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(())
    }

    async fn full_beats(&self, bus: &Bus, round: u64) -> anyhow::Result<()> {
        let share = self.people.len().div_ceil(GATEWAYS).max(1);
        for (gateway, people) in self.gateways.iter().zip(self.people.chunks(share)) {
            let parts = u16::try_from(people.len().div_ceil(PART))?;
            for (part, some) in (0..parts).zip(people.chunks(PART)) {
                let connections =
                    some.iter().map(|(id, person)| (*id, *person, PersonKind::Operator)).collect();
                let (chosen, active, in_call) = (Vec::new(), Vec::new(), Vec::new());
                let full = FullBeat { round, part, parts, connections, chosen, active, in_call };
                say(bus, *gateway, BeatKind::Full(full)).await?;
            }
        }
        Ok(())
    }

    /// The first so many choose to be busy. Returns when each said so.
    async fn change(&self, bus: &Bus, count: usize) -> anyhow::Result<HashMap<PersonId, Instant>> {
        let share = self.people.len().div_ceil(GATEWAYS).max(1);
        let mut said = HashMap::with_capacity(count);
        for (number, (_, person)) in self.people.iter().take(count).enumerate() {
            let (status, at) = (PresenceStatus::Busy, TimestampMs::now());
            said.insert(*person, clock());
            let chosen = ChosenStatus { person: *person, status, at };
            say(bus, self.gateways[number / share], BeatKind::Status(chosen)).await?;
        }
        bus.flush().await;
        Ok(said)
    }
}

async fn say(bus: &Bus, gateway: NodeId, kind: BeatKind) -> anyhow::Result<()> {
    Ok(bus.publish(subject::PRESENCE_BEAT, &PresenceBeat { gateway, kind }).await?)
}

async fn connect(places: &[Place]) -> anyhow::Result<Vec<Client>> {
    let dialer = Dialer::new(&Speech::Plain)?;
    let mut clients = Vec::with_capacity(places.len());
    for some in places.chunks(32) {
        let opening = some.iter().map(|place| Client::connect(&dialer, place, None));
        clients.extend(try_join_all(opening).await?);
    }
    Ok(clients)
}

/// Everybody watches theirs, and again until presence says that all of them are online.
async fn watch(clients: &mut [Client], town: &Town, watched: &[Vec<usize>]) -> anyhow::Result<()> {
    for (client, places) in clients.iter_mut().zip(watched) {
        let people: Vec<_> = places.iter().map(|place| town.people[*place].1).collect();
        let until = clock() + PATIENCE;
        loop {
            client.request("presence.watch", json!({ "people": people })).await?;
            let told = client.event("presence").await?;
            let told = told["people"].as_array().context("people")?;
            if told.iter().all(|one| one["status"] == "online") {
                break;
            }
            ensure!(clock() < until, "presence does not know everybody");
            tokio::time::sleep(LOOK).await;
        }
    }
    Ok(())
}

async fn hear(mut client: Client, count: usize) -> Heard {
    let (mut times, mut frames) = (Vec::with_capacity(count), 0);
    let until = clock() + PATIENCE;
    while times.len() < count {
        let left = until.saturating_duration_since(clock());
        let Ok(Ok(frame)) = tokio::time::timeout(left, client.frame()).await else { break };
        let at = clock();
        if frame["type"] != "presence" {
            continue;
        }
        frames += 1;
        for one in frame["data"]["people"].as_array().into_iter().flatten() {
            let person = one["person"].as_str().and_then(|id| id.parse().ok());
            if one["status"] == "busy"
                && let Some(person) = person
            {
                times.push((person, at));
            }
        }
    }
    Heard { at: times, frames, _connection: client }
}
