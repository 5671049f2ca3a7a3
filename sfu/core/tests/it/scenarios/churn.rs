//! Leaving and coming back a thousand times, in a process of its own: what it holds is
//! read from the system.

use std::process::Command;

use super::check::{Check, Unit};
use super::peer::Setup;
use super::stage::Stage;

/// Tells this test binary to be that process.
const ROLE: &str = "HOUSECALL_CHURN";
const REJOINS: usize = 1_000;
/// Until allocators and tables have their size.
const WARM_UP: usize = 300;
const SEED: u64 = 3;

/// Whether this process is the one that does it; then it is done.
pub(super) fn is_role() -> bool {
    let is = std::env::var_os(ROLE).is_some();
    if is {
        churn();
    }
    is
}

pub(super) fn thousand_rejoins() -> Vec<Check> {
    let program = std::env::current_exe().expect("this test has a program");
    let output = Command::new(program)
        .args(["--exact", super::TABLE_TEST, "--nocapture", "--test-threads=1"])
        .env(ROLE, "1")
        .output()
        .expect("this test's program runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let figure = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or(f64::NAN)
    };
    vec![
        Check::at_least("connected", figure("connected"), REJOINS as f64, Unit::Count),
        Check::at_most("memory grew in the last 700 by", figure("grew"), 1_024.0, Unit::Kib),
        Check::at_most("participants left over", figure("left"), 1.0, Unit::Count),
    ]
}

fn churn() {
    let mut stage = Stage::with(SEED, &[Setup { tiles: 1, ..Setup::GOOD }]);
    let setup = Setup { camera_bps: &[300_000], ..Setup::GOOD };
    let (mut connected, mut warm_kib) = (0, 0.0);
    for number in 0..REJOINS {
        if number == WARM_UP {
            warm_kib = resident_kib();
        }
        let peer = stage.join(&setup);
        stage.until_connected();
        stage.run(0.06);
        connected += usize::from(stage.peers[peer].connected);
        stage.leave(peer);
        stage.run(0.01);
    }
    println!("\nconnected {connected}");
    println!("grew {:.0}", (resident_kib() - warm_kib).max(0.0));
    println!("left {}", stage.core.participants());
}

/// Memory this process holds (`VmRSS`).
fn resident_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let figure = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    figure.expect("Linux tells")
}
