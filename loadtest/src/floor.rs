//! The least a relay must do: receive a packet once, encrypt it and send it once
//! per destination, with the same sizes and bursts over the same sockets, letting packets
//! come together for as long as the relay does. Whatever a relay costs above it is its own.
//!
//! [`serve`] is that program; it runs as a process of its own, on the core the relay
//! runs on. [`measure`] drives it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::{Deserialize, Serialize};

use crate::doze::Doze;
use crate::media::{Kind, Source};
use crate::process;
use crate::scenario::Shape;
use crate::socket::{Inbound, LoadSocket};
use crate::{clock, report};

/// RTP header and the extensions the relay writes.
const HEADER_BYTES: usize = 12 + 20;
const WARM_UP: Duration = Duration::from_millis(300);

/// Who gets what comes from whom.
#[derive(Debug, Serialize, Deserialize)]
struct Routes {
    routes: Vec<(SocketAddr, Vec<SocketAddr>)>,
}

/// The program, which lets packets come together for `gather` as the relay does: prints its address, reads the routes, forwards; says how many packets
/// it has sent for every further line, and ends with its input.
///
/// # Errors
/// When the system refuses a socket or the input is not what it should be.
pub fn serve(gather: Duration) -> anyhow::Result<()> {
    let mut input = BufReader::new(std::io::stdin());
    let socket = LoadSocket::plain()?;
    println!("{}", socket.address);
    let mut line = String::new();
    input.read_line(&mut line)?;
    let routes: Routes = serde_json::from_str(&line)?;
    let mut forwarder = Forwarder {
        routes: routes.routes.into_iter().collect(),
        key: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16])?),
        nonce: 0,
        sent: 0,
        socket,
        burst: Vec::new(),
    };
    let mut buffer = [0; 2_048];
    let mut earliest = clock();
    loop {
        std::thread::sleep(earliest.saturating_duration_since(clock()));
        let mut fds = [
            PollFd::new(forwarder.socket.inner().as_fd(), PollFlags::POLLIN),
            PollFd::new(input.get_ref().as_fd(), PollFlags::POLLIN),
        ];
        poll(&mut fds, PollTimeout::NONE)?;
        let asked = fds[1].any().unwrap_or(false);
        if asked {
            line.clear();
            if input.read_line(&mut line)? == 0 {
                return Ok(());
            }
            println!("{}", forwarder.sent);
        }
        earliest = clock() + gather;
        forwarder.turn(&mut buffer);
    }
}

struct Forwarder {
    routes: HashMap<SocketAddr, Vec<SocketAddr>>,
    key: LessSafeKey,
    nonce: u64,
    sent: u64,
    socket: LoadSocket,
    burst: Vec<u8>,
}

impl Forwarder {
    fn turn(&mut self, buffer: &mut [u8]) {
        // By source: what will leave together.
        let mut came: Vec<(SocketAddr, Vec<Vec<u8>>)> = Vec::new();
        // Plainly, since `recvmmsg` was measured to cost more.
        while let Ok((length, source)) = self.socket.inner().recv_from(buffer) {
            let contents = buffer[..length].to_vec();
            match came.iter_mut().find(|(known, _)| *known == source) {
                Some((_, packets)) => packets.push(contents),
                None => came.push((source, vec![contents])),
            }
        }
        let routes = std::mem::take(&mut self.routes);
        for (source, packets) in came {
            for destination in routes.get(&source).into_iter().flatten() {
                self.forward(*destination, &packets);
            }
        }
        self.routes = routes;
    }

    fn forward(&mut self, destination: SocketAddr, packets: &[Vec<u8>]) {
        let mut rest = packets;
        while let Some(first) = rest.first() {
            let alike = rest.iter().take_while(|packet| packet.len() == first.len()).count();
            let (run, following) = rest.split_at(alike.min(50));
            self.burst.clear();
            for packet in run {
                self.seal(packet);
            }
            let segment = self.burst.len() / run.len();
            self.socket.send_run(destination, &self.burst, segment);
            self.sent += run.len() as u64;
            rest = following;
        }
    }

    fn seal(&mut self, packet: &[u8]) {
        self.nonce += 1;
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.nonce.to_be_bytes());
        let at = self.burst.len();
        self.burst.extend_from_slice(packet);
        let (header, payload) = self.burst[at..].split_at_mut(HEADER_BYTES.min(packet.len()));
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(&*header), payload);
        let tag = tag.expect("packets are far below the limit of AES-GCM");
        self.burst.extend_from_slice(tag.as_ref());
    }
}

/// A running floor process.
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Process {
    fn start(core: usize, gather_us: u32) -> anyhow::Result<Self> {
        let mut child = process::pinned(&[core], &std::env::current_exe()?)
            .args(["floor", &gather_us.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("taskset of util-linux is needed")?;
        let (input, output) = child.stdin.take().zip(child.stdout.take()).context("two pipes")?;
        let mut output = BufReader::new(output);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let address = line.trim().parse().context("the floor did not say its address")?;
        Ok(Self { child, input, output, address })
    }

    fn sent(&mut self) -> anyhow::Result<u64> {
        writeln!(self.input, "sent?")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().parse()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already is as good as stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU microseconds per packet that the floor takes for a scenario's packets.
///
/// # Errors
/// When the floor process does not run.
pub fn measure(shape: &Shape, core: usize, gather_us: u32, time: Duration) -> anyhow::Result<f64> {
    let mut floor = Process::start(core, gather_us)?;
    let mut clients = Clients::new(shape)?;
    let routes = serde_json::to_string(&Routes { routes: clients.routes.clone() })?;
    writeln!(floor.input, "{routes}")?;
    let pid = floor.child.id();
    clients.drive(floor.address, WARM_UP)?;
    let (sent, cpu) = (floor.sent()?, process::cpu_time(pid)?);
    clients.drive(floor.address, time)?;
    let (sent, cpu) = (floor.sent()? - sent, process::cpu_time(pid)?.saturating_sub(cpu));
    Ok(report::per_packet_us(cpu, sent))
}

/// Plain sockets in place of clients.
struct Clients {
    sockets: Vec<LoadSocket>,
    /// Index of the socket, and what it sends.
    sources: Vec<(usize, Source)>,
    routes: Vec<(SocketAddr, Vec<SocketAddr>)>,
    inbound: Inbound,
}

impl Clients {
    fn new(shape: &Shape) -> anyhow::Result<Self> {
        let count = shape.participants();
        // A stream has a socket of its own, so that its source says its route.
        let mut sockets: Vec<_> =
            (0..count).map(|_| LoadSocket::plain()).collect::<Result<_, _>>()?;
        let (mut sources, mut routes) = (Vec::new(), Vec::new());
        let size = shape.members.len();
        for index in 0..count {
            let (room, member) = (index / size, &shape.members[index % size]);
            let voice = member.sends_audio.then_some((Kind::Audio, None));
            let pictures = member.camera.iter().map(|layer| (layer.kind(), Some(layer)));
            for (kind, layer) in voice.into_iter().chain(pictures) {
                let lines = |at: usize| match kind {
                    Kind::Audio => shape.members[at].audio_lines,
                    Kind::Video { .. } => shape.members[at].video_lines,
                };
                let source = LoadSocket::plain()?;
                // Who has fewer lines than there are streams receives the first ones.
                let rank = sources_before(shape, index % size, kind);
                let destinations = (0..size)
                    .filter(|at| {
                        let own = usize::from(*at < index % size && sends(shape, *at, kind));
                        let line = rank - own;
                        *at != index % size
                            && line < lines(*at)
                            && layer.is_none_or(|layer| member.shown(layer, line))
                    })
                    .map(|at| sockets[room * size + at].address)
                    .collect();
                routes.push((source.address, destinations));
                sources.push((sockets.len(), Source::new(kind, sources.len() as u32)));
                sockets.push(source);
            }
        }
        Ok(Self { sockets, sources, routes, inbound: Inbound::new() })
    }

    /// Sends what is due and throws away what comes, asleep in between until either
    /// is there, as the clients of [`crate::fleet`] do: what wakes whom is most of the
    /// kernel's part while a core has little to do.
    fn drive(&mut self, floor: SocketAddr, time: Duration) -> anyhow::Result<()> {
        let mut doze = Doze::new()?;
        for (index, socket) in self.sockets.iter().enumerate() {
            doze.add(socket.inner(), index)?;
        }
        let begin = clock();
        let count = self.sources.len().max(1) as u32;
        let first = |(index, (_, source)): (u32, &(usize, Source))| {
            Reverse((begin + source.interval() * index / count, index as usize))
        };
        let mut schedule: BinaryHeap<_> = (0..).zip(&self.sources).map(first).collect();
        loop {
            let now = clock();
            if now >= begin + time {
                return Ok(());
            }
            while let Some(&Reverse((due, index))) = schedule.peek().filter(|next| next.0.0 <= now)
            {
                schedule.pop();
                let (socket, source) = &mut self.sources[index];
                schedule.push(Reverse((due + source.interval(), index)));
                for mut piece in source.frame(false, 0) {
                    piece.payload.resize(piece.payload.len() + HEADER_BYTES, 0);
                    self.sockets[*socket].send(floor, &piece.payload);
                }
            }
            let next = schedule.peek().map_or(begin + time, |next| next.0.0.min(begin + time));
            for index in doze.wait(next.saturating_duration_since(clock()))? {
                let socket = &self.sockets[index];
                while socket.receive(&mut self.inbound, |_, _, _| {}) {}
            }
        }
    }
}

fn sends(shape: &Shape, member: usize, kind: Kind) -> bool {
    match kind {
        Kind::Audio => shape.members[member].sends_audio,
        Kind::Video { .. } => shape.members[member].films(),
    }
}

/// Streams of this kind that members before this one send.
fn sources_before(shape: &Shape, member: usize, kind: Kind) -> usize {
    (0..member).filter(|at| sends(shape, *at, kind)).count()
}
