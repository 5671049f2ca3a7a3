//! A scenario from the first join to the figures.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use futures::{StreamExt, TryStreamExt, stream};
use housecall_platform::bus::Bus;
use housecall_protocol::ids::CallId;

use crate::clock;
use crate::fleet::{Fleet, Totals};
use crate::peer::Peer;
use crate::process;
use crate::report::{Figures, Percentiles, per_packet_us};
use crate::rooms::Relay;
use crate::scenario::{Member, Shape};

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
    let senders = shape
        .members
        .iter()
        .map(|member| u32::from(member.sends_audio) + u32::from(member.video_bps.is_some()));
    let streams = senders.sum::<u32>() * u32::try_from(shape.rooms)?;
    let fleet = Fleet::start(streams)?;
    let rooms: Vec<_> = (0..shape.rooms).map(|_| CallId::generate()).collect();

    let (began, cpu) = (clock(), process::cpu_time(pid)?);
    join_all(&relay, &fleet, &rooms, &shape.members).await?;
    wait_for("clients to connect", shape.participants(), &fleet.progress.connected).await?;
    let joined = Joined {
        count: shape.participants(),
        took: clock().saturating_duration_since(began),
        cpu: process::cpu_time(pid)?.saturating_sub(cpu),
    };

    for room in &rooms {
        relay.forward(*room).await?;
    }
    fleet.publish();
    wait_for("streams to flow", shape.received_streams(), &fleet.progress.flowing).await?;
    tokio::time::sleep(plan.warm_up).await;

    let dropped = process::datagrams_dropped()?;
    let (began, cpu) = (clock(), process::cpu_time(pid)?);
    fleet.measure();
    tokio::time::sleep(plan.time).await;
    fleet.settle();
    let cpu = process::cpu_time(pid)?.saturating_sub(cpu);
    let seconds = clock().saturating_duration_since(began).as_secs_f64();
    let resident_kib = process::resident_kib(pid)?.saturating_sub(idle_kib);
    tokio::time::sleep(SETTLE).await;
    let dropped = process::datagrams_dropped()?.saturating_sub(dropped);
    let failed = fleet.progress.failed.load(Ordering::Relaxed);
    let totals = fleet.stop()?;
    for room in &rooms {
        relay.close(*room).await?;
    }
    if failed > 0 {
        bail!("{failed} clients' sessions failed");
    }
    Ok(figures(shape, &joined, totals, &Measured { seconds, cpu, resident_kib, dropped }))
}

struct Joined {
    count: usize,
    took: Duration,
    cpu: Duration,
}

struct Measured {
    seconds: f64,
    cpu: Duration,
    resident_kib: u64,
    dropped: u64,
}

fn figures(shape: &Shape, joined: &Joined, totals: Totals, measured: &Measured) -> Figures {
    let lost = totals.expected.saturating_sub(totals.received);
    Figures {
        participants: shape.participants(),
        received_streams: shape.received_streams(),
        seconds: measured.seconds,
        received_pps: totals.sent as f64 / measured.seconds,
        forwarded_pps: totals.received as f64 / measured.seconds,
        relay_cpu: measured.cpu.as_secs_f64() / measured.seconds,
        cpu_us_per_forwarded_packet: per_packet_us(measured.cpu, totals.received),
        floor_us_per_packet: 0.0,
        ratio_to_floor: 0.0,
        lost_in_relay: lost.saturating_sub(measured.dropped),
        dropped_by_sockets: measured.dropped,
        forward_latency_us: Percentiles::of_ns(totals.latencies_ns),
        rss_kib_per_participant: measured.resident_kib as f64 / joined.count as f64,
        joins_per_second: joined.count as f64 / joined.took.as_secs_f64(),
        cpu_us_per_join: per_packet_us(joined.cpu, joined.count as u64),
        congestion_control: false,
    }
}

async fn join_all(
    relay: &Relay,
    fleet: &Fleet,
    rooms: &[CallId],
    members: &[Member],
) -> anyhow::Result<()> {
    let mut stream_number = 0;
    // Publishers of a room come first: who has few lines receives from the first.
    let mut joins = Vec::new();
    for room in rooms {
        for member in members {
            let (peer, offer) = Peer::new(*member, &mut stream_number)?;
            joins.push((*room, peer, offer));
        }
    }
    stream::iter(joins.into_iter().map(|(room, mut peer, offer)| async move {
        let answer = relay.join(room, peer.person, offer).await?;
        peer.accept(&answer)?;
        fleet.add(peer);
        anyhow::Ok(())
    }))
    .buffer_unordered(CONCURRENT_JOINS)
    .try_collect::<Vec<()>>()
    .await?;
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
