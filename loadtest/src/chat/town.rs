//! People for a load of chat: patients, each in a conversation with an open
//! consultation, and desks that follow so many of them each.

use anyhow::ensure;
use housecall_protocol::ids::ConversationId;
use tokio_postgres::Client;

use crate::deployment::people::{Person, operators, patients};

/// Conversations that one desk follows; below what the house allows a connection.
pub const FOLLOWED: usize = 50;

pub struct Town {
    pub patients: Vec<Person>,
    pub desks: Vec<Person>,
}

/// A conversation as the floor writes into it.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub conversation: ConversationId,
    pub patient: uuid::Uuid,
    pub consultation: uuid::Uuid,
}

impl Town {
    /// # Errors
    /// When the database refuses.
    pub async fn settle(database: &Client, count: usize) -> anyhow::Result<Self> {
        let patients = patients(database, count).await?;
        let desks = operators(database, count.div_ceil(FOLLOWED)).await?;
        database
            .batch_execute(
                "SELECT count(o.id) FROM chat.conversations c,
                        LATERAL crm.open_consultation(c.id, gen_random_uuid(), NULL) o;
                 ANALYZE chat.conversations, chat.messages, crm.consultations;",
            )
            .await?;
        Ok(Self { patients, desks })
    }
}

/// All conversations, for the floor.
///
/// # Errors
/// When the database refuses.
pub async fn places(database: &Client) -> anyhow::Result<Vec<Place>> {
    let rows = database
        .query(
            "SELECT c.id, c.patient_id, k.id FROM chat.conversations c
             JOIN crm.consultations k ON k.conversation_id = c.id AND k.state <> 'closed'
             ORDER BY c.id",
            &[],
        )
        .await?;
    let place = |row: &tokio_postgres::Row| Place {
        conversation: ConversationId(row.get(0)),
        patient: row.get(1),
        consultation: row.get(2),
    };
    Ok(rows.iter().map(place).collect())
}

/// Text messages that are stored; every conversation must be without a gap.
///
/// # Errors
/// When one has a gap.
pub async fn stored(database: &Client) -> anyhow::Result<u64> {
    let row = database
        .query_one(
            "SELECT coalesce(sum(texts), 0)::bigint, count(*) FILTER (WHERE last_seq <> messages)
             FROM (SELECT c.last_seq, count(m.seq) AS messages,
                          count(*) FILTER (WHERE m.kind = 'text') AS texts
                   FROM chat.conversations c
                   LEFT JOIN chat.messages m ON m.conversation_id = c.id
                   GROUP BY c.id) one",
            &[],
        )
        .await?;
    let (texts, gaps): (i64, i64) = (row.get(0), row.get(1));
    ensure!(gaps == 0, "{gaps} conversations have a gap");
    Ok(u64::try_from(texts)?)
}
