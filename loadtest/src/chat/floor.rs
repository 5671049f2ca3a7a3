//! The least that stores the same rows: batched inserts, and nothing decided.

use std::time::Duration;

use anyhow::Context as _;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::script::text;
use super::town::Place;
use crate::{clock, nanoseconds};

/// What is tried; the fastest counts. Clients and rows of one transaction.
const SHAPES: [(usize, usize); 4] = [(1, 100), (2, 100), (1, 300), (2, 300)];

/// A new row and the next seq of its conversation.
const INSERT: &str = "
    WITH given AS (
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[])
               AS g (conversation, sender, client_id, consultation, text)
    ), counted AS (
        UPDATE chat.conversations c SET last_seq = c.last_seq + 1, last_at = clock_timestamp()
        FROM given g WHERE c.id = g.conversation RETURNING c.id, c.last_seq
    )
    INSERT INTO chat.messages (conversation_id, seq, sender_id, client_message_id,
                               consultation_id, kind, text)
    SELECT g.conversation, c.last_seq, g.sender, g.client_id, g.consultation, 'text', g.text
    FROM given g JOIN counted c ON c.id = g.conversation";

/// The floor, with how it was reached.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Floor {
    pub messages_per_s: f64,
    pub clients: usize,
    pub rows_per_transaction: usize,
}

/// Messages a second, the best of a few shapes, each for `time`.
///
/// # Errors
/// When the database refuses.
pub async fn measure(url: &str, places: &[Place], time: Duration) -> anyhow::Result<Floor> {
    let mut best = Floor::default();
    for (clients, rows_per_transaction) in SHAPES {
        let messages_per_s = run(url, places, clients, rows_per_transaction, time).await?;
        if messages_per_s > best.messages_per_s {
            best = Floor { messages_per_s, clients, rows_per_transaction };
        }
    }
    Ok(best)
}

async fn run(
    url: &str,
    places: &[Place],
    clients: usize,
    rows: usize,
    time: Duration,
) -> anyhow::Result<f64> {
    // Each has conversations of its own, as lanes have.
    let shares = places.chunks(places.len().div_ceil(clients));
    let mut tasks = tokio::task::JoinSet::new();
    for share in shares {
        tasks.spawn(client(url.to_owned(), share.to_vec(), rows, time));
    }
    let mut sum = 0.0;
    while let Some(rate) = tasks.join_next().await {
        sum += rate.context("a floor's client")??;
    }
    Ok(sum)
}

async fn client(
    url: String,
    places: Vec<Place>,
    rows: usize,
    time: Duration,
) -> anyhow::Result<f64> {
    let database = crate::deployment::connect(&url).await?;
    let types =
        [Type::UUID_ARRAY, Type::UUID_ARRAY, Type::UUID_ARRAY, Type::UUID_ARRAY, Type::TEXT_ARRAY];
    let insert = database.prepare_typed(INSERT, &types).await?;
    let began = clock();
    let mut stored = 0;
    let mut batches = places.chunks(rows.min(places.len())).cycle();
    while began.elapsed() < time {
        let batch = batches.next().context("a town without conversations")?;
        let column = |value: fn(&Place) -> Uuid| batch.iter().map(value).collect::<Vec<_>>();
        let conversations = column(|place| place.conversation.0);
        let senders = column(|place| place.patient);
        let ids = column(|_| Uuid::new_v4());
        let consultations = column(|place| place.consultation);
        let texts: Vec<String> = batch.iter().map(|_| text(nanoseconds())).collect();
        stored += database
            .execute(&insert, &[&conversations, &senders, &ids, &consultations, &texts])
            .await?;
    }
    Ok(stored as f64 / began.elapsed().as_secs_f64())
}
