//! Compares what devices were told with what is stored, by reading the rows
//! itself: nothing of the house is asked.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;
use uuid::Uuid;

use super::device::{Device, View};

struct Row {
    seq: i64,
    client_message_id: Option<Uuid>,
    text: String,
    kind: String,
}

/// `devices` are all who wrote anything.
pub(super) async fn check(database: &Client, devices: &[Device]) {
    let watched: BTreeSet<&String> = devices.iter().flat_map(|one| one.views.keys()).collect();
    let mut stored = BTreeMap::new();
    for conversation in watched {
        let rows = rows(database, conversation).await;
        let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
        let gapless: Vec<i64> = (1..=i64::try_from(rows.len()).unwrap()).collect();
        assert_eq!(seqs, gapless, "no gaps in {conversation}");
        nobody_else_wrote(conversation, &rows, devices);
        stored.insert(conversation.clone(), rows);
    }
    for device in devices {
        if let Some(conversation) = &device.writes_to {
            check_ledger(device, &stored[conversation]);
        }
        for (conversation, view) in &device.views {
            check_view(&device.name, view, &stored[conversation]);
        }
    }
}

async fn rows(database: &Client, conversation: &str) -> Vec<Row> {
    let id: Uuid = conversation.parse().unwrap();
    let query = "SELECT seq, client_message_id, text, kind FROM chat.messages
                 WHERE conversation_id = $1 ORDER BY seq";
    let rows = database.query(query, &[&id]).await.unwrap();
    let row = |row: &tokio_postgres::Row| Row {
        seq: row.get(0),
        client_message_id: row.get(1),
        text: row.get(2),
        kind: row.get(3),
    };
    rows.iter().map(row).collect()
}

/// Each message once: as many rows as were written, each of them somebody's.
fn nobody_else_wrote(conversation: &str, rows: &[Row], devices: &[Device]) {
    let writers = devices.iter().filter(|one| one.writes_to.as_deref() == Some(conversation));
    let written: BTreeSet<Uuid> = writers.flat_map(|one| one.ledger.written.clone()).collect();
    let stored: Vec<Uuid> = rows.iter().filter_map(|row| row.client_message_id).collect();
    assert_eq!(stored.len(), written.len(), "each once in {conversation}");
    assert_eq!(stored.into_iter().collect::<BTreeSet<_>>(), written);
}

fn check_ledger(device: &Device, rows: &[Row]) {
    let own: BTreeMap<Uuid, i64> =
        rows.iter().filter_map(|row| Some((row.client_message_id?, row.seq))).collect();
    let mut last = 0;
    for id in &device.ledger.written {
        let seq = own[id];
        assert!(seq > last, "{}: in the order of writing", device.name);
        assert_eq!(device.ledger.acknowledged.get(id), Some(&seq), "stored where it was said");
        last = seq;
    }
}

fn check_view(name: &str, view: &View, rows: &[Row]) {
    assert_eq!(view.bodies.len(), rows.len(), "{name} saw all");
    for (body, row) in view.bodies.iter().zip(rows) {
        assert_eq!(body["kind"], row.kind.as_str(), "{name}, {}", row.seq);
        if row.kind == "text" {
            assert_eq!(body["text"], row.text.as_str(), "{name}, {}", row.seq);
        }
    }
}
