//! `kill -9` in the middle of a chat burst: every acknowledged message is there
//! exactly once and in order afterwards, and what was not acknowledged can be
//! sent again without a duplicate.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use crate::client::{Client, text};
use crate::house::House;

/// Messages under way at once, below the gateway's bound for one connection.
const WINDOW: usize = 30;
/// Acknowledgements seen before the process is killed, with more under way.
const KILL_AFTER: usize = 60;
const ROUNDS: usize = 2;

/// What one client wrote and what it was told, kept outside the process.
#[derive(Default)]
struct Ledger {
    written: Vec<Uuid>,
    acknowledged: BTreeMap<Uuid, i64>,
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_messages_survive_a_kill_exactly_once_and_in_order() {
    let mut house = House::start().await;
    let mut ledger = Ledger::default();
    for round in 0..ROUNDS {
        let patient = house.patient(&format!("+7900555000{round}")).await;
        let conversation = patient.conversation.clone().unwrap();
        let mut client = Client::connect(&house, &patient.token).await;
        burst_until_killed(&mut client, &conversation, &mut ledger).await;
        house = House::start_in(house.kill().await).await;

        // The same token works: keys and sessions are in the database.
        let mut client = Client::connect(&house, &patient.token).await;
        resend_unacknowledged(&mut client, &conversation, &mut ledger).await;
        check(&client.history(&conversation).await, &ledger);
        ledger = Ledger::default();
    }
    assert!(house.stop().await.success());
}

/// Keeps a window of messages under way, and stops once enough are acknowledged:
/// the rest of the window is somewhere between the socket and the commit.
async fn burst_until_killed(client: &mut Client, conversation: &str, ledger: &mut Ledger) {
    while ledger.acknowledged.len() < KILL_AFTER {
        while ledger.written.len() < ledger.acknowledged.len() + WINDOW {
            let id = Uuid::now_v7();
            let frame = text(conversation, id, &format!("сообщение {}", ledger.written.len()));
            ledger.written.push(id);
            client.send("chat.send", frame).await.unwrap();
        }
        let frame = client.next().await.expect("alive until killed");
        assert_ne!(frame["type"], "error", "{frame}");
        if frame["type"] == "chat.ack" {
            note(&frame, ledger);
        }
    }
}

fn note(frame: &Value, ledger: &mut Ledger) {
    let id = frame["data"]["client_message_id"].as_str().unwrap().parse().unwrap();
    let seq = frame["data"]["seq"].as_i64().unwrap();
    if let Some(first) = ledger.acknowledged.insert(id, seq) {
        assert_eq!(first, seq, "a resend returns the original seq");
    }
}

/// As the SDK's outbox: everything from the first unacknowledged one, in order,
/// so that acknowledged messages are resent too when they come after it.
async fn resend_unacknowledged(client: &mut Client, conversation: &str, ledger: &mut Ledger) {
    let first = ledger.written.iter().position(|id| !ledger.acknowledged.contains_key(id));
    let Some(first) = first else { return };
    for (index, id) in ledger.written.clone().into_iter().enumerate().skip(first) {
        let frame = text(conversation, id, &format!("сообщение {index}"));
        let ack = client.request("chat.send", frame).await.unwrap();
        assert_eq!(ack["type"], "chat.ack", "{ack}");
        note(&ack, ledger);
    }
}

fn check(history: &[Value], ledger: &Ledger) {
    let seqs: Vec<i64> = history.iter().map(|message| message["seq"].as_i64().unwrap()).collect();
    let gapless: Vec<i64> = (1..=i64::try_from(history.len()).unwrap()).collect();
    assert_eq!(seqs, gapless, "seq has no gaps and no repeats");

    let stored: Vec<(Uuid, i64)> = history
        .iter()
        .filter(|message| message["body"]["kind"] == "text")
        .map(|message| {
            let id = message["client_message_id"].as_str().unwrap().parse().unwrap();
            (id, message["seq"].as_i64().unwrap())
        })
        .collect();
    let stored_ids: Vec<Uuid> = stored.iter().map(|(id, _)| *id).collect();
    assert_eq!(stored_ids, ledger.written, "each message once, in the order it was written");
    for (id, seq) in stored {
        assert_eq!(ledger.acknowledged.get(&id), Some(&seq), "stored where it was acknowledged");
    }
}
