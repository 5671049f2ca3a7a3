//! What the system says of another process, and processes pinned to a core.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// User and system time of a process since its start, in nanoseconds as the scheduler
/// counts it: `/proc/PID/stat` has ticks of ten milliseconds, which are several joins.
///
/// # Errors
/// When there is no such process.
pub fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid)?);
    let clock = nix::time::clock_getcpuclockid(pid).context("no CPU clock of the process")?;
    Ok(clock.now()?.into())
}

/// Resident memory of a process.
///
/// # Errors
/// When there is no such process.
pub fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let value = line.and_then(|line| line.split_whitespace().next());
    Ok(value.context("no VmRSS in /proc/PID/status")?.parse()?)
}

/// The hard limit of open files of a process, which the soft one is raised to.
pub fn open_files_limit() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(_, hard)| hard)
}

/// Raises this process's soft limit of open files to the hard one.
pub fn raise_open_files() {
    let limit = open_files_limit();
    // What could not be raised shows as a refused connection.
    let _ = setrlimit(Resource::RLIMIT_NOFILE, limit, limit);
}

/// How busy the machine was in the last minute; 1 is one core.
///
/// # Errors
/// When the system does not say.
pub fn load_average() -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().context("an odd /proc/loadavg")?.parse()?)
}

/// Datagrams that sockets of this machine had no room for since its start.
///
/// # Errors
/// When the system does not count them.
pub fn datagrams_dropped() -> anyhow::Result<u64> {
    let table = fs::read_to_string("/proc/net/snmp")?;
    let mut lines = table.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = lines.next().zip(lines.next()).context("no UDP in /proc/net/snmp")?;
    let dropped = names
        .split(' ')
        .zip(values.split(' '))
        .filter(|(name, _)| matches!(*name, "RcvbufErrors" | "SndbufErrors"))
        .map(|(_, value)| value.parse::<u64>());
    Ok(dropped.sum::<Result<_, _>>()?)
}

/// A command that will run on these cores only, its output thrown away.
pub fn pinned(cores: &[usize], program: &Path) -> Command {
    let list: Vec<_> = cores.iter().map(usize::to_string).collect();
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &list.join(",")]).arg(program);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Pins this process: the calling thread and those it will start.
///
/// # Errors
/// When there are no such cores.
pub fn pin_self(cores: &[usize]) -> anyhow::Result<()> {
    let mut set = nix::sched::CpuSet::new();
    for core in cores {
        set.set(*core)?;
    }
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set)
        .with_context(|| format!("this process cannot run on cores {cores:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_knows_this_process() {
        let pid = std::process::id();
        assert!(resident_kib(pid).unwrap() > 100);
        cpu_time(pid).unwrap();
        datagrams_dropped().unwrap();
    }
}
