//! Random interleavings against the simplest model: a list.

use futures::future::join_all;
use housecall_protocol::ids::ClientMessageId;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::house::{House, note_body, text_body, words};

#[derive(Clone, Debug)]
enum Step {
    /// Sent at once, by the patient (false) or the doctor (true); a number is a
    /// message's identity, so that repeating it is a resend.
    Send(Vec<(bool, u8)>),
    /// From a seq on.
    Fetch(i64),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => proptest::collection::vec((any::<bool>(), 0..12_u8), 1..6).prop_map(Step::Send),
        3 => (0..30_i64).prop_map(Step::Fetch),
        1 => Just(Step::Close),
    ]
}

/// What was acknowledged: identity and seq.
type Acknowledged = Vec<((bool, u8), i64)>;

#[test]
fn what_was_acknowledged_stays_where_it_was() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner =
        TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let steps = proptest::collection::vec(step(), 1..12);
    runner.run(&steps, |steps| runtime.block_on(run(steps))).unwrap();
}

async fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let house = House::new().await;
    let doctor = house.holder().await;
    let ids: Vec<_> = (0..24).map(|_| ClientMessageId::generate()).collect();
    let mut acknowledged: Acknowledged = Vec::new();
    for step in steps {
        match step {
            Step::Send(batch) => {
                let sends = batch.iter().map(|(by_doctor, n)| {
                    let (actor, body) = if *by_doctor {
                        (&doctor, note_body(&format!("{by_doctor} {n}")))
                    } else {
                        (&house.patient, text_body(&format!("{by_doctor} {n}")))
                    };
                    let id = ids[usize::from(*n) + if *by_doctor { 12 } else { 0 }];
                    house.send(actor, id, body)
                });
                for (identity, answer) in batch.iter().zip(join_all(sends).await) {
                    // The doctor's new messages are refused after the end.
                    let Ok(ack) = answer else { continue };
                    match acknowledged.iter().find(|(known, _)| known == identity) {
                        Some((_, seq)) => prop_assert_eq!(ack.seq, *seq, "a resend"),
                        None => acknowledged.push((*identity, ack.seq)),
                    }
                }
            }
            Step::Fetch(after) => {
                let page = house.fetch(&doctor, Some(after), None, 200).await.unwrap();
                let seqs: Vec<i64> = page.messages.iter().map(|m| m.seq).collect();
                let expected: Vec<i64> = (after.saturating_add(1)..=page.head_seq).collect();
                prop_assert_eq!(seqs, expected, "gapless to the head");
            }
            Step::Close => house.close().await,
        }
        check(&house, &doctor, &acknowledged).await?;
    }
    house.stop().await;
    Ok(())
}

async fn check(
    house: &House,
    doctor: &housecall_protocol::cluster::Actor,
    acknowledged: &Acknowledged,
) -> Result<(), TestCaseError> {
    let history = house.history(doctor).await;
    for ((by_doctor, n), seq) in acknowledged {
        let stored = &history[usize::try_from(*seq - 1).unwrap()];
        prop_assert_eq!(words(stored), format!("{by_doctor} {n}"));
    }
    let written = history.iter().filter(|message| message.sender.is_some()).count();
    // The question of `holder` is the one more.
    prop_assert_eq!(written, acknowledged.len() + 1, "nothing stored that was not acknowledged");
    let hidden = house.history(&house.patient).await.len();
    prop_assert_eq!(hidden, history.len(), "notes keep their places");
    Ok(())
}
