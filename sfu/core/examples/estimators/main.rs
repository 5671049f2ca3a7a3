//! Our bandwidth estimator beside str0m's: how well each uses the same links, and
//! what each costs.
//!
//! ```text
//! cargo run --release -p housecall-sfu-core --example estimators
//! ```
//!
//! Quality is in virtual time and repeatable; its table is in docs/congestion.md.
//! Costs are of the machine: read the ratio.

#[allow(dead_code, reason = "each user of the model needs another part of it")]
#[path = "../../tests/it/link.rs"]
mod link;
#[allow(dead_code, reason = "as above")]
#[path = "../../tests/it/estimator/record.rs"]
mod record;
#[allow(dead_code, reason = "as above")]
#[path = "../../tests/it/estimator/rig.rs"]
mod rig;
#[path = "../../tests/it/estimator/transfer.rs"]
mod transfer;

mod cost;
mod peers;
mod scripts;

fn main() {
    println!("| path | used | | queue p50 / p95 ms | | dropped | | at 80% after s | |");
    println!("|---|---|---|---|---|---|---|---|---|");
    println!("| | ours | str0m | ours | str0m | ours | str0m | ours | str0m |");
    for script in scripts::ALL {
        let (ours, theirs) = (scripts::run_ours(script), scripts::run_theirs(script));
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            script.name,
            ours.used(),
            theirs.used(),
            ours.wait(),
            theirs.wait(),
            ours.dropped(),
            theirs.dropped(),
            ours.recovery(),
            theirs.recovery(),
        );
    }
    println!();
    cost::print();
}
