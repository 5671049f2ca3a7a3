//! Messages of the demo: appended as any other, then moved into the past.

use housecall_protocol::domain::{FileState, FileView, SystemEvent};
use housecall_protocol::{ConsultationId, ConversationId, FileId, PersonId};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{DemoError, Result, Scene, Writer};
use crate::storage;
use crate::storage::files::FileRow;

impl Writer<'_> {
    pub(super) async fn say(
        &self,
        scene: &Scene,
        sender: PersonId,
        kind: &str,
        text: &str,
        file: Option<FileId>,
    ) -> Result {
        let row = self
            .transaction
            .query_one(
                "SELECT seq FROM chat.append($1, $2, $3, $4, $5, $6, $7, NULL)",
                &[
                    &scene.conversation.0,
                    &sender.0,
                    &Uuid::now_v7(),
                    &scene.consultation.0,
                    &kind,
                    &text,
                    &file.map(|id| id.0),
                ],
            )
            .await?;
        self.move_to(scene.conversation, row.get("seq"), scene.clock).await
    }

    pub(super) async fn system(
        &self,
        conversation: ConversationId,
        consultation: Option<ConsultationId>,
        event: &SystemEvent,
        at: Timestamp,
    ) -> Result {
        let seq = storage::conversations::append_system(
            self.transaction,
            conversation,
            consultation,
            event,
        )
        .await?;
        self.move_to(conversation, seq, at).await
    }

    /// Moves the message just written, the conversation's last, into the past.
    pub(super) async fn move_to(
        &self,
        conversation: ConversationId,
        seq: i64,
        at: Timestamp,
    ) -> Result {
        self.transaction
            .execute(
                "UPDATE chat.messages SET sent_at = $3 WHERE conversation_id = $1 AND seq = $2",
                &[&conversation.0, &seq, &at],
            )
            .await?;
        self.transaction
            .execute(
                "UPDATE chat.conversations SET last_at = $2 WHERE id = $1",
                &[&conversation.0, &at],
            )
            .await?;
        Ok(())
    }

    pub(super) async fn file(
        &self,
        scene: &Scene,
        name: &str,
        text: &'static str,
    ) -> Result<FileId> {
        let id = FileId::generate();
        self.files.put_file(id, text.as_bytes().into()).await.map_err(|_| DemoError::File)?;
        let row = FileRow {
            view: FileView {
                id,
                name: name.to_owned(),
                media_type: "text/plain".to_owned(),
                size_bytes: i64::try_from(text.len()).map_err(|_| DemoError::File)?,
                width: None,
                height: None,
                state: FileState::Ready,
                has_thumbnail: false,
            },
            conversation: scene.conversation,
            sha256: Sha256::digest(text).to_vec(),
        };
        storage::files::insert(self.transaction, &row, scene.patient).await?;
        self.transaction
            .execute("UPDATE crm.files SET created_at = $2 WHERE id = $1", &[&id.0, &scene.clock])
            .await?;
        Ok(id)
    }

    /// Marks the whole conversation as read by the person.
    pub(super) async fn read_by(&self, conversation: ConversationId, person: PersonId) -> Result {
        self.transaction
            .execute(
                "INSERT INTO chat.receipts (conversation_id, person_id, delivered_seq, read_seq)
                 SELECT id, $2, last_seq, last_seq FROM chat.conversations WHERE id = $1
                 ON CONFLICT (conversation_id, person_id) DO UPDATE
                 SET delivered_seq = excluded.delivered_seq, read_seq = excluded.read_seq",
                &[&conversation.0, &person.0],
            )
            .await?;
        Ok(())
    }
}
