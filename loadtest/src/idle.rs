//! What a silent WebSocket costs: memory and CPU, beside a bare accept loop that
//! holds as many TCP connections and exchanges the same bytes over them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::accept_floor::Floor;
use crate::crowd::fleet::{Fleet, all};
use crate::crowd::{Order, Place, Speech};
use crate::deployment::people::{Person, patients};
use crate::deployment::{Deployment, Plan};
use crate::{clock, process};

/// Clients of one source address; the house admits a thousand by default.
const PER_SOURCE: usize = 500;
/// Clients that connect at the same time.
const AT_ONCE: usize = 64;
/// Connections that come and go before anything is measured, so that what a
/// process allocates once is not divided among them.
const WARM_UP: usize = 400;
/// After the last hello: its buffers are freed, its news have spread.
const SETTLE: Duration = Duration::from_secs(5);
/// Of the gateway's pings, as its configuration has it.
const HEARTBEAT: Duration = Duration::from_secs(25);

/// What is measured.
#[derive(Clone, Debug)]
pub struct Idle {
    pub housecall: PathBuf,
    pub connections: usize,
    pub tls_connections: usize,
    /// Ping rounds over which CPU is counted.
    pub rounds: u32,
}

/// The section `idle` of `chat.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub connections: usize,
    pub resident_bytes_per_connection: f64,
    pub resident_bytes_per_tls_connection: f64,
    /// All processes of the house together; 1 is one core.
    pub cpu_cores: f64,
    pub floor: FloorFigures,
    pub ratio_to_floor: Ratio,
    pub conditions: Conditions,
}

#[derive(Clone, Debug, Serialize)]
pub struct FloorFigures {
    pub connections: usize,
    pub resident_bytes_per_connection: f64,
    pub cpu_cores: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Ratio {
    pub resident_bytes: f64,
    /// Per connection.
    pub cpu: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Conditions {
    /// Processes that held the connections.
    pub gateway_processes: usize,
    /// The most in one of them.
    pub connections_in_one_process: usize,
    /// The system's limit of open files of a process, which sets the above.
    pub open_files_limit: u64,
    pub heartbeat_s: u64,
    pub measured_s: f64,
    pub tls_connections: usize,
    pub connects_per_s: f64,
    /// The machine's load average when it began.
    pub load_before: f64,
}

/// What a number of connections took.
struct Cost {
    bytes_each: f64,
    cpu_cores: f64,
    measured: Duration,
    connects_per_s: f64,
}

/// # Errors
/// When the house does not start or a client is not served.
pub async fn bench(idle: &Idle) -> anyhow::Result<Figures> {
    let load_before = process::load_average()?;
    let floor = floor(idle).await?;
    let plan = Plan::holding(&idle.housecall, idle.connections);
    let plain = plain(&plan, idle).await?;
    let tls_bytes = tls(idle).await?;
    let floor_cpu_each = floor.cpu_cores / floor.connections as f64;
    Ok(Figures {
        connections: idle.connections,
        resident_bytes_per_connection: plain.bytes_each,
        resident_bytes_per_tls_connection: tls_bytes,
        cpu_cores: plain.cpu_cores,
        ratio_to_floor: Ratio {
            resident_bytes: plain.bytes_each / floor.resident_bytes_per_connection,
            cpu: plain.cpu_cores / idle.connections as f64 / floor_cpu_each,
        },
        floor,
        conditions: Conditions {
            gateway_processes: plan.gateways,
            connections_in_one_process: idle.connections.div_ceil(plan.gateways),
            open_files_limit: process::open_files_limit(),
            heartbeat_s: HEARTBEAT.as_secs(),
            measured_s: plain.measured.as_secs_f64(),
            tls_connections: idle.tls_connections,
            connects_per_s: plain.connects_per_s,
            load_before,
        },
    })
}

async fn plain(plan: &Plan, idle: &Idle) -> anyhow::Result<Cost> {
    let house = Deployment::start(plan).await?;
    let people = patients(&house.database().await?, idle.connections).await?;
    let doors: Vec<_> = house.gateways.iter().map(|one| one.public).collect();
    let pids: Vec<_> = house.processes().map(|one| one.pid).collect();
    let cost = hold(&places(&doors, &people), &Speech::Plain, &pids, idle.rounds).await;
    drop(house);
    cost
}

/// In one process: the figure per connection is what is asked for.
async fn tls(idle: &Idle) -> anyhow::Result<f64> {
    let directory = tempfile::tempdir()?;
    let (certificate, key) = self_signed(directory.path())?;
    let plan = Plan::holding(&idle.housecall, 1)
        .with("HOUSECALL_SERVER__TLS__CERTIFICATE", certificate.to_string_lossy())
        .with("HOUSECALL_SERVER__TLS__KEY", key.to_string_lossy());
    let house = Deployment::start(&plan).await?;
    let people = patients(&house.database().await?, idle.tls_connections).await?;
    let doors = [house.gateways[0].public];
    let pids = [house.gateways[0].pid];
    let speech = Speech::Tls { certificate };
    let cost = hold(&places(&doors, &people), &speech, &pids, 0).await;
    drop(house);
    Ok(cost?.bytes_each)
}

/// # Errors
/// When the floor's process fails.
async fn floor(idle: &Idle) -> anyhow::Result<FloorFigures> {
    let limit = usize::try_from(process::open_files_limit())?.saturating_sub(100);
    let connections = idle.connections.min(limit);
    let floor = Floor::start(HEARTBEAT).await?;
    let nobody = Person { id: uuid::Uuid::nil(), token: String::new() };
    let places = places(&[floor.address], &vec![nobody; connections]);
    let cost = hold(&places, &Speech::Bare, &[floor.pid], idle.rounds).await?;
    Ok(FloorFigures {
        connections,
        resident_bytes_per_connection: cost.bytes_each,
        cpu_cores: cost.cpu_cores,
    })
}

/// Connects everybody and watches the processes for so many rounds of pings.
async fn hold(
    places: &[Place],
    speech: &Speech,
    pids: &[u32],
    rounds: u32,
) -> anyhow::Result<Cost> {
    let connect = Order::Connect { at_once: AT_ONCE };
    let mut some = fleets(&places[..WARM_UP.min(places.len())], speech)?;
    all(&mut some, &connect).await?;
    drop(some);
    tokio::time::sleep(SETTLE).await;
    let before = resident_bytes(pids)?;
    let mut fleets = fleets(places, speech)?;
    let began = clock();
    all(&mut fleets, &connect).await?;
    let connects_per_s = places.len() as f64 / began.elapsed().as_secs_f64();
    tokio::time::sleep(SETTLE).await;
    let (cpu_before, began) = (cpu_time(pids)?, clock());
    tokio::time::sleep(HEARTBEAT * rounds).await;
    let measured = began.elapsed();
    let cpu = cpu_time(pids)? - cpu_before;
    let grown = resident_bytes(pids)?.saturating_sub(before);
    let cost = Cost {
        bytes_each: grown as f64 / places.len() as f64,
        cpu_cores: cpu.as_secs_f64() / measured.as_secs_f64().max(f64::EPSILON),
        measured,
        connects_per_s,
    };
    eprintln!(
        "{} connections ({}): {:.0} bytes each, {:.4} cores, {:.0} connects/s",
        places.len(),
        speech.name(),
        cost.bytes_each,
        cost.cpu_cores,
        cost.connects_per_s,
    );
    Ok(cost)
}

/// One person after another at the doors in turn, each few hundred from an address
/// of their own.
#[must_use]
pub fn places(doors: &[SocketAddr], people: &[Person]) -> Vec<Place> {
    let place = |(number, person): (usize, &Person)| {
        let [_, _, high, low] = u32::try_from(number / PER_SOURCE).unwrap_or(0).to_be_bytes();
        Place {
            door: doors[number % doors.len()],
            source: IpAddr::V4(Ipv4Addr::new(127, 77, high, low.max(1))),
            token: person.token.clone(),
        }
    };
    people.iter().enumerate().map(place).collect()
}

/// As many processes as the limit of open files needs.
///
/// # Errors
/// When one cannot be started.
pub fn fleets(places: &[Place], speech: &Speech) -> anyhow::Result<Vec<Fleet>> {
    let limit = usize::try_from(process::open_files_limit())?.saturating_sub(100).max(1);
    places.chunks(limit).map(|some| Fleet::start(some.to_vec(), speech.clone())).collect()
}

fn resident_bytes(pids: &[u32]) -> anyhow::Result<u64> {
    let kib: u64 = pids.iter().map(|pid| process::resident_kib(*pid)).sum::<Result<_, _>>()?;
    Ok(kib * 1024)
}

fn cpu_time(pids: &[u32]) -> anyhow::Result<Duration> {
    pids.iter().map(|pid| process::cpu_time(*pid)).sum()
}

fn self_signed(directory: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    let (certificate, key) = (directory.join("certificate.pem"), directory.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem())?;
    std::fs::write(&key, made.signing_key.serialize_pem())?;
    Ok((certificate, key))
}
