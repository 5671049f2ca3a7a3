//! Uploads on their way: how far each has come, and in which objects.

use deadpool_postgres::{GenericClient, Transaction};
use housecall_protocol::{ConversationId, FileId, PersonId};
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::Result;

/// An upload as it stands.
#[derive(Clone, Debug)]
pub(crate) struct UploadRow {
    pub(crate) id: FileId,
    pub(crate) conversation: ConversationId,
    pub(crate) uploader: PersonId,
    pub(crate) name: String,
    pub(crate) length_bytes: i64,
    pub(crate) offset_bytes: i64,
    pub(crate) sha256: Option<Vec<u8>>,
    pub(crate) created_at: Timestamp,
}

/// A piece: its length and its object.
pub(crate) struct PartRow {
    pub(crate) length_bytes: i64,
    pub(crate) object: Uuid,
}

/// What one person has in the house.
pub(crate) struct Usage {
    /// Uploads that are not whole.
    pub(crate) open: i64,
    /// Bytes of the last 24 hours, those that were announced included.
    pub(crate) day_bytes: i64,
}

pub(crate) async fn usage(client: &impl GenericClient, person: PersonId) -> Result<Usage> {
    let row = client
        .query_one(
            "SELECT count(*) FILTER (WHERE offset_bytes < length_bytes) AS open,
                    coalesce(sum(length_bytes), 0)::bigint + (
                        SELECT coalesce(sum(f.size_bytes), 0)::bigint FROM crm.files f
                        WHERE f.uploader_id = $1 AND f.created_at > now() - interval '1 day'
                          AND NOT EXISTS (SELECT 1 FROM crm.uploads u WHERE u.id = f.id)
                    ) AS day_bytes
             FROM crm.uploads
             WHERE uploader_id = $1 AND created_at > now() - interval '1 day'",
            &[&person.0],
        )
        .await?;
    Ok(Usage { open: row.get("open"), day_bytes: row.get("day_bytes") })
}

pub(crate) async fn insert(client: &impl GenericClient, upload: &UploadRow) -> Result<()> {
    client
        .execute(
            "INSERT INTO crm.uploads (id, conversation_id, uploader_id, name, length_bytes, sha256)
             VALUES ($1, $2, $3, $4, $5, $6)",
            &[
                &upload.id.0,
                &upload.conversation.0,
                &upload.uploader.0,
                &upload.name,
                &upload.length_bytes,
                &upload.sha256,
            ],
        )
        .await?;
    Ok(())
}

/// The upload, when it is this person's.
pub(crate) async fn find(
    client: &impl GenericClient,
    id: FileId,
    uploader: PersonId,
) -> Result<Option<UploadRow>> {
    let row = client
        .query_opt(
            "SELECT * FROM crm.uploads WHERE id = $1 AND uploader_id = $2",
            &[&id.0, &uploader.0],
        )
        .await?;
    Ok(row.as_ref().map(upload))
}

/// Adds a piece that begins at `start_bytes`. False when the upload is elsewhere by
/// now: two connections carried it, and the other one was first.
pub(crate) async fn append(
    transaction: &Transaction<'_>,
    id: FileId,
    start_bytes: i64,
    part: &PartRow,
) -> Result<bool> {
    let moved = transaction
        .execute(
            "UPDATE crm.uploads SET offset_bytes = offset_bytes + $3
             WHERE id = $1 AND offset_bytes = $2 AND length_bytes - offset_bytes >= $3",
            &[&id.0, &start_bytes, &part.length_bytes],
        )
        .await?;
    if moved == 0 {
        return Ok(false);
    }
    transaction
        .execute(
            "INSERT INTO crm.upload_parts (upload_id, start_bytes, length_bytes, object)
             VALUES ($1, $2, $3, $4)",
            &[&id.0, &start_bytes, &part.length_bytes, &part.object],
        )
        .await?;
    Ok(true)
}

/// Takes the making of the file upon oneself. False when somebody else is at it;
/// one who died at it is waited for two minutes.
pub(crate) async fn begin_finishing(client: &impl GenericClient, id: FileId) -> Result<bool> {
    let taken = client
        .execute(
            "UPDATE crm.uploads SET finishing_at = now()
             WHERE id = $1 AND offset_bytes = length_bytes
               AND (finishing_at IS NULL OR finishing_at < now() - interval '2 minutes')",
            &[&id.0],
        )
        .await?;
    Ok(taken == 1)
}

/// The making of the file failed for reasons that may pass.
pub(crate) async fn stop_finishing(client: &impl GenericClient, id: FileId) -> Result<()> {
    client.execute("UPDATE crm.uploads SET finishing_at = NULL WHERE id = $1", &[&id.0]).await?;
    Ok(())
}

/// The pieces in order.
pub(crate) async fn parts(client: &impl GenericClient, id: FileId) -> Result<Vec<PartRow>> {
    let rows = client
        .query(
            "SELECT length_bytes, object FROM crm.upload_parts
             WHERE upload_id = $1 ORDER BY start_bytes",
            &[&id.0],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| PartRow { length_bytes: row.get("length_bytes"), object: row.get("object") })
        .collect())
}

pub(crate) async fn remove(client: &impl GenericClient, id: FileId) -> Result<()> {
    client.execute("DELETE FROM crm.uploads WHERE id = $1", &[&id.0]).await?;
    Ok(())
}

/// Forgets uploads that began more than `life_hours` ago, at most 100, and returns
/// them: their parts are to be removed too.
pub(crate) async fn sweep(client: &impl GenericClient, life_hours: i32) -> Result<Vec<FileId>> {
    let rows = client
        .query(
            "DELETE FROM crm.uploads WHERE id IN (
                 SELECT id FROM crm.uploads
                 WHERE created_at < now() - make_interval(hours => $1)
                 ORDER BY created_at LIMIT 100)
             RETURNING id",
            &[&life_hours],
        )
        .await?;
    Ok(rows.iter().map(|row| FileId(row.get(0))).collect())
}

fn upload(row: &Row) -> UploadRow {
    UploadRow {
        id: FileId(row.get("id")),
        conversation: ConversationId(row.get("conversation_id")),
        uploader: PersonId(row.get("uploader_id")),
        name: row.get("name"),
        length_bytes: row.get("length_bytes"),
        offset_bytes: row.get("offset_bytes"),
        sha256: row.get("sha256"),
        created_at: row.get("created_at"),
    }
}
