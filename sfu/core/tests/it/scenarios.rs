//! Whole calls in virtual time: the core, clients of another stack, links whose faults
//! are known, and what must come out. The table is kept in docs/relay-scenarios.md.

mod bad_links;
mod camera;
mod check;
mod churn;
mod coming_and_going;
mod outcome;
mod peer;
mod simple_receivers;
mod stage;
mod standing_still;
mod stuck;
mod table;
mod viewer;
mod voice;

/// The test's name, for the process that some scenario starts.
const TABLE_TEST: &str = "scenarios::every_scenario_comes_out_as_the_documents_say";

#[test]
fn every_scenario_comes_out_as_the_documents_say() {
    if !churn::is_role() {
        table::run();
    }
}
