//! `housecall-loadtest`: puts load on a relay of its own and says what it cost.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use housecall_loadtest::chat::durable::{self, Durable};
use housecall_loadtest::chat::latency::{self, Latency};
use housecall_loadtest::chat::{self, sections};
use housecall_loadtest::crowd::worker;
use housecall_loadtest::idle::{self, Idle};
use housecall_loadtest::presence::{self, Presence};
use housecall_loadtest::report::{self, Figures};
use housecall_loadtest::run::{self, Plan};
use housecall_loadtest::scenario::{Scenario, Shape};
use housecall_loadtest::storm::{self, Storm};
use housecall_loadtest::{accept_floor, floor, process};
use housecall_platform::bus::Bus;
use housecall_platform::testing::NatsServer;
use serde::Serialize;

/// Load for the media relay.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command_,
}

#[derive(Debug, Subcommand)]
enum Command_ {
    /// Starts a relay on one core, puts load on it from another, and measures.
    RelayBench(RelayBench),
    /// The least a relay must do; started by `relay-bench`.
    #[command(hide = true)]
    Floor { gather_us: u32 },
    /// What silent WebSockets cost; the section `idle` of `chat.json`.
    IdleBench(IdleBench),
    /// All clients return at once; the section `storm` of `chat.json`.
    StormBench(StormBench),
    /// How soon watchers hear of changes; `presence.json`.
    PresenceBench(PresenceBench),
    /// What messages cost and how long they take; sections of `chat.json`.
    ChatBench(ChatBench),
    /// A process of chat connections; started by `chat-bench`.
    #[command(hide = true)]
    ChatLoad { plan: PathBuf },
    /// A process of clients that obeys orders; started by the benchmarks.
    #[command(hide = true)]
    Crowd { file: PathBuf },
    /// The least that holds connections; started by `idle-bench`.
    #[command(hide = true)]
    AcceptFloor { heartbeat_ms: u64 },
}

#[derive(Debug, Args)]
struct IdleBench {
    /// The binary whose gateway is measured.
    #[arg(long)]
    housecall: PathBuf,
    #[arg(long, default_value_t = 50_000)]
    connections: usize,
    /// Of them inside TLS, measured apart in one process.
    #[arg(long, default_value_t = 10_000)]
    tls_connections: usize,
    /// Rounds of pings over which CPU is counted.
    #[arg(long, default_value_t = 2)]
    rounds: u32,
    /// The file whose section is replaced.
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct StormBench {
    /// The binary that is measured.
    #[arg(long)]
    housecall: PathBuf,
    #[arg(long, default_value_t = 20_000)]
    clients: usize,
    /// Clients who stay and write meanwhile.
    #[arg(long, default_value_t = 100)]
    others: usize,
    /// Milliseconds between two messages of each of them.
    #[arg(long, default_value_t = 500)]
    interval_ms: u64,
    /// Seconds for which they write.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The file whose section is replaced.
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct PresenceBench {
    /// The binary that is measured.
    #[arg(long)]
    housecall: PathBuf,
    #[arg(long, default_value_t = 100_000)]
    online: usize,
    #[arg(long, default_value_t = 2000)]
    watchers: usize,
    /// People whom each of them watches.
    #[arg(long, default_value_t = 100)]
    watched: usize,
    #[arg(long, default_value_t = 10_000)]
    changes: usize,
    /// Where the figures are written.
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ChatBench {
    /// The binary that is measured.
    #[arg(long)]
    housecall: PathBuf,
    /// What to measure, comma-separated; all when absent.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = [ChatSection::Durable, ChatSection::Latency])]
    sections: Vec<ChatSection>,
    /// Patients who write, each over a connection of their own.
    #[arg(long, default_value_t = 500)]
    connections: usize,
    /// Messages of each that are under way at once, while as many as possible are.
    #[arg(long, default_value_t = 4)]
    depth: usize,
    /// Messages a second while latency is measured.
    #[arg(long, default_value_t = 5000.0)]
    messages_per_s: f64,
    /// Seconds of counting per section.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// The file whose sections are replaced.
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ChatSection {
    Durable,
    Latency,
}

#[derive(Debug, Args)]
struct RelayBench {
    /// The binary whose relay is measured.
    #[arg(long)]
    housecall: PathBuf,
    /// Another build of it, measured in the same run for comparison.
    #[arg(long)]
    against: Option<PathBuf>,
    /// Scenarios, comma-separated; all when absent.
    #[arg(long, value_delimiter = ',', value_enum)]
    scenarios: Vec<Scenario>,
    /// Seconds of counting per scenario.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Seconds before counting begins: the relay's estimates grow to the streams' rates.
    #[arg(long, default_value_t = 8)]
    warm_up: u64,
    /// Workers of the relay, all on its cores; over several of them rooms spread evenly.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Microseconds for which the relay lets packets come together; its own default when
    /// absent. The floor does the same.
    #[arg(long)]
    gather_us: Option<u32>,
    /// The relay's cores, with commas between; the floor runs on the first of them.
    #[arg(long, value_delimiter = ',', default_values_t = [0])]
    relay_cores: Vec<usize>,
    /// The clients' cores.
    #[arg(long, value_delimiter = ',', default_values_t = [1])]
    load_cores: Vec<usize>,
    /// Where the figures are written.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// The default of the relay's `gather_us`.
const GATHER_US: u32 = 250;
/// The sweep ends when the relay has used this much of its core.
const FULL: f64 = 0.85;
/// Or its clients this much of theirs: what is measured then is them.
const CLIENTS_FULL: f64 = 0.97;

/// The file.
#[derive(Default, Serialize)]
struct Report {
    scenarios: BTreeMap<&'static str, Figures>,
    /// Of growing load.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sweep: Vec<Figures>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    against: BTreeMap<&'static str, Figures>,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command_::RelayBench(arguments) => bench(&arguments),
        Command_::Floor { gather_us } => floor::serve(Duration::from_micros(gather_us.into())),
        Command_::IdleBench(arguments) => idle_bench(arguments),
        Command_::StormBench(arguments) => storm_bench(arguments),
        Command_::PresenceBench(arguments) => presence_bench(arguments),
        Command_::ChatBench(arguments) => chat_bench(&arguments),
        Command_::ChatLoad { plan } => chat::load::serve(&plan),
        Command_::Crowd { file } => worker::serve(&file),
        Command_::AcceptFloor { heartbeat_ms } => {
            accept_floor::serve(Duration::from_millis(heartbeat_ms))
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("housecall-loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn idle_bench(arguments: IdleBench) -> anyhow::Result<()> {
    let IdleBench { housecall, connections, tls_connections, rounds, out } = arguments;
    let idle = Idle { housecall, connections, tls_connections, rounds };
    let figures = runtime()?.block_on(idle::bench(&idle))?;
    section_out("idle", &figures, out.as_deref())
}

fn storm_bench(arguments: StormBench) -> anyhow::Result<()> {
    let StormBench { housecall, clients, others, interval_ms, seconds, out } = arguments;
    let storm = Storm { housecall, clients, others, interval_ms, seconds };
    let figures = runtime()?.block_on(storm::bench(&storm))?;
    section_out("storm", &figures, out.as_deref())
}

fn presence_bench(arguments: PresenceBench) -> anyhow::Result<()> {
    let PresenceBench { housecall, online, watchers, watched, changes, out } = arguments;
    let presence = Presence { housecall, online, watchers, watched, changes };
    let figures = runtime()?.block_on(presence::bench(&presence))?;
    write(&figures, out.as_deref())
}

fn chat_bench(arguments: &ChatBench) -> anyhow::Result<()> {
    for section in &arguments.sections {
        let time = Duration::from_secs(arguments.seconds);
        let (housecall, connections) = (arguments.housecall.clone(), arguments.connections);
        match section {
            ChatSection::Durable => {
                let depth = arguments.depth;
                let durable = Durable { housecall, connections, depth, time };
                let figures = runtime()?.block_on(durable::bench(&durable))?;
                section_out("durable", &figures, arguments.out.as_deref())?;
            }
            ChatSection::Latency => {
                let messages_per_s = arguments.messages_per_s;
                let latency = Latency { housecall, connections, messages_per_s, time };
                let figures = runtime()?.block_on(latency::bench(&latency))?;
                section_out("latency", &figures, arguments.out.as_deref())?;
            }
        }
    }
    Ok(())
}

/// Prints a section of `chat.json`, and puts it there where asked.
fn section_out(name: &str, figures: &impl Serialize, out: Option<&Path>) -> anyhow::Result<()> {
    println!("{name}: {}", serde_json::to_string_pretty(figures)?);
    match out {
        Some(file) => sections::put(file, name, figures),
        None => Ok(()),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the runtime cannot start")
}

/// Prints the figures, and writes them where asked.
fn write(figures: &impl Serialize, out: Option<&Path>) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(figures)? + "\n";
    print!("{text}");
    if let Some(path) = out {
        std::fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn bench(arguments: &RelayBench) -> anyhow::Result<()> {
    process::pin_self(&arguments.load_cores)?;
    let report = runtime()?.block_on(bench_all(arguments))?;
    if let Some(path) = &arguments.out {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text + "\n").with_context(|| path.display().to_string())?;
        println!("written to {}", path.display());
    }
    Ok(())
}

async fn bench_all(arguments: &RelayBench) -> anyhow::Result<Report> {
    let scenarios = match arguments.scenarios.as_slice() {
        [] => Scenario::ALL.as_slice(),
        chosen => chosen,
    };
    let mut report = Report::default();
    println!("{}", report::heading());
    for scenario in scenarios {
        let name = scenario.name();
        if *scenario == Scenario::Sweep {
            report.sweep = sweep(arguments).await?;
            continue;
        }
        for shape in scenario.shapes() {
            if let Some(against) = &arguments.against {
                let figures = bench_one(arguments, name, &shape, against).await?;
                println!("{}", report::line(name, "other", &figures));
                report.against.insert(name, figures);
            }
            let figures = bench_one(arguments, name, &shape, &arguments.housecall).await?;
            println!("{}", report::line(name, "", &figures));
            report.scenarios.insert(name, figures);
        }
    }
    Ok(report)
}

/// Figures of growing load, until one of the two cores is full.
async fn sweep(arguments: &RelayBench) -> anyhow::Result<Vec<Figures>> {
    let mut all = Vec::new();
    for shape in Scenario::Sweep.shapes() {
        let figures = bench_one(arguments, "sweep", &shape, &arguments.housecall).await?;
        println!("{}", report::line("sweep", &shape.participants().to_string(), &figures));
        println!("  clients' core {:.0}%", figures.clients_cpu * 100.0);
        let full = figures.relay_cpu >= FULL || figures.clients_cpu >= CLIENTS_FULL;
        all.push(figures);
        if full {
            break;
        }
    }
    Ok(all)
}

/// A relay's figures for a scenario, with the floor measured before and after it:
/// the speed of a shared machine changes by the minute.
async fn bench_one(
    arguments: &RelayBench,
    name: &str,
    shape: &Shape,
    housecall: &Path,
) -> anyhow::Result<Figures> {
    let core = *arguments.relay_cores.first().context("the relay needs a core")?;
    let floor_time = Duration::from_secs((arguments.seconds / 3).max(1));
    let gather_us = arguments.gather_us.unwrap_or(GATHER_US);
    let before = floor::measure(shape, core, gather_us, floor_time)?;
    let nats = NatsServer::start().await;
    let relay = Relay::start(housecall, arguments, &nats.url(), shape)?;
    let plan = Plan {
        shape: shape.clone(),
        warm_up: Duration::from_secs(arguments.warm_up),
        time: Duration::from_secs(arguments.seconds),
        relay_pid: relay.child.id(),
        relay_metrics: relay.metrics,
    };
    let bus = Bus::nats(&nats.url()).await?;
    let figures = run::run(bus, &plan).await;
    let mut figures = figures.with_context(|| format!("scenario {name}"))?;
    drop(relay);
    let after = floor::measure(shape, core, gather_us, floor_time)?;
    figures.floor_us_per_packet = f64::midpoint(before, after);
    figures.ratio_to_floor = figures.cpu_us_per_forwarded_packet / figures.floor_us_per_packet;
    Ok(figures)
}

/// `housecall serve --roles sfu` on its cores. Stopped when dropped.
struct Relay {
    child: Child,
    metrics: SocketAddr,
    _data: tempfile::TempDir,
}

impl Relay {
    fn start(
        housecall: &Path,
        arguments: &RelayBench,
        nats: &str,
        shape: &Shape,
    ) -> anyhow::Result<Self> {
        let room = shape.largest_room();
        let room_at_worker = room.div_ceil(arguments.workers.max(1));
        let data = tempfile::tempdir()?;
        // It starts in a directory of its own.
        let housecall =
            &housecall.canonicalize().with_context(|| housecall.display().to_string())?;
        let metrics = free_address()?;
        let mut command: Command = process::pinned(&arguments.relay_cores, housecall);
        if let Some(gather_us) = arguments.gather_us {
            command.env("HOUSECALL_SFU__GATHER_US", gather_us.to_string());
        }
        let child = command
            .args(["serve", "--roles", "sfu", "--listen", "127.0.0.1:0"])
            .args(["--private-listen", &metrics.to_string(), "--data-dir"])
            .arg(data.path())
            .current_dir(data.path())
            .env("HOUSECALL_BUS__NATS_URL", nats)
            .env("HOUSECALL_LOG__FILTER", "warn")
            .env("HOUSECALL_SFU__WORKERS", arguments.workers.to_string())
            .env("HOUSECALL_SFU__ROOM_PARTICIPANTS_PER_WORKER", room_at_worker.to_string())
            .env("HOUSECALL_SFU__PORT_BASE", "0")
            .env("HOUSECALL_SFU__MAX_ROOM_PARTICIPANTS", room.to_string())
            .env("HOUSECALL_SFU__MAX_MEDIA_LINES", shape.media_lines().max(2).to_string())
            .stderr(Stdio::inherit())
            .spawn()
            .context("taskset of util-linux is needed")?;
        Ok(Self { child, metrics, _data: data })
    }
}

/// An address of loopback that was free a moment ago.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

impl Drop for Relay {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).unwrap_or(0);
        if pid > 0 {
            let pid = nix::unistd::Pid::from_raw(pid);
            // Gone already is as good as stopped.
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        }
        let _ = self.child.wait();
    }
}
