//! A scenario from the first join to the figures.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use futures::{StreamExt, TryStreamExt, stream};
use housecall_platform::bus::Bus;
use housecall_protocol::ids::CallId;

use crate::clock;
use crate::fleet::{Fleet, Totals};
use crate::metrics::Buckets;
use crate::peer::Peer;
use crate::report::{Figures, Percentiles, per_packet_us, per_second};
use crate::rooms::Relay;
use crate::scenario::{Member, Shape, WITNESSES};
use crate::witness::{Testimony, Witnesses};
use crate::{metrics, process};

/// Joins under way at once.
const CONCURRENT_JOINS: usize = 8;
/// Nothing here takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// After the last counted packet was sent, for repetitions to arrive.
const SETTLE: Duration = Duration::from_millis(700);

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub shape: Shape,
    /// Before counting begins.
    pub warm_up: Duration,
    pub time: Duration,
    /// The relay's process.
    pub relay_pid: u32,
    /// Where the relay's metrics are.
    pub relay_metrics: SocketAddr,
}

/// Runs a scenario. The floor's figures are left 0.
///
/// # Errors
/// When a client cannot join, or its media does not flow.
pub async fn run(bus: Bus, plan: &Plan) -> anyhow::Result<Figures> {
    let relay = Relay::find(bus).await?;
    let pid = plan.relay_pid;
    let idle_kib = process::resident_kib(pid)?;
    let shape = &plan.shape;
    let streams =
        shape.members.iter().map(Member::streams).sum::<u32>() * u32::try_from(shape.rooms)?;
    let fleet = Fleet::start(streams + 2)?;
    let rooms: Vec<_> = (0..shape.rooms).map(|_| CallId::generate()).collect();

    // A client's session and offer are its own work, and made before.
    let (joins, mut streams) = clients(&rooms, &shape.members)?;
    let (began, cpu) = (clock(), process::cpu_time(pid)?);
    let own_cpu = process::cpu_time(std::process::id())?;
    join_all(&relay, &fleet, joins).await?;
    wait_for("clients to connect", shape.participants(), &fleet.progress.connected).await?;
    let joined = Joined {
        count: shape.participants(),
        took: clock().saturating_duration_since(began),
        cpu: process::cpu_time(pid)?.saturating_sub(cpu),
        own_cpu: process::cpu_time(std::process::id())?.saturating_sub(own_cpu),
    };

    let watched = CallId::generate();
    let (publisher, offer) = Peer::new(Member::CAMERA, &mut streams)?;
    // As large as SDP parsing makes it.
    Box::pin(join(&relay, &fleet, watched, publisher, offer)).await?;
    let witnesses = Witnesses::join(&relay, watched, WITNESSES).await?;
    for room in rooms.iter().chain([&watched]) {
        relay.forward(*room).await?;
    }
    fleet.publish();
    wait_for("streams to flow", shape.received_streams(), &fleet.progress.flowing).await?;
    witnesses.see().await?;
    tokio::time::sleep(plan.warm_up).await;

    let dropped = process::datagrams_dropped()?;
    witnesses.begin();
    let before = Reading::take(plan, &witnesses).await?;
    fleet.measure();
    tokio::time::sleep(plan.time).await;
    fleet.settle();
    let after = Reading::take(plan, &witnesses).await?;
    let resident_kib = process::resident_kib(pid)?.saturating_sub(idle_kib);
    tokio::time::sleep(SETTLE).await;
    let dropped = process::datagrams_dropped()?.saturating_sub(dropped);
    let failed = fleet.progress.failed.load(Ordering::Relaxed);
    let totals = fleet.stop()?;
    let testimony = witnesses.leave().await?;
    for room in rooms.iter().chain([&watched]) {
        relay.close(*room).await?;
    }
    if failed > 0 {
        bail!("{failed} clients' sessions failed");
    }
    let measured = Measured { before, after, resident_kib, dropped, testimony };
    Ok(figures(shape, &joined, totals, &measured))
}

/// What has been counted by a moment.
struct Reading {
    at: Instant,
    cpu: Duration,
    /// Of this process.
    own_cpu: Duration,
    allocations: u64,
    /// Milliseconds of the relay's turns.
    turns: Buckets,
    /// Packets that the witnesses received.
    witnessed: u64,
}

impl Reading {
    async fn take(plan: &Plan, witnesses: &Witnesses) -> anyhow::Result<Self> {
        let page = metrics::read(plan.relay_metrics).await?;
        Ok(Self {
            allocations: page.counter("housecall_sfu_allocations_total")?,
            turns: page.histogram("housecall_sfu_turn_milliseconds"),
            witnessed: witnesses.packets(),
            cpu: process::cpu_time(plan.relay_pid)?,
            own_cpu: process::cpu_time(std::process::id())?,
            at: clock(),
        })
    }
}

struct Joined {
    count: usize,
    took: Duration,
    cpu: Duration,
    /// Of this process.
    own_cpu: Duration,
}

struct Measured {
    before: Reading,
    after: Reading,
    resident_kib: u64,
    dropped: u64,
    testimony: Testimony,
}

fn figures(shape: &Shape, joined: &Joined, totals: Totals, measured: &Measured) -> Figures {
    let Measured { before, after, .. } = measured;
    let seconds = after.at.saturating_duration_since(before.at).as_secs_f64();
    let cpu = after.cpu.saturating_sub(before.cpu);
    let forwarded = totals.received + (after.witnessed - before.witnessed);
    let lost = totals.expected.saturating_sub(totals.received);
    // The witnesses and the one they listen to are in the relay's memory as well.
    let in_memory = shape.participants() + WITNESSES + 1;
    Figures {
        participants: shape.participants(),
        received_streams: shape.received_streams(),
        seconds,
        received_pps: totals.sent as f64 / seconds,
        forwarded_pps: forwarded as f64 / seconds,
        relay_cpu: cpu.as_secs_f64() / seconds,
        clients_cpu: after.own_cpu.saturating_sub(before.own_cpu).as_secs_f64() / seconds,
        cpu_us_per_forwarded_packet: per_packet_us(cpu, forwarded),
        floor_us_per_packet: 0.0,
        ratio_to_floor: 0.0,
        lost_in_relay: lost.saturating_sub(measured.dropped),
        dropped_by_sockets: measured.dropped,
        forward_latency_us: Percentiles::of_ns(totals.latencies_ns),
        turn_us: Percentiles {
            p50: after.turns.weighted_quantile(&before.turns, 0.50) * 1e3,
            p99: after.turns.weighted_quantile(&before.turns, 0.99) * 1e3,
        },
        rss_kib_per_participant: measured.resident_kib as f64 / in_memory as f64,
        joins_per_second: per_second(joined.count, joined.took),
        joins_per_core_second: per_second(joined.count, joined.cpu),
        clients_cpu_at_joins: joined.own_cpu.as_secs_f64() / joined.took.as_secs_f64(),
        cpu_us_per_join: per_packet_us(joined.cpu, joined.count as u64),
        allocations_per_forwarded_packet: (after.allocations - before.allocations) as f64
            / forwarded.max(1) as f64,
        congestion_control: true,
        witnesses: measured.testimony,
    }
}

/// A client, its offer and the room it is to join.
type Joining = (CallId, Peer, String);

/// All clients of a scenario, and the number of their streams. Publishers of a room come
/// first: who has few lines receives from the first.
fn clients(rooms: &[CallId], members: &[Member]) -> anyhow::Result<(Vec<Joining>, u32)> {
    let mut streams = 0;
    let mut joins = Vec::with_capacity(rooms.len() * members.len());
    for room in rooms {
        for member in members {
            let (peer, offer) = Peer::new(*member, &mut streams)?;
            joins.push((*room, peer, offer));
        }
    }
    Ok((joins, streams))
}

async fn join_all(relay: &Relay, fleet: &Fleet, joins: Vec<Joining>) -> anyhow::Result<()> {
    stream::iter(
        joins.into_iter().map(|(room, peer, offer)| join(relay, fleet, room, peer, offer)),
    )
    .buffer_unordered(CONCURRENT_JOINS)
    .try_collect::<Vec<()>>()
    .await?;
    Ok(())
}

async fn join(
    relay: &Relay,
    fleet: &Fleet,
    room: CallId,
    mut peer: Peer,
    offer: String,
) -> anyhow::Result<()> {
    let answer = relay.join(room, peer.person, offer).await?;
    peer.accept(&answer)?;
    if !peer.tiles.is_empty() {
        relay.show(room, peer.person, std::mem::take(&mut peer.tiles)).await?;
    }
    fleet.add(peer);
    Ok(())
}

async fn wait_for(what: &str, wanted: usize, value: &AtomicUsize) -> anyhow::Result<()> {
    let end: Instant = clock() + PATIENCE;
    loop {
        let have = value.load(Ordering::Relaxed);
        if have >= wanted {
            return Ok(());
        }
        if clock() > end {
            bail!("waited a minute for {what}: {have} of {wanted}");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
