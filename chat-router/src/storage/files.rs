//! The files that messages carry.

use std::collections::HashMap;

use deadpool_postgres::Object;
use housecall_protocol::domain::{FileState, FileView};
use housecall_protocol::ids::{ConversationId, FileId, PersonId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::NewMessage;

/// Uploaded files, with where and by whom.
#[derive(Default)]
pub(super) struct Files {
    uploads: HashMap<FileId, (ConversationId, PersonId, FileView)>,
}

impl Files {
    /// What a batch names. Where a file belongs never changes, so this may be asked
    /// before the batch is stored.
    pub(super) async fn of(
        client: &Object,
        batch: &[&NewMessage],
    ) -> Result<Self, tokio_postgres::Error> {
        let named: Vec<Uuid> =
            batch.iter().filter_map(|new| new.content.file()).map(|file| file.0).collect();
        if named.is_empty() {
            return Ok(Self::default());
        }
        let statement = client
            .prepare_cached(
                "SELECT id AS file_id, conversation_id, uploader_id, name AS file_name, media_type,
                        size_bytes, width, height, state AS file_state, has_thumbnail
                 FROM crm.files WHERE id = ANY ($1) AND state <> 'refused'",
            )
            .await?;
        let rows = client.query(&statement, &[&named]).await?;
        let uploads = rows.iter().map(|row| {
            let conversation = ConversationId(row.get("conversation_id"));
            let uploader = PersonId(row.get("uploader_id"));
            (FileId(row.get("file_id")), (conversation, uploader, view(row)))
        });
        Ok(Self { uploads: uploads.collect() })
    }

    /// The file that a message carries: only what the sender uploaded into that very
    /// conversation.
    pub(super) fn carried_by(&self, new: &NewMessage) -> Option<&FileView> {
        let (conversation, uploader, view) = self.uploads.get(&new.content.file()?)?;
        (*conversation == new.conversation && *uploader == new.sender).then_some(view)
    }
}

/// A file as a message shows it, from columns named as in the queries here.
pub(super) fn view(row: &Row) -> FileView {
    FileView {
        id: FileId(row.get("file_id")),
        name: row.get("file_name"),
        media_type: row.get("media_type"),
        size_bytes: row.get("size_bytes"),
        width: row.get("width"),
        height: row.get("height"),
        state: FileState::of(row.get("file_state")).unwrap_or(FileState::Checking),
        has_thumbnail: row.get("has_thumbnail"),
    }
}
