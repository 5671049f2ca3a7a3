//! Files' records; their bytes are in the object store.

use deadpool_postgres::GenericClient;
use housecall_protocol::domain::{FileState, FileView};
use housecall_protocol::rest::PatientFile;
use housecall_protocol::{ConversationId, FileId, PersonId};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::{Result, StorageError};

/// A stored file's record.
pub(crate) struct FileRow {
    pub(crate) view: FileView,
    pub(crate) conversation: ConversationId,
    pub(crate) sha256: Vec<u8>,
}

pub(crate) async fn insert(
    client: &impl GenericClient,
    file: &FileRow,
    uploader: PersonId,
) -> Result<()> {
    let view = &file.view;
    client
        .execute(
            "INSERT INTO crm.files (id, conversation_id, uploader_id, name, media_type,
                                    size_bytes, sha256, width, height, state, has_thumbnail)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            &[
                &view.id.0,
                &file.conversation.0,
                &uploader.0,
                &view.name,
                &view.media_type,
                &view.size_bytes,
                &file.sha256,
                &view.width,
                &view.height,
                &view.state.as_str(),
                &view.has_thumbnail,
            ],
        )
        .await?;
    Ok(())
}

/// A file that has not been taken back with its message.
pub(crate) async fn find(client: &impl GenericClient, id: FileId) -> Result<Option<FileRow>> {
    let row = client
        .query_opt(
            "SELECT * FROM crm.files f WHERE f.id = $1
               AND (NOT EXISTS (SELECT 1 FROM chat.changes h
                                WHERE h.old_file_id = f.id AND h.kind = 'deleted')
                    OR EXISTS (SELECT 1 FROM chat.messages m
                               WHERE m.conversation_id = f.conversation_id
                                 AND m.file_id = f.id))",
            &[&id.0],
        )
        .await?;
    let file = |row: Row| {
        Ok(FileRow {
            view: view(&row)?,
            conversation: ConversationId(row.get("conversation_id")),
            sha256: row.get("sha256"),
        })
    };
    row.map(file).transpose()
}

/// Files of a conversation that were sent, newest first, at most 50. One that was
/// uploaded and never sent is nobody's business yet.
pub(crate) async fn sent(
    client: &impl GenericClient,
    conversation: ConversationId,
) -> Result<Vec<PatientFile>> {
    let rows = client
        .query(
            "SELECT f.* FROM crm.files f
             WHERE f.conversation_id = $1
               AND EXISTS (SELECT 1 FROM chat.messages m
                           WHERE m.conversation_id = $1 AND m.file_id = f.id)
             ORDER BY f.id DESC LIMIT 50",
            &[&conversation.0],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let uploaded_at = row.get::<_, Timestamp>("created_at").into();
            Ok(PatientFile { file: view(row)?, uploaded_at })
        })
        .collect()
}

/// Removes records of files that were uploaded a week ago and never sent, at most
/// 100, and returns them: their bytes are to be removed too. A phone that went
/// offline between the upload and the message has had a week to send it.
pub(crate) async fn sweep_unsent(client: &impl GenericClient) -> Result<Vec<FileId>> {
    let rows = client
        .query(
            "DELETE FROM crm.files WHERE id IN (
                 SELECT f.id FROM crm.files f
                 WHERE f.created_at < now() - interval '7 days'
                   AND NOT EXISTS (SELECT 1 FROM chat.messages m
                                   WHERE m.conversation_id = f.conversation_id
                                     AND m.file_id = f.id)
                   -- What was sent and taken back stays on record.
                   AND NOT EXISTS (SELECT 1 FROM chat.changes h WHERE h.old_file_id = f.id)
                 LIMIT 100)
             RETURNING id",
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| FileId(row.get(0))).collect())
}

/// A file whose scan is due, and a claim on it: others leave it alone for a minute.
pub(crate) async fn claim_unchecked(client: &impl GenericClient) -> Result<Option<FileId>> {
    let row = client
        .query_opt(
            "UPDATE crm.files SET checking_at = now() WHERE id = (
                 SELECT id FROM crm.files
                 WHERE state = 'checking' AND checking_at < now() - interval '1 minute'
                 ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
             RETURNING id",
            &[],
        )
        .await?;
    Ok(row.map(|row| FileId(row.get(0))))
}

/// The scanner's word. A file that was refused stays refused.
pub(crate) async fn settle(
    client: &impl GenericClient,
    id: FileId,
    state: FileState,
) -> Result<()> {
    client
        .execute(
            "UPDATE crm.files SET state = $2, has_thumbnail = has_thumbnail AND $2 = 'ready'
             WHERE id = $1 AND state = 'checking'",
            &[&id.0, &state.as_str()],
        )
        .await?;
    Ok(())
}

fn view(row: &Row) -> Result<FileView> {
    let state = FileState::of(row.get("state")).ok_or(StorageError::Corrupt("a file's state"))?;
    Ok(FileView {
        id: FileId(row.get("id")),
        name: row.get("name"),
        media_type: row.get("media_type"),
        size_bytes: row.get("size_bytes"),
        width: row.get("width"),
        height: row.get("height"),
        state,
        has_thumbnail: row.get("has_thumbnail"),
    })
}
