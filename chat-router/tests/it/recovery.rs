//! Random interleavings of what goes wrong: answers and nudges lost, routers killed and
//! started again, connections to the database broken, devices that come back from where
//! they were. Then everything heals, and the rows are compared with what was acknowledged
//! and with what every device holds.

mod checker;
mod device;
mod ledger;
mod plan;
mod world;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use plan::{Step, steps};
use world::World;

use housecall_schema::testing::TestDatabase;

/// Each is a conversation of its own in one database, with routers of its own.
const CASES: u32 = 40;
/// What threads race for does not fail each time, so shrinking soon tells nothing.
const SHRINKS: u32 = 30;

#[test]
fn whatever_is_lost_and_killed_all_end_with_what_was_acknowledged() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(TestDatabase::fresh());
    let mut runner = TestRunner::new(Config {
        cases: CASES,
        max_shrink_iters: SHRINKS,
        failure_persistence: None,
        ..Config::default()
    });
    runner.run(&steps(), |steps| runtime.block_on(run(&database, steps))).unwrap();
}

async fn run(database: &TestDatabase, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut world = World::new(database).await?;
    for step in steps {
        match step {
            Step::Write { writes, trouble } => world.write(&writes, trouble).await?,
            Step::Start(router) => world.start(router).await,
            Step::Stop(router) => world.stop(router).await,
            Step::Lose { device, nudges } => world.devices[device].lose(nudges),
            Step::Disconnect(device) => world.devices[device].disconnect(),
            Step::Reconnect { device, is_new } => world.reconnect(device, is_new).await?,
            Step::Hear(device) => world.hear(device).await?,
        }
    }
    world.heal().await?;
    let stored = checker::Stored::read(&world).await;
    stored.check(&world)
}
