//! The scenarios, run side by side; the table that is kept in the documents.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;

use super::check::Check;
use super::{bad_links, churn, coming_and_going, simple_receivers, standing_still};

type Scenario = (&'static str, fn() -> Vec<Check>);

const SCENARIOS: &[Scenario] = &[
    ("1% loss", bad_links::one_percent),
    ("5% loss", bad_links::five_percent),
    ("10% loss", bad_links::ten_percent),
    ("20% loss", bad_links::twenty_percent),
    ("5% loss in bursts of 8", bad_links::five_percent_in_bursts),
    ("20% loss in bursts of 8", bad_links::twenty_percent_in_bursts),
    ("5% loss on the sender's uplink", bad_links::lossy_uplink),
    ("round trip 50 ms", bad_links::rtt_50),
    ("round trip 300 ms", bad_links::rtt_300),
    ("round trip 600 ms", bad_links::rtt_600),
    ("round trip 600 ms, 2% loss", bad_links::rtt_600_and_loss),
    ("60 ms jitter", bad_links::jitter),
    ("5% out of order, 5% twice", bad_links::disorder),
    ("path MTU 1200", bad_links::narrow_path),
    ("clocks 600 ppm apart", bad_links::skewed_clocks),
    ("downlink 2.5 to 0.3 Mb/s and back", bad_links::narrow_for_a_while),
    ("uplink 4 to 0.3 Mb/s and back", bad_links::narrow_uplink),
    ("1.5 Mb/s over an uplink of 1 Mb/s", bad_links::starving_sender),
    ("downlink 0.5 Mb/s for a second every ten", bad_links::pulses),
    ("0.4 Mb/s up and 4 down, and the other way", bad_links::uneven_ways),
    ("the largest layer ends", bad_links::lost_layer),
    ("the watcher stops for 0.2, 0.5, 1 and 2 s", standing_still::asleep),
    ("its uplink stops for 0.2, 0.5, 1 and 2 s", standing_still::held_up),
    ("reports of loss alone, 4 Mb/s", simple_receivers::wide),
    ("reports of loss alone, 0.8 Mb/s", simple_receivers::narrow_by_loss),
    (
        "reports of loss alone though TWCC was negotiated, 0.8 Mb/s",
        simple_receivers::narrow_despite_promise,
    ),
    ("loss and REMB, 0.8 Mb/s", simple_receivers::narrow_by_estimate),
    ("one bad link among ten", coming_and_going::one_bad_of_ten),
    ("a late join after 70,000 packets", coming_and_going::late_join),
    ("the sender restarts", coming_and_going::restart),
    ("thirty join at once", coming_and_going::thirty_at_once),
    ("leaving and coming back 1,000 times", churn::thousand_rejoins),
];

/// Two cores are what the machines of the project have.
const THREADS: usize = 2;
const DOCUMENT: &str = "../../docs/relay-scenarios.md";
const HEAD: &str = "| scenario | asserted | measured |\n|---|---|---|\n";

pub(super) fn run() {
    let results = Mutex::new(vec![None; SCENARIOS.len()]);
    let next = Mutex::new(0..SCENARIOS.len());
    let pick = || next.lock().expect("no panic while it is held").next();
    let work = || {
        while let Some(index) = pick() {
            let checks = SCENARIOS[index].1();
            results.lock().expect("no panic while it is held")[index] = Some(checks);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
    let results = results.into_inner().expect("no panic while it was held");
    let results: Vec<_> = results.into_iter().map(|checks| checks.expect("all ran")).collect();
    let table = table(&results);
    println!("{table}");
    let failures = failures(&results);
    assert!(failures.is_empty(), "{failures}");
    compare(&table);
}

fn table(results: &[Vec<Check>]) -> String {
    let mut table = String::from(HEAD);
    for ((name, _), checks) in SCENARIOS.iter().zip(results) {
        let asserted: Vec<_> = checks.iter().map(Check::asserted).collect();
        let measured: Vec<_> = checks.iter().map(Check::measured).collect();
        let (asserted, measured) = (asserted.join("; "), measured.join("; "));
        writeln!(table, "| {name} | {asserted} | {measured} |").expect("a string takes all");
    }
    table
}

fn failures(results: &[Vec<Check>]) -> String {
    let mut failures = String::new();
    for ((name, _), checks) in SCENARIOS.iter().zip(results) {
        for check in checks.iter().filter(|check| !check.holds()) {
            let (asserted, measured) = (check.asserted(), check.measured());
            writeln!(failures, "{name}: {asserted}, but it is {measured}")
                .expect("a string takes all");
        }
    }
    failures
}

/// Scenarios and assertions must stand in the document as they are here. What was
/// measured differs a little from run to run, since keys and certificates do.
/// `HOUSECALL_WRITE_SCENARIOS=1` writes the document's table.
fn compare(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    let document = std::fs::read_to_string(&path).expect("the document is in the repository");
    let start = document.find(HEAD).expect("the document has the table");
    if std::env::var_os("HOUSECALL_WRITE_SCENARIOS").is_some() {
        let end = document[start..].find("\n\n").map_or(document.len(), |end| start + end + 1);
        let written = format!("{}{table}{}", &document[..start], &document[end..]);
        std::fs::write(&path, written).expect("the document can be written");
        return;
    }
    let promised = |table: &str| -> Vec<String> {
        let rows = table.lines().take_while(|line| line.starts_with('|'));
        rows.filter_map(|row| Some(row.rsplit_once(" | ")?.0.to_owned())).collect()
    };
    assert_eq!(
        promised(&document[start..]),
        promised(table),
        "docs/relay-scenarios.md promises something else; \
         run this test with HOUSECALL_WRITE_SCENARIOS=1"
    );
}
