//! Compares what devices were told with what is stored, by reading the rows
//! itself: nothing of the house is asked.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, ensure};
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
pub(super) async fn check(database: &Client, devices: &[Device]) -> anyhow::Result<()> {
    let watched: BTreeSet<&String> = devices.iter().flat_map(|one| one.views.keys()).collect();
    let mut stored = BTreeMap::new();
    for conversation in watched {
        let rows = rows(database, conversation).await;
        let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
        let gapless: Vec<i64> = (1..=i64::try_from(rows.len()).unwrap()).collect();
        ensure!(seqs == gapless, "gaps in {conversation}: {seqs:?}");
        nobody_else_wrote(conversation, &rows, devices)?;
        stored.insert(conversation.clone(), rows);
    }
    for device in devices {
        if let Some(conversation) = &device.writes_to {
            check_ledger(device, &stored[conversation])?;
        }
        for (conversation, view) in &device.views {
            check_view(view, &stored[conversation]).with_context(|| device.name.clone())?;
        }
    }
    Ok(())
}

/// The checker itself must see what it is for: each of these is undone again.
pub(super) async fn check_the_checker(database: &Client, devices: &[Device]) {
    let device = &devices[0];
    let conversation = device.writes_to.as_ref().expect("the first one writes");
    let seqs: Vec<i64> = device.ledger.acknowledged.values().copied().collect();
    let (first, second) = (seqs[0], seqs[1]);
    let last = device.views[conversation].bodies.len();
    let of = format!("chat.messages WHERE conversation_id = '{conversation}'");
    let change = "UPDATE chat.messages SET";
    let at = format!("WHERE conversation_id = '{conversation}' AND seq");
    let faults = [
        ("the last one lost", format!("DELETE FROM {of} AND seq = {last}")),
        ("one lost in the middle", format!("DELETE FROM {of} AND seq = {first}")),
        (
            "one doubled",
            format!(
                "INSERT INTO chat.messages
                     (conversation_id, seq, sender_id, client_message_id, kind, text)
                 SELECT conversation_id, {last} + 1, sender_id, gen_random_uuid(), kind, text
                 FROM {of} AND seq = {first}"
            ),
        ),
        (
            "two swapped",
            format!(
                "{change} seq = 0 {at} = {first}; {change} seq = {first} {at} = {second};
                 {change} seq = {second} {at} = 0"
            ),
        ),
        ("other words", format!("{change} text = 'x' {at} = {first}")),
    ];
    for (fault, statement) in faults {
        database.batch_execute(&format!("BEGIN; {statement}")).await.unwrap();
        assert!(check(database, devices).await.is_err(), "{fault} is not seen");
        database.batch_execute("ROLLBACK").await.unwrap();
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
fn nobody_else_wrote(conversation: &str, rows: &[Row], devices: &[Device]) -> anyhow::Result<()> {
    let writers = devices.iter().filter(|one| one.writes_to.as_deref() == Some(conversation));
    let written: BTreeSet<Uuid> = writers.flat_map(|one| one.ledger.written.clone()).collect();
    let stored: Vec<Uuid> = rows.iter().filter_map(|row| row.client_message_id).collect();
    ensure!(stored.len() == written.len(), "each once in {conversation}");
    ensure!(stored.into_iter().collect::<BTreeSet<_>>() == written, "others in {conversation}");
    Ok(())
}

fn check_ledger(device: &Device, rows: &[Row]) -> anyhow::Result<()> {
    let own: BTreeMap<Uuid, i64> =
        rows.iter().filter_map(|row| Some((row.client_message_id?, row.seq))).collect();
    let mut last = 0;
    for id in &device.ledger.written {
        let seq = *own.get(id).with_context(|| format!("{} lost {id}", device.name))?;
        ensure!(seq > last, "{}: not in the order of writing", device.name);
        let told = device.ledger.acknowledged.get(id);
        ensure!(told == Some(&seq), "{} was told {told:?}, stored at {seq}", device.name);
        last = seq;
    }
    Ok(())
}

fn check_view(view: &View, rows: &[Row]) -> anyhow::Result<()> {
    ensure!(view.bodies.len() == rows.len(), "saw {} of {}", view.bodies.len(), rows.len());
    for (body, row) in view.bodies.iter().zip(rows) {
        ensure!(body["kind"] == row.kind.as_str(), "another kind at {}", row.seq);
        if row.kind == "text" {
            ensure!(body["text"] == row.text.as_str(), "other words at {}", row.seq);
        }
    }
    Ok(())
}
